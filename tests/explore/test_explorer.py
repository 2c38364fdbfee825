"""Explorers: descriptions, frames, and what a notebook gets."""

from __future__ import annotations

import base64
import builtins
import itertools
import json
import subprocess
import sys
import types

import numpy as np
import pytest
import samples
import torch
from reading import Reader, assert_same_scene

from course_utils.explore import Explorer, ExplorerError, Line, Panel, Scene, Slider, Toggle
from course_utils.explore import registry as registry_module
from course_utils.explore.registry import factories


def make(**changes) -> Explorer:
    description = dict(
        name="sample",
        title="Sample",
        controls=dict(a=Slider("a", 0, 2, 1), b=Toggle("b")),
        scene=lambda a, b: Scene(Panel(Line([0, 1], [a, int(b)]), (0, 1), (0, 2)), f"a is {a}."),
        storyboard=[dict(a=0), dict(a=2, b=True)],
        alt="A line whose ends move.",
    )
    return Explorer(**(description | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(name="My Explorer"), "must be a slug"),
        (dict(alt=" "), "needs a title and an alt"),
        (dict(controls={}), "at least one control"),
        (dict(controls=dict(a=3)), "control 'a' is 3"),
        (dict(storyboard=[{}]), "has 1 positions; give 2 to 6"),
        (dict(storyboard=[dict(c=1), {}]), "storyboard: unknown control 'c'; there are 'a', 'b'"),
        (dict(storyboard=[dict(a=0.5), {}]), "nearest values are 0 and 1"),
        (dict(max_positions=5), r"6 positions \(3 a x 2 b\) exceed the budget of 5"),
    ],
)
def test_a_wrong_description_is_named_at_once(changes, message):
    with pytest.raises(ExplorerError, match=message):
        make(**changes)


def test_positions_run_through_the_whole_grid():
    expected = [dict(a=a, b=b) for a, b in itertools.product([0, 1, 2], [False, True])]
    assert list(make().positions()) == expected
    assert make().position_count == 6


def test_at_fills_in_the_starts_and_checks_the_values():
    assert make().at(a=2).status == "a is 2."
    assert make().at().status == "a is 0."
    with pytest.raises(ValueError, match="not on the grid"):
        make().at(a=7)
    with pytest.raises(ValueError, match="unknown control 'c'"):
        make().at(c=7)


def test_a_failing_scene_names_its_position():
    explorer = make(
        scene=lambda a, b: Scene(Panel(Line([0, 1], [1 / (2 - a)] * 2), (0, 1), (0, 2)))
    )
    with pytest.raises(ExplorerError, match=r"scene at a=2, b=False failed: ZeroDivisionError"):
        explorer.frames()


def test_mismatched_arrays_name_position_and_mark():
    explorer = make(scene=lambda a, b: Scene(Panel(Line([0, 1], [0]), (0, 1), (0, 2))))
    with pytest.raises(ExplorerError, match=r"'sample'.*a=0, b=False.*line: arrays must be"):
        explorer.frames()


def test_a_scene_function_must_return_a_scene():
    with pytest.raises(ExplorerError, match="is a NoneType, not a Scene"):
        make(scene=lambda a, b: None).frames()


def test_too_many_bytes_are_refused():
    big = make(
        scene=lambda a, b: Scene(Panel(Line(np.arange(99) + a, np.arange(99)), (0, 1), (0, 2))),
        max_bytes=1000,
    )
    with pytest.raises(ExplorerError, match=r"'sample': its frames exceed the budget \(0.0 MB of"):
        big.frames()


def test_looking_leaves_the_random_stream_alone():
    explorer = make(scene=lambda a, b: Scene(Panel(Line([0, 1], torch.rand(2)), (0, 1), (0, 2))))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    explorer.frames()
    assert torch.equal(torch.rand(1), expected)


# --- frames --------------------------------------------------------------------------------------


def test_frames_hold_every_scene_unchanged(kitchen_sink):
    reader = Reader(kitchen_sink.frames())
    for index, position in enumerate(kitchen_sink.positions()):
        assert_same_scene(reader.scene(index), kitchen_sink.at(**position))


def test_unchanged_marks_cost_nothing():
    fixed = np.linspace(0, 1, 1000)

    def scene(a, b):
        return Scene(Panel([Line(fixed, fixed), Line([0, 1], [a, a])], (0, 1), (0, 2)), "always")

    frames = make(scene=scene).frames()
    limits, fixed_once, ends, heights = 4, 1000, 2, 3 * 2
    assert frames.floats == limits + fixed_once + ends + heights
    assert sorted(frames.texts) == ["", "always"]
    pictures = {tuple(Reader(frames).panel_ids(position)) for position in range(6)}
    assert len(pictures) == 3, "equal panels have different numbers"


def test_frames_are_computed_once():
    calls = []

    def scene(a, b):
        calls.append(a)
        return Scene(Panel(Line([0, 1], [a, a]), (0, 1), (0, 2)), "x")

    explorer = make(scene=scene)
    assert explorer.frames() is explorer.frames()
    assert len(calls) == explorer.position_count


def test_header_is_json_without_nan(any_explorer):
    json.dumps(any_explorer.describe(), allow_nan=False)


# --- representations -----------------------------------------------------------------------------


def test_a_notebook_gets_widget_picture_and_fixed_text(kitchen_sink):
    data, metadata = kitchen_sink._repr_mimebundle_(include=None, exclude=None)
    assert set(data) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert data["text/plain"] == f"Explorer: {kitchen_sink.title}. {kitchen_sink.alt}"
    assert repr(kitchen_sink) == data["text/plain"]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata == {"image/png": {"alt": kitchen_sink.alt}}


def test_without_anywidget_the_picture_remains(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("anywidget"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "course_utils.explore.widget", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    data, _ = make()._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png"}


def test_importing_the_package_is_light():
    heavy = "matplotlib", "anywidget", "ipywidgets"
    code = f"import sys, course_utils.explore; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_widget_carries_frames_as_bytes(descent):
    widget = descent.widget()
    assert widget is descent.widget()
    assert widget.data == descent.frames().data
    assert widget.spec["frames"]["positions"] == descent.position_count


def test_page_stands_alone_and_escapes(kitchen_sink):
    page = kitchen_sink.to_html()
    values = page.split('<script type="application/json">')[1].split("</script>")[0]
    assert json.loads(values)["spec"]["title"] == kitchen_sink.title
    assert "<b>" not in page  # the sample's title holds markup
    for outside in ("http://", "https://", "import ", 'src="/'):
        assert outside not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_text_cannot_end_the_script_element():
    hostile = "</script><script>alert(1)</script>"
    explorer = make(
        title=hostile, alt=hostile, scene=lambda a, b: Scene(Panel([], (0, 1), (0, 1)), hostile)
    )
    assert "alert(1)" in explorer.to_html()
    assert hostile not in explorer.to_html()


# --- registry ------------------------------------------------------------------------------------


def test_registry_finds_cached_factories_only():
    module = types.ModuleType("lesson")
    source = """
import functools
from course_utils.explore import Explorer
@functools.cache
def first() -> Explorer: ...
@functools.cache
def second(): ...
@functools.cache
def with_argument(n) -> Explorer: ...
@functools.cache
def _private() -> Explorer: ...
@functools.cache
def table() -> dict: ...
def plain() -> Explorer: ...
"""
    exec(source, module.__dict__)
    assert list(factories(module)) == ["first", "second"]


def test_registry_covers_the_lesson_modules():
    names = registry_module()
    assert all(callable(factory) for factory in names.values())
    assert not {name.split(".")[0] for name in names} & {"scene", "frames", "explorer"}


def test_samples_are_not_registered():
    assert samples.descent not in registry_module().values()
