"""Answers that do not end, raise anything, print a lot, or want to leave."""

import _thread
import builtins
import itertools
import sys
import threading
import time

import pytest
import torch
from exercise_samples import predict, predict_exercise, said

from course_utils.exercises import Status
from course_utils.exercises.engine import sandbox, state


def endless(*_):
    count = 0
    while True:
        count += 1


def swallows_everything(*_):
    while True:
        try:
            len("work")
        except:  # noqa: E722
            len("swallowed")


def swallows_in_nested_loops(*_):
    def inner():
        try:
            while True:
                sum(range(10))
        except BaseException:
            return 1

    while True:
        try:
            inner()
        except BaseException:
            continue
        finally:
            len("more")


def never_finally(*_):
    try:
        while True:
            len("work")
    finally:
        while True:
            try:
                len("work")
            except Exception:
                len("swallowed")


def sleeps(*_):
    time.sleep(1.6)  # longer than a stopped job is waited for
    endless()


def sleeps_and_swallows(*_):
    while True:
        try:
            time.sleep(0.02)
        except:  # noqa: E722
            len("swallowed")


ENDLESS = [
    endless,
    swallows_everything,
    swallows_in_nested_loops,
    never_finally,
    sleeps,
    sleeps_and_swallows,
]


@pytest.mark.parametrize("job", ENDLESS)
def test_a_job_that_does_not_end_is_stopped_and_its_thread_ends(job):
    before = set(threading.enumerate())
    assert sandbox.run(job, 0.2).timed_out
    left = [t for t in threading.enumerate() if t not in before]
    for thread in left:
        thread.join(20)
    assert not any(t.is_alive() for t in left)


def test_a_stopped_job_does_not_trace_or_disturb_later_ones():
    for _ in range(5):
        assert sandbox.run(swallows_everything, 0.02).timed_out
        assert sandbox.run(lambda: sys.gettrace(), 5.0) == sandbox.Run(value=None)


def test_a_job_that_ends_just_when_its_time_is_up_is_left_in_peace(monkeypatch):
    escaped = []
    monkeypatch.setattr(threading, "excepthook", escaped.append)
    for k in range(150):
        limit = 0.0005 * (k % 8)
        sandbox.run(lambda limit=limit: _work_for(limit), limit)
    assert escaped == []


def _work_for(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        len("work")


def nested(*_):
    for _k in range(3):
        while len("outer"):
            while len("inner"):
                pass
            len("never")


def test_the_verdict_names_the_innermost_loop(capsys):
    verdict = said(capsys, predict_exercise(time_limit=0.2), nested)
    assert 'test_engine_sandbox.py: while len("inner"):' in verdict.message


def test_output_is_kept_only_in_part():
    printed = state.Printed()
    for _ in range(1000):
        printed.write("x" * 10_000)
    assert printed.total == 1 and len(printed.lines(3)[0]) <= 1000


def test_the_verdict_names_the_loop(capsys):
    verdict = said(capsys, predict_exercise(time_limit=0.2), endless)
    assert verdict.status is Status.TIMED_OUT
    assert "stopped after 0.2 seconds. Is there a loop that never ends?" in verdict.message
    assert "test_engine_sandbox.py: while True:" in verdict.message


def test_an_endless_answer_stops_at_the_first_probe():
    counter = itertools.count()  # nothing can put this back

    def counting(X, w, b):
        next(counter)
        time.sleep(0.3)

    exercise = predict_exercise(time_limit=0.1, misconceptions=())
    assert exercise.check(counting).status is Status.TIMED_OUT
    assert next(counter) == 1


def test_a_check_outside_the_main_thread(capsys):
    verdicts = []
    exercise = predict_exercise(time_limit=0.2)

    def work():
        verdicts.extend([exercise.check(predict), exercise.check(endless)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert [v.status for v in verdicts] == [Status.CORRECT, Status.TIMED_OUT]
    assert capsys.readouterr().out.count("01.2") == 2


def test_the_learners_interrupt_gets_through_and_everything_is_put_back():
    exercise = predict_exercise(time_limit=30.0)
    torch.manual_seed(5)
    drawn, stream = torch.get_rng_state(), sys.stdout
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        exercise.check(endless)
    timer.join()
    assert set(threading.enumerate()) <= before
    assert torch.equal(torch.get_rng_state(), drawn)
    assert sys.stdout is stream
    assert exercise.check(predict).passed


def exits(*_):
    sys.exit(3)


def interrupts(*_):
    raise KeyboardInterrupt


def recurses(*_):
    return recurses() + 1


def quits(*_):
    builtins.quit()


def asks(*_):
    return input("? ")


def no_message(*_):
    raise Broken


class Broken(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("answer", "said_of_it"),
    [
        (exits, "SystemExit: 3"),
        (interrupts, "KeyboardInterrupt"),
        (recurses, "RecursionError: the function calls itself without end"),
        (asks, "RuntimeError: input() cannot be used while an answer is checked"),
        (no_message, "Broken"),
    ],
)
def test_whatever_an_answer_raises_is_reported(answer, said_of_it, capsys):
    verdict = said(capsys, predict_exercise(), answer)
    assert verdict.status is Status.RAISED
    assert verdict.message.splitlines()[1] == f"  {said_of_it}"


@pytest.mark.skipif(not hasattr(builtins, "quit"), reason="the site module is not loaded")
def test_quit_is_reported_and_the_input_stays_open(capsys):
    before = sys.stdin
    assert said(capsys, predict_exercise(), quits).status is Status.RAISED
    assert sys.stdin is before and not sys.stdin.closed


def test_an_infinite_result_structure_is_reported(capsys):
    def circular(X, w, b):
        loop = []
        loop.append(loop)
        return loop

    assert said(capsys, predict_exercise(), circular).status is Status.WRONG_TYPE


def test_output_is_shown_in_part(capsys):
    def chatty(X, w, b):
        for k in range(100_000):
            print("line", k)
        return predict(X, w, b)

    verdict = said(capsys, predict_exercise(), chatty)
    assert verdict.passed
    assert verdict.message.splitlines()[1:] == [
        "  Your code printed, on the input “a gate”:",
        "    line 0",
        "    line 1",
        "    line 2",
        "    … (99997 more lines)",
    ]


def test_one_endless_line_of_output_is_cut(capsys):
    def loud(X, w, b):
        print("x" * 1_000_000, end="")
        sys.stderr.write("warning\n")
        return predict(X, w, b)

    verdict = said(capsys, predict_exercise(), loud)
    assert len(verdict.message) < 300 and "…" in verdict.message


def test_other_threads_still_reach_the_screen(capsys):
    talk, stop = threading.Event(), threading.Event()

    def live():
        talk.wait(10)
        print("from the live plot")
        stop.set()

    def answer(X, w, b):
        talk.set()
        stop.wait(10)
        return predict(X, w, b)

    thread = threading.Thread(target=live)
    thread.start()
    verdict = predict_exercise().check(answer)
    thread.join()
    assert "from the live plot" in capsys.readouterr().out
    assert verdict.passed and "printed" not in verdict.message


def test_a_long_error_message_is_cut_and_has_no_path_or_address(capsys):
    def angry(X, w, b):
        raise ValueError(f"in {__file__} at {hex(id(X))} " + "very " * 1000 + "\nsecond line")

    verdict = said(capsys, predict_exercise(), angry)
    assert "ValueError: in test_engine_sandbox.py at 0x… very very" in verdict.message
    assert "second line" not in verdict.message
