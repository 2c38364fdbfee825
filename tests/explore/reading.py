"""Reads packed frames back, and finds where a control moves the picture."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from course_utils.explore import Explorer


class Reader:
    """Reads packed frames as the browser does, written a second time from frames.py's text."""

    def __init__(self, frames):
        self.frames = frames
        split = 4 * frames.floats
        self.floats = np.frombuffer(frames.data[:split], "<f4")
        self.ints = [number for (number,) in struct.iter_unpack("<i", frames.data[split:])]

    def record(self, at):
        return self.ints[at + 1 : at + 1 + self.ints[at]]

    def array(self, at):
        start, length = self.record(at)
        return self.floats[start : start + length]

    def scene(self, position):
        status, diverged, *panels = self.record(self.ints[self.frames.records + position])
        panels = [self.panel(panel) for panel in panels]
        return dict(status=self.frames.texts[status], diverged=diverged, panels=panels)

    def panel_ids(self, position):
        """What identifies the picture: equal numbers, equal panels."""
        return self.record(self.ints[self.frames.records + position])[2:]

    def panel(self, at):
        style, title, xlabel, ylabel, limits, *marks = self.record(at)
        texts = [self.frames.texts[text] for text in (title, xlabel, ylabel)]
        marks = [self.mark(mark) for mark in marks]
        return dict(
            style=self.frames.styles[style], texts=texts, limits=self.array(limits), marks=marks
        )

    def mark(self, at):
        style, text, *arrays = self.record(at)
        arrays = [self.array(array) for array in arrays]
        return dict(style=self.frames.styles[style], text=self.frames.texts[text], arrays=arrays)


def assert_same_scene(read, scene):
    assert (read["status"], bool(read["diverged"])) == (scene.status, scene.diverged)
    for got, panel in zip(read["panels"], scene.panels, strict=True):
        assert got["texts"] == [panel.title, panel.xlabel, panel.ylabel]
        assert got["style"] == panel.style()
        np.testing.assert_array_equal(got["limits"], panel.limits())
        for shown, mark in zip(got["marks"], panel.marks, strict=True):
            assert (shown["style"], shown["text"]) == (mark.style(), mark.text)
            for one, two in zip(shown["arrays"], mark.arrays(), strict=True):
                np.testing.assert_array_equal(one, two.ravel())


def moving_base(explorer: Explorer, key: str) -> dict[str, Any] | None:
    """Values of all controls from which `key`'s first and last value show different pictures.

    The start values of the other controls are tried first, then all of the grid: some controls
    rightly do nothing at the start (a slope for ReLU).
    """
    reader = Reader(explorer.frames())
    pictures = {
        tuple(position.values()): tuple(reader.panel_ids(index))
        for index, position in enumerate(explorer.positions())
    }
    names = list(explorer.controls)
    values = explorer.controls[key].values
    start = {name: control.start for name, control in explorer.controls.items()}
    for base in (start, *explorer.positions()):
        ends = [
            tuple((base | {key: value})[name] for name in names)
            for value in (values[0], values[-1])
        ]
        if pictures[ends[0]] != pictures[ends[1]]:
            return base
    return None
