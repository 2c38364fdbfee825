"""Lesson 3.6's exercises judge loops by their numbers and by what they leave behind."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.exercises import Status, training_loop

ORDERS = {
    "fecdba": "loops come first",
    "efcdba": "loops come first",
    "cfdeba": "epochs stand outside",
    "fcadeb": "first step has no gradient",
    "fcaedb": "first step has no gradient",
    "fcdaeb": "between the loss and its backward",
    "fcdabe": "never move",
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_wrong_order_is_told_what_it_does(order):
    verdict = training_loop.six_lines.check(order)
    assert not verdict.passed
    assert ORDERS[order] in " ".join(verdict.message.split())


def test_just_three_orders_train_and_the_other_717_are_all_explained():
    orders = ["".join(letters) for letters in itertools.permutations("abcdef")]
    with_loops = [order for order in orders if order.startswith("fc")]
    verdicts = {order: training_loop.six_lines.check(order) for order in [*with_loops, "abcdef"]}
    right = {order for order, verdict in verdicts.items() if verdict.passed}
    assert right == {"fcdeba", "fcedba", "fcdbae"}
    wrong = [verdict for order, verdict in verdicts.items() if order not in right]
    assert {verdict.status for verdict in wrong} == {Status.MISCONCEPTION}


class Epoch:
    """A loop that asks for gradients, keeps no loss and weights by samples."""

    def __call__(self, model, X, y, optimizer, batch_size=64):
        model.train()
        parameters, total = list(model.parameters()), 0.0
        for rows in torch.arange(len(X)).split(batch_size):
            loss = F.nll_loss(F.log_softmax(model(X[rows]), dim=1), y[rows])
            for parameter, grad in zip(
                parameters, torch.autograd.grad(loss, parameters), strict=True
            ):
                parameter.grad = grad
            optimizer.step()
            total += loss.detach().double() * len(rows)
        return total / len(X)


def by_closure(model, X, y, optimizer, batch_size=64):
    model.train()
    losses = []
    for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):

        def closure(X=X_batch, y=y_batch):
            model.zero_grad()
            loss = F.cross_entropy(model(X), y)
            loss.backward()
            return loss

        losses += [optimizer.step(closure).item()] * len(X_batch)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("answer", [Epoch(), by_closure])
def test_other_loops_are_right(answer):
    verdict = training_loop.four_bugs.check(answer)
    assert verdict.passed, verdict.message


def keeps_losses(model, X, y, optimizer, batch_size=64):
    model.train()
    losses = []
    for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):
        losses.append(F.cross_entropy(model(X_batch), y_batch))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    sizes = [len(part) for part in y.split(batch_size)]
    return sum(n * loss.item() for n, loss in zip(sizes, losses, strict=True)) / len(X)


def test_a_list_of_losses_keeps_their_graphs():
    verdict = training_loop.four_bugs.check(keeps_losses)
    assert verdict.misconception == "the graph is kept", verdict.message


def by_hand(model, X, y, optimizer, batch_size=64):
    model.train()
    total = 0.0
    for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):
        loss = F.cross_entropy(model(X_batch), y_batch)
        grads = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            torch._foreach_sub_(list(model.parameters()), [0.3 * grad for grad in grads])
        total += loss.item() * len(X_batch)
    return total / len(X)


def test_an_optimizer_that_is_not_called_is_missed():
    verdict = training_loop.four_bugs.check(by_hand)
    assert verdict.misconception == "without the optimizer", verdict.message


def test_an_ignored_batch_size_is_told_by_the_number_of_steps():
    verdict = training_loop.four_bugs.check(
        lambda model, X, y, optimizer, batch_size: training_loop.train_one_epoch(
            model, X, y, optimizer
        )
    )
    assert verdict.status is Status.WRONG_VALUE
    assert "calls of optimizer.step()" in verdict.message


def accumulated_by_hand(model, parts, optimizer):
    samples = sum(len(y) for _, y in parts)
    loss = sum(F.mse_loss(model(X), y) * len(y) / samples for X, y in parts)
    grads = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        torch._foreach_sub_(list(model.parameters()), [0.1 * grad for grad in grads])


def accumulated_in_single_precision(model, parts, optimizer):
    weights = torch.tensor([float(len(y)) for _, y in parts])
    optimizer.zero_grad()
    for weight, (X, y) in zip(weights / weights.sum(), parts, strict=True):
        (weight * nn.MSELoss()(model(X), y)).backward()
    optimizer.step()


def test_accumulation_uses_the_optimizer_and_may_round_its_weights():
    verdict = training_loop.accumulation.check(accumulated_by_hand)
    assert verdict.misconception == "without the optimizer", verdict.message
    assert training_loop.accumulation.check(accumulated_in_single_precision).passed


def evaluated(model, X, y, batch_size, forward):
    before = model.training
    model.eval()
    z = torch.cat([forward(part) for part in X.split(batch_size)])
    model.train(before)
    return F.cross_entropy(z, y).item(), (z.argmax(1) == y).double().mean().item()


def by_forward(model, X, y, batch_size=256):
    return evaluated(model, X, y, batch_size, model.forward)


def fixed_size(model, X, y, batch_size=256):
    with torch.no_grad():
        return evaluated(model, X, y, 256, model)


def switched_off(model, X, y, batch_size=256):
    torch.set_grad_enabled(False)
    return evaluated(model, X, y, batch_size, model)


def frozen(model, X, y, batch_size=256):
    for parameter in model.parameters():
        parameter.requires_grad = False
    return evaluated(model, X, y, batch_size, model)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (by_forward, "a graph is built"),
        (fixed_size, "all at once"),
        (switched_off, "gradients switched off for ever"),
        (frozen, "parameters frozen"),
    ],
)
def test_an_evaluation_must_change_nothing(answer, name):
    verdict = training_loop.evaluation.check(answer)
    assert verdict.misconception == name, verdict.message
    assert torch.is_grad_enabled()


def test_a_dictionary_is_no_pair():
    verdict = training_loop.evaluation.check(lambda *_, **__: {"loss": 1.0, "accuracy": 0.5})
    assert verdict.status is Status.INVALID
    assert "two numbers" in verdict.message


@pytest.mark.parametrize("kind", [torch.tensor, torch.tensor(0).new_tensor, int])
def test_the_number_of_epochs_may_be_a_tensor(kind):
    def restore(state, model, optimizer, generator):
        return kind(training_loop.restore(state, model, optimizer, generator))

    assert training_loop.resume.check(restore).passed


def test_a_model_left_in_evaluation_mode_is_told():
    def restore(state, model, optimizer, generator):
        model.eval()
        return training_loop.restore(state, model, optimizer, generator)

    verdict = training_loop.resume.check(restore)
    assert not verdict.passed
    assert "training mode" in verdict.message
