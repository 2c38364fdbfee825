"""The explorers of lesson 3.4, Weight initialization."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.activations import ACTIVATIONS
from course_utils.explore import (
    Band,
    Choice,
    Explorer,
    Line,
    LogSlider,
    Panel,
    Points,
    Scene,
    Slider,
)

# --- one random network, forward and backward --------------------------------------------------

WIDTH, SAMPLES = 128, 64
_GAINS = {"tanh": 1.0, "relu": math.sqrt(2), "sigmoid": 1.0, "gelu": math.sqrt(2)}
_NAMES = {ACTIVATIONS[key].name: key for key in _GAINS}


@functools.cache
def _matrices(depth: int) -> Tensor:
    """Weights (depth, WIDTH, WIDTH) with variance 1 / fan-in; a gain only multiplies them."""
    generator = torch.Generator().manual_seed(0)
    shape = (depth, WIDTH, WIDTH)
    return torch.randn(shape, generator=generator, dtype=torch.float64) / WIDTH**0.5


def _forward_backward(key: str, gains: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """Activations and gradients at every layer, for every gain side by side.

    Args:
        key: the activation's name in the registry.
        gains: (G,) factors of the weights.
        depth: number of layers L.

    Returns:
        Activations f(z) and gradients with respect to z, each (G, L, SAMPLES, WIDTH).
    """
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, WIDTH, generator=generator, dtype=torch.float64)
    delta = torch.randn(SAMPLES, WIDTH, generator=generator, dtype=torch.float64)
    weights, g = _matrices(depth), gains.double()[:, None, None]
    a, activations, slopes = x.expand(len(gains), -1, -1), [], []
    with torch.enable_grad():
        for layer in range(depth):
            z = (g * (a @ weights[layer])).detach().requires_grad_()
            a = ACTIVATIONS[key](z)
            (slope,) = torch.autograd.grad(a.sum(), z)
            a = a.detach()
            activations.append(a)
            slopes.append(slope)
    delta = delta.expand(len(gains), -1, -1) * slopes[-1]
    gradients = [delta]
    for layer in reversed(range(1, depth)):
        delta = g * (delta @ weights[layer].T) * slopes[layer - 1]
        gradients.insert(0, delta)
    return torch.stack(activations, dim=1), torch.stack(gradients, dim=1)


def _in_parts(measure: Callable[[Tensor], dict[str, Tensor]], gains: Tensor) -> dict[str, Tensor]:
    """Join what ``measure`` finds for a few gains at a time: all layers of all would take 0.5 GB.

    Args:
        measure: maps gains (P,) to named tensors of shape (P, ...).
        gains: (G,).

    Returns:
        The named tensors of all gains, each (G, ...).
    """
    parts = [measure(part) for part in gains.split(3)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


# --- histograms by layer, over the scale -------------------------------------------------------

SHOWN = (1, 6, 12, 18, 24, 30)
BINS = 41


@functools.cache
def _scales() -> Tensor:
    slider = LogSlider("scale", 0.25, 4.0, 17, start=1.0)
    return torch.tensor([float(value) for value in slider.values])


@functools.cache
def _histograms(key: str) -> dict[str, Tensor]:
    """Histograms and statistics of all scales, computed once for each activation."""
    return _in_parts(functools.partial(_histograms_of, key), _GAINS[key] * _scales())


def _histograms_of(key: str, gains: Tensor) -> dict[str, Tensor]:
    a, d = _forward_backward(key, gains, SHOWN[-1])
    layers = [layer - 1 for layer in SHOWN]
    size = torch.where(d == 0, 0, d.abs().clamp(min=1e-40).log10())  # 0: left out below
    reference = d.square().mean(dim=(2, 3)).sqrt().clamp(min=1e-40)  # (G, L)
    edges_a = torch.linspace(-2.5, 2.5, BINS + 1, dtype=torch.float64)
    edges_d = torch.linspace(-16, 8, BINS + 1, dtype=torch.float64)
    bounded = key in ("tanh", "sigmoid")
    low, high = (-1.0, 1.0) if key == "tanh" else (0.0, 1.0)
    near = 0.025 * (high - low)
    return dict(
        activations=torch.stack([_counts(a[:, i], edges_a) for i in layers], dim=1),
        gradients=torch.stack([_counts(size[:, i], edges_d) for i in layers], dim=1),
        std=a[:, -1].std(dim=(1, 2), correction=0),
        saturated=((a[:, -1] < low + near) | (a[:, -1] > high - near)).double().mean((1, 2))
        if bounded
        else torch.full((len(gains),), torch.nan),
        ratio=reference[:, 0] / reference[:, -1],
    )


def _counts(values: Tensor, edges: Tensor) -> Tensor:
    """Histograms (G, BINS), highest bin 1; zeros are left out, the rest clamped to the edges."""
    found = []
    for row in values:
        row = row[row != 0].clamp(float(edges[0]), float(edges[-1]))
        counts = torch.histogram(row.flatten(), edges).hist
        found.append(counts / counts.max().clamp(min=1))
    return torch.stack(found)


def _ridges(histograms: Tensor, low: float, high: float, color: str) -> list:
    """One filled histogram for each shown layer, the first on top."""
    centers = torch.linspace(low, high, BINS + 1)
    centers = (centers[1:] + centers[:-1]) / 2
    marks = []
    for row, heights in enumerate(histograms):
        base = len(histograms) - 1 - row
        floor = torch.full_like(centers, float(base))
        marks.append(Band(centers, floor, base + 0.85 * heights.float(), color=color))
        marks.append(Line(centers, base + 0.85 * heights.float(), color=color, width=1))
    return marks


def _scale_status(name: str, scale: float, std: float, saturated: float, ratio: float) -> str:
    text = f"{name}, weights {scale:.2g} times the recommended: layer 30 has std {std:.1e}"
    if not math.isnan(saturated):
        text += f", {saturated:.0%} of its values saturated"
    text += f". Gradient at layer 1: {ratio:.0e} of that at layer 30. "
    if ratio < 1e-3:
        return text + "It vanishes."
    return text + ("It explodes." if ratio > 1e3 else "It survives.")


def _scale_scene(name: str, scale: float) -> Scene:
    key = _NAMES[name]
    index = int((_scales() - scale).abs().argmin())
    found = _histograms(key)
    ticks = [(len(SHOWN) - 1 - row, f"layer {layer}") for row, layer in enumerate(SHOWN)]
    color = ACTIVATIONS[key].color
    forward = Panel(
        _ridges(found["activations"][index], -2.5, 2.5, color),
        xlim=(-2.5, 2.5),
        ylim=(-0.1, len(SHOWN)),
        yticks=ticks,
        xlabel="activation (zeros left out)",
        title="activations",
    )
    backward = Panel(
        _ridges(found["gradients"][index], -16, 8, color),
        xlim=(-16, 8),
        ylim=(-0.1, len(SHOWN)),
        yticks=ticks,
        xlabel="log₁₀ |gradient| (zeros left out)",
        title="gradients",
    )
    status = _scale_status(
        name,
        scale,
        float(found["std"][index]),
        float(found["saturated"][index]),
        float(found["ratio"][index]),
    )
    return Scene([forward, backward], status=status)


@functools.cache
def scale() -> Explorer:
    """Histograms of activations and gradients in 30 layers, over the scale of the weights."""
    return Explorer(
        name="initialization-scale",
        title="The scale of the weights, seen in thirty layers",
        controls=dict(
            name=Choice("activation", list(_NAMES), start="Tanh"),
            scale=LogSlider("scale of the weights", 0.25, 4.0, 17, start=1.0),
        ),
        scene=_scale_scene,
        storyboard=[
            dict(),
            dict(scale=0.25),
            dict(scale=4.0),
            dict(name="ReLU", scale=1.0),
        ],
        alt=(
            "Histograms of the activations and of the gradients in six of thirty layers. Small "
            "weights squeeze both toward zero with depth; large ones saturate or explode."
        ),
    )


# --- gain and depth, on a log axis -------------------------------------------------------------

DEEPEST = 60
_FLOOR, _CEILING = 1e-16, 1e16


@functools.cache
def _gain_values() -> Tensor:
    slider = Slider("gain", 0.5, 2.5, 0.1, start=1.0)
    return torch.tensor([float(value) for value in slider.values])


@functools.cache
def _mean_squares(key: str) -> tuple[Tensor, Tensor, Tensor]:
    """Mean square of a and of the gradient, measured, and of a as predicted: each (G, L)."""
    found = _in_parts(functools.partial(_mean_squares_of, key), _gain_values())
    z = torch.linspace(-10, 10, 2001, dtype=torch.float64)
    density = torch.softmax(-(z**2) / 2, dim=0)
    predicted = []
    mean_square = torch.ones(len(_gain_values()), dtype=torch.float64)  # of the input
    for _ in range(DEEPEST):
        spread = (_gain_values().double() ** 2 * mean_square).sqrt()[:, None]
        mean_square = (density * ACTIVATIONS[key](spread * z) ** 2).sum(dim=1)
        predicted.append(mean_square)
    return found["activations"], found["gradients"], torch.stack(predicted, dim=1)


def _mean_squares_of(key: str, gains: Tensor) -> dict[str, Tensor]:
    named = zip(("activations", "gradients"), _forward_backward(key, gains, DEEPEST), strict=True)
    return {name: values.square().mean(dim=(2, 3)) for name, values in named}


def _visible(values: Tensor) -> tuple[Tensor, Tensor]:
    """Layers, counted from 1, and values (L,), without those beyond the panel."""
    shown = (values >= _FLOOR) & (values <= _CEILING)
    return torch.arange(1, len(values) + 1)[shown], values[shown]


def _gain_scene(name: str, gain: float, depth: float) -> Scene:
    depth, key = int(depth), _NAMES[name]
    index = int((_gain_values() - gain).abs().argmin())
    measured, gradient, predicted = (table[index, :depth] for table in _mean_squares(key))
    gradient = gradient / _mean_squares(key)[1][index, depth - 1].clamp(min=1e-300)
    color = ACTIVATIONS[key].color
    panel = Panel(
        [
            Line([1, DEEPEST], [1, 1], color="muted", width=1),
            Points(*_visible(measured), label="activations, measured", color=color, size=5),
            Line(*_visible(predicted), label="activations, formula", color="text",
                 dash="dashed"),
            Line(*_visible(gradient), label="gradients, relative", color="orange",
                 dash="dotted"),
        ],
        xlim=(0.5, DEEPEST + 0.5),
        ylim=(_FLOOR, _CEILING),
        yscale="log",
        xlabel="layer (1 is the first)",
        ylabel="mean square",
    )  # fmt: skip
    factor = float((measured[-1] / measured[0]).clamp(min=1e-300) ** (1 / max(1, depth - 1)))
    status = (
        f"{name}, gain {gain:.1f}: the mean square of the activations is multiplied by about "
        f"{factor:.2g} per layer, and is {float(measured[-1]):.0e} in layer {depth}. "
        f"The gradient at layer 1 has {float(gradient[0]):.0e} of the last one's."
    )
    return Scene(panel, status=status)


@functools.cache
def gain_and_depth() -> Explorer:
    """The mean square of activations and gradients, layer by layer, over gain and depth."""
    return Explorer(
        name="initialization-gain",
        title="Gain and depth",
        controls=dict(
            name=Choice("activation", list(_NAMES), start="ReLU"),
            gain=Slider("gain", 0.5, 2.5, 0.1, start=1.0),
            depth=Slider("layers", 10, DEEPEST, 10, start=30),
        ),
        scene=_gain_scene,
        storyboard=[
            dict(),
            dict(gain=1.4),
            dict(gain=2.0),
            dict(name="Tanh", gain=1.0, depth=60),
        ],
        alt=(
            "The mean square of the activations at each layer on a log axis, measured and by the "
            "formula, with that of the gradients: with ReLU it stays level only near a gain of 1.4."
        ),
    )
