"""Looking for errors in a catalogue of exercises."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from course_utils.exercises.engine import text
from course_utils.exercises.engine.base import Exercise
from course_utils.exercises.engine.behavior import BehaviorExercise
from course_utils.exercises.engine.compare import Opaque
from course_utils.exercises.engine.state import preserved
from course_utils.exercises.engine.value import execute
from course_utils.exercises.engine.verdict import Status, Verdict


def problems(exercise: Exercise) -> list[str]:
    """One sentence for each error of an exercise's catalogue."""
    found = [*_texts(exercise), *exercise._catalogue_problems()]
    found += [*_right(exercise), *_wrong(exercise), *_unanswered(exercise), *_written(exercise)]
    if isinstance(exercise, BehaviorExercise):
        found += [*_probes(exercise), *_behaviors(exercise)]
    return found


def _texts(exercise: Exercise) -> Iterator[str]:
    named = {"title": exercise.title, "statement": exercise.statement}
    named |= {f"hint {k + 1}": hint for k, hint in enumerate(exercise.hints)}
    yield from (f"the {name} is empty" for name, words in named.items() if not words.strip())
    if not exercise.hints:
        yield "there are no hints"
    if len(set(exercise.hints)) < len(exercise.hints):
        yield "two hints are the same"
    if not exercise.name.isidentifier():
        yield f"the answer's name {exercise.name!r} is not a name"


def _right(exercise: Exercise) -> Iterator[str]:
    for name, answer in exercise.right_answers():
        verdict = exercise._judge(answer)
        if not verdict.passed:
            yield f"the right answer {name!r} fails: {verdict.message}"
        yield from _too_long(name, verdict)


def _wrong(exercise: Exercise) -> Iterator[str]:
    names = [name for name, _, _ in exercise.wrong_answers()]
    if len(set(names)) < len(names):
        yield "two misconceptions have the same name"
    for name, answer, message in exercise.wrong_answers():
        verdict = exercise._judge(answer)
        if verdict.passed:
            yield f"the misconception {name!r} passes"
        elif verdict.misconception != name:
            told = verdict.misconception or verdict.status.value
            yield f"the misconception {name!r} is taken for {told!r}: {verdict.message}"
        elif not message.strip() or _words(message) not in _words(verdict.message):
            yield f"the message of {name!r} is not shown whole"
        yield from _too_long(name, verdict)


def _words(message: str) -> str:
    return " ".join(message.split())


def _too_long(name: str, verdict: Verdict) -> Iterator[str]:
    lines = verdict.message.splitlines()
    if len(lines) > text.SCREEN_LINES or any(len(line) > text.LINE for line in lines):
        yield f"the message for {name!r} is longer than a screen"


def _unanswered(exercise: Exercise) -> Iterator[str]:
    stubs: dict[str, Any] = {"...": ...}
    if exercise.stub_source():
        stubs["the stub"] = execute(exercise.stub_source(), _context(exercise))[exercise.name]
    for name, stub in stubs.items():
        if exercise._judge(stub).status is not Status.NOT_ATTEMPTED:
            yield f"{name} does not count as not attempted"


def _written(exercise: Exercise) -> Iterator[str]:
    try:
        answer = execute(exercise.answer_source(), _context(exercise))[exercise.name]
    except Exception as error:
        yield f"the answer's source does not run: {type(error).__name__}: {error}"
        return
    verdict = exercise._judge(answer)
    if not verdict.passed:
        yield f"the answer's source fails: {verdict.message}"


def _context(exercise: Exercise) -> dict[str, Any]:
    return getattr(exercise, "context", {})


def _probes(exercise: BehaviorExercise) -> Iterator[str]:
    names = [probe.name for probe in exercise.probes]
    if len(set(names)) < len(names):
        yield "two probes have the same name"


def _behaviors(exercise: BehaviorExercise) -> Iterator[str]:
    """Problems that show only in what the answers do, not in the verdicts."""
    with preserved() as capture:
        expected = exercise._reference_outcomes(capture)
        again = exercise._outcomes(exercise.reference, capture)
        mistakes = {m.name: exercise._mistake_outcomes(m, capture) for m in exercise.misconceptions}
    if not exercise._alike(again, expected):
        yield "the solution does not do the same twice"
    for probe, outcome in zip(exercise.probes, expected, strict=True):
        if _is_opaque(outcome.value):
            yield f"the result on {probe.name!r} cannot be compared: use observe"
        if outcome.damaged:
            yield f"the solution changes its inputs on {probe.name!r}: set may_change_inputs"
    yield from _indistinct(exercise, mistakes, expected)


def _is_opaque(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_opaque, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_is_opaque, value))
    return isinstance(value, Opaque) and type(value.value).__eq__ is object.__eq__


def _indistinct(
    exercise: BehaviorExercise, mistakes: dict[str, Any], expected: Any
) -> Iterator[str]:
    def alike(a: Any, b: Any) -> bool:
        return exercise._alike(a, b) and [o.damaged for o in a] == [o.damaged for o in b]

    for name, outcomes in mistakes.items():
        if alike(outcomes, expected):
            yield f"the misconception {name!r} does what the solution does on every probe"
        if any(o.timed_out for o in outcomes):
            yield f"the misconception {name!r} does not end"
    for a, b in itertools.combinations(mistakes, 2):
        if alike(mistakes[a], mistakes[b]):
            yield f"the misconceptions {a!r} and {b!r} do the same on every probe"
