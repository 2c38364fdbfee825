"""Packed frames: every position of an explorer in one binary block.

The front end needs no kernel because it holds each position. To keep that small, everything
is stored once and referred to by number: arrays (float32) in one pool, texts in another, styles in
a third. A mark is a short list of such numbers, a panel a list of marks, a scene a list of panels.
Two positions that share a mark share its number, so the front end also knows what not to redraw.

Layout of `Frames.data`, little-endian, all items 4 bytes wide:

    float32 pool | int32 records | int32 scene of each position

A record is `[length, item, item, ...]`, and its number is its place among the int32 records:

    array  [start in the float pool, how many]
    mark   [style, text, array, array, ...]
    panel  [style, title text, xlabel text, ylabel text, limits array, mark, mark, ...]
    scene  [status text, diverged, panel, panel, ...]
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .scene import Mark, Panel, Scene


@dataclass
class _Pool:
    """Distinct items in the order of their first appearance."""

    items: list = field(default_factory=list)
    index: dict[Hashable, int] = field(default_factory=dict)

    def add(self, item: Any, key: Hashable | None = None) -> int:
        key = item if key is None else key
        if key not in self.index:
            self.index[key] = len(self.items)
            self.items.append(item)
        return self.index[key]


@dataclass(frozen=True)
class Frames:
    """All positions of an explorer, packed.

    Attributes:
        data: the binary block (see the module's text).
        floats: how many float32 values the block starts with.
        records: how many int32 values of records follow.
        positions: how many positions there are; their scenes end the block.
        texts: the pool of texts.
        styles: the pool of styles (JSON objects).
    """

    data: bytes
    floats: int
    records: int
    positions: int
    texts: list[str]
    styles: list[dict[str, Any]]

    def header(self) -> dict[str, Any]:
        """Everything but the binary block, ready for JSON."""
        names = ("floats", "records", "positions", "texts", "styles")
        return {name: getattr(self, name) for name in names}

    @property
    def size(self) -> int:
        """Bytes that travel to the browser: the block and its header."""
        return len(self.data) + len(json.dumps(self.header(), ensure_ascii=False).encode())


class Packer:
    """Collects scenes and packs them, each distinct part once."""

    def __init__(self) -> None:
        self._texts, self._styles = _Pool(), _Pool()
        self._arrays: dict[bytes, int] = {}
        self._floats: list[bytes] = []
        self._float_count = 0
        self._records: list[int] = []
        self._record_index: dict[tuple[int, ...], int] = {}
        self._scenes: list[int] = []

    @property
    def size(self) -> int:
        """Bytes packed so far, without texts and styles."""
        return 4 * (self._float_count + len(self._records) + len(self._scenes))

    def add(self, scene: Scene) -> None:
        """Append the scene of the next position."""
        head = (self._texts.add(scene.status), int(scene.diverged))
        self._scenes.append(self._record(head + tuple(self._panel(p) for p in scene.panels)))

    def pack(self) -> Frames:
        """Return the frames of all scenes added so far."""
        integers = np.array(self._records + self._scenes, dtype="<i4").tobytes()
        return Frames(
            data=b"".join(self._floats) + integers,
            floats=self._float_count,
            records=len(self._records),
            positions=len(self._scenes),
            texts=self._texts.items,
            styles=self._styles.items,
        )

    def _record(self, items: tuple[int, ...]) -> int:
        if items not in self._record_index:
            self._record_index[items] = len(self._records)
            self._records += [len(items), *items]
        return self._record_index[items]

    def _array(self, values: np.ndarray) -> int:
        content = np.ascontiguousarray(values, dtype="<f4").tobytes()
        if content not in self._arrays:
            self._arrays[content] = self._float_count
            self._floats.append(content)
            self._float_count += values.size
        return self._record((self._arrays[content], values.size))

    def _style(self, style: dict[str, Any]) -> int:
        return self._styles.add(style, key=json.dumps(style, sort_keys=True))

    def _mark(self, mark: Mark) -> int:
        arrays = tuple(self._array(values) for values in mark.arrays())
        return self._record((self._style(mark.style()), self._texts.add(mark.text), *arrays))

    def _panel(self, panel: Panel) -> int:
        texts = (self._texts.add(t) for t in (panel.title, panel.xlabel, panel.ylabel))
        head = (self._style(panel.style()), *texts, self._array(panel.limits()))
        return self._record(head + tuple(self._mark(mark) for mark in panel.marks))
