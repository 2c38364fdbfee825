"""Build a clean copy of the lessons for a class in ``build/student``.

The copies are unanswered and hold no outputs, so that no figure or number gives away what a
learner is asked to predict. Nothing is executed.

    python -m tools.student              every lesson
    python -m tools.student 01           one lesson
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools import canonical, lessons
from tools.lessons import Lesson

FOLDER = lessons.BUILD / "student"


def build(lesson: Lesson, folder: Path = FOLDER) -> None:
    """Write both files of the lesson to `folder`, without outputs."""
    clean = lessons.read_source(lesson)
    lessons.write_atomically(folder / lesson.notebook.name, canonical.render(clean))
    script = lesson.source.read_text(encoding="utf-8")
    lessons.write_atomically(folder / lesson.source.name, script)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.student",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lessons", nargs="*", help="01, 01_perceptron or a path; default: all")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: build/student")
    options = parser.parse_args(arguments)
    for lesson in lessons.find(options.lessons):
        build(lesson, options.folder)
        lessons.say(f"{lessons.display_path(options.folder / lesson.notebook.name)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
