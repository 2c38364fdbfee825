"""Drawings: strokes of a pen, prepared examples, and the picture that a model sees.

A stroke is a list of points (x, y) on the pad: x to the right, y down, both from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["MAX_POINTS", "SAMPLES", "Stroke", "check_strokes", "rasterize", "sample_strokes"]

Stroke = Sequence[tuple[float, float]]

MAX_POINTS = 4000
PEN_RADIUS = 0.04  # of the pad; at a usual height about as wide as the strokes of MNIST
INK_SIZE = 112  # pixels along the fine grid: four for each pixel of the final picture
IMAGE_SIZE = 28
BOX_SIZE = 20

_OUTLINES: dict[str, list[list[tuple[float, float]]]] = {
    "0": [
        [(0.54, 0.13), (0.38, 0.2), (0.3, 0.44), (0.33, 0.74), (0.48, 0.88)],
        [(0.48, 0.88), (0.63, 0.8), (0.7, 0.55), (0.67, 0.26), (0.54, 0.13)],
    ],
    "1": [[(0.55, 0.13), (0.51, 0.5), (0.47, 0.87)]],
    "2": [
        [(0.3, 0.3), (0.36, 0.17), (0.52, 0.12), (0.66, 0.2), (0.67, 0.36), (0.56, 0.55)],
        [(0.56, 0.55), (0.42, 0.72), (0.29, 0.85)],
        [(0.29, 0.85), (0.5, 0.83), (0.73, 0.84)],
    ],
    "3": [
        [(0.31, 0.21), (0.43, 0.13), (0.6, 0.15), (0.67, 0.27), (0.6, 0.4), (0.45, 0.47)],
        [(0.45, 0.47), (0.62, 0.51), (0.7, 0.66), (0.62, 0.82), (0.46, 0.88), (0.29, 0.82)],
    ],
    "4": [
        [(0.36, 0.14), (0.32, 0.36), (0.31, 0.53)],
        [(0.31, 0.53), (0.5, 0.53), (0.73, 0.49)],
        [(0.65, 0.14), (0.61, 0.5), (0.57, 0.88)],
    ],
    "5": [
        [(0.7, 0.14), (0.4, 0.16)],
        [(0.4, 0.16), (0.36, 0.44)],
        [(0.36, 0.44), (0.52, 0.41), (0.67, 0.5), (0.69, 0.67), (0.6, 0.82), (0.44, 0.88)],
        [(0.44, 0.88), (0.29, 0.82)],
    ],
    "6": [
        [(0.62, 0.12), (0.46, 0.27), (0.36, 0.48), (0.33, 0.7), (0.42, 0.86), (0.58, 0.86)],
        [(0.58, 0.86), (0.67, 0.74), (0.64, 0.6), (0.52, 0.55), (0.4, 0.62), (0.35, 0.74)],
    ],
    "7": [[(0.28, 0.17), (0.5, 0.16), (0.71, 0.15)], [(0.71, 0.15), (0.57, 0.46), (0.46, 0.88)]],
    "8": [
        [(0.66, 0.22), (0.52, 0.12), (0.38, 0.2), (0.4, 0.35), (0.52, 0.48), (0.63, 0.64)],
        [(0.63, 0.64), (0.6, 0.82), (0.46, 0.88), (0.35, 0.78), (0.38, 0.63), (0.52, 0.47)],
        [(0.52, 0.47), (0.64, 0.34), (0.66, 0.22)],
    ],
    "9": [
        [(0.66, 0.24), (0.54, 0.13), (0.38, 0.2), (0.34, 0.36), (0.44, 0.48), (0.58, 0.43)],
        [(0.58, 0.43), (0.66, 0.24)],
        [(0.66, 0.24), (0.63, 0.55), (0.55, 0.88)],
    ],
    "house": [
        [(0.22, 0.45), (0.5, 0.16)],
        [(0.5, 0.16), (0.78, 0.45)],
        [(0.28, 0.42), (0.28, 0.86)],
        [(0.28, 0.86), (0.72, 0.86)],
        [(0.72, 0.86), (0.72, 0.42)],
    ],
    "star": [
        [(0.5, 0.12), (0.71, 0.82)],
        [(0.71, 0.82), (0.16, 0.4)],
        [(0.16, 0.4), (0.84, 0.4)],
        [(0.84, 0.4), (0.29, 0.82)],
        [(0.29, 0.82), (0.5, 0.12)],
    ],
    "scribble": [
        [(0.15, 0.3), (0.35, 0.75), (0.45, 0.2), (0.55, 0.8), (0.7, 0.25), (0.85, 0.7)],
        [(0.85, 0.7), (0.6, 0.5), (0.3, 0.55), (0.15, 0.3)],
    ],
}
"""Name -> pieces of a line: a piece runs smoothly through its points, and ends in corners."""

SAMPLES = tuple(_OUTLINES)
"""Names of the prepared drawings: the ten digits, and three that are none."""


def sample_strokes(name: str) -> list[list[tuple[float, float]]]:
    """A prepared drawing as strokes.

    Args:
        name: one of `SAMPLES`: a digit from "0" to "9", or "house", "star" or "scribble".

    Returns:
        The strokes; pieces that touch are one stroke.

    Raises:
        ValueError: if there is no such drawing.
    """
    if str(name) not in _OUTLINES:
        raise ValueError(f"There is no drawing {name!r}. There are {', '.join(SAMPLES)}.")
    strokes: list[list[tuple[float, float]]] = []
    for piece in _OUTLINES[str(name)]:
        points = _smooth(piece)
        if strokes and math.dist(strokes[-1][-1], points[0]) < 1e-6:
            strokes[-1] += points[1:]
        else:
            strokes.append(points)
    return strokes


def _smooth(points: list[tuple[float, float]], pieces: int = 8) -> list[tuple[float, float]]:
    """Points on the Catmull-Rom curve through `points`."""
    if len(points) == 2:
        share = np.linspace(0, 1, pieces + 1)[:, None]
        curve = (1 - share) * np.array(points[0]) + share * np.array(points[1])
        return [(float(x), float(y)) for x, y in curve]
    known = np.array([points[0], *points, points[-1]])
    curve = [known[1]]
    for a, b, c, d in zip(known, known[1:], known[2:], known[3:], strict=False):
        for t in np.linspace(0, 1, pieces + 1)[1:]:
            bend = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
            curve.append(0.5 * (2 * b + (c - a) * t + bend))
    return [(float(x), float(y)) for x, y in curve]


def check_strokes(strokes: Sequence[Stroke]) -> list[np.ndarray]:
    """The strokes as float64 arrays (K, 2), without empty ones.

    Raises:
        ValueError: if they are not lists of (x, y) from 0 to 1, or have too many points.
    """
    arrays = []
    for number, stroke in enumerate(strokes, start=1):
        try:
            points = np.asarray(stroke, dtype=np.float64).reshape(len(stroke), 2)
        except (TypeError, ValueError):
            raise ValueError(f"Stroke {number} is not a list of points (x, y).") from None
        if not ((points >= -0.5).all() and (points <= 1.5).all()):  # NaN is neither
            raise ValueError(f"Stroke {number} leaves the pad: x and y go from 0 to 1.")
        if len(points):
            arrays.append(points)
    if sum(map(len, arrays)) > MAX_POINTS:
        raise ValueError(f"A drawing has at most {MAX_POINTS} points.")
    return arrays


def rasterize(strokes: Sequence[Stroke]) -> Tensor:
    """The picture of a drawing, made as the pictures of MNIST were made.

    The ink is drawn on a fine grid and cropped. Its longer side is scaled to 20 pixels, with
    anti-aliasing, and its center of mass is put at the middle of a picture of 28 by 28.

    Args:
        strokes: each a list of (x, y), x to the right and y down, from 0 to 1.

    Returns:
        float32 of shape (28, 28), from 0 (paper) to 1 (ink). All zeros if there is no stroke.

    Raises:
        ValueError: if the strokes are not points on the pad.

    References:
        Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, where the
        same steps are described.
    """
    return center(ink(check_strokes(strokes)))


def ink(strokes: Sequence[np.ndarray]) -> np.ndarray:
    """Ink on the fine grid: (INK_SIZE, INK_SIZE), 1 along the strokes, with soft borders."""
    canvas = np.zeros((INK_SIZE, INK_SIZE))
    for points in strokes:
        scaled = points * INK_SIZE - 0.5
        starts = scaled[:-1] if len(scaled) > 1 else scaled
        ends = scaled[1:] if len(scaled) > 1 else scaled
        for start, end in zip(starts, ends, strict=True):
            _draw_segment(canvas, start, end)
    return canvas


def _draw_segment(canvas: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
    """Lay one straight piece of the pen's way onto the canvas, in place."""
    radius = PEN_RADIUS * INK_SIZE
    low = np.floor(np.minimum(start, end) - radius - 1).astype(int).clip(0)
    high = np.ceil(np.maximum(start, end) + radius + 2).astype(int).clip(0)
    window = canvas[low[1] : high[1], low[0] : high[0]]
    x = low[0] + np.arange(window.shape[1])[None, :] - start[0]
    y = low[1] + np.arange(window.shape[0])[:, None] - start[1]
    along = end - start
    share = (x * along[0] + y * along[1]) / max(along @ along, 1e-12)
    share = share.clip(0, 1)
    distance = np.hypot(x - share * along[0], y - share * along[1])
    np.maximum(window, (radius + 0.5 - distance).clip(0, 1), out=window)


def center(canvas: np.ndarray) -> Tensor:
    """Crop, scale to a box of 20 pixels, and put the center of mass at the middle of 28."""
    image = torch.zeros(IMAGE_SIZE, IMAGE_SIZE)
    rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
    if len(rows) == 0:
        return image
    cropped = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = BOX_SIZE / max(cropped.shape)
    size = [max(1, round(side * factor)) for side in cropped.shape]
    scaled = F.interpolate(
        torch.from_numpy(cropped)[None, None], size=size, mode="bilinear", antialias=True
    )[0, 0].clamp(0, 1)
    mass = scaled.sum()
    offsets = []
    for side, other in ((0, 1), (1, 0)):
        middle = (scaled.sum(other) * torch.arange(size[side])).sum() / mass
        offset = round((IMAGE_SIZE - 1) / 2 - float(middle))
        offsets.append(min(max(offset, 0), IMAGE_SIZE - size[side]))
    top, left = offsets
    image[top : top + size[0], left : left + size[1]] = scaled.float()
    return image
