"""The report of a strict run: what changed, where, from what to what, and how long it took."""

from __future__ import annotations

import base64
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools import compare, lessons
from tools.compare import Difference

WIDTH = 88
_NAMES = {
    "stdout": "printed text",
    "stderr": "text on stderr (a warning?)",
    "text/plain": "shown value",
    "text/html": "HTML",
    "image/png": "picture",
    "image/jpeg": "picture",
}


@dataclass
class Failure:
    """One cell that did not reproduce, as plain data that can travel between processes.

    Attributes:
        lesson: Path of the notebook.
        cell: Number of the cell as JupyterLab shows it, ``In [cell]``.
        heading: The heading above the cell.
        source: Its code.
        problems: Sentences and diffs, ready to print.
    """

    lesson: str
    cell: int
    heading: str
    source: str
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Return the fields as plain data."""
        return asdict(self)

    def text(self) -> str:
        """Return the paragraph of the report about this cell."""
        where = f'under "{self.heading}"' if self.heading else "at the top"
        lines = [f"✗ {self.lesson}, cell In [{self.cell}], {where}:", ""]
        lines += [lessons.shorten(self.source), ""]
        lines += [_indented(problem) for problem in self.problems]
        return "\n".join(lines)


@dataclass
class Timing:
    """Seconds and results of one lesson."""

    seconds: float = 0.0
    cells: int = 0
    slowest: float = 0.0
    slowest_cell: int = 0
    failed: bool = False

    def add(self, cell: int, seconds: float, phase: str) -> None:
        """Count one phase (setup, call or teardown) of one cell."""
        self.seconds += seconds
        self.cells += phase == "call"
        if phase == "call" and seconds > self.slowest:
            self.slowest, self.slowest_cell = seconds, cell


def results_folder() -> Path:
    """Return where pictures that changed are saved (``COURSE_RESULTS``)."""
    return Path(os.environ.get("COURSE_RESULTS", lessons.ROOT / "test-results" / "nbval"))


def describe(difference: Difference, stem: str) -> str:
    """Return one difference as text; pictures are saved as ``stem-….png`` and named.

    Args:
        difference: The difference.
        stem: The beginning of the pictures' file names, such as ``01_perceptron-in07-1``.
    """
    name = _NAMES.get(difference.kind, difference.kind)
    if difference.is_picture:
        saved = _save_pictures(difference, stem)
        return "\n".join([f"{name} {difference.problem}", *saved])
    diff = compare.text_difference(difference.committed or "", difference.now or "")
    return f"{name} {difference.problem} (- committed, + now):\n{_indented(diff)}"


def _save_pictures(difference: Difference, stem: str) -> list[str]:
    folder = results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    suffix = difference.kind.rpartition("/")[2]
    rows = []
    for when, encoded in (("committed", difference.committed), ("now", difference.now)):
        if encoded is not None:
            path = folder / f"{stem}-{when}.{suffix}"
            path.write_bytes(base64.b64decode(encoded))
            rows.append(f"  {when + ':':<10} {lessons.display_path(path)}")
    return rows


def timings_table(timings: dict[str, Timing]) -> str:
    """Return the table of seconds for each lesson."""
    width = max(len(label) for label in timings)
    rows = [f"{'lesson':<{width}}  seconds  cells  slowest cell    result"]
    for label, timing in sorted(timings.items()):
        slowest = f"{timing.slowest:.1f} s, In [{timing.slowest_cell}]"
        result = "red" if timing.failed else "green"
        rows.append(
            f"{label:<{width}}  {timing.seconds:7.1f}  {timing.cells:5d}  {slowest:<15} {result}"
        )
    return "\n".join(rows)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
