"""Telling an untouched stub from an answer."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
import types
from typing import Any

from torch import nn

_NOISE = {
    "RESUME",
    "NOP",
    "COPY_FREE_VARS",
    "MAKE_CELL",
    "PRECALL",
    "CACHE",
    "PUSH_NULL",
    "KW_NAMES",
}
_NOISE |= {"NOT_TAKEN", "EXTENDED_ARG"}


def untouched(answer: Any) -> bool:
    """Whether an answer is still the placeholder of the notebook.

    True for ``...`` (also inside a tuple, list or dict), for a function whose body is only a
    docstring, ``...``, ``pass`` or ``return ...``, and for a class, or an object of a class, with
    such a method. (``raise NotImplementedError`` is noticed when it runs.)
    """
    if isinstance(answer, (tuple, list)):
        return any(item is ... for item in answer)
    if isinstance(answer, dict):
        return any(item is ... for item in answer.values())
    if answer is ... or isinstance(answer, types.FunctionType):
        return answer is ... or is_stub(answer)
    if isinstance(answer, functools.partial):
        return untouched(answer.func)
    if isinstance(answer, types.MethodType):
        return is_stub(answer.__func__)
    cls = answer if isinstance(answer, type) else type(answer)
    return _has_stub(cls)


def _has_stub(cls: type) -> bool:
    """Whether a class of the learner's own has an unfilled method.

    A method that is only ``pass`` may be meant (``def reset(self): pass``), so it counts only when
    no method of the class does anything.
    """
    if cls.__module__.split(".")[0] in ("builtins", "torch", "numpy", "functools"):
        return False
    methods = {n: f for n, f in vars(cls).items() if isinstance(f, types.FunctionType)}
    start = methods.pop("__init__", None)
    if not methods:
        return start is not None and is_stub(start) and not _inherits_behavior(cls)
    stubs = [f for f in methods.values() if is_stub(f)]
    return len(stubs) == len(methods) or any(not _is_deliberate(f) for f in stubs)


def _is_deliberate(stub: types.FunctionType) -> bool:
    """Whether a body that does nothing says so with ``pass`` or ``return``."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(stub)))
    except (OSError, TypeError, SyntaxError):
        return True
    return any(isinstance(node, ast.Pass) or _is_bare_return(node) for node in ast.walk(tree))


def _is_bare_return(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) and getattr(node.value, "value", None) is None


def _inherits_behavior(cls: type) -> bool:
    return any(base not in (object, nn.Module) for base in cls.__bases__)


def is_stub(function: types.FunctionType) -> bool:
    """Whether a function's body does nothing at all."""
    steps = [i for i in dis.get_instructions(inspect.unwrap(function)) if i.opname not in _NOISE]
    if len(steps) not in (1, 2) or not steps[-1].opname.startswith("RETURN"):
        return False
    loaded = steps[0]
    constant = loaded.opname in ("LOAD_CONST", "RETURN_CONST", "LOAD_COMMON_CONSTANT")
    return constant and (loaded.argval is None or loaded.argval is ...)


def names_placeholder(error: BaseException) -> bool:
    """Whether an error comes from computing with a ``...`` that was left in."""
    return isinstance(error, (TypeError, AttributeError)) and "ellipsis" in str(error).lower()
