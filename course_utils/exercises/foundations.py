"""The exercises of lesson 3.0, Foundations."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from course_utils.exercises import (
    AnswerError,
    FunctionExercise,
    Misconception,
    Prediction,
    Probe,
)

# --- 00.1: the weighted sums of a layer ----------------------------------------------------------


def weighted_sum(X, W, b):
    """Weighted sums of a layer: X (N, in), W (out, in), b (out,) -> (N, out)."""
    return X @ W.T + b


def _sum_by_einsum(X, W, b):
    return torch.einsum("ni,ji->nj", X, W) + b


def _sum_by_functional(X, W, b):
    return torch.nn.functional.linear(X, W, b)


def _sum_by_broadcast(X, W, b):
    return (X[:, None, :] * W).sum(dim=2) + b


def _sum_by_columns(X, W, b):
    return (W @ X.T + b[:, None]).T


def _sum_by_loops(X, W, b):
    z = X.new_zeros(len(X), len(W))
    for n in range(len(X)):
        for j in range(len(W)):
            for i in range(X.shape[1]):
                z[n, j] += W[j, i] * X[n, i]
            z[n, j] += b[j]
    return z


def _layer(samples: int, inputs: int, outputs: int, dtype: torch.dtype = torch.float32):
    """Inputs (N, in), weights (out, in) and biases (out,) without any symmetry."""
    generator = torch.Generator().manual_seed(10 * samples + inputs)
    shapes = (samples, inputs), (outputs, inputs), (outputs,)
    draw = (torch.randint(-4, 5, shape, generator=generator) for shape in shapes)
    X, W, b = (0.5 * values.to(dtype) for values in draw)
    return X, W, b + 0.25


batch_sum = FunctionExercise(
    id="00.1",
    title="The weighted sums of a layer",
    statement=(
        "Write `weighted_sum(X, W, b)` for a whole batch: X is (N, in), one example in each row; W "
        "is (out, in), the weights of one unit in each row; b is (out,). Return all sums, shape "
        "(N, out)."
    ),
    solution=weighted_sum,
    alternatives=(
        _sum_by_einsum,
        _sum_by_functional,
        _sum_by_broadcast,
        _sum_by_columns,
        _sum_by_loops,
    ),
    probes=(
        Probe("one example, two inputs, two units", lambda: _layer(1, 2, 2)),
        Probe("two examples, two inputs, two units", lambda: _layer(2, 2, 2)),
        Probe("three examples, two inputs, four units", lambda: _layer(3, 2, 4)),
        Probe("float64", lambda: _layer(3, 4, 2, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "not transposed",
            lambda X, W, b: X @ W + b,
            "X @ W pairs the inputs with the wrong axis of W. The row of a unit must meet the row "
            "of an example, so the product needs W.T: (N, in) @ (in, out) -> (N, out).",
        ),
        Misconception(
            "factors exchanged",
            lambda X, W, b: W @ X + b,
            "W @ X has the factors the wrong way around: it pairs the units with the examples. The "
            "examples come first, and W has to be transposed: (N, in) @ (in, out) -> (N, out).",
        ),
        Misconception(
            "units in rows",
            lambda X, W, b: W @ X.T + b[:, None],
            "The numbers are right, but they lie the other way around: your result is (out, N), "
            "with a unit in each row. Wanted is (N, out), an example in each row.",
        ),
        Misconception(
            "reshaped instead of transposed",
            lambda X, W, b: X @ W.reshape(W.shape[1], W.shape[0]) + b,
            "The shape fits now, but reshape only cuts the same row of numbers anew, so weights of "
            "different units get mixed. W.T exchanges rows and columns.",
        ),
        Misconception(
            "element by element",
            lambda X, W, b: X * W + b,
            "* multiplies number by number and adds nothing up. A weighted sum is the matrix "
            "product: @, with W.T.",
        ),
        Misconception(
            "always float32",
            lambda X, W, b: (X @ W.T + b).float(),
            "The numbers are right, but the result is float32 even where X is float64. torch.zeros "
            "and torch.tensor make float32 unless you say dtype=X.dtype; X.new_zeros(...) takes "
            "the type of X.",
        ),
        Misconception(
            "no bias",
            lambda X, W, b: X @ W.T,
            "The bias is missing: add b. Its shape (out,) fits to every row by broadcasting.",
        ),
        Misconception(
            "a mean instead of a sum",
            lambda X, W, b: (X @ W.T) / X.shape[1] + b,
            "You divide by the number of inputs. A neuron adds up; it takes no mean.",
        ),
        Misconception(
            "the bias once for each input",
            lambda X, W, b: (X[:, None, :] * W + b[:, None]).sum(dim=2),
            "The bias is inside the sum, so it is added once for each input. Add it once, after "
            "the sum.",
        ),
        Misconception(
            "activated",
            lambda X, W, b: torch.sigmoid(X @ W.T + b),
            "You have already applied the sigmoid. Asked for is z, the sum before the activation.",
        ),
    ),
    hints=(
        "Start with the shapes: (N, in) and (out, in) shall become (N, out). Which one has to be "
        "turned around?",
        "X @ W.T has the shape (N, in) @ (in, out) -> (N, out).",
        "Then add b: (N, out) + (out,) adds it to every row.",
    ),
    reasoning=(
        "Entry (n, j) of X @ W.T is row n of X times row j of W, summed over the inputs: the index "
        "form, for all examples and units at once. nn.Linear stores its weight as (out, in) and "
        "does exactly this."
    ),
)

# --- 00.2: the slope of the sigmoid --------------------------------------------------------------


def sigmoid_slope(a):
    """Slope of the sigmoid where its output is a: same shape as a."""
    return a * (1 - a)


def _slope_as_difference(a):
    return a - a**2


def _slope_as_parabola(a):
    return 0.25 - (a - 0.5) ** 2


def _slope_in_place(a):
    slope = a.clone()
    slope.mul_(1 - a)
    return slope


def _slope_of_sigmoid_again(a):
    again = torch.sigmoid(a)
    return again * (1 - again)


output_slope = FunctionExercise(
    id="00.2",
    title="The sigmoid's slope from its output",
    statement=(
        "Write `sigmoid_slope(a)`: given a = σ(z), the output of the sigmoid, return the slope "
        "dσ/dz at that point, for a tensor of any shape. z itself is not given, and is not needed. "
        "Where the sigmoid is flat, a may be exactly 0 or 1."
    ),
    solution=sigmoid_slope,
    alternatives=(_slope_as_difference, _slope_as_parabola, _slope_in_place),
    probes=(
        Probe("the middle", lambda: (torch.tensor([0.5]),)),
        Probe("some outputs", lambda: (torch.tensor([0.2, 0.7, 0.9]),)),
        Probe("one number", lambda: (torch.tensor(0.25),)),
        Probe(
            "a batch in float64", lambda: (torch.linspace(0, 1, 6, dtype=torch.float64)[:, None],)
        ),
        Probe("saturated", lambda: (torch.tensor([0.0, 1.0]),)),
    ),
    misconceptions=(
        Misconception(
            "a taken for z",
            _slope_of_sigmoid_again,
            "You apply the sigmoid once more. a is already σ(z); use it as it is.",
        ),
        Misconception(
            "the sigmoid itself",
            lambda a: torch.sigmoid(a),
            "That is a value of the sigmoid. Asked for is its slope: how much the output changes "
            "when z changes a little.",
        ),
        Misconception(
            "one factor",
            lambda a: 1 - a,
            "One factor is missing. Near z = −10 the output is almost 0 and the curve is flat, but "
            "1 − a is almost 1 there.",
        ),
        Misconception(
            "wrong sign",
            lambda a: a * (a - 1),
            "The size is right, the sign is not: the sigmoid rises everywhere, so its slope is "
            "positive.",
        ),
        Misconception(
            "the slope of tanh",
            lambda a: 1 - a**2,
            "That is the slope of tanh in terms of its output. For the sigmoid, differentiate "
            "1/(1 + e^(−z)).",
        ),
        Misconception(
            "no parentheses",
            lambda a: a * 1 - a,
            "This is 0 everywhere: a * 1 - a is (a * 1) - a, because * comes before -. The "
            "parentheses count: a * (1 - a).",
        ),
        Misconception(
            "squared",
            lambda a: a * (1 - a) ** 2,
            "One factor too many: the slope is a product of two factors, one that is small near "
            "a = 0 and one that is small near a = 1.",
        ),
    ),
    hints=(
        "Where is the sigmoid flat? At both ends: for a near 0 and for a near 1.",
        "dσ/dz = e^(−z) / (1 + e^(−z))². Split it into two fractions; one of them is a.",
        "The other fraction, e^(−z) / (1 + e^(−z)), is 1 − a.",
    ),
    reasoning=(
        "With a = 1/(1 + e^(−z)), the derivative is e^(−z)/(1 + e^(−z))² = a · (1 − a). That is "
        "why the backward pass keeps the outputs of the forward pass: the slope comes for free. "
        "It is largest, 1/4, in the middle."
    ),
)

# --- 00.3: backward through one linear layer -----------------------------------------------------


def linear_backward(X, W, dZ):
    """Gradients of a linear layer: X (N, in), W (out, in), dZ (N, out) -> dW, db, dX."""
    dW = dZ.T @ X  # (out, N) @ (N, in) -> (out, in)
    db = dZ.sum(dim=0)  # (N, out) -> (out,)
    dX = dZ @ W  # (N, out) @ (out, in) -> (N, in)
    return dW, db, dX


def _backward_by_einsum(X, W, dZ):
    return (
        torch.einsum("nj,ni->ji", dZ, X),
        torch.einsum("nj->j", dZ),
        torch.einsum("nj,ji->ni", dZ, W),
    )


def _backward_by_example(X, W, dZ):
    dW, db, dX = torch.zeros_like(W), W.new_zeros(len(W)), torch.zeros_like(X)
    for n in range(len(X)):
        dW += torch.outer(dZ[n], X[n])
        db += dZ[n]
        dX[n] = W.T @ dZ[n]
    return dW, db, dX


def _backward_by_autograd(X, W, dZ):
    X, W = X.clone().requires_grad_(), W.clone().requires_grad_()
    b = W.new_zeros(len(W), requires_grad=True)
    return torch.autograd.grad(X @ W.T + b, (W, b, X), dZ)


def _backward_transposed(X, W, dZ):
    return (X.T @ dZ), dZ.sum(dim=0), dZ @ W


def _backward_mean(X, W, dZ):
    return dZ.T @ X / len(X), dZ.mean(dim=0), dZ @ W


def _incoming(samples: int, inputs: int, outputs: int, dtype: torch.dtype = torch.float32):
    """Inputs, weights and the gradient that arrives at the layer's sums."""
    X, W, _ = _layer(samples, inputs, outputs, dtype)
    generator = torch.Generator().manual_seed(100 + samples)
    dZ = 0.5 * torch.randint(-4, 5, (samples, outputs), generator=generator).to(dtype) + 0.25
    return X, W, dZ


layer_backward = FunctionExercise(
    id="00.3",
    title="Backward through one linear layer",
    statement=(
        "The forward pass was Z = X @ W.T + b with X (N, in), W (out, in), b (out,). Backward, the "
        "gradient of the loss with respect to Z arrives: dZ, shape (N, out). Write "
        "`linear_backward(X, W, dZ)` and return the three gradients (dW, db, dX), each with the "
        "shape of what it belongs to."
    ),
    solution=linear_backward,
    alternatives=(_backward_by_einsum, _backward_by_example, _backward_by_autograd),
    probes=(
        Probe("one example, two inputs, two units", lambda: _incoming(1, 2, 2)),
        Probe("two examples, two inputs, two units", lambda: _incoming(2, 2, 2)),
        Probe("three examples, two inputs, four units", lambda: _incoming(3, 2, 4)),
        Probe("float64", lambda: _incoming(3, 4, 2, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "dW transposed",
            _backward_transposed,
            "Your dW has the shape (in, out), which is turned around. A gradient always has the "
            "shape of its parameter: (out, in). Swap the factors: dZ.T @ X.",
        ),
        Misconception(
            "db not summed",
            lambda X, W, dZ: (dZ.T @ X, dZ, dZ @ W),
            "b was used once for every example, so its gradient is the sum over all of them: "
            "dZ.sum(dim=0), shape (out,).",
        ),
        Misconception(
            "db kept as a row",
            lambda X, W, dZ: (dZ.T @ X, dZ.sum(dim=0, keepdim=True), dZ @ W),
            "db has the shape (1, out), but b is (out,). Leave out keepdim.",
        ),
        Misconception(
            "db over the wrong axis",
            lambda X, W, dZ: (dZ.T @ X, dZ.sum(dim=1), dZ @ W),
            "You add up the units of each example. b has one entry for each unit: add up the "
            "examples, dim=0.",
        ),
        Misconception(
            "a mean over the batch",
            _backward_mean,
            "You average over the examples. If the loss is a mean, its 1/N is already in dZ; here "
            "the contributions are added.",
        ),
        Misconception(
            "only db averaged",
            lambda X, W, dZ: (dZ.T @ X, dZ.mean(dim=0), dZ @ W),
            "dW and dX are right. db is the sum over the examples, not their mean.",
        ),
        Misconception(
            "dX with the transposed weights",
            lambda X, W, dZ: (dZ.T @ X, dZ.sum(dim=0), dZ @ W.T),
            "In dX the product meets the wrong axis of W. The way back is (N, out) @ (out, in): "
            "dZ @ W, without a transpose.",
        ),
        Misconception(
            "always float32",
            lambda X, W, dZ: tuple(g.float() for g in linear_backward(X, W, dZ)),
            "The numbers are right, but they are float32 even where the inputs are float64. "
            "torch.zeros makes float32 unless you say dtype=X.dtype; torch.zeros_like(W) and "
            "X.new_zeros(...) take the type of what is there.",
        ),
        Misconception(
            "another order",
            lambda X, W, dZ: (dZ @ W, dZ.T @ X, dZ.sum(dim=0)),
            "All three gradients are right, but not in the order that was asked for: return "
            "dW, db, dX.",
        ),
    ),
    hints=(
        "A gradient has the shape of what it belongs to. Which product of dZ (N, out) and X "
        "(N, in) has the shape (out, in)?",
        "W, b: every example contributes, and the contributions are added. X: every unit "
        "contributes.",
        "dW = dZ.T @ X, dX = dZ @ W, and db adds up the rows of dZ.",
    ),
    reasoning=(
        "z_nj = Σ_i w_ji x_ni + b_j, so ∂z_nj/∂w_ji = x_ni, ∂z_nj/∂b_j = 1 and "
        "∂z_nj/∂x_ni = w_ji (here written row first). Multiply each by dZ, and add over everything "
        "that the parameter or the input takes part in: the examples for W and b, the units for X."
    ),
)

# --- 00.4: central differences -------------------------------------------------------------------


def central_difference(f, x, h=1e-5):
    """Gradient of f at x (D,) from two values of f for each coordinate: (D,)."""
    gradient = torch.zeros_like(x)
    for i in range(len(x)):
        up, down = x.clone(), x.clone()
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


def _central_by_unit_vectors(f, x, h=1e-5):
    steps = h * torch.eye(len(x), dtype=x.dtype)
    return torch.tensor([(f(x + s) - f(x - s)) / (2 * h) for s in steps], dtype=x.dtype)


def _central_in_halves(f, x, h=1e-5):
    slopes = []
    for i in range(len(x)):
        nudge = torch.zeros_like(x)
        nudge[i] = h
        forward, backward = (f(x + nudge) - f(x)) / h, (f(x) - f(x - nudge)) / h
        slopes.append(torch.as_tensor(0.5 * (forward + backward), dtype=x.dtype))
    return torch.stack(slopes)


def _central_put_back(f, x, h=1e-5):
    x, gradient = x.clone(), torch.empty_like(x)
    for i in range(len(x)):
        old = x[i].item()
        x[i] = old + h
        above = f(x)
        x[i] = old - h
        gradient[i] = (above - f(x)) / 2 / h
        x[i] = old
    return gradient


def _forward_difference(f, x, h=1e-5):
    gradient = torch.zeros_like(x)
    for i in range(len(x)):
        up = x.clone()
        up[i] += h
        gradient[i] = (f(up) - f(x)) / h
    return gradient


def _backward_difference(f, x, h=1e-5):
    return -_forward_difference(lambda v: f(2 * x - v), x, h)


def _difference_with_h(f, x, h=1e-5):
    return 2 * central_difference(f, x, h)


def _difference_undivided(f, x, h=1e-5):
    return 2 * h * central_difference(f, x, h)


def _difference_all_at_once(f, x, h=1e-5):
    return torch.as_tensor((f(x + h) - f(x - h)) / (2 * h), dtype=x.dtype)


def _difference_reversed(f, x, h=1e-5):
    return -central_difference(f, x, h)


def _difference_never_put_back(f, x, h=1e-5):
    x, gradient = x.clone(), torch.zeros_like(x)
    for i in range(len(x)):
        x[i] += h
        above = f(x)
        x[i] -= 2 * h
        gradient[i] = (above - f(x)) / (2 * h)
    return gradient


def _difference_nudges_pile_up(f, x, h=1e-5):
    up, down, gradient = x.clone(), x.clone(), torch.zeros_like(x)
    for i in range(len(x)):
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


def _difference_without_copies(f, x, h=1e-5):
    gradient = torch.zeros_like(x)
    for i in range(len(x)):
        up = down = x
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


def _difference_by_autograd(f, x, h=1e-5):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(f(leaf), leaf)[0]


def _difference_own_nudge(f, x, h=1e-5):
    return central_difference(f, x, 1e-5)


def _difference_slipped_parentheses(f, x, h=1e-5):
    return h * h * central_difference(f, x, h)


def _difference_of_list(f, x, h=1e-5):
    steps = h * torch.eye(len(x), dtype=x.dtype)
    return torch.tensor([(f(x + s) - f(x - s)) / (2 * h) for s in steps])


def _difference_in_float32(f, x, h=1e-5):
    return central_difference(f, x, h).float()


def _cubes(x: Tensor) -> float:
    return math.fsum(v**3 for v in x.tolist())


def _product(x: Tensor) -> float:
    return math.prod(x.tolist())


def _mixed(x: Tensor) -> Tensor:
    values = x.tolist()
    return torch.tensor(values[0] * math.exp(values[-1]) + values[-1] ** 2, dtype=torch.float64)


def _rounded(x: Tensor) -> float:
    return round(math.fsum(2 * v for v in x.tolist()), 2)


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "sum of the cubes": _cubes,
    "product of all": _product,
    "x₁ exp(x₂) + x₂²": _mixed,
    "twice the sum, with two decimals": _rounded,
}


def _observe_difference(answer: Callable, f: str, x: Tensor, h: float) -> Any:
    """Call the answer with a function that it can only evaluate, not differentiate."""
    return answer(FUNCTIONS[f], x, h)


def _point(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


central = FunctionExercise(
    id="00.4",
    title="A gradient from values alone",
    statement=(
        "Write `central_difference(f, x, h=1e-5)`: x is a float64 tensor (D,), f takes such a "
        "tensor and returns one number. Return the gradient of f at x, float64 of shape (D,), from "
        "the central differences (f(x + h) − f(x − h)) / 2h, one coordinate at a time. f can be "
        "any function: all you can do is call it."
    ),
    solution=central_difference,
    alternatives=(_central_by_unit_vectors, _central_in_halves, _central_put_back),
    observe=_observe_difference,
    rtol=1e-5,
    atol=2e-6,
    probes=(
        Probe("one coordinate", lambda: ("sum of the cubes", _point(1.5), 1e-3)),
        Probe("three coordinates", lambda: ("sum of the cubes", _point(1.0, -2.0, 0.5), 1e-3)),
        Probe("a long step", lambda: ("sum of the cubes", _point(1.0, -0.5), 0.5)),
        Probe(
            "coordinates that interact", lambda: ("product of all", _point(2.0, -1.5, 3.0), 1e-3)
        ),
        Probe("f returns a tensor", lambda: ("x₁ exp(x₂) + x₂²", _point(1.5, 0.5), 1e-3)),
        Probe(
            "a scale with few digits",
            lambda: ("twice the sum, with two decimals", _point(1.0, -0.5), 0.25),
        ),
    ),
    misconceptions=(
        Misconception(
            "one-sided, forward",
            _forward_difference,
            "This is the one-sided difference (f(x + h) − f(x)) / h. Its error shrinks like h; "
            "that of the central one like h². Also take a step back.",
        ),
        Misconception(
            "one-sided, backward",
            _backward_difference,
            "This is the one-sided difference (f(x) − f(x − h)) / h. Its error shrinks like h; "
            "that of the central one like h². Also take a step forward.",
        ),
        Misconception(
            "divided by h",
            _difference_with_h,
            "Your gradient is twice too large: the two points are 2h apart, so divide by 2 * h.",
        ),
        Misconception(
            "divided by 2, times h",
            _difference_slipped_parentheses,
            "/ 2 * h divides by 2 and then multiplies by h, from left to right. The parentheses "
            "count: / (2 * h).",
        ),
        Misconception(
            "a nudge of your own",
            _difference_own_nudge,
            "You use a fixed nudge and ignore h. The caller chooses it: a function that is known "
            "to two decimals only does not change at all for a nudge of 1e-5.",
        ),
        Misconception(
            "a list made float32",
            _difference_of_list,
            "The slopes are right, but torch.tensor turns Python's numbers into float32, which "
            "keeps 7 digits. Write torch.tensor(slopes, dtype=x.dtype).",
        ),
        Misconception(
            "float32",
            _difference_in_float32,
            "The slopes are right, but they are float32, which keeps 7 digits. torch.zeros makes "
            "float32 unless you say dtype=x.dtype; torch.zeros_like(x) takes the type of x.",
        ),
        Misconception(
            "not divided",
            _difference_undivided,
            "You return the difference of the values. A slope is a difference divided by the "
            "distance: divide by 2 * h.",
        ),
        Misconception(
            "all coordinates at once",
            _difference_all_at_once,
            "You move all coordinates at once and get one number. A gradient has one entry for "
            "each coordinate: move one, leave the others where they are.",
        ),
        Misconception(
            "the other way around",
            _difference_reversed,
            "Every sign is wrong: the value above minus the value below, f(x + h) − f(x − h).",
        ),
        Misconception(
            "never put back",
            _difference_never_put_back,
            "After the first coordinate, x is no longer where it was: you never undo the nudge, so "
            "the next coordinates are measured at another point. Copy x for each coordinate.",
        ),
        Misconception(
            "nudges pile up",
            _difference_nudges_pile_up,
            "You make the two copies once, before the loop, so the nudges pile up: at the second "
            "coordinate the first one is still moved. Make both copies inside the loop.",
        ),
        Misconception(
            "no copies",
            _difference_without_copies,
            "Every difference is 0: `up = x` makes no copy, only a second name for x, so up and "
            "down are the same tensor. Write x.clone() twice.",
        ),
        Misconception(
            "asks autograd",
            _difference_by_autograd,
            "You ask PyTorch for the gradient. That needs an f made of PyTorch's operations; here "
            "f is any function, and you can only call it, twice for each coordinate.",
        ),
    ),
    hints=(
        "Loop over the coordinates. For each, make two copies of x: one a little further, one a "
        "little back.",
        "x.clone() copies; up[i] += h moves one coordinate of the copy.",
        "The slope is (f(up) - f(down)) / (2 * h). Collect them in torch.zeros_like(x).",
    ),
    reasoning=(
        "f(x ± h) = f(x) ± h f′(x) + h²/2 f″(x) ± …: in the difference of the two, the terms with "
        "h² cancel, and after the division the error is of the order h². One-sided, the h² term "
        "stays, and leaves an error of the order h."
    ),
)

# --- 00.5: a neuron's sum as one operation of the engine -----------------------------------------


class Scalar:
    """A number that remembers where it came from: the lesson's class."""

    def __init__(self, value: float, parents: Iterable[tuple[Scalar, float]] = ()) -> None:
        self.value, self.grad = value, 0.0
        self.parents = tuple(parents)


def _add(a: Scalar, b: Scalar) -> Scalar:
    return Scalar(a.value + b.value, [(a, 1.0), (b, 1.0)])


def _multiply(a: Scalar, b: Scalar) -> Scalar:
    return Scalar(a.value * b.value, [(a, b.value), (b, a.value)])


def neuron_sum(weights, inputs, bias):
    """The sum of weight times input, plus the bias, as one Scalar."""
    value, parents = bias.value, [(bias, 1.0)]
    for w, x in zip(weights, inputs, strict=True):
        value += w.value * x.value
        parents += [(w, x.value), (x, w.value)]
    return Scalar(value, parents)


def _sum_by_comprehension(weights, inputs, bias):
    pairs = list(zip(weights, inputs, strict=True))
    parents = [(w, x.value) for w, x in pairs] + [(x, w.value) for w, x in pairs]
    return Scalar(sum(w.value * x.value for w, x in pairs) + bias.value, [*parents, (bias, 1)])


def _sum_by_operations(weights, inputs, bias):
    total = bias
    for w, x in zip(weights, inputs, strict=True):
        total = _add(total, _multiply(w, x))
    return total


def _sum_collected(weights, inputs, bias):
    slopes: dict[Scalar, float] = {bias: 1.0}
    for w, x in zip(weights, inputs, strict=True):
        slopes[w] = slopes.get(w, 0.0) + x.value
        slopes[x] = slopes.get(x, 0.0) + w.value
    total = sum(w.value * x.value for w, x in zip(weights, inputs, strict=True))
    return Scalar(total + bias.value, slopes.items())


def _total(weights: Sequence[Scalar], inputs: Sequence[Scalar], bias: Scalar) -> float:
    return sum(w.value * x.value for w, x in zip(weights, inputs, strict=True)) + bias.value


def _sum_number(weights, inputs, bias):
    return _total(weights, inputs, bias)


def _sum_cut(weights, inputs, bias):
    return Scalar(_total(weights, inputs, bias))


def _sum_only_weights(weights, inputs, bias):
    parents = [(w, x.value) for w, x in zip(weights, inputs, strict=True)]
    return Scalar(_total(weights, inputs, bias), [*parents, (bias, 1.0)])


def _sum_swapped(weights, inputs, bias):
    value, parents = bias.value, [(bias, 1.0)]
    for w, x in zip(weights, inputs, strict=True):
        value += w.value * x.value
        parents += [(w, w.value), (x, x.value)]
    return Scalar(value, parents)


def _sum_every_slope_one(weights, inputs, bias):
    return Scalar(
        _total(weights, inputs, bias), [(node, 1.0) for node in [*weights, *inputs, bias]]
    )


def _sum_bias_for_each_input(weights, inputs, bias):
    made = neuron_sum(weights, inputs, bias)
    extra = len(weights) - 1
    return Scalar(made.value + extra * bias.value, [*made.parents, *[(bias, 1.0)] * extra])


def _sum_bias_recorded_for_each_input(weights, inputs, bias):
    made = neuron_sum(weights, inputs, bias)
    return Scalar(made.value, [*made.parents, *[(bias, 1.0)] * (len(weights) - 1)])


def _sum_dictionary(weights, inputs, bias):
    slopes = {bias: 1.0}
    for w, x in zip(weights, inputs, strict=True):
        slopes[w] = x.value
        slopes[x] = w.value
    return Scalar(_total(weights, inputs, bias), slopes.items())


def _sum_bias_not_recorded(weights, inputs, bias):
    parents = [pair for pair in neuron_sum(weights, inputs, bias).parents if pair[0] is not bias]
    return Scalar(_total(weights, inputs, bias), parents)


def _sum_bias_slope(weights, inputs, bias):
    parents = list(neuron_sum(weights, inputs, bias).parents)
    return Scalar(_total(weights, inputs, bias), [(bias, bias.value), *parents[1:]])


def _sum_without_bias(weights, inputs, bias):
    made = neuron_sum(weights, inputs, bias)
    return Scalar(made.value - bias.value, made.parents[1:])


def _sum_writes_gradients(weights, inputs, bias):
    for w, x in zip(weights, inputs, strict=True):
        w.grad += x.value
        x.grad += w.value
    bias.grad += 1.0
    return Scalar(_total(weights, inputs, bias))


def _in_order(result: Any) -> list[Any]:
    order: list[Any] = []
    seen: set[int] = set()

    def visit(node: Any) -> None:
        if id(node) not in seen:
            seen.add(id(node))
            for parent, _ in node.parents:
                visit(parent)
            order.append(node)

    visit(result)
    return order


def _is_pair(parent: Any) -> bool:
    """Whether a parent is a node with a number."""
    if not isinstance(parent, (tuple, list)) or len(parent) != 2:
        return False
    return hasattr(parent[0], "parents") and isinstance(parent[1], (int, float))


def _observe_neuron(answer: Callable, weights: tuple, inputs: tuple, bias: float, sharing: str):
    """Value of the neuron's sum z and the gradients of z² with respect to all that is in it."""
    own = getattr(inspect.unwrap(answer), "__globals__", {}).get("Scalar")
    kind = own if isinstance(own, type) else Scalar
    w, b = [kind(value) for value in weights], kind(bias)
    before = [kind(value) for value in inputs]  # doubled below, so gradients have to pass through
    x = [kind(2 * node.value, [(node, 2.0)]) for node in before]
    if sharing == "one weight for all inputs":
        w = [w[0]] * len(w)
    elif sharing == "weights and inputs are the same numbers":
        w = x
    elif sharing == "the bias is the first weight":
        b = w[0]
    result = answer(w, x, b)
    if result is None or result is ...:
        return result
    if not all(hasattr(result, name) for name in ("value", "grad", "parents")):
        raise AnswerError(
            f"it returned {type(result).__name__}; expected a Scalar, Scalar(value, parents)."
        )
    if not all(_is_pair(parent) for parent in result.parents):
        raise AnswerError(
            "each parent must be a pair (Scalar, slope), where the slope is a number, such as "
            "(w, x.value)."
        )
    result.grad = 2.0 * result.value
    for node in reversed(_in_order(result)):
        for parent, slope in node.parents:
            parent.grad += slope * node.grad
    made = {id(node) for node in _in_order(result)}
    given = {id(node) for start in (*w, *x, b) for node in _in_order(start)}
    return {
        "value z": float(result.value),
        "ONE Scalar is made": len(made - given) == 1,
        "slopes of z² along the weights": [float(node.grad) for node in w],
        "slopes of z² along the numbers behind the inputs": [float(node.grad) for node in before],
        "slope of z² along the bias": float(b.grad),
    }


missing_operation = FunctionExercise(
    id="00.5",
    title="A neuron's sum as one operation",
    statement=(
        "Write the missing operation `neuron_sum(weights, inputs, bias)`: two lists of Scalars of "
        "equal length and one Scalar. Return ONE Scalar with the value Σ w·x + bias, whose parents "
        "are all weights, all inputs and the bias, each with its slope. The same Scalar may appear "
        "more than once; everything it contributes must count."
    ),
    solution=neuron_sum,
    alternatives=(_sum_by_comprehension, _sum_collected),
    observe=_observe_neuron,
    context={"Scalar": Scalar},
    may_change_inputs=True,
    rtol=1e-9,
    atol=1e-12,
    probes=(
        Probe("one input", lambda: ((3.0,), (0.5,), 0.25, "none")),
        Probe("two inputs", lambda: ((1.0, -2.0), (1.5, 0.5), 0.5, "none")),
        Probe(
            "shared weight", lambda: ((0.5, 0.5), (1.5, -2.0), 0.25, "one weight for all inputs")
        ),
        Probe(
            "squares",
            lambda: ((0.0, 0.0), (1.5, -0.5), 0.5, "weights and inputs are the same numbers"),
        ),
        Probe(
            "bias used twice",
            lambda: ((0.75, -1.0), (1.0, 2.0), 0.0, "the bias is the first weight"),
        ),
    ),
    misconceptions=(
        Misconception(
            "a plain number",
            _sum_number,
            "You return a plain number, and the graph ends here: nothing can flow back through "
            "it. Wrap it up: Scalar(value, parents).",
        ),
        Misconception(
            "no parents",
            _sum_cut,
            "The value is right, but your Scalar has no parents, so no gradient flows back. Give "
            "it the pairs (node, slope).",
        ),
        Misconception(
            "a chain of Scalars",
            _sum_by_operations,
            "All gradients are right, and you build a chain: one Scalar for each product and one "
            "for each sum, two thousand for a thousand inputs. Make a single one: compute the "
            "value from the .value of all of them, and list all the parents with their slopes.",
        ),
        Misconception(
            "only the weights",
            _sum_only_weights,
            "The inputs are not among the parents. They are activations of the layer before: "
            "without them, the gradient never reaches the earlier layers.",
        ),
        Misconception(
            "slopes swapped",
            _sum_swapped,
            "The slopes are swapped: w · x changes by x when w changes by 1, so the slope of a "
            "weight is its input, and the slope of an input is its weight.",
        ),
        Misconception(
            "every slope is 1",
            _sum_every_slope_one,
            "A slope of 1 is right for what is only added, as the bias is. A weight is also "
            "multiplied by its input: when w changes by 1, the sum changes by x.",
        ),
        Misconception(
            "the bias once for each input",
            _sum_bias_for_each_input,
            "The bias is added once for each input. It belongs to the neuron: add it once, outside "
            "the loop, to the value and to the parents.",
        ),
        Misconception(
            "the bias recorded once for each input",
            _sum_bias_recorded_for_each_input,
            "The value is right, but the bias is among the parents once for each input, so its "
            "gradient comes out too large. Record it once, outside the loop.",
        ),
        Misconception(
            "a dictionary forgets",
            _sum_dictionary,
            "When the same Scalar appears twice, only its last contribution survives: a "
            "dictionary overwrites. Use a list of pairs, so that both are added.",
        ),
        Misconception(
            "the bias is not recorded",
            _sum_bias_not_recorded,
            "The bias is in the value but not among the parents, so it would never learn. Its "
            "slope is 1.",
        ),
        Misconception(
            "the slope of the bias",
            _sum_bias_slope,
            "The slope of the bias is 1: the sum grows by just as much as the bias does.",
        ),
        Misconception(
            "no bias",
            _sum_without_bias,
            "The bias is missing from the sum. Start from bias.value.",
        ),
        Misconception(
            "gradients at the wrong time",
            _sum_writes_gradients,
            "You write into .grad during the forward pass. What flows back is slope times the "
            "gradient of the result, which is not known yet. Record the slopes as parents; the "
            "backward pass does the rest.",
        ),
    ),
    hints=(
        "How do add and multiply do it? They compute a value, and list (node, slope) pairs.",
        "The slope of a weight is the value of its input, that of an input the value of its "
        "weight, that of the bias 1.",
        "Collect the pairs in a list: parents += [(w, x.value), (x, w.value)] for each w, x.",
    ),
    reasoning=(
        "One node can have any number of parents. Because the backward pass adds slope times "
        "gradient for every pair, a Scalar that appears twice gets both contributions: that is all "
        "there is to shared weights."
    ),
    remark=(
        "Weight sharing works for free: a weight that is used twice appears in two pairs, and its "
        "gradients are added."
    ),
)

# --- predictions ---------------------------------------------------------------------------------

shape_guess = Prediction(
    "00.p1",
    "A column of shape (3, 1) plus a vector of shape (3,). What comes out?",
    options={
        "a": "an error: the shapes differ",
        "b": "a vector, (3,)",
        "c": "a column, (3, 1)",
        "d": "a matrix, (3, 3)",
    },
)
rate_guess = Prediction(
    "00.p2",
    "The loss is 2w², its curvature 4, and w starts at 1. What does gradient descent do with the "
    "learning rate 0.5?",
    options={
        "a": "it reaches the minimum in one step",
        "b": "it swings around the minimum and comes closer",
        "c": "it jumps between two points forever",
        "d": "it moves further away with every step",
    },
)
reuse_guess = Prediction(
    "00.p3",
    "The engine's += is replaced by =. The result is a + a. Which gradient does a get?",
    options={"a": "0", "b": "1", "c": "2", "d": "an error"},
)
