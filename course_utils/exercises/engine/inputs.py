"""Probes and their inputs: fresh for every call, compared afterwards."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Probe:
    """One input on which answers are compared.

    Attributes:
        name: What the input is, in a few words ("an empty batch").
        factory: Returns the arguments: a tuple, or ``(args, kwargs)`` with a tuple and a dict.
        raises: Exception type that a right answer raises on this input, if it must raise.
    """

    name: str
    factory: Callable[[], Any]
    raises: type[BaseException] | None = None

    def arguments(self) -> Arguments:
        """Make fresh arguments that share no memory with any earlier ones."""
        made = self.factory()
        args, kwargs = _split(made)
        memo: dict[int, Any] = {}
        return clone(args, memo), clone(kwargs, memo)


def _split(made: Any) -> Arguments:
    if not isinstance(made, tuple):
        return (made,), {}
    if len(made) == 2 and isinstance(made[0], tuple) and isinstance(made[1], dict):
        return made
    return made, {}


def tellingness(names: dict[str, Any]) -> tuple[bool, int]:
    """Sort key that puts the most telling input first: the smallest that is not empty."""
    values = [v for v in names.values() if isinstance(v, (torch.Tensor, np.ndarray))]
    return any(size(v) == 0 for v in values), size(names)


def size(value: Any) -> int:
    """Number of elements in a value and everything inside it."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return int(np.prod(value.shape, dtype=np.int64))
    if isinstance(value, nn.Module):
        return sum(p.numel() for p in value.parameters())
    if isinstance(value, Mapping):
        return sum(size(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return sum(size(item) for item in value)
    return 1


def clone(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """Copy a value deeply; tensors keep ``requires_grad`` but lose their history.

    An object that cannot be copied is returned as it is.
    """
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    made = _clone(value, memo)
    memo[id(value)] = made
    return made


def _clone(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, nn.Parameter):
        return nn.Parameter(value.detach().clone(), requires_grad=value.requires_grad)
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if type(value) in (list, tuple):
        return type(value)(clone(item, memo) for item in value)
    if type(value) is dict:
        return {key: clone(item, memo) for key, item in value.items()}
    if isinstance(value, torch.Generator):
        return value.clone_state() if hasattr(value, "clone_state") else value
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def named(call: Callable[..., Any] | None, skip: int, arguments: Arguments) -> dict[str, Any]:
    """Pair arguments with the parameter names of ``call``, leaving out its first ``skip``."""
    args, kwargs = arguments
    try:
        signature = inspect.signature(call)  # type: ignore[arg-type]
        parameters = list(signature.parameters.values())[skip:]
        bound = signature.replace(parameters=parameters).bind(*args, **kwargs)
    except (TypeError, ValueError):
        names = [f"input {k + 1}" for k in range(len(args))]
        return dict(zip(names, args, strict=True)) | dict(kwargs)
    return dict(bound.arguments)


def damaged(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Names of the inputs that are no longer what they were."""
    return tuple(name for name in before if not same(before[name], after[name]))


def same(a: Any, b: Any) -> bool:
    """Whether two inputs hold the same values; NaN equals NaN, unknown objects always do."""
    if isinstance(a, torch.Tensor):
        return _same_tensor(a, b)
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and _same_array(a, b)
    if isinstance(a, nn.Module):
        return a.training == b.training and same(dict(a.state_dict()), dict(b.state_dict()))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, (int, float, complex, str, set, frozenset, bytearray)):
        return type(a) is type(b) and (a == b or a != a)
    return True


def _same_tensor(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    with torch.no_grad():
        return bool(((a == b) | ((a != a) & (b != b))).all())


def _same_array(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.all((a == b) | ((a != a) & (b != b))))
