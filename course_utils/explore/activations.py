"""The explorers of lesson 3.2, Activation functions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.activations import ACTIVATIONS
from course_utils.explore import (
    Bars,
    Choice,
    Explorer,
    Line,
    LogSlider,
    Panel,
    Points,
    Scene,
    Slider,
    Span,
)

SATURATED = 0.05
"""A unit counts as saturated where its slope is smaller than this in size."""

# --- one function and its slope ----------------------------------------------------------------

_PARAMETERS: dict[str, tuple[str, Callable[[Tensor, float], Tensor]]] = {
    "leaky_relu": ("slope a", F.leaky_relu),
    "elu": ("α", F.elu),
    "silu": ("β", lambda x, beta: x * torch.sigmoid(beta * x)),
    "softplus": ("β", lambda x, beta: F.softplus(x, beta)),
}
_SHAPES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish")
_SHAPES += ("hardswish", "softplus")
_KEYS = {ACTIVATIONS[key].name: key for key in _SHAPES}


@functools.cache
def _curves(key: str, parameter: float) -> tuple[Tensor, Tensor, Tensor]:
    """x, f(x) and f'(x), each (201,); the slope by autograd."""
    x = torch.linspace(-5, 5, 201, requires_grad=True)
    with torch.enable_grad():
        y = _PARAMETERS[key][1](x, parameter) if key in _PARAMETERS else ACTIVATIONS[key](x)
        (slope,) = torch.autograd.grad(y.sum(), x)
    return x.detach(), y.detach(), slope


def _saturated_spans(x: Tensor, slope: Tensor) -> list[Span]:
    """One span for each stretch of x on which the slope is close to zero."""
    flat = (slope.abs() < SATURATED).tolist()
    spans: list[Span] = []
    start = None
    for index, is_flat in enumerate([*flat, False]):
        if is_flat and start is None:
            start = index
        elif not is_flat and start is not None:
            spans.append(Span(float(x[start]), float(x[index - 1]), color="muted"))
            start = None
    return spans


def _shape_status(name: str, parameter: float, at: float, value: float, slope: float) -> str:
    key = _KEYS[name]
    with_parameter = f" with {_PARAMETERS[key][0]} = {parameter:.2g}" if key in _PARAMETERS else ""
    value, slope = round(value, 2) + 0.0, round(slope, 2) + 0.0  # no "-0.00"
    text = f"{name}{with_parameter}: f({at:g}) = {value:.2f}, slope {slope:.2f}. "
    if key == "leaky_relu" and parameter == 1:
        return text + "With a = 1 it is the identity: no bend at all."
    if abs(slope) < SATURATED:
        return text + f"The unit is saturated: less than {SATURATED:.0%} of the gradient passes."
    return text + f"{abs(slope):.0%} of the gradient passes."


def _shape_scene(name: str, parameter: float, at: float) -> Scene:
    entry = ACTIVATIONS[_KEYS[name]]
    x, y, slope = _curves(_KEYS[name], parameter)
    index = round((at + 5) * 20)
    value, steepness = float(y[index]), float(slope[index])
    spans = _saturated_spans(x, slope)
    tangent = value + steepness * (x - at)
    near = (x - at).abs() <= 1
    curve = Panel(
        [
            *spans,
            Line(x, y, color=entry.color),
            Line(x[near], tangent[near], label="tangent", color="text", dash="dashed"),
            Points([at], [value], label="your x", color="text", marker="circle"),
        ],
        xlim=(-5, 5),
        ylim=(-2.5, 5),
        xlabel="x",
        title="f(x)",
    )
    derivative = Panel(
        [
            *spans,
            Line(x, slope, color=entry.color),
            Points([at], [steepness], color="text", marker="circle"),
        ],
        xlim=(-5, 5),
        ylim=(-0.5, 2.1),
        xlabel="x",
        title="f′(x): gray where it is nearly 0",
    )
    status = _shape_status(name, parameter, at, value, steepness)
    return Scene([curve, derivative], status=status)


@functools.cache
def shapes() -> Explorer:
    """Every elementwise activation with its slope, its parameter and its saturated stretches."""
    return Explorer(
        name="activation-shapes",
        title="An activation and its slope",
        controls=dict(
            name=Choice("function", list(_KEYS), start="Sigmoid"),
            parameter=Slider("parameter (a, α or β)", 0.2, 2.0, 0.2, start=1.0),
            at=Slider("input x", -5, 5, 1, start=1),
        ),
        scene=_shape_scene,
        storyboard=[
            dict(at=4),
            dict(name="ReLU", at=-2),
            dict(name="ELU", parameter=2.0, at=-2),
        ],
        alt=(
            "One activation function and its slope side by side, with a point that slides along "
            "both; the stretches where the slope is nearly zero are gray."
        ),
    )


# --- softmax with temperature ------------------------------------------------------------------

_NAMES = ("A", "B", "C", "D")
_OTHER_LOGITS = (2.0, 0.5, -1.0)


def _softmax_scene(temperature: float, first: float) -> Scene:
    logits = torch.tensor([first, *_OTHER_LOGITS])
    p = torch.softmax(logits / temperature, dim=0)
    entropy = float(-(p * p.clamp(min=1e-30).log2()).sum())
    ticks = list(enumerate(_NAMES))
    scores = Panel(
        [Bars(range(4), logits, color="muted")],
        xlim=(-0.6, 3.6),
        ylim=(-2, 5),
        xticks=ticks,
        xlabel="class",
        title="logits",
    )
    shares = Panel(
        [
            Bars(range(4), p, color="blue"),
            Line([-0.6, 3.6], [0.25, 0.25], label="all equal", color="text", dash="dotted"),
        ],
        xlim=(-0.6, 3.6),
        ylim=(0, 1.02),
        xticks=ticks,
        xlabel="class",
        title="probabilities",
    )
    best = int(p.argmax())
    status = (
        f"Temperature {temperature:.2g}: class {_NAMES[best]} gets {float(p[best]):.1%}. "
        f"Entropy {entropy:.2f} of at most 2 bits."
    )
    return Scene([scores, shares], status=status)


@functools.cache
def softmax_temperature() -> Explorer:
    """Four logits, their softmax, and a temperature between certain and indifferent."""
    return Explorer(
        name="softmax-temperature",
        title="Softmax with a temperature",
        controls=dict(
            temperature=LogSlider("temperature", 0.1, 10, 21, start=1.0),
            first=Slider("logit of class A", -2.0, 5.0, 0.5, start=1.0),
        ),
        scene=_softmax_scene,
        storyboard=[
            dict(temperature=0.1),
            dict(),
            dict(temperature=10),
        ],
        alt=(
            "Four logits beside their softmax probabilities: a low temperature gives everything "
            "to the largest logit, a high one makes the bars equal."
        ),
    )


# --- depth and the gradient --------------------------------------------------------------------

DEEPEST = 30
_DEPTH_KEYS = ("sigmoid", "softplus", "tanh", "relu", "gelu", "silu")
_WEIGHTS = {
    "matched to the function": None,
    "variance 1/fan-in": 1.0,
    "torch's nn.Linear default": 3**-0.5,
}
_FLOOR = 1e-18  # what is smaller lies below the panel


def _matched_gain(key: str) -> float:
    """Gain g with g² E[f(z)²] = 1 for standard normal z: pre-activations keep variance 1."""
    z = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    weight = torch.softmax(-(z**2) / 2, dim=0)
    return float((weight * ACTIVATIONS[key](z) ** 2).sum() ** -0.5)


@functools.cache
def _arriving(key: str, weights: str) -> Tensor:
    """Gradient norm at each layer for each depth, relative to the last layer.

    Returns:
        (DEEPEST, DEEPEST): entry [d - 1, l - 1] is for layer l of a network of d layers; entries
        with l > d mean nothing.
    """
    width, samples = 64, 16
    gain = _WEIGHTS[weights] or _matched_gain(key)
    generator = torch.Generator().manual_seed(0)
    draw = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
    z = draw(samples, width)
    matrices, slopes = [], []
    with torch.enable_grad():
        for _ in range(DEEPEST):  # forward, keeping every weight and every slope
            z = z.detach().requires_grad_()
            a = ACTIVATIONS[key](z)
            (slope,) = torch.autograd.grad(a.sum(), z)
            matrices.append(draw(width, width) * gain / width**0.5)
            slopes.append(slope)
            z = a.detach() @ matrices[-1]
    delta = torch.zeros(DEEPEST, samples, width, dtype=torch.float64)
    start = draw(samples, width)
    norms = torch.ones(DEEPEST, DEEPEST, dtype=torch.float64)
    for layer in reversed(range(DEEPEST)):  # backward, for all depths at once
        if layer < DEEPEST - 1:
            delta = (delta @ matrices[layer].T) * slopes[layer]
        delta[layer] = start
        norms[:, layer] = delta.flatten(1).norm(dim=1) / start.norm()
    return norms


def _depth_scene(depth: int, weights: str) -> Scene:
    layers = torch.arange(1, depth + 1)
    marks, notes = [], []
    for key in _DEPTH_KEYS:
        entry = ACTIVATIONS[key]
        norms = _arriving(key, weights)[depth - 1, :depth]
        marks.append(Line(layers, norms, label=entry.name, color=entry.color, dash=entry.dash))
        marks.append(Points(layers[:1], norms[:1], color=entry.color, size=4))
        if key in ("sigmoid", "tanh", "relu"):
            notes.append(f"{entry.name} {float(norms[0]):.0e}")
    panel = Panel(
        marks,
        xlim=(0.5, DEEPEST + 0.5),
        ylim=(_FLOOR, 1e3),
        yscale="log",
        xlabel="layer (1 is the first)",
        ylabel="gradient, relative to the last layer",
    )
    return Scene(panel, status=f"First of {depth} layers: {', '.join(notes)} of the last.")


@functools.cache
def depth_and_gradient() -> Explorer:
    """How much gradient reaches each layer of a random network, by activation and depth."""
    return Explorer(
        name="activation-depth",
        title="Depth and the gradient that reaches each layer",
        controls=dict(
            depth=Slider("layers", 1, DEEPEST, 1, start=20),
            weights=Choice("weights", list(_WEIGHTS)),
        ),
        scene=_depth_scene,
        storyboard=[
            dict(depth=5),
            dict(depth=20),
            dict(depth=20, weights="variance 1/fan-in"),
            dict(depth=20, weights="torch's nn.Linear default"),
        ],
        alt=(
            "Gradient norm at each layer on a log axis for six activations: with matched weights "
            "only sigmoid and softplus fall with every layer, with small weights all do."
        ),
    )
