"""Every position of every explorer: the samples' and, as they are added, the lessons'."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import islice

import numpy as np
import samples
from reading import Reader, assert_same_scene, moving_base

from course_utils.explore import Explorer, Heat, Label, Panel, Scene, Span
from course_utils.explore.explorer import MAX_BYTES, MAX_POSITIONS
from course_utils.explore.frames import Packer
from course_utils.explore.storyboard import draw, to_png


def _inside(panel: Panel) -> bool:
    """Whether any mark shows something within the panel's limits."""
    return any(_shows(mark, panel) for mark in panel.marks)


def _shows(mark, panel: Panel) -> bool:
    if isinstance(mark, Heat):
        return bool(np.isfinite(mark.z).any())
    (x0, x1), (y0, y1) = panel.xlim, panel.ylim
    if isinstance(mark, Span):
        low, high = panel.xlim if mark.axis == "x" else panel.ylim
        return bool(mark.x0[0] < high and mark.x1[0] > low)
    if isinstance(mark, Label):
        return False
    arrays = mark.arrays()
    x = arrays[0] if len(arrays) != 4 else np.concatenate([arrays[0], arrays[2]])
    ys = arrays[1:] if len(arrays) != 4 else [np.concatenate([arrays[1], arrays[3]])]
    # The hull of a curve may cross the panel although no point of it lies inside.
    crosses_x = np.nanmin(x, initial=np.inf) <= x1 and np.nanmax(x, initial=-np.inf) >= x0
    return crosses_x and any(
        np.nanmin(y, initial=np.inf) <= y1 and np.nanmax(y, initial=-np.inf) >= y0 for y in ys
    )


def _all_finite(scene: Scene) -> bool:
    return all(
        np.isfinite(array).all()
        for panel in scene.panels
        for mark in panel.marks
        for array in mark.arrays()
    )


def _has_gap_by_design(explorer: Explorer) -> bool:
    """A curve with the same gaps at the start position is drawn so on purpose."""
    return not _all_finite(explorer.at())


def test_every_position_is_sound(any_explorer):
    shapes = set()
    for position in any_explorer.positions():
        scene = any_explorer.at(**position)
        assert scene.status.strip(), f"no live sentence at {position}"
        assert len(scene.status) <= 220, f"the live sentence at {position} is too long"
        assert "nan" not in scene.status.split(), f"the live sentence at {position} says nan"
        shapes.add(len(scene.panels))
        for panel in scene.panels:
            assert _inside(panel), (
                f"nothing to see in {panel.title or panel.ylabel!r} at {position}"
            )
        if not _has_gap_by_design(any_explorer):
            assert _all_finite(scene) or scene.diverged, f"not finite, not flagged: {position}"
    assert len(shapes) == 1, "the number of panels changes"


def test_budget(any_explorer):
    assert any_explorer.position_count <= MAX_POSITIONS
    assert any_explorer.frames().size <= MAX_BYTES


def test_scenes_are_pure(any_explorer):
    for position in islice(any_explorer.positions(), 0, None, 37):
        assert_same_scene(_packed(any_explorer.at(**position)), any_explorer.at(**position))


def _packed(scene: Scene) -> dict:
    packer = Packer()
    packer.add(scene)
    return Reader(packer.pack()).scene(0)


def test_every_control_moves_the_picture(any_explorer):
    for key in any_explorer.controls:
        assert moving_base(any_explorer, key) is not None, f"{key} never changes the picture"


def test_a_control_without_effect_is_found():
    still = samples.still()
    assert moving_base(still, "shown") is not None
    assert moving_base(still, "idle") is None


def test_storyboard_is_legible_and_repeatable(any_explorer):
    first, second = to_png(draw(any_explorer)), to_png(draw(any_explorer))
    assert first == second
    width, height = (int.from_bytes(first[k : k + 4], "big") for k in (16, 20))
    assert 900 <= width <= 1200
    assert height <= 1500, "taller than a screen: use fewer positions"
    assert b"matplotlib" not in first[:300].lower()


def test_storyboard_ignores_the_lesson_style(kitchen_sink, monkeypatch):
    import matplotlib

    expected = kitchen_sink.storyboard_png()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30}):
        assert to_png(draw(kitchen_sink)) == expected


def test_storyboard_does_not_import_pyplot():
    code = (
        "import sys; sys.path.insert(0, 'tests/explore'); import samples;"
        "samples.descent().storyboard_png(); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_storyboard_is_the_same_in_another_process(kitchen_sink):
    code = (
        "import sys, hashlib; sys.path.insert(0, 'tests/explore'); import samples;"
        "print(hashlib.sha256(samples.kitchen_sink().storyboard_png()).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == hashlib.sha256(kitchen_sink.storyboard_png()).hexdigest()


def test_diverged_positions_are_flagged(descent):
    assert descent.at(rate=2.5).diverged
    assert not descent.at(rate=0.25).diverged
