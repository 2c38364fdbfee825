"""Static tests of every lesson; nothing is executed (``make nbval`` does that)."""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest

from tools import checks, lessons, sync
from tools.checks import Content
from tools.lessons import Lesson

LESSONS = lessons.all_lessons()
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


@functools.cache
def content(lesson: Lesson) -> Content:
    """Read a lesson once for all tests."""
    if not lesson.notebook.exists():
        pytest.fail(f"{lesson.label} is missing: run `make execute`", pytrace=False)
    return Content.read(lesson)


def listed(title: str, complaints: list[str]) -> str:
    return "\n".join([f"{title}:", *(f"  - {complaint}" for complaint in complaints)])


def test_there_are_lessons():
    assert LESSONS, "no lesson is found in notebooks/"


def test_no_notebook_without_source():
    names = {lesson.notebook for lesson in LESSONS}
    orphans = [p.name for p in lessons.NOTEBOOKS.glob("*.ipynb") if p not in names]
    assert not orphans, f"these notebooks have no .py source: {orphans}"


@every_lesson
def test_pair_is_canonical(lesson):
    problem = sync.out_of_step(lesson)
    assert not problem, f"{lesson.label}: {problem}. Run `make sync`, or `make execute`."


@every_lesson
@pytest.mark.parametrize("rule", checks.RULES, ids=lambda rule: rule.__name__)
def test_lesson_keeps_the_rule(lesson, rule):
    complaints = rule(content(lesson))
    assert not complaints, listed(
        f"{lesson.label}: {rule.__doc__.splitlines()[0].rstrip('.')}", complaints
    )


@every_lesson
@pytest.mark.parametrize("command", [["check"], ["format", "--check", "--diff"]], ids=" ".join)
def test_source_is_clean_for_ruff(lesson, command):
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", str(lesson.source)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"ruff {command[0]} {lesson.source.name}:\n{run.stdout}{run.stderr}"


def test_setup_cell_is_the_same_in_every_lesson():
    cells = {lesson.name: checks.setup_cell(content(lesson)) for lesson in LESSONS}
    assert len(set(cells.values())) <= 1, f"the first code cells differ: {cells}"
    longest = max(
        (len([x for x in s.splitlines() if x.strip()]) for s in cells.values()), default=0
    )
    assert longest <= 3, f"the setup cell has {longest} lines, 3 at most"


def test_nothing_is_defined_twice_in_the_course():
    complaints = checks.defined_twice([content(lesson) for lesson in LESSONS])
    assert not complaints, listed("A function or class has one definition", complaints)
