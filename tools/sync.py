"""Pair each lesson's source with its notebook; the percent script always wins.

A notebook is created when it is missing. Cells whose type, code and tags did not change keep
their outputs; an edited cell loses its output, because it would be stale. Nothing is executed:
``python -m tools.execute`` does that.

    python -m tools.sync                 every lesson
    python -m tools.sync 01 02           these lessons
    python -m tools.sync --check         change nothing; exit 1 if a pair is out of step
"""

from __future__ import annotations

import argparse
import difflib
import itertools

import nbformat
from nbformat import NotebookNode

from tools import canonical, lessons
from tools.lessons import Lesson


def cell_key(cell: NotebookNode) -> tuple[str, str, tuple[str, ...]]:
    """Return what must agree between the two files of a pair: type, source and tags."""
    return cell.cell_type, cell.source, tuple(sorted(lessons.tags(cell)))


def paired(lesson: Lesson) -> NotebookNode:
    """Return the lesson's source as a notebook, with the outputs that are still valid."""
    fresh = lessons.read_source(lesson)
    if lesson.notebook.exists():
        _carry_outputs(lessons.read_notebook(lesson), fresh)
    return fresh


def _carry_outputs(old: NotebookNode, new: NotebookNode) -> None:
    before, after = ([cell_key(cell) for cell in nb.cells] for nb in (old, new))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for start, target, length in matcher.get_matching_blocks():
        for kept, cell in zip(
            old.cells[start : start + length], new.cells[target : target + length], strict=True
        ):
            if cell.cell_type == "code":
                cell.outputs = kept.outputs
                cell.execution_count = kept.execution_count


def out_of_step(lesson: Lesson) -> str:
    """Return what is wrong with the pair in one sentence, or an empty string."""
    if not lesson.notebook.exists():
        return "the notebook is missing"
    try:
        old = lessons.read_notebook(lesson)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        return f"the notebook cannot be read ({type(error).__name__})"
    new = lessons.read_source(lesson)
    pairs = itertools.zip_longest(map(cell_key, old.cells), map(cell_key, new.cells))
    for number, (stored, wanted) in enumerate(pairs, start=1):
        if stored != wanted:
            return f"cell {number} of the notebook is not that of the source"
    if lesson.notebook.read_text(encoding="utf-8") != canonical.render(paired(lesson)):
        return "the notebook is not in canonical form (ids, metadata, text alternatives)"
    return ""


def sync(lesson: Lesson) -> bool:
    """Write the lesson's notebook; return whether it changed."""
    return lessons.write_atomically(lesson.notebook, canonical.render(paired(lesson)))


def _check(chosen: list[Lesson]) -> int:
    problems = {lesson: out_of_step(lesson) for lesson in chosen}
    for lesson, problem in problems.items():
        if problem:
            lessons.complain(f"✗ {lesson.label}: {problem}. Run `make sync`.")
    return int(any(problems.values()))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.sync",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lessons", nargs="*", help="01, 01_perceptron or a path; default: all")
    parser.add_argument("--check", action="store_true", help="only look; exit 1 if out of step")
    options = parser.parse_args(arguments)
    chosen = lessons.find(options.lessons)
    if options.check:
        return _check(chosen)
    for lesson in chosen:
        lessons.say(f"{lesson.label}: {'updated' if sync(lesson) else 'in step'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
