"""Who may compute now: a cell of the notebook goes first, a live tool works between cells.

Newer front ends let a tool's messages run in a thread of their own, beside a cell that runs at the
same time. Both may use the same model and the same random stream, so a tool rests while a cell
runs; a cell that starts waits for the tool's present slice of work, some tens of milliseconds.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Gate", "gate"]

LONGEST_WAIT = 2.0  # seconds a cell waits for a slice of work, which should take 0.03
INSTALL_AFTER = 0.3  # seconds until the cell that shows a tool should be over


class Gate:
    """Lets one tool at a time work, and none while a cell runs.

    Listeners are told when the kernel is interrupted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cell_runs = False
        self._listeners: weakref.WeakSet[Any] = weakref.WeakSet()
        self._shell: Any = None

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Yield whether the tool may work now; if so, hold off everyone else meanwhile."""
        may = self._lock.acquire(timeout=LONGEST_WAIT)
        if may and self._cell_runs:  # perhaps it has started while this tool waited
            self._lock.release()
            may = False
        try:
            yield may
        finally:
            if may:
                self._lock.release()

    def listen(self, listener: Any) -> None:
        """Call ``listener.interrupted()`` at an interrupt, as long as the listener lives."""
        self._listeners.add(listener)
        self._connect()

    def interrupted(self, *_: Any) -> None:
        """Tell all listeners that the reader has interrupted the kernel."""
        for listener in list(self._listeners):
            listener.interrupted()

    # --- the notebook ----------------------------------------------------------------------------

    def _connect(self) -> None:
        """Follow the cells of this kernel, once."""
        get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
        shell = get_ipython() if get_ipython else None
        if shell is None or shell is self._shell:
            return
        self._shell = shell
        # Not pre_execute and post_execute: a widget's own messages set them off, too.
        shell.events.register("pre_run_cell", self.cell_starts)
        shell.events.register("post_run_cell", self.cell_ends)
        kernel = getattr(shell, "kernel", None)
        if kernel is not None:
            _between_cells(kernel, self._catch_interrupts)

    def cell_starts(self, _info: Any = None) -> None:
        """A cell is about to run: let the present slice of work end, and allow no other."""
        self._cell_runs = True
        if self._lock.acquire(timeout=LONGEST_WAIT):
            self._lock.release()

    def cell_ends(self, result: Any = None) -> None:
        """The cell is over; if it was interrupted, so are the tools."""
        self._cell_runs = False
        if isinstance(getattr(result, "error_in_exec", None), KeyboardInterrupt):
            self.interrupted()

    def _catch_interrupts(self) -> bool:
        """Hear of interrupts between cells, which a kernel ignores; False if it is too early."""
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            return False
        signal.signal(signal.SIGINT, self.interrupted)
        return True


def _between_cells(kernel: Any, action: Callable[[], bool], tries: int = 40) -> None:
    """Run `action` in the kernel's main thread as soon as it returns True."""
    loop = getattr(kernel, "io_loop", None)
    if loop is None:
        return

    def attempt(left: int) -> None:
        with contextlib.suppress(ValueError, OSError):  # not the main thread: cannot be had
            if not action() and left:
                loop.call_later(INSTALL_AFTER, attempt, left - 1)

    loop.add_callback(lambda: loop.call_later(INSTALL_AFTER, attempt, tries))


gate = Gate()
"""The one gate of this kernel."""
