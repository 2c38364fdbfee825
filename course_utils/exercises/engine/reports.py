"""Putting into words what is wrong with an answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from course_utils.exercises.engine import text
from course_utils.exercises.engine.compare import Difference, difference
from course_utils.exercises.engine.inputs import Probe
from course_utils.exercises.engine.locate import files_of, loop_at, raised_at
from course_utils.exercises.engine.outcome import Outcome, takes
from course_utils.exercises.engine.state import Printed
from course_utils.exercises.engine.verdict import Status

if TYPE_CHECKING:
    from course_utils.exercises.engine.behavior import BehaviorExercise

_PRINTED_LINES = 3
Words = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One probe on which an answer is not right.

    Attributes:
        exercise: The exercise.
        answer: The learner's answer.
        probe: The probe.
        got: What the answer did.
        right: What the solution did.
        status: What is wrong.
    """

    exercise: BehaviorExercise
    answer: Any
    probe: Probe
    got: Outcome
    right: Outcome
    status: Status

    @property
    def difference(self) -> Difference:
        """How the values differ."""
        found = difference(self.got.value, self.right.value, self.exercise.tolerance)
        assert found is not None
        return found


def explain(case: Case) -> Words:
    """Headline and details for the problem of a case."""
    return _REPORTS[case.status](case)


def printed(output: tuple[Probe, Printed] | None) -> Words:
    """The first lines that the learner's code printed on a probe."""
    if output is None or output[1].total == 0:
        return ()
    probe, caught = output
    lines = [f"  {text.cut(line, 90)}" for line in caught.lines(_PRINTED_LINES)]
    left_out = caught.total - len(lines)
    if left_out > 0:
        lines.append(f"  … ({left_out} more lines)")
    return (f"Your code printed, on the input “{probe.name}”:", *lines)


def _raised(case: Case) -> Words:
    error = case.got.error
    assert error is not None
    message = text.error_text(error)
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    line = raised_at(error, files_of(case.answer), case.exercise.own_code)
    if line is None:
        return _raised_elsewhere(case, what)
    head = f"your code raised {type(error).__name__}."
    if isinstance(error, RecursionError):
        what = "RecursionError: the function calls itself without end"
    if "leaf Variable" in message:  # torch's words for x += 1 on an input that takes a gradient
        head, what = _in_place(case)
    return head, what, f"at {line}", *_input(case)


def _in_place(case: Case) -> tuple[str, str]:
    """What to say of an assignment into a tensor that takes a gradient."""
    if case.exercise.may_change_inputs:
        head = "autograd refuses to change a parameter in place."
        return head, "Do it under torch.no_grad(), or with a function of nn.init."
    head = "your code changes its input in place, which belongs to the caller."
    return head, "Work on a copy, for example x.clone(), or compute a new tensor."


def _raised_elsewhere(case: Case, what: str) -> Words:
    """No line of the learner's is to blame: the call or the result did not fit."""
    name, got = case.exercise.name, case.got
    called = got.called_with or ((), {})
    if isinstance(got.error, TypeError) and not _fits(case, called):
        return _cannot_be_called(case, called)
    if got.did_return and got.returned is None:
        return _forgot_return(case)
    if got.did_return:
        kind = text.kind(got.returned)
        head = f"your function returned {kind}, which cannot be used here."
        return head, what, *_input(case)
    return f"using {name} raised {type(got.error).__name__}.", what, *_input(case)


def _fits(case: Case, called: Any) -> bool:
    if case.got.called_with is None:
        return not callable(case.answer) or case.exercise.observe is not None
    return takes(case.answer, called)


def _cannot_be_called(case: Case, called: Any) -> Words:
    name = case.exercise.name
    names = list(case.got.inputs) if case.exercise.observe is None else []
    count = len(called[0]) + len(called[1])
    plural = "" if count == 1 else "s"
    wanted = f"{name}({', '.join(names)})" if names else f"{name} with {count} argument{plural}"
    try:
        own = f"{name}{_parameters(case.answer)}"
    except (TypeError, ValueError):
        own = "your answer"
    return "it cannot be called as it should be.", f"The exercise calls {wanted}.", f"Yours: {own}"


def _parameters(answer: Any) -> str:
    names = inspect.signature(answer).parameters.values()
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in names)})"


def _forgot_return(case: Case) -> Words:
    hint = "It printed something instead: print shows a value, return hands it back."
    return (
        "your function returned None. Did you forget a `return`?",
        *((hint,) if case.got.printed.total else ()),
    )


def _timed_out(case: Case) -> Words:
    limit = case.exercise.time_limit
    head = f"stopped after {limit:g} seconds. Is there a loop that never ends?"
    line = loop_at(case.got.frames, files_of(case.answer))
    return head, *((f"It was in the loop at {line}",) if line else ()), *_input(case)


def _invalid(case: Case) -> Words:
    return (str(case.got.error),)


def _type(case: Case) -> Words:
    found = case.difference
    if case.got.value is None and case.got.did_return and case.got.returned is None:
        return _forgot_return(case)
    where = found.where or case.exercise.result
    return f"{where} is {found.got}; expected {found.expected}.", *_input(case)


def _shape(case: Case) -> Words:
    found = case.difference
    return "the shape is not right yet.", *_input(case), *_pair(found)


def _dtype(case: Case) -> Words:
    found = case.difference
    where = found.where or case.exercise.result
    return f"{where} is {found.got}; expected {found.expected}.", *_input(case)


def _value(case: Case) -> Words:
    if case.probe.raises:
        wanted = case.probe.raises.__name__
        return f"this input should raise {wanted}, and it did not.", *_input(case)
    found = case.difference
    return "the values are not right yet.", *_input(case), *_pair(found, case)


def _pair(found: Difference, case: Case | None = None) -> Words:
    where = (f"{found.where}:",) if found.where else ()
    shown = case is None or case.exercise.show_expected
    expected = (f"Expected: {found.expected}",) if shown else ()
    return (*where, f"Yours:    {found.got}", *expected)


def _gradient(case: Case) -> Words:
    tolerance = case.exercise.tolerance
    for functional, right in (case.right.gradients or {}).items():
        got = (case.got.gradients or {}).get(functional, {})
        for name in right:
            found = difference(got.get(name), right[name], tolerance)
            if found is not None:
                return _gradient_words(case, functional, name, found, got.get(name))
    raise AssertionError("no gradient differs")


def _gradient_words(
    case: Case, functional: str, name: str, found: Difference, got: torch.Tensor
) -> Words:
    head = f"the values are right, but the gradient with respect to {name} is not."
    lost = "It is zero: was the result detached, rounded, or computed with .data or .item()?"
    where = f"gradient of {functional}" + (f", {found.where}:" if found.where else ":")
    pair = (where, f"Yours:    {found.got}", f"Expected: {found.expected}")
    zero = got is not None and not bool(got.any())
    return head, *_input(case), *pair, *((lost,) if zero else ())


def _damaged(case: Case) -> Words:
    names = " and ".join(case.got.damaged)
    head = f"the result is right, but your code changes {names}, which belongs to the caller."
    first = case.got.damaged[0]
    advice = f"Work on a copy, for example {_copy(first, case.got.inputs.get(first))}."
    return head, advice, *_input(case)


def _copy(name: str, value: Any) -> str:
    """Code that copies a value."""
    if isinstance(value, (list, dict, set)):
        return f"{type(value).__name__}({name})"
    if isinstance(value, torch.nn.Module):
        return f"copy.deepcopy({name})"
    return f"{name}.copy()" if isinstance(value, np.ndarray) else f"{name}.clone()"


def _input(case: Case) -> Words:
    """The inputs of the case, on one line if they fit."""
    shown = [f"{name} = {text.show(value)}" for name, value in case.got.inputs.items()]
    if not shown:
        return ()
    head = f"Input “{case.probe.name}”:"
    line = f"{head} {', '.join(shown)}"
    return (line,) if len(line) <= text.WIDTH - 2 else (head, *(f"  {part}" for part in shown[:6]))


_REPORTS: dict[Status, Callable[[Case], Words]] = {
    Status.RAISED: _raised,
    Status.TIMED_OUT: _timed_out,
    Status.INVALID: _invalid,
    Status.WRONG_TYPE: _type,
    Status.WRONG_SHAPE: _shape,
    Status.WRONG_DTYPE: _dtype,
    Status.WRONG_VALUE: _value,
    Status.WRONG_GRADIENT: _gradient,
    Status.DAMAGED_INPUTS: _damaged,
}
