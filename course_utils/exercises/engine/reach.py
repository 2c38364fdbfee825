"""Undoing what a function does to the objects that it can reach but was not given.

A learner's function may use a global model, append to a global list or bump a counter. A check
calls it many times; afterwards all of these are as they were.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

_MISSING = object()
_MOST_OBJECTS = 2000
_MOST_ELEMENTS = 50_000_000
Undo = Callable[[], None]


@contextlib.contextmanager
def untouched(answer: Any) -> Iterator[None]:
    """Restore the objects reachable from ``answer`` on the way out."""
    snapshot = _Snapshot()
    snapshot.visit(answer)
    try:
        yield
    finally:
        snapshot.restore()


class _Snapshot:
    """Remembers reachable tensors, modules, lists, dicts and global names."""

    def __init__(self) -> None:
        self._undo: list[Undo] = []
        self._seen: dict[int, Any] = {}
        self._elements = 0

    def restore(self) -> None:
        """Put everything back; one object that refuses does not stop the others."""
        for undo in reversed(self._undo):
            with contextlib.suppress(Exception):
                undo()

    def visit(self, value: Any) -> None:
        """Remember ``value`` and what it refers to."""
        if id(value) in self._seen or len(self._seen) > _MOST_OBJECTS:
            return
        self._seen[id(value)] = value
        if isinstance(value, torch.Tensor):
            self._tensor(value)
        elif isinstance(value, nn.Module):
            self._module(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._all(value.__func__, value.__self__)
        elif isinstance(value, functools.partial):
            self._all(value.func, *value.args, *value.keywords.values())
        else:
            self._container(value)

    def _all(self, *values: Any) -> None:
        for value in values:
            self.visit(value)

    def _tensor(self, value: torch.Tensor) -> None:
        self._gradient(value)
        self._elements += value.numel()
        if self._elements > _MOST_ELEMENTS or value.is_inference():
            return
        data = value.detach().clone()

        def undo() -> None:
            if value.shape != data.shape or value.dtype != data.dtype:
                value.data = data
            elif not torch.equal(value, data):  # not by version: batch norm leaves that alone
                value.data.copy_(data)

        self._undo.append(undo)

    def _gradient(self, value: torch.Tensor) -> None:
        if not value.is_leaf:
            return
        gradient = value.grad
        data = None if gradient is None else gradient.detach().clone()
        needed = value.requires_grad

        def undo() -> None:
            value.requires_grad_(needed)
            value.grad = gradient
            if gradient is not None and data is not None and not torch.equal(gradient, data):
                gradient.data = data

        self._undo.append(undo)

    def _module(self, value: nn.Module) -> None:
        modes = [(part, part.training) for part in value.modules()]

        def undo() -> None:
            for part, mode in modes:
                part.training = mode

        self._undo.append(undo)
        self._all(*value.parameters(), *value.buffers())

    def _function(self, value: types.FunctionType) -> None:
        self._names(value.__globals__, _names(value.__code__))
        self._all(*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
        for cell in value.__closure__ or ():
            with contextlib.suppress(ValueError):  # a cell that is not filled yet
                self._cell(cell)

    def _cell(self, cell: types.CellType) -> None:
        content = cell.cell_contents

        def undo() -> None:
            cell.cell_contents = content

        self._undo.append(undo)
        self.visit(content)

    def _names(self, space: dict[str, Any], names: set[str]) -> None:
        before = {name: space.get(name, _MISSING) for name in names}

        def undo() -> None:
            for name, value in before.items():
                if value is _MISSING:
                    space.pop(name, None)
                elif space.get(name, _MISSING) is not value:
                    space[name] = value

        self._undo.append(undo)
        self._all(*(v for v in before.values() if not isinstance(v, types.ModuleType)))

    def _container(self, value: Any) -> None:
        if type(value) is list and len(value) <= _MOST_OBJECTS:
            items = list(value)
            self._undo.append(lambda: value.__setitem__(slice(None), items))
            self._all(*items)
        elif type(value) is dict and len(value) <= _MOST_OBJECTS:
            self._dict(value)
        elif type(value) is set and len(value) <= _MOST_OBJECTS:
            members = set(value)
            self._undo.append(lambda: (value.clear(), value.update(members)))

    def _dict(self, value: dict[Any, Any]) -> None:
        items = dict(value)

        def undo() -> None:
            if list(value.items()) != list(items.items()):
                value.clear()
                value.update(items)

        self._undo.append(undo)
        self._all(*items.values())


def _names(code: types.CodeType) -> set[str]:
    """Global names that a code object and the functions inside it may use."""
    inner = [_names(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inner)
