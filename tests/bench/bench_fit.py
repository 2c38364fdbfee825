"""Speed of ``fit`` beside the usual DataLoader loop and a loop written by hand on tensors.

Prints samples per second of each, and their ratios, which matter: all are measured in turn,
several times, in this one run. Run it with ``python tests/bench/bench_fit.py``.

The usual loop is the one of most tutorials: torchvision's ``FashionMNIST`` with ``ToTensor`` and
``Normalize``, a shuffled ``DataLoader`` with batches of 64, and the loss and the accuracy added
up with ``.item()``. What it loses is the fetching, image by image. How much ``fit`` gains
therefore depends on the model: no loop can be faster than the model itself, which is why the loop
by hand is measured too.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gzip
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import data, training

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
BATCH, ROUNDS = 64, 7
SLOW = 12_800  # the loops over a DataLoader do not need all images for their speed
HIDDEN = (0, 128)  # units: the more the model computes, the less the way to the data matters
GOAL, HAND_GOAL = 10, 0.9

Speeds = dict[str, list[float]]


def network(hidden: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A 784-hidden-10 network, or a linear model if hidden is 0, with plain SGD."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden or 10))
    if hidden:
        model.extend([nn.ReLU(), nn.Linear(hidden, 10)])
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def by_fit(X: Tensor, y: Tensor, hidden: int) -> None:
    """One epoch of ``fit``, with its loss and accuracy."""
    model, optimizer = network(hidden)
    criterion = nn.CrossEntropyLoss()
    options = {"criterion": criterion, "optimizer": optimizer, "batch_size": BATCH}
    training.fit(model, (X, y), epochs=1, progress=False, **options)


def by_hand(X: Tensor, y: Tensor, hidden: int) -> None:
    """One epoch of the five steps on tensors, with the loss and the accuracy."""
    model, optimizer = network(hidden)
    total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    for rows in torch.randperm(len(y)).split(BATCH):
        X_batch, y_batch = X[rows], y[rows]
        output = model(X_batch)
        loss = F.cross_entropy(output, y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
        right += (output.argmax(1) == y_batch).sum()


def by_loader(dataset, hidden: int) -> None:
    """The usual loop over a Dataset and a DataLoader, stopped after some batches."""
    model, optimizer = network(hidden)
    total = right = 0
    for X_batch, y_batch in first_batches(dataset):
        output = model(X_batch)
        loss = F.cross_entropy(output, y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y_batch)
        right += (output.argmax(1) == y_batch).sum().item()


def first_batches(dataset):
    """The batches of a shuffled DataLoader up to ``SLOW`` samples."""
    loader = torch.utils.data.DataLoader(dataset, BATCH, shuffle=True)
    for _, batch in zip(range(SLOW // BATCH), loader, strict=False):
        yield batch


def exhaust(batches) -> None:
    """Fetch all batches and do nothing with them."""
    for _ in batches:
        pass


def fashion_folder(folder: Path) -> Path:
    """Unpack Debian's files where torchvision's FashionMNIST looks for them."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in FASHION.glob("*.gz"):
        with gzip.open(packed) as source, (raw / packed.stem).open("wb") as target:
            shutil.copyfileobj(source, target)
    return folder


def datasets_in(folder: Path) -> dict[str, object]:
    """The set as most programs load it, and without the normalization, which costs most."""
    from torchvision import datasets, transforms

    plain = transforms.ToTensor()
    usual = transforms.Compose([plain, transforms.Normalize((0.5,), (0.5,))])
    kinds = {"ToTensor + Normalize": usual, "ToTensor only": plain}
    return {k: datasets.FashionMNIST(folder, train=True, transform=t) for k, t in kinds.items()}


def speed(action: Callable[[], None], samples: int) -> float:
    """Samples per second of CPU time, which other programs on the machine disturb least."""
    start = time.process_time()
    action()
    return samples / (time.process_time() - start)


def fetching(X: Tensor, y: Tensor, kinds: dict[str, object]) -> Speeds:
    """Samples per second without a model, in every round."""
    speeds: Speeds = {name: [] for name in (*kinds, "data.batches")}
    for _ in range(ROUNDS):
        for name, dataset in kinds.items():
            speeds[name].append(speed(lambda d=dataset: exhaust(first_batches(d)), SLOW))
        speeds["data.batches"].append(speed(lambda: exhaust(data.batches(X, y)), len(y)))
    return speeds


def training_speeds(hidden: int, X: Tensor, y: Tensor, kinds: dict[str, object]) -> Speeds:
    """Samples per second of the loops, in every round."""
    speeds: Speeds = {name: [] for name in (*kinds, "by hand", "fit")}
    by_fit(X[:640], y[:640], hidden)  # warm up
    for _ in range(ROUNDS):
        for name, dataset in kinds.items():
            speeds[name].append(speed(lambda d=dataset: by_loader(d, hidden), SLOW))
        speeds["by hand"].append(speed(lambda: by_hand(X, y, hidden), len(y)))
        speeds["fit"].append(speed(lambda: by_fit(X, y, hidden), len(y)))
    return speeds


def report(title: str, speeds: Speeds, pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Print the speeds, and the ratios of the pairs; return the ratios.

    What disturbs a round only slows it down, so each way is judged by its best round.
    """
    print(title)
    for way, values in speeds.items():
        middle = statistics.median(values)
        print(f"  {way:28} {max(values):11,.0f} samples/s   (median {middle:,.0f})")
    found = {}
    for one, other in pairs:
        ratios = [a / b for a, b in zip(speeds[one], speeds[other], strict=True)]
        best = found[f"{one} / {other}"] = max(speeds[one]) / max(speeds[other])
        print(f"  {one} / {other}: {best:.2f}   (rounds: {min(ratios):.2f} to {max(ratios):.2f})")
    return found


def measure(X: Tensor, y: Tensor, kinds: dict[str, object]) -> None:
    """Measure and print everything on one set."""
    kinds = {f"loader, {name}": dataset for name, dataset in kinds.items()}
    usual, plain = kinds
    report(
        "fetching only, no model",
        fetching(X, y, kinds),
        [("data.batches", usual), ("data.batches", plain)],
    )
    pairs = [("fit", usual), ("fit", plain), ("fit", "by hand"), ("by hand", usual)]
    for hidden in HIDDEN:
        title = f"training 784-{hidden}-10" if hidden else "training a linear model, 784-10"
        found = report(title, training_speeds(hidden, X, y, kinds), pairs)
        told = {True: "reached", False: "missed"}
        ratio, share = found[f"fit / {usual}"], found["fit / by hand"]
        print(f"  at least {GOAL} times the usual loop: {told[ratio >= GOAL]}")
        print(f"  at least {HAND_GOAL} of the loop by hand: {told[share >= HAND_GOAL]}")
        if ratio < GOAL:
            print(
                f"  (the loop by hand, which fetches whole batches too, is at "
                f"{found[f'by hand / {usual}']:.1f}: the rest of the time is the model's)"
            )


def main() -> None:
    """Measure on the full Fashion-MNIST."""
    torch.set_num_threads(1)
    if not FASHION.is_dir():
        print("Fashion-MNIST is not installed: apt-get install dataset-fashion-mnist")
        return
    with tempfile.TemporaryDirectory() as folder:
        kinds = datasets_in(fashion_folder(Path(folder)))
        usual = next(iter(kinds.values()))
        X = usual.data[:, None].float().div(255).sub(0.5).div(0.5)  # (60000, 1, 28, 28)
        y = usual.targets
        first, label = usual[0]
        assert torch.allclose(X[0], first)
        assert y[0] == label
        print(f"Fashion-MNIST, {len(y):,} images, batches of {BATCH}, one thread, {ROUNDS} rounds")
        measure(X, y, kinds)


if __name__ == "__main__":
    main()
