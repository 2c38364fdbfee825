"""The playground: a network that trains before your eyes, yours if you like."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.data import Split
from course_utils.explore.palette import COLORMAPS, COLORS

from . import problems, program
from .frames import frame, joined, points
from .gate import gate
from .live import LiveTool
from .recording import Answer, Recording
from .session import Given, Session
from .settings import ACTIVATIONS, MOST_LAYERS, MOST_UNITS, OPTIMIZERS, Settings, StateError

__all__ = ["CONTROLS", "Playground", "playground"]

SLICE = 0.025  # seconds of training for each picture, at least
LONGEST_SLICE = 0.055
RECORDED_FRAMES = 48
PACE = 90  # milliseconds between two pictures of the recording

_RATES = [m * 10.0**e for e in range(-4, 1) for m in (1, 2, 5)]
_STRENGTHS = [0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]

CONTROLS = (
    *("data", "noise", "features", "hidden", "activation", "loss", "optimizer", "lr", "batch"),
    *("l1", "l2", "dropout", "regularization", "seed", "test", "network", "program", "state"),
)
"""What `hide` can name; "regularization" stands for l1, l2 and dropout."""

ALT = (
    "A network learns to tell two kinds of points apart: its decision surface at four moments of "
    "the training, the network with the response of each unit and its signed weights, and the "
    "falling losses."
)


def playground(
    model: nn.Module | None = None,
    data: str | Split | tuple[Tensor, Tensor] | None = None,
    optimizer: str | Callable[[Any], torch.optim.Optimizer] | None = None,
    *,
    test: Split | tuple[Tensor, Tensor] | None = None,
    loss: str | Callable[[Tensor, Tensor], Tensor] | None = None,
    state: str | None = None,
    hide: Collection[str] = (),
    title: str = "Playground",
    alt: str | None = None,
    recorded_steps: int = 1200,
    **settings: Any,
) -> Playground:
    """A board on which a network trains while you watch and turn its controls.

    Args:
        model: your own module for inputs (N, 2); it is trained in place. By default a network is
            built from `features`, `hidden`, `activation` and `dropout`.
        data: name of a data set, or your own points: X (N, 2) and y (N,).
        optimizer: a name, or a function of the parameters that returns an optimizer.
        test: further points, to go with your own ones.
        loss: a name, or a function of (outputs, targets) that returns a scalar tensor.
        state: a string from another board (`board.state`); the other arguments go before it.
        hide: controls to leave out; see `play.CONTROLS`.
        title: heading of the board.
        alt: text alternative of its picture.
        recorded_steps: steps of the recorded session that stands for the board without a kernel.
        **settings: noise, features, hidden, activation, lr, l1, l2, dropout, batch, seed.

    Returns:
        The board; let it be the last line of a cell.

    Raises:
        StateError: if a setting or the state string is wrong.
        TypeError: if an object of yours is of another type.
        ValueError: if your points have the wrong shape, or `hide` names no control.

    Example:
        >>> board = playground(data="circles", hidden=(4,), lr=0.3)
        >>> board.session.train_steps(500)
        >>> print(board.program())
    """
    return Playground(
        *(model, data, optimizer),
        **{"test": test, "loss": loss, "state": state, "hide": hide, "title": title, "alt": alt},
        **{"recorded_steps": recorded_steps, **settings},
    )


class Playground(LiveTool):
    """See `playground`.

    Attributes:
        session: the training; it works without a display, too.
    """

    page, kind = "board", "Live board"

    def __init__(
        self,
        model: nn.Module | None = None,
        data: str | Split | tuple[Tensor, Tensor] | None = None,
        optimizer: str | Callable[[Any], torch.optim.Optimizer] | None = None,
        *,
        test: Split | tuple[Tensor, Tensor] | None = None,
        loss: str | Callable[[Tensor, Tensor], Tensor] | None = None,
        state: str | None = None,
        hide: Collection[str] = (),
        title: str = "Playground",
        alt: str | None = None,
        recorded_steps: int = 1200,
        **settings: Any,
    ) -> None:
        super().__init__(title, alt or ALT)
        given, named = _sorted_arguments(model, data, optimizer, test, loss)
        self.given = given
        self.hidden = _checked_hide(hide) | _not_applicable(given)
        if given.problem is not None and given.problem.X_test is None:
            self.hidden |= {"test"}
        self.names = tuple(n for n in asdict(Settings()) if n not in _not_applicable(given))
        self.recorded_steps = recorded_steps
        wanted = Settings.parse(state, self.names) if state is not None else {}
        self._slice, self._last = SLICE, (0.0, 0)
        self._answered, self._away = 0.0, 0.0
        chosen = Settings().changed(**(wanted | named | settings))
        self.session = Session(chosen, given)
        gate.listen(self.session)

    # --- what the learner asks for ---------------------------------------------------------------

    @property
    def model(self) -> nn.Module:
        """The network as it is now."""
        return self.session.model

    @property
    def state(self) -> str:
        """All settings as one string: `playground(state=...)` makes the same board elsewhere.

        It holds the settings, with the seed, but not the weights, nor objects of your own.
        """
        return self.session.settings.to_string(self.names)

    def program(self) -> str:
        """The training up to now as a PyTorch program that makes the same steps by itself."""
        return program.write(self.session)

    # --- messages --------------------------------------------------------------------------------

    def handle(self, request: dict[str, Any]) -> Answer:
        """Answer one message of the browser; see board.js for what it can ask."""
        if request["kind"] == "program":
            return Answer({"kind": "program", "text": self.program(), "state": self.state})
        session, action = self.session, request.get("action")
        self._measure_gap()
        note, started = self._apply(request)
        stopped = session.take_stop() and action != "play"
        if action in ("reset", "reseed"):
            note, started = self._restart(action), True
        halt = stopped or action == "pause"
        if request.get("play") and not halt:
            session.train_for(self._slice)
        elif action == "step":
            session.train_steps(1)
        stopped = stopped or session.take_stop()
        if stopped:
            note = "The kernel was interrupted, so the training has stopped. Press Play to go on."
        extra: dict[str, Any] = {
            "halt": bool(halt or stopped or session.fault),
            "note": note,
            "started": started,
            "rate": self._rate() if request.get("play") else None,
            "playing": bool(request.get("play")),
        }
        new = started or bool(request.get("settings") or request.get("state"))
        if new or request["kind"] == "hello":
            extra |= self._setting_entries()
        return self._framed(request, extra, started or request["kind"] == "hello")

    def _framed(self, request: dict[str, Any], extra: dict[str, Any], whole: bool) -> Answer:
        """The frame, with the points if the browser needs them; sets the next slice's length."""
        focus = _checked_focus(request.get("focus"))
        begin = time.perf_counter()
        answer = frame(self.session, focus, **extra)
        answer = joined(answer, points(self.session)) if whole else answer
        self._answered = time.perf_counter()
        # Training gets more than half of the time: the rest is looking, sending and painting.
        rest = self._answered - begin + self._away
        self._slice = min(max(SLICE, 1.4 * rest), LONGEST_SLICE)
        return answer

    def _measure_gap(self) -> None:
        """Smooth the seconds between an answer and the next request."""
        away = time.perf_counter() - self._answered
        if away < 0.5:
            self._away += 0.2 * (away - self._away)

    def _setting_entries(self) -> dict[str, Any]:
        settings = asdict(self.session.settings)
        return {
            "settings": {name: settings[name] for name in self.names},
            "state": self.state,
            "losses": self._loss_options(),
        }

    def _apply(self, request: dict[str, Any]) -> tuple[str, bool]:
        """Take new settings or a state string; returns a remark, and whether training restarts."""
        session, before = self.session, self.session.settings
        try:
            if request.get("state") is not None:
                values = Settings.parse(request["state"], self.names)
            else:
                values = {
                    name: value
                    for name, value in (request.get("settings") or {}).items()
                    if name in self.names
                }
            if not values:
                return "", False
            changed = before.changed(**values)
        except StateError as error:
            return str(error), False
        started = session.change(changed)
        if request.get("state") is not None:
            return "The state is loaded." + (" Training starts anew." if started else ""), started
        names = [name for name in values if getattr(changed, name) != getattr(before, name)]
        said = ", ".join(f"{_LABELS[name]}: {_shown(getattr(changed, name))}" for name in names)
        if started:
            return f"{said}. Training starts anew.", True
        return (f"{said}, from step {session.step} on." if said else ""), False

    def _restart(self, action: str) -> str:
        session = self.session
        if action == "reseed":
            session.change(session.settings.changed(seed=session.settings.seed + 1))
            return f"New initial weights (seed {session.settings.seed})."
        session.reset()
        return "Back at step 0 with the same initial weights."

    def _rate(self) -> float | None:
        """Steps per second since the last picture, or None at the first."""
        (then, step), now = self._last, time.perf_counter()
        self._last = (now, self.session.step)
        if now - then > 1 or self.session.step < step:
            return None
        return round((self.session.step - step) / (now - then))

    # --- the recording ---------------------------------------------------------------------------

    def _record(self) -> Recording:
        """A short session in float64, from the first step on, apart from the live one."""
        session = self._recorded_session()
        recording = Recording(pace=PACE)
        for k in range(RECORDED_FRAMES):
            goal = round(self.recorded_steps * (k / (RECORDED_FRAMES - 1)) ** 2)
            session.train_steps(goal - session.step)
            extra: dict[str, Any] = {"note": "", "started": k == 0}
            if k == 0:
                extra |= self._setting_entries()
            answer = frame(session, **extra)
            recording.answers.append(joined(answer, points(session)) if k == 0 else answer)
            if session.fault:
                break
        return recording

    def _recorded_session(self) -> Session:
        """A session on a copy of the learner's model, in float64 if the model can do that."""
        given, settings = self.given, self.session.settings
        if given.model is None:
            return Session(settings, given, torch.float64)
        for dtype in (torch.float64, torch.float32):
            twin = copy.deepcopy(given.model)
            twin.load_state_dict(self.session._own_start)
            twin = Given(twin.to(dtype).cpu(), given.problem, given.optimizer, given.loss)
            session = Session(settings, twin, dtype)
            if not session.fault:
                break
        return session

    def _draw(self) -> bytes:
        from .board_story import draw

        return draw(self.recording(), self.title)

    # --- what the browser builds -----------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """What the browser needs to build the board."""
        return {
            "title": self.title,
            "alt": self.alt,
            "colors": COLORS,
            "colormaps": COLORMAPS,
            "controls": self._controls(),
            "features": [[name, label] for name, (label, _) in problems.FEATURES.items()],
            "own_model": self.given.model is not None,
            "most": {"layers": MOST_LAYERS, "units": MOST_UNITS},
            "hidden": sorted(self.hidden),
            "program": self.program(),
            "recording": self.recording().describe(),
        }

    def _loss_options(self) -> list[list[str]]:
        """Names and labels of the losses for the present data."""
        problem = getattr(self.session, "problem", None) or self.given.problem
        kind = problem.kind if problem else problems.DATA[self.session.settings.data].kind
        return [[name, loss.label] for name, loss in problems.LOSSES[kind].items()]

    def _controls(self) -> list[dict[str, Any]]:
        """The controls that this board shows, in their order."""
        count = len(self.session.problem.X) if hasattr(self.session, "problem") else problems.TRAIN
        batches = [b for b in (1, 5, 10, 20, 50, 100, 200, 500, 1000) if b < count]
        options: dict[str, Any] = {
            "data": [[name, chosen.label] for name, chosen in problems.DATA.items()],
            "noise": [round(0.05 * k, 2) for k in range(11)],
            "activation": [[name, label] for name, (label, _) in ACTIVATIONS.items()],
            "loss": self._loss_options(),
            "optimizer": [[name, name] for name in OPTIMIZERS],
            "lr": [float(f"{rate:g}") for rate in _RATES],
            "batch": [[b, str(b)] for b in batches] + [[count, f"all {count}"]],
            "l2": [[s, f"{s:g}"] for s in _STRENGTHS],
            "l1": [[s, f"{s:g}"] for s in _STRENGTHS],
            "dropout": [[p, f"{p:g}"] for p in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)],
            "features": [[name, label] for name, (label, _) in problems.FEATURES.items()],
        }
        kinds = {"noise": "slider", "lr": "slider", "features": "checks"}
        return [
            {
                "name": name,
                "label": _LABELS[name],
                "kind": kinds.get(name, "choice"),
                "values": values,
            }
            for name, values in options.items()
            if name not in self.hidden
        ]


_LABELS = {
    "data": "Data",
    "noise": "Noise",
    "features": "Inputs",
    "hidden": "Hidden layers",
    "activation": "Activation",
    "loss": "Loss",
    "optimizer": "Optimizer",
    "lr": "Learning rate",
    "batch": "Batch size",
    "l1": "L1 penalty",
    "l2": "L2 (weight decay)",
    "dropout": "Dropout",
    "seed": "Seed",
}


def _checked_focus(focus: Any) -> tuple[int, int] | None:
    """(column, unit) if it is that."""
    pair = isinstance(focus, (list, tuple)) and len(focus) == 2
    return tuple(focus) if pair and all(isinstance(k, int) for k in focus) else None


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _checked_hide(hide: Collection[str]) -> frozenset[str]:
    names = {hide} if isinstance(hide, str) else set(hide)
    unknown = sorted(names - set(CONTROLS))
    if unknown:
        raise ValueError(f"hide: there is no control {unknown[0]!r}: {', '.join(CONTROLS)}.")
    return frozenset(names | ({"l1", "l2", "dropout"} if "regularization" in names else set()))


def _sorted_arguments(
    model: Any, data: Any, optimizer: Any, test: Any, loss: Any
) -> tuple[Given, dict[str, str]]:
    """The learner's own parts, and the settings that are given by name."""
    if model is not None and not isinstance(model, nn.Module):
        what = model.__name__ if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be an nn.Module, such as MyNet(), got {what}.")
    named: dict[str, str] = {}
    problem = None
    if isinstance(data, str):
        named["data"] = data
    elif data is not None:
        problem = problems.own(data, test)
    if test is not None and problem is None:
        raise TypeError("test goes with your own points: give data=(X, y), too.")
    if isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            "optimizer must be a function that makes one, so that a reset can start anew: "
            "optimizer=lambda ps: torch.optim.SGD(ps, lr=0.1)."
        )
    for name, value in (("optimizer", optimizer), ("loss", loss)):
        if isinstance(value, str):
            named[name] = value
        elif value is not None and not callable(value):
            raise TypeError(f"{name} must be a name or a function, got {type(value).__name__}.")
    if isinstance(loss, type):
        raise TypeError(f"loss is a class: call it, as in nn.{loss.__name__}().")
    own_optimizer = None if isinstance(optimizer, str) else optimizer
    own_loss = None if isinstance(loss, str) else loss
    return Given(model, problem, own_optimizer, own_loss), named


def _not_applicable(given: Given) -> frozenset[str]:
    """Settings and controls that the learner's own objects replace."""
    names: set[str] = set()
    if given.model is not None:
        names |= {"features", "hidden", "activation", "dropout"}
    if given.problem is not None:
        names |= {"data", "noise"}
    if given.optimizer is not None:
        names |= {"optimizer", "l2"}
    if given.loss is not None:
        names |= {"loss"}
    return frozenset(names)
