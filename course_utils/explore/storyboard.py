"""The storyboard: an explorer's telling positions as small multiples, drawn with matplotlib.

It uses `matplotlib.figure.Figure`, never pyplot: drawing must not disturb the figures of a cell
that runs at the same time, nor depend on the style that a lesson has set.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .controls import format_value
from .palette import COLORMAPS, COLORS, LIGHT
from .scene import Arrow, Band, Bars, Heat, Label, Line, Mark, Panel, Points, Scene, Span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .explorer import Explorer

DPI = 110
FIGURE_WIDTH = 9.6  # inches
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 9.0,
    "figure.dpi": DPI,
}
DASH_STYLES = {"solid": "-", "dashed": (0, (5, 2.5)), "dotted": (0, (1.2, 1.8))}
MARKER_STYLES = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "x",
    "ring": "o",
}
POINTS_PER_PIXEL = 0.75


def draw(explorer: Explorer) -> Figure:
    """Draw the storyboard of an explorer.

    Args:
        explorer: whose `story` to draw.

    Returns:
        A figure with one group of panels for each position, titled with the values that differ
        between the positions, and with the position's live sentence below.
    """
    with matplotlib.rc_context(), matplotlib.style.context(["default", STYLE]):
        scenes = [explorer.at(**position) for position in explorer.story]
        rows, columns = _arrangement(len(scenes), max(len(scene.panels) for scene in scenes))
        height = rows * _group_height(scenes, rows, columns)
        figure = Figure(figsize=(FIGURE_WIDTH, height + 0.75), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
        groups = figure.subfigures(rows, columns, squeeze=False).ravel()
        titles = _position_titles(explorer)
        handles: dict[str, Any] = {}
        for group, scene, title in zip(groups, scenes, titles, strict=False):
            _draw_group(group, scene, title, width=FIGURE_WIDTH / columns, handles=handles)
        figure.suptitle(explorer.title, fontsize=11, fontweight="bold")
        if handles:
            figure.legend(handles.values(), handles.keys(), loc="outside lower center", **_LEGEND)
        return figure


_LEGEND = {"ncols": 4, "frameon": False, "handlelength": 2.6, "columnspacing": 1.6}


def to_png(figure: Figure) -> bytes:
    """PNG of a figure, without the metadata that would change with matplotlib's version."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(), matplotlib.style.context(["default", STYLE]):
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _arrangement(positions: int, panels: int) -> tuple[int, int]:
    """Rows and columns of groups: at most three panels side by side, rows equally full."""
    most = max(1, 3 // panels)
    columns = min(positions, most)
    if positions == 4 and panels == 1:
        columns = 2
    return math.ceil(positions / columns), columns


def _group_height(scenes: list[Scene], rows: int, columns: int) -> float:
    """Inches of one row of groups: less for each where there are many."""
    panels = max(len(scene.panels) for scene in scenes)
    width = FIGURE_WIDTH / columns / panels
    equal = any(panel.equal for scene in scenes for panel in scene.panels)
    most = {1: 3.6, 2: 3.6, 3: 2.7}.get(rows, 2.3)
    return min(most, width * (0.95 if equal else 0.68)) + 0.55


def _position_titles(explorer: Explorer) -> list[str]:
    """For each position, the values of the controls that differ within the storyboard."""
    varying = [
        key
        for key in explorer.controls
        if len({format_value(position[key]) for position in explorer.story}) > 1
    ]
    return [
        ",  ".join(
            f"{explorer.controls[key].label} = {_value_text(position[key])}" for key in varying
        )
        for position in explorer.story
    ]


def _value_text(value: Any) -> str:
    """A value as in the browser, where negative numbers have a real minus sign."""
    text = format_value(value)
    return text if isinstance(value, str) else text.replace("-", "\N{MINUS SIGN}")


def _draw_group(group: Any, scene: Scene, title: str, width: float, handles: dict) -> None:
    characters = int(width * 14)
    group.suptitle(textwrap.fill(title, characters), fontsize=9.5, fontweight="bold")
    axes = group.subplots(1, len(scene.panels), squeeze=False).ravel()
    for ax, panel in zip(axes, scene.panels, strict=True):
        draw_panel(ax, panel)
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, _legend_key(handle))
    if scene.diverged:
        box = {"facecolor": "white", "edgecolor": color("vermillion"), "boxstyle": "round"}
        axes[0].text(
            *(0.97, 0.95, "diverged"),
            **{"transform": axes[0].transAxes, "ha": "right", "va": "top", "zorder": 20},
            **{"color": color("vermillion"), "fontweight": "bold", "bbox": box},
        )
    if scene.status:
        group.supxlabel(textwrap.fill(scene.status, int(width * 15)), fontsize=8.5)


def _legend_key(handle: Any) -> Any:
    """What stands for a mark in the legend; matplotlib before 3.10.9 cannot reuse a filled area."""
    if isinstance(handle, PolyCollection):
        return Patch(facecolor=handle.get_facecolor()[0], linewidth=0)
    return handle


def draw_panel(ax: Axes, panel: Panel) -> Axes:
    """Draw one panel of a scene into the axes and return them."""
    ax.set(xscale=panel.xscale, yscale=panel.yscale, xlim=panel.xlim, ylim=panel.ylim)
    for order, mark in enumerate(sorted(panel.marks, key=lambda m: not isinstance(m, Heat))):
        DRAW[type(mark)](ax, mark, panel, zorder=2 + 0.01 * order)
    ax.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.title)
    ax.set(xlim=panel.xlim, ylim=panel.ylim)
    if panel.equal:
        ax.set_aspect("equal", adjustable="box")
    for ticks, axis in ((panel.xticks, ax.xaxis), (panel.yticks, ax.yaxis)):
        if ticks is not None:
            axis.set_ticks([value for value, _ in ticks], [label for _, label in ticks])
            axis.set_ticks([], minor=True)
    return ax


def color(name: str) -> str:
    """The shade of a palette color for white paper."""
    return COLORS[name][LIGHT]


def _finite(values: np.ndarray) -> np.ndarray:
    """A copy whose infinities are NaN, which matplotlib draws as gaps."""
    return np.where(np.isfinite(values), values, np.nan).astype(float)


def _draw_line(ax: Axes, mark: Line, panel: Panel, zorder: float) -> None:
    ax.plot(
        _finite(mark.x),
        _finite(mark.y),
        label=mark.label,
        color=color(mark.color),
        linestyle=DASH_STYLES[mark.dash],
        linewidth=mark.width * POINTS_PER_PIXEL,
        zorder=zorder,
    )


def _draw_points(ax: Axes, mark: Points, panel: Panel, zorder: float) -> None:
    hollow, cross = mark.marker == "ring", mark.marker == "cross"
    ax.plot(
        _finite(mark.x),
        _finite(mark.y),
        label=mark.label,
        linestyle="none",
        marker=MARKER_STYLES[mark.marker],
        markersize=mark.size * 2 * POINTS_PER_PIXEL,
        markerfacecolor="none" if hollow else color(mark.color),
        markeredgecolor=color(mark.color) if hollow or cross else "white",
        markeredgewidth=1.6 if hollow or cross else 0.6,
        zorder=zorder,
    )


def _draw_heat(ax: Axes, mark: Heat, panel: Panel, zorder: float) -> None:
    cmap = LinearSegmentedColormap.from_list(mark.cmap, COLORMAPS[mark.cmap][LIGHT])
    x = _edges(panel.xlim, mark.z.shape[1], panel.xscale)
    y = _edges(panel.ylim, mark.z.shape[0], panel.yscale)
    limits = {"vmin": mark.vmin, "vmax": mark.vmax}
    z = np.ma.masked_invalid(mark.z)
    ax.pcolormesh(x, y, z, cmap=cmap, alpha=mark.alpha, zorder=zorder, rasterized=True, **limits)
    if mark.label:
        low, high = ("blue", "orange") if mark.cmap == "diverging" else ("pale", "deep")
        shown = f"{mark.label}: {low} {mark.vmin:.3g} to {high} {mark.vmax:.3g}"
        ax.fill_between([], [], [], color=cmap(0.85), label=shown)


def _edges(limits: tuple[float, float], cells: int, scale: str) -> np.ndarray:
    """(cells + 1,) borders of the cells, equally wide on the panel."""
    return (np.geomspace if scale == "log" else np.linspace)(*limits, cells + 1)


def _draw_bars(ax: Axes, mark: Bars, panel: Panel, zorder: float) -> None:
    ax.bar(
        _finite(mark.x),
        _finite(mark.height) - mark.baseline,
        width=mark.width,
        bottom=mark.baseline,
        label=mark.label or None,
        color=color(mark.color),
        zorder=zorder,
    )


def _draw_arrow(ax: Axes, mark: Arrow, panel: Panel, zorder: float) -> None:
    start, end = (float(mark.x0[0]), float(mark.y0[0])), (float(mark.x1[0]), float(mark.y1[0]))
    if not np.isfinite([*start, *end]).all():
        return
    style = {"arrowstyle": "-|>", "color": color(mark.color), "lw": 1.6, "mutation_scale": 11}
    style |= {"shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=end, xytext=start, arrowprops=style, zorder=zorder, annotation_clip=False)
    if mark.label:
        ax.plot([], [], color=color(mark.color), marker=">", markevery=[-1], label=mark.label)


def _draw_band(ax: Axes, mark: Band, panel: Panel, zorder: float) -> None:
    ax.fill_between(
        _finite(mark.x),
        _finite(mark.lower),
        _finite(mark.upper),
        label=mark.label or None,
        color=color(mark.color),
        alpha=0.22,
        linewidth=0,
        zorder=zorder,
    )


def _draw_span(ax: Axes, mark: Span, panel: Panel, zorder: float) -> None:
    fill: Callable = ax.axvspan if mark.axis == "x" else ax.axhspan
    edges = float(mark.x0[0]), float(mark.x1[0])
    if np.isfinite(edges).all():
        fill(
            *edges,
            label=mark.label or None,
            color=color(mark.color),
            alpha=0.18,
            linewidth=0,
            zorder=zorder,
        )


def _draw_label(ax: Axes, mark: Label, panel: Panel, zorder: float) -> None:
    if np.isfinite([mark.x[0], mark.y[0]]).all():
        place = {"ha": mark.align, "va": "center", "fontsize": 8.5, "clip_on": True}
        ax.text(mark.x[0], mark.y[0], mark.text, color=color(mark.color), zorder=10, **place)


DRAW: dict[type[Mark], Callable] = {
    Line: _draw_line,
    Points: _draw_points,
    Heat: _draw_heat,
    Bars: _draw_bars,
    Arrow: _draw_arrow,
    Band: _draw_band,
    Span: _draw_span,
    Label: _draw_label,
}
