"""The explorers of lesson 3.9, Optimizers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import data
from course_utils.explore import (
    Band,
    Choice,
    Explorer,
    Heat,
    Line,
    LogSlider,
    Panel,
    Points,
    Scene,
    Slider,
    Span,
)
from course_utils.surfaces import SURFACES, Surface, height_map

State = dict[str, Any]
Rule = Callable[..., tuple[Tensor, State]]

# --- update rules, as the lesson writes them ---------------------------------------------------


def _momentum(w: Tensor, g: Tensor, state: State, lr: Any, mu: Any) -> tuple[Tensor, State]:
    v = mu * state.get("v", 0) + g
    return w - lr * v, {"v": v}


def _nesterov(w: Tensor, g: Tensor, state: State, lr: Any, mu: Any) -> tuple[Tensor, State]:
    v = mu * state.get("v", 0) + g
    return w - lr * (g + mu * v), {"v": v}


def _rmsprop(w: Tensor, g: Tensor, state: State, lr: Any, mu: Any) -> tuple[Tensor, State]:
    h = 0.99 * state.get("h", 0) + 0.01 * g**2
    v = mu * state.get("v", 0) + g / (h.sqrt() + 1e-8)
    return w - lr * v, {"h": h, "v": v}


def _adagrad(w: Tensor, g: Tensor, state: State, lr: Any, mu: Any) -> tuple[Tensor, State]:
    h = state.get("h", 0) + g**2
    return w - lr * g / (h.sqrt() + 1e-10), {"h": h}


def _adam(w: Tensor, g: Tensor, state: State, lr: Any, mu: Any) -> tuple[Tensor, State]:
    t = state.get("t", 0) + 1
    m = mu * state.get("m", 0) + (1 - mu) * g
    h = 0.999 * state.get("h", 0) + 0.001 * g**2
    step = (m / (1 - mu**t)) / ((h / (1 - 0.999**t)).sqrt() + 1e-8)
    return w - lr * step, {"t": t, "m": m, "h": h}


RULES: dict[str, Rule] = {
    "SGD": _momentum,
    "Nesterov": _nesterov,
    "RMSprop": _rmsprop,
    "Adam": _adam,
}

# --- E1: the learning-rate explorer ------------------------------------------------------------

STEPS = 150
KEPT = torch.tensor(sorted({*range(16), *(round(15 * 10 ** (k / 24)) for k in range(25))}))
RATES = LogSlider("learning rate", 1e-4, 10 ** (2 / 3), 15, start=10 ** (-5 / 3))
MOMENTA = Slider("momentum", 0.0, 0.99, 0.09, start=0.0)
FLOOR, CEILING = 1e-6, 1e4
LIMIT = 1e6  # a loss above this has diverged; stop before numbers overflow


def descend(
    rule: Rule, surface: Surface, lr: Tensor, mu: Tensor, steps: int = STEPS
) -> tuple[Tensor, Tensor]:
    """Walk down a surface with many settings at once.

    Args:
        rule: the update.
        surface: the loss.
        lr: learning rates, (R, 1, 1).
        mu: momenta, (1, M, 1).
        steps: number of updates.

    Returns:
        The paths (steps + 1, R, M, 2) and the losses (steps + 1, R, M); NaN from the step on at
        which the loss passes LIMIT.
    """
    shape = torch.broadcast_shapes(lr.shape, mu.shape)[:-1]
    w = torch.tensor(surface.start, dtype=torch.float64).expand(*shape, 2).clone()
    state: State = {}
    paths, losses = [], []
    for _ in range(steps + 1):
        w = w.detach().requires_grad_()
        loss = surface.loss(w)
        alive = loss.isfinite() & (loss.abs() < LIMIT)
        (g,) = torch.autograd.grad(loss.sum(), w)
        losses.append(torch.where(alive, loss.detach(), torch.nan))
        paths.append(torch.where(alive[..., None], w.detach(), torch.nan))
        with torch.no_grad():
            w, state = rule(paths[-1], g, state, lr, mu)
    return torch.stack(paths), torch.stack(losses)


@functools.cache
def _walks(surface: str, optimizer: str) -> tuple[Tensor, Tensor, Tensor]:
    """Thinned paths (T, R, M, 2) and losses above the minimum (T, R, M); diverged (R, M)."""
    lr = torch.tensor(RATES.values, dtype=torch.float64)[:, None, None]
    mu = torch.tensor(MOMENTA.values, dtype=torch.float64)[None, :, None]
    paths, losses = descend(RULES[optimizer], SURFACES[surface], lr, mu)
    diverged = ~(losses[-10:].amax(0) <= losses[0])  # also true for NaN
    above = losses - SURFACES[surface].lowest
    return paths[KEPT].float(), above[KEPT].clamp(min=FLOOR).float(), diverged


@functools.cache
def _heat(surface: str) -> Heat:
    return Heat(height_map(SURFACES[surface], 48), cmap="sequential", alpha=0.5)


def _map_panel(surface: Surface, marks: list) -> Panel:
    a, b = zip(*surface.minima, strict=True)
    stars = Points(a, b, label="minimum", color="green", marker="diamond", size=7)
    start = Points([surface.start[0]], [surface.start[1]], color="text", marker="ring", size=7)
    return Panel(
        [_heat(surface.name), *marks, stars, start],
        xlim=surface.xlim,
        ylim=surface.ylim,
        xlabel="weight a",
        ylabel="weight b",
        title="path on the surface",
    )


def _diverging_spans(diverged: list[bool]) -> list[Span]:
    """The stretches of the learning-rate axis whose runs diverge."""
    ratio = (RATES.values[1] / RATES.values[0]) ** 0.5
    spans: list[Span] = []
    for k, bad in enumerate(diverged):
        if bad and (k == 0 or not diverged[k - 1]):
            end = next((j for j in range(k, len(diverged)) if not diverged[j]), len(diverged))
            low, high = RATES.values[k] / ratio, RATES.values[end - 1] * ratio
            label = "" if spans else "diverges"
            spans.append(Span(low, high, color="vermillion", label=label))
    return spans


def _rate_panel(
    end: Tensor, diverged: Tensor, here: int, border: float | None, started: float
) -> Panel:
    """Loss after the last step against the learning rate, with the diverging zone."""
    good = ~diverged
    rates = torch.tensor(RATES.values)
    marks: list = _diverging_spans(diverged.tolist())
    if border is not None:
        marks.append(
            Line([border] * 2, [FLOOR, CEILING], color="text", dash="dotted", label="theory")
        )
    marks.append(Line(rates[good], end[good], color="blue"))
    marks.append(Points(rates[good], end[good], color="blue", size=3, label="each rate"))
    height = float(end[here]) if good[here] else started
    now = Points([RATES.values[here]], [height], color="vermillion", marker="diamond", size=7)
    return Panel(
        [*marks, now],
        xlim=(RATES.values[0] / 1.6, RATES.values[-1] * 1.6),
        ylim=(FLOOR / 2, CEILING),
        xscale="log",
        yscale="log",
        xlabel="learning rate",
        ylabel=f"loss after {STEPS} steps",
        title="where it diverges",
    )


def _rate_scene(surface: str, optimizer: str, lr: float, momentum: float) -> Scene:
    paths, losses, diverged = _walks(surface, optimizer)
    row, column = RATES.index_of(lr), MOMENTA.index_of(momentum)
    path, loss, bad = paths[:, row, column], losses[:, row, column], diverged[:, column]
    ground = SURFACES[surface]
    track = [
        Line(path[:, 0], path[:, 1], color="vermillion", width=1.6, label=optimizer),
        Points(path[:, 0], path[:, 1], color="vermillion", size=2),
    ]
    border = 2 * (1 + momentum) / 20 if (surface, optimizer) == ("ravine", "SGD") else None
    curve = Panel(
        [
            Line([0, STEPS], [loss[0], loss[0]], color="muted", dash="dashed", label="start"),
            Line(KEPT, loss, color="vermillion", label="loss"),
        ],
        xlim=(-2, STEPS + 2),
        ylim=(FLOOR / 2, CEILING),
        yscale="log",
        xlabel="step",
        ylabel="loss above the minimum",
        title="loss curve",
    )
    rates = _rate_panel(losses[-1, :, column], bad, row, border, float(loss[0]))
    return Scene(
        [_map_panel(ground, track), curve, rates],
        status=_rate_status(loss, bad, row),
        diverged=bool(bad[row]),
    )


def _rate_status(loss: Tensor, bad: Tensor, row: int) -> str:
    fine = [rate for rate, wrong in zip(RATES.values, bad.tolist(), strict=True) if not wrong]
    border = f"Largest rate here that does not: {max(fine):.2g}." if fine else "Every rate does."
    if not bad[row]:
        start, end = float(loss[0]), float(loss[-1])
        kind = "crawls" if end > 0.2 * start else "descends"
        if end <= 1e-4 * start:
            kind = "arrives"
        end_text = "below 0.000001" if end <= FLOOR else f"{end:.2g}"
        return f"It {kind}: from {start:.2g} to {end_text} above the minimum in {STEPS} steps."
    if not loss.isfinite().all():
        last = int(KEPT[loss.isfinite()].max())
        return f"The loss explodes after about {last} steps. {border}"
    return f"After {STEPS} steps the loss is above its start. {border}"


@functools.cache
def learning_rate() -> Explorer:
    """Optimizer, surface, learning rate and momentum: path, loss curve and diverging zone."""
    return Explorer(
        name="optimizers-learning-rate",
        title="The learning rate: too small, right, too large",
        controls=dict(
            surface=Choice("surface", list(SURFACES)),
            optimizer=Choice("optimizer", list(RULES)),
            lr=RATES,
            momentum=MOMENTA,
        ),
        scene=_rate_scene,
        storyboard=[
            dict(lr=RATES.values[4]),
            dict(lr=RATES.values[8]),
            dict(lr=RATES.values[10]),
            dict(lr=RATES.values[7], momentum=0.81),
        ],
        alt=(
            "The path of an optimizer on a surface of two weights, its loss curve, and the loss "
            "after 150 steps for each learning rate, with the zone shaded in which it diverges."
        ),
    )


# --- E2: a race --------------------------------------------------------------------------------

RACE_STEPS = 120
RACERS: dict[str, tuple[Rule, float, str, str]] = {  # rule, momentum, color, dash
    "SGD": (_momentum, 0.0, "black", "solid"),
    "momentum 0.9": (_momentum, 0.9, "vermillion", "dashed"),
    "Nesterov 0.9": (_nesterov, 0.9, "purple", "dotted"),
    "Adagrad": (_adagrad, 0.0, "orange", "solid"),
    "RMSprop": (_rmsprop, 0.0, "sky", "dashed"),
    "Adam": (_adam, 0.9, "green", "solid"),
}


@functools.cache
def _race(surface: str) -> dict[str, tuple[float, Tensor, Tensor]]:
    """For each racer its best of 25 rates, its path and its loss above the minimum.

    The best rate has the lowest mean of log loss over all steps, so that it is fast throughout.
    """
    rates = torch.logspace(-4, 0, 25, dtype=torch.float64)[:, None, None]
    found = {}
    for name, (rule, mu, *_) in RACERS.items():
        momentum = torch.tensor(mu, dtype=torch.float64).reshape(1, 1, 1)
        paths, losses = descend(rule, SURFACES[surface], rates, momentum, RACE_STEPS)
        above = (losses - SURFACES[surface].lowest)[:, :, 0]
        score = above.clamp(min=FLOOR).nan_to_num(nan=LIMIT).log().mean(0)
        best = int(score.argmin())
        curve = above[:, best].clamp(min=FLOOR).float()
        found[name] = (float(rates[best]), paths[:, best, 0].float(), curve)
    return found


def _race_scene(surface: str, step: int) -> Scene:
    tracks, curves, heights = [], [], {}
    for name, (rate, path, loss) in _race(surface).items():
        _, _, color, dash = RACERS[name]
        a, b = path[: step + 1].unbind(-1)
        tracks.append(Line(a, b, label=f"{name}", color=color, dash=dash, width=1.8))
        tracks.append(Points(a[-1:], b[-1:], color=color, size=5))
        curves.append(Line(range(step + 1), loss[: step + 1], color=color, dash=dash))
        curves.append(Points([step], loss[step : step + 1], color=color, size=4))
        heights[name] = (float(loss[step]), rate)
    curve = Panel(
        curves,
        xlim=(-2, RACE_STEPS + 2),
        ylim=(FLOOR / 2, CEILING),
        yscale="log",
        xlabel="step",
        ylabel="loss above the minimum",
        title="each at its own best rate",
    )
    return Scene([_map_panel(SURFACES[surface], tracks), curve], status=_race_status(step, heights))


def _race_status(step: int, heights: dict[str, tuple[float, float]]) -> str:
    if step == 0:
        return "All six start at the ring, each with the best of 25 rates for this surface."
    arrived = [name for name, (loss, _) in heights.items() if loss <= FLOOR]
    if arrived:
        return f"Step {step}: below 0.000001 are {', '.join(arrived)}."
    lead = min(heights, key=lambda name: heights[name][0])
    loss, rate = heights[lead]
    return f"Step {step}: {lead} (rate {rate:.2g}) leads, {loss:.2g} above the minimum."


@functools.cache
def race() -> Explorer:
    """Six optimizers from one start, each with its own best learning rate."""
    return Explorer(
        name="optimizers-race",
        title="A race from one start",
        controls=dict(
            surface=Choice("surface", list(SURFACES)),
            step=Slider("step", 0, RACE_STEPS, 4, start=40),
        ),
        scene=_race_scene,
        storyboard=[dict(surface=name, step=RACE_STEPS) for name in SURFACES],
        alt=(
            "The paths of six optimizers on one surface, each with its own best learning rate, and "
            "their losses up to the chosen step."
        ),
    )


# --- E3: learning-rate sensitivity on digits ---------------------------------------------------

DIGIT_RATES = LogSlider("learning rate", 1e-4, 10.0, 11, start=10**-1.5)
DIGIT_SEEDS = 3


@functools.cache
def _digit_runs(name: str) -> tuple[Tensor, Tensor]:
    """Train 784-16-10 networks side by side, one epoch on the 3,500 digits.

    Returns:
        Smoothed training losses (steps, S, R) and validation accuracies (S, R).
    """
    rule, mu, *_ = RACERS[name]
    rates = torch.tensor(DIGIT_RATES.values, dtype=torch.float64)
    draw = torch.Generator().manual_seed(0)
    S, R = DIGIT_SEEDS, len(rates)

    def layer(n_in: int, n_out: int) -> Tensor:
        W = (2 * torch.rand(S, 1, n_in, n_out, generator=draw) - 1) / n_in**0.5
        return W.expand(S, R, n_in, n_out).reshape(S * R, n_in, n_out).double()

    zeros = [torch.zeros(S * R, 1, n, dtype=torch.float64) for n in (16, 10)]
    weights = [layer(784, 16), zeros[0], layer(16, 10), zeros[1]]
    states: list[State] = [{} for _ in weights]
    lr = rates.repeat(S)[:, None, None]
    digits = data.mnist_5k()

    def logits(x: Tensor) -> Tensor:
        return torch.relu(x @ weights[0] + weights[1]) @ weights[2] + weights[3]

    losses = []
    X, y = digits.train.flat().double(), digits.train.labels
    for x, target in data.batches(X, y, batch_size=50, generator=draw):
        weights = [w.detach().requires_grad_() for w in weights]
        z = logits(x).flatten(0, 1)
        each = F.cross_entropy(z, target.repeat(S * R), reduction="none").reshape(S * R, -1)
        each = each.mean(dim=1)
        gradients = torch.autograd.grad(each.sum(), weights)
        losses.append(each.detach().clamp(max=1e4).nan_to_num(nan=1e4))
        with torch.no_grad():
            updated = map(rule, weights, gradients, states, [lr] * 4, [mu] * 4)
            weights, states = map(list, zip(*updated, strict=True))
    with torch.no_grad():
        right = logits(digits.validation.flat().double()).argmax(-1) == digits.validation.labels
    curve = torch.stack(losses).T[:, None]  # (S·R, 1, steps)
    curve = F.avg_pool1d(curve, 7, stride=7)[:, 0].T
    return curve.reshape(-1, S, R), right.float().mean(-1).reshape(S, R)


def _digits_scene(optimizer: str, lr: float) -> Scene:
    here = DIGIT_RATES.index_of(lr)
    curves, accuracy = _digit_runs(optimizer)
    color = RACERS[optimizer][2]
    run = curves[:, :, here].clamp(0.05, 20)  # (steps, S)
    steps = 7 * torch.arange(1, len(run) + 1)
    left = Panel(
        [
            Band(steps, run.amin(1), run.amax(1), color=color, label="3 seeds"),
            Line(steps, run.median(1).values, color=color, label=optimizer),
        ],
        xlim=(0, 72),
        ylim=(0.05, 20),
        yscale="log",
        xlabel="step (50 digits each)",
        ylabel="training loss",
        title="one epoch at this rate",
    )
    others = [
        Line(
            DIGIT_RATES.values, 100 * _digit_runs(name)[1].median(0).values, color="muted", width=1
        )
        for name in RACERS
        if name != optimizer
    ]
    percent = 100 * accuracy  # (S, R)
    median = percent.median(0).values
    right = Panel(
        [
            *others,
            Band(DIGIT_RATES.values, percent.amin(0), percent.amax(0), color=color),
            Line(DIGIT_RATES.values, median, color=color, label=optimizer, width=2.5),
            Points([lr], [median[here]], color="vermillion", marker="diamond", size=7),
        ],
        xlim=(DIGIT_RATES.values[0] / 1.3, DIGIT_RATES.values[-1] * 1.3),
        ylim=(0, 100),
        xscale="log",
        xlabel="learning rate",
        ylabel="validation accuracy (%)",
        title="this optimizer among the others (gray)",
    )
    good = int((median >= 80).sum())
    status = (
        f"{optimizer} at {lr:.2g}: {median[here]:.0f} % after one epoch. At {good} of its "
        f"{len(median)} rates it reaches 80 %."
    )
    return Scene([left, right], status=status, diverged=bool(run[-1].median() > 2.5))


@functools.cache
def digits() -> Explorer:
    """The learning rate of six optimizers on real digits."""
    return Explorer(
        name="optimizers-digits",
        title="Learning rates on real digits",
        controls=dict(
            optimizer=Choice("optimizer", list(RACERS)),
            lr=DIGIT_RATES,
        ),
        scene=_digits_scene,
        storyboard=[
            dict(optimizer="SGD", lr=DIGIT_RATES.values[3]),
            dict(optimizer="SGD", lr=DIGIT_RATES.values[7]),
            dict(optimizer="Adam", lr=DIGIT_RATES.values[4]),
            dict(optimizer="Adam", lr=DIGIT_RATES.values[7]),
        ],
        alt=(
            "The training loss of one epoch on digits at the chosen learning rate, and the "
            "accuracy of the optimizer at all rates, among five others in gray."
        ),
    )
