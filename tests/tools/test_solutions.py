"""The answered and the student edition."""

from __future__ import annotations

import jupytext
import pytest

from tools import exercise_cells, lessons, solutions, student
from tools.execute import LessonError
from tools.lessons import Lesson


@pytest.fixture
def lesson(course, make_lesson):
    """A lesson with three exercises, the last of which refuses its own answer."""
    lesson = make_lesson(
        "from toycourse import mistaken as exercises",
        "def twice(x): ...\n\n\nexercises.double.check(twice)",
        "answer = ...\nexercises.choice.check(answer)",
        "answer = ...\nexercises.wrong.check(answer)",
    )
    tag(lesson, "def twice", "answer = ...")
    return lesson


def tag(lesson: Lesson, *beginnings: str) -> None:
    text = lesson.source.read_text()
    for beginning in beginnings:
        text = text.replace(f"# %%\n{beginning}", f'# %% tags=["exercise"]\n{beginning}')
    lesson.source.write_text(text)


def test_answers_are_built_and_accepted(good, tmp_path, capsys):
    before = good.notebook.read_bytes()
    assert solutions.main([str(good.source), "--folder", str(tmp_path)]) == 0
    assert "1 exercises answered, all ✓" in capsys.readouterr().out
    built = Lesson(tmp_path / good.source.name)
    (cell,) = exercise_cells.exercise_cells(lessons.read_notebook(built))
    assert cell.source == "def twice(x):\n    return 2 * x\n\n\nexercises.double.check(twice)"
    assert cell.outputs[0].text == "✓ ok\n"
    assert "return 2 * x" in built.source.read_text()
    assert good.notebook.read_bytes() == before, "the lesson itself stays unanswered"


def test_refused_answer_fails(lesson, tmp_path, capsys):
    assert solutions.main([str(lesson.source), "--folder", str(tmp_path / "out")]) == 1
    report = capsys.readouterr().err
    assert "a reference answer is refused" in report and "✗ no" in report
    assert report.count("exercises.") == 1, "only the refused exercise is reported"


def test_exercise_cell_must_end_with_a_known_check(lesson):
    text = lesson.source.read_text()
    for broken in ("exercises.nonsense.check(answer)", "print(answer)"):
        lesson.source.write_text(text.replace("exercises.wrong.check(answer)", broken))
        with pytest.raises(LessonError, match="must end with"):
            solutions.answered(lesson)


def test_module_is_read_from_the_imports(lesson):
    assert exercise_cells.module_name(lessons.read_source(lesson)) == "toycourse.mistaken"
    nothing = jupytext.reads("# %%\nimport toycourse", fmt=lessons.PERCENT)
    assert exercise_cells.module_name(nothing) is None


def test_student_copy_has_no_outputs_and_no_answers(good, tmp_path):
    assert student.main([str(good.source), "--folder", str(tmp_path)]) == 0
    copy = Lesson(tmp_path / good.source.name)
    cells = lessons.code_cells(lessons.read_notebook(copy))
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert copy.source.read_bytes() == good.source.read_bytes()
