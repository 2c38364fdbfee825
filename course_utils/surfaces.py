"""Losses of two weights that can be drawn: a ravine, a saddle, Rosenbrock's and Beale's valleys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SURFACES", "Surface", "contours", "height_map"]


@dataclass(frozen=True)
class Surface:
    """A loss of two weights.

    Attributes:
        name: what the lesson calls it.
        formula: the formula as text.
        loss: maps points (..., 2) to losses (...,).
        start: where the descents begin.
        minima: the lowest points.
        lowest: the loss there.
        xlim: range of the first weight in pictures.
        ylim: range of the second.
    """

    name: str
    formula: str
    loss: Callable[[Tensor], Tensor]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    lowest: float
    xlim: tuple[float, float]
    ylim: tuple[float, float]


def _ravine(w: Tensor) -> Tensor:
    a, b = w.unbind(-1)
    return (a**2 + 20 * b**2) / 2


def _saddle(w: Tensor) -> Tensor:
    a, b = w.unbind(-1)
    return a**2 / 2 - b**2 / 2 + b**4 / 4


def _rosenbrock(w: Tensor) -> Tensor:
    a, b = w.unbind(-1)
    return (1 - a) ** 2 + 100 * (b - a**2) ** 2


def _beale(w: Tensor) -> Tensor:
    a, b = w.unbind(-1)
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


SURFACES = {
    surface.name: surface
    for surface in (
        Surface(
            name="ravine",
            formula="½ (a² + 20 b²)",
            loss=_ravine,
            start=(-4.0, 1.5),
            minima=((0.0, 0.0),),
            lowest=0.0,
            xlim=(-5.0, 3.0),
            ylim=(-2.5, 2.5),
        ),
        Surface(
            name="saddle",
            formula="½ a² − ½ b² + ¼ b⁴",
            loss=_saddle,
            start=(-2.0, 0.001),
            minima=((0.0, -1.0), (0.0, 1.0)),
            lowest=-0.25,
            xlim=(-2.5, 2.5),
            ylim=(-2.0, 2.0),
        ),
        Surface(
            name="Rosenbrock",
            formula="(1 − a)² + 100 (b − a²)²",
            loss=_rosenbrock,
            start=(-1.2, 1.0),
            minima=((1.0, 1.0),),
            lowest=0.0,
            xlim=(-2.0, 2.0),
            ylim=(-1.0, 3.0),
        ),
        Surface(
            name="Beale",
            formula="(1.5 − a + ab)² + (2.25 − a + ab²)² + (2.625 − a + ab³)²",
            loss=_beale,
            start=(1.0, 1.5),
            minima=((3.0, 0.5),),
            lowest=0.0,
            xlim=(-1.0, 4.5),
            ylim=(-2.0, 2.0),
        ),
    )
}
"""Name -> surface."""


def height_map(surface: Surface, size: int = 60) -> Tensor:
    """The logarithm of the loss above its minimum on a grid: (size, size), row 0 at the bottom."""
    a = torch.linspace(*surface.xlim, size)
    b = torch.linspace(*surface.ylim, size)
    grid = torch.stack(torch.meshgrid(a, b, indexing="xy"), dim=-1)
    return (surface.loss(grid) - surface.lowest + 1e-3).clamp(min=1e-3).log10()


def contours(ax: Axes, surface: Surface) -> Axes:
    """Draw a surface as filled contour lines of the logarithm of its loss, with its minima.

    Args:
        ax: where to draw.
        surface: what to draw.

    Returns:
        The Axes.
    """
    a = torch.linspace(*surface.xlim, 120)
    b = torch.linspace(*surface.ylim, 120)
    ax.contourf(a, b, height_map(surface, 120), levels=14, cmap="Greys", alpha=0.3)
    for minimum in surface.minima:
        ax.plot(*minimum, "*", color="black", markersize=11, zorder=4)
    ax.set(xlim=surface.xlim, ylim=surface.ylim, title=surface.name, xlabel="a", ylabel="b")
    ax.grid(False)
    return ax
