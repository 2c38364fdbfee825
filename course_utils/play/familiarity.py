"""How near a picture is to the training pictures, on a yardstick made of themselves."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Familiarity", "nearest_distances"]

MAX_EXAMPLES = 10_000
MAX_QUERIES = 1_000


def nearest_distances(images: Tensor, max_queries: int = MAX_QUERIES) -> Tensor:
    """Distance of pictures to their nearest neighbor among all the others (leave one out).

    Args:
        images: (N, H, W) or (N, D).
        max_queries: how many of the pictures, evenly spread, are asked; all are neighbors.

    Returns:
        Euclidean distances of shape (min(N, max_queries),), in the order of the pictures asked.

    Raises:
        ValueError: if there are fewer than two pictures.
    """
    rows = images.detach().flatten(1).float()
    if len(rows) < 2:
        raise ValueError("A nearest neighbor needs at least two pictures.")
    count = min(len(rows), max_queries)
    asked = torch.linspace(0, len(rows) - 1, count).round().long()
    found = []
    for part in asked.split(250):
        squares = _squared_distances(rows[part], rows)
        squares[torch.arange(len(part)), part] = torch.inf
        found.append(squares.min(1).values.clamp(min=0).sqrt())
    return torch.cat(found)


def _squared_distances(queries: Tensor, rows: Tensor) -> Tensor:
    """(Q, N) from |q - r|^2 = |q|^2 - 2 q.r + |r|^2."""
    inner = queries @ rows.T
    return queries.square().sum(1, keepdim=True) - 2 * inner + rows.square().sum(1)


class Familiarity:
    """Finds the nearest examples of a picture, and says how unusual its distance is.

    Args:
        images: (N, H, W) examples; of more than 10,000 an even selection is used.
        labels: (N,) their classes.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        keep = torch.arange(len(images))
        if len(images) > MAX_EXAMPLES:
            keep = torch.linspace(0, len(images) - 1, MAX_EXAMPLES).round().long()
        self.index, self.images = keep, images.detach()[keep].float().cpu()
        self.labels = labels.detach().cpu()[keep]
        self._rows = self.images.flatten(1)
        self._norms = self._rows.square().sum(1)
        self._yardstick: Tensor | None = None

    @property
    def yardstick(self) -> Tensor:
        """Sorted leave-one-out distances of the examples, computed at the first use."""
        if self._yardstick is None:
            self._yardstick = nearest_distances(self._rows).sort().values
        return self._yardstick

    def nearest(self, image: Tensor, count: int = 5) -> tuple[list[int], list[float]]:
        """Places (in the selection) and distances of the nearest examples."""
        row = image.flatten().float()
        squares = self._norms - 2 * (self._rows @ row) + row.square().sum()
        best = squares.topk(min(count, len(squares)), largest=False).indices
        # Rounding costs the formula above some digits; of the few best, subtract instead.
        exact = (self._rows[best] - row).norm(dim=1)
        order = exact.argsort(stable=True)
        return best[order].tolist(), exact[order].tolist()

    def percentile(self, distance: float) -> float:
        """Percent of the yardstick that is shorter than a distance."""
        below = torch.searchsorted(self.yardstick, torch.tensor(distance))
        return 100 * int(below) / len(self.yardstick)
