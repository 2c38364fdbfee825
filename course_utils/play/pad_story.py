"""The drawing pad's storyboard: prepared drawings and their readings, drawn with matplotlib."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from course_utils.explore.storyboard import STYLE, color, to_png

from .faults import describe
from .strokes import sample_strokes

if TYPE_CHECKING:
    from .digit_pad import DigitPad, Reading


def draw(pad: DigitPad, names: tuple[str, ...]) -> bytes:
    """PNG with one column for each drawing."""
    with matplotlib.rc_context(), matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(9.6, 4.3), layout="constrained")
        figure.suptitle(pad.title, fontsize=11, fontweight="bold")
        grid = figure.add_gridspec(3, len(names), height_ratios=[1.35, 1.5, 0.55])
        for column, name in enumerate(names):
            axes = [figure.add_subplot(grid[row, column]) for row in range(3)]
            try:
                reading = pad.read(sample_strokes(name))
            except Exception as error:
                _draw_fault(axes, describe(error, pad.model, pad.preprocess))
            else:
                _draw_reading(axes, reading, pad)
        return to_png(figure)


def _draw_fault(axes: list[Any], message: str) -> None:
    for ax in axes:
        ax.axis("off")
    axes[1].text(
        *(0.5, 0.5, textwrap.fill(message, 30)),
        **{"ha": "center", "va": "center", "fontsize": 8, "color": color("vermillion")},
    )


def _draw_reading(axes: list[Any], reading: Reading, pad: DigitPad) -> None:
    picture, bars, near = axes
    picture.imshow(1 - reading.image.numpy(), cmap="gray", vmin=0, vmax=1)
    picture.set(xticks=[], yticks=[])
    picture.spines[:].set_visible(True)
    word = "unlike any training digit" if reading.unlike else "as the model sees it"
    picture.set_title(word, color=color("vermillion") if reading.unlike else color("text"))
    shares = reading.probabilities.numpy()
    shades = [color("muted")] * len(shares)
    shades[reading.prediction] = color("blue")
    bars.bar(np.arange(len(shares)), shares, color=shades, width=0.75)
    bars.set(ylim=(0, 1), yticks=[0, 1], xticks=np.arange(len(shares)))
    bars.set_title(f"says {reading.prediction}")
    places = {int(index): k for k, index in enumerate(pad.familiarity.index)}
    row = [1 - pad.familiarity.images[places[index]].numpy() for index, _, _ in reading.nearest]
    near.imshow(np.hstack(row), cmap="gray", vmin=0, vmax=1)
    near.set(xticks=[], yticks=[])
    near.spines[:].set_visible(False)
    near.set_title("nearest training digits", fontsize=8)
