"""The playground's storyboard: moments of the recorded session, drawn with matplotlib."""

from __future__ import annotations

import textwrap
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

from course_utils.explore.palette import COLORMAPS, LIGHT
from course_utils.explore.storyboard import STYLE, color, to_png

from .frames import MAP, THUMB, unpack
from .recording import Answer, Recording

CLASS_COLORS = ("blue", "orange", "green", "purple", "yellow", "sky", "vermillion", "black")
CLASS_MARKERS = "osD^vPX*"
_CMAP = LinearSegmentedColormap.from_list("diverging", COLORMAPS["diverging"][LIGHT])


def draw(recording: Recording, title: str) -> bytes:
    """PNG: four moments of the surface, then the network and the losses at the end."""
    with matplotlib.rc_context(), matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(9.6, 5.3), layout="constrained")
        figure.suptitle(title, fontsize=11, fontweight="bold")
        good = [answer for answer in recording.answers if "surface" in answer.header]
        if not good:
            _draw_fault(figure, recording)
            return to_png(figure)
        last = len(good) - 1
        moments = sorted({0, round(last / 3), round(2 * last / 3), last})
        grid = figure.add_gridspec(2, 12, height_ratios=[1, 1.15])
        points = recording.answers[0].header["points"]
        for place, moment in enumerate(moments):
            ax = figure.add_subplot(grid[0, 3 * place : 3 * place + 3])
            _draw_surface(ax, good[moment], points, recording.answers[0])
        _draw_network(figure.add_subplot(grid[1, :7]), good[-1])
        _draw_losses(figure.add_subplot(grid[1, 7:]), good[-1])
        fault = recording.answers[-1].header["fault"]
        if fault:
            figure.supxlabel(textwrap.fill(fault, 120), fontsize=8.5, color=color("vermillion"))
        return to_png(figure)


def _draw_fault(figure: Figure, recording: Recording) -> None:
    message = recording.answers[-1].header["fault"] if recording.answers else "No recording."
    figure.text(
        *(0.5, 0.5, textwrap.fill(message, 90)),
        **{"ha": "center", "va": "center", "fontsize": 10, "color": color("vermillion")},
    )


def _image(header: dict[str, Any], levels: np.ndarray) -> np.ndarray:
    """(MAP, MAP, 3) colors of a large picture."""
    if header["surface"]["kind"] != "classes":
        return _CMAP(levels.reshape(MAP, MAP) / 255)[..., :3]
    classes, confidence = levels.reshape(2, MAP, MAP)
    table = np.array([to_rgb(color(name)) for name in CLASS_COLORS])
    strength = 0.55 * (confidence / 255)[..., None]
    return 1 + strength * (table[classes] - 1)


def _draw_surface(ax: Any, answer: Answer, points: dict[str, Any], first: Answer) -> None:
    header = answer.header
    ax.imshow(
        _image(header, unpack(answer)["map"]),
        extent=points["limits"],
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
    )
    table = unpack(Answer(points, first.data))["train"].reshape(-1, 3)
    if points["task"] == "regression":
        scale = max(abs(header["surface"]["high"]), 1e-9)
        shades = _CMAP(0.5 + 0.5 * table[:, 2] / scale)
        edge = {"edgecolors": color("text"), "linewidths": 0.4}
        ax.scatter(table[:, 0], table[:, 1], c=shades, s=12, **edge)
    else:
        for k in np.unique(table[:, 2]).astype(int):
            chosen = table[table[:, 2] == k]
            mark = {"marker": CLASS_MARKERS[k], "color": color(CLASS_COLORS[k]), "s": 11}
            ax.scatter(chosen[:, 0], chosen[:, 1], **mark, edgecolors="white", linewidths=0.4)
    ax.set(title=f"step {header['step']}", xticks=[], yticks=[])


def _draw_network(ax: Any, answer: Answer) -> None:
    """Columns of thumbnails, joined by the weights."""
    header, arrays = answer.header, unpack(answer)
    thumbs = arrays["thumbs"].reshape(-1, THUMB, THUMB)
    counts = [column["shown"] for column in header["columns"]]
    places = [
        [(x, (k + 0.5) / count) for k in range(count)]
        for x, count in zip(np.linspace(0.06, 0.94, len(counts)), counts, strict=True)
    ]
    start, largest = 0, max(1.0, float(np.abs(arrays["weights"]).max(initial=0)))
    for here, there, shape in zip(places, places[1:], header["weights"], strict=False):
        if shape is None:
            continue
        block = arrays["weights"][start : start + shape[0] * shape[1]].reshape(shape)
        start += block.size
        for k, (x0, y0) in enumerate(here):
            for m, (x1, y1) in enumerate(there):
                _draw_weight(ax, (x0, x1), (1 - y0, 1 - y1), float(block[m, k]) / largest)
    half = 0.42 / max(*counts, 4)
    picture = 0
    for column in places:
        for x, y in column:
            box = (x - 0.55 * half, x + 0.55 * half, 1 - y - half, 1 - y + half)
            image = _CMAP(thumbs[picture] / 255)[..., :3]
            shown = {"extent": box, "origin": "lower", "aspect": "auto", "zorder": 3}
            ax.imshow(image, interpolation="bilinear", **shown)
            corner, size = (box[0], box[2]), (box[1] - box[0], box[3] - box[2])
            ax.add_patch(_frame_of(corner, size))
            picture += 1
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    ax.set_title("the network at the end: responses and weights")
    ax.axis("off")


def _frame_of(corner: tuple[float, float], size: tuple[float, float]) -> Any:
    from matplotlib.patches import Rectangle

    style = {"fill": False, "edgecolor": color("text"), "linewidth": 0.7, "zorder": 4}
    return Rectangle(corner, *size, **style)


def _draw_weight(ax: Any, x: tuple, y: tuple, share: float) -> None:
    style = {"color": color("orange"), "linestyle": "-"}
    if share < 0:
        style = {"color": color("blue"), "linestyle": (0, (4, 2))}
    ax.plot(x, y, linewidth=0.3 + 3.2 * abs(share), zorder=1, **style)


def _draw_losses(ax: Any, answer: Answer) -> None:
    rows = unpack(answer)["history"].reshape(-1, 3)
    ax.plot(rows[:, 0], rows[:, 1], color=color("text"), label="training")
    if np.isfinite(rows[:, 2]).any():
        ax.plot(rows[:, 0], rows[:, 2], "--", color=color("vermillion"), label="test")
    ax.set(xlabel="step", ylabel="loss", ylim=(0, None))
    ax.legend(frameon=False)
