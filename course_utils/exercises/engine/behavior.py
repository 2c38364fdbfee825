"""Exercises that are judged by what the answer does on probe inputs."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from course_utils.exercises.engine import attempt, inputs, reports, text
from course_utils.exercises.engine.base import Exercise
from course_utils.exercises.engine.compare import (
    Tolerance,
    difference,
    holds_placeholder,
)
from course_utils.exercises.engine.inputs import Arguments, Probe
from course_utils.exercises.engine.locate import files_of, raised_in_own_code
from course_utils.exercises.engine.outcome import Conditions, CourseError, Outcome, alike, observe
from course_utils.exercises.engine.reach import untouched
from course_utils.exercises.engine.state import Capture, Printed, preserved
from course_utils.exercises.engine.verdict import AnswerError, Status, Verdict

_STATUS = {
    "type": Status.WRONG_TYPE,
    "shape": Status.WRONG_SHAPE,
    "dtype": Status.WRONG_DTYPE,
    "value": Status.WRONG_VALUE,
}


@dataclass(frozen=True)
class Misconception:
    """A wrong answer that is recognized by what it does.

    Attributes:
        name: A few words.
        answer: A wrong function (or class, or value) that shows the mistake.
        message: What to tell a learner whose answer does the same.
    """

    name: str
    answer: Any
    message: str


class BehaviorExercise(Exercise):
    """Base of the exercises that compare behavior; see ``FunctionExercise``."""

    result = "the result"

    def __init__(
        self,
        *,
        solution: Any,
        probes: Sequence[Probe],
        alternatives: Sequence[Any] = (),
        misconceptions: Sequence[Misconception] = (),
        observe: Callable[..., Any] | None = None,
        gradient: bool = False,
        rtol: float = 1e-5,
        atol: float = 1e-6,
        check_dtype: bool = True,
        time_limit: float = 5.0,
        may_change_inputs: bool = False,
        show_expected: bool = True,
        context: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> None:
        super().__init__(**about)
        if not probes:
            raise ValueError(f"{self.id}: an exercise needs at least one probe")
        self.reference, self.probes = solution, tuple(probes)
        self.alternatives, self.misconceptions = tuple(alternatives), tuple(misconceptions)
        self.observe, self.show_expected = observe, show_expected
        self.tolerance = Tolerance(rtol, atol, check_dtype)
        self.context, self.time_limit = dict(context or {}), time_limit
        self.may_change_inputs = may_change_inputs
        self._conditions = Conditions(
            self._apply, self._named, gradient, may_change_inputs, time_limit
        )
        self._expected: list[Outcome] | None = None
        self._mistakes: dict[str, list[Outcome]] = {}

    def right_answers(self) -> Iterator[tuple[str, Any]]:
        """The solution and its alternatives."""
        yield "the solution", self.reference
        for k, answer in enumerate(self.alternatives):
            yield getattr(answer, "__name__", f"alternative {k + 1}"), answer

    def wrong_answers(self) -> Iterator[tuple[str, Any, str]]:
        """The catalogued misconceptions."""
        for known in self.misconceptions:
            yield known.name, known.answer, known.message

    @property
    def own_code(self) -> frozenset[types.CodeType]:
        """Code of the exercise's functions, which an error of the learner's passes through."""
        functions = [self.observe, *(probe.factory for probe in self.probes)]
        return frozenset(f.__code__ for f in functions if isinstance(f, types.FunctionType))

    # How an answer is run

    def _apply(self, answer: Any, arguments: Arguments) -> Any:
        args, kwargs = arguments
        if self.observe is not None:
            return self.observe(answer, *args, **kwargs)
        return answer(*args, **kwargs)

    def _named(self, arguments: Arguments) -> dict[str, Any]:
        if self.observe is not None:
            return inputs.named(self.observe, 1, arguments)
        return inputs.named(self.reference, 0, arguments)

    def _outcomes(self, answer: Any, capture: Capture) -> list[Outcome]:
        """Run an answer on every probe, up to the first that settles the verdict."""
        done: list[Outcome] = []
        with untouched(answer):
            for probe in self.probes:
                done.append(observe(answer, probe, self._conditions, capture))
                if done[-1].timed_out or self._settles(answer, probe, done[-1]):
                    break
        return done

    def _settles(self, answer: Any, probe: Probe, outcome: Outcome) -> bool:
        """Whether an outcome makes the probes after it needless, which may be expensive."""
        return False

    def _reference_outcomes(self, capture: Capture) -> list[Outcome]:
        if self._expected is None:
            found = self._outcomes(self.reference, capture)
            for probe, outcome in zip(self.probes, found, strict=False):
                wanted = probe.raises or ()
                if outcome.timed_out or not isinstance(outcome.error, (type(None), wanted)):
                    raise CourseError(f"the solution fails on {probe.name!r}") from outcome.error
                if probe.raises and outcome.error is None:
                    raise CourseError(f"the solution does not raise on {probe.name!r}")
            self._expected = found
        return self._expected

    def _mistake_outcomes(self, known: Misconception, capture: Capture) -> list[Outcome]:
        if known.name not in self._mistakes:
            self._mistakes[known.name] = self._outcomes(known.answer, capture)
        return self._mistakes[known.name]

    # How it is judged

    def _judge(self, answer: Any) -> Verdict:
        if attempt.untouched(answer):
            return self._not_attempted()
        refused = self._refuse(answer)
        if refused:
            return self._verdict(Status.WRONG_TYPE, *refused)
        with preserved() as capture:
            expected = self._reference_outcomes(capture)
            outcomes = self._outcomes(answer, capture)
            if any(self._is_placeholder(o, answer) for o in outcomes):
                return self._not_attempted()
            if self._all_right(outcomes, expected):
                return self._correct(answer, *reports.printed(self._first_printed(outcomes)))
            known = self._recognize(outcomes, capture)
        if known is not None:
            details = text.wrap(known.message), *reports.printed(self._first_printed(outcomes))
            name = known.name
            return self._verdict(Status.MISCONCEPTION, "not yet.", *details, misconception=name)
        return self._explain(answer, outcomes, expected)

    def _refuse(self, answer: Any) -> tuple[str, ...]:
        """Headline and details if the answer is not even of a type that can be run."""
        return ()

    def _is_placeholder(self, outcome: Outcome, answer: Any) -> bool:
        if outcome.did_return and holds_placeholder(outcome.returned):
            return True
        error = outcome.error
        if error is None:
            return holds_placeholder(outcome.value)
        if isinstance(error, NotImplementedError):
            return raised_in_own_code(error, files_of(answer))
        return attempt.names_placeholder(error)

    def _all_right(self, outcomes: list[Outcome], expected: list[Outcome]) -> bool:
        return len(outcomes) == len(expected) and all(
            self._problem(got, right, probe) is None
            for got, right, probe in zip(outcomes, expected, self.probes, strict=True)
        )

    def _recognize(self, outcomes: list[Outcome], capture: Capture) -> Misconception | None:
        """The misconception whose behavior this is; one that damages the same inputs first."""
        same = []
        for known in self.misconceptions:
            theirs = self._mistake_outcomes(known, capture)
            if self._alike(outcomes, theirs):
                same.append((known, theirs))
        exact = [k for k, theirs in same if _damage(theirs) == _damage(outcomes)]
        harmless = [k for k, theirs in same if not any(_damage(theirs))]
        return next(iter(exact + harmless), None)

    def _alike(self, a: list[Outcome], b: list[Outcome]) -> bool:
        return alike(a, b, self.tolerance)

    def _problem(self, got: Outcome, right: Outcome, probe: Probe) -> Status | None:
        """The first thing that is wrong with an outcome."""
        if got.timed_out:
            return Status.TIMED_OUT
        if got.error is not None:
            if probe.raises and isinstance(got.error, probe.raises):
                return Status.DAMAGED_INPUTS if got.damaged else None
            return Status.INVALID if isinstance(got.error, AnswerError) else Status.RAISED
        if probe.raises:
            return Status.WRONG_VALUE
        found = difference(got.value, right.value, self.tolerance)
        if found is not None:
            return _STATUS[found.kind]
        if difference(got.gradients, right.gradients, self.tolerance) is not None:
            return Status.WRONG_GRADIENT
        return Status.DAMAGED_INPUTS if got.damaged else None

    def _explain(self, answer: Any, outcomes: list[Outcome], expected: list[Outcome]) -> Verdict:
        """Report the most basic problem, on the smallest input that shows it."""
        cases = []
        for probe, got, right in zip(self.probes, outcomes, expected, strict=False):
            status = self._problem(got, right, probe)
            if status is not None:
                cases.append(reports.Case(self, answer, probe, got, right, status))
        worst = min(cases, key=_rank)
        summary, *details = reports.explain(worst)
        printed = reports.printed((worst.probe, worst.got.printed))
        return self._verdict(worst.status, summary, *details, *printed)

    def _first_printed(self, outcomes: list[Outcome]) -> tuple[Probe, Printed] | None:
        pairs = zip(self.probes, outcomes, strict=False)
        return next(((p, o.printed) for p, o in pairs if o.printed.total), None)


def _rank(case: reports.Case) -> tuple[int, bool, int]:
    return (_RANK.index(case.status), *inputs.tellingness(case.got.inputs))


def _damage(outcomes: list[Outcome]) -> list[tuple[str, ...]]:
    return [o.damaged for o in outcomes]


_RANK = [status for status in Status if status is not Status.MISCONCEPTION]
