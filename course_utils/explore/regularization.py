"""The explorers of lesson 3.8, Regularization."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import data
from course_utils.explore import (
    Bars,
    Choice,
    Explorer,
    Heat,
    Label,
    Line,
    LogSlider,
    Panel,
    Points,
    Scene,
    Slider,
)

# --- capacity ----------------------------------------------------------------------------------

DEGREES = 12  # 0 ... 11
SIZES = ("12", "16", "24", "48")
NOISES = ("0.1", "0.3", "0.6")
FITS = 8
_GRID = torch.linspace(-1, 1, 81, dtype=torch.float64)


def _curve(x: Tensor) -> Tensor:
    """The true function."""
    return torch.sin(math.pi * x)


def _legendre(x: Tensor, degree: int) -> Tensor:
    """Legendre polynomials up to a degree: (N,) to (N, degree + 1).

    References:
        Bonnet's recursion, e.g. Abramowitz and Stegun (1964), 22.7.10.
    """
    rows = [torch.ones_like(x), x]
    for k in range(1, degree):
        rows.append(((2 * k + 1) * x * rows[k] - k * rows[k - 1]) / (k + 1))
    return torch.stack(rows[: degree + 1], dim=-1)


@functools.cache
def _smoother(size: int, degree: int) -> tuple[Tensor, Tensor]:
    """Matrices from the N measured values to the fit on the grid (81, N) and on the data (N, N)."""
    x = (2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1
    solve = torch.linalg.pinv(_legendre(x, degree))  # (degree + 1, N)
    return _legendre(_GRID, degree) @ solve, _legendre(x, degree) @ solve


@functools.cache
def _errors(size: int, noise: float) -> Tensor:
    """Expected training error, bias² and variance of each degree: (12, 3), in closed form."""
    x = (2 * torch.arange(size, dtype=torch.float64) + 1) / size - 1
    rows = []
    for degree in range(DEGREES):
        on_grid, on_data = _smoother(size, degree)
        missed = (_curve(x) - on_data @ _curve(x)).square().mean()
        training = missed + noise**2 * (1 - (degree + 1) / size)
        bias = (on_grid @ _curve(x) - _curve(_GRID)).square().mean()
        rows.append(torch.stack([training, bias, noise**2 * on_grid.square().sum(1).mean()]))
    return torch.stack(rows)


def _capacity_scene(degree: int, size: str, noise: str) -> Scene:
    n, sigma = int(size), float(noise)
    x = (2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1
    draw = torch.rand(FITS, 48, generator=torch.Generator().manual_seed(0)).double()
    measured = _curve(x) + sigma * math.sqrt(12) * (draw[:, :n] - 0.5)  # uniform noise
    fits = (measured @ _smoother(n, degree)[0].T).clamp(-3, 3)  # (8, 81)
    marks = [Line(_GRID, fit, color="sky", width=1.2) for fit in fits[1:]]
    marks += [
        Line(_GRID, _curve(_GRID), "truth", "text", "dashed"),
        Line(_GRID, fits[0], "one fit", "blue", width=3.0),
        Points(x, measured[0], "its data", "vermillion"),
    ]
    left = Panel(marks, xlim=(-1, 1), ylim=(-2.2, 2.2), xlabel="x", ylabel="y")
    training, bias, variance = _errors(n, sigma).T
    degrees, new = torch.arange(DEGREES), bias + variance + sigma**2
    drawable = training.clamp(min=1e-4)
    right = Panel(
        [
            Line(degrees, drawable, "training error", "blue", "dashed"),
            Line(degrees, new, "error on new data", "vermillion"),
            Line(degrees, torch.full((DEGREES,), sigma**2), "noise", "muted", "dotted"),
            Points([degree], [new[degree]], color="text", marker="ring", size=9),
        ],
        xlim=(-0.4, DEGREES - 0.6),
        ylim=(1e-3, 30),
        yscale="log",
        xlabel="degree",
        ylabel="mean squared error",
        xticks=range(0, DEGREES, 2),
    )
    best = int(new.argmin())
    status = (
        f"Degree {degree}: bias² {bias[degree]:.3f} + variance {variance[degree]:.3f} + noise "
        f"{sigma**2:.2f} = {new[degree]:.3f}. The best degree here is {best}."
    )
    return Scene([left, right], status=status)


@functools.cache
def capacity() -> Explorer:
    """Underfitting and overfitting of polynomials, by degree, sample size and noise."""
    return Explorer(
        name="regularization-capacity",
        title="Too stiff, too flexible",
        controls=dict(
            degree=Slider("degree", 0, DEGREES - 1, 1, start=3),
            size=Choice("samples", SIZES, start="16"),
            noise=Choice("noise", NOISES, start="0.3"),
        ),
        scene=_capacity_scene,
        storyboard=[
            dict(degree=1),
            dict(degree=3),
            dict(degree=11),
            dict(degree=11, size="48"),
        ],
        alt=(
            "Polynomials fitted to eight noisy samples of one curve, and the training error and "
            "the error on new data against the degree."
        ),
    )


# --- dropout and weight decay ------------------------------------------------------------------

RATES = Slider("dropout p", 0.0, 0.7, 0.1)
DECAYS = LogSlider("weight decay", 0.003, 3.0, 7)
HIDDEN, STEPS, GRID = 24, 300, 40
_X_LIMITS, _Y_LIMITS = (-1.9, 2.9), (-1.6, 2.1)


def _half_moons(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two noisy half circles: (n, 2) and (n,); as data.moons, without importing scikit-learn."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n, dtype=torch.float64) % 2
    angle = math.pi * torch.rand(n, generator=generator).double()
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    noise = torch.rand(n, 2, 12, generator=generator).double().sum(-1) - 6  # nearly normal
    return torch.where(y[:, None] > 0, lower, upper) + 0.35 * noise, y


@functools.cache
def _moons() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """40 noisy points to train on, 1,000 to test on; float64."""
    return (*_half_moons(40, seed=3), *_half_moons(1000, seed=4))


def _logits(weights: list[Tensor], X: Tensor, p: Tensor, generator: torch.Generator | None):
    """Logits (K, N) of K networks 2-24-24-1; dropout with the rates p (K, 1, 1) if drawn."""
    values = X.expand(len(p), -1, -1)
    for k in (0, 2):
        values = torch.relu(torch.baddbmm(weights[k + 1], values, weights[k]))  # (K, N, 24)
        if generator is not None:
            draw = torch.rand(1, len(X), HIDDEN, generator=generator).double()
            values = values * (draw >= p) / (1 - p)
    return torch.baddbmm(weights[5], values, weights[4])[..., 0]


@functools.cache
def _boundaries() -> tuple[Tensor, Tensor, Tensor]:
    """Train one network for each p and decay with AdamW, all side by side.

    Returns:
        Probabilities on the grid (p, decay, 40, 40), and test loss and accuracy (p, decay).
    """
    X, y, X_test, y_test = _moons()
    p = torch.tensor(RATES.values).double().repeat_interleave(len(DECAYS.values))[:, None, None]
    decay = torch.tensor(DECAYS.values).double().repeat(len(RATES.values))[:, None, None]
    generator = torch.Generator().manual_seed(0)
    weights: list[Tensor] = []
    for n_in, n_out in ((2, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)):  # the same start for all
        W = (2 * torch.rand(1, n_in, n_out, generator=generator).double() - 1) * (6 / n_in) ** 0.5
        weights.append(W.repeat(len(p), 1, 1).requires_grad_())
        weights.append(torch.zeros(len(p), 1, n_out).double().requires_grad_())
    first = [torch.zeros_like(w) for w in weights]
    second = [torch.zeros_like(w) for w in weights]
    targets = y.expand(len(p), -1)
    for step in range(1, STEPS + 1):
        z = _logits(weights, X, p, generator)
        loss = F.binary_cross_entropy_with_logits(z, targets, reduction="none").mean(1).sum()
        gradients = torch.autograd.grad(loss, weights)
        rate = 0.02 * (1 + math.cos(math.pi * step / STEPS)) / 2
        with torch.no_grad():
            for k, (w, g) in enumerate(zip(weights, gradients, strict=True)):
                first[k].lerp_(g, 0.1)
                second[k].mul_(0.999).addcmul_(g, g, value=0.001)
                if k % 2 == 0:  # matrices only
                    w.mul_(1 - rate * decay)
                m, v = first[k] / (1 - 0.9**step), second[k] / (1 - 0.999**step)
                w.sub_(rate * m / (v.sqrt() + 1e-8))
    x1 = torch.linspace(*_X_LIMITS, GRID, dtype=torch.float64)
    x2 = torch.linspace(*_Y_LIMITS, GRID, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(x1, x2, indexing="xy"), dim=-1).reshape(-1, 2)
    shape = (len(RATES.values), len(DECAYS.values))
    with torch.no_grad():
        shade = _logits(weights, points, p, None).sigmoid().reshape(*shape, GRID, GRID)
        z, wanted = _logits(weights, X_test, p, None), y_test.expand(len(p), -1)
    loss = F.binary_cross_entropy_with_logits(z, wanted, reduction="none").mean(1)
    right = ((z > 0) == (wanted > 0.5)).double().mean(1)
    return shade, loss.reshape(shape), right.reshape(shape)


def _boundary_scene(p: float, decay: float) -> Scene:
    X, y, _, _ = _moons()
    shade, loss, right = _boundaries()
    i = min(range(len(RATES.values)), key=lambda k: abs(RATES.values[k] - p))
    j = min(range(len(DECAYS.values)), key=lambda k: abs(math.log(DECAYS.values[k] / decay)))
    plane = Panel(
        [
            Heat(shade[i, j], 0.0, 1.0, alpha=0.85, label="probability of class 1"),
            Points(*X[y == 0].T, "class 0", "blue"),
            Points(*X[y == 1].T, "class 1", "vermillion", "triangle", 6),
        ],
        xlim=_X_LIMITS,
        ylim=_Y_LIMITS,
        xlabel="first input",
        ylabel="second input",
    )
    tested = Panel(
        [
            Line(DECAYS.values, loss[0], "p = 0", "muted", "dotted"),
            Line(DECAYS.values, loss[i], "the chosen p", "blue", width=3.0),
            Points([DECAYS.values[j]], [loss[i, j]], color="text", marker="ring", size=9),
        ],
        xlim=(0.0025, 3.6),
        ylim=(0.3, 3.0),
        xscale="log",
        yscale="log",
        xlabel="weight decay",
        ylabel="loss on 1,000 new points",
        yticks=(0.3, 0.5, 1, 2, 3),
    )
    status = (
        f"p = {RATES.values[i]:g}, decay {DECAYS.values[j]:.2g}: on new points loss "
        f"{loss[i, j]:.2f}, {100 * right[i, j]:.0f} % right."
    )
    return Scene([plane, tested], status=status)


@functools.cache
def boundary() -> Explorer:
    """A decision boundary under dropout and weight decay."""
    return Explorer(
        name="regularization-boundary",
        title="Dropout and weight decay on a decision boundary",
        controls=dict(p=RATES, decay=DECAYS),
        scene=_boundary_scene,
        storyboard=[
            dict(p=0.0),
            dict(p=0.5),
            dict(p=0.0, decay=DECAYS.values[4]),
            dict(p=0.0, decay=3.0),
        ],
        alt=(
            "The class probabilities that a network gives to the plane after training on 40 noisy "
            "points, and its loss on new points against the weight decay."
        ),
    )


# --- batch statistics --------------------------------------------------------------------------

BATCHES = ("2", "4", "8", "16", "32", "64", "128", "256")
MOMENTA = ("0.01", "0.1", "0.5")
SHOWN, DRAWS = 80, 600


@functools.cache
def _unit() -> Tensor:
    """Pre-activations of one hidden unit for the 3,500 training digits: (3500,) float64.

    A digit whose value lies 0.3 standard deviations above the mean comes first.
    """
    images = data.mnist_5k().train.images[:, None].double()
    X = F.avg_pool2d(images, 4).flatten(1)  # (3500, 49)
    weights = torch.rand(49, generator=torch.Generator().manual_seed(2)).double() - 0.5
    values = 3.0 + 4 * (X @ weights)
    z = (values - values.mean()) / values.std(correction=0)
    return values.roll(-int((z - 0.3).abs().argmin()))


@functools.cache
def _normalized(batch: int) -> Tensor:
    """One sample, normalized in 600 batches that it shares with different others: (600,)."""
    values, generator = _unit(), torch.Generator().manual_seed(batch)
    others = torch.randint(1, len(values), (DRAWS, batch - 1), generator=generator)
    group = torch.cat([values[:1].expand(DRAWS, 1), values[others]], dim=1)
    spread = group.var(dim=1, correction=0).add(1e-5).sqrt()
    return (values[0] - group.mean(dim=1)) / spread


@functools.cache
def _batch_means(batch: int) -> Tensor:
    """Means of 80 batches, drawn at random: (80,)."""
    rows = torch.randint(3500, (SHOWN, batch), generator=torch.Generator().manual_seed(batch))
    return _unit()[rows].mean(dim=1)


def _noise_scene(batch: str, momentum: str) -> Scene:
    size, share, values = int(batch), float(momentum), _unit()
    means, running = _batch_means(size), [0.0]
    for mean in means.tolist():
        running.append((1 - share) * running[-1] + share * mean)
    center, sigma = values.mean(), values.std(correction=0)
    tracked = Panel(
        [
            Line([0, SHOWN], [center, center], "mean of all digits", "text", "dashed", 1.5),
            Points(range(1, SHOWN + 1), means, "mean of a batch", "sky", size=3.5),
            Line(range(SHOWN + 1), running, "running mean", "vermillion", width=3.0),
        ],
        xlim=(0, SHOWN),
        ylim=(-0.2, 6.2),
        xlabel="step",
        ylabel="pre-activation",
    )
    seen = _normalized(size)
    edges = torch.linspace(-2.6, 2.6, 53, dtype=torch.float64)
    counts = torch.histogram(seen.clamp(-2.59, 2.59), edges).hist / DRAWS
    exact = ((values[0] - center) / sigma).item()
    spread = Panel(
        [
            Bars((edges[:-1] + edges[1:]) / 2, counts, color="sky", width=0.1),
            Line([exact, exact], [0, 1], "with all digits", "text", "dashed", 1.5),
            Label(-2.5, 0.92, f"batch of {size}", align="left"),
        ],
        xlim=(-2.6, 2.6),
        ylim=(0, 1),
        xlabel="one digit's normalized value",
        ylabel="share of 600 batches",
    )
    rest = abs(running[-1] - center.item()) / sigma.item()
    status = (
        f"Batches of {size}: their means scatter by {means.std() / sigma:.2f} σ "
        f"(expected 1/√{size} = {size**-0.5:.2f}). After {SHOWN} steps the running mean is "
        f"{rest:.2f} σ off."
    )
    return Scene([tracked, spread], status=status)


@functools.cache
def batch_noise() -> Explorer:
    """The noise of batch statistics, and the running mean that follows them."""
    return Explorer(
        name="regularization-batch-noise",
        title="How noisy are the statistics of a batch?",
        controls=dict(
            batch=Choice("batch size", BATCHES, start="16"),
            momentum=Choice("momentum of the running mean", MOMENTA, start="0.1"),
        ),
        scene=_noise_scene,
        storyboard=[
            dict(batch="2"),
            dict(batch="16"),
            dict(batch="256"),
            dict(batch="16", momentum="0.01"),
        ],
        alt=(
            "Means of successive batches of one hidden unit with their running mean, and the "
            "normalized value of one and the same digit in many different batches."
        ),
    )
