"""Re-run lessons and compare every output with the committed one.

Runs two lessons at a time, one thread each, under pytest with nbval and ``tools.nbval_strict``.
Ends with a report of each cell that changed; pictures that changed are saved in
``test-results/nbval`` (``COURSE_RESULTS``).

    python -m tools.nbval                every lesson
    python -m tools.nbval 01             one lesson
    python -m tools.nbval 01 -- -x       further arguments for pytest

Environment: ``OMP_NUM_THREADS`` (1), ``COURSE_DEVICE`` (cpu), ``COURSE_CELL_TIMEOUT`` (300 s),
``COURSE_PNG_RMS`` (3; 20 with ``COURSE_DEVICE=cuda``).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tools import lessons
from tools.lessons import Lesson


def command(chosen: list[Lesson], workers: int, extra: list[str]) -> list[str]:
    """Return the pytest command that validates the notebooks of `chosen`."""
    parallel = ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
    notebooks = [str(lesson.notebook.resolve()) for lesson in chosen]
    return [
        *(sys.executable, "-m", "pytest", "-p", "tools.nbval_strict", "--nbval"),
        *("-p", "no:cacheprovider", "-q", "-rE", "--tb=no", "--no-header"),
        *parallel,
        *notebooks,
        *extra,
    ]


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Separate the tool's own arguments from those behind ``--``, which are for pytest."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _workers() -> int:
    """Return how many lessons to run at a time: at most 2, and no more threads than cores.

    Two kernels of two threads each on two cores run up to ten times slower than in turn.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    share = (os.cpu_count() or 1) // (int(threads) if threads.isdigit() and threads != "0" else 1)
    return max(1, min(2, share))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    given = sys.argv[1:] if arguments is None else arguments
    own, extra = _split(given)
    parser = argparse.ArgumentParser(
        prog="python -m tools.nbval",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lessons", nargs="*", help="01, 01_perceptron or a path; default: all")
    parser.add_argument(
        "--workers", type=int, default=0, help="default: 2, or fewer if that is all"
    )
    options = parser.parse_args(own)
    chosen = lessons.find(options.lessons)
    missing = [lesson.label for lesson in chosen if not lesson.notebook.exists()]
    if missing or not chosen:
        lessons.complain(f"Nothing to validate: {', '.join(missing) or 'no lessons'} missing.")
        return 1
    workers = options.workers or _workers()
    run = subprocess.run(command(chosen, min(workers, len(chosen)), extra), cwd=lessons.ROOT)
    return run.returncode


if __name__ == "__main__":
    raise SystemExit(main())
