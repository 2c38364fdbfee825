"""The learner's progress, kept in one local file."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

_FORMAT = 1
_SOLVED, _ATTEMPTED = "solved", "attempted"
_told = False


def progress(lesson: str | None = None, *, reset: bool = False) -> None:
    """Print which exercises are solved, attempted or still to do.

    Progress is kept on this computer only, in ``.neural-network-basics/progress.json`` in your
    home folder, or in the file that the environment variable ``COURSE_PROGRESS_FILE`` names.

    Args:
        lesson: Number of a lesson, as in ``"01"``; without it, all lessons are shown.
        reset: Forget everything instead.
    """
    if reset:
        _forget()
        return
    totals = _exercises_by_lesson()
    chosen = totals if lesson is None else _only(totals, lesson)
    if not chosen:
        print(f"There is no lesson {lesson!r}; there are {', '.join(sorted(totals))}.")
        return
    states = _read()
    for number in sorted(chosen):
        print(_report(number, chosen[number], states))


def record(exercise: str, *, solved: bool) -> None:
    """Note an attempt; a solved exercise stays solved.

    The file is read again just before it is replaced, so two kernels add up. A file that cannot
    be written is reported once and otherwise ignored.
    """
    try:
        states = _read()
        new = _SOLVED if solved or states.get(exercise) == _SOLVED else _ATTEMPTED
        if states.get(exercise) != new:
            _write({**states, exercise: new})
    except OSError:
        _tell("your progress cannot be saved here; the checks work all the same.")


def path() -> Path:
    """Where the progress is kept."""
    named = os.environ.get("COURSE_PROGRESS_FILE")
    if named:
        return Path(named).expanduser()
    return Path(os.path.expanduser("~")) / ".neural-network-basics" / "progress.json"


def _read() -> dict[str, str]:
    """States by exercise; a missing or damaged file counts as empty."""
    try:
        content = json.loads(path().read_text(encoding="utf-8"))
        states = content["exercises"]
        return {str(k): v for k, v in states.items() if v in (_SOLVED, _ATTEMPTED)}
    except FileNotFoundError:
        return {}
    except OSError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        _tell("the file with your progress is damaged; it starts again from empty.")
        return {}


def _write(states: dict[str, str]) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"format": _FORMAT, "exercises": dict(sorted(states.items()))}
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _forget() -> None:
    try:
        path().unlink(missing_ok=True)
        print("Your progress is deleted.")
    except OSError:
        print("Your progress could not be deleted.")


def _tell(words: str) -> None:
    """Say something once in this kernel."""
    global _told
    if not _told:
        _told = True
        print(f"Note: {words}")


def _exercises_by_lesson() -> dict[str, list[str]]:
    from course_utils.exercises.engine.catalogue import all_exercises

    found: dict[str, list[str]] = {}
    for exercise in all_exercises():
        found.setdefault(exercise.lesson, []).append(exercise.id)
    return found


def _only(totals: dict[str, list[str]], lesson: str) -> dict[str, list[str]]:
    wanted = str(lesson).strip().zfill(2)
    return {wanted: totals[wanted]} if wanted in totals else {}


def _report(lesson: str, ids: list[str], states: dict[str, str]) -> str:
    solved = [i for i in ids if states.get(i) == _SOLVED]
    tried = [i for i in ids if states.get(i) == _ATTEMPTED]
    mark = "✓" if len(solved) == len(ids) else "○"
    line = f"{mark} Lesson {lesson}: {len(solved)} of {len(ids)} solved"
    if tried:
        line += f", {len(tried)} attempted"
    remaining = [i for i in ids if i not in solved]
    return f"{line}. Remaining: {', '.join(remaining)}" if remaining else f"{line}."
