"""Train and evaluate a model on data that fit in memory.

``fit`` is the training loop of the course in one function: read its source, it is short. What it
leaves out of the loop are the checks, which say in plain words what does not fit together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from course_utils.data import Split, batches
from course_utils.environment import watched

__all__ = ["History", "accuracy", "evaluate", "fit"]

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
        interrupted: whether training was stopped from the keyboard.
    """

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
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
        return f"History({epochs}{', interrupted' if self.interrupted else ''})"


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
) -> History:
    """Train a model and return the history of its losses.

    The samples are shuffled in every epoch by a generator of their own, so their order depends on
    ``seed`` alone and the shuffling leaves the global random state untouched. Stop training from
    the keyboard (in Jupyter, interrupt the kernel) and you keep the model and the history so far.
    Afterwards every part of the model is in the mode, training or evaluation, in which it came.

    Args:
        model: maps a batch of shape (B, ...) to the outputs that the criterion expects.
        train: inputs of shape (N, ...) and targets of shape (N, ...), as a pair or a Split.
        validation: the same, to measure on after every epoch.
        criterion: the loss of (outputs, targets) as one number, averaged over the batch.
        optimizer: made from ``model.parameters()``.
        epochs: how many times to go through the training data.
        batch_size: samples per step.
        metrics: name -> function of (outputs, targets) of all samples of an epoch. By default the
            accuracy if the targets are classes, and nothing otherwise.
        device: where to train. By default where the model's parameters are. If you name another
            device, the model is moved there and stays there.
        seed: seed of the shuffling.
        progress: whether to show a bar if somebody is watching; it disappears at the end.

    Returns:
        The history, with one entry for each finished epoch.

    Raises:
        TypeError: if the data are not pairs of tensors.
        ValueError: if the data are empty or of different lengths, if the optimizer does not hold
            the model's parameters, or if outputs and targets do not fit the criterion.
    """
    _check_fit(model, optimizer, criterion, epochs, batch_size)
    device = _place(model, optimizer, device)
    X, y = _pair(train, "train", device)
    if validation is not None:
        validation = _pair(validation, "validation", device)
    if metrics is None:
        metrics = _default_metrics(criterion, y)

    history = History()
    generator = torch.Generator().manual_seed(seed)
    with _modes_restored(model), _progress_bar(epochs, progress) as bar:
        try:
            for _ in bar:
                model.train()
                total_loss, outputs, targets = 0.0, [], []
                for X_batch, y_batch in batches(X, y, batch_size=batch_size, generator=generator):
                    output = model(X_batch)
                    loss = _checked_loss(criterion, output, y_batch)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    total_loss += loss.detach() * len(y_batch)  # the last batch may be smaller
                    outputs.append(output.detach())
                    targets.append(y_batch)
                measured = {"loss": float(total_loss) / len(y)}
                measured |= _measure(metrics, outputs, targets)
                if validation is not None:
                    validated = evaluate(model, validation, criterion, metrics)
                history.record("train", measured)
                if validation is not None:
                    history.record("validation", validated)
                bar.set_postfix(loss=f"{measured['loss']:.3g}", refresh=False)
        except KeyboardInterrupt:
            history.interrupted = True
            print(f"Interrupted: {history.epochs} of {epochs} epochs are in the history.")
    return history


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
# Modes and progress
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


def _progress_bar(epochs: int, progress: bool):
    """A tqdm bar over the epochs that shows up only after a second, and only to a reader."""
    if progress and watched():
        from tqdm.auto import tqdm

        return tqdm(range(epochs), desc="epochs", leave=False, delay=1.0)
    from tqdm import tqdm

    return tqdm(range(epochs), disable=True)


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
