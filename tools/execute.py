"""Run lessons in fresh kernels and write their notebooks, the same bytes each time.

The source is the percent script; the notebook is written only when every cell ran, in one step,
so a failing lesson leaves the committed file as it was. Kernels use one thread and the CPU unless
``OMP_NUM_THREADS`` or ``COURSE_DEVICE`` say otherwise; ``COURSE_CELL_TIMEOUT`` (300 s) stops an
endless cell.

    python -m tools.execute              every lesson
    python -m tools.execute 01           one lesson
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools import canonical, kernels, lessons
from tools.lessons import Lesson


class LessonError(Exception):
    """A lesson did not run to its end; the message is a report for people."""


def run(notebook: NotebookNode, folder: Path, label: str) -> NotebookNode:
    """Run every cell of `notebook` in a fresh kernel and store the outputs in it.

    Args:
        notebook: The notebook; changed in place.
        folder: The working directory of the kernel.
        label: The name of the lesson in a report.

    Raises:
        LessonError: If a cell raises (without the tag ``raises-exception``), runs too long, or
            takes its kernel down.
    """
    started: list[NotebookNode] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        client = NotebookClient(
            notebook,
            km=kernels.kernel_manager(Path(scratch)),
            timeout=kernels.cell_timeout(),
            extra_arguments=kernels.QUIET,
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
            on_cell_start=lambda cell, cell_index: started.append(cell),
        )
        try:
            environment = kernels.kernel_environment(Path(scratch))
            return client.execute(env=environment, cleanup_kc=True)
        except (CellExecutionError, CellTimeoutError, RuntimeError) as error:  # or a dead kernel
            raise LessonError(_failure(notebook, started, label, error)) from error


def _failure(
    notebook: NotebookNode, started: list[NotebookNode], label: str, error: Exception
) -> str:
    running = [cell for cell in started if cell.cell_type == "code" and cell.source.strip()]
    if not running:
        return f"✗ {label}: the kernel did not start. {error}"
    heading = lessons.heading_above(notebook, running[-1]) or "the top of the lesson"
    return "\n".join(
        [
            f'✗ {label}, cell In [{len(running)}], under "{heading}":',
            lessons.shorten(running[-1].source),
            f"  {_reason(error)}",
        ]
    )


def _reason(error: Exception) -> str:
    if isinstance(error, CellTimeoutError):
        return f"The cell ran longer than {kernels.cell_timeout():g} s and was stopped."
    if isinstance(error, DeadKernelError):
        return "The kernel died while this cell ran (crash, out of memory, or os._exit)."
    return canonical.plain(f"{error.ename}: {error.evalue}")


def execute(lesson: Lesson) -> bool:
    """Run a lesson from its source and write its notebook; return whether the file changed.

    Raises:
        LessonError: If the lesson does not run to its end; the file is then left as it was.
    """
    notebook = run(lessons.read_source(lesson), lesson.source.parent, lesson.label)
    return lessons.write_atomically(lesson.notebook, canonical.render(notebook))


@dataclass
class Outcome:
    """How one lesson went."""

    ok: bool
    text: str


def _attempt(lesson: Lesson) -> Outcome:
    start = time.perf_counter()
    try:
        changed = execute(lesson)
    except LessonError as failure:
        return Outcome(False, f"{failure}\n  {lesson.label} was left as it was.")
    seconds = time.perf_counter() - start
    return Outcome(True, f"{lesson.label}: {'updated' if changed else 'same'}, {seconds:.1f} s")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.execute",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lessons", nargs="*", help="01, 01_perceptron or a path; default: all")
    parser.add_argument("--jobs", type=int, default=2, help="lessons at a time (default 2)")
    options = parser.parse_args(arguments)
    failed = False
    with ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        for outcome in pool.map(_attempt, lessons.find(options.lessons)):
            (lessons.say if outcome.ok else lessons.complain)(outcome.text)
            failed |= not outcome.ok
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
