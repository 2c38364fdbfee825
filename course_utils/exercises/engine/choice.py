"""Questions with options, each with its reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from course_utils.exercises.engine import text
from course_utils.exercises.engine.base import Exercise
from course_utils.exercises.engine.verdict import AnswerError, Status, Verdict


def letters_of(answer: Any, options: Iterable[str], most: int | None = None) -> tuple[str, ...]:
    """Read the letters of an answer: ``"b"``, ``" B "``, ``"b)"``, ``("a", "c")``, ``"a, c"``.

    Args:
        answer: What the learner wrote.
        options: The letters there are.
        most: How many letters an answer may have; any number if ``None``.

    Returns:
        The letters without repetition, in the order of the options.

    Raises:
        AnswerError: If it is not a choice among the options.
    """
    known = list(options)
    wanted = f"Answer with one of the letters {', '.join(known)}"
    wanted += ' in quotes, for example "a".' if most == 1 else ', for example ("a", "b").'
    parts = _parts(answer)
    if parts is None:
        raise AnswerError(f"{text.kind(answer)} is not a choice. {wanted}")
    given = {part.strip(" .()'\"").lower(): part for part in parts}
    lower = {letter.lower(): letter for letter in known}
    unknown = [part for clean, part in given.items() if clean not in lower]
    if unknown or not given:
        refused = text.show(unknown[0] if unknown else answer)
        raise AnswerError(f"{refused} is not one of them. {wanted}")
    if most is not None and len(given) > most:
        raise AnswerError(f"Choose one letter only. {wanted}")
    return tuple(letter for letter in known if letter.lower() in given)


def _parts(answer: Any) -> list[str] | None:
    if isinstance(answer, str):
        return [part for part in answer.replace(";", ",").split(",") if part.strip()]
    if isinstance(answer, (tuple, list, set, frozenset)):
        items = sorted(answer, key=str)
        return items if all(isinstance(item, str) for item in items) else None
    return None


class ChoiceExercise(Exercise):
    """A question with lettered options, one or several of them right.

    Args:
        id: Lesson and number, as in ``"01.5"``.
        title: A few words.
        question: The question.
        options: Letter to text, in the order of display.
        correct: The right letter, or a tuple of the right letters.
        reasons: Letter to the reason why it is wrong or right.
        name: Name that the notebook gives to the answer.
        hints: From gentle to nearly there.

    Raises:
        ValueError: If letters do not fit together.
    """

    def __init__(
        self,
        id: str,
        title: str,
        question: str,
        options: Mapping[str, str],
        correct: str | Iterable[str],
        reasons: Mapping[str, str],
        name: str = "answer",
        hints: Sequence[str] = (),
    ) -> None:
        super().__init__(id=id, title=title, statement=question, name=name, hints=hints)
        self.options, self.reasons = dict(options), dict(reasons)
        right = {correct} if isinstance(correct, str) else set(correct)
        if not right or not right <= set(self.options):
            raise ValueError(f"{id}: the right answer must be among the options")
        if set(self.reasons) != set(self.options):
            raise ValueError(f"{id}: every option needs a reason, also the right one")
        self.correct = tuple(letter for letter in self.options if letter in right)
        self.several = not isinstance(correct, str)

    def question(self) -> None:
        """Print the question and its options."""
        super().question()
        for letter, option in self.options.items():
            print(text.wrap(f"{letter}) {option}", indent="  "))
        if self.several:
            print("More than one may be right.")

    def solution(self) -> None:
        """Print the right letters and the reason for every option."""
        print(f"{self._heading}: the answer is {_join(self.correct)}.")
        for letter in self.options:
            print(text.wrap(f"{letter}) {self.reasons[letter]}", indent="  "))

    def answer_source(self) -> str:
        """Source code that answers the exercise when it stands in the notebook's cell."""
        value = self.correct if self.several else self.correct[0]
        return f"{self.name} = {_literal(value)}"

    def right_answers(self) -> Iterator[tuple[str, Any]]:
        """The answer as letters in the forms that are accepted."""
        value = self.correct if self.several else self.correct[0]
        yield "as written", value
        yield "upper case with spaces", f" {','.join(self.correct).upper()} "
        yield "as a set", set(self.correct)

    def wrong_answers(self) -> Iterator[tuple[str, Any, str]]:
        """Every wrong letter on its own, with its reason."""
        for letter in self.options:
            if letter not in self.correct:
                yield f"option {letter}", letter, self.reasons[letter]

    def _judge(self, answer: Any) -> Verdict:
        if answer is ... or (isinstance(answer, (tuple, list, set)) and ... in list(answer)):
            return self._not_attempted()
        try:
            chosen = letters_of(answer, self.options, most=None if self.several else 1)
        except AnswerError as error:
            return self._verdict(Status.INVALID, str(error))
        wrong = [letter for letter in chosen if letter not in self.correct]
        if wrong:
            return self._wrong(wrong)
        if len(chosen) < len(self.correct):
            summary = f"{_join(chosen)} {_are(chosen)} right, but that is not all."
            return self._verdict(Status.WRONG_VALUE, summary)
        reasons = [self._reason(letter) for letter in chosen]
        return self._verdict(Status.CORRECT, "correct.", *reasons)

    def _wrong(self, letters: list[str]) -> Verdict:
        summary = f"not {_join(letters)}."
        reasons = [self._reason(letter) for letter in letters]
        name = f"option {letters[0]}"
        return self._verdict(Status.MISCONCEPTION, summary, *reasons, misconception=name)

    def _reason(self, letter: str) -> str:
        prefix = f"{letter}) " if self.several else ""
        return text.wrap(prefix + self.reasons[letter])

    def _catalogue_problems(self) -> list[str]:
        pairs = itertools.combinations(self.reasons.items(), 2)
        same = [f"{a} and {b}" for (a, x), (b, y) in pairs if x.strip() == y.strip()]
        return [f"options {pair} have the same reason" for pair in same]


def _join(letters: Iterable[str]) -> str:
    *first, last = letters
    return f"{', '.join(first)} and {last}" if first else last


def _are(letters: Sequence[str]) -> str:
    return "are" if len(letters) > 1 else "is"


def _literal(value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    inside = ", ".join(f'"{letter}"' for letter in value)
    return f"({inside},)" if len(value) == 1 else f"({inside})"
