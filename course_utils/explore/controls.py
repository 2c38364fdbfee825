"""Controls: the finite grids of values that an explorer's reader can choose from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


def format_value(value: Any) -> str:
    """Text of a control's value: `on`/`off`, four significant digits, or the text itself."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return f"{value:.4g}"
    return str(value)


@dataclass
class Control:
    """Base of all controls: a label, the grid of `values` and the value to `start` from."""

    label: str
    values: list = field(init=False, default_factory=list)
    kind = ""

    def index_of(self, value: Any) -> int:
        """Place of `value` on the grid.

        Raises:
            ValueError: if it is not on the grid; the message names the nearest values.
        """
        for index, candidate in enumerate(self.values):
            if self._same(candidate, value):
                return index
        raise ValueError(f"{self.label}: {value!r} is not on the grid; {self._suggest(value)}")

    def _same(self, candidate: Any, value: Any) -> bool:
        return type(candidate) is type(value) and candidate == value

    def _suggest(self, value: Any) -> str:
        return "choose one of " + ", ".join(repr(candidate) for candidate in self.values)

    def describe(self) -> dict[str, Any]:
        """What the browser needs to know, ready for JSON."""
        return {
            "kind": self.kind,
            "label": self.label,
            "start": self.index_of(self.start),
            "texts": [format_value(value) for value in self.values],
        }


class _Numeric(Control):
    """What `Slider` and `LogSlider` share: numbers in rising order."""

    kind = "slider"

    def _same(self, candidate: float, value: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isclose(candidate, value, rel_tol=1e-6, abs_tol=self._tolerance)

    def _suggest(self, value: Any) -> str:
        if not isinstance(value, (int, float)):
            return f"it takes numbers from {self.values[0]:g} to {self.values[-1]:g}"
        nearest = sorted(self.values, key=lambda candidate: abs(candidate - value))[:2]
        return "the nearest values are " + " and ".join(f"{v:.6g}" for v in sorted(nearest))

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"numbers": [float(value) for value in self.values]}


@dataclass
class Slider(_Numeric):
    """Equally spaced numbers `low`, `low + step`, ..., `high`.

    If `low` and `step` are integers, so are the values. `start` defaults to `low`.
    """

    low: float
    high: float
    step: float
    start: float | None = None

    def __post_init__(self) -> None:
        if not (self.step > 0 and self.high > self.low):
            raise ValueError(f"{self.label}: needs low < high and step > 0")
        steps = (self.high - self.low) / self.step
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError(f"{self.label}: {self.low} to {self.high} is not whole steps")
        whole = isinstance(self.low, int) and isinstance(self.step, int)
        grid = (self.low + index * self.step for index in range(round(steps) + 1))
        self.values = [value if whole else round(float(value), 12) + 0.0 for value in grid]
        self.start = self.values[0] if self.start is None else self.start
        self.start = self.values[self.index_of(self.start)]

    @property
    def _tolerance(self) -> float:
        return 1e-6 * self.step


@dataclass
class LogSlider(_Numeric):
    """`count` numbers from `low` to `high` with equal ratios. `start` defaults to `low`."""

    low: float
    high: float
    count: int
    start: float | None = None

    _tolerance = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise ValueError(f"{self.label}: a log slider needs 0 < low < high")
        if self.count < 2:
            raise ValueError(f"{self.label}: a log slider needs a count of 2 or more")
        a, b = math.log10(self.low), math.log10(self.high)
        grid = (10 ** (a + (b - a) * index / (self.count - 1)) for index in range(self.count))
        self.values = [float(f"{value:.12g}") for value in grid]
        self.start = self.values[0] if self.start is None else self.start
        self.start = self.values[self.index_of(self.start)]

    def _suggest(self, value: Any) -> str:
        return super()._suggest(value) + " (equal ratios: choose low, high and count to hit it)"


@dataclass
class Choice(Control):
    """One of a few texts. `start` defaults to the first."""

    options: Sequence[str]
    start: str | None = None
    kind = "choice"

    def __post_init__(self) -> None:
        self.values = [str(option) for option in self.options]
        if len(self.values) < 2 or len(set(self.values)) != len(self.values):
            raise ValueError(f"{self.label}: a choice needs two or more different options")
        self.start = self.values[0] if self.start is None else self.start
        self.index_of(self.start)


@dataclass
class Toggle(Control):
    """On or off."""

    start: bool = False
    kind = "toggle"

    def __post_init__(self) -> None:
        self.values = [False, True]
        self.start = bool(self.start)
