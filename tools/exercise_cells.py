"""Read the exercises of a lesson from its code: which module, which cells, which names."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from tools import lessons

ALIAS = "exercises"
TAG = "exercise"


@dataclass(frozen=True)
class Check:
    """The last line of an exercise cell, ``exercises.NAME.check(ANSWER)``."""

    name: str
    answer: str
    line: str


def exercise_cells(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Yield the code cells tagged ``exercise``."""
    yield from (cell for cell in lessons.code_cells(notebook) if TAG in lessons.tags(cell))


def module_name(notebook: NotebookNode) -> str | None:
    """Return the module that the lesson imports ``as exercises``, or None."""
    for cell in lessons.code_cells(notebook):
        for node in ast.walk(_parse(cell.source)):
            if isinstance(node, ast.ImportFrom | ast.Import):
                for alias in node.names:
                    if (alias.asname or alias.name) == ALIAS:
                        parent = getattr(node, "module", None)
                        return f"{parent}.{alias.name}" if parent else alias.name
    return None


def final_check(source: str) -> Check | None:
    """Return the check that ends a cell, or None if the cell does not end with one."""
    body = _parse(source).body
    if not body or not isinstance(body[-1], ast.Expr):
        return None
    call = body[-1].value
    if not (isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords):
        return None
    name = _method_target(call, "check")
    if name is None or not isinstance(call.args[0], ast.Name):
        return None
    line = ast.get_source_segment(source, body[-1]) or ast.unparse(body[-1])
    return Check(name, call.args[0].id, line)


def calls(source: str, method: str) -> list[str]:
    """Return NAME of every ``exercises.NAME.method(…)`` in a cell."""
    found = (node for node in ast.walk(_parse(source)) if isinstance(node, ast.Call))
    return [name for node in found if (name := _method_target(node, method))]


def catalogue(module: str) -> dict[str, Any]:
    """Return the exercises of a module by name: the objects that can be checked and answered."""
    members = vars(importlib.import_module(module)).items()
    wanted = ("check", "answer_source")
    return {
        name: value
        for name, value in members
        if not isinstance(value, type) and all(callable(getattr(value, m, None)) for m in wanted)
    }


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _method_target(call: ast.Call, method: str) -> str | None:
    """Return NAME if `call` is ``exercises.NAME.method(…)``."""
    match call.func:
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id=alias), attr=name), attr=attr):
            return name if (alias, attr) == (ALIAS, method) else None
    return None
