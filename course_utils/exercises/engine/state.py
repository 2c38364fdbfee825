"""Leaving the learner's kernel as it was: random numbers, output, settings."""

from __future__ import annotations

import builtins
import contextlib
import io
import random
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

_KEEP_LINES = 4
_KEEP_CHARACTERS = 1000


class Printed:
    """The first lines of what was printed, and how many lines there were."""

    def __init__(self) -> None:
        self._kept = ""
        self._newlines = 0
        self._open_line = False

    def write(self, text: str) -> None:
        """Take in a piece of output."""
        room = _KEEP_CHARACTERS - len(self._kept)
        if room > 0 and self._newlines < _KEEP_LINES:
            self._kept += text[:room]
        self._newlines += text.count("\n")
        self._open_line = not text.endswith("\n") if text else self._open_line

    @property
    def total(self) -> int:
        """Number of lines printed."""
        return self._newlines + self._open_line

    def lines(self, most: int) -> list[str]:
        """The first ``most`` lines."""
        return self._kept.splitlines()[:most]


class _Stream:
    """Stands in for a standard stream; keeps what the checked code prints.

    Threads that were there before (a live plot, the kernel's own) still reach the real stream.
    """

    def __init__(self, real: Any) -> None:
        self._real = real
        self._others = {t.ident for t in threading.enumerate()}
        self.printed = Printed()

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if threading.get_ident() in self._others:
            return self._real.write(text)
        self.printed.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if threading.get_ident() in self._others:
            self._real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Capture:
    """Collects output; ``take`` starts a new collection."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def take(self) -> Printed:
        """Return what was printed since the last call."""
        printed, self._stream.printed = self._stream.printed, Printed()
        return printed


@contextlib.contextmanager
def preserved() -> Iterator[Capture]:
    """Run a check without side effects on the kernel.

    Random states, output streams, warning filters, the default dtype, thread count, open figures
    and similar settings are put back on the way out, also after an interrupt.

    Yields:
        What captures the output of code that runs in new threads meanwhile.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_random_states())
        stack.enter_context(_torch_settings())
        stack.enter_context(_interpreter_settings())
        stack.enter_context(_figures())
        stack.enter_context(_ipython())
        yield Capture(stack.enter_context(_streams()))


def seed(value: int = 0) -> None:
    """Seed every generator that is in use, without queueing a seed for a later CUDA start."""
    random.seed(value)
    np.random.seed(value)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)
    if _mps():
        torch.mps.manual_seed(value)


def _mps() -> bool:
    return torch.backends.mps.is_available()


@contextlib.contextmanager
def _random_states() -> Iterator[None]:
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if _mps() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)


@contextlib.contextmanager
def _torch_settings() -> Iterator[None]:
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    anomaly = torch.is_anomaly_enabled()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)  # the answer's thread may have set it for later threads
        if torch.is_anomaly_enabled() != anomaly:
            torch.autograd.set_detect_anomaly(anomaly)


@contextlib.contextmanager
def _interpreter_settings() -> Iterator[None]:
    limit, reader = sys.getrecursionlimit(), builtins.input
    builtins.input = _no_input
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        builtins.input = reader
        sys.setrecursionlimit(limit)


def _no_input(*_: Any) -> str:
    raise RuntimeError("input() cannot be used while an answer is checked")


@contextlib.contextmanager
def _streams() -> Iterator[_Stream]:
    real = sys.stdin, sys.stdout, sys.stderr
    stream = _Stream(real[1])
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), stream, stream  # type: ignore[assignment]
    try:
        yield stream
    finally:
        sys.stdin, sys.stdout, sys.stderr = real


@contextlib.contextmanager
def _figures() -> Iterator[None]:
    """Close the figures that an answer opens: a notebook would show each at the cell's end."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = set(pyplot.get_fignums()) if pyplot else set()
    try:
        yield
    finally:
        pyplot = sys.modules.get("matplotlib.pyplot")
        for figure in set(pyplot.get_fignums()) - before if pyplot else ():
            pyplot.close(figure)


@contextlib.contextmanager
def _ipython() -> Iterator[None]:
    """Keep ``display()`` in an answer quiet, and ``quit()`` from ending the kernel."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    if shell is None:
        yield
        return
    from IPython.core.displaypub import CapturingDisplayPublisher

    publisher, keep = shell.display_pub, getattr(shell, "keepkernel_on_exit", None)
    shell.display_pub = CapturingDisplayPublisher()
    shell.ask_exit = _no_exit
    try:
        yield
    finally:
        shell.display_pub = publisher
        del shell.ask_exit
        if hasattr(shell, "keepkernel_on_exit"):
            shell.keepkernel_on_exit = keep


def _no_exit() -> None:
    raise SystemExit
