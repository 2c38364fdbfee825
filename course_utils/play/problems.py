"""What the playground learns: data in the plane, input features, and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import data
from course_utils.data import Split

from .faults import Fault

__all__ = ["DATA", "FEATURES", "LOSSES", "Loss", "Problem", "built_in", "own", "waves"]

TRAIN = 200
TEST = 200
MOST_CLASSES = 8  # as many as the palette has colors for
BINARY, CLASSES, REGRESSION = "binary", "classes", "regression"


def waves(n: int = 200, noise: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A smooth surface with two hills and two valleys, to be learned by regression.

    Args:
        n: number of points, uniform in the square from -1 to 1.
        noise: standard deviation of the noise added to the target.
        seed: seed of the draw.

    Returns:
        X of shape (n, 2) and y of shape (n,) with values around -1 to 1; both float32.
    """
    draw = np.random.RandomState(seed)
    X = draw.uniform(-1, 1, (n, 2))
    y = np.sin(np.pi * X[:, 0]) * np.cos(np.pi * X[:, 1] / 2) + noise * draw.standard_normal(n)
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


@dataclass(frozen=True)
class DataSet:
    """A data set by name.

    Attributes:
        label: what the reader sees.
        source: name of the function that draws it, as the program calls it.
        noise_unit: the function's own `noise` for a noise of 1 on the board.
        kind: what its targets are.
    """

    label: str
    source: str
    noise_unit: float
    kind: str = BINARY

    @property
    def draw(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The function that draws the set."""
        return waves if self.source == "waves" else getattr(data, self.source.split(".")[1])


DATA: dict[str, DataSet] = {
    "moons": DataSet("Two moons", "data.moons", 1.0),
    "circles": DataSet("Two circles", "data.circles", 0.6),
    "xor": DataSet("Exclusive or", "data.xor", 0.8),
    "spirals": DataSet("Two spirals", "data.spirals", 0.3),
    "blobs": DataSet("Two blobs", "data.blobs", 5.0),
    "waves": DataSet("Waves (regression)", "waves", 1.0, REGRESSION),
}

FEATURES: dict[str, tuple[str, str]] = {
    "x1": ("x₁", "X[:, 0]"),
    "x2": ("x₂", "X[:, 1]"),
    "x1^2": ("x₁²", "X[:, 0] ** 2"),
    "x2^2": ("x₂²", "X[:, 1] ** 2"),
    "x1x2": ("x₁x₂", "X[:, 0] * X[:, 1]"),
    "sin1": ("sin x₁", "torch.sin(X[:, 0])"),
    "sin2": ("sin x₂", "torch.sin(X[:, 1])"),
}
"""Name -> (label, expression of the standardized inputs X)."""

_FEATURE_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "x1": lambda X: X[:, 0],
    "x2": lambda X: X[:, 1],
    "x1^2": lambda X: X[:, 0] ** 2,
    "x2^2": lambda X: X[:, 1] ** 2,
    "x1x2": lambda X: X[:, 0] * X[:, 1],
    "sin1": lambda X: torch.sin(X[:, 0]),
    "sin2": lambda X: torch.sin(X[:, 1]),
}
PLAIN = ("x1", "x2")


def features(X: Tensor, names: tuple[str, ...]) -> Tensor:
    """(N, 2) -> (N, len(names)): the inputs that the network gets."""
    if names == PLAIN:
        return X
    return torch.stack([_FEATURE_FUNCTIONS[name](X) for name in names], dim=1)


@dataclass(frozen=True)
class Loss:
    """A loss by name.

    Attributes:
        label: what the reader sees.
        program: its definition, as the program writes it.
        function: (outputs, targets) -> scalar.
    """

    label: str
    program: str
    function: Callable[[Tensor, Tensor], Tensor]


LOSSES: dict[str, dict[str, Loss]] = {
    BINARY: {
        "cross-entropy": Loss(
            "Cross-entropy",
            "nn.BCEWithLogitsLoss()",
            F.binary_cross_entropy_with_logits,
        ),
        "squared-error": Loss(
            "Squared error",
            "lambda z, y: F.mse_loss(torch.sigmoid(z), y)",
            lambda z, y: F.mse_loss(torch.sigmoid(z), y),
        ),
        "hinge": Loss(
            "Hinge",
            "lambda z, y: F.relu(1 - (2 * y - 1) * z).mean()",
            lambda z, y: F.relu(1 - (2 * y - 1) * z).mean(),
        ),
    },
    CLASSES: {"cross-entropy": Loss("Cross-entropy", "nn.CrossEntropyLoss()", F.cross_entropy)},
    REGRESSION: {
        "squared-error": Loss("Squared error", "nn.MSELoss()", F.mse_loss),
        "absolute-error": Loss("Absolute error", "nn.L1Loss()", F.l1_loss),
        "huber": Loss("Huber", "nn.HuberLoss()", F.huber_loss),
    },
}
"""Kind of targets -> name -> loss."""


@dataclass(frozen=True)
class Problem:
    """Points to learn from, and points to test on.

    Attributes:
        X: (N, 2) training inputs, y: (N,) their targets.
        X_test: (M, 2) and y_test: (M,), or None where there are none.
        kind: "binary" (targets 0 and 1), "classes" (whole numbers) or "regression".
        limits: (left, right, bottom, top) of the plane that the board draws.
    """

    X: Tensor
    y: Tensor
    X_test: Tensor | None
    y_test: Tensor | None
    kind: str
    limits: tuple[float, float, float, float]

    @property
    def classes(self) -> int:
        """How many classes there are; 0 for regression."""
        return 0 if self.kind == REGRESSION else int(self.y.max()) + 1

    def as_classes(self) -> Problem:
        """The same points with whole-number targets, for a model with one output per class."""
        y_test = None if self.y_test is None else self.y_test.long()
        return Problem(self.X, self.y.long(), self.X_test, y_test, CLASSES, self.limits)


def built_in(name: str, noise: float, seed: int = 0) -> Problem:
    """One of the board's own data sets, standardized by its training points."""
    chosen = DATA[name]
    X, y = chosen.draw(TRAIN + TEST, noise=round(noise * chosen.noise_unit, 6), seed=seed)
    X = (X - X[:TRAIN].mean(0)) / X[:TRAIN].std(0)
    reach = float(X.abs().max()) * 1.05
    limits = (-reach, reach, -reach, reach)
    return Problem(X[:TRAIN], y[:TRAIN], X[TRAIN:], y[TRAIN:], chosen.kind, limits)


def own(pair: Any, test: Any = None) -> Problem:
    """The learner's own points.

    Raises:
        TypeError: if they are not pairs of tensors.
        ValueError: if shapes or values do not fit.
    """
    X, y = _checked_pair(pair, "data")
    X_test, y_test = (None, None) if test is None else _checked_pair(test, "test")
    kind = _kind(y)
    if kind != REGRESSION and y_test is not None and _kind(y_test) == REGRESSION:
        raise ValueError("The targets of test are of another kind than those of data.")
    if kind == BINARY:
        y, y_test = y.float(), None if y_test is None else y_test.float()
    if kind == CLASSES:
        y, y_test = y.long(), None if y_test is None else y_test.long()
    low, high = X.min(0).values, X.max(0).values
    room = 0.08 * torch.where(high > low, high - low, 1.0)
    limits = [float(v) for k in range(2) for v in (low[k] - room[k], high[k] + room[k])]
    return Problem(X, y, X_test, y_test, kind, tuple(limits))


def _checked_pair(pair: Any, name: str) -> tuple[Tensor, Tensor]:
    if not isinstance(pair, (tuple, list, Split)) or len(tuple(pair)) != 2:
        raise TypeError(f"{name} must be a pair of tensors (X, y).")
    X, y = pair
    if not isinstance(X, Tensor) or not isinstance(y, Tensor):
        raise TypeError(f"X and y of {name} must be tensors; convert them with torch.as_tensor.")
    if X.ndim != 2 or X.shape[1] != 2:
        raise ValueError(
            f"The board draws the plane, so X of {name} must have the shape (N, 2), "
            f"not {tuple(X.shape)}."
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (len(X),) or len(X) < 2:
        raise ValueError(f"{name} has X of shape {tuple(X.shape)} and y of {tuple(y.shape)}.")
    if not (torch.isfinite(X).all() and torch.isfinite(y.float()).all()):
        raise ValueError(f"{name} holds NaN or infinity.")
    return X.detach().cpu().float(), y.detach().cpu()


def _kind(y: Tensor) -> str:
    whole = bool((y == y.round()).all()) and float(y.min()) >= 0
    if whole and float(y.max()) <= 1:
        return BINARY
    if whole and float(y.max()) < MOST_CLASSES and not y.dtype.is_floating_point:
        return CLASSES
    if not y.dtype.is_floating_point:
        raise ValueError(f"Labels must be whole numbers from 0 to {MOST_CLASSES - 1}.")
    return REGRESSION


def fitting(problem: Problem, outputs: Any) -> Problem:
    """The problem as a model with these outputs for its training points sees it.

    Raises:
        Fault: if the outputs fit none of the ways to learn it.
    """
    if not isinstance(outputs, Tensor):
        raise Fault(f"forward returned {type(outputs).__name__}, not a tensor.")
    count, shape = len(problem.X), tuple(outputs.shape)
    if shape in ((count,), (count, 1)):
        if problem.kind == CLASSES:
            raise Fault(
                f"The data have {problem.classes} classes, but the model gives one output for "
                f"each point, {shape}. Give it {problem.classes} outputs."
            )
        return problem
    wanted = {
        BINARY: f"({count}, 1) logits, ({count},), or ({count}, 2)",
        CLASSES: f"({count}, {problem.classes})",
        REGRESSION: f"({count}, 1) or ({count},)",
    }[problem.kind]
    fits = outputs.ndim == 2 and shape[0] == count and problem.kind != REGRESSION
    if not fits or not problem.classes <= shape[1] <= MOST_CLASSES:
        raise Fault(
            f"For an input of shape {tuple(problem.X.shape)} the model must return {wanted}, but "
            f"it returned {shape}."
        )
    return problem.as_classes() if problem.kind == BINARY else problem
