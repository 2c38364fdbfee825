"""Execution: the same bytes each time, and nothing is overwritten by a failing lesson."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from small_lessons import TRANSPORT

from tools import execute, kernels, lessons, sync
from tools.execute import LessonError


def test_second_run_gives_the_same_bytes(good):
    before = good.notebook.read_bytes()
    assert not execute.execute(good)
    assert good.notebook.read_bytes() == before
    assert sync.out_of_step(good) == ""


def test_kernel_is_isolated_from_the_callers_settings(make_lesson, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS_FILE", "mine.json")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    names = ["COURSE_DEVICE", "OMP_NUM_THREADS", "COURSE_PROGRESS_FILE", "MPLBACKEND"]
    lesson = make_lesson(f"import os\nprint([os.environ.get(n) for n in {names}])")
    execute.execute(lesson)
    printed = lessons.read_notebook(lesson).cells[0].outputs[0].text
    assert printed.startswith("['cpu', '2', ")
    assert "mine.json" not in printed and "Agg" not in printed


def test_failing_cell_is_reported_and_the_file_is_left(make_lesson, capsys):
    lesson = make_lesson("# ## Division", "x = 0", "# Text.", "print('before')\n1 / x", "never = 1")
    sync.sync(lesson)
    before = lesson.notebook.read_bytes()
    assert execute.main([str(lesson.source)]) == 1
    report = capsys.readouterr().err
    for part in (
        "cell In [2]",
        'under "Division"',
        "| 1 / x",
        "ZeroDivisionError: division by zero",
    ):
        assert part in report
    assert "left as it was" in report
    assert lesson.notebook.read_bytes() == before


def test_endless_cell_is_stopped(make_lesson, monkeypatch):
    monkeypatch.setenv("COURSE_CELL_TIMEOUT", "1")
    lesson = make_lesson("while True:\n    pass")
    with pytest.raises(LessonError, match=r"In \[1\][^$]*longer than 1 s"):
        execute.execute(lesson)
    assert not lesson.notebook.exists()


def test_dead_kernel_is_reported(make_lesson):
    lesson = make_lesson("import os", "os._exit(1)")
    with pytest.raises(LessonError, match=r"In \[2\][^$]*kernel died"):
        execute.execute(lesson)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs sockets that are files")
def test_kernels_do_not_compete_for_ports(make_lesson):
    lesson = make_lesson(TRANSPORT)
    execute.execute(lesson)
    assert lessons.read_notebook(lesson).cells[0].outputs[0].text == "ipc\n"


def test_too_long_a_path_for_a_socket_falls_back_on_ports(tmp_path):
    assert kernels.connection(Path("/") / ("long" * 30)) == {}
