"""Exercises whose answer is a function or a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from course_utils.exercises.engine import source, text
from course_utils.exercises.engine.behavior import BehaviorExercise, Misconception
from course_utils.exercises.engine.inputs import Probe


class FunctionExercise(BehaviorExercise):
    """An exercise whose answer is a function, judged by what it does on probe inputs.

    Any callable with the right behavior is correct: a loop, a lambda, a ``functools.partial``, an
    object with ``__call__``, an ``nn.Module``. Every call gets fresh copies of the inputs, the same
    random seed, and a time limit.

    Args:
        id: Lesson and number, as in ``"01.2"``.
        title: A few words.
        statement: What to do.
        solution: Reference function or class, written with ``def`` or ``class`` in a file.
        probes: Inputs on which answers are compared.
        reasoning: Why the solution works; shown with it.
        alternatives: Other right answers.
        misconceptions: Wrong answers with the messages that they deserve.
        hints: From gentle to nearly there.
        observe: ``observe(answer, *args, **kwargs)`` returns what to compare, if that is not
            simply ``answer(*args, **kwargs)``; for classes, training runs, several calls.
        gradient: Also compare gradients with respect to the inputs that require them.
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        check_dtype: Whether the dtype must agree.
        time_limit: Seconds for each probe.
        may_change_inputs: Whether a right answer may change its inputs.
        show_expected: Whether a wrong value is shown beside the right one.
        name: Name of the notebook's stub, if it is not the solution's.
        remark: Said after a correct answer; a function gets the answer and may return "".
        context: What the notebook has defined before and the solution's source needs, by name.

    Raises:
        ValueError: If the parts do not fit together.
    """

    def __init__(
        self,
        id: str,
        title: str,
        statement: str,
        *,
        solution: Callable[..., Any],
        probes: Sequence[Probe],
        reasoning: str = "",
        alternatives: Sequence[Callable[..., Any]] = (),
        misconceptions: Sequence[Misconception] = (),
        hints: Sequence[str] = (),
        observe: Callable[..., Any] | None = None,
        gradient: bool = False,
        rtol: float = 1e-5,
        atol: float = 1e-6,
        check_dtype: bool = True,
        time_limit: float = 5.0,
        may_change_inputs: bool = False,
        show_expected: bool = True,
        name: str | None = None,
        remark: str | Callable[[Any], str | None] = "",
        context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            id=id,
            title=title,
            statement=statement,
            solution=solution,
            probes=probes,
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
            show_expected=show_expected,
            name=name or solution.__name__,
            remark=remark,
            context=context,
        )

    def answer_source(self) -> str:
        """Source code that answers the exercise when it stands in the notebook's cell."""
        return source.source_of(self.reference, self.name)

    def stub_source(self) -> str:
        """Source code of the unanswered cell, without the check."""
        return source.stub_of(self.answer_source())

    def _refuse(self, answer: Any) -> tuple[str, ...]:
        if isinstance(self.reference, type) and not callable(answer):
            return (f"it is {text.kind(answer)}; expected the class {self.name} itself.",)
        if callable(answer):
            return ()
        advice = f"Pass the function itself: check({self.name}), without calling it."
        return f"it is {text.kind(answer)}; expected a function.", advice
