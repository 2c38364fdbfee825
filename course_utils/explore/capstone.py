"""The explorers of lesson 3.10, the capstone."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import data
from course_utils.explore import (
    Bars,
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

# --- a small network, more and more sure --------------------------------------------------------

TRAINED = 1000  # digits to train on; all other training and validation digits are unseen
SNAPSHOTS = {"3 epochs": 3, "12 epochs": 12, "40 epochs": 40}
_RATE, _BATCH, _HIDDEN = 3e-3, 50, 48
BINS = 10


@functools.cache
def _unseen() -> tuple[dict[str, Tensor], Tensor]:
    """Logits (3000, 10) of a 196-48-10 network at each snapshot, and the labels (3000,).

    In double precision, so that the pictures are the same on every machine.
    """
    digits = data.mnist_5k()
    images = torch.cat([digits.train.images, digits.validation.images])
    labels = torch.cat([digits.train.labels, digits.validation.labels])
    X = F.avg_pool2d(images[:, None], 2).flatten(1).double()  # (4000, 196)
    generator = torch.Generator().manual_seed(0)
    weights = []
    for rows, columns in ((196, _HIDDEN), (_HIDDEN, 10)):
        bound = rows**-0.5
        uniform = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
        weights += [(2 * uniform - 1) * bound, torch.zeros(columns, dtype=torch.float64)]
    weights = [weight.requires_grad_() for weight in weights]
    optimizer = torch.optim.Adam(weights, lr=_RATE)
    kept = {}
    for epoch in range(1, max(SNAPSHOTS.values()) + 1):
        for rows in torch.randperm(TRAINED, generator=generator).split(_BATCH):
            loss = F.cross_entropy(_logits(weights, X[rows]), labels[rows])
            for weight, grad in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight.grad = grad
            optimizer.step()
        if epoch in SNAPSHOTS.values():
            with torch.no_grad():
                kept[epoch] = _logits(weights, X[TRAINED:])
    return {name: kept[epoch] for name, epoch in SNAPSHOTS.items()}, labels[TRAINED:]


def _logits(weights: list[Tensor], X: Tensor) -> Tensor:
    W1, b1, W2, b2 = weights
    return torch.tanh(X @ W1 + b1) @ W2 + b2


def _bins(confidence: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Share of the images, mean confidence and accuracy in each of the ten bins.

    Empty bins have a confidence and an accuracy of 0.
    """
    place = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    count = torch.bincount(place, minlength=BINS).double()
    sums = [torch.bincount(place, weights=v.double(), minlength=BINS) for v in (confidence, right)]
    return count / len(right), *(total / count.clamp(min=1) for total in sums)


def _gap(confidence: Tensor, right: Tensor) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy of a bin."""
    share, sure, correct = _bins(confidence, right)
    return (share * (sure - correct).abs()).sum().item()


# --- temperature -------------------------------------------------------------------------------

TEMPERATURES = LogSlider("temperature T", 0.25, 4.0, 17, start=1.0)


@functools.cache
def _by_temperature(trained: str) -> tuple[list[float], list[float]]:
    """Cross-entropy and calibration error of the unseen digits at each temperature."""
    logits, labels = _unseen()[0][trained], _unseen()[1]
    losses, gaps = [], []
    for T in TEMPERATURES.values:
        confidence, digit = (logits / T).softmax(1).max(1)
        losses.append(F.cross_entropy(logits / T, labels).item())
        gaps.append(_gap(confidence, digit == labels))
    return losses, gaps


def _reliability_scene(trained: str, T: float) -> Scene:
    logits, labels = _unseen()[0][trained], _unseen()[1]
    confidence, digit = (logits / T).softmax(1).max(1)
    right = digit == labels
    share, _, correct = _bins(confidence, right)
    middles = (torch.arange(BINS) + 0.5) / BINS
    reliability = Panel(
        [
            Bars(middles, correct, "right", "green", width=0.08),
            Line([0, 1], [0, 1], "as sure as right", "text", "dashed", 1.5),
        ],
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="confidence, in ten bins",
        ylabel="share that is right",
    )
    counts = Panel(
        [Bars(middles, 100 * share, color="blue", width=0.08)],
        xlim=(0, 1),
        ylim=(0, 100),
        xlabel="confidence",
        ylabel="% of the digits",
    )
    losses, gaps = _by_temperature(trained)
    here = TEMPERATURES.index_of(T)
    curves = Panel(
        [
            Line(TEMPERATURES.values, losses, "cross-entropy", "blue"),
            Line(TEMPERATURES.values, gaps, "calibration error", "vermillion", "dashed"),
            Points([T, T], [losses[here], gaps[here]], color="text", marker="ring", size=8),
        ],
        xlim=(0.23, 4.4),
        ylim=(-0.06, 1.66),
        xscale="log",
        xlabel="temperature",
        ylabel="loss and error",
        xticks=(0.25, 0.5, 1, 2, 4),
    )
    status = (
        f"{100 * right.double().mean():.1f} % are right, at every temperature; the mean "
        f"confidence is {100 * confidence.mean():.1f} %. Calibration error {gaps[here]:.3f}, "
        f"cross-entropy {losses[here]:.3f}."
    )
    return Scene([reliability, counts, curves], status=status)


@functools.cache
def reliability() -> Explorer:
    """Confidence against accuracy, for a training length and a temperature."""
    return Explorer(
        name="capstone-reliability",
        title="As sure as it is right?",
        controls=dict(
            trained=Choice("trained for", list(SNAPSHOTS), start="40 epochs"), T=TEMPERATURES
        ),
        scene=_reliability_scene,
        storyboard=[
            dict(trained="40 epochs", T=1.0),
            dict(trained="40 epochs", T=TEMPERATURES.values[10]),
        ],
        alt=(
            "Share of right answers against confidence in ten bins, how often each confidence "
            "occurs, and loss and calibration error against the temperature."
        ),
    )


# --- answer or pass ----------------------------------------------------------------------------

THRESHOLD = Slider("least confidence", 0.1, 0.98, 0.04, start=0.1)
_NAMES = [(k + 0.5, str(k)) for k in range(10)]


def _answered(trained: str, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Which digits get an answer (3000,), the answers and the labels."""
    logits, labels = _unseen()[0][trained], _unseen()[1]
    confidence, digit = logits.softmax(1).max(1)
    return confidence >= threshold, digit, labels


@functools.cache
def _trade(trained: str) -> tuple[list[float], list[float]]:
    """Percent answered, and percent of the answers that are wrong, at each threshold."""
    shares, errors = [], []
    for threshold in THRESHOLD.values:
        answered, digit, labels = _answered(trained, threshold)
        shares.append(100 * answered.double().mean().item())
        wrong = (answered & (digit != labels)).sum().item()
        errors.append(100 * wrong / max(answered.sum().item(), 1))  # none, if nothing is answered
    return shares, errors


def _pass_scene(trained: str, threshold: float) -> Scene:
    answered, digit, labels = _answered(trained, threshold)
    wrong = answered & (digit != labels)
    counts = torch.bincount(labels[wrong] * 10 + digit[wrong], minlength=100).reshape(10, 10)
    shares, errors = _trade(trained)
    here = THRESHOLD.index_of(threshold)
    trade = Panel(
        [
            Line(shares, errors, color="blue"),
            Points([shares[here]], [errors[here]], color="text", marker="ring", size=8),
        ],
        xlim=(0, 103),
        ylim=(-0.8, 19),
        xlabel="% of the digits answered",
        ylabel="% of the answers wrong",
    )
    labeled = [
        Label(column + 0.5, row + 0.5, str(int(counts[row, column])) if counts[row, column] else "")
        for row in range(10)
        for column in range(10)
    ]
    confusion = Panel(
        [Heat(counts, vmin=0, vmax=40, cmap="sequential", alpha=0.6), *labeled],
        xlim=(0, 10),
        ylim=(0, 10),
        xlabel="answer",
        ylabel="truth",
        xticks=_NAMES,
        yticks=_NAMES,
        title="wrong answers",
    )
    status = (
        f"{answered.sum():,} of {len(labels):,} digits get an answer ({shares[here]:.0f} %), the "
        f"others go to a person. Wrong answers: {wrong.sum()} ({errors[here]:.1f} %)."
    )
    return Scene([trade, confusion], status=status)


@functools.cache
def answer_or_pass() -> Explorer:
    """A threshold on the confidence: fewer answers, fewer of them wrong."""
    return Explorer(
        name="capstone-answer-or-pass",
        title="Answer, or pass the digit on",
        controls=dict(
            trained=Choice("trained for", list(SNAPSHOTS), start="12 epochs"), threshold=THRESHOLD
        ),
        scene=_pass_scene,
        storyboard=[
            dict(trained="12 epochs", threshold=0.1),
            dict(trained="12 epochs", threshold=0.7),
        ],
        alt=(
            "The share of wrong answers against the share of digits answered, and a table of the "
            "wrong answers by true digit and answer, for a least confidence."
        ),
    )
