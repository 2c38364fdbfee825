"""A small good lesson with its own exercise module, and a maker of others."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from small_lessons import EXERCISES, GOOD, percent

from tools import execute
from tools.lessons import Lesson


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A folder with the exercise module of the small lessons, importable here and in kernels."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "toycourse").mkdir()
    (folder / "toycourse" / "__init__.py").touch()
    module = EXERCISES.split("wrong =")[0]
    (folder / "toycourse" / "mistaken.py").write_text(EXERCISES, encoding="utf-8")
    toy = module.replace('choice = Exercise(\'answer = "b"\', "b")\n', "")
    (folder / "toycourse" / "toy.py").write_text(toy, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder))
        yield folder


@pytest.fixture(scope="session")
def good(course) -> Lesson:
    """The small good lesson, executed once."""
    lesson = Lesson(course / "01_good.py")
    lesson.source.write_text(textwrap.dedent(GOOD).lstrip(), encoding="utf-8")
    execute.execute(lesson)
    return lesson


@pytest.fixture
def make_lesson(tmp_path):
    """Return a function that writes a lesson's source from cells."""

    def make(*cells: str, name: str = "01_small") -> Lesson:
        lesson = Lesson(tmp_path / f"{name}.py")
        lesson.source.write_text(percent(*cells), encoding="utf-8")
        return lesson

    return make
