"""Explorers and live tools in Notebook 7, which treats keys and pages in its own way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import samples
from drive import View, move_everything
from jupyter import NOISE, SAMPLE, Lab, Notebook, serve
from playing import TRAIN_MODEL, Board, Pad, write_notebook

from course_utils import play

# What Notebook 7 itself writes to the console of a healthy page.
NOTEBOOK_NOISE = (
    *NOISE,
    "Menu entry for command",
    "Not same Y.Doc",
    "Cannot read properties of undefined (reading 'schema')",
)


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serve(tmp_path_factory.mktemp("notebook7"), front="notebook") as running:
        yield running


@pytest.fixture
def run(open_page, lab):
    """Open a notebook and run all of it."""

    def make(name: str) -> Notebook:
        notebook = Notebook(open_page(width=1300, ignore=NOTEBOOK_NOISE), lab, name)
        notebook.run_all()
        assert notebook.errors() == []
        assert notebook.warnings() == []
        return notebook

    return make


def test_explorers_move(run, snap):
    notebook = run(SAMPLE)
    explorers = [samples.kitchen_sink(), samples.descent(), samples.slow()]
    for cell, explorer in zip(notebook.explorer_cells(), explorers, strict=True):
        notebook.scroll_to(cell)
        move_everything(View(notebook.page, explorer))
    snap(notebook.page, "notebook7-explorers")
    notebook.close()


def test_shortcuts_with_ctrl_still_reach_the_notebook(run):
    notebook = run(SAMPLE)
    notebook.scroll_to(notebook.explorer_cells()[1])
    view = View(notebook.page, samples.descent())
    view.input("rate").press("ArrowRight")
    assert notebook.page.evaluate(f"() => {Notebook.PANEL}.model.dirty")
    view.input("rate").press("Control+s")
    notebook.page.wait_for_function(f"() => !{Notebook.PANEL}.model.dirty")
    before = view.position()
    view.input("rate").press("ArrowRight")
    assert view.position() != before, "after a shortcut the keys belong to the notebook"
    notebook.close()


def test_the_playground_trains(run, lab, snap):
    write_notebook(lab, "board.ipynb", "from course_utils import play\nplay.playground()")
    notebook = run("board.ipynb")
    board = Board(notebook.page)
    start = board.picture()
    board.play(50)
    board.pause()
    assert board.picture() != start
    board.slide("Learning rate", "ArrowRight")
    board.wait("root.querySelector('.nnx-status').textContent.includes('Learning rate: 0.2')")
    snap(notebook.page, "notebook7-board")
    notebook.close()


def test_digits_are_drawn_by_keyboard_and_by_mouse(run, lab, snap):
    write_notebook(lab, "pad.ipynb", TRAIN_MODEL, "play.draw_digit(model, digits.train)")
    notebook = run("pad.ipynb")
    pad = Pad(notebook.page)
    pad.paper.focus()
    pad.paper.press("Space")
    for _ in range(20):
        pad.paper.press("ArrowDown")
    pad.wait("root.dataset.prediction === '1'")
    pad.button("Clear").click()
    pad.draw(play.sample_strokes("3"))
    pad.wait("root.dataset.prediction === '3'")
    snap(notebook.page, "notebook7-pad")
    notebook.close()
