"""Training in slices: the same steps whether a board looks on or not."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from . import problems
from .faults import Fault, borrowed, describe
from .network import Look, build, look, make_optimizer
from .settings import LIVE, Settings

__all__ = ["Given", "History", "Session"]


@dataclass(frozen=True)
class Given:
    """What the learner has brought; None where the board's own is used.

    Attributes:
        model: a module for inputs (N, 2).
        problem: made from the learner's points.
        optimizer: function of the parameters that returns an optimizer.
        loss: function of (outputs, targets) that returns a scalar tensor.
    """

    model: nn.Module | None = None
    problem: problems.Problem | None = None
    optimizer: Callable[[Any], torch.optim.Optimizer] | None = None
    loss: Callable[[Tensor, Tensor], Tensor] | None = None


class History:
    """Losses over the steps, thinned out so that they never exceed `most` points."""

    def __init__(self, most: int = 240) -> None:
        self.most, self.every, self.rows = most, 1, []

    def add(self, step: int, train: float, test: float) -> None:
        """Keep a point if it lies far enough from the last one."""
        if self.rows and step == self.rows[-1][0]:
            self.rows.pop()
        elif len(self.rows) > 1 and step - self.rows[-2][0] < self.every:
            self.rows.pop()  # the newest point always stays; the one before was in between
        self.rows.append((step, train, test))
        if len(self.rows) > self.most:
            self.rows = [*self.rows[:-1:2], self.rows[-1]]
            self.every = max(1, round(1.6 * self.rows[-1][0] / self.most))


class Session:
    """A network in training.

    The session has a random stream of its own and leaves the notebook's alone.

    Args:
        settings: how to train.
        given: the learner's own parts.
        dtype: float32, or float64 for a recording that is the same on every machine.

    Attributes:
        step: steps made since the last reset.
        fault: what went wrong, in words; empty while all is well. No step is made then.
        start: the values at step 0 of the settings that may change while training.
        changes: their later changes: (step, name, value).
        train_loss, test_loss: losses over all points, in evaluation mode.
    """

    def __init__(
        self, settings: Settings, given: Given | None = None, dtype: torch.dtype = torch.float32
    ) -> None:
        self.settings, self.given, self.dtype = settings, given or Given(), dtype
        self._stop = False
        self.own_rate: float | None = None  # learning rate of the learner's own optimizer
        self._own_start: dict[str, Any] | None = None
        if self.given.model is not None:
            self._own_start = copy.deepcopy(self.given.model.state_dict())
        self.reset()

    # --- beginning -------------------------------------------------------------------------------

    def reset(self) -> None:
        """Start anew: the same data, the same initial weights, step 0."""
        self.step, self.epoch, self.fault = 0, 0, ""
        self.history, self.changes = History(), []
        self.start = {name: getattr(self.settings, name) for name in LIVE}
        self.train_loss = self.test_loss = self.train_accuracy = self.test_accuracy = math.nan
        self._order = torch.Generator().manual_seed(self.settings.seed)
        self._rows: Iterator[Tensor] = iter(())
        self._stop = False
        try:
            self._begin()
        except Exception as error:
            self.fail(error)

    def _begin(self) -> None:
        given, settings = self.given, self.settings
        self.problem = given.problem or problems.built_in(settings.data, settings.noise)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.model = build(settings) if given.model is None else given.model
            self._random = torch.get_rng_state()
        if self._own_start is not None:
            self.model.load_state_dict(self._own_start)
            self.model.zero_grad(set_to_none=True)
        elif self.dtype != torch.float32:
            self.model.to(self.dtype)
        own_optimizer = given.optimizer
        if own_optimizer is None:
            self.optimizer = make_optimizer(settings, self.model.parameters())
        else:
            self.optimizer = self._checked_optimizer(own_optimizer(self.model.parameters()))
            self._take_rate()
        self._place_data()
        with borrowed(self.model):
            self.problem = problems.fitting(self.problem, self.model(self._X))
        self._place_data()
        self.evaluate()

    def _checked_optimizer(self, optimizer: Any) -> torch.optim.Optimizer:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise Fault(
                f"optimizer(parameters) returned {type(optimizer).__name__}, not an optimizer. "
                "Give a function such as lambda ps: torch.optim.SGD(ps, lr=0.1)."
            )
        return optimizer

    def _take_rate(self) -> None:
        """At first the learner's optimizer says what the learning rate is, later the board does."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self.own_rate is None:
            self.own_rate = float(rates[0])
            self.settings = replace(self.settings, lr=self.own_rate)
            self.start["lr"] = self.own_rate
        elif self.settings.lr != self.own_rate:
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.lr

    def _place_data(self) -> None:
        """The points as the model takes them: features, dtype and device."""
        parameter = next(self.model.parameters(), None)
        self._device = torch.device("cpu") if parameter is None else parameter.device
        problem = self.problem
        self._X, self._y = self.inputs(problem.X), self._targets(problem.y)
        self._X_test = None if problem.X_test is None else self.inputs(problem.X_test)
        self._y_test = None if problem.y_test is None else self._targets(problem.y_test)

    def inputs(self, X: Tensor) -> Tensor:
        """Points (N, 2) -> what the model gets for them."""
        X = X.to(self.dtype)
        if self.given.model is None:
            X = problems.features(X, self.settings.features)
        return X.to(self._device)

    def _targets(self, y: Tensor) -> Tensor:
        return (y.to(self.dtype) if y.dtype.is_floating_point else y).to(self._device)

    # --- training --------------------------------------------------------------------------------

    def train_steps(self, steps: int) -> None:
        """Make a number of steps, or fewer if something goes wrong."""
        self._train(lambda made: made < steps)

    def train_for(self, seconds: float) -> int:
        """Make steps for about this time, at least one; returns how many."""
        end = time.perf_counter() + seconds
        return self._train(lambda made: made == 0 or time.perf_counter() < end)

    def _train(self, more: Callable[[int], bool]) -> int:
        if self.fault:
            return 0
        made = 0
        with self._training():
            try:
                while more(made) and not self._stop:
                    self._make_step()
                    made += 1
            except Exception as error:
                self.fail(error)
            except KeyboardInterrupt:
                self.interrupted()
        return made

    @contextlib.contextmanager
    def _training(self) -> Iterator[None]:
        """Training mode, gradients, and the session's own random stream."""
        parts = list(self.model.modules())
        modes = [part.training for part in parts]
        outside = torch.get_rng_state()
        torch.set_rng_state(self._random)
        self.model.train()
        try:
            with torch.enable_grad():
                yield
        finally:
            self._random = torch.get_rng_state()
            torch.set_rng_state(outside)
            for part, mode in zip(parts, modes, strict=True):
                part.training = mode

    def _make_step(self) -> None:
        rows = self._next_rows()
        outputs = self.model(self._X[rows])
        loss = self._loss(outputs, self._y[rows])
        if self.settings.l1:
            weights = (p for p in self.model.parameters() if p.ndim > 1)
            loss = loss + self.settings.l1 * sum(w.abs().sum() for w in weights)
        value = loss.item()
        if not math.isfinite(value):
            name = "not a number (NaN)" if math.isnan(value) else "infinite"
            raise Fault(
                f"The loss is {name} at step {self.step + 1}. Usually the learning rate is too "
                "large, or forward divides by zero or takes the logarithm of 0."
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1

    def _next_rows(self) -> Tensor:
        rows = next(self._rows, None)
        if rows is None:
            self.epoch += self.step > 0
            order = torch.randperm(len(self._X), generator=self._order)
            self._rows = iter(order.split(self.settings.batch))
            rows = next(self._rows)
        return rows

    def _loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.given.loss is not None:
            loss = self.given.loss(outputs, y)
            if not isinstance(loss, Tensor) or loss.numel() != 1:
                raise Fault("Your loss must return one number as a tensor.")
            return loss
        if self.problem.kind != problems.CLASSES:
            outputs = self._flat(outputs, len(y))
        return self.criterion(outputs, y)

    @property
    def criterion(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The board's own loss for the present kind of targets."""
        allowed = problems.LOSSES[self.problem.kind]
        return allowed.get(self.settings.loss, next(iter(allowed.values()))).function

    def _flat(self, outputs: Any, count: int) -> Tensor:
        """(N, 1) or (N,) -> (N,)."""
        if not isinstance(outputs, Tensor):
            raise Fault(f"forward returned {type(outputs).__name__}, not a tensor.")
        shape = tuple(outputs.shape)
        if shape not in ((count, 1), (count,)):
            raise Fault(f"The model must return ({count}, 1) or ({count},) here, not {shape}.")
        return outputs.reshape(count)

    # --- changing and stopping -------------------------------------------------------------------

    def change(self, settings: Settings) -> bool:
        """Take other settings; returns whether that has started the training anew."""
        before, self.settings = self.settings, settings
        names = [n for n in vars(settings) if getattr(settings, n) != getattr(before, n)]
        if not names:
            return False
        if not set(names) <= set(LIVE):
            self.reset()
            return True
        for name in names:
            self._change_live(name, getattr(settings, name))
        return False

    def _change_live(self, name: str, value: float) -> None:
        if self.step:
            self.changes.append((self.step, name, value))
        else:
            self.start[name] = value
        key = {"lr": "lr", "l2": "weight_decay"}.get(name)
        if key:
            for group in self.optimizer.param_groups:
                group[key] = value
        if name == "dropout":
            for part in self.model.modules():
                if isinstance(part, nn.Dropout):
                    part.p = value

    def interrupted(self) -> None:
        """Stop as soon as the present step is over; the board is told at its next request."""
        self._stop = True

    def take_stop(self) -> bool:
        """Whether the session was stopped since this was last asked."""
        stopped, self._stop = self._stop, False
        return stopped

    def fail(self, error: BaseException) -> None:
        """Keep what went wrong; the board shows it until the next reset."""
        given = [part for part in (self.given.model, self.given.optimizer, self.given.loss) if part]
        self.fault = describe(error, *given)

    # --- looking ---------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Losses and accuracies over all points, in evaluation mode."""
        with borrowed(self.model):
            self.train_loss, self.train_accuracy = self._scores(self._X, self._y)
            if self._X_test is not None:
                self.test_loss, self.test_accuracy = self._scores(self._X_test, self._y_test)
        self.history.add(self.step, self.train_loss, self.test_loss)

    def _scores(self, X: Tensor, y: Tensor) -> tuple[float, float]:
        outputs = self.model(X)
        loss = float(self._loss(outputs, y))
        if self.problem.kind == problems.REGRESSION:
            return loss, math.nan
        if self.problem.kind == problems.CLASSES:
            right = outputs.argmax(1) == y
        else:
            right = (self._flat(outputs, len(y)) > 0) == (y > 0.5)
        return loss, float(right.double().mean())

    def look(self, points: Tensor) -> Look:
        """What the network makes of points of the plane (P, 2), unit by unit."""
        with borrowed(self.model):
            return look(self.model, self.inputs(points))
