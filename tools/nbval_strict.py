"""A pytest plugin that makes nbval strict about pictures, quick about dead kernels, and readable.

    python -m pytest -p tools.nbval_strict --nbval notebooks -n 2 --dist loadfile

(``python -m tools.nbval`` builds this command.) On top of nbval:

- outputs are compared by ``tools.compare``: every text strictly but for numbers behind ``≈``,
  pictures by their pixels;
- a cell that was never run, or run out of order, or that should raise and does not, is red;
- a dead kernel is noticed within a second; a cell may run 300 s (``COURSE_CELL_TIMEOUT``);
- kernels run as in ``tools.execute``: this Python, one thread, the CPU, no settings of the user;
- the first red cell of a lesson skips its rest, which could only repeat the failure;
- the run ends with a report of what changed, and the seconds of each lesson.
"""

from __future__ import annotations

import functools
import math
import os
import re
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from queue import Empty
from unittest import mock

import pytest
from jupyter_client.manager import KernelManager
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from tools import canonical, compare, kernels, lessons, report
from tools.report import Failure, Timing

OUTPUT_TIMEOUT = 60.0  # seconds to wait for a message of a cell that has ended; nbval waits 5
STARTUP_TIMEOUT = 120.0
_NBVAL_CELL_TIMEOUT = 2000  # nbval's own default
_PROPERTY = "lesson_cell"
_HEAD = re.compile(r"-+$|\w+ +Traceback \(most recent call last\)")
_DIED = "The kernel died while this cell ran (crash, out of memory, or os._exit)."


def pytest_configure(config: pytest.Config) -> None:
    """Patch nbval and register the report, if notebooks are to be validated."""
    if not config.option.nbval:
        return
    config.option.nbval_current_env = True
    config.option.nbval_kernel_startup_timeout = STARTUP_TIMEOUT
    if config.option.nbval_cell_timeout == _NBVAL_CELL_TIMEOUT:
        config.option.nbval_cell_timeout = kernels.cell_timeout()
    _patch_nbval()
    config.pluginmanager.register(CellReports(), "lesson-cells")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(LessonReport(), "lesson-report")


def _patch_nbval() -> None:
    RunningKernel.await_reply = await_reply
    RunningKernel.execute_cell_input = execute_cell_input
    IPyNbFile.setup = _in_clean_environment(IPyNbFile.setup)
    IPyNbCell.compare_outputs = compare_outputs
    IPyNbCell.repr_failure = short_failure


def await_reply(self: RunningKernel, msg_id: str, timeout: float | None = None) -> None:
    """Wait for the end of a request, and look every second whether the kernel still lives.

    Raises:
        Empty: If the time is over.
        RuntimeError: If the kernel died or refused the request.
    """
    end = time.monotonic() + (math.inf if timeout is None else timeout)
    while True:
        try:
            wait = min(1.0, max(0.01, end - time.monotonic()))
            message = self.get_message(stream="shell", timeout=wait)
        except Empty:
            if not self.is_alive():
                raise RuntimeError(_DIED) from None
            if time.monotonic() >= end:
                raise
            continue
        if message["parent_header"].get("msg_id") == msg_id:
            if message["content"]["status"] == "aborted":
                raise RuntimeError("The kernel refused to run the cell.")
            return


def execute_cell_input(
    self: RunningKernel, cell_input: str, allow_stdin: bool | None = None
) -> str:
    """Run a cell with history, as JupyterLab does; without it a final ``;`` would hide nothing."""
    return self.kc.execute(
        cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


def _in_clean_environment(start_kernel):
    """Wrap the start of a lesson's kernel: no settings of the user, no port to fight for."""

    def setup(self: IPyNbFile) -> None:
        self.scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        scratch = Path(self.scratch.name)
        environment = mock.patch.dict(os.environ, kernels.kernel_environment(scratch), clear=True)
        manager = functools.partial(KernelManager, **kernels.connection(scratch))
        with environment, mock.patch("nbval.kernel.KernelManager", manager):
            start_kernel(self)

    return setup


def compare_outputs(self: IPyNbCell, test: list, ref: list, skip_compare=None) -> bool:
    """Compare a cell's outputs strictly; keep what differs for the report."""
    committed, now = canonical.canonical_outputs(ref), canonical.canonical_outputs(test)
    self.differences = compare.differences(committed, now)
    self.comparison_traceback = []
    return not self.differences


def short_failure(self: IPyNbCell, excinfo: pytest.ExceptionInfo) -> str:
    """Return one line; the report at the end says the rest."""
    return f"{canonical.plain(str(excinfo.value)).splitlines()[0]} (see the report below)"


class CellReports:
    """Runs beside the cells, in each worker: orders them and describes their failures."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drop cells without code, number the others as JupyterLab does, extend nbval's wait."""
        count: dict[IPyNbFile, int] = defaultdict(int)
        for item in [item for item in items if isinstance(item, IPyNbCell)]:
            if not item.cell.source.strip():
                items.remove(item)
                continue
            count[item.parent] += 1
            item.number = count[item.parent]
            item.output_timeout = OUTPUT_TIMEOUT
            item.differences = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip the cells after the first red one of a lesson."""
        if isinstance(item, IPyNbCell) and getattr(item.parent, "red_cell", None):
            pytest.skip(f"cell In [{item.parent.red_cell}] of this lesson is red")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item):
        """Refuse a cell whose stored output cannot be trusted, before and after it runs."""
        if not isinstance(item, IPyNbCell):
            return (yield)
        stored = item.cell.get("execution_count")
        result = yield
        if stored != item.number:
            was = "never run" if stored is None else f"run as In [{stored}]"
            item.raise_cell_error(f"The notebook stores a cell that was {was}: `make execute` it.")
        if item.options["check_exception"] and not _raised(item):
            item.raise_cell_error("The cell is tagged raises-exception, but it raised nothing.")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo):
        """Attach the cell, and its failure, to pytest's report as plain data."""
        result = yield
        if isinstance(item, IPyNbCell):
            data: dict = {"lesson": lessons.display_path(item.path), "cell": item.number}
            if result.failed:
                item.parent.red_cell = getattr(item.parent, "red_cell", None) or item.number
                data["failure"] = _failure(item, call.excinfo.value).to_dict()
            result.user_properties = [*result.user_properties, (_PROPERTY, data)]
        return result


def _raised(item: IPyNbCell) -> bool:
    return any(output.output_type == "error" for output in item.test_outputs or [])


def _failure(item: IPyNbCell, error: BaseException) -> Failure:
    stem = f"{item.path.stem}-in{item.number:02d}"
    problems = [
        report.describe(difference, f"{stem}-{index}")
        for index, difference in enumerate(item.differences, start=1)
    ]
    return Failure(
        lesson=lessons.display_path(item.path),
        cell=item.number,
        heading=lessons.heading_above(item.parent.nb, item.cell),
        source=item.cell.source,
        problems=problems or [_reason(error)],
    )


def _reason(error: BaseException) -> str:
    message = canonical.plain(str(error)) or type(error).__name__
    inner = getattr(error, "inner_traceback", None) if isinstance(error, NbCellError) else None
    if not inner:
        return message
    lines = [x for x in canonical.plain(inner).splitlines() if x.strip() and not _HEAD.match(x)]
    return "\n".join([f"{message}:", *(f"  {line}" for line in lines[-12:])])


class LessonReport:
    """Collects the cells of all workers and writes the report at the end of the run."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.timings: dict[str, Timing] = defaultdict(Timing)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of one cell."""
        data = dict(report.user_properties).get(_PROPERTY)
        if data is None:
            return
        timing = self.timings[data["lesson"]]
        timing.add(data["cell"], report.duration, report.when)
        if "failure" in data:
            timing.failed = True
            self.failures.append(Failure(**data["failure"]))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the red cells and the table of seconds."""
        write = terminalreporter.write_line
        if self.failures:
            terminalreporter.write_sep("=", "lessons that do not reproduce", red=True, bold=True)
        for failure in sorted(self.failures, key=lambda failure: failure.lesson):
            write(f"\n{failure.text()}")
        if self.failures:
            write("\nIf the change is wanted, run `make execute` for the lesson and read its diff.")
        if self.timings:
            terminalreporter.write_sep("=", "lessons")
            write(report.timings_table(self.timings))
