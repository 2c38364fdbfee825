"""Look inside a network: what its layers put out, and what gradients reach its parameters.

Everything here watches through hooks and leaves the model as it was: its hooks, its buffers, its
gradients, its mode and the random state.

Example:
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> [s.name for s in activation_statistics(model, torch.zeros(3, 4), kinds=nn.ReLU)]
    ['1']
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "GradientStatistics",
    "LayerStatistics",
    "Recording",
    "activation_statistics",
    "data_problems",
    "first_bad_layer",
    "gradient_statistics",
    "layer_shapes",
    "parameter_table",
    "record",
    "shared_rows",
    "statistics_of",
    "update_ratios",
]

Kinds = type[nn.Module] | tuple[type[nn.Module], ...] | None

BOUNDS: dict[type[nn.Module], tuple[float, float]] = {
    nn.Sigmoid: (0.0, 1.0),
    nn.Tanh: (-1.0, 1.0),
    nn.Hardsigmoid: (0.0, 1.0),
    nn.Hardtanh: (-1.0, 1.0),
    nn.Softsign: (-1.0, 1.0),
}
"""Lower and upper end of the activations that saturate at both ends."""

SATURATED_WITHIN = 0.025
"""A value counts as saturated if it is this close to an end, as a share of the range."""


@dataclass(frozen=True)
class LayerStatistics:
    """What one layer put out for one batch.

    Attributes:
        name: the layer's name in the model, as in ``named_modules()``.
        kind: its class, as in ``"ReLU"``.
        mean: over all values of the batch.
        std: population standard deviation over all values of the batch.
        share_zero: share of values that are exactly 0, from 0 to 1.
        share_dead: share of units that are 0 for every sample of the batch.
        share_saturated: share of values within 2.5 % of the range from an end (for tanh, beyond
            ±0.95); None for layers that do not saturate at both ends.
        share_bad: share of values that are NaN or infinite. If it is not 0, the mean and the
            standard deviation are NaN or infinite too.
        shape: of the output.
        values: the output itself, detached; None if it was not kept.
    """

    name: str
    kind: str
    mean: float
    std: float
    share_zero: float
    share_dead: float
    share_saturated: float | None
    share_bad: float
    shape: tuple[int, ...]
    values: Tensor | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class GradientStatistics:
    """The gradient that one parameter holds.

    Attributes:
        name: the parameter's name, as in ``named_parameters()``.
        shape: of the parameter.
        trainable: whether the parameter asks for a gradient (``requires_grad``).
        norm: Euclidean norm of the gradient; None if there is no gradient. A norm of 0.0 is a
            different finding: a gradient came, and it was zero.
        std: population standard deviation of its entries; None without a gradient.
        share_zero: share of entries that are exactly 0; None without a gradient.
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool
    norm: float | None
    std: float | None
    share_zero: float | None


@dataclass(repr=False)
class Recording:
    """What the layers did inside a ``record`` block.

    A layer that runs several times (shared weights) is listed once for each call: ``"encoder"``,
    ``"encoder (call 2)"``, ….

    Attributes:
        outputs: name -> output of the layer, detached, in the order of the calls.
        gradients: name -> gradient of whatever ``backward()`` was called on, with respect to that
            output; filled by ``backward()``, which may run inside or after the block.
        kinds: name -> class of the layer.
    """

    outputs: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, Tensor] = field(default_factory=dict)
    kinds: dict[str, type[nn.Module]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Recording({len(self.outputs)} outputs, {len(self.gradients)} gradients)"

    def statistics(self, keep_values: bool = False) -> list[LayerStatistics]:
        """Statistics of every recorded output, in the order of the calls.

        Args:
            keep_values: whether each entry also holds the values.

        Returns:
            One entry for each output.
        """
        return [
            statistics_of(values, name, self.kinds[name], keep_values)
            for name, values in self.outputs.items()
        ]

    def gradient_statistics(self, keep_values: bool = False) -> list[LayerStatistics]:
        """The same for the gradients with respect to the outputs.

        Args:
            keep_values: whether each entry also holds the values.

        Returns:
            One entry for each output that a gradient has reached.
        """
        return [
            statistics_of(self.gradients[name], name, kind, keep_values, saturation=False)
            for name, kind in self.kinds.items()
            if name in self.gradients
        ]


@contextlib.contextmanager
def record(
    model: nn.Module, kinds: Kinds = None, *, gradients: bool = False
) -> Iterator[Recording]:
    """Note the outputs of a model's layers while a block runs.

    The hooks are gone when the block ends, also after an error. A layer that returns several
    things (an LSTM) is recorded with its first tensor.

    Args:
        model: the network; run it inside the block.
        kinds: which layers, as a class or a tuple of classes; by default every layer that contains
            no other layer.
        gradients: whether to note the gradients with respect to the outputs as well.

    Yields:
        The recording, which fills while the block runs.

    Raises:
        TypeError: if ``kinds`` is not a class of modules.
        ValueError: if the model has no such layer.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
        >>> with record(model, nn.Tanh) as recording:
        ...     _ = model(torch.zeros(3, 4))
        >>> recording.outputs["1"].shape
        torch.Size([3, 8])
    """
    layers = _layers(model, kinds)
    recording = Recording()
    handles = []

    def watch(name: str):
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            tensor = _first_tensor(output)
            if tensor is None:
                return
            key, call = name, 2
            while key in recording.outputs:
                key, call = f"{name} (call {call})", call + 1
            recording.outputs[key] = (
                tensor.detach().clone()
            )  # a later in-place step cannot touch it
            recording.kinds[key] = type(module)
            if gradients and tensor.requires_grad:
                tensor.register_hook(lambda g: _add(recording.gradients, key, g))

        return hook

    try:
        for name, layer in layers:
            handles.append(layer.register_forward_hook(watch(name)))
        yield recording
    finally:
        for handle in handles:
            handle.remove()


def activation_statistics(
    model: nn.Module, x: Any, kinds: Kinds = None, *, keep_values: bool = False
) -> list[LayerStatistics]:
    """Send one batch through a model and measure what every layer puts out.

    The model runs without gradients and in the mode in which it is. Afterwards its buffers (such
    as the running averages of a batch normalization) and the random state are what they were.

    Args:
        model: the network.
        x: its input; a tuple is unpacked into several arguments.
        kinds: which layers, as a class or a tuple of classes; by default every layer that contains
            no other layer.
        keep_values: whether each entry also holds the values.

    Returns:
        One entry for each call of a layer, in the order of the calls.

    Raises:
        TypeError: if ``kinds`` is not a class of modules.
        ValueError: if the model has no such layer.
    """
    arguments = x if isinstance(x, tuple) else (x,)
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    tensors = (*model.parameters(), *model.buffers())
    gpus = {tensor.device for tensor in tensors if tensor.device.type == "cuda"}
    fork = torch.random.fork_rng(devices=sorted(device.index or 0 for device in gpus))
    with record(model, kinds) as recording, fork, torch.no_grad():
        try:
            model(*arguments)
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)
    return recording.statistics(keep_values)


def gradient_statistics(model: nn.Module) -> list[GradientStatistics]:
    """Measure the gradient of every parameter; call ``backward()`` first.

    Args:
        model: the network.

    Returns:
        One entry for each parameter, in the order of ``named_parameters()``.
    """
    found = []
    for name, parameter in model.named_parameters():
        shape, trainable = tuple(parameter.shape), parameter.requires_grad
        if parameter.grad is None:
            found.append(GradientStatistics(name, shape, trainable, None, None, None))
            continue
        g = _double(parameter.grad)
        std = g.std(correction=0).item() if g.numel() else 0.0
        found.append(
            GradientStatistics(name, shape, trainable, g.norm().item(), std, _share(g == 0))
        )
    return found


def statistics_of(
    values: Tensor,
    name: str = "",
    kind: type[nn.Module] | str = "",
    keep_values: bool = False,
    *,
    saturation: bool = True,
) -> LayerStatistics:
    """Statistics of one tensor, as ``activation_statistics`` reports them for every layer.

    Args:
        values: (N, ...) outputs of N samples. The units are the last dimension of (N, F) and
            (N, T, F), and the channels (N, C, H, W) of images.
        name: goes into the result.
        kind: the layer's class, or its name.
        keep_values: whether the result also holds the values.
        saturation: whether to count saturated values, if the kind of layer can saturate.

    Returns:
        The statistics.
    """
    exact = _double(values)
    bounds = BOUNDS.get(kind) if saturation and isinstance(kind, type) else None
    saturated = None
    if bounds is not None:
        low, high = bounds
        near = SATURATED_WITHIN * (high - low)
        saturated = _share((exact <= low + near) | (exact >= high - near))
    return LayerStatistics(
        name=name,
        kind=kind.__name__ if isinstance(kind, type) else kind,
        mean=exact.mean().item() if exact.numel() else 0.0,
        std=exact.std(correction=0).item() if exact.numel() else 0.0,
        share_zero=_share(exact == 0),
        share_dead=_share(_by_unit(exact == 0).all(dim=0)),
        share_saturated=saturated,
        share_bad=_share(~exact.isfinite()),
        shape=tuple(values.shape),
        values=values.detach() if keep_values else None,
    )


def _layers(model: nn.Module, kinds: Kinds) -> list[tuple[str, nn.Module]]:
    """The layers to watch, each once, with the first of its names."""
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    if kinds is not None and not all(isinstance(kind, type) for kind in wanted):
        raise TypeError("kinds must be a class such as nn.ReLU, or a tuple of classes.")
    named = [(name or "(model)", module) for name, module in model.named_modules()]
    if kinds is None:
        found = [(name, module) for name, module in named if not any(module.children())]
    else:
        found = [(name, module) for name, module in named if isinstance(module, wanted)]
    if not found:
        names = ", ".join(getattr(kind, "__name__", str(kind)) for kind in wanted)
        raise ValueError(f"The model has no layer of the kind {names}.")
    return found


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        found = (_first_tensor(part) for part in output)
        return next((tensor for tensor in found if tensor is not None), None)
    return None


def _add(gradients: dict[str, Tensor], key: str, gradient: Tensor) -> None:
    """Note a gradient; a second backward pass adds to it, as it does for parameters."""
    gradient = gradient.detach().clone()
    gradients[key] = gradients[key] + gradient if key in gradients else gradient


def _double(values: Tensor) -> Tensor:
    """Float64 on the CPU, where even the square of a huge activation is finite."""
    values = values.detach()
    if values.is_sparse:
        values = values.to_dense()
    return values.cpu().double()


def _by_unit(values: Tensor) -> Tensor:
    """(N, ...) -> (samples and places, units)."""
    if values.ndim < 2:
        return values.reshape(-1, 1)
    if values.ndim >= 4:
        values = values.movedim(1, -1)
    return values.reshape(-1, values.shape[-1])


def _share(flags: Tensor) -> float:
    return flags.double().mean().item() if flags.numel() else 0.0


# ----------------------------------------------------------------------------------------------
# Tables: parameters and shapes
# ----------------------------------------------------------------------------------------------


def parameter_table(model: nn.Module) -> str:
    """A text table of a model's parameters: name, shape, count, trainable; and the totals.

    A tensor that several layers share has one row, under its first name, and counts once.

    Args:
        model: any module.

    Returns:
        The table, one line for each parameter, ready to print.

    Example:
        >>> print(parameter_table(nn.Linear(3, 2)))
        name    shape   parameters  trainable
        weight  (2, 3)           6  yes
        bias    (2,)             2  yes
        total                    8  8 trainable
    """
    rows = [("name", "shape", "parameters", "trainable")]
    total = trainable = 0
    for name, parameter in model.named_parameters():
        count = parameter.numel()
        total += count
        trainable += count if parameter.requires_grad else 0
        answer = "yes" if parameter.requires_grad else "no"
        rows.append((name, str(tuple(parameter.shape)), f"{count:,}", answer))
    rows.append(("total", "", f"{total:,}", f"{trainable:,} trainable"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}  {last}".rstrip()
        for name, shape, count, last in rows
    )


def layer_shapes(model: nn.Module, x: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    """The output shape of every layer for one input, found by forward hooks.

    The layers are the modules without children and those with parameters of their own, such as
    ``nn.LSTM``, in the order in which they run; a layer that runs twice is listed twice. For a
    layer that returns several tensors it is the shape of the first. The model runs in evaluation
    mode and without gradients, and comes back in the mode in which it was.

    Args:
        model: any module.
        x: its input, with the batch dimension; a tuple is passed on as several inputs.

    Returns:
        (name, class name, shape of the output) for each layer; the shape includes the batch.

    Raises:
        ValueError: if the model has no layer that runs.
    """
    shapes: list[tuple[str, str, tuple[int, ...]]] = []

    def note(name: str, module: nn.Module, output: Any) -> None:
        first = _first_tensor(output)
        if first is not None:
            shapes.append((name, type(module).__name__, tuple(first.shape)))

    handles, modes = [], [(module, module.training) for module in model.modules()]
    try:
        for name, module in model.named_modules():
            if not any(module.children()) or any(True for _ in module.parameters(recurse=False)):

                def hook(module, inputs, output, name=name):
                    note(name or "(model)", module, output)

                handles.append(module.register_forward_hook(hook))
        model.eval()
        with torch.no_grad():
            model(*x) if isinstance(x, tuple) else model(x)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    if not shapes:
        raise ValueError("No layer ran: does forward() use the model's layers?")
    return shapes


# ----------------------------------------------------------------------------------------------
# Checks: data, forward pass, updates
# ----------------------------------------------------------------------------------------------


def data_problems(X: Tensor, y: Tensor | None = None, classes: int | None = None) -> list[str]:
    """What is wrong, or at least suspicious, with a set of samples.

    Args:
        X: (N, ...) inputs.
        y: (N,) class numbers, if the task is classification.
        classes: number of classes C; the labels must be 0 … C − 1.

    Returns:
        One sentence for each finding; an empty list if there is none.

    Example:
        >>> data_problems(torch.tensor([[0.0, float("inf")]]))
        ['1 value is infinite, in 1 of 1 samples']
    """
    found = []
    values = X.detach().flatten(1) if X.ndim > 1 else X.detach().reshape(-1, 1)
    floating = values.dtype.is_floating_point
    if not floating:
        found.append(f"the inputs are {_short(X)}, not floating point")
    for name, bad in (("NaN", values.isnan()), ("infinite", values.isinf())):
        if count := int(bad.sum()):
            verb = "value is" if count == 1 else "values are"
            rows = int(bad.any(1).sum())
            found.append(f"{count} {verb} {name}, in {rows} of {len(values)} samples")
    if floating and len(values) and (size := values[values.isfinite()].abs()).numel():
        if size.max() > 100:
            found.append(f"the largest input is {size.max():.3g}: scale the inputs")
        elif 0 < size.max() < 0.01:
            found.append(f"no input is larger than {size.max():.1g}: scaled twice?")
    copies = len(values) - len(set(_bytes_of_rows(X)))
    if copies:
        found.append(f"{copies} sample{'s repeat' if copies > 1 else ' repeats'} another one")
    return found + (_label_problems(values, y, classes) if y is not None else [])


def _label_problems(values: Tensor, y: Tensor, classes: int | None) -> list[str]:
    if len(y) != len(values):
        return [f"{len(values)} inputs, but {len(y)} labels"]
    if y.dtype != torch.int64:
        return [f"the labels are {_short(y)}; class numbers are int64"]
    found = []
    low, high = (int(y.min()), int(y.max())) if len(y) else (0, 0)
    if low < 0 or (classes is not None and high >= classes):
        wanted = "0 and up" if classes is None else f"0 to {classes - 1}"
        found.append(f"the labels go from {low} to {high}; wanted: {wanted}")
    elif classes is not None and (missing := sorted(set(range(classes)) - set(y.tolist()))):
        found.append(f"no sample of the classes {', '.join(map(str, missing))}")
    return found


def _short(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def shared_rows(a: Tensor, b: Tensor) -> list[tuple[int, int]]:
    """Samples that stand in two sets, bit for bit: a test sample among the training samples.

    Args:
        a: (N, ...) one set.
        b: (M, ...) the other, with samples of the same shape.

    Returns:
        Pairs (row of ``a``, row of ``b``), sorted.

    Raises:
        ValueError: if the samples have different shapes.
    """
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"The samples have the shapes {tuple(a.shape[1:])} and {tuple(b.shape[1:])}."
        )
    rows: dict[bytes, list[int]] = {}
    for i, sample in enumerate(_bytes_of_rows(a)):
        rows.setdefault(sample, []).append(i)
    pairs = enumerate(_bytes_of_rows(b))
    return sorted((i, j) for j, sample in pairs for i in rows.get(sample, ()))


def _bytes_of_rows(X: Tensor) -> Iterator[bytes]:
    return (row.tobytes() for row in X.detach().cpu().contiguous().numpy())


def first_bad_layer(model: nn.Module, x: Any) -> str | None:
    """The first place in a forward pass where a value is NaN or infinite.

    Args:
        model: the network; it runs without gradients and in the mode in which it is.
        x: its input; a tuple is unpacked into several arguments.

    Returns:
        "the input", "the parameter …" or "the output of …"; None if all is finite.
    """
    for tensor in x if isinstance(x, tuple) else (x,):
        if isinstance(tensor, Tensor) and not bool(tensor.isfinite().all()):
            return "the input"
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"the parameter {name}"
    for layer in activation_statistics(model, x):
        if layer.share_bad:
            return f"the output of {layer.name} ({layer.kind})"
    return None


@contextlib.contextmanager
def update_ratios(model: nn.Module) -> Iterator[dict[str, float]]:
    """How far the parameters move inside a block, relative to their size.

    Put ``optimizer.step()`` into the block. After it the dictionary holds, for each parameter, the
    norm of its change divided by its norm before. 0.0 means that the parameter did not move at
    all; a parameter that moved away from all zeros has the ratio infinity.

    Args:
        model: the network.

    Yields:
        name -> ratio, filled when the block ends.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> with update_ratios(model) as ratios, torch.no_grad():
        ...     _ = model.weight.mul_(2)
        >>> ratios
        {'weight': 1.0}
    """
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ratios: dict[str, float] = {}
    yield ratios
    for name, parameter in model.named_parameters():
        if name in before and before[name].shape == parameter.shape:
            start, moved = _double(before[name]), _double(parameter) - _double(before[name])
            size, change = start.norm().item(), moved.norm().item()
            ratios[name] = change / size if size else float("inf") if change else 0.0
