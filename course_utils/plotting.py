"""Figures that look alike in every lesson.

Every helper draws into the Axes it is given and returns it (``show_images`` makes a figure of its
own and returns that). Arrays may be tensors, NumPy arrays or lists. Color never carries meaning
alone: a marker, a line style or a sign goes with it.

References:
    M. Okabe, K. Ito: Color Universal Design: how to make figures and presentations that are
    friendly to colorblind people. 2008. https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import torch
from cycler import cycler

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "OKABE_ITO",
    "band",
    "boundary_line",
    "colors",
    "compare",
    "curves",
    "decision_regions",
    "dot_ranges",
    "layer_histograms",
    "linestyles",
    "markers",
    "scatter_classes",
    "shape_label",
    "show_images",
    "use_style",
]

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}

_ORDER = ("blue", "vermillion", "green", "orange", "purple", "sky", "black")
colors = tuple(OKABE_ITO[name] for name in _ORDER)
"""Colors of lines and classes, in order. Yellow is left out: it is too pale for lines on white."""

linestyles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (2, 1)))
"""Line styles, in order; the n-th belongs to the n-th color."""

markers = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">")
"""Markers of classes, in order."""


def use_style() -> None:
    """Set matplotlib's defaults for the course. ``setup()`` does it; it does not import pyplot."""
    matplotlib.rcParams.update(
        {
            "figure.figsize": (6.4, 4.0),
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.dpi": "figure",
            "savefig.facecolor": "white",
            "font.family": ["DejaVu Sans"],  # comes with matplotlib, so it is the same everywhere
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "legend.fontsize": 10,
            "legend.frameon": True,
            "legend.framealpha": 0.85,
            "legend.edgecolor": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.8,
            "axes.prop_cycle": cycler(color=colors) + cycler(linestyle=linestyles),
            "lines.linewidth": 2.0,
            "lines.markersize": 6,
            "image.cmap": "gray",
        }
    )


def scatter_classes(
    ax: Axes,
    X: Any,
    y: Any,
    labels: Mapping[Any, str] | Sequence[str] | None = None,
    *,
    size: float = 36,
    legend: bool = True,
    **options: Any,
) -> Axes:
    """Points in the plane, each class with its own color and marker.

    Args:
        ax: where to draw.
        X: (N, 2) coordinates.
        y: (N,) classes; whole numbers, also as floats or bools.
        labels: the classes' names in the legend, by class or in order; by default "class 0", ….
        size: area of a marker in points².
        legend: whether to draw a legend.
        **options: passed on to ``Axes.scatter``.

    Returns:
        The Axes.

    Raises:
        ValueError: if the shapes do not fit.
    """
    X, y = _points(X), _array(y).reshape(-1)
    if len(X) != len(y):
        raise ValueError(f"There are {len(X)} points but {len(y)} classes.")
    classes = [int(c) for c in np.unique(y)]
    if labels is not None and not isinstance(labels, Mapping):
        labels = dict(enumerate(labels))
    style = {"edgecolors": "white", "linewidths": 0.7, "zorder": 3, "s": size} | options
    for c in classes:
        name = labels.get(c, f"class {c}") if labels else f"class {c}"
        ax.scatter(
            *X[y == c].T,
            color=colors[c % len(colors)],
            marker=markers[c % len(markers)],
            label=name,
            **style,
        )
    if legend and classes:
        ax.legend()
    return ax


def decision_regions(
    ax: Axes,
    predict: Callable[[torch.Tensor], torch.Tensor],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    *,
    level: float = 0.0,
    resolution: int = 200,
    alpha: float = 0.22,
    boundary: bool = True,
) -> Axes:
    """Shade the plane by predicted class and draw the boundary between the classes.

    Args:
        ax: where to draw; its limits become ``xlim`` and ``ylim``.
        predict: maps float32 points (M, 2) to (M,) or (M, 1) scores, which are class 1 above
            ``level``; or to (M,) classes (integers, bools, or floats without a fraction); or to
            (M, C) scores, of which the largest is the class. It is called without gradients.
        xlim: left and right end.
        ylim: lower and upper end.
        level: score at the boundary: 0 for logits, 0.5 for probabilities.
        resolution: grid points along each axis.
        alpha: strength of the shading.
        boundary: whether to draw the boundary as a black line.

    Returns:
        The Axes.

    Raises:
        ValueError: if ``predict`` returns another shape, or the limits are empty.
    """
    from matplotlib.colors import ListedColormap

    if not (xlim[0] < xlim[1] and ylim[0] < ylim[1]):
        raise ValueError(f"The limits must be (low, high), got {xlim} and {ylim}.")
    x1, x2 = np.linspace(*xlim, resolution), np.linspace(*ylim, resolution)
    grid = np.stack(np.meshgrid(x1, x2), axis=-1).reshape(-1, 2)
    with torch.no_grad():
        values = _array(predict(torch.tensor(grid, dtype=torch.float32)))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if len(values) != len(grid) or values.ndim not in (1, 2):
        raise ValueError(
            f"predict got points of shape {grid.shape} and must return (M,), (M, 1) or (M, C), "
            f"but returned {values.shape}."
        )
    levels = []  # functions of the plane that are zero on a boundary, smooth where they can be
    if values.ndim == 2:
        classes = values.argmax(axis=1)
        for c in np.unique(classes)[1:]:
            levels.append(values[:, c] - np.delete(values, c, axis=1).max(axis=1))
    elif values.dtype.kind in "iub" or np.array_equal(values, np.round(values)):
        classes = values.astype(int)
        for c in np.unique(classes)[1:]:
            levels.append(np.where(classes >= c, 0.5, -0.5))
    else:
        classes = (values > level).astype(int)
        if classes.min() != classes.max():
            levels.append(values - level)
    classes = classes.reshape(resolution, resolution)
    for c in np.unique(classes):
        shade = ListedColormap([colors[c % len(colors)]])
        ax.imshow(
            np.ma.masked_not_equal(classes == c, True),
            extent=(*xlim, *ylim),
            origin="lower",
            cmap=shade,
            alpha=alpha,
            aspect="auto",
            interpolation="nearest",
            zorder=0,
        )
    if boundary:
        line = {"colors": "black", "linewidths": 1.5, "linestyles": "solid", "zorder": 2}
        for values in levels:
            ax.contour(x1, x2, values.reshape(classes.shape), levels=[0.0], **line)
    ax.grid(False)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def boundary_line(
    ax: Axes,
    w: Any,
    b: Any,
    *,
    color: str = "black",
    linestyle: Any = "-",
    linewidth: float = 2.0,
    label: str | None = None,
    normal: bool = False,
) -> Axes:
    """The line w·x + b = 0, cut off at the limits of the axes, which stay as they are.

    Set the limits first. Where the line does not cross the axes, or w is zero and there is no
    line, nothing is drawn.

    Args:
        ax: where to draw.
        w: (2,) weights; they are perpendicular to the line.
        b: bias, one number.
        color: a name of OKABE_ITO or any matplotlib color.
        linestyle: matplotlib line style.
        linewidth: in points.
        label: name in the legend; call ``ax.legend()`` afterwards.
        normal: whether to draw an arrow from the line in the direction of w, toward the side where
            w·x + b is positive. Its length is a sixth of the smaller side of the axes, whatever
            the length of w.

    Returns:
        The Axes.

    Raises:
        ValueError: if ``w`` does not have two elements, ``b`` one, or they are not finite.
    """
    w, b = _array(w).astype(float).reshape(-1), _array(b).astype(float).reshape(-1)
    if w.shape != (2,) or b.shape != (1,):
        raise ValueError(
            f"boundary_line needs two weights and one bias, got {len(w)} and {len(b)}."
        )
    if not (np.isfinite(w).all() and np.isfinite(b).all()):
        raise ValueError("w and b must be finite.")
    xlim, ylim = ax.get_xlim(), ax.get_ylim()
    segment = _clip_line(w, b[0], sorted(xlim), sorted(ylim))
    if segment is not None:
        color = _hex(color)
        style = {"color": color, "linestyle": linestyle, "linewidth": linewidth, "zorder": 2.5}
        ax.plot(*segment.T, label=label, **style)
        if normal:
            start = segment.mean(axis=0)
            length = min(abs(xlim[1] - xlim[0]), abs(ylim[1] - ylim[0])) / 6
            ax.annotate(
                "",
                xy=start + length * w / np.hypot(*w),
                xytext=start,
                arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2, "shrinkA": 0},
                annotation_clip=False,
                zorder=4,
            )
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def _clip_line(w, b, xlim, ylim) -> np.ndarray | None:
    """The two ends (2, 2) of the line w·x + b = 0 within a box, or None (Liang–Barsky)."""
    length = np.hypot(*w)
    if length == 0:
        return None
    center = np.array([sum(xlim) / 2, sum(ylim) / 2])
    point = center - (w @ center + b) / length * (w / length)  # the line's point nearest to it
    along = np.array([-w[1], w[0]]) / length
    low, high = -np.inf, np.inf
    for axis, (start, stop) in enumerate((xlim, ylim)):
        if along[axis] == 0:
            if not start <= point[axis] <= stop:
                return None
            continue
        ends = sorted(((start - point[axis]) / along[axis], (stop - point[axis]) / along[axis]))
        low, high = max(low, ends[0]), min(high, ends[1])
    if not high - low > 1e-9 * (xlim[1] - xlim[0] + ylim[1] - ylim[0]):
        return None  # it misses the box or only touches a corner
    return np.stack([point + low * along, point + high * along])


def band(
    ax: Axes,
    x: Any,
    runs: Any,
    label: str | None = None,
    color: str = "blue",
    linestyle: Any = "-",
    *,
    alpha: float = 0.2,
) -> Axes:
    """Several runs as one line, their median, within a band from the smallest to the largest.

    Args:
        ax: where to draw.
        x: (T,) positions.
        runs: (S, T), one row for each run or seed.
        label: name in the legend; call ``ax.legend()`` afterwards.
        color: a name of OKABE_ITO or any matplotlib color.
        linestyle: of the median; give each method its own.
        alpha: strength of the band.

    Returns:
        The Axes.

    Raises:
        ValueError: if the shapes do not fit.
    """
    x, runs = _array(x).reshape(-1), np.atleast_2d(_array(runs))
    if runs.ndim != 2 or runs.shape[1] != len(x) or len(runs) == 0:
        raise ValueError(
            f"runs must have the shape (S, {len(x)}), one row a run, not {runs.shape}."
        )
    color = _hex(color)
    ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=color, alpha=alpha, linewidth=0)
    ax.plot(x, np.median(runs, axis=0), color=color, linestyle=linestyle, label=label)
    return ax


def dot_ranges(
    ax: Axes,
    results: Mapping[str, Any],
    *,
    baseline: str | None = None,
    color: str = "blue",
    xlabel: str = "",
) -> Axes:
    """Methods compared over several runs: a row each, with every run, their range and median.

    Args:
        ax: where to draw.
        results: name of a method -> (S,) values, one for each run; the first row is on top.
        baseline: name of the method whose median is drawn as a dashed line through all rows.
        color: a name of OKABE_ITO or any matplotlib color.
        xlabel: text under the axis, with its unit.

    Returns:
        The Axes.

    Raises:
        ValueError: if there are no results, a method has no values, or the baseline is not among
            the methods.
    """
    runs = {name: _array(values).astype(float).reshape(-1) for name, values in results.items()}
    if not runs or not all(len(values) for values in runs.values()):
        raise ValueError("dot_ranges needs at least one method, and a value for each.")
    if baseline is not None:
        if baseline not in runs:
            raise ValueError(f"The baseline {baseline!r} is not among {', '.join(runs)}.")
        ax.axvline(np.median(runs[baseline]), color="gray", linestyle="--", linewidth=1.2, zorder=1)
    color, rows = _hex(color), range(len(runs) - 1, -1, -1)
    for row, values in zip(rows, runs.values(), strict=True):
        ax.plot([values.min(), values.max()], [row, row], "-", color=color, alpha=0.35, linewidth=6)
        ax.plot(values, np.full(len(values), row), "|", color=color, markersize=10)
        ax.plot(np.median(values), row, "D", color=color, markersize=7, markeredgecolor="white")
    ax.set_yticks(list(rows), list(runs))
    ax.set(ylim=(-0.6, len(runs) - 0.4), xlabel=xlabel)
    ax.grid(visible=False, axis="y")
    return ax


def compare(
    panels: Mapping[str, Mapping[str, Any]], baseline: str | None = None, height: float = 0.5
) -> Figure:
    """A figure with one panel of ``dot_ranges`` for each measure, side by side, sharing the rows.

    Args:
        panels: text under a panel -> its results, name -> (S,) values.
        baseline: name of the row whose median is drawn as a dashed line.
        height: of a row in inches.

    Returns:
        The figure, made with pyplot. Assign it, or a notebook shows it twice as a last line.
    """
    import matplotlib.pyplot as plt

    rows = max(len(results) for results in panels.values())
    size = (4 + 3.4 * len(panels), 0.8 + height * rows)
    fig, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (text, results) in zip(axes[0], panels.items(), strict=True):
        dot_ranges(ax, results, baseline=baseline, xlabel=text)
    return fig


def curves(
    ax: Axes,
    x: Any,
    series: Mapping[str, Any],
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    legend: bool = True,
    **options: Any,
) -> Axes:
    """Named curves over the same x, each with its own color and line style.

    Args:
        ax: where to draw.
        x: (T,) positions, or None to count from 1, as for epochs.
        series: name -> (T,) values. NaN leaves a gap.
        xlabel: text under the axis, with its unit.
        ylabel: text beside the axis, with its unit.
        title: text above the axes.
        legend: whether to draw a legend.
        **options: passed on to ``Axes.plot``.

    Returns:
        The Axes.

    Raises:
        ValueError: if a curve does not have as many values as there are positions.
    """
    styles = zip(cycle(colors), cycle(linestyles), strict=False)
    for (name, values), (color, linestyle) in zip(series.items(), styles, strict=False):
        values = _array(values).reshape(-1)
        at = np.arange(1, len(values) + 1) if x is None else _array(x).reshape(-1)
        if len(at) != len(values):
            raise ValueError(f"{name!r} has {len(values)} values for {len(at)} positions.")
        style = {"color": color, "linestyle": linestyle} | options
        ax.plot(at, values, label=name, **style)
    for setter, text in ((ax.set_xlabel, xlabel), (ax.set_ylabel, ylabel), (ax.set_title, title)):
        if text:
            setter(text)
    if legend and series:
        ax.legend()
    return ax


def show_images(
    images: Any,
    titles: Sequence[Any] | None = None,
    columns: int = 10,
    *,
    correct: Sequence[bool] | None = None,
    limits: tuple[float, float] | None = (0.0, 1.0),
    cell: float = 0.85,
) -> Figure:
    """A grid of gray images, filled row by row.

    Args:
        images: (N, H, W) or (N, 1, H, W); one image (H, W) is fine too.
        titles: N texts or numbers above the images.
        columns: images in a row.
        correct: N truth values: a green ✓ or a vermillion ✗ goes before each title.
        limits: values shown as black and as white; None takes the smallest and largest value.
        cell: width of an image in inches.

    Returns:
        The figure, made with pyplot, so a notebook shows it at the end of the cell. Assign it
        (``fig = show_images(…)``) or it is shown twice as the last line of a cell.

    Raises:
        ValueError: if there are no images, or more or fewer titles than images.
    """
    import matplotlib.pyplot as plt

    images = _array(images)
    if images.ndim == 2:
        images = images[None]
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"show_images takes images of shape (N, H, W), got {images.shape}.")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}.")
    count = len(images)
    for name, values in (("titles", titles), ("correct", correct)):
        if values is not None and len(values) != count:
            raise ValueError(f"There are {count} images but {len(values)} {name}.")
    columns = min(columns, count)
    rows = -(-count // columns)
    low, high = limits or (images.min(), images.max())
    height = cell * images.shape[1] / images.shape[2]
    height += 0.27 if titles is not None or correct is not None else 0.05
    fig, axes = plt.subplots(rows, columns, figsize=(columns * cell, rows * height), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        text = "" if titles is None else _title(titles[i])
        if correct is None:
            ax.set_title(text, fontsize=11, pad=2)
        else:
            right = bool(correct[i])
            text = f"{'✓' if right else '✗'} {text}".rstrip()
            name = "green" if right else "vermillion"
            ax.set_title(text, fontsize=11, pad=2, color=OKABE_ITO[name])
    return fig


def shape_label(ax: Axes, x: float, y: float, name: str, value: Any, **options: Any) -> Axes:
    """Write a tensor's name and shape into a figure, as in ``X (64, 784)``.

    Args:
        ax: where to write.
        x: center of the text, in data coordinates.
        y: center of the text, in data coordinates.
        name: of the tensor.
        value: the tensor, or a shape as a tuple of numbers or letters, as in ``("N", 784)``.
        **options: passed on to ``Axes.text``.

    Returns:
        The Axes.
    """
    shape = tuple(getattr(value, "shape", value))
    inside = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    style = {"ha": "center", "va": "center", "fontsize": 11, "zorder": 5}
    style["bbox"] = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "#777777"}
    ax.text(x, y, f"{name} ({inside})", **(style | options))
    return ax


def _title(value: Any) -> str:
    """Text of a title; a tensor element such as ``labels[0]`` becomes its number."""
    return str(value.item() if isinstance(value, (torch.Tensor, np.generic)) else value)


def _hex(color: str) -> str:
    """The hex value of a name of OKABE_ITO; any other matplotlib color passes unchanged."""
    return OKABE_ITO.get(color, color)


def _array(values: Any) -> np.ndarray:
    """Any array-like as NumPy; a tensor may need gradients or live on another device."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        if values.dtype in (torch.bfloat16, torch.float16):
            values = values.float()
        return values.numpy()
    if isinstance(values, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in values):
        return np.stack([_array(v) for v in values])
    return np.asarray(values)


def _points(X: Any) -> np.ndarray:
    X = _array(X)
    if X.ndim != 2 or X.shape[1] != 2:
        raise ValueError(f"Points in the plane have the shape (N, 2), not {X.shape}.")
    return X


def layer_histograms(
    ax: Axes,
    records: Any,
    *,
    limits: tuple[float, float] | None = None,
    bins: int = 60,
    color: str = "blue",
    names: Sequence[str] | None = None,
    note: Callable[[Any], str] | None = None,
) -> Axes:
    """The distributions of several layers' values: histograms in a column, first layer on top.

    Each histogram is scaled to the same height, so compare widths and shapes, not heights. Values
    that are exactly 0 (a ReLU's silent units) are left out of the histogram, and values beyond the
    limits are counted in the last bin on their side. To the right of each histogram stands a note,
    by default the standard deviation of all values.

    Args:
        ax: where to draw.
        records: what ``inspection.activation_statistics(…, keep_values=True)`` returned, or a
            mapping of name -> tensor such as ``inspection.Recording.outputs``.
        limits: smallest and largest value shown; by default what holds 99 % of all values.
        bins: number of bins.
        color: a name of OKABE_ITO or any matplotlib color.
        names: texts at the left, one for each record; by default the layers' names.
        note: makes the text at the right from the statistics of a layer.

    Returns:
        The Axes.

    Raises:
        ValueError: if there are no records, or they were measured without keeping the values.
    """
    from course_utils.inspection import statistics_of

    if isinstance(records, Mapping):
        records = [statistics_of(v, name, keep_values=True) for name, v in records.items()]
    if not records or any(r.values is None for r in records):
        raise ValueError("layer_histograms needs records with values: keep_values=True.")
    values = [_array(r.values).astype(float).reshape(-1) for r in records]
    values = [v[np.isfinite(v)] for v in values]
    if limits is None:
        everything = np.concatenate(values)
        low, high = np.percentile(everything, [0.5, 99.5]) if len(everything) else (-1.0, 1.0)
        limits = (low, high) if low < high else (low - 1.0, high + 1.0)
    edges = np.linspace(*limits, bins + 1)
    color, count = _hex(color), len(records)
    note = note or (lambda r: f"std {r.std:.2g}")
    for row, (record, v) in enumerate(zip(records, values, strict=True)):
        base = count - 1 - row
        heights, _ = np.histogram(np.clip(v[v != 0], *limits), edges)
        if heights.max() > 0:
            heights = 0.85 * heights / heights.max()
        ax.stairs(heights + base, edges, baseline=base, fill=True, color=color, alpha=0.55)
        ax.stairs(heights + base, edges, baseline=base, color=color, linewidth=1.0)
        style = {"ha": "right", "va": "center", "fontsize": 10}
        style["bbox"] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
        ax.annotate(note(record), (0.99, base + 0.42), xycoords=ax.get_yaxis_transform(), **style)
    labels = [r.name for r in records] if names is None else list(names)
    ax.set(xlim=limits, ylim=(-0.1, count), yticks=[count - 1 - i for i in range(count)])
    ax.set_yticklabels(labels)
    ax.grid(visible=False, axis="y")
    return ax
