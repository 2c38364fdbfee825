"""Schematic figures of the lessons, drawn with matplotlib: neurons and small networks.

Every function draws into the Axes that it is given and returns it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Polygon

from course_utils.plotting import OKABE_ITO

INK = OKABE_ITO["black"]
FLESH = OKABE_ITO["sky"]
SIGNAL = OKABE_ITO["vermillion"]


def _blank(ax: Axes, xlim: tuple[float, float], ylim: tuple[float, float]) -> Axes:
    ax.set(xlim=xlim, ylim=ylim, aspect="equal")
    ax.axis("off")
    return ax


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], **style) -> None:
    options = dict(arrowstyle="-|>", mutation_scale=12, color=INK, linewidth=1.4) | style
    ax.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **options))


def _branch(ax: Axes, start: np.ndarray, angle: float, length: float, depth: int) -> None:
    """Draw one dendrite that forks ``depth`` times."""
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    ax.plot(
        *zip(start, end, strict=True),
        color=FLESH,
        linestyle="-",
        linewidth=1.2 + 1.1 * depth,
        zorder=1,
    )
    if depth > 0:
        for turn in (-0.42, 0.38):
            _branch(ax, end, angle + turn, 0.62 * length, depth - 1)


def biological_neuron(ax: Axes) -> Axes:
    """Draw a neuron with dendrites, cell body, axon and synapses, each named."""
    _blank(ax, (-3.9, 5.2), (-2.3, 2.5))
    center = np.zeros(2)
    for angle in np.deg2rad([108, 148, 188, 232, 262]):
        _branch(ax, center, angle, 1.15, 2)
    corners = np.deg2rad(np.arange(0, 360, 30))
    radius = 0.62 + 0.1 * np.cos(3 * corners)
    ax.add_patch(
        Polygon(
            np.column_stack([radius * np.cos(corners), radius * np.sin(corners)]),
            facecolor=FLESH,
            edgecolor=INK,
            zorder=2,
        )
    )
    ax.add_patch(Circle((0, 0), 0.22, facecolor=OKABE_ITO["blue"], zorder=3))
    axon = np.linspace(0.6, 3.5, 50)
    ax.plot(axon, 0.18 * np.sin(1.6 * axon), color=FLESH, linestyle="-", linewidth=4, zorder=1)
    for height in (-0.9, -0.2, 0.5):
        tip = np.array([4.35, height])
        ax.plot(
            [3.45, tip[0]], [-0.12, tip[1]], color=FLESH, linestyle="-", linewidth=2.4, zorder=1
        )
        ax.add_patch(Circle(tip, 0.13, facecolor=SIGNAL, edgecolor=INK, zorder=2))
    _name(ax, "dendrites\nreceive signals", (-2.6, 1.95), (-1.2, 0.95))
    _name(ax, "cell body\ngathers them", (1.0, 1.9), (0.2, 0.55))
    _name(ax, "axon\ncarries a spike", (2.2, -1.3), (2.1, -0.1))
    _name(ax, "synapses\npass it on", (4.2, 1.7), (4.35, 0.62))
    return ax


def _name(ax: Axes, text: str, at: tuple[float, float], target: tuple[float, float]) -> None:
    ax.annotate(
        text,
        xy=target,
        xytext=at,
        ha="center",
        va="center",
        fontsize=10,
        arrowprops=dict(arrowstyle="-", color="0.4", linewidth=0.8),
    )


def artificial_neuron(
    ax: Axes,
    inputs: Sequence[str] = ("$x_1$", "$x_2$", "$x_D$"),
    weights: Sequence[str] = ("$w_1$", "$w_2$", "$w_D$"),
    activation: str = "step",
) -> Axes:
    """Draw inputs, weights, bias, sum, activation and output of one neuron.

    Args:
        ax: where to draw.
        inputs: labels of the inputs, top to bottom.
        weights: labels of the weights, one for each input.
        activation: ``"step"`` or ``"sigmoid"``: the little curve in the second circle.
    """
    _blank(ax, (-3.0, 4.6), (-2.1, 2.3))
    heights = np.linspace(1.3, -1.3, len(inputs))
    for height, name, weight in zip(heights, inputs, weights, strict=True):
        ax.add_patch(Circle((-2.4, height), 0.36, facecolor="white", edgecolor=INK, zorder=3))
        ax.text(-2.4, height, name, ha="center", va="center", fontsize=12, zorder=4)
        _arrow(ax, (-2.04, height), (-0.53, 0.22 * height))
        ax.text(-1.35, 0.62 * height + 0.2, weight, ha="center", fontsize=12, color=SIGNAL)
    if len(inputs) > 2:
        ax.text(-2.4, (heights[-1] + heights[-2]) / 2, "⋮", ha="center", va="center", fontsize=14)
    ax.add_patch(Circle((0, 0), 0.55, facecolor=FLESH, edgecolor=INK, zorder=3))
    ax.text(0, 0, "Σ", ha="center", va="center", fontsize=18, zorder=4)
    _arrow(ax, (0, 1.35), (0, 0.55))
    ax.text(0, 1.6, "bias $b$", ha="center", va="center", fontsize=12, color=SIGNAL)
    _arrow(ax, (0.55, 0), (1.6, 0))
    ax.text(1.07, 0.2, "$z$", ha="center", fontsize=12)
    _activation_circle(ax, (2.15, 0.0), activation)
    _arrow(ax, (2.7, 0), (3.6, 0))
    ax.text(3.85, 0, r"$\hat{y}$", va="center", fontsize=14)
    ax.text(0, -0.95, "weighted sum", ha="center", fontsize=10)
    ax.text(2.15, -0.95, activation, ha="center", fontsize=10)
    return ax


def _activation_circle(ax: Axes, center: tuple[float, float], activation: str) -> None:
    ax.add_patch(Circle(center, 0.55, facecolor="white", edgecolor=INK, zorder=3))
    u = np.linspace(-1, 1, 101)
    curves = {"step": (u > 0).astype(float), "sigmoid": 1 / (1 + np.exp(-5 * u))}
    if activation not in curves:
        raise ValueError(f"activation must be one of {sorted(curves)}, got {activation!r}.")
    curve = curves[activation] - 0.5
    ax.plot(
        center[0] + 0.36 * u,
        center[1] + 0.5 * curve,
        color=SIGNAL,
        linestyle="-",
        linewidth=2,
        zorder=4,
    )


def layered_network(
    ax: Axes, layers: Sequence[Sequence[str]], layer_names: Sequence[str] = ()
) -> Axes:
    """Draw a fully connected network from left to right.

    Args:
        ax: where to draw.
        layers: the unit labels of each layer, for example ``[["$x_1$", "$x_2$"], ["OR", "NAND"]]``.
        layer_names: an optional caption under each layer.
    """
    height = max(len(layer) for layer in layers)
    _blank(ax, (-0.7, 2.2 * (len(layers) - 1) + 0.7), (-0.75 * height - 0.5, 0.75 * height))
    places = [
        [(2.2 * column, 1.3 * ((len(layer) - 1) / 2 - row)) for row in range(len(layer))]
        for column, layer in enumerate(layers)
    ]
    for left, right in itertools.pairwise(places):
        for start in left:
            for end in right:
                _arrow(ax, (start[0] + 0.45, start[1]), (end[0] - 0.46, end[1]), linewidth=1.0)
    for column, (layer, spots) in enumerate(zip(layers, places, strict=True)):
        for label, (x, y) in zip(layer, spots, strict=True):
            face = "white" if column == 0 else FLESH
            ax.add_patch(Circle((x, y), 0.45, facecolor=face, edgecolor=INK, zorder=3))
            ax.text(x, y, label, ha="center", va="center", fontsize=10, zorder=4)
    for column, name in enumerate(layer_names):
        ax.text(2.2 * column, -0.75 * height - 0.25, name, ha="center", fontsize=10)
    return ax


def skip_block(ax: Axes, branch: Sequence[str] = ("conv 1", "ReLU", "conv 2")) -> Axes:
    """Draw a residual block: a branch of boxes, a shortcut around it, and the sum.

    Args:
        ax: where to draw.
        branch: names of the boxes on the branch, from left to right.
    """
    end = 1.9 * len(branch)
    _blank(ax, (-1.6, end + 2.6), (-1.1, 2.1))
    ax.text(-1.25, 0, "$x$", ha="center", va="center", fontsize=14)
    _arrow(ax, (-1.0, 0), (0.0, 0))
    for k, name in enumerate(branch):
        left = 1.9 * k
        box = Polygon(
            [(left, -0.4), (left + 1.4, -0.4), (left + 1.4, 0.4), (left, 0.4)],
            facecolor="white" if name == "ReLU" else FLESH,
            edgecolor=INK,
        )
        ax.add_patch(box)
        ax.text(left + 0.7, 0, name, ha="center", va="center", fontsize=11)
        _arrow(ax, (left + 1.4, 0), (left + 1.9, 0))
    ax.add_patch(Circle((end + 0.3, 0), 0.3, facecolor="white", edgecolor=INK, zorder=3))
    ax.text(end + 0.3, 0, "+", ha="center", va="center", fontsize=16, zorder=4)
    way = dict(color=SIGNAL, linestyle="--", linewidth=2)
    ax.plot([-0.5, -0.5, end + 0.3], [0, 1.3, 1.3], **way)
    _arrow(ax, (end + 0.3, 1.3), (end + 0.3, 0.3), color=SIGNAL, linestyle="--", linewidth=2)
    ax.text(end / 2, 1.6, "shortcut: $x$, unchanged", ha="center", color=SIGNAL, fontsize=12)
    ax.text(end / 2 - 0.2, -0.85, "branch: $F(x)$", ha="center", fontsize=12)
    _arrow(ax, (end + 0.6, 0), (end + 1.3, 0))
    ax.text(end + 1.95, 0, "$x + F(x)$", ha="center", va="center", fontsize=13)
    return ax
