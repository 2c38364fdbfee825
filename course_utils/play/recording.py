"""A recorded session: what a live tool answers, kept to be played where no kernel is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "Recording"]


@dataclass(frozen=True)
class Answer:
    """One message to the browser.

    Attributes:
        header: what JSON can carry.
        data: the arrays, as bytes.
    """

    header: dict[str, Any]
    data: bytes = b""


@dataclass
class Recording:
    """Answers in the order in which they were given.

    Attributes:
        pace: milliseconds between two answers when they are played.
    """

    pace: int
    answers: list[Answer] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.answers)

    def describe(self) -> dict[str, Any]:
        """Headers, and where each one's data lie in `data`."""
        frames, start = [], 0
        for answer in self.answers:
            frames.append({"header": answer.header, "start": start, "length": len(answer.data)})
            start += len(answer.data)
        return {"pace": self.pace, "frames": frames}

    @property
    def data(self) -> bytes:
        """All data, one after the other; each begins at a multiple of four bytes."""
        return b"".join(answer.data for answer in self.answers)


def padded(data: bytes) -> bytes:
    """Fill up to a multiple of four bytes, so that float32 arrays can follow."""
    return data + b"\0" * (-len(data) % 4)
