"""Pairing: the source wins, valid outputs stay, stale ones go. No kernel is started."""

from __future__ import annotations

import pytest
from small_lessons import edit, percent

from tools import lessons, sync


@pytest.fixture
def lesson(make_lesson):
    """A paired lesson whose three code cells hold outputs."""
    lesson = make_lesson("# # Title", "a = 1", "b = 2", "c = 3")
    sync.sync(lesson)

    def store(cells):
        for number, cell in enumerate(cells, start=1):
            text = {"output_type": "stream", "name": "stdout", "text": f"{number}\n"}
            cell.outputs, cell.execution_count = [lessons.nbformat.from_dict(text)], number

    edit(lesson, store)
    sync.sync(lesson)
    return lesson


def printed(lesson):
    cells = lessons.code_cells(lessons.read_notebook(lesson))
    return ["".join(output.text for output in cell.outputs) for cell in cells]


def test_missing_notebook_is_made(make_lesson):
    lesson = make_lesson("# # Title", "a = 1")
    assert "missing" in sync.out_of_step(lesson)
    assert sync.main(["--check", str(lesson.source)]) == 1
    assert sync.sync(lesson)
    assert sync.out_of_step(lesson) == ""
    assert sync.main(["--check", str(lesson.source)]) == 0
    assert not sync.sync(lesson), "a second sync must change nothing"


def test_changed_cell_loses_its_output_and_the_others_keep_theirs(lesson):
    lesson.source.write_text(percent("# # Title", "a = 1", "b = 20", "new = 0", "c = 3"))
    assert "cell 3" in sync.out_of_step(lesson)
    sync.sync(lesson)
    assert printed(lesson) == ["1\n", "", "", "3\n"]
    assert sync.out_of_step(lesson) == ""


def test_changed_tag_counts_as_a_change(lesson):
    text = lesson.source.read_text().replace("# %%\nb", '# %% tags=["exercise"]\nb')
    lesson.source.write_text(text)
    sync.sync(lesson)
    assert printed(lesson) == ["1\n", "", "3\n"]


def test_edit_in_the_notebook_only_is_found(lesson):
    edit(lesson, lambda cells: cells[0].update(source="a = 100"))
    assert sync.main(["--check", str(lesson.notebook)]) == 1
    sync.sync(lesson)
    assert printed(lesson) == ["", "2\n", "3\n"]


def test_run_time_metadata_is_found(lesson):
    stamp = {"execution": {"iopub.execute_input": "2026-01-01T00:00:00Z"}}
    edit(lesson, lambda cells: cells[0].metadata.update(stamp))
    assert "canonical" in sync.out_of_step(lesson)
    sync.sync(lesson)
    assert printed(lesson) == ["1\n", "2\n", "3\n"]


def test_unreadable_notebook_is_reported(lesson):
    lesson.notebook.write_text("<<<<<<< mine")
    assert "cannot be read" in sync.out_of_step(lesson)


def test_interrupted_write_leaves_the_old_file(lesson, monkeypatch):
    before = lesson.notebook.read_bytes()
    monkeypatch.setattr(lessons.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        lessons.write_atomically(lesson.notebook, "new")
    assert lesson.notebook.read_bytes() == before
    assert {p.suffix for p in lesson.source.parent.iterdir()} == {".py", ".ipynb"}


def test_unknown_lesson_is_refused_by_name():
    with pytest.raises(SystemExit, match="No lesson matches 'nonsense'"):
        lessons.find(["nonsense"])
