"""A progress bar for loops that may take long: late, only for a reader, and gone afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from course_utils.environment import watched

__all__ = ["bar"]

DELAY = 1.0  # seconds; shorter work shows no bar


def bar(
    items: Iterable, *, title: str, total: int | None = None, done: int = 0, wanted: bool = True
) -> tqdm:
    """Iterate over items behind a bar that shows up after a second, if somebody is watching.

    Where a program runs the code (tests, executed notebooks) there is no bar. In a notebook it is
    a line of text in an output of its own, which is emptied at the end: what the cell has printed
    stays, and no remains of the bar are saved with the notebook.

    Args:
        items: what to iterate over.
        title: what takes so long, in a word or two.
        total: how many items there are in all, with those that were done before.
        done: how many were done before.
        wanted: False for no bar at all.

    Returns:
        A tqdm object: iterate over it, or use it as a context manager that closes it in any case.
    """
    options: dict[str, Any] = {"desc": title, "total": total, "initial": done}
    if not wanted or not watched():
        return tqdm(items, disable=True, **options)
    kind = _NotebookBar if _in_notebook() else tqdm
    return kind(items, leave=False, delay=DELAY, **options)


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


class _NotebookBar(tqdm):
    """A bar in an output of its own.

    tqdm's notebook bar is a widget, whose text stays in the saved notebook when it has closed.
    """

    _handle: Any = None

    def __init__(self, *args: Any, **options: Any) -> None:
        # tqdm moves the cursor of a terminal by control characters; here they go nowhere.
        super().__init__(*args, file=io.StringIO(), ascii=False, ncols=80, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Show a line of text; the empty text takes the bar away."""
        from IPython.display import DisplayHandle

        if self._handle is None and self._time() < self.start_t + self.delay:
            return False  # not yet
        text = str(self) if msg is None else msg
        data = {"text/plain": text} if text else {}
        if self._handle is None:
            if text:
                self._handle = DisplayHandle()
                self._handle.display(data, raw=True)
        else:
            self._handle.update(data, raw=True)
        return True

    def close(self) -> None:
        """Empty the output."""
        super().close()
        if self._handle is not None:
            self._handle.update({}, raw=True)
