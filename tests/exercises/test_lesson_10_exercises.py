"""Lesson 3.10's exercises look at what an answer leaves behind, and accept one-element tensors."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.exercises import Status, capstone


def test_a_parameter_with_one_element_is_a_temperature():
    def fit_temperature(logits, labels):
        T = nn.Parameter(torch.ones(1))
        optimizer = torch.optim.LBFGS([T], lr=0.1, max_iter=100, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(logits / T, labels)
            loss.backward()
            return loss

        optimizer.step(closure)
        return T

    verdict = capstone.temperature.check(fit_temperature)
    assert verdict.passed, verdict.message


def test_a_refusal_must_not_change_the_mode():
    def read_digits(model, images, threshold=0.8):
        before = model.training
        model.eval()
        answers = capstone.read_digits(model, images, threshold)
        model.train(before)
        return answers

    verdict = capstone.robust_predict.check(read_digits)
    assert not verdict.passed
    assert "leaves the model in evaluation mode" in " ".join(verdict.message.split())


def test_gradients_must_not_stay_off():
    def read_digits(model, images, threshold=0.8):
        torch.set_grad_enabled(False)
        return capstone.read_digits(model, images, threshold)

    verdict = capstone.robust_predict.check(read_digits)
    assert verdict.misconception == "gradients switched off for ever", verdict.message
    assert torch.is_grad_enabled()


def test_a_file_that_is_read_by_its_number_is_read():
    def round_trip(model, make_model, path):
        torch.save(model.state_dict(), path)
        with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
            state = torch.load(file, weights_only=True)
        loaded = make_model()
        loaded.load_state_dict(state)
        return loaded.eval()

    verdict = capstone.save_and_load.check(round_trip)
    assert verdict.passed, verdict.message


def test_the_given_model_must_keep_its_numbers():
    def round_trip(model, make_model, path):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.5)
        return capstone.round_trip(model, make_model, path)

    verdict = capstone.save_and_load.check(round_trip)
    assert verdict.status is Status.WRONG_VALUE
    assert "given model's numbers changed" in verdict.message


class _Cheat(nn.Module):
    """Looks the answers up among the validation digits."""

    def forward(self, images):
        _, _, unseen, truth = capstone._arena()
        return F.one_hot(truth[torch.cdist(images.flatten(1), unseen.flatten(1)).argmin(1)]).float()


def test_a_result_that_is_too_good_is_refused():
    verdict = capstone.beat_the_baseline.check(lambda images, labels, seed: _Cheat())
    assert verdict.status is Status.INVALID
    assert "more than 1,000 digits" in verdict.message


def test_a_network_over_the_budget_is_told_its_size():
    def train_contender(images, labels, seed):
        torch.manual_seed(seed)
        convolution = (nn.Unflatten(1, (1, 28)), nn.Conv2d(1, 16, 5, stride=2, padding=2))
        model = nn.Sequential(*convolution, nn.ReLU(), nn.Flatten(), nn.Linear(16 * 196, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(6):
            for rows in torch.randperm(len(labels)).split(32):
                optimizer.zero_grad()
                F.cross_entropy(model(images[rows]), labels[rows]).backward()
                optimizer.step()
        return model

    verdict = capstone.beat_the_baseline.check(train_contender)
    assert verdict.status is Status.INVALID
    assert "31,786 parameters" in " ".join(verdict.message.split())
