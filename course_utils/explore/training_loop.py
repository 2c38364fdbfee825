"""The explorers of lesson 3.6, The training loop."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import data
from course_utils.explore import (
    Band,
    Choice,
    Explorer,
    Label,
    Line,
    LogSlider,
    Panel,
    Points,
    Scene,
    Slider,
    Span,
)

# --- batch size and learning rate --------------------------------------------------------------

SAMPLES, EPOCHS, SEEDS = 1024, 8, 5
BATCHES = {"16": 16, "64": 64, "256": 256, "1024 (all)": 1024}
COLORS = dict(zip(BATCHES, ("green", "orange", "purple", "vermillion"), strict=True))
RATES = [10 ** (-2 + k / 3) for k in range(7)]  # 0.01 ... 1
_CEILING = 10.0
_CHAOTIC = ("16", len(RATES) - 1)  # the batch size and the rate whose runs do not reproduce


@functools.cache
def _small_digits() -> tuple[Tensor, Tensor]:
    """The first training digits, averaged to 7 x 7 and centered: (1024, 49) and (1024,)."""
    train = data.mnist_5k().train
    images = train.images[:SAMPLES, None].double()  # rounding must not show at the highest rates
    X = F.avg_pool2d(images, 4).flatten(1)
    return (X - X.mean()) / X.std(), train.labels[:SAMPLES]


@functools.cache
def _training_curves(batch_size: int) -> tuple[list[float], Tensor]:
    """Loss on all samples while 49-16-10 networks train with SGD, all rates and seeds at once.

    Returns:
        The epochs at which it was measured (M,), and the losses (M, rates, seeds).
    """
    X, y = _small_digits()
    generator = torch.Generator().manual_seed(0)
    shapes = [(49, 16), (1, 16), (16, 10), (1, 10)]
    weights = []
    for shape in shapes:  # the same five starts for every rate and every batch size
        bound = shape[0] ** -0.5 if shape[0] > 1 else 0.0
        start = (2 * torch.rand(SEEDS, *shape, generator=generator).double() - 1) * bound
        weights.append(start.repeat(len(RATES), 1, 1).requires_grad_())  # (rates * seeds, ...)
    rate = torch.tensor(RATES).double().repeat_interleave(SEEDS)[:, None, None]
    steps = SAMPLES // batch_size
    every = max(1, steps // 4)
    times, losses = [0.0], [_losses(weights, X, y)]
    for epoch in range(EPOCHS):
        order = torch.randperm(SAMPLES, generator=generator).split(batch_size)
        for step, rows in enumerate(order, start=1):
            loss = _loss_of_each(weights, X[rows], y[rows]).sum()
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight -= rate * gradient
            if step % every == 0:
                times.append(epoch + step / steps)
                losses.append(_losses(weights, X, y))
    return times, torch.stack(losses)


def _loss_of_each(weights: list[Tensor], X: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each network on one batch: (rates * seeds,)."""
    W1, b1, W2, b2 = weights
    logits = torch.tanh(X @ W1 + b1) @ W2 + b2  # (K, B, 10)
    return -logits.log_softmax(-1)[:, torch.arange(len(y)), y].mean(1)


@torch.no_grad()
def _losses(weights: list[Tensor], X: Tensor, y: Tensor) -> Tensor:
    return _loss_of_each(weights, X, y).reshape(len(RATES), SEEDS)


def _bands(losses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lowest, median and highest over the seeds, the last dimension, cut at the ceiling."""
    losses = losses.clamp(max=_CEILING)
    return losses.amin(-1), losses.median(-1).values, losses.amax(-1)


def _batch_scene(batch: str, lr: float) -> Scene:
    size = BATCHES[batch]
    k = min(range(len(RATES)), key=lambda index: abs(math.log(RATES[index] / lr)))
    times, losses = _training_curves(size)
    chaotic = (batch, k) == _CHAOTIC
    low, middle, high = _bands(losses[:, k])
    curve = Panel(
        [
            Band(times, low, high, color=COLORS[batch]),
            Line(times, middle, color=COLORS[batch], width=3.0),
        ]
        if not chaotic
        else [
            Label(EPOCHS / 2, 1.3, "too unstable to be drawn", color="muted", align="center"),
            Points(times[:1], middle[:1], color="text"),
        ],
        xlim=(0, EPOCHS),
        ylim=(0.15, 11),
        yscale="log",
        xlabel="epochs",
        ylabel="loss on all 1,024 digits",
    )
    marks = []
    for name, dash in zip(BATCHES, ("solid", "dashed", "dotted", "solid"), strict=True):
        end = _bands(_training_curves(BATCHES[name])[1][-1])[1].clone()
        if name == _CHAOTIC[0]:
            end[_CHAOTIC[1]] = math.nan
        width = 3.0 if name == batch else 1.5
        marks.append(Line(RATES, end, f"batch {name}", COLORS[name], dash, width))
    if not chaotic:
        marks.append(Points([RATES[k]], [middle[-1]], color="text", marker="ring", size=9))
    end = Panel(
        marks,
        xlim=(0.009, 1.2),
        ylim=(0.15, 11),
        xscale="log",
        yscale="log",
        xlabel="learning rate",
        ylabel=f"loss after {EPOCHS} epochs",
        title="by batch size",
    )
    steps = EPOCHS * SAMPLES // size
    final = middle[-1].item()
    verdict = "It has diverged." if final > 2.4 else f"The loss ends at {final:.2f}."
    if chaotic:
        verdict = "Chaos: rounding errors grow until each computer would draw its own curve."
    status = f"{steps:,} steps of learning rate {RATES[k]:.2g} in {EPOCHS} epochs. {verdict}"
    return Scene([curve, end], status=status, diverged=chaotic or final > 2.4)


@functools.cache
def batch_and_rate() -> Explorer:
    """Training curves by batch size and learning rate, for the same number of epochs."""
    return Explorer(
        name="training-batch-rate",
        title="Batch size and learning rate, the same eight epochs",
        controls=dict(
            batch=Choice("batch size", list(BATCHES), start="64"),
            lr=LogSlider("learning rate", 0.01, RATES[-1], len(RATES), start=0.1),
        ),
        scene=_batch_scene,
        storyboard=[
            dict(batch="16", lr=0.1),
            dict(batch="1024 (all)", lr=0.1),
            dict(batch="1024 (all)", lr=1.0),
        ],
        alt=(
            "The loss of a small digit network over eight epochs, and the loss at their end "
            "against the learning rate for four batch sizes."
        ),
    )


# --- schedules ---------------------------------------------------------------------------------

STEPS = 200
CURVATURES = (1.0, 0.02)
START = 5.0  # distance from the minimum in both directions
NOISE = 0.3  # standard deviation of the gradient's noise in each direction


def _after_warmup(kind: str, u: Tensor) -> Tensor:
    """Share of the peak rate at the point u, from 0 to 1, of the time after the warm-up."""
    if kind == "constant":
        return torch.ones_like(u)
    if kind == "step":
        return 0.1 ** torch.floor(3 * u.clamp(max=0.999))
    if kind == "exponential":
        return 0.01**u
    if kind == "linear":
        return 1 - u
    return 0.5 * (1 + torch.cos(math.pi * u))


def _rates(kind: str, peak: float, warmup: int) -> Tensor:
    """The learning rate of each of the 200 steps, with a linear warm-up over some percent."""
    step = torch.arange(STEPS, dtype=torch.float64)
    rising = STEPS * warmup // 100
    u = (step - rising) / max(1, STEPS - rising)
    return peak * torch.where(step < rising, (step + 1) / max(1, rising), _after_warmup(kind, u))


def _expected_loss(rates: Tensor) -> Tensor:
    """Expected loss of noisy gradient descent on a bowl with two curvatures: (201,).

    With the gradient h·w + noise, a step of rate r turns E[w²] into (1 − r·h)² E[w²] + r² s².
    """
    steep, flat = CURVATURES
    a = b = START**2
    losses = [(steep * a + flat * b) / 2]
    for rate in rates.tolist():  # plain numbers: 200 steps are faster without tensors
        a = (1 - rate * steep) ** 2 * a + rate**2 * NOISE**2
        b = (1 - rate * flat) ** 2 * b + rate**2 * NOISE**2
        losses.append((steep * a + flat * b) / 2)
    return torch.tensor(losses, dtype=torch.float64)


def _schedule_scene(kind: str, peak: float, warmup: int) -> Scene:
    rates = _rates(kind, peak, warmup)
    loss = _expected_loss(rates)
    constant = _expected_loss(torch.full((STEPS,), peak, dtype=torch.float64))
    drawn = Panel(
        [
            Span(2.0, 3.3, color="vermillion", label="unstable", axis="y"),
            Line(range(STEPS), rates, label=kind, color="blue"),
        ],
        xlim=(0, STEPS),
        ylim=(0, 3.3),
        xlabel="step",
        ylabel="learning rate",
    )
    cut = 100.0
    curves = Panel(
        [
            Line(range(STEPS + 1), constant.clamp(max=cut), "constant", "muted", "dashed", 1.5),
            Line(range(STEPS + 1), loss.clamp(max=cut), kind, "blue"),
        ],
        xlim=(0, STEPS),
        ylim=(1e-3, cut),
        yscale="log",
        xlabel="step",
        ylabel="expected loss",
    )
    final, other = loss[-1].item(), constant[-1].item()
    diverged = not final < 100
    told = "the loss grows without limit" if diverged else f"the expected loss ends at {final:.3f}"
    than = f"{other:.3f}" if other < 100 else "a diverged run"
    status = f"Highest rate {rates.max():.2g}: {told} (constant rate: {than})."
    return Scene([drawn, curves], status=status, diverged=diverged)


@functools.cache
def schedules() -> Explorer:
    """Design a learning rate schedule and see what it does to a noisy descent."""
    return Explorer(
        name="training-schedules",
        title="Design a schedule",
        controls=dict(
            kind=Choice(
                "after the warm-up",
                ["constant", "step", "exponential", "linear", "cosine"],
                start="cosine",
            ),
            peak=Slider("highest learning rate", 0.2, 3.0, 0.2, start=1.0),
            warmup=Slider("warm-up, % of the steps", 0, 40, 5, start=0),
        ),
        scene=_schedule_scene,
        storyboard=[
            dict(kind="constant", peak=1.0),
            dict(kind="cosine", peak=1.0, warmup=10),
            dict(kind="step", peak=2.2),
        ],
        alt=(
            "A learning rate schedule over 200 steps, and the expected loss of noisy gradient "
            "descent with it, beside that of a constant rate."
        ),
    )
