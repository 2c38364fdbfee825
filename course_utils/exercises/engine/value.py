"""Exercises whose answer is a value: numbers, weights, a repaired model."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.exercises.engine import inputs
from course_utils.exercises.engine.behavior import BehaviorExercise, Misconception
from course_utils.exercises.engine.compare import canonical
from course_utils.exercises.engine.inputs import Arguments, Probe
from course_utils.exercises.engine.outcome import Outcome
from course_utils.exercises.engine.state import Capture

_MISSING = object()
_NAMES = {"torch": torch, "nn": nn, "F": F, "math": math, "np": np, "numpy": np}


def execute(code: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Run an answer's source with the usual names of a lesson and those of ``context``."""
    names: dict[str, Any] = {**_NAMES, **context, "__name__": "answer"}
    exec(compile(code, "<answer>", "exec"), names)
    return names


class ValueExercise(BehaviorExercise):
    """An exercise whose answer is a value.

    Args:
        id: Lesson and number, as in ``"01.1"``.
        title: A few words.
        statement: What to do.
        name: Name that the notebook gives to the answer.
        solution: A right value; numbers, strings, tensors and tuples, lists, dicts of these can be
            written out by themselves, anything else needs ``solution_source``.
        solution_source: Code that defines ``name``, as it would stand in the notebook.
        parse: Turns the learner's value into one form, or raises ``AnswerError`` with a message
            that says what an answer looks like.
        observe: ``observe(value, *args)`` returns what to compare, for answers that are judged by
            what they do; without it the values themselves are compared.
        expected: What is to be observed, if it is not what the solution shows.
        probes: Further arguments of ``observe``; none by default.
        show_expected: Whether a wrong value is shown beside the right one; by default only if
            there is an ``observe``, since otherwise it would give the answer away.

    The other arguments are those of ``FunctionExercise``; ``alternatives`` and ``misconceptions``
    hold values.

    Raises:
        ValueError: If the parts do not fit together.
    """

    result = "your answer"

    def __init__(
        self,
        id: str,
        title: str,
        statement: str,
        *,
        name: str = "answer",
        solution: Any = _MISSING,
        solution_source: str | None = None,
        parse: Callable[[Any], Any] | None = None,
        observe: Callable[..., Any] | None = None,
        expected: Any = _MISSING,
        probes: Sequence[Probe] = (),
        reasoning: str = "",
        alternatives: Sequence[Any] = (),
        misconceptions: Sequence[Misconception] = (),
        hints: Sequence[str] = (),
        gradient: bool = False,
        rtol: float = 1e-5,
        atol: float = 1e-6,
        check_dtype: bool = True,
        time_limit: float = 5.0,
        may_change_inputs: bool = False,
        show_expected: bool | None = None,
        remark: str | Callable[[Any], str | None] = "",
        context: Mapping[str, Any] | None = None,
    ) -> None:
        if solution_source is None:
            if solution is _MISSING:
                raise ValueError(f"{id}: give a solution or a solution_source")
            solution_source = f"{name} = {literal(solution)}"
        elif solution is _MISSING:
            solution = _value_of(solution_source, name, context or {})
        self._source, self._parse, self._given = solution_source.strip(), parse, expected
        super().__init__(
            id=id,
            title=title,
            statement=statement,
            name=name,
            solution=solution,
            probes=probes or (Probe("your answer", tuple),),
            reasoning=reasoning,
            alternatives=alternatives,
            misconceptions=misconceptions,
            hints=hints,
            observe=observe,
            gradient=gradient,
            rtol=rtol,
            atol=atol,
            check_dtype=check_dtype,
            time_limit=time_limit,
            may_change_inputs=may_change_inputs,
            show_expected=observe is not None if show_expected is None else show_expected,
            remark=remark,
            context=context,
        )
        if observe is not None:
            self.result = "what your answer gives"

    def answer_source(self) -> str:
        """Source code that answers the exercise when it stands in the notebook's cell."""
        return self._source

    @property
    def own_code(self) -> frozenset[types.CodeType]:
        """Code of the exercise's functions, which an error of the learner's passes through."""
        parse = self._parse
        more = {parse.__code__} if isinstance(parse, types.FunctionType) else set()
        return super().own_code | more

    def _apply(self, answer: Any, arguments: Arguments) -> Any:
        value = answer if self._parse is None else self._parse(answer)
        if self.observe is None:
            return value
        return self.observe(value, *arguments[0], **arguments[1])

    def _named(self, arguments: Arguments) -> dict[str, Any]:
        return inputs.named(self.observe, 1, arguments)

    def _reference_outcomes(self, capture: Capture) -> list[Outcome]:
        if self._given is not _MISSING and self._expected is None:
            self._expected = [Outcome(value=canonical(self._given)) for _ in self.probes]
        return super()._reference_outcomes(capture)


def _value_of(code: str, name: str, context: Mapping[str, Any]) -> Any:
    try:
        return execute(code, context)[name]
    except KeyError:
        raise ValueError(f"the solution's source does not define {name!r}") from None


def literal(value: Any) -> str:
    """Write a value as the code that makes it.

    Raises:
        ValueError: If it has no short form.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value).replace("'", '"') if isinstance(value, str) else repr(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, torch.Tensor) and value.numel() <= 64:
        usual = value.dtype in (torch.float32, torch.int64, torch.bool)
        dtype = "" if usual else f", dtype={value.dtype}"
        return f"torch.tensor({_rounded(value).tolist()}{dtype})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if type(value) in (tuple, list):
        inside = ", ".join(map(literal, value))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    raise ValueError(f"write the solution out with solution_source: {type(value).__name__}")


def _rounded(value: torch.Tensor) -> torch.Tensor:
    """Shortest decimals that still give the same float32."""
    if value.dtype != torch.float32:
        return value.detach()
    return torch.round(value.detach().double(), decimals=8)
