"""Running a learner's code with a time limit.

The code runs in a thread of its own, so the limit also holds on Windows, outside the main
thread, and for code that sleeps. The thread starts with gradients on, no autocast and the CPU
as default device, whatever the learner's own cell has set.

When time is up an exception is injected into the thread. Its class arms a trace function as soon
as it is caught, so that a bare ``except:`` in the learner's loop only delays the end by a line.
Code that does not come back to Python (one enormous tensor operation, a long sleep) cannot be
stopped: its thread is left behind, and ends at its next line of Python. Python itself cannot
interrupt an operation that holds its lock, such as ``2**10**10``.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

_POLL = 0.05  # seconds; on Windows a Ctrl-C is noticed only between waits
_AGAIN = 0.01  # seconds between two attempts to stop a job
_GRACE = 1.0  # seconds given to a stopped thread to unwind
_CHANCE = random.Random()  # not the learner's generator
_SET = ctypes.pythonapi.PyThreadState_SetAsyncExc
_STACK = 64 * 1024 * 1024  # bytes; a recursion error needs more than some systems' default


@dataclass(frozen=True)
class Run:
    """How a run ended.

    Attributes:
        value: What the job returned.
        error: What it raised, or ``None``.
        timed_out: Whether it was stopped.
        frames: (code object, line) of each frame when it was stopped, innermost first.
    """

    value: Any = None
    error: BaseException | None = None
    timed_out: bool = False
    frames: list[tuple[Any, int]] = field(default_factory=list)


class TimeUp(SystemExit):
    """Injected into a thread whose time is up; being caught arms the trace function."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _arm()


def _arm() -> None:
    """Trace the running job of this thread, so that one of its next lines raises ``TimeUp``."""
    frame: FrameType | None = sys._getframe(2)
    job = []
    while frame is not None and frame.f_code is not _Worker.work.__code__:
        job.append(frame)
        frame = frame.f_back
    if frame is not None:
        for inner in job:
            inner.f_trace = _stop
        sys.settrace(_stop)


def _stop(frame: FrameType, event: str, arg: Any) -> Any:
    """Trace function that ends the job; Python forgets it once it has raised.

    It raises at a random one of the next lines: where loops are nested, each swallowing errors,
    a raise at the first line would always meet the same ``except``.
    """
    if event in ("line", "call") and _CHANCE.random() < 0.3:
        raise TimeUp
    return _stop


class _Worker:
    """One job in one daemon thread."""

    def __init__(self, job: Callable[[], Any]) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._job = job
        self._over = False
        context = contextvars.copy_context()
        self.thread = threading.Thread(target=context.run, args=(self.work,), daemon=True)

    def work(self) -> None:
        """Run the job, then shake off an injection that comes too late."""
        withdraw = functools.partial(_SET, ctypes.c_ulong(threading.get_ident()), None)
        try:
            try:
                self.value = self._job()
            except BaseException as error:
                self.error = error
            sys.settrace(None)
            self._over = True
            withdraw()
        except TimeUp:
            self._over = True
            sys.settrace(None)
            withdraw()
        self.done.set()

    def strike(self) -> None:
        """Inject the end into the running job."""
        if not self._over and self.thread.ident is not None:
            _SET(ctypes.c_ulong(self.thread.ident), ctypes.py_object(TimeUp))

    def start(self) -> None:
        """Start the thread with a stack deep enough for a recursion error."""
        before = _stack_size(_STACK)
        try:
            self.thread.start()
        finally:
            _stack_size(before)

    def stop(self) -> None:
        """Inject the end until the thread has ended or its grace is over."""
        until = time.monotonic() + _GRACE
        while self.thread.is_alive() and time.monotonic() < until:
            self.strike()
            self.thread.join(_AGAIN)
        if self.thread.is_alive():
            threading.Thread(target=self._haunt, daemon=True).start()

    def _haunt(self) -> None:
        """Keep asking a thread that is stuck outside Python to end when it comes back."""
        while self.thread.is_alive():
            self.strike()
            self.thread.join(_POLL)


def _stack_size(size: int) -> int:
    try:
        return threading.stack_size(size)
    except (ValueError, RuntimeError):
        return 0


def run(job: Callable[[], Any], limit: float) -> Run:
    """Run ``job`` for at most ``limit`` seconds.

    Args:
        job: Called without arguments in a thread of its own.
        limit: Seconds.

    Returns:
        What it returned or raised, or that it was stopped.

    Raises:
        KeyboardInterrupt: If the learner interrupts; the job is stopped first.
    """
    worker = _Worker(job)
    worker.start()
    until = time.monotonic() + limit
    try:
        while not worker.done.wait(min(_POLL, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                frames = _frames(worker.thread.ident)
                worker.stop()
                return Run(timed_out=True, frames=frames)
    except BaseException:
        worker.stop()
        raise
    return Run(value=worker.value, error=worker.error)


def _frames(ident: int | None) -> list[tuple[Any, int]]:
    frame = sys._current_frames().get(ident or 0)
    found = []
    while frame is not None and len(found) < 1000:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return found
