"""Lessons in a real JupyterLab: all cells run, all explorers move, no error anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import samples
from drive import View, move_everything
from jupyter import NOISE, ROOT, SAMPLE, TRAINING, Lab, Notebook, serve

from course_utils.explore import Explorer, registry

LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))

LAB_NOISE = (
    *NOISE,
    # It scrolls to the cell that ran last, and on a slow machine gives up on a long lesson. Where
    # the tests scroll, they wait for the explorer themselves.
    "did not appear within 10000 ms",
)


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serve(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def explorers() -> dict[str, Explorer]:
    factories = [samples.kitchen_sink, samples.descent, samples.slow, *registry().values()]
    return {explorer.name: explorer for explorer in (factory() for factory in factories)}


def open_notebook(open_page, lab: Lab, name: str, width: int = 1300) -> Notebook:
    return Notebook(open_page(width=width, ignore=LAB_NOISE), lab, name)


def view_of(notebook: Notebook, cell: int, explorers: dict[str, Explorer]) -> View:
    handle = notebook.scroll_to(cell)
    name = handle.get_attribute("data-name")
    root = notebook.page.locator(f'.nnx[data-name="{name}"]').first
    return View(notebook.page, explorers[name], root)


WITHOUT_EXPLORERS: frozenset[str] = frozenset()


@pytest.mark.parametrize("name", [SAMPLE, *LESSONS])
def test_lesson(name, lab, open_page, explorers, snap):
    notebook = open_notebook(open_page, lab, name)
    notebook.run_all()
    assert notebook.errors() == []
    assert notebook.warnings() == []
    cells = notebook.explorer_cells()
    assert cells or name in WITHOUT_EXPLORERS, "the lesson shows no explorer"
    for cell in cells:
        assert notebook.output_count(cell) == 1, "something is left beside the explorer"
        view = view_of(notebook, cell, explorers)
        assert view.root.get_attribute("data-theme") == "light"
        snap(notebook.page, f"lab-{Path(name).stem}-{view.explorer.name}")
        move_everything(view)
    notebook.close()


def test_dark_theme_and_narrow_window(lab, open_page, explorers, snap):
    notebook = open_notebook(open_page, lab, SAMPLE)
    notebook.run_all()
    cell = notebook.explorer_cells()[0]
    root = view_of(notebook, cell, explorers).root
    assert root.get_attribute("data-theme") == "light"
    notebook.page.evaluate(
        "jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"
    )
    notebook.page.wait_for_selector('.nnx[data-theme="dark"]')
    snap(notebook.page, "lab-dark")
    notebook.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.page.set_viewport_size({"width": 480, "height": 800})
    notebook.page.wait_for_timeout(500)
    view = view_of(notebook, cell, explorers)
    snap(notebook.page, "lab-narrow")
    room, needed = view.root.evaluate("root => [root.clientWidth, root.scrollWidth]")
    assert needed <= room
    notebook.close()


def test_a_second_view_of_an_explorer_moves_by_itself(lab, open_page, explorers):
    notebook = open_notebook(open_page, lab, SAMPLE)
    notebook.run_all()
    cell = notebook.explorer_cells()[1]
    view_of(notebook, cell, explorers)
    notebook.page.evaluate(f"k => {Notebook.PANEL}.content.activeCellIndex = k", cell)
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:create-output-view')")
    views = notebook.page.locator('.nnx[data-name="descent"]')
    notebook.page.wait_for_function(
        "document.querySelectorAll('.nnx[data-name=descent]').length > 1"
    )
    one, two = (View(notebook.page, explorers["descent"], views.nth(k)) for k in (0, 1))
    before = two.position()
    one.input("rate").press("End")
    assert one.position() != before
    assert two.position() == before
    notebook.close()


def test_a_long_training_shows_a_bar_and_leaves_nothing_of_it(lab, open_page, snap):
    notebook = open_notebook(open_page, lab, TRAINING)
    page = notebook.page
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.get_by_text("epochs:").first.wait_for()
    snap(page, "lab-bar")
    page.get_by_text("History(6 epochs)").wait_for()
    text = page.locator(".jp-Cell-outputArea").all_inner_texts()[-1]
    assert "The line before." in text
    assert "epochs:" not in text
    kinds = [output["output_type"] for output in notebook.outputs(cell=1)]
    assert kinds == ["stream", "execute_result"]
    notebook.save()
    saved = (lab.folder / TRAINING).read_text()
    assert "History(6 epochs)" in saved
    assert "epochs:" not in saved
    assert "widget" not in saved
    notebook.close()
