"""What every exercise can do: question, check, hint, solution."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from course_utils.exercises.engine import progress, text
from course_utils.exercises.engine.verdict import MARKS, Status, Verdict

NOT_ATTEMPTED = "not attempted yet. Replace the ... and run this cell again; .hint() helps."
_ONE_AT_A_TIME = threading.RLock()


class Exercise:
    """Base of all exercises.

    Args:
        id: Lesson and number, as in ``"01.2"``.
        title: A few words.
        statement: What to do.
        name: Name that the notebook gives to the answer.
        hints: From gentle to nearly there.
        reasoning: Why the solution works; shown with it.
        remark: Said after a correct answer; a function gets the answer and may return "".

    Raises:
        ValueError: If the id is not of the form ``NN.k``.
    """

    def __init__(
        self,
        *,
        id: str,
        title: str,
        statement: str,
        name: str,
        hints: Sequence[str] = (),
        reasoning: str = "",
        remark: str | Callable[[Any], str | None] = "",
    ) -> None:
        if not re.fullmatch(r"\d\d\.\d+", id):
            raise ValueError(f"an exercise's id looks like 01.2, not {id!r}")
        if isinstance(hints, str):
            raise ValueError("hints is a tuple of strings; a tuple of one needs a comma")
        self.id, self.title, self.statement, self.name = id, title, statement, name
        self.hints, self.reasoning, self.remark = tuple(hints), reasoning, remark
        self._next_hint = 0

    @property
    def lesson(self) -> str:
        """The lesson's number, as in ``"01"``."""
        return self.id.split(".")[0]

    def __repr__(self) -> str:
        return f"<Exercise {self.id}: {self.title}>"

    def check(self, answer: Any) -> Verdict:
        """Print what to think of an answer.

        Args:
            answer: The learner's function, class or value.

        Returns:
            The verdict; a notebook shows nothing for it.
        """
        with _ONE_AT_A_TIME:
            try:
                verdict = self._judge(answer)
            except Exception as error:  # a fault of the course must not stop the learner
                verdict = self._uncheckable(error)
        print(verdict.message)
        if verdict.status not in (Status.NOT_ATTEMPTED, Status.UNCHECKABLE):
            progress.record(self.id, solved=verdict.passed)
        return verdict

    def hint(self) -> None:
        """Print the next hint."""
        count = len(self.hints)
        if self._next_hint >= count:
            print(f"No more hints for {self.id}; .solution() shows a solved version.")
            return
        self._next_hint += 1
        body = f"Hint {self._next_hint} of {count}: {self.hints[self._next_hint - 1].strip()}"
        print(text.wrap(body))

    def question(self) -> None:
        """Print the statement."""
        print(f"{self._heading}\n{text.wrap(self.statement)}")

    def solution(self) -> None:
        """Print a solved version and why it works."""
        why = f"\n\n{text.wrap(self.reasoning)}" if self.reasoning else ""
        print(f"{self._heading}, one solution:\n\n{self.answer_source()}{why}")

    def answer_source(self) -> str:
        """Source code that answers the exercise when it stands in the notebook's cell."""
        raise NotImplementedError

    def stub_source(self) -> str:
        """Source code of the unanswered cell, without the check."""
        return f"{self.name} = ...  # your answer here"

    def right_answers(self) -> Iterator[tuple[str, Any]]:
        """Name and value of each answer that must pass."""
        raise NotImplementedError

    def wrong_answers(self) -> Iterator[tuple[str, Any, str]]:
        """Name, value and deserved message of each answer that must fail."""
        raise NotImplementedError

    def selfcheck(self) -> list[str]:
        """Look for errors of the catalogue.

        Returns:
            One sentence for each problem; empty if there is none.
        """
        from course_utils.exercises.engine.selfcheck import problems

        return problems(self)

    def _catalogue_problems(self) -> list[str]:
        """Problems that only this kind of exercise can have."""
        return []

    def _judge(self, answer: Any) -> Verdict:
        raise NotImplementedError

    @property
    def _heading(self) -> str:
        return f"{self.id} {self.title}"

    def _verdict(
        self, status: Status, summary: str, *details: str, misconception: str | None = None
    ) -> Verdict:
        """Put a verdict into words: a headline, then indented details."""
        mark = MARKS.get(status, "✗")
        head = f"{mark} {self._heading}: {summary}"
        lines = [head if len(head) <= text.LINE else text.wrap(head, hang="  ")]
        lines += [f"  {line}" for detail in details for line in detail.splitlines() if line]
        return Verdict(status, text.screen("\n".join(lines)), misconception)

    def _not_attempted(self) -> Verdict:
        return self._verdict(Status.NOT_ATTEMPTED, NOT_ATTEMPTED)

    def _correct(self, answer: Any, *details: str) -> Verdict:
        remark = self.remark
        if callable(remark):
            try:
                remark = remark(answer) or ""
            except Exception:
                remark = ""
        return self._verdict(Status.CORRECT, "correct.", text.wrap(remark or ""), *details)

    def _uncheckable(self, error: BaseException) -> Verdict:
        detail = f"({type(error).__name__}: {text.error_text(error)})"
        summary = "could not be checked. The fault is in the course, not in your answer."
        return self._verdict(Status.UNCHECKABLE, summary, detail)
