"""Compare remedies in five small worlds: each its own 500 digits, its own start, one training loop.

A difference between two methods means little if it was seen once. Here five networks train side by
side in one tensor with a leading dimension for the world, so five answers cost little more than
one. Everything is float64, so that the results reproduce on any machine. ``nn.ReLU``,
``nn.Dropout`` and the optimizers work on such tensors as they are; linear layers and batch
normalization have their own form below.

Example:
    >>> X, y = draw(100)
    >>> model = train(network(hidden=16), X, y, epochs=2)
    >>> loss, right = judge(model, X, y)
    >>> right.shape
    torch.Size([5])
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import data

__all__ = [
    "WORLDS",
    "Report",
    "WorldLinear",
    "WorldNorm",
    "draw",
    "judge",
    "loss_of",
    "network",
    "rows",
    "small",
    "train",
    "watch",
]

WORLDS = 5

Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def small(images: Tensor) -> Tensor:
    """Images at half the size as rows, in float64: (N, 28, 28) to (N, 196)."""
    return F.avg_pool2d(images[:, None].double(), 2).flatten(1)


@functools.cache
def _digits() -> data.Digits:
    return data.mnist_5k()


def rows(part: str) -> tuple[Tensor, Tensor]:
    """Small digits of one part ("train", "validation" or "test"): (N, 196) and labels (N,)."""
    split = getattr(_digits(), part)
    return small(split.images), split.labels


def draw(size: int = 500) -> tuple[Tensor, Tensor]:
    """Each world's own training digits, drawn from the 3,500: (5, size, 196) and (5, size)."""
    X, y = rows("train")
    generator = torch.Generator().manual_seed(0)
    chosen = torch.stack([torch.randperm(len(y), generator=generator) for _ in range(WORLDS)])
    return X[chosen[:, :size]], y[chosen[:, :size]]


class WorldLinear(nn.Module):
    """A linear layer in each world: (5, B, n_in) to (5, B, n_out), with Kaiming's uniform start."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        start = (2 * torch.rand(WORLDS, n_in, n_out).double() - 1) * math.sqrt(6 / n_in)
        self.weight = nn.Parameter(start)
        self.bias = nn.Parameter(torch.zeros(WORLDS, 1, n_out, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Map each world's batch by its own weights."""
        return torch.baddbmm(self.bias, x, self.weight)


class WorldNorm(nn.BatchNorm1d):
    """Batch normalization of each world's units by themselves: (5, B, n) to (5, B, n)."""

    def __init__(self, n: int) -> None:
        super().__init__(WORLDS * n, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize each world's units by the statistics of its own batch."""
        side_by_side = x.transpose(0, 1).flatten(1)  # (B, 5 * n): no unit sees another's batch
        return super().forward(side_by_side).unflatten(1, (WORLDS, -1)).transpose(0, 1)


def network(
    hidden: int = 64, depth: int = 1, p: float = 0.0, norm: bool = False, seed: int = 0
) -> nn.Sequential:
    """Five networks 196-hidden-…-10, with batch normalization and dropout if asked for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for n_in in [196] + [hidden] * (depth - 1):
            layers += [WorldLinear(n_in, hidden)] + ([WorldNorm(hidden)] if norm else [])
            layers += [nn.ReLU()] + ([nn.Dropout(p)] if p else [])
        return nn.Sequential(*layers, WorldLinear(hidden, 10))


def loss_of(z: Tensor, y: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of each world, (5,), for logits (5, B, 10) and classes (5, B).

    The targets may also be probabilities (5, B, 10).
    """
    options = {"reduction": "none", "label_smoothing": smoothing}
    return F.cross_entropy(z.flatten(0, 1), y.flatten(0, 1), **options).view(WORLDS, -1).mean(1)


@torch.no_grad()
def judge(model: nn.Module, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and share of right answers in each world, (5,) and (5,), in evaluation mode.

    Args:
        model: five networks, as ``network`` makes them; its mode stays.
        X: the same inputs for all worlds (N, 196), or each its own (5, N, 196).
        y: classes (N,) or (5, N).
    """
    training = model.training
    model.eval()
    z, y = model(X.expand(WORLDS, *X.shape[-2:])), y.expand(WORLDS, y.shape[-1])
    model.train(training)
    return loss_of(z, y), (z.argmax(dim=-1) == y).double().mean(dim=1)


def train(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int = 30,
    batch: int = 100,
    decay: float = 0.0,
    smoothing: float = 0.0,
    change: Change | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    after: Callable[[nn.Module], None] | None = None,
    seed: int = 0,
) -> nn.Module:
    """Train five networks side by side and return the model, in evaluation mode.

    Args:
        model: five networks, as ``network`` makes them.
        X: inputs (5, N, 196).
        y: classes (5, N).
        epochs: how many times to go through the data.
        batch: samples of each world in a batch.
        decay: AdamW's weight decay.
        smoothing: label smoothing.
        change: alters (X, y) before every epoch, for example by augmentation.
        optimizer: used at a constant rate; by default AdamW with a one-cycle schedule up to 0.03.
        after: called with the model after every epoch.
        seed: seed of what dropout and ``change`` draw; the global random state stays as it was.
    """
    cycle, generator = None, torch.Generator()
    if optimizer is None:
        steps = epochs * math.ceil(X.shape[1] / batch)
        own = {"lr": 0.03, "weight_decay": decay, "fused": True}  # fused: one call for all weights
        optimizer = torch.optim.AdamW(model.parameters(), **own)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.03, total_steps=steps)
    with torch.random.fork_rng(devices=[]):  # dropout and augmentation draw the same each time
        torch.manual_seed(seed)
        for epoch in range(epochs):
            inputs, targets = change(X, y) if change else (X, y)
            order = torch.randperm(X.shape[1], generator=generator.manual_seed(epoch))
            model.train()
            for picked in order.split(batch):
                loss = loss_of(model(inputs[:, picked]), targets[:, picked], smoothing).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if cycle is not None:
                    cycle.step()
            if after is not None:
                after(model)
    return model.eval()


def watch(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    lr: float,
    mode: str = "eval",
    change: Change | None = None,
    epochs: int = 18,
) -> Tensor:
    """Train with Adam at a constant rate, and measure both losses after every epoch.

    Args:
        model: five networks.
        X: inputs (5, N, 196); five batches an epoch, whatever N is.
        y: classes (5, N).
        lr: the rate.
        mode: "eval" or "train", in which the loss on (X, y) is measured.
        change: alters (X, y) before every epoch.
        epochs: how many.

    Returns:
        Training and validation loss, the median of the worlds: (epochs, 2).

    Raises:
        ValueError: if there is no such mode.
    """
    if mode not in ("eval", "train"):
        raise ValueError(f"mode is 'eval' or 'train', not {mode!r}.")
    optimizer, seen = torch.optim.Adam(model.parameters(), lr=lr, fused=True), []
    X_valid, y_valid = rows("validation")

    def look(model: nn.Module) -> None:
        with torch.no_grad():
            training = loss_of(model.train(mode == "train")(X), y)
        seen.append(torch.stack([training, judge(model, X_valid, y_valid)[0]]))

    batch = -(-X.shape[1] // 5)
    train(model, X, y, epochs, batch, change=change, optimizer=optimizer, after=look)
    return torch.stack(seen).median(dim=-1).values


class Report:
    """A table of results on fixed digits: one row for each remedy, five worlds in each.

    Args:
        X: inputs (N, 196) to judge on.
        y: their classes (N,).

    Attributes:
        loss: name -> loss in each world (5,).
        right: name -> share of right answers in each world (5,).
    """

    def __init__(self, X: Tensor, y: Tensor) -> None:
        self.X, self.y = X, y
        self.loss: dict[str, Tensor] = {}
        self.right: dict[str, Tensor] = {}

    def add(self, name: str, model: nn.Module) -> None:
        """Judge a model, keep the results under a name and print their median and range."""
        loss, right = judge(model, self.X, self.y)
        self.loss[name], self.right[name] = loss, right
        low, middle, high = right.min(), right.median(), right.max()
        told = f"right ≈{middle:.3f} (≈{low:.3f} to ≈{high:.3f}), loss ≈{loss.median():.2f}"
        print(f"{name:22} {told}")

    def panels(self, *names: str) -> dict[str, dict[str, Tensor]]:
        """Accuracy and loss of the named rows, ready for ``plotting.compare``."""
        measures = {"share right": self.right, "loss": self.loss}
        return {
            f"{text} on the test digits": {name: results[name] for name in names}
            for text, results in measures.items()
        }

    def gain(self, name: str, over: str = "no remedy") -> Tensor:
        """Gain in accuracy over another row, world by world: (5,)."""
        return self.right[name] - self.right[over]
