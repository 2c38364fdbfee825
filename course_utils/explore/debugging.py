"""The explorer of lesson 3.7, Debugging."""

from __future__ import annotations

import functools
import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import data
from course_utils.explore import Choice, Explorer, Line, Panel, Scene, Slider

# --- symptoms ----------------------------------------------------------------------------------

SAMPLES, STEPS, RATE = 160, 60, 0.15
WIDTHS = (49, 24, 24, 24, 10)
LAYERS = len(WIDTHS) - 1
SEVERITIES = 6  # 0 is the healthy program
FAULTS = (
    "learning rate too small",
    "learning rate too large",
    "inputs scaled twice",
    "inputs not centered",
    "weights too small",
    "weights too large",
    "biases very negative",
    "gradients not cleared",
    "layers frozen",
    "labels wrong",
    "too few samples",
)
GUESSING = math.log(10)
_CEILING = 30.0
_FLOOR = 1e-6


@functools.cache
def _digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """160 training and 500 validation digits as 7 x 7 pixels in float64, standardized."""
    digits = data.mnist_5k()
    X, V = (
        F.avg_pool2d(part.images[:, None].double(), 4).flatten(1)
        for part in (digits.train, digits.validation)
    )
    X, mean, std = X[:SAMPLES], X[:SAMPLES].mean(), X[:SAMPLES].std()
    return (
        (X - mean) / std,
        digits.train.labels[:SAMPLES],
        (V - mean) / std,
        digits.validation.labels,
    )


def _setting(fault: str, severity: int) -> dict[str, float]:
    """What the fault changes in the program, in numbers."""
    s = severity
    changed = {
        "learning rate too small": {"rate": RATE / 4**s},
        "learning rate too large": {"rate": RATE * 2**s},
        "inputs scaled twice": {"scale": 4.0**-s},
        "inputs not centered": {"shift": 1.0 * s},
        "weights too small": {"gain": 2.0**-s},
        "weights too large": {"gain": 1.5**s},
        "biases very negative": {"bias": -0.75 * s},
        "gradients not cleared": {"kept": s / (SEVERITIES - 1)},
        "layers frozen": {"frozen": min(s, LAYERS)},
        "labels wrong": {"wrong": s / (SEVERITIES - 1)},
        "too few samples": {"samples": SAMPLES // 2**s},
    }[fault]
    healthy = dict(rate=RATE, scale=1.0, shift=0.0, gain=1.0, bias=0.0, kept=0.0, frozen=0)
    return healthy | dict(wrong=0.0, samples=SAMPLES) | changed


def _told(fault: str, severity: int) -> str:
    """The fault in words."""
    if severity == 0:
        return "the healthy program"
    at = _setting(fault, severity)
    return {
        "learning rate too small": f"learning rate {at['rate']:.2g} in place of {RATE}",
        "learning rate too large": f"learning rate {at['rate']:.2g} in place of {RATE}",
        "inputs scaled twice": f"inputs divided by {4**severity}",
        "inputs not centered": f"inputs shifted by {at['shift']:.0f} standard deviations",
        "weights too small": f"weights divided by {2**severity}",
        "weights too large": f"weights times {at['gain']:.2g}",
        "biases very negative": f"hidden biases start at {at['bias']:.2f}",
        "gradients not cleared": f"{at['kept']:.0%} of the old gradients kept at each step",
        "layers frozen": f"{at['frozen']} of {LAYERS} layers frozen",
        "labels wrong": f"{at['wrong']:.0%} of the labels drawn at random",
        "too few samples": f"{at['samples']} of {SAMPLES} samples",
    }[fault]


def _positions() -> list[tuple[str, int]]:
    """Every program that is run: the healthy one once, then each fault and severity."""
    faulty = [(fault, severity) for fault in FAULTS for severity in range(1, SEVERITIES)]
    return [(FAULTS[0], 0), *faulty]


@functools.cache
def _runs() -> dict[str, Tensor]:
    """Train all programs side by side: each entry is (programs, steps + 1)."""
    X, y, V, y_valid = _digits()
    programs = [_setting(*position) for position in _positions()]

    def column(name: str) -> Tensor:
        return torch.tensor([p[name] for p in programs], dtype=torch.float64)[:, None, None]

    generator = torch.Generator().manual_seed(0)
    weights: list[Tensor] = []
    biases: list[Tensor] = []
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(WIDTHS)):
        bound = (6 / fan_in) ** 0.5  # Kaiming, uniform
        if layer == LAYERS - 1:
            bound *= 0.3  # small logits: the healthy loss begins near ln 10
        start = (2 * torch.rand(fan_in, fan_out, generator=generator).double() - 1) * bound
        weights.append((column("gain") * start).requires_grad_())
        hidden = layer < LAYERS - 1
        zeros = torch.zeros(len(programs), 1, fan_out, dtype=torch.float64)
        biases.append((zeros + column("bias") if hidden else zeros).requires_grad_())
    inputs = column("scale") * X + column("shift")  # (programs, N, 49)
    checks = column("scale") * V[:100] + column("shift")
    other = torch.randint(10, (SAMPLES,), generator=generator)
    draw = torch.rand(SAMPLES, generator=generator, dtype=torch.float64)
    labels = torch.where(draw < column("wrong")[:, 0], other, y)  # (programs, N)
    used = (torch.arange(SAMPLES) < column("samples")[:, 0]).double()
    share = used / used.sum(1, keepdim=True)  # (programs, N): weights of the mean
    parameters = [*weights, *biases]
    old = [torch.zeros_like(p) for p in parameters]
    frozen = [column("frozen") > k for k in [*range(LAYERS), *range(LAYERS)]]
    seen: dict[str, list[Tensor]] = {name: [] for name in _CURVES}

    for step in range(STEPS + 1):
        hidden, logits = _forward(weights, biases, inputs)
        each = -logits.log_softmax(-1).gather(-1, labels[..., None]).squeeze(-1)
        losses = (each * share).sum(1)
        gradients = torch.autograd.grad(losses.sum(), parameters)
        with torch.no_grad():
            _, out = _forward(weights, biases, checks)
            picked = out.log_softmax(-1)[:, torch.arange(100), y_valid[:100]]
            for name, value in {
                "loss": losses,
                "validation": -picked.mean(1),
                "first": _norm(gradients[0], frozen[0]),
                "last": _norm(gradients[LAYERS - 1], frozen[LAYERS - 1]),
                "inside": hidden[-1].flatten(1).std(1),
                "outside": hidden[0].flatten(1).std(1),
                "dead": (hidden[-1] == 0).all(1).double().mean(1),
            }.items():
                seen[name].append(value.detach())
            if step == STEPS:
                break
            for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                old[k] = gradient + column("kept") * old[k]
                parameter -= torch.where(frozen[k], 0.0, column("rate") * old[k])
    return {name: torch.stack(values, dim=1) for name, values in seen.items()}


_CURVES = ("loss", "validation", "first", "last", "inside", "outside", "dead")


def _forward(weights: list[Tensor], biases: list[Tensor], x: Tensor) -> tuple[list, Tensor]:
    """Hidden activations and logits of all programs: (programs, N, ...)."""
    hidden = []
    for k in range(LAYERS - 1):
        x = torch.relu(x @ weights[k] + biases[k])
        hidden.append(x)
    return hidden, x @ weights[-1] + biases[-1]


def _norm(gradient: Tensor, frozen: Tensor) -> Tensor:
    """Norm of each program's gradient; a frozen layer has none."""
    return torch.where(frozen.flatten(), math.nan, gradient.flatten(1).norm(dim=1))


def _shown(values: Tensor, floor: float = _FLOOR, ceiling: float = 1e3) -> Tensor:
    """Values as they fit on a log axis; infinity stays at the upper edge."""
    return values.nan_to_num(nan=ceiling, posinf=ceiling).clamp(floor, ceiling)


def _symptom_scene(fault: str, severity: int) -> Scene:
    runs, positions = _runs(), _positions()
    k = positions.index((fault, severity) if severity else positions[0])
    steps = range(STEPS + 1)
    at = {name: values[k] for name, values in runs.items()}
    valid = _shown(at["validation"], 0.004, _CEILING)
    loss = Panel(
        [
            Line([0, STEPS], [GUESSING] * 2, "guessing, ln 10", "muted", "dotted", 1.5),
            Line(steps, runs["loss"][0], "healthy", "muted", "solid", 1.5),
            Line(steps, valid, "validation", "vermillion", "dashed"),
            Line(steps, _shown(at["loss"], 0.004, _CEILING), "training", "blue"),
        ],
        xlim=(0, STEPS),
        ylim=(0.004, _CEILING),
        yscale="log",
        xlabel="step",
        ylabel="loss",
        title="loss",
    )
    frozen_first, frozen_last = at["first"].isnan().any(), at["last"].isnan().any()
    marks = [Line(steps, runs["first"][0], "healthy, first", "muted", "solid", 1.5)]
    if not frozen_first:
        marks.append(Line(steps, _shown(at["first"]), "first layer", "green"))
    if not frozen_last:
        marks.append(Line(steps, _shown(at["last"]), "last layer", "purple", "dashed"))
    gradient = Panel(
        marks,
        xlim=(0, STEPS),
        ylim=(_FLOOR / 2, 2e3),
        yscale="log",
        xlabel="step",
        ylabel="gradient norm",
        title="gradients",
    )
    signal = Panel(
        [
            Line(steps, runs["inside"][0], "healthy, last", "muted", "solid", 1.5),
            Line(steps, _shown(at["outside"]), "first hidden layer", "green"),
            Line(steps, _shown(at["inside"]), "last hidden layer", "purple", "dashed"),
        ],
        xlim=(0, STEPS),
        ylim=(_FLOOR / 2, 2e3),
        yscale="log",
        xlabel="step",
        ylabel="std of the activations",
        title="activations",
    )
    return Scene([loss, gradient, signal], status=_status(fault, severity, at))


def _status(fault: str, severity: int, at: dict[str, Tensor]) -> str:
    told = _told(fault, severity)
    start, end, valid = at["loss"][0].item(), at["loss"][-1].item(), at["validation"][-1].item()
    ends = f"{end:.2f}" if math.isfinite(end) and end < 1000 else "beyond 1000"
    checks = f"{valid:.2f}" if math.isfinite(valid) and valid < 1000 else "beyond 1000"
    dead = at["dead"][-1].item()
    silent = f" Silent units in the last hidden layer: {dead:.0%}." if dead else ""
    begins = f"{start:.2f}" if start < 1000 else "beyond 1000"
    told = told[0].upper() + told[1:]
    return f"{told}: training loss {begins} to {ends}, validation {checks}.{silent}"


@functools.cache
def symptoms() -> Explorer:
    """Pick a fault and a severity, and see what the training shows."""
    return Explorer(
        name="debugging-symptoms",
        title="Faults and their symptoms",
        controls=dict(
            fault=Choice("fault", list(FAULTS), start="learning rate too large"),
            severity=Slider("severity", 0, SEVERITIES - 1, 1, start=0),
        ),
        scene=_symptom_scene,
        storyboard=[
            dict(fault="weights too small", severity=4),
            dict(fault="biases very negative", severity=4),
            dict(fault="inputs scaled twice", severity=4),
        ],
        alt=(
            "Loss, gradient norms and activations of a small network over 60 steps, for a fault of "
            "a chosen severity beside the healthy program."
        ),
    )
