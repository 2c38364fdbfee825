"""Train and evaluate a model on data that fit in memory.

``fit`` is the training loop of the course grown up: read its source, it is short. ``train_epoch``
holds the five steps, ``Run`` everything that changes meanwhile, which is what a checkpoint must
hold. What these three leave out are the checks at the end of this file, which say in plain words
what does not fit together.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from course_utils.bars import bar
from course_utils.data import Split, batches

__all__ = ["History", "accuracy", "evaluate", "fit", "load_checkpoint", "save_checkpoint"]

Data = tuple[Tensor, Tensor] | Split
Criterion = Callable[[Tensor, Tensor], Tensor]
Metrics = Mapping[str, Callable[[Tensor, Tensor], float]]


@dataclass(repr=False)
class History:
    """What happened in training: every list has one entry for each finished epoch.

    Attributes:
        train_loss: mean loss per training sample, measured while the parameters were changing.
        validation_loss: mean loss per validation sample after the epoch; empty without validation.
        metrics: the other measures, named ``train_<name>`` and ``validation_<name>``.
        learning_rate: the learning rate of the epoch's last step (of the first parameter group).
        best_epoch: the epoch, counted from 1, with the lowest validation loss; None without
            ``keep_best`` or ``patience``.
        stopped_early: whether training ended because the validation loss no longer fell.
        interrupted: whether training was stopped from the keyboard.
    """

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    learning_rate: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    stopped_early: bool = False
    interrupted: bool = False

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.train_loss)

    @property
    def train_accuracy(self) -> list[float]:
        """Share of the training samples that were right; empty if it was not measured."""
        return self.metrics.get("train_accuracy", [])

    @property
    def validation_accuracy(self) -> list[float]:
        """Share of the validation samples that were right; empty if it was not measured."""
        return self.metrics.get("validation_accuracy", [])

    def record(self, part: str, measured: Mapping[str, float]) -> None:
        """Append one epoch's measures of one part of the data.

        Args:
            part: "train" or "validation".
            measured: name -> value; "loss" goes to the losses, the rest to ``metrics``.
        """
        for name, value in measured.items():
            if name == "loss":
                getattr(self, f"{part}_loss").append(value)
            else:
                self.metrics.setdefault(f"{part}_{name}", []).append(value)

    def __repr__(self) -> str:
        epochs = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        early = ", stopped early" if self.stopped_early else ""
        return f"History({epochs}{early}{', interrupted' if self.interrupted else ''})"


def fit(
    model: nn.Module,
    train: Data,
    validation: Data | None = None,
    *,
    criterion: Criterion,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int = 64,
    metrics: Metrics | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
    progress: bool = True,
    scheduler: Any = None,
    schedule: str = "epoch",
    clip_norm: float | None = None,
    accumulate: int = 1,
    autocast: torch.dtype | None = None,
    keep_best: bool = False,
    patience: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_epochs: int = 1,
    checkpoint_steps: int | None = None,
    resume: bool = False,
) -> History:
    """Train a model and return the history of its losses.

    The samples are shuffled in every epoch by a generator of their own, so their order depends on
    ``seed`` alone and the shuffling leaves the global random state untouched. Stop training from
    the keyboard (in Jupyter, interrupt the kernel) and you keep the history so far and the model:
    as it is, or with its best weights if you asked for them. Afterwards every part of the model is
    in the mode, training or evaluation, in which it came.

    Args:
        model: maps a batch of shape (B, ...) to the outputs that the criterion expects.
        train: inputs of shape (N, ...) and targets of shape (N, ...), as a pair or a Split.
        validation: the same, to measure on after every epoch.
        criterion: the loss of (outputs, targets) as one number, averaged over the batch.
        optimizer: made from ``model.parameters()``.
        epochs: how many times to go through the training data.
        batch_size: samples in a batch; without ``accumulate``, samples per step.
        metrics: name -> function of (outputs, targets) of all samples of an epoch. By default the
            accuracy if the targets are classes, and nothing otherwise.
        device: where to train. By default where the model's parameters are. If you name another
            device, the model is moved there and stays there.
        seed: seed of the shuffling.
        progress: whether to show a bar if somebody is watching; it disappears at the end.
        scheduler: a learning rate schedule made from the optimizer.
        schedule: call the scheduler after every "epoch" or after every "step".
        clip_norm: the largest norm that the gradient of all parameters together may have.
        accumulate: batches whose gradients make one step, as if they were one large batch.
        autocast: bfloat16 or float16, to run the forward pass in mixed precision.
        keep_best: whether the model ends with the weights of its lowest validation loss.
        patience: stop after so many epochs in a row without a lower validation loss; the model
            then ends with its best weights.
        checkpoint: file to keep the state of the training in. It is replaced in one stroke, so
            whenever the program dies there is a whole file.
        checkpoint_epochs: epochs between two checkpoints; the last epoch always gets one.
        checkpoint_steps: steps of the optimizer between two more checkpoints within an epoch.
        resume: go on from the checkpoint if the file exists, bit for bit as if the training had
            never stopped; start afresh if it does not.

    Returns:
        The history, with one entry for each finished epoch.

    Raises:
        TypeError: if the data are not pairs of tensors.
        ValueError: if the data are empty or of different lengths, if the optimizer does not hold
            the model's parameters, if outputs and targets do not fit the criterion, if options
            contradict each other, or if the checkpoint is of another training.
    """
    keep_best = keep_best or patience is not None
    _check_fit(model, optimizer, criterion, epochs, batch_size)
    _check_options(locals())
    device = _place(model, optimizer, device)
    X, y = _pair(train, "train", device)
    if validation is not None:
        validation = _pair(validation, "validation", device)
    if metrics is None:
        metrics = _default_metrics(criterion, y)

    run = Run(model, criterion, optimizer, metrics, device, autocast, batch_size, accumulate, seed)
    run.scheduler, run.schedule, run.clip_norm = scheduler, schedule, clip_norm
    run.checkpoint = None if checkpoint is None else Path(checkpoint)
    run.checkpoint_steps = checkpoint_steps
    if resume and run.checkpoint.exists():
        run.load(load_checkpoint(run.checkpoint), len(y))
    history = run.history
    left = range(history.epochs, epochs)
    options = {"total": epochs, "done": history.epochs, "wanted": progress}
    with _modes_restored(model), bar(left, title="epochs", **options) as shown:
        try:
            for _ in shown:
                if patience is not None and run.epochs_since_best() >= patience:
                    history.stopped_early = True
                    break
                measured = train_epoch(run, X, y)
                if validation is not None:
                    with run.precision():
                        validated = evaluate(model, validation, criterion, metrics)
                    history.record("validation", validated)
                history.record("train", measured)
                run.end_epoch(keep_best)
                finished = history.epochs == epochs
                if checkpoint and (finished or history.epochs % checkpoint_epochs == 0):
                    run.save(len(y))
                shown.set_postfix(loss=f"{measured['loss']:.3g}", refresh=False)
        except KeyboardInterrupt:
            history.interrupted = True
            print(f"Interrupted: {history.epochs} of {epochs} epochs are in the history.")
    if keep_best and run.best_weights is not None:
        model.load_state_dict(run.best_weights)
    return history


def train_epoch(run: Run, X: Tensor, y: Tensor) -> dict[str, float]:
    """Go once through the training data, or through what a resumed epoch has left of them.

    Args:
        run: the training, changed in place.
        X: inputs of shape (N, ...).
        y: targets of shape (N, ...).

    Returns:
        ``loss``, the mean over the samples, and each metric, by name.
    """
    run.model.train()
    group = run.batch_size * run.accumulate  # samples in a step
    parts, checked = batches(X, y, batch_size=run.batch_size, generator=run.generator), False
    for index, (X_batch, y_batch) in enumerate(parts):
        if index < run.batch:
            continue  # done before the checkpoint
        with run.precision():
            output = run.model(X_batch)
            criterion = run.criterion if checked else _checked(run.criterion)
            loss, checked = criterion(output, y_batch), True
        samples, done = len(y_batch), index * run.batch_size
        share = samples / min(group, len(y) - done // group * group)  # of its step
        if index % run.accumulate == 0:
            run.optimizer.zero_grad()
        run.scaler.scale(loss if share == 1 else loss * share).backward()
        run.total_loss += loss.detach() * samples  # the last batch may be smaller
        if run.metrics:
            run.outputs.append(output.detach())
            run.targets.append(y_batch)
        run.batch = index + 1
        if run.batch % run.accumulate == 0 or done + samples == len(y):
            run.step(len(y))
    measured = {"loss": float(run.total_loss) / len(y)}
    return measured | _measure(run.metrics, run.outputs, run.targets)


@dataclass
class Run:
    """One training: its parts, its settings, and where it stands. A checkpoint holds the state.

    Attributes:
        generator: shuffles the samples.
        scaler: keeps small float16 gradients from becoming zero; does nothing otherwise.
        order: state of the generator when the present epoch began.
        batch: batches of the present epoch that are done.
        steps: steps of the optimizer so far.
        total_loss: sum of the losses of the present epoch's samples so far.
        outputs: outputs of the present epoch so far, batch by batch, for the metrics.
        targets: their targets.
        best_loss: lowest validation loss so far.
        best_weights: the model's state at that time.
    """

    model: nn.Module
    criterion: Criterion
    optimizer: torch.optim.Optimizer
    metrics: Metrics
    device: torch.device
    autocast: torch.dtype | None
    batch_size: int
    accumulate: int
    seed: int
    scheduler: Any = None
    schedule: str = "epoch"
    clip_norm: float | None = None
    checkpoint: Path | None = None
    checkpoint_steps: int | None = None

    def __post_init__(self) -> None:
        self.history = History()
        self.generator = torch.Generator().manual_seed(self.seed)
        float16 = self.autocast == torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=float16)
        self.steps, self.best_loss, self.best_weights = 0, math.inf, None
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.order, self.batch = self.generator.get_state(), 0
        self.total_loss, self.outputs, self.targets = 0.0, [], []

    def precision(self) -> contextlib.AbstractContextManager:
        """The context of the forward pass: mixed precision, or nothing at all."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)

    def step(self, samples: int) -> None:
        """Change the weights by the gradients that are there: clip, step, schedule, save."""
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.rate = self.optimizer.param_groups[0]["lr"]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.steps += 1
        if self.scheduler is not None and self.schedule == "step":
            self.scheduler.step()
        if self.checkpoint_steps and self.steps % self.checkpoint_steps == 0:
            self.save(samples)

    def end_epoch(self, keep_best: bool) -> None:
        """After an epoch was recorded: schedule, note the best weights, begin the next one."""
        loss = (self.history.validation_loss or self.history.train_loss)[-1]
        self.history.learning_rate.append(float(self.rate))
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(loss)
        elif self.scheduler is not None and self.schedule == "epoch":
            self.scheduler.step()
        if keep_best and loss < self.best_loss:
            self.best_loss, self.history.best_epoch = loss, self.history.epochs
            state = self.model.state_dict()
            self.best_weights = {name: value.clone() for name, value in state.items()}
        self._begin_epoch()

    def epochs_since_best(self) -> int:
        """Finished epochs without a lower validation loss."""
        return self.history.epochs - (self.history.best_epoch or 0)

    def _settings(self, samples: int) -> dict[str, int]:
        """What must be the same for the batches of a resumed training to be the same."""
        names = ("batch_size", "accumulate", "seed")
        return {"samples": samples} | {name: getattr(self, name) for name in names}

    def save(self, samples: int) -> None:
        """Write the state to the checkpoint."""
        state = {
            "settings": self._settings(samples),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": vars(self.history),
            "random": _random_states(),
        }
        names = ("order", "batch", "steps", "total_loss", "best_loss", "best_weights")
        state |= {name: getattr(self, name) for name in names}
        state |= {name: _joined(getattr(self, name)) for name in ("outputs", "targets")}
        save_checkpoint(state, self.checkpoint)

    def load(self, state: dict[str, Any], samples: int) -> None:
        """Take up the state of a checkpoint.

        Raises:
            ValueError: if it is of a training with other data or settings.
        """
        for name, value in self._settings(samples).items():
            if state["settings"][name] != value:
                raise ValueError(
                    f"The checkpoint {self.checkpoint.name} is of a training with {name}="
                    f"{state['settings'][name]}, this one has {name}={value}."
                )
        if (self.scheduler is None) != (state["scheduler"] is None):
            raise ValueError("Only one of the checkpoint and this training has a scheduler.")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        self.history = History(**state["history"])
        for name in ("order", "batch", "steps", "best_loss", "best_weights", "total_loss"):
            setattr(self, name, state[name])
        for name in ("outputs", "targets"):
            setattr(self, name, [part.to(self.device) for part in state[name]])
        if isinstance(self.total_loss, Tensor):
            self.total_loss = self.total_loss.to(self.device)
        self.generator.set_state(self.order)
        _set_random_states(state["random"])


def save_checkpoint(state: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write a checkpoint so that the file is always whole: the old one or the new one.

    The state goes to a second file beside it, to the disk, and then takes the place of the first
    in one stroke. A program that dies on the way leaves the old checkpoint as it was.

    Args:
        state: tensors, numbers, texts, and lists, tuples and dicts of them.
        path: the file.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + ".tmp")
    with open(unfinished, "wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def load_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """Read a checkpoint on the CPU; only data are read, no code in the file is run.

    Args:
        path: the file that ``save_checkpoint`` wrote.

    Returns:
        The state.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    return torch.load(path, map_location="cpu", weights_only=True)


def evaluate(
    model: nn.Module,
    dataset: Data,
    criterion: Criterion | None = None,
    metrics: Metrics | None = None,
    batch_size: int = 1024,
) -> dict[str, float]:
    """Measure a model on a set, in evaluation mode and without gradients.

    The data go to the device of the model's parameters, batch by batch; the model stays where it
    is, and every part of it returns to the mode in which it came.

    Args:
        model: maps a batch of shape (B, ...) to outputs.
        dataset: inputs of shape (N, ...) and targets of shape (N, ...), as a pair or a Split.
        criterion: the loss of (outputs, targets) as one number, averaged over the batch.
        metrics: name -> function of (outputs, targets) of all samples. By default the accuracy if
            the targets are classes.
        batch_size: samples per forward pass; it changes the speed and the memory, not the result.

    Returns:
        ``loss`` (the mean over the samples; only with a criterion) and each metric, by name.

    Raises:
        TypeError: if the data are not a pair of tensors.
        ValueError: if the data are empty or of different lengths, do not fit the criterion, or if
            there is nothing to measure.
    """
    X, y = _pair(dataset, "dataset")
    if metrics is None:
        metrics = _default_metrics(criterion, y)
    if criterion is None and not metrics:
        raise ValueError("Nothing to measure: give a criterion or metrics={name: function}.")
    device = _device_of(model)
    total_loss, outputs, targets = 0.0, [], []
    with _modes_restored(model), torch.no_grad():
        model.eval()
        for X_batch, y_batch in batches(X, y, batch_size=batch_size, shuffle=False):
            X_batch, y_batch = X_batch.to(device), y_batch.to(device)
            output = model(X_batch)
            if criterion is not None:
                total_loss += _checked_loss(criterion, output, y_batch) * len(y_batch)
            outputs.append(output)
            targets.append(y_batch)
    measured = {} if criterion is None else {"loss": float(total_loss) / len(y)}
    return measured | _measure(metrics, outputs, targets)


def accuracy(logits: Tensor, y: Tensor) -> float:
    """The share of samples whose predicted class is right, from 0 to 1.

    With several outputs the largest one is the prediction; with one output the prediction is
    class 1 if the logit is above 0, that is if the probability is above 1/2. A NaN is never right.

    Args:
        logits: (N, C) for C > 1 classes, or (N,) or (N, 1) for two.
        y: (N,) class numbers; for two classes also (N, 1). Any dtype.

    Returns:
        The accuracy.

    Raises:
        ValueError: if the shapes do not fit or there are no samples.
    """
    if len(logits) == 0:
        raise ValueError("The accuracy of no samples is not defined.")
    binary = logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1)
    if binary and y.ndim == 2 and y.shape[1] == 1:
        y = y.squeeze(1)
    if logits.ndim not in (1, 2) or y.ndim != 1 or len(logits) != len(y):
        raise ValueError(
            "accuracy takes logits of shape (N, C), (N, 1) or (N,) and y of shape (N,); "
            f"got {tuple(logits.shape)} and {tuple(y.shape)}."
        )
    if binary:
        logits = logits.reshape(-1)
        right = ((logits > 0) == (y > 0.5)) & ~logits.isnan()
    else:
        right = (logits.argmax(1) == y) & ~logits.isnan().any(1)
    return right.sum().item() / len(right)


# ----------------------------------------------------------------------------------------------
# Measuring
# ----------------------------------------------------------------------------------------------


def _measure(metrics: Metrics, outputs: list[Tensor], targets: list[Tensor]) -> dict[str, float]:
    """Each metric over all batches together, so that it need not be an average over samples."""
    if not metrics:
        return {}
    output, target = torch.cat(outputs), torch.cat(targets)
    return {name: float(metric(output, target)) for name, metric in metrics.items()}


def _default_metrics(criterion: Criterion | None, y: Tensor) -> Metrics:
    """Accuracy, if the targets are classes: whole numbers, or 0 and 1 for a loss on logits."""
    if y.ndim == 1 and not y.dtype.is_floating_point:
        return {"accuracy": accuracy}
    if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
        if _name(criterion) in ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"):
            return {"accuracy": accuracy}
        if criterion is None and bool(((y == 0) | (y == 1)).all()):
            return {"accuracy": accuracy}
    return {}


def _name(criterion: Criterion | None) -> str:
    return getattr(criterion, "__name__", type(criterion).__name__)


# ----------------------------------------------------------------------------------------------
# Modes
# ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _modes_restored(model: nn.Module) -> Iterator[None]:
    """Put every submodule back into the mode it was in, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


# ----------------------------------------------------------------------------------------------
# Checkpoints
# ----------------------------------------------------------------------------------------------


def _joined(parts: list[Tensor]) -> list[Tensor]:
    return [torch.cat(parts)] if parts else []


def _random_states() -> dict[str, Any]:
    """The global random states: dropout and augmentation draw from them."""
    name, numbers, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (name, torch.from_numpy(numbers.astype(np.int64)), *rest),
        "python": random.getstate(),
    }


def _set_random_states(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    name, numbers, *rest = states["numpy"]
    np.random.set_state((name, numbers.numpy().astype(np.uint32), *rest))
    random.setstate(states["python"])


# ----------------------------------------------------------------------------------------------
# Checks
# ----------------------------------------------------------------------------------------------


def _pair(data: Data, name: str, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """(X, y) as two tensors of equal length, moved to the device if one is given."""
    if not isinstance(data, (tuple, list, Split)) or len(tuple(data)) != 2:
        raise TypeError(
            f"{name} must be a pair of tensors (X, y) or a Split, got {type(data).__name__}."
        )
    X, y = data
    for part, value in (("inputs", X), ("targets", y)):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"The {part} of {name} must be a tensor, got {type(value).__name__}. "
                "Convert it with torch.as_tensor."
            )
    if X.ndim == 0 or y.ndim == 0:
        raise ValueError(f"The tensors of {name} need a first dimension that counts the samples.")
    if len(X) != len(y):
        raise ValueError(f"{name} has {len(X)} inputs but {len(y)} targets.")
    if len(X) == 0:
        raise ValueError(f"{name} is empty.")
    return (X, y) if device is None else (X.to(device), y.to(device))


def _check_fit(model, optimizer, criterion, epochs, batch_size) -> None:
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, got {value!r}.")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    if not callable(criterion):
        raise TypeError(
            f"criterion must be a function of (outputs, targets), got {type(criterion).__name__}."
        )
    if isinstance(criterion, type):
        raise TypeError(f"criterion is a class: call it, as in nn.{criterion.__name__}().")
    own = {id(parameter) for parameter in model.parameters()}
    if not own:
        raise ValueError("The model has no parameters to train.")
    if not own & {id(p) for group in optimizer.param_groups for p in group["params"]}:
        raise ValueError(
            "The optimizer holds none of this model's parameters, so no step would change it. "
            "Make the optimizer from model.parameters() of this very model."
        )


def _check_options(options: Mapping[str, Any]) -> None:
    """Check the options of ``fit`` that say how to train, by their names."""
    for name in ("accumulate", "patience", "checkpoint_epochs", "checkpoint_steps"):
        value = options[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise TypeError(f"{name} must be a whole number, got {value!r}.")
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    if options["clip_norm"] is not None and not options["clip_norm"] > 0:
        raise ValueError(f"clip_norm must be positive, got {options['clip_norm']}.")
    if options["schedule"] not in ("epoch", "step"):
        raise ValueError(f'schedule must be "epoch" or "step", got {options["schedule"]!r}.')
    if isinstance(options["scheduler"], ReduceLROnPlateau) and options["schedule"] == "step":
        raise ValueError('ReduceLROnPlateau looks at the loss of an epoch: schedule="epoch".')
    if options["autocast"] not in (None, torch.bfloat16, torch.float16):
        raise ValueError("autocast must be torch.bfloat16 or torch.float16.")
    if options["keep_best"] and options["validation"] is None:
        raise ValueError("keep_best and patience compare validation losses: give validation data.")
    if options["checkpoint"] is None and (options["resume"] or options["checkpoint_steps"]):
        raise ValueError("resume and checkpoint_steps need the name of a file: checkpoint=...")


def _device_of(model: nn.Module) -> torch.device:
    tensor = next(model.parameters(), None)
    if tensor is None:
        tensor = next(model.buffers(), None)
    return torch.device("cpu") if tensor is None else tensor.device


def _place(model, optimizer, device) -> torch.device:
    """The device to train on; moves the model there only if the caller named another one."""
    here = _device_of(model)
    if device is None:
        return here
    device = torch.device(device)
    if device.type != here.type or device.index not in (None, here.index):
        if optimizer.state:
            raise ValueError(
                f"The optimizer has already made steps on {here.type}, so the model cannot move "
                f"to {device.type} now. Move it first: model.to(device), then make the optimizer."
            )
        model.to(device)
    return _device_of(model)


_ELEMENTWISE = {  # compare outputs and targets number by number
    "BCELoss",
    "BCEWithLogitsLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "SmoothL1Loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
}
_BY_CLASS = {"CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"}


def _checked(criterion: Criterion) -> Criterion:
    """The criterion with checks; they cost time, so an epoch makes them on its first batch."""
    return lambda output, target: _checked_loss(criterion, output, target)


def _checked_loss(criterion: Criterion, output: Tensor, target: Tensor) -> Tensor:
    """``criterion(output, target)`` if the two fit together; otherwise an error that helps."""
    if not isinstance(output, Tensor):
        raise TypeError(f"The model must return a tensor, but returned {type(output).__name__}.")
    name, shapes = _name(criterion), f"{tuple(output.shape)} and {tuple(target.shape)}"
    if name in _ELEMENTWISE and output.shape != target.shape:
        if output.ndim == 2 and output.shape[1] == 1 and target.ndim == 1:
            cure = "Squeeze the outputs in the model, .squeeze(1), or give y.unsqueeze(1)."
        elif output.ndim == 1 and target.ndim == 2 and target.shape[1] == 1:
            cure = "Give y.squeeze(1)."
        else:
            cure = "Make the two shapes equal."
        raise ValueError(
            f"{name} compares number by number, but outputs and targets have the shapes {shapes}; "
            f"torch might broadcast them and average over wrong pairs. {cure}"
        )
    if name.startswith(("BCE", "binary_cross")) and not target.dtype.is_floating_point:
        raise ValueError(f"{name} needs float targets, got {_dtype(target)}. Give y.float().")
    if name in _BY_CLASS and target.ndim == 1:
        if target.dtype != torch.int64:
            raise ValueError(
                f"{name} needs class numbers of dtype int64, got {_dtype(target)}. Give y.long()."
            )
        if output.ndim != 2 or output.shape[1] < 2:
            raise ValueError(
                f"{name} needs one output per class, (N, C) with C > 1, but outputs and targets "
                f"have the shapes {shapes}. For a single logit use BCEWithLogitsLoss."
            )
    if getattr(criterion, "reduction", "mean") != "mean":
        raise ValueError(
            f"The criterion must average over the batch, but has reduction={criterion.reduction!r}."
        )
    loss = criterion(output, target)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise ValueError("The criterion must return one number as a tensor, such as .mean() gives.")
    return loss


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
