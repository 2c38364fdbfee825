"""Build the answered course in ``build/solutions`` and prove that every answer is right.

In each cell tagged ``exercise`` everything above ``exercises.NAME.check(ANSWER)`` is replaced by
``exercises.NAME.answer_source()``. The answered lesson then runs in a fresh kernel, and every
exercise has to print ✓.

    python -m tools.solutions            every lesson
    python -m tools.solutions 01         one lesson
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from tools import canonical, execute, exercise_cells, lessons
from tools.execute import LessonError
from tools.lessons import Lesson

FOLDER = lessons.BUILD / "solutions"


def answered(lesson: Lesson) -> NotebookNode:
    """Return the lesson's notebook with the reference answer in each exercise cell.

    Raises:
        LessonError: If an exercise cell does not end with a check, or its module lacks the name.
    """
    notebook = lessons.read_source(lesson)
    cells = list(exercise_cells.exercise_cells(notebook))
    module = exercise_cells.module_name(notebook)
    if cells and module is None:
        raise LessonError(f"✗ {lesson.label}: no module is imported `as exercises`.")
    known = exercise_cells.catalogue(module) if module else {}
    for cell in cells:
        cell.source = _answer(cell.source, known, lesson)
    return notebook


def _answer(source: str, known: dict, lesson: Lesson) -> str:
    check = exercise_cells.final_check(source)
    if check is None or check.name not in known:
        raise LessonError(
            f"✗ {lesson.label}: an exercise cell must end with exercises.NAME.check(ANSWER), "
            f"NAME being one of {', '.join(known) or 'nothing'}:\n{lessons.shorten(source)}"
        )
    answer = known[check.name].answer_source().strip()
    gap = "\n\n\n" if answer.lstrip().startswith(("def ", "class ", "@")) else "\n"
    return f"{answer}{gap}{check.line}"


def wrong_answers(notebook: NotebookNode) -> list[str]:
    """Return what each exercise cell printed that did not end with ✓."""
    wrong = []
    for cell in exercise_cells.exercise_cells(notebook):
        printed = "".join(o.text for o in cell.outputs if o.output_type == "stream").strip()
        if not printed.startswith("✓") or "✗" in printed or "○" in printed:
            wrong.append(f"{lessons.shorten(cell.source)}\n  {printed or 'printed nothing'}")
    return wrong


def build(lesson: Lesson, folder: Path = FOLDER) -> int:
    """Write and run the answered lesson; return how many exercises it holds.

    Raises:
        LessonError: If the lesson does not run, or an exercise does not accept its own answer.
    """
    notebook = answered(lesson)
    execute.run(notebook, lesson.source.parent, f"{lesson.label} with answers")
    lessons.write_atomically(folder / lesson.notebook.name, canonical.render(notebook))
    script = jupytext.writes(canonical.canonical(notebook), fmt=lessons.PERCENT)
    lessons.write_atomically(folder / lesson.source.name, script)
    if wrong := wrong_answers(notebook):
        raise LessonError("\n".join([f"✗ {lesson.label}: a reference answer is refused:", *wrong]))
    return len(list(exercise_cells.exercise_cells(notebook)))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.solutions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lessons", nargs="*", help="01, 01_perceptron or a path; default: all")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: build/solutions")
    options = parser.parse_args(arguments)
    failed = False
    for lesson in lessons.find(options.lessons):
        try:
            count = build(lesson, options.folder)
        except LessonError as failure:
            failed = True
            lessons.complain(str(failure))
        else:
            lessons.say(f"{lesson.label}: {count} exercises answered, all ✓")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
