"""The explorers of lesson 3.1, The perceptron."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from course_utils import data
from course_utils.explore import (
    Arrow,
    Band,
    Choice,
    Explorer,
    Line,
    Panel,
    Points,
    Scene,
    Slider,
    Span,
)

LIMITS = (-3.0, 3.0)
PLANE = dict(xlim=LIMITS, ylim=LIMITS, xlabel="x₁", ylabel="x₂", equal=True)
STEPS_SHOWN = 30


def _line_ends(w1: float, w2: float, b: float) -> tuple[list[float], list[float]]:
    """Two points of the line ``w1 x1 + w2 x2 + b = 0`` outside the panel, ``w`` not zero."""
    length_squared = w1 * w1 + w2 * w2
    foot = (-b * w1 / length_squared, -b * w2 / length_squared)  # the point nearest the origin
    reach = 12.0 / length_squared**0.5
    return (
        [foot[0] - reach * w2, foot[0] + reach * w2],
        [foot[1] + reach * w1, foot[1] - reach * w1],
    )


def _firing_side(w1: float, w2: float, b: float) -> list:
    """Marks that shade the half-plane where the neuron fires."""
    low, high = LIMITS
    if w2 == 0 and w1 == 0:
        return [Span(low, high, color="orange")] if b > 0 else []
    if w2 == 0:
        edge = min(max(-b / w1, low), high)
        ends = (edge, high) if w1 > 0 else (low, edge)
        return [Span(*ends, color="orange")] if ends[0] < ends[1] else []
    x = torch.linspace(low, high, 49)
    edge = (-(w1 * x + b) / w2).clamp(low, high)
    ceiling, floor = torch.full_like(x, high), torch.full_like(x, low)
    lower, upper = (edge, ceiling) if w2 > 0 else (floor, edge)
    return [Band(x, lower, upper, color="orange")]


def _class_points(X: Tensor, y: Tensor) -> list[Points]:
    """The two classes, told apart by color and marker."""
    zero, one = X[y == 0], X[y == 1]
    return [
        Points(zero[:, 0], zero[:, 1], label="class 0", color="blue", marker="circle"),
        Points(one[:, 0], one[:, 1], label="class 1", color="vermillion", marker="triangle"),
    ]


def _line_and_normal(w1: float, w2: float, b: float) -> list:
    """The boundary and the weight vector, half as long, standing on it; nothing without weights."""
    if w1 == 0 and w2 == 0:
        return []
    scale = -b / (w1 * w1 + w2 * w2)
    foot = (scale * w1, scale * w2)  # the point of the line nearest the origin
    return [
        Line(*_line_ends(w1, w2, b), label="boundary", color="text"),
        Arrow(*foot, foot[0] + w1 / 2, foot[1] + w2 / 2, color="green"),
    ]


def _boundary_scene(X: Tensor, y: Tensor, w1: float, w2: float, b: float) -> Scene:
    z = X @ torch.tensor([w1, w2]) + b
    wrong = (z > 0).float() != y
    marks = [*_firing_side(w1, w2, b), *_class_points(X, y)]
    marks.append(
        Points(X[wrong, 0], X[wrong, 1], label="wrong", color="text", marker="ring", size=9)
    )
    marks += _line_and_normal(w1, w2, b)
    length = (w1 * w1 + w2 * w2) ** 0.5
    if length == 0:
        answer = int(b > 0)
        status = f"Both weights are 0: there is no line. The neuron says {answer} everywhere."
    elif wrong.any():
        status = f"{int(wrong.sum())} of {len(y)} points are wrong."
    else:
        margin = z.abs().min().item()
        marks += [
            Line(*_line_ends(w1, w2, b + margin), label="margin", color="green", dash="dashed"),
            Line(*_line_ends(w1, w2, b - margin), color="green", dash="dashed"),
        ]
        status = f"All {len(y)} points are right, with a margin of {margin / length:.2f}."
    return Scene(Panel(marks, **PLANE), status=status)


@functools.cache
def boundary() -> Explorer:
    """Weights and bias of one neuron, and the line they draw through 40 points."""
    X, y, *_ = data.separable(n=40, margin=0.15, seed=6)
    return Explorer(
        name="perceptron-boundary",
        title="One neuron, one line",
        controls=dict(
            w1=Slider("weight w₁", -2, 2, 0.5, start=1.0),
            w2=Slider("weight w₂", -2, 2, 0.5, start=0.5),
            b=Slider("bias b", -2, 2, 0.25, start=0.0),
        ),
        scene=functools.partial(_boundary_scene, 1.6 * X, y),
        storyboard=[
            dict(),
            dict(w1=-0.5, w2=1.5, b=0.5),
            dict(w1=-0.5, w2=1.5, b=-1.5),
            dict(w1=0.5, w2=-1.5),
        ],
        alt=(
            "Forty points of two classes and the boundary line of one neuron, with the side on "
            "which it fires shaded. The weights turn the line, the bias shifts it."
        ),
    )


def _record_updates(X: Tensor, y: Tensor, limit: int) -> list[dict]:
    """Run Rosenblatt's rule and note the state after each of at most ``limit`` updates."""
    w, b = torch.zeros(2), torch.zeros(())
    states = [dict(w=w, b=b, point=None, wrong=_count_wrong(X, y, w, b))]
    for _ in range(200):  # passes over the data; separable sets stop long before
        updated = False
        for x, target in zip(X, y, strict=True):
            error = target - (w @ x + b > 0).float()
            if error == 0:
                continue
            w, b, updated = w + error * x, b + error, True
            states.append(dict(w=w, b=b, point=x, wrong=_count_wrong(X, y, w, b)))
            if len(states) > limit:
                return states
        if not updated:
            break
    return states


def _centered_xor() -> tuple[Tensor, Tensor]:
    X, y = data.xor(n=40, noise=0.15, seed=0)
    return 1.5 * (X - 0.5), y


def _count_wrong(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> int:
    return int(((X @ w + b > 0).float() != y).sum())


@functools.cache
def _rule_runs() -> dict[str, tuple[Tensor, Tensor, list[dict]]]:
    """The three data sets of the step-by-step explorer with their recorded updates."""
    sets = {
        "wide gap": data.separable(n=40, margin=0.3, seed=2)[:2],
        "narrow gap": data.separable(n=40, margin=0.02, seed=3)[:2],
        "no line fits (XOR)": _centered_xor(),
    }
    return {name: (X, y, _record_updates(X, y, STEPS_SHOWN)) for name, (X, y) in sets.items()}


def _rule_scene(dataset: str, step: int) -> Scene:
    X, y, states = _rule_runs()[dataset]
    last = len(states) - 1
    now = states[min(int(step), last)]
    limit = max(1.3, float(X.abs().max()) * 1.1)
    w1, w2, b = now["w"][0].item(), now["w"][1].item(), now["b"].item()
    marks = _class_points(X, y)
    if w1 or w2:
        marks.append(Line(*_line_ends(w1, w2, b), label="boundary", color="text"))
    if now["point"] is not None:
        px, py = now["point"].tolist()
        marks.append(
            Points([px], [py], label="corrected point", color="green", marker="ring", size=11)
        )
    plane = Panel(
        marks, xlim=(-limit, limit), ylim=(-limit, limit), xlabel="x₁", ylabel="x₂", equal=True
    )
    mistakes = _mistake_panel(states, int(step), len(y))
    return Scene([plane, mistakes], status=_rule_status(now["wrong"], min(int(step), last)))


def _mistake_panel(states: list[dict], step: int, total: int) -> Panel:
    """The number of wrong points after each update, with the present one marked."""
    wrong = [state["wrong"] for state in states]
    here = min(step, len(states) - 1)
    return Panel(
        [
            Line(range(len(wrong)), wrong, color="blue", label="points wrong"),
            Points([here], [wrong[here]], color="vermillion", marker="diamond", size=7),
        ],
        xlim=(-0.5, STEPS_SHOWN + 0.5),
        ylim=(-1, 0.8 * total),
        xlabel="updates so far",
        ylabel="points on the wrong side",
    )


def _rule_status(wrong: int, updates: int) -> str:
    count = "1 update" if updates == 1 else f"{updates} updates"
    if wrong == 0:
        return f"After {count} no point is wrong: the rule has stopped for good."
    return f"Points on the wrong side after {count}: {wrong}."


@functools.cache
def learning_rule() -> Explorer:
    """Rosenblatt's rule, one update at a time, on three data sets."""
    return Explorer(
        name="perceptron-rule",
        title="Rosenblatt's rule, update by update",
        controls=dict(
            dataset=Choice("data", list(_rule_runs()), start="narrow gap"),
            step=Slider("update", 0, STEPS_SHOWN, 1, start=1),
        ),
        scene=_rule_scene,
        storyboard=[
            dict(step=1),
            dict(step=STEPS_SHOWN),
            dict(dataset="no line fits (XOR)", step=STEPS_SHOWN),
        ],
        alt=(
            "Points of two classes with the neuron's line after each update of the perceptron "
            "rule, and the number of points still on the wrong side."
        ),
    )
