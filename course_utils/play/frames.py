"""What the board shows of a session, as one small binary message.

A frame has a JSON header and arrays. The arrays lie behind each other, float32 before bytes; the
header's `arrays` says for each: name, type, where it starts and how many numbers it has.

Responses of units are bytes: 0 for minus the unit's scale, 255 for plus. A map is drawn at
MAP x MAP points, row 0 at the bottom; a thumbnail takes every third of them.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import problems
from .network import Look
from .recording import Answer, padded
from .session import Session

__all__ = ["MAP", "THUMB", "frame", "joined", "points", "unpack"]

MAP = 60  # points along one side of the large picture
THUMB = 20
MOST_SHOWN = 8  # units of a column
MOST_COLUMNS = 6

Focus = tuple[int, int] | None
Arrays = dict[str, np.ndarray]


def frame(session: Session, focus: Focus = None, **extra: Any) -> Answer:
    """The present state of a session; with a fault in the model, only words.

    Args:
        session: what to show.
        focus: (column, unit) whose response the large picture shows; None for the output.
        extra: further entries of the header.
    """
    header: dict[str, Any] = {"kind": "frame", "step": session.step, "epoch": session.epoch}
    arrays: Arrays = {}
    if not session.fault:
        try:
            session.evaluate()
            seen = session.look(grid(session.problem.limits))
            header |= _scores(session) | _picture(session, seen, focus, arrays)
        except Exception as error:
            session.fail(error)
    header |= {"fault": session.fault} | extra
    return Answer(*_pack(header, arrays))


def points(session: Session) -> Answer:
    """The data set: it travels once, at the beginning and after each change."""
    header: dict[str, Any] = {"kind": "points"}
    arrays: Arrays = {}
    problem = getattr(session, "problem", None)
    if problem is not None:
        header |= {"task": problem.kind, "limits": problem.limits, "classes": problem.classes}
        arrays["train"] = _table(problem.X, problem.y)
        if problem.X_test is not None:
            arrays["test"] = _table(problem.X_test, problem.y_test)
    return Answer(*_pack(header, arrays))


def joined(first: Answer, second: Answer) -> Answer:
    """The frame with the points inside: `points` in the header, their arrays behind."""
    start = len(first.data)
    moved = [[n, kind, at + start, count] for n, kind, at, count in second.header["arrays"]]
    inner = second.header | {"arrays": moved}
    return Answer(first.header | {"points": inner}, first.data + second.data)


def _table(X: Tensor, y: Tensor, most: int = 1500) -> np.ndarray:
    """(N, 3) x, y and target, of at most `most` points."""
    keep = slice(None, None, max(1, math.ceil(len(X) / most)))
    return torch.cat([X[keep], y[keep, None].to(X.dtype)], dim=1).numpy()


def grid(limits: tuple[float, float, float, float]) -> Tensor:
    """(MAP * MAP, 2) centers of the cells of the large picture, row by row from the bottom."""
    left, right, bottom, top = limits
    middles = (torch.arange(MAP, dtype=torch.float64) + 0.5) / MAP
    rows, columns = torch.meshgrid(middles, middles, indexing="ij")
    x, y = left + columns * (right - left), bottom + rows * (top - bottom)
    return torch.stack([x, y], dim=-1).reshape(-1, 2).float()


def _scores(session: Session) -> dict[str, Any]:
    names = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    return {name: _finite(getattr(session, name)) for name in names}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _picture(session: Session, seen: Look, focus: Focus, arrays: Arrays) -> dict[str, Any]:
    """Header entries of the network and of the large picture; fills in the arrays."""
    chosen = _shown_columns(seen)
    columns = [seen.columns[k][:, :MOST_SHOWN].double().cpu().numpy() for k in chosen]
    output = _surface(session, seen.outputs)
    thumbs, scales = [], []
    for place, column in enumerate(columns):
        last = place == len(columns) - 1
        for unit in range(column.shape[1]):
            # The output unit of a classifier is drawn as what it means, not as a logit.
            if last and output["kind"] != "classes":
                levels, scale = output["bytes"], output["high"]
            else:
                levels, scale = _levels(column[:, unit])
            thumbs.append(levels.reshape(MAP, MAP)[1::3, 1::3])
            scales.append(scale)
    big = _focused(columns, focus) or output
    arrays["history"] = np.array(session.history.rows, dtype=np.float64)
    arrays["scales"] = np.array(scales)
    weights, shapes = _weights(seen, chosen)
    arrays["weights"] = weights
    arrays["map"] = big.pop("bytes")
    arrays["thumbs"] = np.stack(thumbs) if thumbs else np.zeros(0, np.uint8)
    return {
        "columns": [
            {"shown": column.shape[1], "total": seen.columns[k].shape[1]}
            for k, column in zip(chosen, columns, strict=True)
        ],
        "weights": shapes,
        "skipped": len(seen.columns) - len(chosen),
        "surface": big,
    }


def _shown_columns(seen: Look) -> list[int]:
    """Places of the columns that are drawn: of a deep network the first ones and the output."""
    count = len(seen.columns)
    if count <= MOST_COLUMNS:
        return list(range(count))
    return [*range(MOST_COLUMNS - 1), count - 1]


def _weights(seen: Look, chosen: list[int]) -> tuple[np.ndarray, list[list[int] | None]]:
    """All shown weights behind each other, and (rows, columns) for each pair of columns."""
    parts: list[np.ndarray] = []
    shapes: list[list[int] | None] = []
    for here, there in itertools.pairwise(chosen):
        weight = seen.weights[here] if there == here + 1 and here < len(seen.weights) else None
        if weight is None:
            shapes.append(None)
            continue
        shown = weight[:MOST_SHOWN, :MOST_SHOWN].double().cpu().numpy()
        parts.append(shown.ravel())
        shapes.append(list(shown.shape))
    return np.concatenate(parts) if parts else np.zeros(0), shapes


def _levels(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Bytes for values from -scale to scale, and the scale: the largest size."""
    finite = np.where(np.isfinite(values), values, 0)
    scale = float(np.abs(finite).max()) or 1.0
    return _bytes(0.5 + 0.5 * finite / scale), scale


def _bytes(shares: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)


def _focused(columns: list[np.ndarray], focus: Focus) -> dict[str, Any] | None:
    """The large picture of a hidden unit or input; None if there is no such unit."""
    if focus is None or not 0 <= focus[0] < len(columns) - 1:
        return None
    column, unit = columns[focus[0]], focus[1]
    if not 0 <= unit < column.shape[1]:
        return None
    levels, scale = _levels(column[:, unit])
    return {"kind": "unit", "focus": list(focus), "low": -scale, "high": scale, "bytes": levels}


def _surface(session: Session, outputs: Tensor) -> dict[str, Any]:
    """The large picture of the output."""
    values = outputs.double().cpu()
    if session.problem.kind == problems.CLASSES:
        shares = values.softmax(1)
        if shares.shape[1] == 2:
            levels = _bytes(shares[:, 1].numpy())
            return {"kind": "probability", "low": 0.0, "high": 1.0, "bytes": levels}
        best = shares.max(1)
        levels = np.concatenate(
            [best.indices.numpy().astype(np.uint8), _bytes(best.values.numpy())]
        )
        return {"kind": "classes", "low": 0.0, "high": 1.0, "bytes": levels}
    values = values.reshape(-1).numpy()
    if session.problem.kind == problems.BINARY:
        levels = _bytes(1 / (1 + np.exp(-np.clip(values, -60, 60))))
        return {"kind": "probability", "low": 0.0, "high": 1.0, "bytes": levels}
    scale = max(float(session.problem.y.abs().max()), 1e-6)
    return {
        "kind": "value",
        "low": -scale,
        "high": scale,
        "bytes": _bytes(0.5 + 0.5 * np.nan_to_num(values) / scale),
    }


def unpack(answer: Answer) -> Arrays:
    """The arrays of an answer by name, as the browser reads them."""
    kinds = {"f4": ("<f4", 4), "u1": (np.uint8, 1)}
    found = {}
    for name, kind, start, count in answer.header.get("arrays", []):
        dtype, size = kinds[kind]
        found[name] = np.frombuffer(answer.data[start : start + count * size], dtype=dtype)
    return found


def _pack(header: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], bytes]:
    """Header with its table of arrays, and their bytes; float32 first."""
    table, blocks, start = [], [], 0
    order = sorted(arrays, key=lambda name: arrays[name].dtype == np.uint8)
    for name in order:
        array = arrays[name]
        small = array.dtype == np.uint8
        block = array.tobytes() if small else array.astype("<f4").tobytes()
        table.append([name, "u1" if small else "f4", start, array.size])
        blocks.append(block)
        start += len(block)
    return header | {"arrays": table}, padded(b"".join(blocks))
