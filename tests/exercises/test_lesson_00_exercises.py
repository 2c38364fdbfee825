"""Lesson 3.0's exercises judge the learner's own engine, and answers of other kinds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_utils.exercises import Status, foundations

NOTEBOOK = '''
class Scalar:
    """The notebook's class, with operators that take only its own kind."""

    def __init__(self, value, parents=()):
        self.value, self.grad = value, 0.0
        self.parents = tuple(parents)

    def __add__(self, other):
        assert isinstance(other, Scalar)
        return Scalar(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        assert isinstance(other, Scalar)
        return Scalar(self.value * other.value, [(self, other.value), (other, self.value)])


def neuron_sum(weights, inputs, bias):
    total, parents = bias.value, [(bias, 1.0)]
    for w, x in zip(weights, inputs):
        total += w.value * x.value
        parents += [(w, x.value), (x, w.value)]
    return Scalar(total, parents)


def with_a_detour(weights, inputs, bias):
    total = bias
    for w, x in zip(weights, inputs):
        total = total + w * x
    made = Scalar(total.value)
    made.parents = [[w, x.value] for w, x in zip(weights, inputs)]
    made.parents += [[x, w.value] for w, x in zip(weights, inputs)] + [[bias, 1]]
    return made


def composed(weights, inputs, bias):
    total = bias
    for w, x in zip(weights, inputs):
        total = total + w * x
    return total


def from_nothing(weights, inputs, bias):
    total = Scalar(0.0)
    for w, x in zip(weights, inputs):
        total = total + w * x
    return total + bias


def no_loop(weights, inputs, bias):
    return weights[0] * inputs[0] + bias


def bare_parents(weights, inputs, bias):
    return Scalar(bias.value, [bias, *weights, *inputs])


def number(weights, inputs, bias):
    return [w.value * x.value for w, x in zip(weights, inputs)]
'''


@pytest.fixture(scope="module")
def notebook() -> dict:
    names: dict = {}
    exec(NOTEBOOK, names)
    return names


@pytest.mark.parametrize("name", ["neuron_sum", "with_a_detour"])
def test_the_learners_own_scalars_are_used(notebook, name):
    verdict = foundations.missing_operation.check(notebook[name])
    assert verdict.status is Status.CORRECT, verdict.message


@pytest.mark.parametrize("name", ["composed", "from_nothing"])
def test_one_scalar_is_asked_for_and_not_a_chain(notebook, name):
    verdict = foundations.missing_operation.check(notebook[name])
    assert verdict.misconception == "a chain of Scalars", verdict.message
    assert "All gradients are right" in verdict.message


def test_an_error_of_the_learners_is_told_as_theirs(notebook):
    verdict = foundations.missing_operation.check(notebook["no_loop"])
    assert verdict.status in (Status.RAISED, Status.WRONG_VALUE), verdict.message


def test_a_list_is_not_a_scalar(notebook):
    verdict = foundations.missing_operation.check(notebook["number"])
    assert verdict.status is Status.INVALID
    assert "expected a Scalar" in verdict.message


def test_parents_without_slopes_are_told_the_form(notebook):
    verdict = foundations.missing_operation.check(notebook["bare_parents"])
    assert verdict.status is Status.INVALID
    assert "pair (Scalar, slope)" in verdict.message


def test_a_layer_of_pytorch_may_do_the_sum():
    def weighted_sum(X, W, b):
        layer = nn.Linear(W.shape[1], W.shape[0], dtype=X.dtype)
        layer.load_state_dict({"weight": W, "bias": b})
        return layer(X).detach()

    assert foundations.batch_sum.check(weighted_sum).passed


def test_nudging_the_input_itself_is_told():
    def central_difference(f, x, h=1e-5):
        gradient = torch.zeros_like(x)
        for i in range(len(x)):
            x[i] += h
            above = f(x)
            x[i] -= 2 * h
            gradient[i] = (above - f(x)) / (2 * h)
            x[i] += h + 1e-9  # not quite back
        return gradient

    verdict = foundations.central.check(central_difference)
    assert not verdict.passed
    assert "x" in verdict.message


def _collected(first, last):
    """A neuron's sum that collects slopes by node, and forgets some where a node comes twice."""

    def neuron_sum(weights, inputs, bias):
        slopes, more = {}, []
        for w, x in zip(weights, inputs, strict=True):
            if first == "weights":
                slopes[w] = x.value
                more.append((x, w.value))
            else:
                slopes[w] = slopes.get(w, 0.0) + x.value
                slopes[x] = slopes.get(x, 0.0) + w.value
        total = bias.value + sum(w.value * x.value for w, x in zip(weights, inputs, strict=True))
        if last == "bias":
            slopes[bias] = 1.0
        else:
            more.append((bias, 1.0))
        return foundations.Scalar(total, [*slopes.items(), *more])

    return neuron_sum


@pytest.mark.parametrize(("first", "last"), [("weights", "list"), ("both", "bias")])
def test_a_dictionary_that_forgets_only_once_is_caught(first, last):
    """It is right unless one weight serves all inputs, or the bias is a weight as well."""
    assert foundations.missing_operation.check(_collected("both", "list")).passed
    assert not foundations.missing_operation.check(_collected(first, last)).passed


def test_a_bias_that_is_overwritten_and_returned_is_not_a_new_scalar():
    def neuron_sum(weights, inputs, bias):
        bias.value += sum(w.value * x.value for w, x in zip(weights, inputs, strict=True))
        return bias

    assert not foundations.missing_operation.check(neuron_sum).passed


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("no bias", lambda X, W, b: torch.einsum("ni,ji->nj", X, W)),
        ("not transposed", lambda X, W, b: torch.add(X.matmul(W), b)),
        ("units in rows", lambda X, W, b: torch.addmm(b[:, None], W, X.T)),
        ("activated", lambda X, W, b: 1 / (1 + torch.exp(-(X @ W.T + b)))),
        ("always float32", lambda X, W, b: torch.tensor((X @ W.T + b).tolist())),
    ],
)
def test_a_mistake_is_known_in_another_spelling(name, answer):
    assert foundations.batch_sum.check(answer).misconception == name


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a taken for z", lambda a: torch.sigmoid(a) * torch.sigmoid(-a)),
        ("the slope of tanh", lambda a: (1 - a) * (1 + a)),
        ("wrong sign", lambda a: a**2 - a),
        ("no parentheses", torch.zeros_like),
    ],
)
def test_a_slope_is_known_in_another_spelling(name, answer):
    assert foundations.output_slope.check(answer).misconception == name


def test_z_need_not_be_found_again():
    def by_logit(a):
        z = torch.log(a / (1 - a))
        return torch.exp(-z) / (1 + torch.exp(-z)) ** 2

    assert not foundations.output_slope.check(by_logit).passed  # z is infinite at the ends


def test_any_shape_means_a_single_number_too():
    answer = foundations.output_slope.check(lambda a: torch.stack([v * (1 - v) for v in a]))
    assert not answer.passed


def test_the_value_of_f_may_be_a_tensor():
    def central_difference(f, x, h=1e-5):
        if isinstance(f(x), torch.Tensor):
            raise TypeError("a number, please")
        return foundations.central_difference(f, x, h)

    assert not foundations.central.check(central_difference).passed


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("dW transposed", lambda X, W, dZ: (torch.einsum("ni,nj->ij", X, dZ), dZ.sum(0), dZ @ W)),
        ("db not summed", lambda X, W, dZ: (dZ.T @ X, dZ.clone(), dZ @ W)),
        ("a mean over the batch", lambda X, W, dZ: ((dZ / len(X)).T @ X, dZ.mean(0), dZ @ W)),
    ],
)
def test_a_wrong_gradient_is_known_in_another_spelling(name, answer):
    assert foundations.layer_backward.check(answer).misconception == name


def test_half_of_the_step_is_not_the_step():
    def central_difference(f, x, h=1e-5):
        return foundations.central_difference(f, x, h / 2)

    assert not foundations.central.check(central_difference).passed


@pytest.mark.parametrize("wrong", ["value", "bias"])
def test_a_sum_that_is_nearly_right_is_not_right(wrong):
    def neuron_sum(weights, inputs, bias):
        made = foundations.neuron_sum(weights, inputs, bias)
        if wrong == "value":
            return foundations.Scalar(made.value + 0.01, made.parents)
        known = {id(node) for node in weights}
        pairs = [(n, s) for n, s in made.parents if n is not bias or id(bias) in known]
        return foundations.Scalar(made.value, pairs)  # without a bias that is no weight

    assert not foundations.missing_operation.check(neuron_sum).passed
