"""What the explorers of lesson 3.0 compute, held against PyTorch and a closed form."""

from __future__ import annotations

import math

import pytest
import torch

from course_utils.explore import foundations


def _by_autograd(x1: float, x2: float, w11: float, v1: float, target: float) -> dict[str, float]:
    """The network of the lesson in PyTorch: its loss and its gradients by name."""
    leaf = dict(dtype=torch.float64, requires_grad=True)
    x = torch.tensor([x1, x2], **leaf)
    (_, w21), hidden2 = foundations.W_HIDDEN
    W1 = torch.tensor([[w11, w21], list(hidden2)], **leaf)
    b1 = torch.tensor(foundations.B_HIDDEN, **leaf)
    W2 = torch.tensor([v1, foundations.W_OUTPUT[1]], **leaf)
    b2 = torch.tensor(foundations.B_OUTPUT, **leaf)
    hidden = torch.sigmoid(W1 @ x + b1)
    loss = (torch.sigmoid(W2 @ hidden + b2) - target) ** 2
    loss.backward()
    gradients = [*x.grad, *W1.grad.flatten(), *b1.grad, *W2.grad, b2.grad]
    names = ["x1", "x2", "w11", "w21", "w12", "w22", "h1", "h2", "v1", "v2", "out"]
    return dict(zip(names, (float(g) for g in gradients), strict=True)) | {"loss": loss.item()}


@pytest.mark.parametrize("target", [0.0, 1.0])
@pytest.mark.parametrize("v1", [-4.0, 0.0, 2.0])
@pytest.mark.parametrize("x1", [-2.0, 0.0, 1.0])
def test_the_network_and_its_gradients(x1, v1, target):
    value, gradient = foundations.forward_and_backward(x1, 0.5, -3.0, v1, target)
    expected = _by_autograd(x1, 0.5, -3.0, v1, target)
    assert value["loss"] == pytest.approx(expected.pop("loss"), abs=1e-12)
    for name, number in expected.items():
        assert gradient[name] == pytest.approx(number, abs=1e-12), name


def test_the_start_is_the_lesson_s_first_plant():
    scene = foundations.network().at()
    assert scene.status.startswith("ŷ = 0.24, target 1: the loss is 0.571.")


@pytest.mark.parametrize("curvature", foundations.CURVATURES.values())
@pytest.mark.parametrize("lr", [0.05, 0.5, 1.0, 2.2])
def test_descent_multiplies_the_distance_by_a_factor(curvature, lr):
    path = foundations.descend(curvature, lr, 6)
    distance = foundations.START - foundations.LOWEST
    for k, w in enumerate(path):
        expected = distance * (1 - lr * curvature) ** k
        assert w - foundations.LOWEST == pytest.approx(expected, abs=1e-9 * max(1, abs(expected)))


@pytest.mark.parametrize(
    ("lr", "words"),
    [(0.1, "slow"), (0.4, "good"), (0.5, "one step"), (0.9, "oscillating"), (1.0, "border")],
)
def test_a_stable_walk_is_named(lr, words):
    scene = foundations.descent().at(lr=lr, curvature="2")
    assert words in scene.status and not scene.diverged


def test_beyond_the_border_it_diverges_for_every_curvature():
    for curvature in foundations.CURVATURES:
        border = 2 / foundations.CURVATURES[curvature]
        for lr in foundations.descent().controls["lr"].values:
            scene = foundations.descent().at(lr=lr, curvature=curvature)
            beyond = lr > border and not math.isclose(lr, border)
            assert scene.diverged == beyond == ("diverging" in scene.status), (curvature, lr)
