"""Watch a training from outside, whatever the program looks like.

Nothing that a program reports about itself is used: PyTorch's global hooks say what reached a
model, what went back through it, and what the optimizer did. Only the thread that opened the
monitor is watched.
"""

from __future__ import annotations

import math
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.overrides import TorchFunctionMode

_MOST_ROWS = 1000  # training inputs that are kept to compare them with the check-up's
_NORM = nn.modules.batchnorm._BatchNorm


class Stopped(BaseException):
    """Raised inside a program that has been watched for long enough."""


_OPEN: list[Monitor] = []


@dataclass
class Pass:
    """One way through the layers of a model, from its input to its output.

    Attributes:
        asleep: whether a dropout or batch-norm layer was in evaluation mode.
        awake: whether one was in training mode.
        hidden: the largest share of units that an active dropout hid.
        first: the first entry of each row (N, D) that went in, if it was such a tensor.
        learned: whether a backward pass came back through it.
    """

    asleep: bool
    awake: bool
    hidden: float
    first: Tensor | None
    learned: bool = False


class _Dropouts(TorchFunctionMode):
    """Note every call of a dropout function: a layer's, or the program's own."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[float, bool]] = []  # share that is hidden, active

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _DROPOUTS:
            p, training = _dropout_arguments(args, kwargs)
            self.calls.append((p, training))
        return func(*args, **kwargs)


_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "dropout_")


def _dropout_arguments(args: tuple, kwargs: dict[str, Any]) -> tuple[float, bool]:
    """Share and mode of a call such as F.dropout(x, p, training) or torch.dropout(x, p, train)."""
    p = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
    named = kwargs.get("training", kwargs.get("train", True))
    return float(p), bool(args[2] if len(args) > 2 else named)


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
        dropout: the largest share of units that an active dropout hides, over those passes.
        optimizer: name of the first optimizer's class, with its momentum if it has one.
        rates: the (largest) learning rate of each update.
        losses: the program's variable ``loss`` at each update; NaN if it has none.
        gradient_norms: norm of the gradient over all parameters of the optimizer, at each update.
        gradient_peaks: its largest entry without the sign, at each update.
        model: the first module that a training pass went through.
        start: its parameters before the first update, by name.
        size: number of values that the optimizers may change.
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
    gradient_peaks: list[float] = field(default_factory=list)
    model: nn.Module | None = None
    start: dict[str, Tensor] = field(default_factory=dict)
    size: int = 0
    variables: dict[str, Any] | None = None
    _inputs: list[Tensor] = field(default_factory=list)
    _ways: list[Pass] = field(default_factory=list)
    _likeness: list[float] = field(default_factory=list)
    _held: dict[int, Tensor] = field(default_factory=dict)
    _seen: dict[str, set[int]] = field(default_factory=dict)
    _dropouts: _Dropouts = field(default_factory=_Dropouts)
    _inside: list[nn.Module] = field(default_factory=list)
    _handles: list[Any] = field(default_factory=list)
    _thread: int = 0

    def __enter__(self) -> Monitor:
        """Begin to watch this thread."""
        self._thread = threading.get_ident()
        _OPEN.append(self)
        self._dropouts.__enter__()
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
        if self in _OPEN and threading.get_ident() == self._thread:  # a mode is a thread's own
            self._dropouts.__exit__(None, None, None)
        _OPEN[:] = [other for other in _OPEN if other is not self]

    @property
    def steps(self) -> int:
        """Updates of the weights, each by one optimizer or by several, or by none at all."""
        counts = [count for count in (self.updates, self.passes) if count]
        return min(counts, default=0)

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

    @property
    def clipped(self) -> float:
        """Share of updates whose gradient has the largest norm, or the largest entry, of all.

        Gradients that are cut to a length or to a range are equally large again and again; of
        others only one is the largest.
        """
        measured = (self.gradient_norms, self.gradient_peaks)
        return max((_at_the_top(values) for values in measured), default=0.0)

    @property
    def likeness(self) -> float:
        """How much the losses were cross-entropies of the outputs: mean cosine of the gradients.

        1 for a cross-entropy, whether the outputs are logits, log-probabilities or probabilities;
        NaN if no output had a number for each of several classes.
        """
        known = [value for value in self._likeness if math.isfinite(value)]
        return sum(known) / len(known) if known else float("nan")

    @property
    def judged_awake(self) -> float:
        """Share of the passes that taught nothing, evaluations that is, in training mode."""
        idle = [way for way in self._ways if not way.learned]
        return sum(way.awake for way in idle) / len(idle) if idle else 0.0

    def looked_at(self) -> tuple[Tensor | None, Tensor | None]:
        """First entries of the inputs that were learned from, and of all the others."""
        parts: tuple[list[Tensor], list[Tensor]] = ([], [])
        for way in self._ways:
            if way.first is not None:
                parts[0 if way.learned else 1].append(way.first)
        learned, others = (torch.cat(part) if part else None for part in parts)
        return learned, others

    # Modules

    def _enter_module(self, module: nn.Module, inputs: Any) -> None:
        if threading.get_ident() == self._thread:
            self._inside.append(module)

    def _leave_module(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if threading.get_ident() != self._thread or not self._inside:
            return
        self._inside.pop()
        outermost = not self._inside and any(True for _ in module.parameters())
        if not outermost or not isinstance(output, Tensor):
            return
        given = next((x.detach() for x in inputs if isinstance(x, Tensor)), None)
        way = self._way(module, given)
        self._ways.append(way)
        if output.requires_grad:
            if self.model is None:
                self.model = module
                self.start = {n: p.detach().clone() for n, p in module.named_parameters()}
            seen = output.detach()
            output.register_hook(lambda slope: self._goes_back(module, way, given, seen, slope))

    def _way(self, module: nn.Module, given: Tensor | None) -> Pass:
        """Describe a pass that has just ended; dropout before a layer counts to this layer."""
        norms = [_by_batch(part) for part in module.modules() if isinstance(part, _NORM)]
        dropouts, self._dropouts.calls = self._dropouts.calls, []
        modes = [*norms, *(active for _, active in dropouts)]
        hidden = max((p for p, active in dropouts if active), default=0.0)
        first = given[:, 0].clone() if given is not None and given.ndim == 2 else None
        return Pass(not all(modes), any(modes), hidden, first)

    def _goes_back(
        self, module: nn.Module, way: Pass, given: Tensor | None, output: Tensor, slope: Tensor
    ) -> None:
        """A backward pass has reached the output of a model, or of a layer that stands alone."""
        way.learned = True
        stale = any(bool(p.grad.any()) for p in module.parameters() if p.grad is not None)
        nearest = self._count("passes", True)  # a layer that stands alone may come later
        self._count("stale", stale)
        self._count("asleep", way.asleep)
        self._count("modal", way.asleep or way.awake)
        self.dropout = max(self.dropout, way.hidden)
        if nearest and output.ndim == 2 and output.shape[1] > 1:
            self._likeness.append(_likeness(output, slope))
        if given is not None and given.ndim > 0:
            if self.samples < _MOST_ROWS and given.ndim > 1:
                self._inputs.append(given.clone())
            self.samples += len(given)

    def _count(self, name: str, happened: bool) -> bool:
        """Count a backward pass once, however many layers stand alone on its way.

        Returns:
            Whether it was counted now.
        """
        known = self._seen.setdefault(name, set())
        number = torch._C._current_graph_task_id()
        new = happened and number not in known
        if new:
            known.add(number)
            setattr(self, name, getattr(self, name) + 1)
        return new

    # Optimizers

    def _before_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        groups = optimizer.param_groups
        if not self.updates:
            momentum = max(float(group.get("momentum", 0.0)) for group in groups)
            self.optimizer = type(optimizer).__name__ + (" with momentum" if momentum else "")
        for parameter in (p for group in groups for p in group["params"]):
            if id(parameter) not in self._held:
                self._held[id(parameter)] = parameter
                self.size += parameter.numel()
        self.rates.append(max(float(group["lr"]) for group in groups))
        if self.program is not None:
            self._look()
        found = [p.grad for group in groups for p in group["params"] if p.grad is not None]
        squares = [float(gradient.double().square().sum()) for gradient in found]
        self.gradient_norms.append(sum(squares) ** 0.5)
        peaks = (float(gradient.abs().max()) for gradient in found if gradient.numel())
        self.gradient_peaks.append(max(peaks, default=0.0))

    def _look(self) -> None:
        """Note the loss; stop the program if it is time."""
        variables = _variables(self.program)
        if self.stop_before is not None and self.updates >= self.stop_before:
            self.variables = variables
            raise Stopped
        loss = variables.get("loss")
        self.losses.append(loss.item() if isinstance(loss, Tensor) else float("nan"))

    def _after_update(self, *_: Any) -> None:
        if threading.get_ident() == self._thread:
            self.updates += 1


def _by_batch(norm: nn.Module) -> bool:
    """Whether batch normalization uses the batch: in training, or for want of anything else."""
    return norm.training or norm.running_mean is None


def _at_the_top(values: list[float]) -> float:
    """Share of some sizes that are as large as the largest."""
    top = max(values, default=0.0)
    if not 0 < top < float("inf"):
        return 0.0
    return sum(value > 0.999 * top for value in values) / len(values)


def _likeness(outputs: Tensor, gradient: Tensor) -> float:
    """Cosine between a loss's gradient and a cross-entropy's, both along the logits.

    Args:
        outputs: (B, C) logits, log-probabilities, or probabilities, also times a number.
        gradient: (B, C) the loss's gradient with respect to them.

    Returns:
        1 for a cross-entropy; NaN for a gradient that is zero or not finite.
    """
    outputs, gradient = outputs.double(), gradient.double()
    if is_shares(outputs):
        shares, along = outputs / outputs[0].sum(), gradient * outputs[0].sum()
        along = shares * (along - (along * shares).sum(dim=1, keepdim=True))
    else:
        shares = outputs.softmax(dim=1)
        along = gradient - shares * gradient.sum(dim=1, keepdim=True)
    expected = shares - F.one_hot(along.argmin(dim=1), outputs.shape[1])
    length = along.norm() * expected.norm()
    return float((along * expected).sum() / length) if length > 0 else float("nan")


def is_shares(outputs: Tensor) -> bool:
    """Whether each row of outputs (N, C) is a row of probabilities, or one number times it."""
    sums = outputs.double().sum(dim=1)
    if not bool((outputs >= 0).all()) or not float(sums[0]) > 0:
        return False
    return bool(((sums - sums[0]).abs() < 1e-4 * sums[0]).all())


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
