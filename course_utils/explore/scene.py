"""Scenes: what one position of an explorer shows, as plain data.

A scene is a list of panels, a panel a list of marks, and a mark a few arrays and a style. Nothing
here draws: the browser (`front.js`) and the storyboard (`storyboard.py`) render the same scene.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from .palette import COLORMAPS, check_color

DASHES = ("solid", "dashed", "dotted")
MARKERS = ("circle", "square", "triangle", "diamond", "cross", "ring")
SCALES = ("linear", "log")
ALIGNMENTS = ("left", "center", "right")


def as_array(values: Any) -> np.ndarray:
    """Copy numbers, a list, a NumPy array or a torch tensor into a float32 array.

    Numbers beyond the range of float32 become infinite, and are drawn as gaps.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(values, dtype=np.float64).astype(np.float32)


def _check_choice(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{what} is {value!r}; choose one of {', '.join(allowed)}")


@dataclass(eq=False)
class Mark:
    """Base of all marks: arrays to draw, one text (a label) and a style.

    Subclasses name their array fields in `ARRAYS`; all but the first of `TEXT`'s and these are the
    style, a few values that rarely change from one position to the next.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ()
    TEXT: ClassVar[str] = "label"

    def __post_init__(self) -> None:
        for name in self.ARRAYS:
            setattr(self, name, self._checked_array(name))
        setattr(self, self.TEXT, str(getattr(self, self.TEXT)))
        if hasattr(self, "color"):
            check_color(self.color)
        self._check()

    def _checked_array(self, name: str) -> np.ndarray:
        try:
            return as_array(getattr(self, name))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.kind}: {name} is not an array of numbers ({error})") from None

    def _check(self) -> None:
        """Check the arrays and the style; subclasses extend it.

        Raises:
            ValueError: naming the mark and what is wrong with it.
        """

    def _check_vectors(self) -> None:
        """All arrays are vectors of one length."""
        shapes = {name: getattr(self, name).shape for name in self.ARRAYS}
        if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) != 1:
            listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
            raise ValueError(f"{self.kind}: arrays must be vectors of one length, got {listed}")

    def _check_numbers(self) -> None:
        """All arrays are single numbers, stored with shape (1,)."""
        for name in self.ARRAYS:
            value = getattr(self, name)
            if value.size != 1:
                raise ValueError(f"{self.kind}: {name} must be one number, got shape {value.shape}")
            setattr(self, name, value.reshape(1))

    @property
    def kind(self) -> str:
        """The mark's name in messages and in packed frames, for example `line`."""
        return type(self).__name__.lower()

    @property
    def text(self) -> str:
        """The label, or for `Label` its text."""
        return getattr(self, self.TEXT)

    def arrays(self) -> list[np.ndarray]:
        """The arrays to draw, in the order of `ARRAYS`."""
        return [getattr(self, name) for name in self.ARRAYS]

    def style(self) -> dict[str, Any]:
        """Everything but the arrays and the text, ready for JSON."""
        data = (*self.ARRAYS, self.TEXT)
        return {"kind": self.kind} | {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in data
        }


@dataclass(eq=False)
class Line(Mark):
    """A polyline through `x`, `y`, both (N,); a value that is not finite leaves a gap."""

    x: Any
    y: Any
    label: str = ""
    color: str = "blue"
    dash: str = "solid"
    width: float = 2.0
    ARRAYS = ("x", "y")

    def _check(self) -> None:
        self._check_vectors()
        _check_choice("line: dash", self.dash, DASHES)


@dataclass(eq=False)
class Points(Mark):
    """Markers at `x`, `y`, both (N,); `size` is the radius in pixels."""

    x: Any
    y: Any
    label: str = ""
    color: str = "blue"
    marker: str = "circle"
    size: float = 5.0
    ARRAYS = ("x", "y")

    def _check(self) -> None:
        self._check_vectors()
        _check_choice("points: marker", self.marker, MARKERS)


@dataclass(eq=False)
class Heat(Mark):
    """A heat map `z` (H, W) that fills the panel; row 0 lies at the lower end of `ylim`.

    Without `vmin` and `vmax` the colors span the values of each position by itself, so give both
    where colors shall be comparable between positions. With a label the legend shows the scale.
    """

    z: Any
    vmin: float | None = None
    vmax: float | None = None
    cmap: str = "diverging"
    alpha: float = 1.0
    label: str = ""
    ARRAYS = ("z",)

    def _check(self) -> None:
        _check_choice("heat: cmap", self.cmap, tuple(COLORMAPS))
        if self.z.ndim != 2 or not self.z.size:
            raise ValueError(f"heat: z must have shape (H, W), got {self.z.shape}")
        if not 0 < self.alpha <= 1:
            raise ValueError(f"heat: alpha is {self.alpha}; it must be above 0 and at most 1")
        finite = self.z[np.isfinite(self.z)]
        low = float(finite.min()) if self.vmin is None and finite.size else self.vmin
        high = float(finite.max()) if self.vmax is None and finite.size else self.vmax
        self.vmin = 0.0 if low is None else float(low)
        self.vmax = self.vmin + 1.0 if high is None or high <= self.vmin else float(high)

    def style(self) -> dict[str, Any]:
        """The style of any mark, and the shape of `z`, whose values travel as one vector."""
        return super().style() | {"rows": self.z.shape[0], "columns": self.z.shape[1]}


@dataclass(eq=False)
class Bars(Mark):
    """Bars at `x` (N,) from `baseline` to `height` (N,); `width` is in units of `x`."""

    x: Any
    height: Any
    label: str = ""
    color: str = "blue"
    width: float = 0.8
    baseline: float = 0.0
    ARRAYS = ("x", "height")

    def _check(self) -> None:
        self._check_vectors()


@dataclass(eq=False)
class Arrow(Mark):
    """An arrow from (`x0`, `y0`) to (`x1`, `y1`); the label stands in the legend."""

    x0: Any
    y0: Any
    x1: Any
    y1: Any
    color: str = "text"
    label: str = ""
    ARRAYS = ("x0", "y0", "x1", "y1")

    def _check(self) -> None:
        self._check_numbers()


@dataclass(eq=False)
class Band(Mark):
    """The area between `lower` and `upper` over `x`, each (N,)."""

    x: Any
    lower: Any
    upper: Any
    color: str = "blue"
    label: str = ""
    ARRAYS = ("x", "lower", "upper")

    def _check(self) -> None:
        self._check_vectors()


@dataclass(eq=False)
class Span(Mark):
    """A strip across the panel between `x0` and `x1` on the given axis."""

    x0: Any
    x1: Any
    color: str = "muted"
    label: str = ""
    axis: str = "x"
    ARRAYS = ("x0", "x1")

    def _check(self) -> None:
        self._check_numbers()
        _check_choice("span: axis", self.axis, ("x", "y"))


@dataclass(eq=False)
class Label(Mark):
    """A short text at (`x`, `y`)."""

    x: Any
    y: Any
    text: str = ""
    color: str = "text"
    align: str = "center"
    ARRAYS = ("x", "y")
    TEXT = "text"

    def _check(self) -> None:
        self._check_numbers()
        _check_choice("label: align", self.align, ALIGNMENTS)


def _limits(name: str, limits: Any, scale: str) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in limits)
    except (TypeError, ValueError):
        raise ValueError(f"panel: {name} must be two numbers, got {limits!r}") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"panel: {name} must be finite and rising, got ({low:g}, {high:g})")
    if scale == "log" and low <= 0:
        raise ValueError(f"panel: {name} starts at {low:g}, but a log scale needs numbers above 0")
    return low, high


def _ticks(ticks: Iterable | None) -> list[list] | None:
    """Normalize ticks to [[value, label], ...]; a bare number is its own label."""
    if ticks is None:
        return None
    pairs = [tick if isinstance(tick, (tuple, list)) else (tick, f"{tick:g}") for tick in ticks]
    return [[float(value), str(label)] for value, label in pairs]


@dataclass(eq=False)
class Panel:
    """One pair of axes with its marks, drawn in the given order (heat maps always lie below).

    `xlim` and `ylim` are required: limits that follow the data would jump from one position to the
    next, and hide what changes. `equal` gives both axes the same scale.
    """

    marks: Sequence[Mark] | Mark
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    xlabel: str = ""
    ylabel: str = ""
    title: str = ""
    xscale: str = "linear"
    yscale: str = "linear"
    equal: bool = False
    xticks: Iterable | None = None
    yticks: Iterable | None = None

    def __post_init__(self) -> None:
        self.marks = [self.marks] if isinstance(self.marks, Mark) else list(self.marks)
        for mark in self.marks:
            if not isinstance(mark, Mark):
                raise ValueError(f"panel: {mark!r} is not a mark (Line, Points, Heat, ...)")
        _check_choice("panel: xscale", self.xscale, SCALES)
        _check_choice("panel: yscale", self.yscale, SCALES)
        self.xlim = _limits("xlim", self.xlim, self.xscale)
        self.ylim = _limits("ylim", self.ylim, self.yscale)
        self.xticks, self.yticks = _ticks(self.xticks), _ticks(self.yticks)

    def limits(self) -> np.ndarray:
        """(4,) float32: x from, x to, y from, y to."""
        return as_array([*self.xlim, *self.ylim])

    def style(self) -> dict[str, Any]:
        """What rarely changes between positions, ready for JSON."""
        names = ("xscale", "yscale", "equal", "xticks", "yticks")
        return {name: getattr(self, name) for name in names}


@dataclass(eq=False)
class Scene:
    """Everything one position shows: panels, one live sentence, and whether values diverged."""

    panels: Sequence[Panel] | Panel
    status: str = ""
    diverged: bool = False

    def __post_init__(self) -> None:
        self.panels = [self.panels] if isinstance(self.panels, Panel) else list(self.panels)
        if not self.panels or not all(isinstance(panel, Panel) for panel in self.panels):
            raise ValueError("a scene needs one or more panels")
        self.status, self.diverged = str(self.status), bool(self.diverged)
