"""What one training of a patient shows, in numbers and in a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from course_utils import plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Trace:
    """The record of one training.

    Attributes:
        title: which patient, which seed.
        score_name: what the scores measure, as in ``"accuracy"``.
        losses: the loss of each batch, in the order of the updates.
        gradient_norms: norm of the gradient that the optimizer used, at each update.
        history: the program's own report, one number per epoch.
        train_score: the clinic's measurement on the program's training data, after training.
        checkup_score: the clinic's measurement on new data.
        changes: for each parameter that ``model.parameters()`` lists, the length of its way from
            start to end as a share of its length at the start.
    """

    title: str
    score_name: str
    losses: list[float]
    gradient_norms: list[float]
    history: list[float]
    train_score: float
    checkup_score: float
    changes: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        first, last = _ends(self.losses)
        small, large = _ends(self.gradient_norms)
        rows = [
            f"{self.title}: {len(self.losses)} updates",
            f"  loss            {first} at the first update, {last} at the last",
            f"  gradient norm   {small} at the first update, {large} at the last",
            f"  owner's report  {_about(self.history[-1])} ({self.score_name}, validation)",
            f"  check-up        {_about(self.train_score)} on the training data, "
            f"{_about(self.checkup_score)} on new data",
        ]
        moved = ", ".join(f"{name} {_about(way)}" for name, way in self.changes.items())
        return "\n".join([*rows, f"  weights moved   {moved}"])


def _ends(values: list[float]) -> tuple[str, str]:
    return (_about(values[0]), _about(values[-1])) if values else ("unknown", "unknown")


def _about(value: float) -> str:
    return f"≈{value:.2f}" if math.isfinite(value) else "not finite"


def draw(axes: Any, trace: Trace) -> None:
    """Draw a trace on three Axes; the middle one has what a legend needs.

    Args:
        axes: for the loss, the scores and the gradient norm.
        trace: what to draw.
    """
    losses, scores, gradients = axes
    updates = range(1, len(trace.losses) + 1)
    _line(losses, updates, trace.losses, "blue", "loss of the batch", "update")
    losses.set_title(trace.title)
    epochs = range(1, len(trace.history) + 1)
    _line(scores, epochs, trace.history, "blue", trace.score_name, "epoch", label="owner's report")
    marks = (
        ("on new data", trace.checkup_score, "D"),
        ("on training data", trace.train_score, "o"),
    )
    for (label, value, marker), color in zip(marks, ("vermillion", "green"), strict=True):
        color = plotting.OKABE_ITO[color]
        scores.plot([len(trace.history)], [value], marker, color=color, label=f"check-up {label}")
    known = [*trace.history, trace.checkup_score, trace.train_score]
    highest = max(filter(math.isfinite, known), default=1.0)
    top = 1.0 if trace.score_name == "accuracy" else 1.2 * highest
    scores.set_ylim(-0.04 * top, 1.04 * top)
    _line(gradients, updates, trace.gradient_norms, "orange", "gradient norm", "update")
    positive = [norm for norm in trace.gradient_norms if math.isfinite(norm) and norm > 0]
    if positive and max(positive) > 20 * min(positive):
        gradients.set_yscale("log")


def _line(
    ax: Axes, x: Any, values: list[float], color: str, name: str, along: str, label: str = ""
) -> None:
    ax.plot(list(x), values, color=plotting.OKABE_ITO[color], label=label or None, linewidth=1.2)
    broken = next((k for k, value in enumerate(values) if not math.isfinite(value)), None)
    if broken is not None:
        ax.set_xlim(0, len(values))
        words = f"not finite from {along} {broken + 1} on"
        ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", fontsize="small")
    ax.set_xlabel(along)
    ax.set_ylabel(name)
