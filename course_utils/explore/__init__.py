"""Explorers: pictures that a reader moves, computed beforehand and drawn without a kernel.

An `Explorer` is a description: controls, and one pure function of them that returns a `Scene` of
panels and marks. Two renderers draw the same scenes: the browser (`front.js`, as a widget or in a
page of its own) and matplotlib (the storyboard).
"""

from .controls import Choice, LogSlider, Slider, Toggle
from .explorer import Explorer, ExplorerError
from .registry import registry
from .scene import Arrow, Band, Bars, Heat, Label, Line, Panel, Points, Scene, Span

__all__ = [
    "Arrow",
    "Band",
    "Bars",
    "Choice",
    "Explorer",
    "ExplorerError",
    "Heat",
    "Label",
    "Line",
    "LogSlider",
    "Panel",
    "Points",
    "Scene",
    "Slider",
    "Span",
    "Toggle",
    "registry",
]
