"""Marks, panels and scenes check themselves when they are made."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from course_utils.explore import (
    Arrow,
    Heat,
    Label,
    Line,
    Panel,
    Points,
    Scene,
    Span,
    palette,
    scene,
)


def test_marks_take_lists_arrays_and_tensors_alike():
    for x in ([0, 1], np.array([0.0, 1.0]), torch.tensor([0.0, 1.0], requires_grad=True), range(2)):
        line = Line(x, x)
        assert line.x.dtype == np.float32
        assert line.x.tolist() == [0, 1]


def test_a_mark_copies_its_arrays():
    x = np.zeros(2, dtype=np.float32)
    line = Line(x, x)
    x[0] = 7
    assert line.x[0] == 0


def test_what_float32_cannot_hold_becomes_infinite():
    assert np.isinf(Line([0, 1], [0, 1e300]).y[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Line([0, 1], [0]),
            r"line: arrays must be vectors of one length.*x \(2,\), y \(1,\)",
        ),
        (lambda: Line([[0, 1]], [[0, 1]]), "line: arrays must be vectors"),
        (lambda: Line([0], [0], color="teal"), "unknown color 'teal'; choose one of black, orange"),
        (
            lambda: Line([0], [0], dash="wavy"),
            "dash is 'wavy'; choose one of solid, dashed, dotted",
        ),
        (lambda: Line(["a"], [0]), "line: x is not an array of numbers"),
        (lambda: Points([0], [0], marker="star"), "marker is 'star'; choose one of circle"),
        (lambda: Heat([1, 2]), r"heat: z must have shape \(H, W\), got \(2,\)"),
        (lambda: Heat([[1]], cmap="jet"), "cmap is 'jet'; choose one of diverging, sequential"),
        (lambda: Heat([[1]], alpha=0), "alpha is 0"),
        (lambda: Arrow([0, 1], 0, 1, 1), r"arrow: x0 must be one number, got shape \(2,\)"),
        (lambda: Span(0, 1, axis="z"), "axis is 'z'"),
        (lambda: Label(0, 0, "a", align="top"), "align is 'top'"),
        (lambda: Panel([]), "xlim must be two numbers, got None"),
        (
            lambda: Panel([], xlim=(1, 1), ylim=(0, 1)),
            r"xlim must be finite and rising, got \(1, 1\)",
        ),
        (lambda: Panel([], xlim=(0, np.nan), ylim=(0, 1)), "xlim must be finite"),
        (lambda: Panel([], (0, 1), (0, 1), yscale="log"), "ylim starts at 0, but a log scale"),
        (lambda: Panel([], (0, 1), (0, 1), xscale="sqrt"), "xscale is 'sqrt'"),
        (lambda: Panel(["line"], (0, 1), (0, 1)), "'line' is not a mark"),
        (lambda: Scene([]), "one or more panels"),
        (lambda: Scene([Line([0], [0])]), "one or more panels"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_one_mark_and_one_panel_need_no_list():
    one = Scene(Panel(Line([0], [0]), xlim=(0, 1), ylim=(0, 1)))
    assert len(one.panels) == 1
    assert len(one.panels[0].marks) == 1


def test_heat_finds_its_range_without_the_infinite():
    heat = Heat([[0, 2], [np.inf, np.nan]])
    assert (heat.vmin, heat.vmax) == (0, 2)
    assert Heat([[3, 3]]).vmax > 3
    assert Heat([[np.nan]]).vmax > Heat([[np.nan]]).vmin


def test_ticks_may_be_numbers_or_pairs():
    panel = Panel([], (0, 1), (0, 1), xticks=[0, (1, "one")])
    assert panel.xticks == [[0.0, "0"], [1.0, "one"]]


def test_every_mark_has_a_browser_and_a_paper_painter():
    from course_utils.explore.storyboard import DRAW
    from course_utils.explore.widget import FOLDER

    script = (FOLDER / "front.js").read_text(encoding="utf-8")
    for mark in scene.Mark.__subclasses__():
        assert mark in DRAW
        name = mark.__name__.lower()
        assert f"\n  {name}({{" in script or name == "heat"


def test_styles_are_small_and_without_arrays():
    for f in dataclasses.fields(Line):
        assert f.name in Line([0], [0]).style() or f.name in ("x", "y", "label")


def _luminance(shade: str) -> float:
    channels = [int(shade[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    low, high = sorted([_luminance(one), _luminance(two)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", palette.COLORS)
def test_every_color_stands_out_on_both_themes(name):
    light, dark = palette.COLORS[name]
    least = 4.5 if name in ("text", "muted", "black") else 3.0
    assert _contrast(light, "#ffffff") >= least
    assert min(_contrast(dark, "#111111"), _contrast(dark, "#262626")) >= least
