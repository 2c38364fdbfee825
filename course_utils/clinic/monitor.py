"""Watch a training from outside, whatever the program looks like.

Nothing that a program reports about itself is used: PyTorch's global hooks say what reached a
model, what went back through it, and what the optimizer did. Only the thread that opened the
monitor is watched.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

_MOST_ROWS = 1000  # training inputs that are kept to compare them with the check-up's
_DROPOUT = nn.modules.dropout._DropoutNd
_MODAL = (nn.modules.batchnorm._BatchNorm, _DROPOUT)


class Stopped(BaseException):
    """Raised inside a program that has been watched for long enough."""


_OPEN: list[Monitor] = []


def close_all() -> None:
    """Close the monitors that a program which had to be stopped has left open."""
    for left in tuple(_OPEN):
        left.close()


@dataclass(eq=False)
class Monitor:
    """What was seen of one training; use it as a context manager.

    Attributes:
        program: the code object whose variables are looked at before each update, if any.
        stop_before: number of the update before which the program is stopped, if any.
        updates: steps of all optimizers.
        passes: backward passes through the output of a model.
        samples: samples in those passes.
        stale: how many of those passes met gradients that an earlier one had left.
        asleep: how many of them went through a dropout or batch-norm layer in evaluation mode.
        modal: how many of them went through a dropout or batch-norm layer in any mode.
        dropout: the largest share of units that an active dropout layer hides, over those passes.
        optimizer: name of the first optimizer's class, with its momentum if it has one.
        rates: the (largest) learning rate of each update.
        losses: the program's variable ``loss`` at each update; NaN if it has none.
        gradient_norms: norm of the gradient over all parameters of the optimizer, at each update.
        model: the first module that a training pass went through.
        start: its parameters before the first update, by name.
        size: number of values that the optimizer may change.
        variables: the program's variables when it was stopped.
    """

    program: types.CodeType | None = None
    stop_before: int | None = None
    updates: int = 0
    passes: int = 0
    samples: int = 0
    stale: int = 0
    asleep: int = 0
    modal: int = 0
    dropout: float = 0.0
    optimizer: str = ""
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    model: nn.Module | None = None
    start: dict[str, Tensor] = field(default_factory=dict)
    size: int = 0
    variables: dict[str, Any] | None = None
    _inputs: list[Tensor] = field(default_factory=list)
    _inside: list[nn.Module] = field(default_factory=list)
    _handles: list[Any] = field(default_factory=list)
    _thread: int = 0

    def __enter__(self) -> Monitor:
        """Begin to watch this thread."""
        self._thread = threading.get_ident()
        _OPEN.append(self)
        self._handles += [
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
            register_optimizer_step_pre_hook(self._before_update),
            register_optimizer_step_post_hook(self._after_update),
        ]
        return self

    def __exit__(self, *_: Any) -> None:
        """Remove every hook."""
        self.close()

    def close(self) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()
        _OPEN[:] = [other for other in _OPEN if other is not self]

    @property
    def steps(self) -> int:
        """Updates of the weights; backward passes, if they are made without an optimizer."""
        return self.updates or self.passes

    @property
    def rate(self) -> float:
        """Mean learning rate over the updates; NaN without an optimizer."""
        return sum(self.rates) / len(self.rates) if self.rates else float("nan")

    def inputs(self) -> Tensor | None:
        """The first inputs that were trained on, as rows; None if none were seen."""
        rows = [part.flatten(1) for part in self._inputs]
        same = [part for part in rows if part.shape[1] == rows[0].shape[1]]
        return torch.cat(same) if rows else None

    def moved(self) -> dict[str, float]:
        """How far each parameter of the model has moved, as a share of its norm at the start.

        Returns:
            Name -> length of the way over the length at the start; infinite if that was 0.
        """
        after = {} if self.model is None else dict(self.model.named_parameters())
        ways = {}
        for name in self.start.keys() & after.keys():
            before = self.start[name].double()
            way = float((after[name].detach().double() - before).norm())
            length = float(before.norm())
            ways[name] = way / length if length else (float("inf") if way else 0.0)
        return {name: ways[name] for name in self.start if name in ways}

    def share(self, count: int) -> float:
        """A count of passes as a share of all passes; 0 if there were none."""
        return count / self.passes if self.passes else 0.0

    # Modules

    def _enter_module(self, module: nn.Module, inputs: Any) -> None:
        if threading.get_ident() == self._thread:
            self._inside.append(module)

    def _leave_module(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if threading.get_ident() != self._thread or not self._inside:
            return
        self._inside.pop()
        outermost = not self._inside and any(True for _ in module.parameters())
        if outermost and isinstance(output, Tensor) and output.requires_grad:
            given = next((x for x in inputs if isinstance(x, Tensor)), None)
            if self.model is None:
                self.model = module
                self.start = {n: p.detach().clone() for n, p in module.named_parameters()}
            asleep, hidden = _asleep(module), _hidden(module)
            output.register_hook(lambda _: self._goes_back(module, given, asleep, hidden))

    def _goes_back(
        self, module: nn.Module, given: Tensor | None, asleep: bool, hidden: float
    ) -> None:
        """A backward pass has reached the model's output, and no parameter yet."""
        self.passes += 1
        self.asleep += asleep
        self.modal += any(isinstance(part, _MODAL) for part in module.modules())
        self.dropout = max(self.dropout, hidden)
        self.stale += any(bool(p.grad.any()) for p in module.parameters() if p.grad is not None)
        if given is not None and given.ndim > 0:
            if self.samples < _MOST_ROWS and given.ndim > 1:
                self._inputs.append(given.detach().clone())
            self.samples += len(given)

    # Optimizers

    def _before_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        groups = optimizer.param_groups
        if not self.updates:
            momentum = max(float(group.get("momentum", 0.0)) for group in groups)
            self.optimizer = type(optimizer).__name__ + (" with momentum" if momentum else "")
            self.size = sum(p.numel() for group in groups for p in group["params"])
        self.rates.append(max(float(group["lr"]) for group in groups))
        if self.program is not None:
            self._look(optimizer)

    def _look(self, optimizer: torch.optim.Optimizer) -> None:
        """Note loss and gradients; stop the program if it is time."""
        variables = _variables(self.program)
        if self.stop_before is not None and self.updates >= self.stop_before:
            self.variables = variables
            raise Stopped
        loss = variables.get("loss")
        self.losses.append(loss.item() if isinstance(loss, Tensor) else float("nan"))
        squares = [
            float(p.grad.double().square().sum())
            for group in optimizer.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        self.gradient_norms.append(sum(squares) ** 0.5)

    def _after_update(self, *_: Any) -> None:
        if threading.get_ident() == self._thread:
            self.updates += 1


def _asleep(module: nn.Module) -> bool:
    """Whether a layer that behaves differently in training is in evaluation mode."""
    return any(isinstance(part, _MODAL) and not part.training for part in module.modules())


def _hidden(module: nn.Module) -> float:
    """The largest share of units that one of its dropout layers hides now."""
    layers = (part for part in module.modules() if isinstance(part, _DROPOUT) and part.training)
    return max((layer.p for layer in layers), default=0.0)


def _variables(code: types.CodeType | None) -> dict[str, Any]:
    """The variables of the innermost call of a function; empty if it is not running."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is code:
            return dict(frame.f_locals)
        frame = frame.f_back
    return {}


def trained_on(rows: Tensor | None, inputs: Tensor, least: int = 20) -> float:
    """Share of some inputs that are among the rows, up to shift and scale of each row.

    Args:
        rows: (N, D) what a model was trained on, or None.
        inputs: (M, ...) what it must not have seen.
        least: dimensions below which a coincidence is too likely to be judged.

    Returns:
        From 0 to 1; 0 if the shapes do not fit.
    """
    inputs = inputs[:200].flatten(1)  # enough for an estimate
    if rows is None or rows.shape[1] != inputs.shape[1] or inputs.shape[1] < least:
        return 0.0
    likeness = _centered(inputs) @ _centered(rows).T  # (M, D) @ (D, N) -> (M, N)
    return float((likeness.max(dim=1).values > 0.9995).double().mean())


def _centered(rows: Tensor) -> Tensor:
    rows = rows.float() - rows.float().mean(dim=1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)


Program = Callable[[Tensor, Tensor, int], Any]
"""A program of the clinic: ``program(X, y, seed)`` returns (predictor, history)."""
