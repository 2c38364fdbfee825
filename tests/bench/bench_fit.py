"""Speed of ``fit`` beside the usual DataLoader loop and a loop written by hand on tensors.

Prints samples per second of each, and their ratios, which matter: all three are measured in turn,
several times, in this one run. Run it with ``python tests/bench/bench_fit.py``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import data, training

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
BATCH, ROUNDS = 64, 5


HIDDEN = (0, 128)  # units: the more the model computes, the less the way to the data matters


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


def by_loader(dataset, samples: int, hidden: int) -> None:
    """One epoch, or its first ``samples``, of the usual loop: Dataset, ToTensor, DataLoader."""
    model, optimizer = network(hidden)
    seen = total = right = 0
    for X_batch, y_batch in torch.utils.data.DataLoader(dataset, BATCH, shuffle=True):
        output = model(X_batch)
        loss = F.cross_entropy(output, y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y_batch)
        right += (output.argmax(1) == y_batch).sum().item()
        seen += len(y_batch)
        if seen >= samples:
            break


def as_dataset(X: Tensor, y: Tensor, folder: str):
    """The same images as a torchvision dataset with ToTensor, read as MNIST's files are."""
    from torchvision import datasets, transforms

    raw = Path(folder) / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = (X * 255).round().to(torch.uint8)
    for part in ("train", "t10k"):
        head = b"".join(n.to_bytes(4, "big") for n in (2051, len(y), 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.numpy().tobytes())
        head = b"".join(n.to_bytes(4, "big") for n in (2049, len(y)))
        labels = y.to(torch.uint8).numpy().tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(head + labels)
    return datasets.MNIST(folder, train=True, transform=transforms.ToTensor())


def speed(action, samples: int) -> float:
    """Samples per second of CPU time, which other programs on the machine disturb least."""
    start = time.process_time()
    action()
    return samples / (time.process_time() - start)


def compare(hidden: int, X: Tensor, y: Tensor, dataset) -> dict[str, list[float]]:
    """Samples per second of the three ways, in every round."""
    few = min(len(y), 12_800)  # the slow loop does not need all of them for its speed
    speeds: dict[str, list[float]] = {"DataLoader": [], "by hand": [], "fit": []}
    by_fit(X[:640], y[:640], hidden)  # warm up
    for _ in range(ROUNDS):
        speeds["DataLoader"].append(speed(lambda: by_loader(dataset, few, hidden), few))
        speeds["by hand"].append(speed(lambda: by_hand(X, y, hidden), len(y)))
        speeds["fit"].append(speed(lambda: by_fit(X, y, hidden), len(y)))
    return speeds


def report(hidden: int, speeds: dict[str, list[float]]) -> None:
    """Print the medians, and the ratios round by round."""
    print(f"a 784-{hidden}-10 network" if hidden else "a linear model, 784-10")
    for way, values in speeds.items():
        print(f"  {way:11} {statistics.median(values):10,.0f} samples/s")
    for other in ("DataLoader", "by hand"):
        ratios = [a / b for a, b in zip(speeds["fit"], speeds[other], strict=True)]
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"  fit / {other:11} {middle:6.2f}   (rounds: {low:.2f} to {high:.2f})")


def main() -> None:
    """Measure the three in turn."""
    torch.set_num_threads(1)
    if FASHION.is_dir():
        digits = data.idx_folder(FASHION)
        images = [torch.cat(pair) for pair in zip(digits.train, digits.validation, strict=True)]
        name = "Fashion-MNIST"
    else:
        digits = data.mnist_5k()
        images = list(digits.train)
        name = "the shipped digits, because Fashion-MNIST is not installed,"
    X, y = images
    print(f"{name} {len(y):,} images, batches of {BATCH}, one thread, {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        dataset = as_dataset(X, y, folder)
        for hidden in HIDDEN:
            report(hidden, compare(hidden, X, y, dataset))
    print("  wanted: at least 10 times the DataLoader loop, at least 0.90 of the loop by hand")


if __name__ == "__main__":
    main()
