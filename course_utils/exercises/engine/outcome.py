"""What an answer did on one probe."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from course_utils.exercises.engine import inputs, sandbox
from course_utils.exercises.engine.compare import Tolerance, canonical, difference
from course_utils.exercises.engine.inputs import Arguments, Probe, clone
from course_utils.exercises.engine.state import Capture, Printed, seed
from course_utils.exercises.engine.text import error_text
from course_utils.exercises.engine.verdict import AnswerError

Caller = Callable[[Any, Arguments], Any]
_NOTHING = object()


class CourseError(Exception):
    """The catalogue itself is wrong: a probe or a solution raises."""


@dataclass
class Outcome:
    """What an answer did on one probe.

    Attributes:
        value: Canonical result.
        error: What it raised, or ``None``.
        timed_out: Whether it was stopped.
        gradients: Gradient of each output functional by input, or ``None`` if not asked for.
        damaged: Names of the inputs that it changed.
        returned: What the learner's function itself returned last, if it was called.
        called_with: The arguments of that call.
        inputs: What it was given, by name, before it ran.
        printed: Its output.
        frames: Where it was when it was stopped.
    """

    value: Any = None
    error: BaseException | None = None
    timed_out: bool = False
    gradients: dict[str, Any] | None = None
    damaged: tuple[str, ...] = ()
    returned: Any = _NOTHING
    called_with: Arguments | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    printed: Printed = field(default_factory=Printed)
    frames: list[tuple[Any, int]] = field(default_factory=list)

    @property
    def did_return(self) -> bool:
        """Whether the learner's function was called and returned."""
        return self.returned is not _NOTHING


@dataclass(frozen=True)
class Conditions:
    """How answers are run.

    Attributes:
        call: Applies an answer to arguments.
        names: Names the arguments.
        gradient: Whether gradients are taken.
        may_change_inputs: Whether changed inputs are of no interest.
        limit: Seconds.
    """

    call: Caller
    names: Callable[[Arguments], dict[str, Any]]
    gradient: bool
    may_change_inputs: bool
    limit: float


def observe(answer: Any, probe: Probe, conditions: Conditions, capture: Capture) -> Outcome:
    """Run an answer on one probe, on fresh inputs and from a fixed seed.

    Raises:
        CourseError: If the probe's inputs cannot be made.
    """
    outcome = Outcome()
    capture.take()
    seed()
    ran = sandbox.run(lambda: _job(answer, probe, conditions, outcome), conditions.limit)
    if ran.timed_out:
        given, output = outcome.inputs, capture.take()
        return Outcome(timed_out=True, inputs=given, printed=output, frames=ran.frames)
    if ran.error is not None:
        raise CourseError(f"the input {probe.name!r} cannot be made") from ran.error
    outcome.printed = capture.take()
    return outcome


def _job(answer: Any, probe: Probe, conditions: Conditions, outcome: Outcome) -> None:
    arguments = probe.arguments()
    names = conditions.names(arguments)
    leaves = dict(_leaves(names))  # now: an answer may give other inputs a gradient in passing
    outcome.inputs = clone(names)
    seed()  # making the inputs may have drawn numbers
    try:
        result = conditions.call(_subject(answer, outcome), arguments)
        outcome.value = canonical(result)
        if conditions.gradient:
            outcome.gradients = _gradients(result, leaves)
    except sandbox.TimeUp:
        raise
    except BaseException as error:
        outcome.error = error
    if not conditions.may_change_inputs:
        outcome.damaged = inputs.damaged(outcome.inputs, names)


def _subject(answer: Any, outcome: Outcome) -> Any:
    """The answer as it is called: functions are watched, objects are copied."""
    if isinstance(answer, types.FunctionType):
        return _watched(answer, outcome)
    if isinstance(answer, (type, types.MethodType, types.BuiltinFunctionType)):
        return answer
    return clone(answer)


def _watched(function: types.FunctionType, outcome: Outcome) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        outcome.called_with, outcome.returned = (args, kwargs), _NOTHING
        outcome.returned = function(*args, **kwargs)
        return outcome.returned

    return watched


def _leaves(names: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The inputs with respect to which gradients are taken, with their names."""
    for name, value in names.items():
        if isinstance(value, nn.Module):
            yield from ((f"{name}.{key}", p) for key, p in value.named_parameters())
        elif isinstance(value, (list, tuple)):
            yield from _leaves({f"{name}[{k}]": item for k, item in enumerate(value)})
        elif isinstance(value, dict):
            yield from _leaves({f"{name}[{key!r}]": item for key, item in value.items()})
        elif isinstance(value, torch.Tensor) and value.requires_grad:
            yield name, value


def _gradients(result: Any, leaves: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Gradients of two scalars made of the output.

    The sum alone would miss errors that cancel: softmax outputs, for one, always sum to 1.
    """
    outputs = [t for t in _tensors(result) if t.requires_grad and t.is_floating_point()]
    if not leaves:
        return {}
    sums = {"output.sum()": [t.sum() for t in outputs]}
    sums["(output * weights).sum()"] = [(t * _weights(t)).sum() for t in outputs]
    return {name: _gradient(parts, leaves) for name, parts in sums.items()}


def _weights(output: torch.Tensor) -> torch.Tensor:
    steps = torch.arange(1, output.numel() + 1, dtype=output.dtype, device=output.device)
    return (steps / max(output.numel(), 1)).reshape(output.shape)


def _gradient(parts: list[torch.Tensor], leaves: dict[str, torch.Tensor]) -> dict[str, Any]:
    zeros = [torch.zeros_like(leaf) for leaf in leaves.values()]
    found: Any = zeros
    if parts:
        total = torch.stack([part.double() for part in parts]).sum()
        wanted = list(leaves.values())
        grads = torch.autograd.grad(total, wanted, retain_graph=True, allow_unused=True)
        found = [z if g is None else g for g, z in zip(grads, zeros, strict=True)]
    return {name: canonical(g) for name, g in zip(leaves, found, strict=True)}


def _tensors(result: Any) -> list[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        return [t for item in result for t in _tensors(item)]
    return []


def alike(a: list[Outcome], b: list[Outcome], tolerance: Tolerance) -> bool:
    """Whether two answers do the same on every probe, damage to inputs aside.

    Answers that raise the same type of exception do the same, unless they never return anything:
    then the messages must agree too, or any answer that fails everywhere would match.
    """
    if len(a) != len(b) or not all(_agree(x, y, tolerance) for x, y in zip(a, b, strict=True)):
        return False
    returned = any(outcome.error is None for outcome in a)
    return returned or all(
        error_text(x.error) == error_text(y.error) for x, y in zip(a, b, strict=True)
    )


def _agree(a: Outcome, b: Outcome, tolerance: Tolerance) -> bool:
    if a.timed_out or b.timed_out:
        return a.timed_out == b.timed_out
    if a.error is not None or b.error is not None:
        return _same_error(a.error, b.error)
    if difference(a.value, b.value, tolerance) is not None:
        return False
    return difference(a.gradients, b.gradients, tolerance) is None


def _same_error(a: BaseException | None, b: BaseException | None) -> bool:
    if type(a) is not type(b):
        return False
    return str(a) == str(b) if isinstance(a, AnswerError) else True


def takes(answer: Any, arguments: Arguments) -> bool:
    """Whether an answer's signature accepts the arguments."""
    try:
        inspect.signature(answer).bind(*arguments[0], **arguments[1])
    except TypeError:
        return False
    except ValueError:
        return True
    return True
