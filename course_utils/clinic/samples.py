"""Data for the programs of the clinic: what a patient gets, and what the check-up holds back."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from course_utils import data

Sample = tuple[Tensor, Tensor]
_NEW = 50_000  # added to a seed: data that no program has seen


def digits(seed: int, n: int = 700) -> Sample:
    """Some of the course's training digits.

    Args:
        seed: which ones.
        n: how many.

    Returns:
        X of shape (n, 784) from 0 to 1, y of shape (n,).
    """
    images, labels = _flat("train")
    rows = torch.randperm(len(labels), generator=_generator(seed))[:n]
    return images[rows], labels[rows]


def new_digits(seed: int) -> Sample:
    """The course's 1,000 test digits, as X of shape (1000, 784) and y of shape (1000,)."""
    images, labels = _flat("test")
    return images.clone(), labels.clone()


def scanned(seed: int, n: int = 700) -> Sample:
    """The same digits as a scanner stores them, from 0 to 255."""
    X, y = digits(seed, n)
    return (X * 255).round(), y


def new_scanned(seed: int) -> Sample:
    """The test digits from 0 to 255."""
    X, y = new_digits(seed)
    return (X * 255).round(), y


def houses(seed: int, n: int = 300) -> Sample:
    """Sizes, rooms and ages of houses, standardized, and their prices in 100,000.

    Args:
        seed: which houses.
        n: how many.

    Returns:
        X of shape (n, 3), y of shape (n,).
    """
    draw = _generator(seed)
    X = torch.randn(n, 3, generator=draw)
    noise = 0.2 * torch.randn(n, generator=draw)
    return X, 3 + X[:, 0] + 0.5 * X[:, 1] - 0.4 * X[:, 2].abs() + noise


def new_houses(seed: int) -> Sample:
    """A thousand other houses."""
    return houses(seed + _NEW, 1000)


def weather(seed: int, n: int = 300) -> Sample:
    """Season and hour as sine and cosine, and the temperature in units of 10 °C.

    Args:
        seed: which hours.
        n: how many.

    Returns:
        X of shape (n, 4), y of shape (n, 1); more than a third of the temperatures are below 0.
    """
    draw = _generator(seed)
    season, hour = 2 * torch.pi * torch.rand(2, n, generator=draw)
    X = torch.stack([season.sin(), season.cos(), hour.sin(), hour.cos()], dim=1)  # (n, 4)
    noise = 0.1 * torch.randn(n, generator=draw)
    y = 0.4 - season.cos() - 0.4 * hour.cos() * (1 + 0.5 * season.sin()) + noise
    return X, y[:, None]


def new_weather(seed: int) -> Sample:
    """A thousand other hours."""
    return weather(seed + _NEW, 1000)


def genes(seed: int, n: int = 160, genes: int = 3000) -> Sample:
    """Activities of many genes and whether the person has a disease; ten genes matter a little.

    Args:
        seed: which persons; the same ten genes matter for all of them.
        n: how many.
        genes: how many are measured.

    Returns:
        X of shape (n, genes), y of shape (n,).
    """
    draw = _generator(seed)
    y = torch.randint(0, 2, (n,), generator=draw)
    X = torch.randn(n, genes, generator=draw)
    X[:, :10] += 0.25 * (2 * y[:, None] - 1)
    return X, y


def new_genes(seed: int) -> Sample:
    """A thousand other persons."""
    return genes(seed + _NEW, 1000)


@functools.cache
def _flat(part: str) -> Sample:
    """One part of the digits; what is handed out is a copy."""
    split = getattr(data.mnist_5k(), part)
    return split.flat(), split.labels


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
