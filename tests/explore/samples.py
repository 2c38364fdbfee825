"""Small explorers for the tests: one with every mark and control, one that diverges."""

from __future__ import annotations

import functools
import time

import numpy as np

from course_utils.explore import (
    Arrow,
    Band,
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
    Span,
    Toggle,
)

MARKERS = ("circle", "square", "triangle", "diamond", "cross", "ring")
COLORS = ("blue", "vermillion", "green", "purple", "orange", "sky")


def _plane(angle: float, gain: float, kind: str, marks: bool) -> Panel:
    side = np.linspace(-2, 2, 24)
    x, y = np.meshgrid(side, side)
    z = x * np.cos(angle) + y * np.sin(angle)
    heat = np.tanh(gain * z) if kind == "plane" else np.tanh(gain * (x * y))
    points = [
        Points(
            np.cos(np.arange(3) + k),
            np.sin(np.arange(3) + k) * (0.5 + 0.2 * k),
            label=f"class {k}",
            color=COLORS[k],
            marker=marker,
        )
        for k, marker in enumerate(MARKERS)
    ]
    arrow = Arrow(0, 0, 1.5 * np.cos(angle), 1.5 * np.sin(angle), label="weights")
    return Panel(
        [
            Heat(heat, vmin=-1, vmax=1, label="output"),
            *(points if marks else []),
            arrow,
            Label(1.2, -1.7, f"angle {angle:.2f}", align="center"),
        ],
        xlim=(-2, 2),
        ylim=(-2, 2),
        xlabel="x₁",
        ylabel="x₂",
        title="Plane",
        equal=True,
    )


def _curves(angle: float, gain: float) -> Panel:
    x = np.linspace(0.01, 6, 80)
    y = gain * np.exp(-x) * (1.2 + np.sin(x + angle))
    broken = np.where((x > 2) & (x < 3), np.nan, 0.3 + 0.1 * np.cos(x))
    return Panel(
        [
            Span(1, 2, label="watch here"),
            Band(x, y * 0.7, y * 1.4, label="range"),
            Line(x, y, label="loss"),
            Line(x, broken, label="with a gap", color="vermillion", dash="dashed"),
            Line(x, 0.05 + 0 * x, label="target", color="muted", dash="dotted"),
        ],
        xlim=(0, 6),
        ylim=(1e-3, 10),
        xlabel="step",
        ylabel="loss",
        title="Curves",
        yscale="log",
    )


def _bars(angle: float, gain: float) -> Panel:
    height = np.abs(np.sin(angle + np.arange(4))) * min(gain, 1)
    return Panel(
        [
            Bars(np.arange(4), height, label="probability", color="green"),
            Span(0.4, 0.6, color="orange", axis="y", label="undecided"),
        ],
        xlim=(-0.6, 3.6),
        ylim=(0, 1),
        ylabel="probability",
        title="Bars",
        xticks=[(k, name) for k, name in enumerate(["cat", "dog", "bird", "fish"])],
    )


def kitchen_scene(angle: float, gain: float, kind: str, marks: bool) -> Scene:
    return Scene(
        [_plane(angle, gain, kind, marks), _curves(angle, gain), _bars(angle, gain)],
        status=f"The {kind} is turned by {angle:g} rad; its gain is {gain:.3g}.",
    )


@functools.cache
def kitchen_sink() -> Explorer:
    return Explorer(
        name="kitchen-sink",
        title="Every mark and every control <b>& more</b>",
        controls=dict(
            angle=Slider("angle θ (rad)", -1.5, 1.5, 0.5, start=0.5),
            gain=LogSlider("gain", 0.1, 10, 5, start=1.0),
            kind=Choice("surface", ["plane", "saddle"]),
            marks=Toggle("show the points", start=True),
        ),
        scene=kitchen_scene,
        storyboard=[dict(angle=-1.0), dict(angle=1.0, kind="saddle", gain=10.0)],
        alt="A heat map with points, three curves and four bars that turn with the angle.",
    )


def descent_scene(rate: float, steps: int) -> Scene:
    x = np.empty(steps + 1)
    x[0] = 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps):
            x[k + 1] = x[k] - rate * 2 * x[k] ** 3
    bad = not np.all(np.abs(x) < 1e6)  # false for NaN, too
    return Scene(
        Panel(
            Line(np.arange(steps + 1), x, label="position"),
            xlim=(0, 20),
            ylim=(-2, 2),
            xlabel="step",
            ylabel="x",
        ),
        status="The steps grow without bound." if bad else f"Ends at {x[-1]:.3f}.",
        diverged=bad,
    )


@functools.cache
def descent() -> Explorer:
    return Explorer(
        name="descent",
        title="Steps down a quartic",
        controls=dict(
            rate=Slider("learning rate", 0.25, 2.5, 0.25, start=0.25),
            steps=Slider("steps", 1, 20, 1, start=20),
        ),
        scene=descent_scene,
        storyboard=[dict(rate=0.25), dict(rate=0.75), dict(rate=2.5)],
        alt="The position over the steps; it converges, oscillates or diverges with the rate.",
    )


def slow() -> Explorer:
    """Takes two seconds to compute, long enough for a progress bar."""

    def scene(end: int) -> Scene:
        time.sleep(0.4)
        return Scene(Panel(Line([0, 1], [0, end]), (0, 1), (0, 4)), status=f"It ends at {end}.")

    return Explorer(
        name="slow",
        title="Slow",
        controls=dict(end=Slider("end", 0, 4, 1)),
        scene=scene,
        storyboard=[dict(end=0), dict(end=4)],
        alt="A line whose end moves.",
    )


def still() -> Explorer:
    """Has a control that changes nothing."""

    def scene(shown: int, idle: int) -> Scene:
        return Scene(Panel(Line([0, 1], [0, shown]), (0, 1), (0, 2)), status="A line.")

    return Explorer(
        name="still",
        title="Still",
        controls=dict(shown=Slider("shown", 0, 2, 1), idle=Slider("idle", 0, 2, 1)),
        scene=scene,
        storyboard=[dict(shown=0), dict(shown=2)],
        alt="A line whose end moves.",
    )


def slow_fit():
    """Print a line, then train for two seconds, long enough for a progress bar."""
    import torch

    from course_utils import training

    class Slow(torch.nn.Linear):
        def forward(self, x):
            time.sleep(0.5)
            return super().forward(x)

    model = Slow(1, 1)
    options = {"criterion": torch.nn.MSELoss(), "optimizer": torch.optim.SGD(model.parameters())}
    print("The line before.")
    return training.fit(model, (torch.zeros(4, 1), torch.zeros(4, 1)), epochs=6, **options)
