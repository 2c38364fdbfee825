"""The explorers of lesson 3.3, Designing architectures."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import data
from course_utils.explore import (
    Bars,
    Choice,
    Explorer,
    Heat,
    Line,
    LogSlider,
    Panel,
    Points,
    Scene,
    Slider,
)

# --- width and depth ---------------------------------------------------------------------------

WIDTHS = (2, 4, 8, 16, 32)
DEPTHS = (1, 2, 3)
STARTS = 3
_POINTS = 65


def _folded(x: Tensor, folds: int) -> Tensor:
    """The unit interval folded again and again: 2^folds straight pieces between 0 and 1."""
    for _ in range(folds):
        x = 1 - (2 * x - 1).abs()
    return x


def _targets(x: Tensor) -> dict[str, Tensor]:
    wave = 0.5 + 0.3 * torch.sin(2 * torch.pi * x) + 0.12 * torch.sin(6 * torch.pi * x + 1)
    return {"wave": wave, "8-piece zigzag": _folded(x, 3)}


def _parameter_count(width: int, depth: int) -> int:
    """Weights and biases of a 1-width-…-width-1 network with ``depth`` hidden layers."""
    return 2 * width + (depth - 1) * width * (width + 1) + width + 1


@functools.cache
def _fits(depth: int, steps: int = 300, lr: float = 0.03) -> tuple[Tensor, Tensor]:
    """Train all widths, targets and starts of one depth side by side.

    A narrow network is a wide one whose other units are masked out, so one tensor holds them all.

    Returns:
        Fits of shape (targets, widths, STARTS, points), sorted by error, and their root mean
        square errors (targets, widths, STARTS).
    """
    x = torch.linspace(0, 1, _POINTS, dtype=torch.float64)  # in float32 runs differ by machine
    targets = torch.stack(list(_targets(x).values()))  # (K, P)
    copies = len(targets) * len(WIDTHS) * STARTS
    generator = torch.Generator().manual_seed(depth)
    widths = torch.tensor(WIDTHS).repeat_interleave(STARTS).repeat(len(targets))  # (S,)
    mask = (torch.arange(max(WIDTHS)) < widths[:, None]).double()[:, None]  # (S, 1, W)

    def uniform(*shape: int, fan_in: Tensor | float) -> Tensor:
        bound = torch.as_tensor(fan_in, dtype=torch.float64).reshape(-1, 1, 1) ** -0.5
        drawn = torch.rand(copies, *shape, generator=generator, dtype=torch.float64)
        values = bound * (2 * drawn - 1)
        return values.requires_grad_()

    largest = max(WIDTHS)
    weights = [uniform(1, largest, fan_in=1.0)]
    weights += [uniform(largest, largest, fan_in=widths) for _ in range(depth - 1)]
    weights += [uniform(largest, 1, fan_in=widths)]
    biases = [
        uniform(1, w.shape[2], fan_in=1.0 if k == 0 else widths) for k, w in enumerate(weights)
    ]
    inputs = (4 * x - 2)[None, :, None].expand(copies, -1, -1)  # (S, P, 1)
    wanted = targets.repeat_interleave(len(WIDTHS) * STARTS, dim=0)  # (S, P)

    def forward() -> Tensor:
        h = inputs
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            h = torch.relu(torch.baddbmm(bias, h, weight)) * mask
        return torch.baddbmm(biases[-1], h, weights[-1]).squeeze(2)  # (S, P)

    optimizer = torch.optim.Adam(weights + biases, lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    with torch.enable_grad():
        for _ in range(steps):
            loss = ((forward() - wanted) ** 2).mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        fits = forward()
        errors = ((fits - wanted) ** 2).mean(dim=1).sqrt()
    shape = (len(targets), len(WIDTHS), STARTS)
    errors, order = errors.reshape(shape).sort(dim=2)
    fits = fits.reshape(*shape, _POINTS).gather(2, order[..., None].expand(-1, -1, -1, _POINTS))
    return fits, errors


def _approximator_scene(target: str, width: float, depth: float) -> Scene:
    x = torch.linspace(0, 1, _POINTS)
    named = _targets(x)
    row, column, depth = list(named).index(target), WIDTHS.index(round(width)), int(depth)
    fits, errors = _fits(depth)
    middle = STARTS // 2
    left = Panel(
        [
            Line(x, named[target], label="target", color="muted", width=5),
            Line(x, fits[row, column, middle], label="network", color="blue"),
        ],
        xlim=(0, 1),
        ylim=(-0.2, 1.25),
        xlabel="x",
        title="target and network",
    )
    here = (_parameter_count(WIDTHS[column], depth), float(errors[row, column, middle]))
    colors, markers = ("blue", "vermillion", "green"), ("circle", "triangle", "square")
    marks = []
    for d, color, marker in zip(DEPTHS, colors, markers, strict=True):
        counts = [_parameter_count(w, d) for w in WIDTHS]
        level = _fits(d)[1][row, :, middle].clamp(min=1e-3)
        marks.append(Line(counts, level, color=color, dash=("solid", "dashed", "dotted")[d - 1]))
        name = f"{d} hidden layer" + "s" * (d > 1)
        marks.append(Points(counts, level, label=name, color=color, marker=marker))
    marks.append(
        Points([here[0]], [max(here[1], 1e-3)], label="shown", color="text", marker="ring", size=10)
    )
    right = Panel(
        marks,
        xlim=(5, 3000),
        ylim=(8e-4, 0.6),
        xscale="log",
        yscale="log",
        xlabel="parameters",
        ylabel="error",
        title=f"median of {STARTS} starts",
    )
    layers = f"{depth} hidden layer" + "s" * (depth > 1)
    status = (
        f"{layers} of {WIDTHS[column]} units, {here[0]} parameters: error {here[1]:.3f} (between "
        f"{errors[row, column, 0]:.3f} and {errors[row, column, -1]:.3f} over {STARTS} starts)."
    )
    return Scene([left, right], status=status)


@functools.cache
def approximator() -> Explorer:
    """Networks of several widths and depths, trained on a smooth and on two folded targets."""
    return Explorer(
        name="architecture-width-depth",
        title="Wider or deeper?",
        controls=dict(
            target=Choice("target", list(_targets(torch.zeros(1))), start="wave"),
            width=LogSlider("units in a layer", 2, 32, 5, start=8),
            depth=Slider("hidden layers", 1, 3, 1, start=1),
        ),
        scene=_approximator_scene,
        storyboard=[
            dict(width=4),
            dict(width=32),
            dict(target="8-piece zigzag", width=32),
            dict(target="8-piece zigzag", width=16, depth=3),
        ],
        alt=(
            "A target curve and the curve of a trained network, beside the error of networks with "
            "one, two and three hidden layers against their number of parameters."
        ),
    )


# --- receptive field ---------------------------------------------------------------------------

_STRIDES = {
    "1 everywhere": lambda layer: 1,
    "2 in the first layer": lambda layer: 2 if layer == 0 else 1,
    "2 in every layer": lambda layer: 2,
}


def _paths(kernel: int, strides: list[int]) -> Tensor:
    """How many paths lead from each pixel of a row to one output, as shares: (receptive field,)."""
    profile = torch.ones(1, dtype=torch.float64)
    for stride in reversed(strides):
        spread = torch.zeros((len(profile) - 1) * stride + 1, dtype=torch.float64)
        spread[::stride] = profile
        padded = F.pad(spread, (kernel - 1, kernel - 1))
        profile = padded.unfold(0, kernel, 1).sum(dim=1)
    return profile / profile.sum()


def _inner_half(profile: Tensor) -> int:
    """Width of the smallest centered window that holds at least half of the paths."""
    middle = len(profile) // 2
    for reach in range(middle + 1):
        inside = profile[middle - reach : middle + reach + 1].sum()
        if inside >= 0.5:
            return 2 * reach + 1
    return len(profile)


def _field_scene(kernel: float, layers: float, strides: str) -> Scene:
    kernel, layers = int(kernel), int(layers)
    steps = [_STRIDES[strides](layer) for layer in range(layers)]
    profile = _paths(kernel, steps)
    size, center = len(profile), 14.0
    image = data.mnist_5k().train.images[4].flip(0)
    low, high = max(0.0, center - size / 2), min(28.0, center + size / 2)
    box = Line(
        [low, high, high, low, low],
        [low, low, high, high, low],
        label="receptive field",
        color="vermillion",
        width=3,
    )
    picture = Panel(
        [Heat(image, vmin=0, vmax=1, cmap="sequential"), box],
        xlim=(0, 28),
        ylim=(0, 28),
        equal=True,
        title="what one output can see",
    )
    offsets = torch.arange(size) - size // 2
    shown = offsets.abs() <= 20
    bars = Panel(
        Bars(offsets[shown], (100 * profile)[shown], color="blue", width=1.0),
        xlim=(-20.5, 20.5),
        ylim=(0, 35),
        xlabel="pixels from the center",
        ylabel="share of the paths (%)",
        title="and how much each column counts",
    )
    beyond = " That is more than the whole image." if size > 28 else ""
    status = (
        f"One output sees {size} × {size} pixels; half of the paths come from the inner "
        f"{_inner_half(profile)} columns.{beyond}"
    )
    return Scene([picture, bars], status=status)


@functools.cache
def receptive_field() -> Explorer:
    """How far one output of a stack of convolutions can see, and where it mostly looks."""
    return Explorer(
        name="architecture-receptive-field",
        title="How far does a convolution see?",
        controls=dict(
            kernel=Slider("kernel size", 3, 7, 2, start=3),
            layers=Slider("layers", 1, 6, 1, start=1),
            strides=Choice("stride", list(_STRIDES), start="1 everywhere"),
        ),
        scene=_field_scene,
        storyboard=[
            dict(layers=1),
            dict(layers=4),
            dict(layers=4, strides="2 in the first layer"),
            dict(layers=3, strides="2 in every layer"),
        ],
        alt=(
            "A digit with a box around the pixels that one output of stacked convolutions depends "
            "on, and bars that show how many paths lead there from each column of pixels."
        ),
    )


# --- a shifted digit ---------------------------------------------------------------------------

_SHIFTS = range(-8, 9)
_POOLS = {"no pooling": 1, "2 × 2": 2, "4 × 4": 4, "7 × 7": 7, "14 × 14": 14, "global": 28}
_DIGITS = (3, 4, 8)


def _moved(image: Tensor, shift: int) -> Tensor:
    """An image (H, W) moved to the right by ``shift`` pixels; what leaves it is lost."""
    moved = torch.zeros_like(image)
    width = image.shape[1]
    if shift >= 0:
        moved[:, shift:] = image[:, : width - shift]
    else:
        moved[:, :shift] = image[:, -shift:]
    return moved


def _edge_maps(image: Tensor) -> Tensor:
    """Four edge filters and a ReLU: (28, 28) -> (4, 28, 28)."""
    right = torch.tensor([[-1.0, 0.0, 1.0]]).expand(3, 3) / 3
    kernels = torch.stack([right, -right, right.T, -right.T])[:, None]
    padded = F.pad(image[None, None], (1, 1, 1, 1))
    return F.relu(F.conv2d(padded, kernels))[0]


@functools.cache
def _shift_table() -> dict[int, tuple[list[Tensor], dict[str, list[Tensor]]]]:
    """For each digit: the images at all shifts, and the pooled edge maps at all shifts."""
    digits = data.mnist_5k().train
    table = {}
    for digit in _DIGITS:
        image = digits.images[digits.labels == digit][0]
        images = [_moved(image, shift) for shift in _SHIFTS]
        maps = [_edge_maps(moved) for moved in images]
        pooled = {name: [F.max_pool2d(m, size) for m in maps] for name, size in _POOLS.items()}
        table[digit] = (images, pooled)
    return table


def _likeness(versions: list[Tensor]) -> Tensor:
    """Cosine similarity of each version with the unmoved one."""
    flat = torch.stack(versions).flatten(1)
    return F.cosine_similarity(flat, flat[len(flat) // 2][None], dim=1)


def _shift_scene(digit: str, shift: float, pooling: str) -> Scene:
    images, pooled = _shift_table()[int(digit)]
    index = list(_SHIFTS).index(int(shift))
    maps = pooled[pooling][index].amax(dim=0)
    pixels, features = _likeness(images), _likeness(pooled[pooling])
    square = dict(equal=True, xlim=(0, 28), ylim=(0, 28), xticks=[], yticks=[])
    picture = Panel(
        Heat(images[index].flip(0), vmin=0, vmax=1, cmap="sequential"), title="input", **square
    )
    feature = Panel(
        Heat(maps.flip(0), vmin=0, vmax=1, cmap="sequential"), title="edge map", **square
    )
    at = list(_SHIFTS)
    likeness = Panel(
        [
            Line(at, pixels, label="pixels", color="blue", dash="dashed"),
            Line(at, features, label="edges", color="vermillion"),
            Points([at[index]], [float(pixels[index])], color="blue", marker="circle"),
            Points([at[index]], [float(features[index])], color="vermillion", marker="diamond"),
        ],
        xlim=(-8.5, 8.5),
        ylim=(0, 1.08),
        xlabel="shift in pixels",
        title="likeness to the unmoved digit",
    )
    status = (
        f"Moved by {int(shift)}: the pixels agree to {float(pixels[index]):.2f} with the unmoved "
        f"digit, the edge map ({pooling}) to {float(features[index]):.2f}."
    )
    return Scene([picture, feature, likeness], status=status)


@functools.cache
def shifted_digit() -> Explorer:
    """A digit that moves, its edge map that moves along, and what pooling makes of it."""
    return Explorer(
        name="architecture-shift",
        title="When the digit moves",
        controls=dict(
            digit=Choice("digit", [str(d) for d in _DIGITS], start="4"),
            shift=Slider("shift to the right", -8, 8, 1, start=0),
            pooling=Choice("max pooling", list(_POOLS), start="no pooling"),
        ),
        scene=_shift_scene,
        storyboard=[
            dict(),
            dict(shift=2),
            dict(shift=2, pooling="4 × 4"),
            dict(shift=2, pooling="global"),
        ],
        alt=(
            "A digit moved sideways, the edges that a convolution finds in it, and the likeness of "
            "both to the unmoved digit for every shift."
        ),
    )
