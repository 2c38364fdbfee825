"""Comparing what an answer did with what it should have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from course_utils.exercises.engine import text

Kind = Literal["type", "shape", "dtype", "value"]
ORDER: tuple[Kind, ...] = ("type", "shape", "dtype", "value")
_DEPTH = 20


@dataclass(frozen=True)
class Tolerance:
    """How close is equal.

    Attributes:
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        dtype: Whether dtypes must agree.
    """

    rtol: float = 1e-5
    atol: float = 1e-6
    dtype: bool = True


@dataclass(frozen=True)
class Difference:
    """The most basic way in which two values differ.

    Attributes:
        kind: Stage of the comparison that failed.
        got: The learner's side, in words.
        expected: The right side, in words.
        where: Part of the result ("" for the whole).
    """

    kind: Kind
    got: str
    expected: str
    where: str = ""


class Opaque:
    """A result of a type that cannot be compared by value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def equals(self, other: Any) -> bool:
        """Compare with the objects' own ``==``; an error there means different."""
        try:
            return isinstance(other, Opaque) and bool(self.value == other.value)
        except BaseException:
            return False


def canonical(value: Any, depth: int = 0) -> Any:
    """Copy a result into plain, detached values that later code cannot change."""
    if depth > _DEPTH:
        return Opaque(value)
    if isinstance(value, torch.Tensor):
        dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
        return dense.clone().as_subclass(torch.Tensor)
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or value is ... or isinstance(value, (bool, int, float, complex, str, bytes)):
        return value
    if isinstance(value, Mapping):
        return {key: canonical(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = (canonical(item, depth + 1) for item in value)
        return list(items) if isinstance(value, list) else tuple(items)
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    return Opaque(value)


def holds_placeholder(value: Any, depth: int = 0) -> bool:
    """Whether a result is, or contains, the ``...`` of a stub."""
    if value is ... or depth > _DEPTH:
        return value is ...
    items = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, (Mapping, list, tuple)):
        return any(holds_placeholder(item, depth + 1) for item in items)
    return False


def difference(got: Any, expected: Any, tolerance: Tolerance, where: str = "") -> Difference | None:
    """Compare canonical values; ``None`` when they agree.

    A right answer in another dress is right: a Python number for a tensor without dimensions
    and the reverse, a list for a tuple, an int for a float.
    """
    if isinstance(expected, torch.Tensor):
        return _tensor(got, expected, tolerance, where)
    if isinstance(expected, np.ndarray):
        return _array(got, expected, tolerance, where)
    if isinstance(expected, (bool, int, float, complex)):
        return _number(got, expected, tolerance, where)
    if isinstance(expected, Mapping):
        return _mapping(got, expected, tolerance, where)
    if isinstance(expected, (list, tuple)):
        return _sequence(got, expected, tolerance, where)
    return _other(got, expected, where)


def _wrong_type(got: Any, expected: Any, where: str) -> Difference:
    inner = [v.value if isinstance(v, Opaque) else v for v in (got, expected)]
    words = [text.kind(v) for v in inner]
    if words[0] == words[1]:  # two kinds of "a bool": never say "a bool; expected a bool"
        words = [text.show(v) for v in inner]
    return Difference("type", words[0], words[1], where)


def _wrong_shape(got: Any, expected: Any, where: str) -> Difference:
    return Difference("shape", *(f"shape {text.shape(v)}" for v in (got, expected)), where)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex))


def _tensor(got: Any, expected: torch.Tensor, tol: Tolerance, where: str) -> Difference | None:
    if _is_number(got) and expected.dim() == 0:
        if isinstance(got, bool) != (expected.dtype == torch.bool):
            return _wrong_type(got, expected.item(), where)
        return _numbers_differ(got, expected.item(), _loosen(tol, expected.dtype), where)
    if not isinstance(got, torch.Tensor):
        return _wrong_type(got, expected, where)
    if got.shape != expected.shape:
        return Difference(
            "shape", f"shape {text.shape(got)}", f"shape {text.shape(expected)}", where
        )
    if tol.dtype and got.dtype != expected.dtype:
        return Difference("dtype", str(got.dtype), str(expected.dtype), where)
    if got.device != expected.device:
        return Difference("dtype", f"on {got.device}", f"on {expected.device}", where)
    return _elements_differ(got, expected, _loosen(tol, got.dtype, expected.dtype), where)


def _loosen(tolerance: Tolerance, *dtypes: torch.dtype) -> Tolerance:
    """Allow for the coarse steps of half precision."""
    steps = [torch.finfo(d).eps for d in dtypes if d.is_floating_point]
    return Tolerance(max([tolerance.rtol, *(2 * s for s in steps)]), tolerance.atol)


def _elements_differ(
    got: torch.Tensor, expected: torch.Tensor, tol: Tolerance, where: str
) -> Difference | None:
    close = _close(got, expected, tol)
    if bool(close.all()):
        return None
    if expected.numel() <= text.SMALL and expected.dim() <= 3:
        return Difference("value", *_distinct(got, expected), where)
    index = tuple((~close).nonzero()[0].tolist())
    pair = _distinct(got[index].item(), expected[index].item())
    wrong = int((~close).sum())
    place = f"element {list(index)} of {where or 'the result'}"
    note = f"{place} ({wrong} of {close.numel()} elements differ)"
    return Difference("value", *pair, note)


def _close(got: torch.Tensor, expected: torch.Tensor, tol: Tolerance) -> torch.Tensor:
    exact = not (got.is_floating_point() or got.is_complex())
    exact = exact and not (expected.is_floating_point() or expected.is_complex())
    if exact:
        return got == expected
    wide = torch.complex128 if got.is_complex() or expected.is_complex() else torch.float64
    cpu = got.cpu().to(wide), expected.cpu().to(wide)
    return torch.isclose(*cpu, rtol=tol.rtol, atol=tol.atol, equal_nan=True)


def _distinct(got: Any, expected: Any) -> tuple[str, str]:
    """Write two values with as few digits as tell them apart."""
    pair = text.show(got), text.show(expected)
    for digits in (4, 6, 9, 17):
        pair = text.show(got, digits), text.show(expected, digits)
        if pair[0] != pair[1]:
            break
    return pair


def _array(got: Any, expected: np.ndarray, tol: Tolerance, where: str) -> Difference | None:
    if not isinstance(got, np.ndarray) or object in (got.dtype, expected.dtype):
        return _wrong_type(got, expected, where)
    if got.shape != expected.shape:
        return Difference(
            "shape", f"shape {text.shape(got)}", f"shape {text.shape(expected)}", where
        )
    if tol.dtype and got.dtype != expected.dtype:
        return Difference("dtype", str(got.dtype), str(expected.dtype), where)
    try:
        pair = torch.from_numpy(got), torch.from_numpy(expected)
    except TypeError:  # strings and dates have no tensor
        equal = bool((got == expected).all())
        return None if equal else Difference("value", text.show(got), text.show(expected), where)
    return _elements_differ(*pair, tol, where)


def _number(got: Any, expected: Any, tol: Tolerance, where: str) -> Difference | None:
    if isinstance(got, (torch.Tensor, np.ndarray)):
        if tuple(got.shape) != ():
            return Difference("shape", f"shape {text.shape(got)}", "a single number", where)
        got = got.item()
    if not _is_number(got) or isinstance(got, bool) != isinstance(expected, bool):
        return _wrong_type(got, expected, where)
    if tol.dtype and isinstance(expected, int) and not isinstance(got, int):
        return Difference("dtype", text.kind(got), text.kind(expected), where)
    return _numbers_differ(got, expected, tol, where)


def _numbers_differ(got: Any, expected: Any, tol: Tolerance, where: str) -> Difference | None:
    if isinstance(got, int) and isinstance(expected, int):
        equal = got == expected
    else:
        equal = bool(np.isclose(complex(got), complex(expected), tol.rtol, tol.atol, True))
    return None if equal else Difference("value", *_distinct(got, expected), where)


def _mapping(got: Any, expected: Mapping, tol: Tolerance, where: str) -> Difference | None:
    if not isinstance(got, Mapping):
        return _wrong_type(got, expected, where)
    if set(got) != set(expected):
        keys = [text.show(sorted(map(str, side))) for side in (got, expected)]
        return Difference("shape", f"the keys {keys[0]}", f"the keys {keys[1]}", where)
    pairs = [(got[key], expected[key], _inside(where, str(key))) for key in expected]
    return _worst(pairs, tol)


def _sequence(got: Any, expected: list | tuple, tol: Tolerance, where: str) -> Difference | None:
    if not isinstance(got, (list, tuple)):
        return _wrong_type(got, expected, where)
    if len(got) != len(expected):
        words = [f"{len(side)} values" for side in (got, expected)]
        return Difference("shape", words[0], words[1], where)
    places = [_inside(where, f"value {k + 1}") for k in range(len(expected))]
    return _worst(list(zip(got, expected, places, strict=True)), tol)


def _inside(where: str, part: str) -> str:
    return f"{part} of {where}" if where else part


def _worst(pairs: list[tuple[Any, Any, str]], tol: Tolerance) -> Difference | None:
    """The difference of the most basic kind among the parts, the first of several."""
    found = [difference(got, expected, tol, where) for got, expected, where in pairs]
    return min((d for d in found if d), key=lambda d: ORDER.index(d.kind), default=None)


def _other(got: Any, expected: Any, where: str) -> Difference | None:
    if isinstance(expected, Opaque):
        return None if expected.equals(got) else _wrong_type(got, expected, where)
    if type(got) is not type(expected) and not (isinstance(got, str) and isinstance(expected, str)):
        return _wrong_type(got, expected, where)
    if got == expected:
        return None
    return Difference("value", text.show(got), text.show(expected), where)
