"""Finding the learner's own line in an error or in an endless loop."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import linecache
import os
import re
import sysconfig
import types
from dataclasses import dataclass
from typing import Any

import torch

from course_utils.exercises.engine import text

_ENGINE = os.path.dirname(os.path.abspath(__file__))
_COURSE = os.path.dirname(os.path.dirname(_ENGINE))
_FOLDERS = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
_FOLDERS.append(os.path.dirname(os.path.dirname(torch.__file__)))
_LIBRARIES = tuple({os.path.normcase(folder) for folder in _FOLDERS})
_CELL = re.compile(r"ipykernel_\d+|ipython-input|<ipython|<cell|^<string>$|^<stdin>$")


@dataclass(frozen=True)
class Line:
    """A line of the learner's code.

    Attributes:
        filename: Name under which Python knows the code; never shown.
        number: Line number in it.
    """

    filename: str
    number: int

    def __str__(self) -> str:
        source = text.cut(linecache.getline(self.filename, self.number).strip(), 70)
        return f"{self.place}: {source}" if source else self.place

    @property
    def place(self) -> str:
        """Where the line is, without any directory."""
        if _CELL.search(self.filename) or not os.path.isfile(self.filename):
            return f"line {self.number} of your code"
        return f"line {self.number} of {os.path.basename(self.filename)}"


def files_of(answer: Any) -> set[str]:
    """Names of the files or cells in which an answer's own code was written."""
    if isinstance(answer, functools.partial):
        return files_of(answer.func)
    if isinstance(answer, types.MethodType):
        return files_of(answer.__func__) | files_of(answer.__self__)
    if isinstance(answer, types.FunctionType):
        return {inspect.unwrap(answer).__code__.co_filename, answer.__code__.co_filename}
    cls = answer if isinstance(answer, type) else type(answer)
    methods = [m for c in cls.__mro__ for m in vars(c).values()]
    names = {m.__code__.co_filename for m in methods if isinstance(m, types.FunctionType)}
    return {name for name in names if not _is_library(name)}


def raised_at(
    error: BaseException, own: set[str], course: frozenset[types.CodeType] = frozenset()
) -> Line | None:
    """The innermost line of the learner's own code on the way to ``error``.

    Args:
        error: What was raised.
        own: Files of the learner's answer.
        course: Code of the course's own functions, wherever it stands.
    """
    frames = []
    trace = error.__traceback__
    while trace is not None and len(frames) < 5000:
        frames.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    return _innermost([f for f in frames[::-1] if f[0] not in course], own)


def raised_in_own_code(error: BaseException, own: set[str]) -> bool:
    """Whether a ``raise`` of the learner's own made ``error``, not something that it called.

    A compiled function, such as torch's, has no frame: the learner's line is the last one then,
    too. So it counts only if the step that failed there is a ``raise``.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not _is_own(trace.tb_frame.f_code.co_filename, own):
        return False
    step = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return dis.opname[step] == "RAISE_VARARGS"


def loop_at(frames: list[tuple[Any, int]], own: set[str]) -> Line | None:
    """The head of the ``while`` loop that was running, innermost frame first."""
    line = _innermost(frames, own)
    if line is None:
        return None
    try:
        tree = ast.parse("".join(linecache.getlines(line.filename)))
    except (SyntaxError, ValueError):
        return None
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.While)]
    around = [n for n in loops if n.lineno <= line.number <= (n.end_lineno or n.lineno)]
    best = max(around, key=lambda n: n.lineno, default=None)
    return Line(line.filename, best.lineno) if best else None


def _innermost(frames: list[tuple[Any, int]], own: set[str]) -> Line | None:
    for code, number in frames:
        if _is_own(code.co_filename, own):
            return Line(code.co_filename, number)
    return None


def _is_own(filename: str, own: set[str]) -> bool:
    return filename in own or not _is_library(filename)


def _is_library(filename: str) -> bool:
    if _CELL.search(filename):
        return False
    if filename.startswith("<"):
        return filename.startswith(("<frozen", "<__array", "<eval_with", "<torch"))
    path = os.path.normcase(os.path.abspath(filename))
    inside = (_COURSE, *_LIBRARIES)
    return any(path.startswith(os.path.normcase(folder) + os.sep) for folder in inside)
