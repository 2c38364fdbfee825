"""The file in which progress is kept."""

import json
import subprocess
import sys

import pytest
from exercise_samples import predict, predict_exercise, square_exercise, strict

from course_utils.exercises import progress
from course_utils.exercises.engine import catalogue
from course_utils.exercises.engine import progress as module


@pytest.fixture(autouse=True)
def two_lessons(monkeypatch):
    exercises = [predict_exercise(id=f"01.{k}") for k in (1, 2, 10)] + [square_exercise(id="02.1")]
    monkeypatch.setattr(catalogue, "all_exercises", lambda: iter(exercises))


def shown(capsys, *args, **kwargs):
    capsys.readouterr()
    progress(*args, **kwargs)
    return capsys.readouterr().out.splitlines()


EMPTY = [
    "○ Lesson 01: 0 of 3 solved. Remaining: 01.1, 01.2, 01.10",
    "○ Lesson 02: 0 of 1 solved. Remaining: 02.1",
]


def test_an_empty_start(capsys, progress_file):
    assert shown(capsys) == EMPTY
    assert not progress_file.exists()


def test_solved_attempted_and_total(capsys):
    predict_exercise().check(predict)
    predict_exercise(id="01.10").check(strict)
    square_exercise(id="02.1").check(lambda x: x**2)
    assert shown(capsys) == [
        "○ Lesson 01: 1 of 3 solved, 1 attempted. Remaining: 01.1, 01.10",
        "✓ Lesson 02: 1 of 1 solved.",
    ]
    assert shown(capsys, "02") == shown(capsys, "2") == ["✓ Lesson 02: 1 of 1 solved."]
    assert shown(capsys, "07") == ["There is no lesson '07'; there are 01, 02."]


def test_solved_stays_solved(progress_file):
    exercise = predict_exercise()
    exercise.check(strict)
    assert json.loads(progress_file.read_text())["exercises"] == {"01.2": "attempted"}
    for answer in (predict, strict, ...):
        exercise.check(answer)
    assert json.loads(progress_file.read_text())["exercises"] == {"01.2": "solved"}
    assert [p.name for p in progress_file.parent.iterdir()] == ["progress.json"]


def test_reset(capsys, progress_file):
    predict_exercise().check(predict)
    assert shown(capsys, reset=True) == ["Your progress is deleted."]
    assert not progress_file.exists()
    assert shown(capsys, reset=True) == ["Your progress is deleted."]
    assert shown(capsys) == EMPTY


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"exercises": 3}',
        '{"exercises": {"01.2": 5}}',
        "\x00\xff",
        "[" * 9999,
    ],
)
def test_a_damaged_file_is_tolerated(content, capsys, progress_file):
    progress_file.parent.mkdir()
    progress_file.write_bytes(content.encode("latin-1"))
    lines = shown(capsys)
    assert lines[-2:] == EMPTY
    verdict = predict_exercise().check(predict)
    assert verdict.passed and verdict.message in capsys.readouterr().out
    assert json.loads(progress_file.read_text())["exercises"] == {"01.2": "solved"}


def test_an_unwritable_place_is_reported_once(capsys, progress_file, monkeypatch):
    progress_file.parent.write_text("a file where a folder should be")
    for _ in range(2):
        assert predict_exercise().check(predict).passed
    out = capsys.readouterr().out
    assert out.count("your progress cannot be saved here") == 1
    assert out.count("correct.") == 2
    progress()


def test_an_interrupted_write_leaves_the_old_file(progress_file, monkeypatch):
    predict_exercise().check(predict)
    before = progress_file.read_text()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module.os, "replace", fail)
    assert square_exercise(id="02.1").check(lambda x: x**2).passed
    assert progress_file.read_text() == before
    assert [p.name for p in progress_file.parent.iterdir()] == ["progress.json"]


def test_two_kernels_add_up(progress_file):
    code = f"import runpy; space = runpy.run_path({module.__file__!r}); "
    code += "space['record']('02.1', solved=True)"
    predict_exercise().check(predict)
    subprocess.run([sys.executable, "-c", code], check=True)
    predict_exercise(id="01.1").check(predict)
    states = json.loads(progress_file.read_text())["exercises"]
    assert states == {"01.1": "solved", "01.2": "solved", "02.1": "solved"}


def test_the_usual_place(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_PROGRESS_FILE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert module.path() == tmp_path / ".neural-network-basics" / "progress.json"
