"""The network: built from the settings, and looked into, whoever has written it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .settings import OPTIMIZERS, Settings

__all__ = ["Look", "build", "look", "make_optimizer"]

MODULES: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


def build(settings: Settings) -> nn.Sequential:
    """The network of the settings; draws its weights from torch's global random stream.

    It always holds its dropout modules, so that their rate can change while it trains; at a rate
    of 0 they do nothing, and draw nothing.
    """
    layers: list[nn.Module] = []
    width = len(settings.features)
    for units in settings.hidden:
        layers += [nn.Linear(width, units), MODULES[settings.activation]()]
        layers.append(nn.Dropout(settings.dropout))
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 1))


def make_optimizer(settings: Settings, parameters: Any) -> torch.optim.Optimizer:
    """The optimizer of the settings."""
    name, _ = OPTIMIZERS[settings.optimizer]
    options = {"momentum": 0.9} if settings.optimizer == "Momentum" else {}
    kind = getattr(torch.optim, name)
    return kind(parameters, lr=settings.lr, weight_decay=settings.l2, **options)


@dataclass(frozen=True)
class Look:
    """One forward pass, seen from inside.

    Attributes:
        outputs: what the model returned.
        columns: (P, units) for each linear layer, its inputs; the last is the model's output.
        weights: (units of the next column, units of this one) between two columns, or None where
            they are not joined by one linear layer.
    """

    outputs: Tensor
    columns: list[Tensor]
    weights: list[Tensor | None]


def look(model: nn.Module, X: Tensor) -> Look:
    """Run the model and keep what goes into each of its linear layers, in the order of use.

    What a linear layer gets is what the layer before has made of its inputs, activation included,
    however the model writes it down.
    """
    calls: list[tuple[nn.Linear, Tensor]] = []

    def keep(layer: nn.Linear, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].shape[:-1] == (len(X),):
            calls.append((layer, inputs[0].detach()))

    hooks = [
        part.register_forward_pre_hook(keep)
        for part in model.modules()
        if isinstance(part, nn.Linear)
    ]
    try:
        outputs = model(X)
    finally:
        for hook in hooks:
            hook.remove()
    columns = [inputs for _, inputs in calls] or [X]
    columns.append(outputs.detach().reshape(len(X), -1))
    weights: list[Tensor | None] = []
    for index, (layer, _) in enumerate(calls):
        joined = columns[index + 1].shape[1] == layer.out_features
        weights.append(layer.weight.detach() if joined else None)
    return Look(outputs.detach(), columns, weights or [None])
