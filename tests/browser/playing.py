"""Drives the live tools in a notebook as a reader does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from jupyter import Lab, Notebook

TRAIN_MODEL = """\
import torch
from torch import nn
from course_utils import data, play
digits = data.mnist_5k()
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
X, y = digits.train.flat(), digits.train.labels
for epoch in range(8):
    for rows in torch.randperm(len(X)).split(64):
        loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
        optimizer.zero_grad(); loss.backward(); optimizer.step()
"""
"""Trains a digit classifier in about two seconds."""


def write_notebook(lab: Lab, name: str, *sources: str) -> str:
    """Write a notebook of code cells into the server's folder."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook.metadata.kernelspec = dict(name="python3", language="python", display_name="Python 3")
    nbformat.write(notebook, Path(lab.folder) / name)
    return name


class Tool:
    """A live tool on a page."""

    def __init__(self, page: Any, kind: str, root: Any = None) -> None:
        self.page = page
        self.root = root or page.locator(f'[data-tool="{kind}"]').first
        self.root.wait_for()
        self.root.scroll_into_view_if_needed()

    def data(self, name: str) -> str:
        """One of the tool's data attributes."""
        return self.root.get_attribute(f"data-{name}") or ""

    def wait(self, condition: str, arg: Any = None, timeout: float = 20_000) -> None:
        """Wait until an expression of `root` and `arg` is true."""
        handle = self.root.element_handle()
        self.page.wait_for_function(
            f"([root, arg]) => {condition}", arg=[handle, arg], timeout=timeout
        )

    def status(self) -> str:
        """What the tool says below its picture."""
        return self.root.locator(".nnx-status").inner_text()

    def fault(self) -> str:
        """What the tool shows as a fault; empty if nothing."""
        fault = self.root.locator(".nnx-error")
        return fault.inner_text() if fault.is_visible() else ""

    def button(self, name: str) -> Any:
        """A button by its name."""
        return self.root.get_by_role("button", name=name, exact=True)


class Board(Tool):
    """A playground."""

    def __init__(self, page: Any, root: Any = None) -> None:
        super().__init__(page, "board", root)
        self.root.locator(".nnp-unit").first.wait_for()

    @property
    def step(self) -> int:
        """The step that the board shows."""
        return int(self.data("step"))

    def play(self, steps: int = 20) -> None:
        """Press Play and wait for some steps."""
        goal = self.step + steps
        self.button("Play").click()
        self.wait("Number(root.dataset.step) >= arg", goal)

    def pause(self) -> int:
        """Press Pause, wait for rest, and return the step."""
        self.button("Pause").click()
        return self.rest()

    def rest(self) -> int:
        """Wait until the step stays the same; returns it."""
        self.wait("root.dataset.playing === 'false'")
        before = -1
        while before != self.step:
            before = self.step
            self.page.wait_for_timeout(250)
        return before

    def select(self, label: str, option: str) -> None:
        """Choose an option of a setting."""
        self.root.get_by_label(label, exact=True).select_option(label=option)

    def slide(self, label: str, key: str) -> None:
        """Press a key on a slider."""
        self.root.get_by_role("slider", name=label, exact=True).press(key)

    def picture(self) -> str:
        """All that is drawn in the large picture."""
        return self.root.locator(".nnp-heat").evaluate("canvas => canvas.toDataURL()")

    def unit(self, column: int, unit: int) -> Any:
        """The button of one unit."""
        return self.root.locator(f'[data-unit="{column}-{unit}"]')


class Pad(Tool):
    """A drawing pad."""

    def __init__(self, page: Any, root: Any = None) -> None:
        super().__init__(page, "pad", root)

    @property
    def paper(self) -> Any:
        """The canvas to draw on."""
        return self.root.get_by_role("application", name="Drawing pad")

    def draw(self, strokes: list[list[tuple[float, float]]]) -> None:
        """Draw strokes with the mouse."""
        self.paper.scroll_into_view_if_needed()
        area, mouse = self.paper.bounding_box(), self.page.mouse
        for stroke in strokes:
            points = [
                (area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in stroke
            ]
            mouse.move(*points[0])
            mouse.down()
            for point in points[1:]:
                mouse.move(*point)
            mouse.up()

    def guess(self) -> str:
        """What the pad says of the drawing."""
        return self.root.locator(".nnp-guess").inner_text()


def run_cell(notebook: Notebook, number: int) -> None:
    """Run one cell, as Ctrl+Enter does, without waiting for it."""
    page = notebook.page
    page.evaluate(f"k => {{ {Notebook.PANEL}.content.activeCellIndex = k; }}", number)
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell'); }")
