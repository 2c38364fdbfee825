"""What went wrong in the learner's own code, in words and with the learner's own line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

__all__ = ["Fault", "borrowed", "describe"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LONGEST = 600


class Fault(Exception):  # noqa: N818 - it is shown to the learner by this name
    """Something in the learner's module, data or optimizer that stops a live tool.

    Args:
        message: a sentence or two that say what is wrong and what to do.
    """


def describe(error: BaseException, *answers: Any) -> str:
    """An error as text for the board, with the learner's own line if it can be found.

    Args:
        error: what was raised.
        answers: the learner's objects (module, functions), whose own code counts as the learner's
            even where it stands inside the course's package.
    """
    message = " ".join(str(error).split()) or "no message"
    if len(message) > LONGEST:
        message = message[: LONGEST - 1] + "…"
    if not isinstance(error, Fault):
        message = f"{type(error).__name__}: {message}"
    line = _own_line(error, answers)
    return f"{message} (at {line})" if line else message


def _own_line(error: BaseException, answers: tuple[Any, ...]) -> str:
    from course_utils.exercises.engine import locate

    own = set().union(*(locate.files_of(answer) for answer in answers)) if answers else set()
    found, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        course = os.path.abspath(name).startswith(_PACKAGE + os.sep)
        if name in own or not (course or locate._is_library(name)):
            found = str(locate.Line(name, trace.tb_lineno))
        trace = trace.tb_next
    return found


@contextlib.contextmanager
def borrowed(*modules: nn.Module | None) -> Iterator[None]:
    """Look at a model without a trace: inside, evaluation mode and no gradients.

    Afterwards each part has its own mode again. The random stream of torch is left as it was, too.
    """
    parts = [part for module in modules if module is not None for part in module.modules()]
    modes = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
