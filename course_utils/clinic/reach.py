"""Look for what a program has kept: everything that can be reached from what it returns."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_MOST = 5000  # things that are looked at


def kept(start: Any, columns: int) -> str:
    """What can be reached of hidden features: rows of so many numbers that are no parameters.

    Args:
        start: what a program has returned.
        columns: how many features there are.

    Returns:
        "features", "with graph" if they hold on to the graph of their batch, or "".
    """
    inside, found = [start], ""
    seen = {id(start)}
    while inside and len(seen) < _MOST:
        thing = inside.pop()
        if _is_features(thing, columns):
            found = "with graph" if _in_a_graph(thing) or found == "with graph" else "features"
        for other in _referred(thing):
            if id(other) not in seen:
                seen.add(id(other))
                inside.append(other)
    return found


def _is_features(thing: Any, columns: int) -> bool:
    if isinstance(thing, nn.Parameter):
        return False
    shape = getattr(thing, "shape", None)  # a tensor, or an array
    if not isinstance(shape, tuple) or len(shape) < 2:
        return False
    return shape[-1] == columns


def _in_a_graph(thing: Any) -> bool:
    return isinstance(thing, Tensor) and thing.requires_grad


def _referred(thing: Any) -> Iterator[Any]:
    """What a thing holds, as far as a program of the clinic would store something there."""
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple, set)):
        yield from thing
    elif isinstance(thing, functools.partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, types.MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, types.FunctionType):
        yield from (thing.__defaults__ or (), thing.__kwdefaults__ or {})
        for cell in thing.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield from (thing.__globals__.get(name) for name in thing.__code__.co_names)
    elif not isinstance(thing, (types.ModuleType, torch.Tensor)):
        yield from vars(thing).values() if hasattr(thing, "__dict__") else ()
        if isinstance(thing, nn.Module):
            yield type(thing).forward
