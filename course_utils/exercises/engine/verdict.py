"""What a check concludes."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class AnswerError(Exception):
    """Raised by an exercise's ``parse`` when a value cannot be an answer at all.

    The message is shown to the learner, so it says what an answer looks like.
    """


class Status(enum.Enum):
    """The conclusion of a check, in the order in which conclusions are drawn."""

    NOT_ATTEMPTED = "not attempted"
    RAISED = "raised"
    TIMED_OUT = "timed out"
    INVALID = "invalid"
    WRONG_TYPE = "wrong type"
    WRONG_SHAPE = "wrong shape"
    WRONG_DTYPE = "wrong dtype"
    MISCONCEPTION = "misconception"
    WRONG_VALUE = "wrong value"
    WRONG_GRADIENT = "wrong gradient"
    DAMAGED_INPUTS = "damaged inputs"
    CORRECT = "correct"
    UNCHECKABLE = "uncheckable"


MARKS = {Status.CORRECT: "✓", Status.NOT_ATTEMPTED: "○"}


@dataclass(frozen=True)
class Verdict:
    """The conclusion of one check.

    A notebook shows nothing for it: ``check`` has already printed the message.

    Attributes:
        status: What kind of conclusion it is.
        message: The text that was printed.
        misconception: Name of the recognized misconception, else ``None``.
    """

    status: Status
    message: str
    misconception: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the answer is correct."""
        return self.status is Status.CORRECT

    def __bool__(self) -> bool:
        raise TypeError("a Verdict is neither true nor false: use .passed or .status")

    def __repr__(self) -> str:
        return f"<Verdict: {self.status.value}>"

    def _ipython_display_(self) -> None:
        """Show nothing: the message is already printed."""
