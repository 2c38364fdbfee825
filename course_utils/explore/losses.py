"""The explorers of lesson 3.5, Loss functions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import data
from course_utils.explore import (
    Choice,
    Explorer,
    Heat,
    Label,
    Line,
    LogSlider,
    Panel,
    Points,
    Scene,
    Slider,
)

# --- one point moves ---------------------------------------------------------------------------

PLACES = {"in the middle (x = 5)": 7, "at the end (x = 9.3)": 13, "far outside (x = 25)": 14}
HEIGHTS = [float(h) for h in range(-4, 21)]


@functools.cache
def _points() -> tuple[Tensor, Tensor]:
    """Fifteen points near the line 1 + x/2 in float64, x and y of shape (15,)."""
    x = torch.linspace(0, 10, 15, dtype=torch.float64)
    noise = torch.sin(37.0 * torch.arange(15, dtype=torch.float64) ** 2)  # any fixed pattern
    return x, 1 + 0.5 * x + 0.5 * noise


def _moved(place: str, height: float) -> tuple[Tensor, Tensor, int]:
    """The points with one of them moved up by ``height``, and the index of that point."""
    x, y = (values.clone() for values in _points())
    index = PLACES[place]
    if index == 14:
        x[index] = 25.0
        y[index] = 1 + 0.5 * 25.0
    y[index] += height
    return x, y, index


def _fit_squared(x: Tensor, y: Tensor, weight: Tensor | None = None) -> tuple[float, float]:
    """Slope and intercept of the weighted least squares line."""
    weight = torch.ones_like(x) if weight is None else weight
    mean_x, mean_y = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
    slope = (weight * (x - mean_x) * (y - mean_y)).sum() / (weight * (x - mean_x) ** 2).sum()
    return slope.item(), (mean_y - slope * mean_x).item()


def _fit_absolute(x: Tensor, y: Tensor) -> tuple[float, float]:
    """The line of least absolute errors: some best line passes through two of the points."""
    i, j = torch.triu_indices(len(x), len(x), offset=1)
    slopes = (y[j] - y[i]) / (x[j] - x[i])
    starts = y[i] - slopes * x[i]
    errors = (y - slopes[:, None] * x - starts[:, None]).abs().sum(dim=1)
    best = errors.argmin()
    return slopes[best].item(), starts[best].item()


def _fit_huber(x: Tensor, y: Tensor, delta: float) -> tuple[float, float]:
    """Huber's line by reweighting: an error beyond delta gets the weight delta / |error|."""
    slope, start = _fit_absolute(x, y)
    for _ in range(200):
        size = (y - slope * x - start).abs()
        slope, start = _fit_squared(x, y, delta / size.clamp(min=delta))
    return slope, start


@functools.cache
def _slopes(place: str, delta: float) -> dict[str, list[tuple[float, float]]]:
    """(slope, intercept) of the three lines at each height."""
    moved = [_moved(place, height)[:2] for height in HEIGHTS]
    return {
        "MSE": [_fit_squared(x, y) for x, y in moved],
        "L1": [_fit_absolute(x, y) for x, y in moved],
        "Huber": [_fit_huber(x, y, delta) for x, y in moved],
    }


_FITS = {"MSE": ("blue", "solid"), "L1": ("vermillion", "dashed"), "Huber": ("green", "dotted")}


def _outlier_scene(height: float, place: str, delta: float) -> Scene:
    x, y, index = _moved(place, height)
    fits = _slopes(place, delta)
    here = HEIGHTS.index(height)
    others = torch.arange(15) != index
    ends = torch.tensor([-1.0, 27.0], dtype=torch.float64)
    lines = [
        Line(ends, fits[name][here][0] * ends + fits[name][here][1], name, color, dash)
        for name, (color, dash) in _FITS.items()
    ]
    plane = Panel(
        [
            *lines,
            Points(x[others], y[others], label="14 points", color="text"),
            Points([x[index]], [y[index]], "the moved point", "orange", "diamond", 8),
        ],
        xlim=(-1, 27),
        ylim=(-6, 37),
        xlabel="x",
        ylabel="y",
    )
    marks: list = []
    for name, (color, dash) in _FITS.items():
        slopes = [slope for slope, _ in fits[name]]
        marks.append(Line(HEIGHTS, slopes, name, color, dash))
        marks.append(Points([height], [slopes[here]], color=color, marker="circle", size=6))
    influence = Panel(
        marks,
        xlim=(-5, 21),
        ylim=(0, 1.7),
        xlabel="height of the moved point above the line",
        ylabel="fitted slope",
    )
    told = ", ".join(f"{name} {fits[name][here][0]:.2f}" for name in _FITS)
    return Scene([plane, influence], status=f"Slopes (without noise 0.50): {told}.")


@functools.cache
def outlier() -> Explorer:
    """One point moves, three lines are fitted."""
    return Explorer(
        name="losses-outlier",
        title="One point moves, three lines follow or do not",
        controls=dict(
            height=Slider("height of the point", -4.0, 20.0, 1.0, start=8.0),
            place=Choice("its place", list(PLACES), start="at the end (x = 9.3)"),
            delta=Choice("Huber's delta", ["0.3", "1", "5"], start="1"),
        ),
        scene=lambda height, place, delta: _outlier_scene(height, place, float(delta)),
        storyboard=[
            dict(height=0.0),
            dict(height=20.0),
            dict(height=20.0, place="far outside (x = 25)"),
        ],
        alt=(
            "Fifteen points with the lines of least squared, least absolute and Huber loss, and "
            "the slope of each line against the height of one point that moves."
        ),
    )


# --- loss and slope ----------------------------------------------------------------------------

ERRORS = torch.linspace(-6, 6, 241, dtype=torch.float64)


def _zero(e: Tensor) -> Tensor:
    return torch.zeros_like(e)


def _binary(z: Tensor) -> Tensor:
    return F.softplus(-z, threshold=50)  # cross-entropy for y = 1


def _tilted(e: Tensor, a: float) -> Tensor:
    return torch.maximum(a * e, -e)


def _focal(z: Tensor, gamma: float) -> Tensor:
    return (1 - torch.sigmoid(z)) ** gamma * _binary(z)


# name -> (loss of the number on the axis and the parameter, name of the parameter, kind)
SHAPES: dict[str, tuple[Callable[[Tensor, float], Tensor], str, str]] = {
    "MSE": (lambda e, a: e**2, "", "error"),
    "L1": (lambda e, a: e.abs(), "", "error"),
    "Huber": (lambda e, a: F.huber_loss(e, _zero(e), reduction="none", delta=a), "δ", "error"),
    "Smooth L1": (
        lambda e, a: F.smooth_l1_loss(e, _zero(e), reduction="none", beta=a),
        "β",
        "error",
    ),
    "asymmetric": (_tilted, "price of too little", "error"),
    "BCE with logits": (lambda z, a: _binary(z), "", "logit"),
    "BCE, pos_weight": (lambda z, a: a * _binary(z), "pos_weight", "logit"),
    "focal": (_focal, "γ", "logit"),
    "squared error of σ(z)": (lambda z, a: (1 - torch.sigmoid(z)) ** 2, "", "logit"),
    "sigmoid twice": (lambda z, a: _binary(torch.sigmoid(z)), "", "logit"),
}


def _value_and_slope(loss: Callable, x: Tensor, parameter: float) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    value = loss(x, parameter)
    (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), slope


def _shape_scene(loss: str, parameter: float, x: float) -> Scene:
    function, parameter_name, kind = SHAPES[loss]
    reference = "MSE" if kind == "error" else "BCE with logits"
    value, slope = _value_and_slope(function, ERRORS, parameter)
    other, other_slope = _value_and_slope(SHAPES[reference][0], ERRORS, parameter)
    at, at_slope = _value_and_slope(function, torch.tensor([x], dtype=torch.float64), parameter)
    axis = "error y − ŷ" if kind == "error" else "logit z, for a target of 1"
    slopes = (-6, 6) if kind == "error" else (-4.2, 0.4) if "weight" in loss else (-1.6, 0.3)
    panels = []
    for curve, faint, point, ylabel, ylim in (
        (value, other, at, "loss", (-0.5, 10)),
        (slope, other_slope, at_slope, "slope of the loss", slopes),
    ):
        marks = (
            [Line(ERRORS, faint, reference, "muted", "dashed", 1.5)] if loss != reference else []
        )
        marks += [
            Line(ERRORS, curve, loss, "green" if kind == "error" else "purple"),
            Points([x], [point.item()], color="text", marker="ring", size=8),
        ]
        panels.append(Panel(marks, xlim=(-6, 6), ylim=ylim, xlabel=axis, ylabel=ylabel))
    where = f"{loss}, {parameter_name} = {parameter:g}" if parameter_name else loss
    word = "error" if kind == "error" else "logit"
    status = f"{where}: at {word} {x:g} the loss is {at.item():.3f}, its slope"
    return Scene(panels, status=f"{status} {at_slope.item():.3f}.")


@functools.cache
def shapes() -> Explorer:
    """Ten losses and their slopes against the error or the logit."""
    return Explorer(
        name="losses-shapes",
        title="A loss and its pull",
        controls=dict(
            loss=Choice("loss", list(SHAPES), start="Huber"),
            parameter=Slider("parameter (δ, β, γ or weight)", 0.5, 4.0, 0.5, start=1.0),
            x=Slider("error or logit", -6.0, 6.0, 0.5, start=-3.0),
        ),
        scene=_shape_scene,
        storyboard=[
            dict(loss="Huber", x=-3.0),
            dict(loss="focal", parameter=2.0, x=2.0),
            dict(loss="squared error of σ(z)", x=-5.0),
        ],
        alt=(
            "The value of a loss on the left and its slope on the right, against the error or "
            "the logit, with a ring at the chosen position and a plain loss for comparison."
        ),
    )


# --- rare nines --------------------------------------------------------------------------------

WORLDS = 5
COST_OF_A_MISS = 20
_SMALLEST, _STEP = 0.05, 0.05


@functools.cache
def _nines() -> dict[float, tuple[Tensor, Tensor]]:
    """Weight -> outputs of the five detectors on their test nines (100,) and others (4500,)."""
    digits = data.mnist_5k()
    inputs, targets, masks = zip(
        *(_rare(split, per) for split, per in ((digits.train, 70), (digits.test, 20))), strict=True
    )
    weights = [2.0**k for k in range(7)]
    pos_weight = torch.tensor(weights).repeat_interleave(WORLDS)  # (7 * 5,)
    W = torch.zeros(inputs[0].shape[1], len(pos_weight), requires_grad=True)
    b = torch.zeros(len(pos_weight), requires_grad=True)
    target = targets[0][:, None].expand(-1, len(pos_weight))
    mask = masks[0].repeat(1, len(weights))
    optimizer = torch.optim.Adam([W, b], lr=0.1)
    for _ in range(300):
        z = inputs[0] @ W + b
        losses = F.binary_cross_entropy_with_logits(
            z, target, pos_weight=pos_weight, reduction="none"
        )
        loss = ((losses * mask).sum(0) / mask.sum(0)).sum()
        (W.grad, b.grad) = torch.autograd.grad(loss, [W, b])
        optimizer.step()
    with torch.no_grad():
        p = torch.sigmoid(inputs[1] @ W + b).reshape(-1, len(weights), WORLDS)
    nine, mine = targets[1][:, None] == 1, masks[1] == 1
    return {
        weight: (p[:, k][mine & nine], p[:, k][mine & ~nine]) for k, weight in enumerate(weights)
    }


def _rare(split: data.Split, per_world: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images at half size (N, 196), targets (N,), and which world holds which image (N, 5)."""
    nine = split.labels == 9
    world = (nine.long().cumsum(0) - 1) // per_world
    mask = ~nine[:, None] | (world[:, None] == torch.arange(WORLDS))
    return F.avg_pool2d(split.images[:, None], 2).flatten(1), nine.float(), mask.float()


def _histogram(p: Tensor) -> Tensor:
    """Percent of the outputs in each of 20 bins from 0 to 1."""
    return 100 * torch.histc(p, bins=20, min=0, max=1) / len(p)


def _counts(p_nine: Tensor, p_other: Tensor, threshold: float) -> tuple[int, int]:
    """Nines found, and false alarms."""
    return int((p_nine > threshold).sum()), int((p_other > threshold).sum())


@functools.cache
def _cost_curve(weight: float) -> tuple[list[float], list[float]]:
    """Cost for 1,000 images at each threshold."""
    nine, other = _nines()[weight]
    thresholds = [0.02 + 0.01 * k for k in range(97)]
    costs = []
    for threshold in thresholds:
        found, alarms = _counts(nine, other, threshold)
        total = COST_OF_A_MISS * (len(nine) - found) + alarms
        costs.append(1000 * total / (len(nine) + len(other)))
    return thresholds, costs


def _nines_scene(weight: float, threshold: float) -> Scene:
    nine, other = _nines()[weight]
    found, alarms = _counts(nine, other, threshold)
    missed, quiet = len(nine) - found, len(other) - alarms
    total = len(nine) + len(other)
    cost = 1000 * (COST_OF_A_MISS * missed + alarms) / total
    edges = (torch.arange(20) + 0.5) / 20
    outputs = Panel(
        [
            Line([threshold, threshold], [0, 60], "threshold", "text", "dotted"),
            Line(edges, _histogram(other), "others", "blue", "dashed"),
            Line(edges, _histogram(nine), "nines", "vermillion", "solid"),
        ],
        xlim=(0, 1),
        ylim=(0, 60),
        xlabel="output of the detector",
        ylabel="% of the images",
    )
    return Scene(
        [outputs, _confusion(found, missed, alarms, quiet), _costs(weight, threshold, cost)],
        status=(
            f"{found} of {len(nine)} nines found, {alarms} of {len(other):,} others are false "
            f"alarms. Accuracy {100 * (found + quiet) / total:.1f} %, cost {cost:.0f} for 1,000 "
            "images."
        ),
    )


def _confusion(found: int, missed: int, alarms: int, quiet: int) -> Panel:
    """Confusion matrix: rows are the truth, shaded by the share of the row."""
    share = [
        [quiet / (quiet + alarms), alarms / (quiet + alarms)],
        [missed / (missed + found), found / (missed + found)],
    ]
    texts = ((quiet, "right"), (alarms, "false alarms")), ((missed, "missed"), (found, "found"))
    labels = [
        Label(column + 0.5, row + 0.5, f"{count:,} {word}")
        for row, line in enumerate(texts)
        for column, (count, word) in enumerate(line)
    ]
    return Panel(
        [Heat(share, vmin=0, vmax=1, cmap="sequential", alpha=0.35), *labels],
        xlim=(0, 2),
        ylim=(0, 2),
        xlabel="the detector says",
        xticks=[(0.5, "no"), (1.5, "nine")],
        yticks=[(0.5, "other"), (1.5, "nine")],
        title="what happened",
    )


def _costs(weight: float, threshold: float, cost: float) -> Panel:
    marks = [Line(*_cost_curve(weight), f"weight {weight:g}", "green", "solid")]
    if weight != 1:
        marks.insert(0, Line(*_cost_curve(1.0), "weight 1", "muted", "dashed", 1.5))
    marks.append(Points([threshold], [cost], color="text", marker="ring", size=8))
    return Panel(
        marks,
        xlim=(0, 1),
        ylim=(0, 450),
        xlabel="threshold",
        ylabel="cost for 1,000 images",
    )


@functools.cache
def rare_nines() -> Explorer:
    """Class weight and threshold of a detector of rare nines."""
    return Explorer(
        name="losses-rare-nines",
        title="Is it a nine? Weight and threshold",
        controls=dict(
            weight=LogSlider("pos_weight", 1.0, 64.0, 7, start=1.0),
            threshold=Slider("threshold", _SMALLEST, 0.95, _STEP, start=0.5),
        ),
        scene=lambda weight, threshold: _nines_scene(float(round(weight)), threshold),
        storyboard=[
            dict(weight=1.0, threshold=0.5),
            dict(weight=1.0, threshold=0.05),
            dict(weight=16.0, threshold=0.5),
        ],
        alt=(
            "Outputs of a detector of rare nines for nines and for other digits, its confusion "
            "matrix, and its cost at each threshold, for a chosen class weight and threshold."
        ),
    )
