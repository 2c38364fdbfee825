"""The strict validation, run as `make nbval` runs it, on notebooks with one planted fault each.

All lessons run in one session of two workers; each test reads its part of the report.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import nbformat
import pytest
from small_lessons import TRANSPORT, edit, percent

from tools import execute, lessons
from tools.lessons import Lesson

pytestmark = pytest.mark.xdist_group("nbval")  # the session below is run once, by one worker

PICTURE = """
    import io

    from IPython.display import Image, display
    from PIL import Image as Canvas
    from PIL import ImageDraw


    def show(width=9, shade=255):
        canvas, file = Canvas.new("RGB", (90, 60), (shade, 255, 255)), io.BytesIO()
        ImageDraw.Draw(canvas).line((0, 0, 90, 60), fill="red", width=width)
        canvas.save(file, "PNG")
        display(Image(data=file.getvalue()))
"""


def text(number: int, old: str, new: str) -> Callable:
    """Store `new` instead of `old` in the printed text of a cell."""

    def change(cells):
        assert old in cells[number - 1].outputs[0].text
        cells[number - 1].outputs[0].text = cells[number - 1].outputs[0].text.replace(old, new)

    return change


def field(number: int, **values) -> Callable:
    """Change fields of a stored cell."""
    return lambda cells: cells[number - 1].update(values)


def store(number: int, *outputs: dict) -> Callable:
    """Store other outputs."""
    return field(number, outputs=[nbformat.from_dict(output) for output in outputs])


def both_numbers(cells) -> None:
    text(2, "3", "4")(cells)
    text(3, "7", "8")(cells)


@dataclass
class Fault:
    """A lesson's cells, what is done to its notebook, and what the report has to say.

    No parts: the lesson has to stay green.
    """

    cells: tuple[str, ...]
    damage: Callable
    parts: tuple[str, ...] = ()


FAULTS = {
    "number": Fault(
        ("import math", "# ## Counting", "print('mistakes', 3)", "print(7)"),
        both_numbers,
        ("In [2]", 'under "Counting"', "| print(", "- mistakes 4", "+ mistakes 3"),
    ),
    "approximate": Fault(("print('loss ≈0.946 of ≈-1.2e-03')",), text(1, "≈0.946", "≈0.95")),
    "noise": Fault((PICTURE, "show()", "# A line."), field(2, source="show(shade=254)")),
    "curve": Fault(
        (PICTURE, "show()", "# A line."), field(2, source="show(0)"), ("In [2]", "picture changed")
    ),
    "no_output": Fault(("print(1)",), store(1), ("printed text is new", "+ 1")),
    "more_output": Fault(
        ("x = 1",),
        store(1, {"output_type": "stream", "name": "stdout", "text": "1\n"}),
        ("is stored, but this run did not make it", "- 1"),
    ),
    "stderr": Fault(
        ("import sys", "print(1)"),
        field(2, source="print(1)\nprint('mind', file=sys.stderr)"),
        ("text on stderr", "+ mind"),
    ),
    "html": Fault(
        ("from IPython.display import HTML", "HTML('<b>1</b><i>2</i>')"),
        field(2, source="HTML('<b>1</b><i>3</i>')"),
        ("HTML changed", "- <i>2</i>", "+ <i>3</i>"),
    ),
    "disorder": Fault(("x = 1", "x + 1"), field(2, execution_count=5), ("run as In [5]",)),
    "never_run": Fault(("x = 1",), field(1, execution_count=None), ("never run",)),
    "raises": Fault(("x = 1",), field(1, source="raise ValueError('boom')"), ("ValueError: boom",)),
    "harmless": Fault(
        ("x = 1",), field(1, metadata={"tags": ["raises-exception"]}), ("raised nothing",)
    ),
    "dies": Fault(
        ("import os", "x = 1"), field(2, source="os._exit(1)"), ("In [2]", "The kernel died")
    ),
    "endless": Fault(
        ("x = 1",), field(1, source="while True:\n    pass"), ("In [1]", "Timeout of 5 seconds")
    ),
    "ports": Fault((TRANSPORT,), lambda cells: None),  # executed without ports, and now again
    "ignored": Fault(
        ("print(1)",), field(1, metadata={"tags": ["nbval-ignore-output"]}, source="print(2)")
    ),
}


def validate(chosen: list[Lesson], results, *extra: str) -> tuple[int, str]:
    """Run the tool on `chosen`; return its exit code and what it wrote."""
    variables = {"COURSE_CELL_TIMEOUT": "5", "COURSE_RESULTS": str(results), "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "tools.nbval", *(str(x.notebook) for x in chosen), *extra],
        cwd=lessons.ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lessons")


@pytest.fixture(scope="module")
def faulty(folder) -> dict[str, Lesson]:
    """The lessons, executed and then damaged."""
    made = {}
    for name, fault in FAULTS.items():
        made[name] = Lesson(folder / f"{name}.py")
        made[name].source.write_text(percent(*fault.cells), encoding="utf-8")
    assert execute.main([str(lesson.source) for lesson in made.values()]) == 0
    for name, lesson in made.items():
        edit(lesson, FAULTS[name].damage)
    return made


@pytest.fixture(scope="module")
def session(faulty, folder) -> tuple[int, str]:
    return validate(list(faulty.values()), folder / "results")


def paragraph(report: str, name: str) -> str:
    """Return the report's paragraphs about one lesson."""
    return "".join(p for p in re.split(r"(?m)^(?=✗ |If the )", report) if f"{name}.ipynb, " in p)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.parts])
def test_fault_is_red_and_reported(session, name):
    _, report = session
    about = paragraph(report, name)
    assert about, f"{name} is not in the report:\n{report}"
    for part in FAULTS[name].parts:
        assert part in about, about
    assert re.search(rf"{name}\.ipynb .* red", report)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if not fault.parts])
def test_harmless_change_is_green(session, name):
    _, report = session
    assert paragraph(report, name) == ""
    assert re.search(rf"{name}\.ipynb .* green", report), report


def test_any_red_lesson_fails_the_run(session):
    assert session[0] != 0


def test_first_red_cell_skips_the_rest_of_its_lesson(session):
    assert paragraph(session[1], "number").count("✗") == 1


def test_report_holds_no_machinery(session):
    assert "Traceback" not in session[1] and "site-packages" not in session[1]


def test_both_pictures_are_saved(session, folder):
    saved = {path.name for path in (folder / "results").iterdir()}
    assert saved == {"curve-in02-1-committed.png", "curve-in02-1-now.png"}
    assert "curve-in02-1-now.png" in paragraph(session[1], "curve")


def test_one_process_reports_the_same(faulty, folder):
    code, report = validate([faulty["number"]], folder / "other")
    assert code == 1
    assert all(part in paragraph(report, "number") for part in FAULTS["number"].parts)


def test_good_lesson_is_green(good, folder):
    code, report = validate([good], folder / "other")
    assert code == 0, report
    assert re.search(r"01_good\.ipynb .* green", report)
