"""Programs as texts: a repair, or a treatment that does not cure, is an edit of the sick one."""

from __future__ import annotations

import functools
from typing import Any

from course_utils import data, training
from course_utils.clinic.monitor import Program
from course_utils.exercises.engine import source
from course_utils.exercises.engine.value import execute

CONTEXT: dict[str, Any] = {"data": data, "training": training}
"""What the lesson has imported and the programs use, beside torch, nn and F."""

Edit = tuple[str, str]


def text_of(program: Program, name: str) -> str:
    """Source of a program under a name.

    Args:
        program: a function from a file, or one that ``edited`` made.
        name: the function's name in the text.
    """
    if isinstance(program, functools.partial):
        raise TypeError("a program of the clinic is a function")
    known = getattr(program, "text", None)
    if known is None:
        return source.source_of(program, name)
    return known.replace(f"def {program.__name__}(", f"def {name}(", 1)


def edited(program: Program, *edits: Edit) -> Program:
    """Make a program from another one by changing its text.

    Args:
        program: where to start.
        *edits: (old, new) each. The old text stands once in the program, within one line; further
            lines of the new text are indented like that line. Without new text the line goes.

    Returns:
        The new function.

    Raises:
        ValueError: If an old text does not stand in the program exactly once, within a line.
    """
    name = program.__name__
    text = text_of(program, name)
    for old, new in edits:
        if "\n" in old:
            raise ValueError(f"{old!r} is more than one line")
        if text.count(old) != 1:
            raise ValueError(f"{old!r} stands {text.count(old)} times in {name}, not once")
        start = text.rfind("\n", 0, text.index(old)) + 1
        line = text[start:].split("\n", 1)[0]
        indent = line[: len(line) - len(line.lstrip())]
        after = line.replace(old, new.replace("\n", "\n" + indent))
        text = text[:start] + after + text[start + len(line) :]
        text = "\n".join(row for row in text.split("\n") if row.strip() or not row)
    made = execute(text, CONTEXT)[name]
    made.text = text
    return made
