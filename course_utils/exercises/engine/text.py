"""Short, deterministic text: numbers, tensors, errors, and what fits on a screen."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

WIDTH = 96  # prose is wrapped here
LINE = 120  # nothing is longer
SCREEN_LINES = 25
SMALL = 12  # tensors with at most this many elements are written out

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")
_PATH = re.compile(
    r"(?<![\w.:/\\~])(?:~|[A-Za-z]:)?(?:[\\/][\w.@+\- ]*[\w.@+\-])+[\\/]([\w.@+\-]+)"
)


def cut(line: str, width: int = LINE) -> str:
    """Shorten one line to ``width`` characters."""
    return line if len(line) <= width else line[: width - 1] + "…"


def screen(text: str) -> str:
    """Keep text within one screen: at most 25 lines, none too long."""
    lines = [cut(line.rstrip()) for line in text.splitlines()]
    if len(lines) > SCREEN_LINES:
        left_out = len(lines) - SCREEN_LINES + 1
        lines = [*lines[: SCREEN_LINES - 1], f"  … ({left_out} more lines)"]
    return "\n".join(lines)


def wrap(text: str, indent: str = "", hang: str = "") -> str:
    """Wrap prose, keeping the author's own line breaks and indented (code) lines."""
    done = []
    for line in textwrap.dedent(text).strip().splitlines():
        if len(indent + line) <= WIDTH or line.startswith((" ", "\t")):
            done.append((indent + line).rstrip())
        else:
            done += textwrap.wrap(
                line,
                WIDTH,
                initial_indent=indent,
                subsequent_indent=indent + hang,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(done)


def scrub(text: str) -> str:
    """Remove addresses and directories, which differ from machine to machine."""
    return _ADDRESS.sub("0x…", _PATH.sub(r"\1", text))


def error_text(error: BaseException) -> str:
    """First line of an exception's message, scrubbed and cut; may be empty."""
    try:
        text = str(error)
    except BaseException:  # a learner's exception class may have a broken __str__
        return ""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return cut(scrub(first), 200)


def number(value: Any, digits: int = 4, tail: str = ".0") -> str:
    """Write a number with ``digits`` significant digits.

    Args:
        value: Python number.
        digits: Significant digits of a float.
        tail: Appended to a float that would otherwise look like an integer.
    """
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**21 else f"about 10**{_decades(value)}"
    if isinstance(value, complex):
        return f"({value.real:.{digits}g}{value.imag:+.{digits}g}j)"
    text = f"{value:.{digits}g}"
    return text if set(text) & set(".en") else text + tail


def _decades(value: int) -> int:
    return int(value.bit_length() * 0.30103)


def tensor(value: torch.Tensor, digits: int = 4) -> str:
    """Write a tensor: its values when it is small, its shape and dtype when it is not."""
    if value.numel() == 0:
        return f"an empty tensor of shape {shape(value)}"
    if value.numel() > SMALL or value.dim() > 3:
        return f"a tensor of shape {shape(value)}, {value.dtype}"
    usual = (torch.float32, torch.int64, torch.bool)
    dtype = "" if value.dtype in usual else f", dtype={value.dtype}"
    return f"tensor({_nested(value.detach().cpu().tolist(), digits)}{dtype})"


def _nested(value: Any, digits: int) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_nested(item, digits) for item in value) + "]"
    return number(value, digits, tail=".")


def shape(value: Any) -> str:
    """Write a shape as a tuple."""
    return str(tuple(value.shape))


def show(value: Any, digits: int = 4) -> str:
    """Write any value briefly, without addresses."""
    try:
        return _show(value, digits)
    except RecursionError:  # a list that contains itself
        return kind(value)


def _show(value: Any, digits: int) -> str:
    if isinstance(value, torch.Tensor):
        return tensor(value, digits)
    if isinstance(value, np.ndarray):
        return _array(value, digits)
    if isinstance(value, np.generic):
        return show(value.item(), digits)
    if isinstance(value, (bool, int, float, complex)):
        return number(value, digits)
    if isinstance(value, str):
        return cut(repr(value), 70)
    if value is None or isinstance(value, (torch.dtype, torch.device)):
        return str(value)
    if value is ...:
        return "..."
    return _container(value, digits)


def _array(value: np.ndarray, digits: int) -> str:
    if value.dtype == object or value.size > SMALL or value.size == 0:
        return f"an array of shape {shape(value)}, {value.dtype}"
    return f"array({_nested(value.tolist(), digits)})"


def _container(value: Any, digits: int) -> str:
    if isinstance(value, Mapping):
        return _few([f"{show(k)}: {show(v, digits)}" for k, v in _head(value.items())], value, "{}")
    if isinstance(value, (set, frozenset)):
        return _few(sorted(show(item, digits) for item in _head(value)), value, "{}")
    if isinstance(value, list):
        return _few([show(item, digits) for item in _head(value)], value, "[]")
    if isinstance(value, tuple):
        return _few([show(item, digits) for item in _head(value)], value, "()")
    return kind(value)


def _head(items: Any) -> list[Any]:
    return [item for item, _ in zip(items, range(6), strict=False)]


def _few(parts: list[str], whole: Any, brackets: str) -> str:
    if len(whole) > len(parts):
        parts = [*parts, "…"]
    if brackets == "()" and len(parts) == 1:
        parts = [parts[0] + ","]
    inside = ", ".join(parts)
    return f"{brackets[0]}{inside}{brackets[1]}"


def kind(value: Any) -> str:
    """Name the type of a value in a learner's words: ``a tensor``, ``a list``, ``None``."""
    if value is None:
        return "None"
    known = (
        (torch.nn.Module, None),
        (torch.Tensor, "a tensor"),
        (np.ndarray, "a NumPy array"),
        (bool, "a bool"),
        (str, "a string"),
        (type, "a class"),
    )
    for cls, words in known:
        if isinstance(value, cls):
            return words or f"a {type(value).__name__} module"
    if type(value).__name__ in ("function", "builtin_function_or_method", "method"):
        return "a function"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
