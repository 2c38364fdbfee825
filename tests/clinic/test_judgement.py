"""Answers that no catalogue has: odd, broken, cheating, unusual and right."""

import copy
import random
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import clinic, data, training
from course_utils.clinic.monitor import Monitor, close_all, trained_on
from course_utils.clinic.programs import edited
from course_utils.exercises import Status

PATIENT = clinic.patient_1


def healthy(X, y, seed, *, epochs=6, lr=0.1, hidden=32, train=None):
    X_train, y_train = (X[:500], y[:500]) if train is None else train
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            optimizer.zero_grad()
            F.cross_entropy(model(X_batch), y_batch).backward()
            optimizer.step()
        history.append(training.evaluate(model, (X[500:], y[500:]))["accuracy"])
    return model, history


def check(answer, patient=PATIENT):
    verdict = patient.check(answer)
    lines = verdict.message.splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= 120
    return verdict, " ".join(verdict.message.split())


def test_a_right_program_in_another_dress():
    class Program:
        def __call__(self, X, y, seed):
            model, history = healthy(X, y, seed)
            frozen = copy.deepcopy(model).eval()
            return (lambda images: frozen(images).argmax(dim=1)), np.array(history)

    assert check(Program())[0].passed
    assert check(lambda *given: list(healthy(*given)))[0].passed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 12}, "is new as well: more epochs (120 updates before, 240 updates now)"),
        ({"lr": 0.05}, "is new as well: a smaller learning rate (0.1 before, 0.05 now)"),
        ({"lr": 0.2}, "is new as well: a larger learning rate (0.1 before, 0.2 now)"),
        ({"hidden": 128}, "is new as well: a larger model"),
    ],
)
def test_only_the_fault_may_change(change, words):
    verdict, said = check(lambda X, y, seed: healthy(X, y, seed, **change))
    assert verdict.status is Status.WRONG_VALUE and words in said


def test_training_on_the_check_up_is_noticed():
    split = data.mnist_5k().test
    stolen = split.flat()[:500], split.labels[:500]
    verdict, said = check(lambda X, y, seed: healthy(X, y, seed, train=stolen))
    assert verdict.status is Status.WRONG_VALUE
    assert "of the check-up's images are among those" in said
    rescaled = (stolen[0] - 0.3) * 7, stolen[1]
    assert "of the check-up's images" in check(lambda *g: healthy(*g, train=rescaled))[1]


def test_an_untrained_predictor_is_noticed():
    def neighbors(X, y, seed):
        return (lambda new: y[torch.cdist(new, X).argmin(dim=1)]), [0.85]

    assert "No update was seen" in check(neighbors)[1]


def test_a_made_up_report_is_noticed():
    def boasting(X, y, seed):
        return healthy(X, y, seed)[0], [1.0] * 6

    assert "the report is wrong now" in check(boasting)[1]

    def boasting_12(X, y, seed):
        return clinic.patient_12.reference(X, y, seed)[0], [0.6] * 10

    def well_known_12(X, y, seed):
        return clinic.patient_12.sick(X, y, seed)[0], [0.75] * 10

    assert not check(well_known_12, clinic.patient_12)[0].passed
    assert check(boasting_12, clinic.patient_12)[0].status in (Status.CORRECT, Status.WRONG_VALUE)


def test_a_constant_prediction_does_not_pass():
    def constant(X, y, seed):
        healthy(X, y, seed)
        return (lambda new: torch.zeros(len(new), 10)), [0.1]

    assert "The symptom is still there" in check(constant)[1]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "your program returned None. It must end like the sick one"),
        (3, "your program returned an int."),
        ((1, 2, 3), "your program returned a tuple."),
        ((None, [0.5]), "the first result is None, which cannot predict"),
        ((len, []), "the second result must be the history"),
        ((len, "abc"), "the second result must be the history"),
        ((len, 0.5), "the second result must be the history"),
        ((len, [[1, 2]]), "the second result must be the history"),
        ((lambda x: "digits", [0.5]), "cannot predict new data of shape (1000, 784)"),
        ((nn.Linear(3, 2), [0.5]), "cannot predict new data of shape (1000, 784)"),
        ((lambda x: x[:5], [0.5]), "got the shape (5, 784)"),
        ((lambda x: torch.zeros(1000, 2, 2), [0.5]), "got the shape (1000, 2, 2)"),
        ((lambda x: torch.tensor(1.0), [0.5]), "cannot predict new data"),
    ],
)
def test_odd_results_are_refused_with_words(returned, words):
    verdict, said = check(lambda X, y, seed: returned)
    assert verdict.status is Status.INVALID, said
    assert words in said


@pytest.mark.parametrize("answer", [3, "program", nn.Linear(2, 1)(torch.ones(1, 2)), [], {}])
def test_odd_answers_are_refused(answer):
    assert check(answer)[0].status is Status.WRONG_TYPE


def test_an_error_shows_the_learners_own_line():
    def broken(X, y, seed):
        model = nn.Linear(784, 10)
        return model(X[:, :5]), []

    verdict, said = check(broken)
    assert verdict.status is Status.RAISED
    assert "return model(X[:, :5]), []" in said and "test_judgement.py" in said

    def in_a_helper_of_the_course(X, y, seed):
        list(data.batches(X, y[:3]))

    assert "list(data.batches(X, y[:3]))" in check(in_a_helper_of_the_course)[1]


def test_arguments_that_do_not_fit():
    assert "cannot be called as it should be" in check(lambda X, y: (X + 1, y))[1]


def test_an_endless_loop_is_stopped(monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(PATIENT, "_conditions", replace(PATIENT._conditions, limit=0.3))
    PATIENT.check(PATIENT.reference)

    def endless(X, y, seed):
        while True:
            seed += 1

    verdict, said = check(endless)
    assert verdict.status is Status.TIMED_OUT and "while True" in said


def test_a_stub_is_not_attempted():
    def program_1(X, y, seed): ...

    assert check(program_1)[0].status is Status.NOT_ATTEMPTED
    assert check(...)[0].status is Status.NOT_ATTEMPTED


def test_a_check_leaves_everything_alone():
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    model = nn.Linear(2, 1)
    model(torch.ones(1, 2)).backward()
    gradient = model.weight.grad.clone()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()

    def noisy(X, y, seed):
        torch.set_default_dtype(torch.float64)
        X.zero_()
        model.weight.grad.zero_()
        return healthy(X.float(), y, seed)

    check(noisy)
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()
    assert (states[2] == np.random.get_state()[1]).all()
    assert torch.get_default_dtype() is torch.float32
    assert torch.equal(model.weight.grad, gradient)
    hooks = torch.nn.modules.module
    assert not hooks._global_forward_hooks and not hooks._global_forward_pre_hooks
    optimizers = sys.modules["torch.optim.optimizer"]
    assert not optimizers._global_optimizer_pre_hooks
    assert not optimizers._global_optimizer_post_hooks


def test_the_predictor_keeps_its_mode():
    model = nn.Sequential(nn.Linear(784, 10), nn.Dropout(0.5)).train()
    PATIENT._outputs(model, torch.zeros(4, 784))
    assert all(part.training for part in model.modules())


# --- the monitor -------------------------------------------------------------------------------


def test_the_monitor_sees_what_happens():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    X = torch.ones(4, 3)
    with Monitor() as seen:
        model(X).sum().backward()
        optimizer.step()
        model.eval()
        model(X).sum().backward()  # the gradients of the first pass are still there
        optimizer.step()
        with torch.no_grad():
            model(X)
    assert (seen.updates, seen.passes, seen.samples) == (2, 2, 8)
    assert (seen.stale, seen.asleep, seen.size) == (1, 1, 8)
    assert seen.optimizer == "SGD with momentum" and seen.rate == pytest.approx(0.2)
    assert seen.model is model and torch.equal(seen.inputs(), torch.ones(8, 3))
    model(X).sum().backward()
    assert seen.passes == 2


def test_the_monitor_survives_a_layer_that_raises():
    model = nn.Sequential(nn.Linear(3, 2))
    with Monitor() as seen:
        for width in (3, 5, 3):
            try:
                model(torch.ones(4, width)).sum().backward()
            except RuntimeError:
                continue
    assert seen.passes == 2


def test_rows_are_recognized_in_any_scale():
    draw = torch.Generator().manual_seed(0)
    old, new = torch.rand(2, 50, 30, generator=draw)
    assert trained_on(old, old[:10]) == 1.0
    assert trained_on(old * 3 - 1, old[:10]) == 1.0
    assert trained_on(old, new) == 0.0
    assert trained_on(None, new) == trained_on(old[:, :5], new) == 0.0


def test_another_optimizer_than_the_catalogues_is_not_called_adam():
    faster = edited(PATIENT.sick, ("lr=0.1", "lr=0.1, momentum=0.5"))
    said = check(faster)[1]
    assert "This is another optimizer (SGD before, SGD with momentum now)" in said
    assert "the symptom stays" in said and "Adam" not in said


def test_removing_the_dropout_is_no_cure():
    weaker = edited(clinic.patient_4.reference, ("nn.Dropout(0.8)", "nn.Dropout(0.1)"))
    assert check(weaker, clinic.patient_4)[0].misconception == "without dropout"


def test_scaling_elsewhere_cures_patient_3():
    for old, new in (
        ("nn.Sequential(", "nn.Sequential(nn.LayerNorm(784, elementwise_affine=False), "),
        ("scans.float()", "F.normalize(scans.float()) * 9"),
    ):
        assert check(edited(clinic.patient_3.sick, (old, new)), clinic.patient_3)[0].passed


@pytest.mark.parametrize("edit", [("no such text", ""), ("loss", ""), ("a\nb", "")])
def test_an_edit_must_fit(edit):
    with pytest.raises(ValueError, match=r"line|times"):
        edited(PATIENT.sick, edit)


def test_a_stopped_program_leaves_no_hook():
    hooks = torch.nn.modules.module._global_forward_hooks
    with Monitor():
        Monitor().__enter__()  # its program was stopped: nobody leaves it
    assert len(hooks) == 1
    close_all()
    assert not hooks


HIDDEN = "self.hidden = [nn.Linear(784, 16), nn.Linear(16, 16)]"


@pytest.mark.parametrize(
    ("patient", "edit", "words"),
    [
        (clinic.patient_6, (HIDDEN, f"{HIDDEN}\nself.first = self.hidden[0]"), "12,730 numbers"),
        (clinic.patient_9, ("nn.BatchNorm1d(32)", "nn.LayerNorm(32)"), "no layer of batch norm"),
        (clinic.patient_11, ("model.append(nn.ReLU())", ""), "no ReLU at all"),
        (clinic.patient_3, ("scans.float()", "scans.float() / 127.5 - 1"), "from -1 to 1?"),
    ],
)
def test_half_a_repair_is_none(patient, edit, words):
    verdict, said = check(edited(patient.sick, edit), patient)
    assert not verdict.passed and words in said


@pytest.mark.parametrize("rate", [0.03, 0.06, 0.3])
def test_what_a_range_test_suggests_is_a_cure(rate):
    patient = clinic.patient_8
    assert check(edited(patient.sick, ("lr=10.0", f"lr={rate}")), patient)[0].passed


@pytest.mark.parametrize("patient", [clinic.patient_4, clinic.patient_12])
def test_where_the_report_was_wrong_it_is_shown(patient):
    assert "reported and on new data: sick" in check(patient.reference, patient)[1]
