"""Predict first, then look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from course_utils.exercises.engine import text
from course_utils.exercises.engine.choice import letters_of
from course_utils.exercises.engine.verdict import AnswerError


class Prediction:
    """A guess that the learner commits to before running the surprising cell.

    Args:
        id: Any unique label, as in ``"01.p1"``.
        question: What is going to happen?
        options: Letter to outcome.
    """

    def __init__(self, id: str, question: str, options: Mapping[str, str]) -> None:
        self.id, self.question_text, self.options = id, question, dict(options)
        self._guess: str | None = None

    def __repr__(self) -> str:
        return f"<Prediction {self.id}>"

    def question(self) -> None:
        """Print the question and its options."""
        print("\n".join([text.wrap(self.question_text), *map(self._option, self.options)]))

    def commit(self, guess: Any) -> None:
        """Note a guess, or say that there is none yet.

        Args:
            guess: One of the letters, or the ``...`` of the notebook.
        """
        self._guess = None
        if guess is ... or guess is None:
            known = ", ".join(self.options)
            print(f"○ No prediction yet. Replace the ... by one of {known}, then run on.")
            return
        try:
            (self._guess,) = letters_of(guess, self.options, most=1)
        except AnswerError as error:
            print(f"✗ {error}")
            return
        print(f"Your prediction: {self._option(self._guess).strip()}")

    def reveal(self, actual: str, explanation: str = "") -> None:
        """Compare the guess with what happened.

        Args:
            actual: Letter of what happened.
            explanation: Why.

        Raises:
            ValueError: If ``actual`` is not one of the options.
        """
        if actual not in self.options:
            raise ValueError(f"{actual!r} is not an option of {self.id}")
        happened = self._option(actual).strip()
        if self._guess is None:
            print(text.wrap(f"What happened: {happened}"))
        elif self._guess == actual:
            print(text.wrap(f"✓ As you predicted: {happened}"))
        else:
            print(text.wrap(f"✗ You predicted {self._guess}). What happened: {happened}"))
        if explanation:
            print(text.wrap(explanation))

    def _option(self, letter: str) -> str:
        return text.wrap(f"{letter}) {self.options[letter]}", indent="  ")
