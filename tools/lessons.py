"""Find lessons, read their source, and look inside their cells."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"
PERCENT = {"extension": ".py", "format_name": "percent"}

_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")


@dataclass(frozen=True, order=True)
class Lesson:
    """A lesson: the percent script that people edit and the notebook that is made from it."""

    source: Path

    @property
    def notebook(self) -> Path:
        """The executed twin of the source."""
        return self.source.with_suffix(".ipynb")

    @property
    def name(self) -> str:
        """The name without folder and suffix, such as ``01_perceptron``."""
        return self.source.stem

    @property
    def label(self) -> str:
        """The notebook's path as people type it, from the root of the repository."""
        return display_path(self.notebook)


def display_path(path: Path) -> str:
    """Return `path` relative to the repository (or the working directory) where that is shorter."""
    for base in (Path.cwd(), ROOT):
        if path.resolve().is_relative_to(base):
            return path.resolve().relative_to(base).as_posix()
    return str(path)


def all_lessons(folder: Path = NOTEBOOKS) -> list[Lesson]:
    """Return every lesson ``NN_name.py`` of `folder`, in order."""
    return [Lesson(path) for path in sorted(folder.glob("[0-9][0-9]_*.py"))]


def find(selection: Iterable[str] = ()) -> list[Lesson]:
    """Return the lessons that `selection` names, or all of them.

    Args:
        selection: Numbers (``01``), names (``01_perceptron``) or paths to either file of a pair.

    Raises:
        SystemExit: If a name matches no lesson.
    """
    chosen = [lesson for name in selection for lesson in _matches(name)]
    return list(dict.fromkeys(chosen)) if selection else all_lessons()


def _matches(name: str) -> list[Lesson]:
    path = Path(name)
    if path.suffix in (".py", ".ipynb"):
        lessons = [Lesson(path.with_suffix(".py"))] if path.exists() else []
    else:
        lessons = [lesson for lesson in all_lessons() if lesson.name.startswith(name)]
    if not lessons:
        known = ", ".join(lesson.name for lesson in all_lessons()) or "none yet"
        raise SystemExit(f"No lesson matches {name!r}. The lessons are: {known}.")
    return lessons


def read_source(lesson: Lesson) -> NotebookNode:
    """Read a lesson's percent script as a notebook without outputs."""
    return jupytext.reads(lesson.source.read_text(encoding="utf-8"), fmt=PERCENT)


def read_notebook(lesson: Lesson) -> NotebookNode:
    """Read a lesson's executed notebook."""
    return nbformat.read(lesson.notebook, as_version=4)


def write_atomically(path: Path, text: str) -> bool:
    """Write `text` to `path` in one step; a reader sees the old file or the new one, never half.

    Returns:
        Whether the file changed. A file that already holds `text` is left alone.
    """
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(path.stat().st_mode if path.exists() else 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


def tags(cell: NotebookNode) -> list[str]:
    """Return a cell's tags."""
    return list(cell.metadata.get("tags", []))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells that hold code, in order; the n-th one runs as ``In [n]``."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def headings(markdown: str) -> list[tuple[int, str]]:
    """Return the (level, text) of each heading of a markdown cell, outside code fences."""
    found, fenced = [], False
    for line in markdown.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (match := _HEADING.match(line)):
            found.append((len(match[1]), match[2]))
    return found


def heading_above(notebook: NotebookNode, cell: NotebookNode) -> str:
    """Return the last heading before `cell`, or an empty string."""
    latest = ""
    for other in notebook.cells:
        if other is cell:
            break
        if other.cell_type == "markdown":
            latest = ([latest] + [text for _, text in headings(other.source)])[-1]
    return latest


def shorten(source: str, limit: int = 14) -> str:
    """Return `source` cut to its first `limit` lines, each behind a bar."""
    lines = source.strip().splitlines()
    if len(lines) > limit:
        lines = [*lines[:limit], f"… {len(lines) - limit} more lines"]
    return "\n".join(f"    | {line}" for line in lines)


def say(text: str) -> None:
    """Print at once, so that the tool's progress can be followed."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print to the error stream."""
    print(text, file=sys.stderr, flush=True)
