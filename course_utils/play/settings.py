"""The playground's settings, and the one string that holds them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote

from .problems import DATA, FEATURES, LOSSES, PLAIN

__all__ = ["ACTIVATIONS", "LIVE", "OPTIMIZERS", "Settings", "StateError"]

MOST_LAYERS = 4
MOST_UNITS = 8

ACTIVATIONS = {
    "tanh": ("Tanh", "nn.Tanh()"),
    "relu": ("ReLU", "nn.ReLU()"),
    "leaky-relu": ("Leaky ReLU", "nn.LeakyReLU()"),
    "gelu": ("GELU", "nn.GELU()"),
    "sigmoid": ("Sigmoid", "nn.Sigmoid()"),
    "linear": ("None (linear)", "nn.Identity()"),
}
"""Name -> (label, module as the program writes it)."""

OPTIMIZERS = {
    "SGD": ("SGD", ""),
    "Momentum": ("SGD", ", momentum=0.9"),
    "RMSprop": ("RMSprop", ""),
    "Adam": ("Adam", ""),
    "AdamW": ("AdamW", ""),
}
"""Name -> (class of torch.optim, further arguments)."""

LIVE = ("lr", "l1", "l2", "dropout")
"""Settings that change while the network trains; any other starts it anew."""


class StateError(ValueError):
    """A setting or a state string is wrong; the message says which part and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set on the board.

    Attributes:
        data: name of the data set, and noise: from 0 to 0.5.
        features: names of the inputs.
        hidden: units of each hidden layer.
        activation, loss, optimizer: by name.
        lr: learning rate.
        l1, l2: strength of the penalties; l2 is the optimizer's `weight_decay`.
        dropout: probability that a hidden unit is dropped.
        batch: points for each step.
        seed: of the initial weights and of the order of the points.
    """

    data: str = "moons"
    noise: float = 0.15
    features: tuple[str, ...] = PLAIN
    hidden: tuple[int, ...] = (8, 8)
    activation: str = "tanh"
    loss: str = "cross-entropy"
    optimizer: str = "SGD"
    lr: float = 0.1
    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    batch: int = 20
    seed: int = 0

    def changed(self, **values: Any) -> Settings:
        """A copy with other values; the loss gives way if the data ask for another kind.

        Raises:
            StateError: if a name is unknown or a value is not allowed.
        """
        checked = {name: check(name, value) for name, value in values.items()}
        settings = replace(self, **checked)
        allowed = LOSSES[DATA[settings.data].kind]
        if settings.loss not in allowed:
            if "loss" in values:
                raise StateError(
                    f"loss: {settings.data} can be learned with {', '.join(allowed)}, "
                    f"not with {settings.loss}."
                )
            settings = replace(settings, loss=next(iter(allowed)))
        return settings

    def to_string(self, names: Collection[str] | None = None) -> str:
        """The settings as one line that can be copied and sent."""
        pairs = []
        for name, value in asdict(self).items():
            if names is None or name in names:
                parts = value if isinstance(value, tuple) else (value,)
                text = ",".join(str(part).removesuffix(".0") for part in parts)
                pairs.append(f"{name}={quote(text, safe=',^')}")
        return "&".join(pairs)

    @classmethod
    def parse(cls, text: str, names: Collection[str] | None = None) -> dict[str, Any]:
        """The values in a state string, checked.

        Args:
            text: as `to_string` writes it; settings that are left out stay as they are.
            names: settings that this board has.

        Raises:
            StateError: if the string cannot be read; the message says where and why.
        """
        if not isinstance(text, str) or not text.strip():
            raise StateError("The state is empty. It looks like data=moons&hidden=8,8&lr=0.1.")
        try:
            pairs = parse_qsl(text.strip(), keep_blank_values=True, strict_parsing=True)
        except ValueError:
            raise StateError(
                f"{text.strip()[:60]!r} is not a state. It looks like data=moons&hidden=8,8&lr=0.1."
            ) from None
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise StateError(f"{name} stands twice in the state.")
            if names is not None and name in _CHECKS and name not in names:
                raise StateError(f"{name} cannot be set here: it comes from your own objects.")
            found[name] = check(name, value)
        return found


def check(name: str, value: Any) -> Any:
    """A setting's value in its proper type.

    Raises:
        StateError: if there is no such setting, or the value is not allowed.
    """
    if name not in _CHECKS:
        raise StateError(f"There is no setting {name!r}. There are {', '.join(_CHECKS)}.")
    return _CHECKS[name](name, value)


def _one_of(options: Collection[str]) -> Callable[[str, Any], str]:
    def checked(name: str, value: Any) -> str:
        if value not in options:
            raise StateError(f"{name}: {value!r} is not one of {', '.join(options)}.")
        return value

    return checked


def _number(low: float, high: float) -> Callable[[str, Any], float]:
    def checked(name: str, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise StateError(f"{name}: {value!r} is not a number.") from None
        if isinstance(value, bool) or not math.isfinite(number) or not low <= number <= high:
            raise StateError(f"{name}: {value} is not between {low:g} and {high:g}.")
        return number

    return checked


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def checked(name: str, value: Any) -> int:
        number = _number(low, high)(name, value)
        if number != int(number):
            raise StateError(f"{name}: {value} is not a whole number.")
        return int(number)

    return checked


def _features(name: str, value: Any) -> tuple[str, ...]:
    names = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
    for one in names:
        _one_of(FEATURES)(name, one)
    if not names:
        raise StateError(f"{name}: the network needs at least one of {', '.join(FEATURES)}.")
    return tuple(one for one in FEATURES if one in names)


def _hidden(name: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    elif isinstance(value, int):
        value = [value]
    layers = tuple(_whole(1, MOST_UNITS)(name, units) for units in value)
    if len(layers) > MOST_LAYERS:
        raise StateError(f"{name}: {len(layers)} layers are too many, {MOST_LAYERS} at most.")
    return layers


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "data": _one_of(DATA),
    "noise": _number(0, 0.5),
    "features": _features,
    "hidden": _hidden,
    "activation": _one_of(ACTIVATIONS),
    "loss": _one_of({name for losses in LOSSES.values() for name in losses}),
    "optimizer": _one_of(OPTIMIZERS),
    "lr": _number(1e-5, 10),
    "l1": _number(0, 1),
    "l2": _number(0, 1),
    "dropout": _number(0, 0.9),
    "batch": _whole(1, 100_000),
    "seed": _whole(0, 2**31 - 1),
}
