"""The exercises of lesson 3.3, Designing architectures."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises import (
    AnswerError,
    ChoiceExercise,
    FunctionExercise,
    Misconception,
    Prediction,
    Probe,
)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _fill(model: nn.Module) -> nn.Module:
    """Set every parameter to values that depend on its shape alone, not on the order of making.

    A matrix and its transpose get the same numbers, so ``W @ x`` and ``x @ W`` are both welcome.
    """
    with torch.no_grad():
        for p in model.parameters():
            if max(p.shape, default=1) == p.numel():  # a vector, also one of shape (1, n)
                values = torch.randn(p.numel(), generator=_generator(p.numel()))
                p.copy_(values.reshape(p.shape))
                continue
            generator = _generator(p.numel())
            shape = sorted(p.shape) if p.ndim == 2 else p.shape
            values = torch.randn(*shape, generator=generator) / max(1, p[0].numel()) ** 0.5
            if p.ndim == 2:
                values = values * (p[0].numel() / shape[1]) ** 0.5
            p.copy_(values if values.shape == p.shape else values.T)
    return model


def _sized(model: nn.Module, x: Tensor) -> nn.Module:
    """Let lazy layers take their sizes from the input."""
    if any(nn.parameter.is_lazy(p) for p in model.parameters()):
        with torch.no_grad():
            model(x)
    return model


def _module(make, name: str, *sizes: object) -> nn.Module:
    """What the learner's function or class makes."""
    if isinstance(make, nn.Module):
        raise AnswerError(f"Pass {name} itself, without calling it: check({name}).")
    made = make(*sizes)
    if not isinstance(made, nn.Module):
        dots = "…" if sizes else ""
        raise AnswerError(f"{name}({dots}) must give an nn.Module, but it gave {_kind(made)}.")
    return made


def _kind(value: object) -> str:
    return "None: a return is missing" if value is None else f"a {type(value).__name__}"


def _output(model: nn.Module, x: Tensor) -> Tensor:
    """What a model returns, with its gradients on the way."""
    with torch.enable_grad():
        out = model(x)
    if not isinstance(out, Tensor):
        raise AnswerError(f"forward must return a tensor, but it returned {_kind(out)}.")
    return out


def _idle(model: nn.Module, out: Tensor) -> int:
    """How many parameters the gradient of an output does not reach."""
    parameters = list(model.parameters())
    trained = [p for p in parameters if p.requires_grad]
    if not out.requires_grad or not trained:
        return len(parameters)
    found = torch.autograd.grad(out.sum(), trained, retain_graph=True, allow_unused=True)
    return len(parameters) - sum(g is not None for g in found)


def _float_type(model: nn.Module) -> torch.dtype:
    return next((p.dtype for p in model.parameters()), torch.float32)


# --- 03.1: a network from a sentence -----------------------------------------------------------


def build_simple_net():
    """Return 784-256-10 with ReLU: images (N, 28, 28) -> logits (N, 10)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )


def _simple_class():
    class SimpleNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.output = nn.Linear(784, 256), nn.Linear(256, 10)

        def forward(self, images):
            return self.output(F.relu(self.hidden(images.flatten(1))))

    return SimpleNet()


def _simple_nested():
    body = nn.Sequential(nn.Linear(28 * 28, 256), nn.ReLU())
    return nn.Sequential(nn.Flatten(), body, nn.Linear(256, 10))


def _simple_lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(256), nn.ReLU(), nn.LazyLinear(10))


def _simple_matrices():
    class Matrices(nn.Module):
        def __init__(self):
            super().__init__()
            self.W1 = nn.Parameter(torch.randn(784, 256) / 28)
            self.W2 = nn.Parameter(torch.randn(256, 10) / 16)
            self.b1, self.b2 = nn.Parameter(torch.zeros(256)), nn.Parameter(torch.zeros(10))

        def forward(self, images):
            return torch.relu(images.flatten(1) @ self.W1 + self.b1) @ self.W2 + self.b2

    return Matrices()


def _simple_convolution():
    convolution = nn.Conv2d(1, 256, 28)  # one window, as large as the image
    return nn.Sequential(
        nn.Unflatten(1, (1, 28)), convolution, nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)
    )


def _simple_row_biases():
    class RowBiases(nn.Module):
        def __init__(self):
            super().__init__()
            self.W1, self.W2 = (
                nn.Parameter(torch.randn(256, 784)),
                nn.Parameter(torch.randn(10, 256)),
            )
            self.b1, self.b2 = nn.Parameter(torch.zeros(1, 256)), nn.Parameter(torch.zeros(1, 10))

        def forward(self, images):
            hidden = torch.einsum("nd,hd->nh", images.flatten(1), self.W1) + self.b1
            return hidden.clamp(min=0) @ self.W2.T + self.b2

    return RowBiases()


def _simple_log_softmax():
    return nn.Sequential(build_simple_net(), nn.LogSoftmax(dim=1))


def _simple_no_bias():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256, bias=False),
        nn.ReLU(),
        nn.Linear(256, 10, bias=False),
    )


def _simple_sigmoid():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.Sigmoid(), nn.Linear(256, 10))


def _simple_frozen():
    return build_simple_net().requires_grad_(False)


def _simple_no_flatten():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def _simple_flatten_zero():
    return nn.Sequential(nn.Flatten(0), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def _simple_softmax():
    return nn.Sequential(build_simple_net(), nn.Softmax(dim=1))


def _simple_linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.Linear(256, 10))


def _simple_relu_out():
    return nn.Sequential(build_simple_net(), nn.ReLU())


def _simple_small():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def _observe_simple(build, images: Tensor) -> dict[str, object]:
    model = _fill(_sized(_module(build, "build_simple_net"), images))
    logits = _output(model, images.to(_float_type(model)))
    return {
        "how many numbers each parameter holds": sorted(p.numel() for p in model.parameters()),
        "the output for weights of our choice": logits.float(),
        "the number of parameters without a gradient": _idle(model, logits),
    }


def _images(n: int):
    return lambda: (torch.rand(n, 28, 28, generator=torch.Generator().manual_seed(n)),)


simple_net = FunctionExercise(
    id="03.1",
    title="A network from a sentence",
    statement=(
        "`build_simple_net()` returns a network for digits: images of shape (N, 28, 28) go in, "
        "one hidden layer of 256 units with ReLU, and ten logits for `F.cross_entropy` come out."
    ),
    solution=build_simple_net,
    alternatives=(
        _simple_class,
        _simple_nested,
        _simple_lazy,
        _simple_matrices,
        _simple_convolution,
        _simple_row_biases,
    ),
    observe=_observe_simple,
    show_expected=False,
    probes=(Probe("four images", _images(4)), Probe("one image", _images(1))),
    misconceptions=(
        Misconception(
            "images are not flattened",
            _simple_no_flatten,
            "An image is 28 × 28, and nn.Linear(784, …) wants 784 numbers in the last dimension. "
            "Begin with nn.Flatten().",
        ),
        Misconception(
            "flattens the batch too",
            _simple_flatten_zero,
            "Flatten(0) joins the batch to the pixels: all images become one long vector. Keep "
            "dimension 0; nn.Flatten() starts at dimension 1 by itself.",
        ),
        Misconception(
            "softmax at the end",
            _simple_softmax,
            "The network ends in a softmax, but F.cross_entropy applies one itself. Return the "
            "logits of the last Linear.",
        ),
        Misconception(
            "log-softmax at the end",
            _simple_log_softmax,
            "The network ends in a log-softmax, but F.cross_entropy applies one itself. Return the "
            "logits of the last Linear.",
        ),
        Misconception(
            "a sigmoid",
            _simple_sigmoid,
            "The hidden units have a sigmoid; the sentence says ReLU.",
        ),
        Misconception(
            "no biases",
            _simple_no_bias,
            "The layers have no biases. A layer has one for each unit unless somebody says "
            "otherwise: leave out bias=False.",
        ),
        Misconception(
            "nothing to train",
            _simple_frozen,
            "No gradient reaches a parameter, so nothing can be trained. Look for requires_grad, "
            "no_grad, .detach() or .data.",
        ),
        Misconception(
            "no activation",
            _simple_linear,
            "Two Linear layers in a row are one linear map. Put nn.ReLU() between them.",
        ),
        Misconception(
            "ReLU at the end",
            _simple_relu_out,
            "Logits may be negative, and a ReLU on them kills every negative one. Nothing comes "
            "after the last Linear.",
        ),
        Misconception(
            "128 hidden units",
            _simple_small,
            "The hidden layer has 128 units; the sentence says 256.",
        ),
    ),
    hints=(
        "Four stations in a row: which one turns (N, 28, 28) into (N, 784)?",
        "nn.Flatten(), nn.Linear(784, 256), an activation, nn.Linear(256, 10).",
        "Return `nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))`.",
    ),
    reasoning=(
        "Flatten keeps dimension 0, the batch, and lays the pixels in a row. The last layer "
        "returns logits, because F.cross_entropy computes the log-softmax itself."
    ),
)

# --- 03.2: counting parameters -----------------------------------------------------------------


def count_parameters(sizes):
    """Parameters of a fully connected network, from its layer sizes, such as [784, 256, 10]."""
    return sum((sizes[k] + 1) * sizes[k + 1] for k in range(len(sizes) - 1))


def _count_build(sizes):
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    return sum(p.numel() for layer in layers for p in layer.parameters())


def _count_loop(sizes):
    total = 0
    for k in range(1, len(sizes)):
        total += (sizes[k - 1] + 1) * sizes[k]
    return total


def _count_no_bias(sizes):
    return sum(a * b for a, b in itertools.pairwise(sizes))


def _count_input_bias(sizes):
    return sum(a * b for a, b in itertools.pairwise(sizes)) + sum(sizes)


def _count_bias_in(sizes):
    return sum(a * b + a for a, b in itertools.pairwise(sizes))


def _count_units(sizes):
    return sum(sizes[1:])


def _count_one_bias(sizes):
    return sum(a * b + 1 for a, b in itertools.pairwise(sizes))


def _observe_count(count, sizes) -> int:
    answer = count(sizes)
    if isinstance(answer, Tensor) and answer.numel() == 1:
        answer = answer.item()
    if isinstance(answer, float) and answer == int(answer):
        answer = int(answer)
    return answer


parameter_count = FunctionExercise(
    id="03.2",
    title="Count the parameters by hand",
    statement=(
        "Write `count_parameters(sizes)`: the number of weights and biases of a fully connected "
        "network with the given layer sizes. For `[784, 256, 10]` it is 203,530."
    ),
    solution=count_parameters,
    alternatives=(_count_build, _count_loop),
    observe=_observe_count,
    probes=(
        Probe("[3, 2]", lambda: ([3, 2],)),
        Probe("[784, 256, 10]", lambda: ([784, 256, 10],)),
        Probe("four layers", lambda: ([5, 7, 7, 2, 1],)),
    ),
    misconceptions=(
        Misconception(
            "no biases",
            _count_no_bias,
            "You count the weights only. Each unit also has a bias: n_out of them in each layer.",
        ),
        Misconception(
            "biases for the inputs",
            _count_input_bias,
            "You give the inputs a bias too. Inputs are data; only the units of the later layers "
            "have one.",
        ),
        Misconception(
            "biases on the wrong side",
            _count_bias_in,
            "You count n_in biases for each layer. A bias belongs to a unit of the layer itself, "
            "so there are n_out.",
        ),
        Misconception(
            "one bias a layer",
            _count_one_bias,
            "You count one bias for a whole layer. Every unit has its own: n_out of them.",
        ),
        Misconception(
            "counts units",
            _count_units,
            "You count the units, not the parameters. A unit has n_in weights and one bias.",
        ),
    ),
    hints=(
        "Take one layer from n_in to n_out units. What is the shape of its weight matrix?",
        "The weight matrix has n_out × n_in entries, and the bias n_out.",
        "Sum `(n_in + 1) * n_out` over the neighbors in `sizes`: sizes[k] and sizes[k + 1].",
    ),
    reasoning=(
        "Each of the n_out units has n_in weights and one bias, so a layer has (n_in + 1) · n_out "
        "parameters. Neighbors in `sizes` belong to one layer, and the layers add up."
    ),
)

# --- 03.3: the size after convolutions ---------------------------------------------------------


def flat_size(size, channels, layers):
    """Numbers per image after `layers`, each (out_channels or None, kernel, stride, padding)."""
    for out_channels, kernel, stride, padding in layers:
        size = (size + 2 * padding - kernel) // stride + 1
        channels = channels if out_channels is None else out_channels
    return channels * size * size


def _flat_by_running(size, channels, layers):
    x = torch.zeros(1, channels, size, size)
    for out_channels, kernel, stride, padding in layers:
        if out_channels is None:
            x = F.max_pool2d(x, kernel, stride, padding)
        else:
            x = nn.Conv2d(x.shape[1], out_channels, kernel, stride, padding)(x)
    return x.flatten(1).shape[1]


def _flat_floor(size, channels, layers):
    import math

    for out, kernel, stride, padding in layers:
        size = math.floor((size - kernel + 2 * padding) / stride + 1)
        channels = out or channels
    return channels * size**2


def _flat_one_side(size, channels, layers):
    for out, kernel, stride, padding in layers:
        size, channels = (size + padding - kernel) // stride + 1, out or channels
    return channels * size * size


def _flat_no_one(size, channels, layers):
    for out, kernel, stride, padding in layers:
        size, channels = (size + 2 * padding - kernel) // stride, out or channels
    return channels * size * size


def _flat_one_inside(size, channels, layers):
    for out, kernel, stride, padding in layers:
        size, channels = (size + 2 * padding - kernel + 1) // stride, out or channels
    return channels * size * size


def _flat_fraction(size, channels, layers):
    for out, kernel, stride, padding in layers:
        size, channels = (size + 2 * padding - kernel) / stride + 1, out or channels
    return channels * size * size


def _flat_no_kernel(size, channels, layers):
    for out, _, stride, _ in layers:
        size, channels = size // stride, out or channels
    return channels * size * size


def _flat_row(size, channels, layers):
    return _flat_plane(size, channels, layers) ** 0.5 * _last_channels(channels, layers)


def _flat_plane(size, channels, layers):
    return flat_size(size, channels, layers) // _last_channels(channels, layers)


def _last_channels(channels, layers):
    for out, *_ in layers:
        channels = out or channels
    return channels


def _flat_ceiling(size, channels, layers):
    for out, kernel, stride, padding in layers:
        size, channels = -(-(size + 2 * padding - kernel) // stride) + 1, out or channels
    return channels * size * size


flatten_size = FunctionExercise(
    id="03.3",
    title="How many numbers after the convolutions?",
    statement=(
        "Write `flat_size(size, channels, layers)`: how many numbers per image are left when an "
        "image of shape (channels, size, size) has gone through `layers`, a list of "
        "`(out_channels, kernel, stride, padding)`; a pooling layer has `None` for out_channels "
        "and keeps the number of channels."
    ),
    solution=flat_size,
    alternatives=(_flat_by_running, _flat_floor),
    observe=lambda answer, size, channels, layers: _observe_count(
        lambda _: answer(size, channels, layers), None
    ),
    probes=(
        Probe("one 5×5 convolution", lambda: (28, 1, [(6, 5, 1, 0)])),
        Probe("3×3 with padding, stride 2", lambda: (28, 3, [(8, 3, 2, 1)])),
        Probe("convolution and pooling", lambda: (28, 1, [(16, 3, 1, 1), (None, 2, 2, 0)])),
        Probe(
            "an odd size, twice halved",
            lambda: (31, 3, [(4, 3, 1, 0), (None, 2, 2, 0), (9, 3, 2, 1), (None, 2, 2, 0)]),
        ),
        Probe("5×5 with padding 2", lambda: (28, 1, [(4, 5, 1, 2)])),
    ),
    misconceptions=(
        Misconception(
            "padding on one side",
            _flat_one_side,
            "Padding is added on both sides, so the size grows by 2 · padding.",
        ),
        Misconception(
            "forgets the + 1",
            _flat_no_one,
            "You count the steps, not the places. A kernel as large as the image still fits once: "
            "add 1 after the division.",
        ),
        Misconception(
            "the 1 before the division",
            _flat_one_inside,
            "You add 1 before the division. The strides are counted first; the 1 for the place "
            "at the start comes after.",
        ),
        Misconception(
            "never rounds",
            _flat_fraction,
            "The division leaves a fraction, and half a place is none. Round down: //.",
        ),
        Misconception(
            "only the stride",
            _flat_no_kernel,
            "You divide by the stride only. A kernel without padding also eats kernel - 1 pixels.",
        ),
        Misconception(
            "forgets the channels",
            _flat_plane,
            "You count one channel. The flat vector holds every channel: multiply by their number.",
        ),
        Misconception(
            "one side of the square",
            _flat_row,
            "A feature map is a square: multiply by size twice.",
        ),
        Misconception(
            "rounds up",
            _flat_ceiling,
            "A kernel that would hang over the edge is left out: the division rounds down.",
        ),
    ),
    hints=(
        "Where can the left edge of a kernel stand? Count the places for stride 1, no padding.",
        "The size after a layer is floor((size + 2 · padding - kernel) / stride) + 1.",
        "Loop: update size with `//`, update channels unless it is None; return "
        "channels · size · size.",
    ),
    reasoning=(
        "The padded row has size + 2p pixels, so the kernel's left edge can move by "
        "size + 2p - k pixels, in steps of the stride; one more place is the start itself."
    ),
)

# --- 03.4: register what you own ---------------------------------------------------------------


class Tower(nn.Module):
    """Subtract a fixed mean (width,), then `depth` Linear layers with ReLU: (N, width) -> same."""

    def __init__(self, width, depth, mean):
        super().__init__()
        self.register_buffer("mean", mean)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x):
        """Shape (N, width) -> (N, width)."""
        x = x - self.mean
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class _TowerSequential(nn.Module):
    def __init__(self, width, depth, mean):
        super().__init__()
        self.register_buffer("center", mean.clone())
        pairs = [[nn.Linear(width, width), nn.ReLU()] for _ in range(depth)]
        self.body = nn.Sequential(*[module for pair in pairs for module in pair])

    def forward(self, x):
        return self.body(x - self.center)


class _TowerNames(nn.Module):
    def __init__(self, width, depth, mean):
        super().__init__()
        self.register_buffer("mean", mean)
        self.depth = depth
        for k in range(depth):
            self.add_module(f"layer{k}", nn.Linear(width, width))

    def forward(self, x):
        x = x - self.mean
        for k in range(self.depth):
            x = F.relu(getattr(self, f"layer{k}")(x))
        return x


class _TowerList(nn.Module):
    def __init__(self, width, depth, mean):
        super().__init__()
        self.register_buffer("mean", mean)
        self.layers = [nn.Linear(width, width) for _ in range(depth)]

    def forward(self, x):
        x = x - self.mean
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class _TowerUntouched(_TowerList):
    def __init__(self, width, depth, mean):
        super().__init__(width, depth, mean)
        del self.mean
        self.mean = mean


class _TowerAttribute(Tower):
    def __init__(self, width, depth, mean):
        super().__init__(width, depth, mean)
        del self.mean
        self.mean = mean


class _TowerNotSaved(Tower):
    def __init__(self, width, depth, mean):
        super().__init__(width, depth, mean)
        del self.mean
        self.register_buffer("mean", mean, persistent=False)


class _TowerDetached(Tower):
    def forward(self, x):
        return super().forward(x).detach()


class _TowerFixed(nn.Module):
    def __init__(self, width, depth, mean):
        super().__init__()
        self.mean = nn.Parameter(mean, requires_grad=False)
        layers = {str(k): nn.Linear(width, width) for k in range(depth)}
        self.layers = nn.ModuleDict(layers)

    def forward(self, x):
        x = x - self.mean
        for layer in self.layers.values():
            x = layer(x).clamp(min=0)
        return x


class _TowerParameter(Tower):
    def __init__(self, width, depth, mean):
        super().__init__(width, depth, mean)
        del self.mean
        self.mean = nn.Parameter(mean)


class _TowerShared(Tower):
    def __init__(self, width, depth, mean):
        super().__init__(width, depth, mean)
        self.layers = nn.ModuleList([nn.Linear(width, width)] * depth)


class _TowerNoMean(Tower):
    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class _TowerLinear(Tower):
    def forward(self, x):
        x = x - self.mean
        for layer in self.layers:
            x = layer(x)
        return x


def _observe_tower(tower_class, width, depth, mean, x) -> dict[str, object]:
    tower = _module(tower_class, "Tower", width, depth, mean)
    with torch.no_grad():
        for p in tower.parameters():
            if p.ndim == 2:
                p.copy_(torch.eye(width) * 1.5 - 0.1)
            elif p.numel() == width and not torch.equal(p.float(), mean.float()):
                p.fill_(0.25)
    trainable = sorted(tuple(p.shape) for p in tower.parameters() if p.requires_grad)
    out = _output(tower, x)
    reached = len(list(tower.parameters())) - _idle(tower, out)
    return {
        "shapes of the trainable parameters": trainable,
        "number of parameters that get a gradient": reached,
        "number of tensors in the state_dict": len(tower.state_dict()),
        "number of tensors that .to(device) moves": len([*tower.parameters(), *tower.buffers()]),
        "the output's shape": tuple(out.shape),
        "the output for weights of our choice": out if trainable else torch.zeros_like(out),
    }


def _tower_input(width: int, depth: int):
    def make():
        generator = torch.Generator().manual_seed(width)
        x = torch.rand(5, width, generator=generator) * 2 - 1
        return width, depth, torch.linspace(-0.5, 0.7, width), x

    return make


registered_tower = FunctionExercise(
    id="03.4",
    title="Register what you own",
    statement=(
        "`BrokenTower` runs, but its layers are in no optimizer and its mean in no checkpoint. "
        "Write `Tower`, repaired: the layers must be trainable, and the mean must be saved with "
        "the model but never trained. `Tower(width, depth, mean)` subtracts the mean and applies "
        "`depth` Linear layers, each followed by ReLU."
    ),
    solution=Tower,
    alternatives=(_TowerSequential, _TowerNames, _TowerFixed),
    observe=_observe_tower,
    probes=(
        Probe("three layers of width 4", _tower_input(4, 3)),
        Probe("two layers of width 3", _tower_input(3, 2)),
    ),
    misconceptions=(
        Misconception(
            "nothing registered",
            _TowerUntouched,
            "This is the broken version still. A plain list hides the layers, and a plain tensor "
            "attribute hides the mean: use nn.ModuleList and register_buffer.",
        ),
        Misconception(
            "still a plain list",
            _TowerList,
            "The mean is registered, but the layers are in a plain Python list, so "
            "tower.parameters() is empty. Use nn.ModuleList or nn.Sequential.",
        ),
        Misconception(
            "the mean is no buffer",
            _TowerAttribute,
            "The layers are registered, but the mean is a plain attribute: it is not in the "
            "state_dict, and .to(device) leaves it behind. Use self.register_buffer.",
        ),
        Misconception(
            "the mean is not saved",
            _TowerNotSaved,
            "The mean is a buffer, but persistent=False keeps it out of the state_dict, and so "
            "out of the checkpoint. Leave that argument out.",
        ),
        Misconception(
            "no gradient",
            _TowerDetached,
            "Everything is registered, but no gradient reaches the layers. Look for .detach(), "
            "no_grad or .data.",
        ),
        Misconception(
            "the mean is trained",
            _TowerParameter,
            "The mean is a Parameter now, so the optimizer would change it. A tensor that belongs "
            "to the model but is not trained is a buffer.",
        ),
        Misconception(
            "one layer, many times",
            _TowerShared,
            "`[layer] * depth` repeats one and the same layer: there is a single weight matrix. "
            "Make a new layer in each round of the loop.",
        ),
        Misconception(
            "forgets the mean",
            _TowerNoMean,
            "Everything is registered, but forward no longer subtracts the mean.",
        ),
        Misconception(
            "forgets the ReLU",
            _TowerLinear,
            "Everything is registered, but the ReLU after each layer is gone, so the tower is one "
            "linear map.",
        ),
    ),
    hints=(
        "nn.Module notices parameters, buffers and modules that you assign to self. Does it look "
        "into a list?",
        "nn.ModuleList is a list that is noticed. For the mean: self.register_buffer(name, value).",
        "`self.register_buffer('mean', mean)` and `self.layers = nn.ModuleList([...])`; forward "
        "stays as it is.",
    ),
    reasoning=(
        "A module finds its parts by attribute: Parameters, Modules and registered buffers. "
        "ModuleList makes the layers parts; a buffer goes into the state_dict and follows .to() "
        "without being trained."
    ),
)

# --- 03.5: a residual block --------------------------------------------------------------------


class ResidualBlock(nn.Module):
    """x + F(x) with two 3×3 convolutions, and a projection where the shape changes."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride)

    def forward(self, x):
        """Shape (N, in, H, W) -> (N, out, H / stride, W / stride)."""
        return self.shortcut(x) + self.conv2(torch.relu(self.conv1(x)))


class _BlockSequential(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        same = stride == 1 and in_channels == out_channels
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
        )
        self.project = None if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x):
        way = x if self.project is None else self.project(x)
        return way + self.branch(x)


class _BlockPreActivation(ResidualBlock):
    def forward(self, x):
        return self.shortcut(x) + self.conv2(F.relu(self.conv1(F.relu(x))))


class _BlockNoProjection(ResidualBlock):
    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


class _BlockFinalReLU(ResidualBlock):
    def forward(self, x):
        return F.relu(super().forward(x))


class _BlockPlain(ResidualBlock):
    def forward(self, x):
        return self.conv2(F.relu(self.conv1(x)))


class _BlockBranchReLU(ResidualBlock):
    def forward(self, x):
        return self.shortcut(x) + F.relu(self.conv2(F.relu(self.conv1(x))))


class _BlockShortcutReLU(ResidualBlock):
    def forward(self, x):
        return F.relu(self.shortcut(x)) + self.conv2(F.relu(self.conv1(x)))


class _BlockMinus(ResidualBlock):
    def forward(self, x):
        return self.shortcut(x) - self.conv2(F.relu(self.conv1(x)))


class _BlockDetached(ResidualBlock):
    def forward(self, x):
        return self.shortcut(x).detach() + self.conv2(F.relu(self.conv1(x)))


class _BlockNoStride(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1)


class _BlockAlways(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride)


class _BlockChannelsOnly(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if in_channels == out_channels:
            self.shortcut = nn.Identity()


class _BlockStrideOnly(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride == 1:
            self.shortcut = nn.Identity()


class _BlockLinear(ResidualBlock):
    def forward(self, x):
        return self.shortcut(x) + self.conv2(self.conv1(x))


class _BlockLateStride(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1)


class _BlockLazy(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.branch = nn.Sequential(
            nn.LazyConv2d(out_channels, 3, stride, 1),
            nn.ReLU(),
            nn.LazyConv2d(out_channels, 3, padding="same"),
        )
        if stride > 1 or in_channels != out_channels:
            self.project = nn.LazyConv2d(out_channels, 1, stride)

    def forward(self, x):
        way = self.project(x) if hasattr(self, "project") else x
        return torch.add(self.branch(x), way)


class _BlockNoPadding(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3)


def _observe_block(block_class, in_channels, out_channels, stride, x) -> dict[str, object]:
    block = _sized(_module(block_class, "ResidualBlock", in_channels, out_channels, stride), x)
    kernels = sorted(tuple(p.shape) for p in block.parameters() if p.ndim == 4)
    _fill(block)
    x = x.to(_float_type(block))
    with torch.no_grad():
        for p in block.parameters():
            if p.ndim == 1:
                p.zero_()  # a convolution may have a bias or none
        bend = (_output(block, x) + block(-x) - 2 * block(torch.zeros_like(x))).abs().max()
    filled = _output(block, x.abs())  # of one sign: a ReLU in front of the branch is welcome, too
    idle = _idle(block, filled)
    with torch.no_grad():
        for p in block.parameters():
            p.zero_()
    x.requires_grad_()
    silent = _output(block, x)
    slope = torch.zeros_like(x)
    if silent.requires_grad:
        slope = torch.autograd.grad(silent.sum(), x, materialize_grads=True)[0]
    seen = _rows_seen(block, in_channels) if silent.requires_grad else 0
    return {
        "the shapes of the convolution weights": kernels,
        "the output when all weights are 0": silent.float(),
        "the gradient that reaches x when all weights are 0": slope.float(),
        "the output for weights of our choice": filled.float(),
        "whether the block bends": bool(bend > 1e-4),
        "the number of parameters without a gradient": idle,
        "how many rows of pixels one output sees": seen,
    }


def _rows_seen(block: nn.Module, channels: int) -> int:
    """Rows of the input on which the middle output depends, with weights that hide nothing."""
    with torch.no_grad():
        for p in block.parameters():
            p.fill_(0.1)
    shape = 1, channels, 14, 14
    x = torch.ones(shape, dtype=_float_type(block), requires_grad=True)
    with torch.enable_grad():
        out = block(x)
        middle = out.shape[2] // 2
        seen = out[:, :, middle, middle].sum()
        (gradient,) = torch.autograd.grad(seen, x, materialize_grads=True)
    return int((gradient != 0).any(dim=3).any(dim=1).sum())


def _block_input(channels: int, out_channels: int, stride: int):
    def make():
        x = torch.rand(2, channels, 6, 6, generator=torch.Generator().manual_seed(3)) * 2 - 1
        return channels, out_channels, stride, x

    return make


residual_block = FunctionExercise(
    id="03.5",
    title="A residual block with projection",
    statement=(
        "Write `ResidualBlock(in_channels, out_channels, stride=1)`: the branch F is a 3×3 "
        "convolution with padding 1 and the given stride, a ReLU, and a 3×3 convolution with "
        "padding 1. Return shortcut + F(x), with nothing after the sum. The shortcut is x itself "
        "where the shapes agree, else a 1×1 convolution."
    ),
    solution=ResidualBlock,
    alternatives=(_BlockSequential, _BlockPreActivation, _BlockLazy),
    observe=_observe_block,
    show_expected=False,
    probes=(
        Probe("4 channels to 4", _block_input(4, 4, 1)),
        Probe("4 channels to 6", _block_input(4, 6, 1)),
        Probe("1 channel to 4", _block_input(1, 4, 1)),
        Probe("stride 2, same channels", _block_input(4, 4, 2)),
        Probe("stride 2, 4 channels to 8", _block_input(4, 8, 2)),
    ),
    misconceptions=(
        Misconception(
            "no projection in forward",
            _BlockNoProjection,
            "You always add x itself. Where stride or channels change, the shapes differ: it "
            "fails, or with 1 channel broadcasts in silence. Add shortcut(x), a 1×1 convolution.",
        ),
        Misconception(
            "stride in the second convolution",
            _BlockLateStride,
            "The sizes agree, but the second convolution takes the stride. Then the first one "
            "works on all pixels, at four times the cost. Give the stride to the first.",
        ),
        Misconception(
            "ReLU after the sum",
            _BlockFinalReLU,
            "With all weights 0 the block should pass x through, but its negative values are "
            "lost: there is a ReLU after the sum. Leave the shortcut free.",
        ),
        Misconception(
            "ReLU on the shortcut",
            _BlockShortcutReLU,
            "With all weights 0 the block should pass x through, but its negative values are "
            "lost: there is a ReLU on the shortcut itself. Leave it free.",
        ),
        Misconception(
            "ReLU at the end of the branch",
            _BlockBranchReLU,
            "The branch ends in a ReLU, so F(x) is never negative and a stack of blocks can only "
            "add. Nothing comes after the second convolution.",
        ),
        Misconception(
            "minus",
            _BlockMinus,
            "You subtract F(x); the block is shortcut + F(x).",
        ),
        Misconception(
            "a detached shortcut",
            _BlockDetached,
            "The values are right, but no gradient goes through the shortcut, which is what it "
            "is for. Leave out .detach() and no_grad.",
        ),
        Misconception(
            "no shortcut",
            _BlockPlain,
            "With all weights 0 the block answers 0: nothing is added to F(x). Add the shortcut.",
        ),
        Misconception(
            "projection without the stride",
            _BlockNoStride,
            "The projection keeps the full size while the branch halves it. Give the 1×1 "
            "convolution the same stride.",
        ),
        Misconception(
            "always a projection",
            _BlockAlways,
            "You project even where the shapes agree. There x itself is the shortcut: free, and "
            "the gradient passes unchanged.",
        ),
        Misconception(
            "projects for channels only",
            _BlockChannelsOnly,
            "With stride 2 and equal channels the sizes differ, and there is no projection. Test "
            "`stride != 1 or in_channels != out_channels`.",
        ),
        Misconception(
            "projects for stride only",
            _BlockStrideOnly,
            "With stride 1 and other channels the shapes differ, and there is no projection. Test "
            "`stride != 1 or in_channels != out_channels`.",
        ),
        Misconception(
            "no ReLU in the branch",
            _BlockLinear,
            "The branch is linear: put a ReLU between the two convolutions.",
        ),
        Misconception(
            "no padding",
            _BlockNoPadding,
            "A 3×3 convolution without padding shrinks the image by 2 pixels, so the sum does not "
            "fit. Use padding=1.",
        ),
    ),
    hints=(
        "Write F first: conv, ReLU, conv. Only the first convolution changes stride and channels.",
        "The shortcut must turn (N, in, H, W) into the shape of F(x). A 1×1 convolution can "
        "change channels and, by its stride, the size.",
        "In __init__: `self.shortcut = nn.Identity()`, replaced by `nn.Conv2d(in_channels, "
        "out_channels, 1, stride)` if stride or channels change.",
    ),
    reasoning=(
        "Both terms of a sum need one shape. Where F changes it, a 1×1 convolution with the same "
        "stride changes x alike; everywhere else the shortcut is free. With zero weights the "
        "block is then exactly the identity, so a deep stack can start as a shallow one."
    ),
)

# --- 03.6: branches ----------------------------------------------------------------------------


class Branches(nn.Module):
    """Convolutions of several sizes on one input, joined: plan maps kernel -> out_channels."""

    def __init__(self, in_channels, plan):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
            for kernel, out_channels in plan.items()
        )

    def forward(self, x):
        """Shape (N, in, H, W) -> (N, sum of the plan's channels, H, W)."""
        return torch.cat([conv(x) for conv in self.convs], dim=1)


class _BranchesSame(nn.Module):
    def __init__(self, in_channels, plan):
        super().__init__()
        self.convs = nn.ModuleDict(
            {str(k): nn.Conv2d(in_channels, c, k, padding="same") for k, c in plan.items()}
        )

    def forward(self, x):
        maps = [branch(x) for branch in self.convs.values()]
        return torch.concatenate(maps, -3)


class _BranchesBatch(Branches):
    def forward(self, x):
        return torch.cat([conv(x) for conv in self.convs], dim=0)


class _BranchesWidth(Branches):
    def forward(self, x):
        return torch.cat([conv(x) for conv in self.convs], dim=-1)


class _BranchesHeight(Branches):
    def forward(self, x):
        return torch.cat([conv(x) for conv in self.convs], dim=2)


class _BranchesSum(Branches):
    def forward(self, x):
        return sum(conv(x) for conv in self.convs)


class _BranchesPad1(Branches):
    def __init__(self, in_channels, plan):
        super().__init__(in_channels, plan)
        self.convs = nn.ModuleList(nn.Conv2d(in_channels, c, k, padding=1) for k, c in plan.items())


class _BranchesPad0(Branches):
    def __init__(self, in_channels, plan):
        super().__init__(in_channels, plan)
        self.convs = nn.ModuleList(nn.Conv2d(in_channels, c, k) for k, c in plan.items())


class _BranchesPadKernel(Branches):
    def __init__(self, in_channels, plan):
        super().__init__(in_channels, plan)
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, c, k, padding=k - 1) for k, c in plan.items()
        )


class _BranchesChain(nn.Module):
    def __init__(self, in_channels, plan):
        super().__init__()
        self.convs = nn.ModuleList()
        for kernel, out_channels in plan.items():
            self.convs.append(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2))
            in_channels = out_channels

    def forward(self, x):
        for conv in self.convs:
            x = conv(x)
        return x


class _BranchesSorted(Branches):
    def __init__(self, in_channels, plan):
        super().__init__(in_channels, dict(sorted(plan.items())))


class _BranchesReLU(Branches):
    def forward(self, x):
        return F.relu(super().forward(x))


class _BranchesFrozen(Branches):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class _BranchesNoBias(nn.Module):
    def __init__(self, in_channels, plan):
        super().__init__()
        for kernel, out_channels in plan.items():
            conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
            self.add_module(f"size{kernel}", conv)

    def forward(self, x):
        return torch.hstack([conv(x) for conv in self.children()])


class _BranchesPlainList(nn.Module):
    def __init__(self, in_channels, plan):
        super().__init__()
        self.convs = [nn.Conv2d(in_channels, c, k, padding=k // 2) for k, c in plan.items()]

    def forward(self, x):
        return torch.cat([conv(x) for conv in self.convs], dim=1)


def _observe_branches(branches_class, in_channels, plan, x) -> dict[str, object]:
    model = _fill(_sized(_module(branches_class, "Branches", in_channels, plan), x))
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 1:
                p.zero_()  # a convolution may have a bias or none
    out = _output(model, x.to(_float_type(model))).float()
    kernels = sorted(tuple(p.shape) for p in model.parameters() if p.ndim == 4)
    return {
        "the shapes of the convolution weights": kernels,
        "the output for weights of our choice": out if kernels else torch.zeros_like(out),
        "the number of parameters without a gradient": _idle(model, out),
    }


def _branch_input(channels: int, plan: dict[int, int], size: int):
    def make():
        x = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(size))
        return channels, dict(plan), x

    return make


branches = FunctionExercise(
    id="03.6",
    title="Branches that fit together",
    statement=(
        "Write `Branches(in_channels, plan)`: `plan` maps odd kernel sizes to numbers of output "
        "channels, for example {1: 8, 3: 16, 5: 4}. Run one convolution of each size on the same "
        "input, padded so that height and width stay, and join the results, in the order of the "
        "plan, as channels. No activation."
    ),
    solution=Branches,
    alternatives=(_BranchesSame, _BranchesNoBias),
    observe=_observe_branches,
    show_expected=False,
    probes=(
        Probe("{1: 2, 3: 4, 5: 3}", _branch_input(3, {1: 2, 3: 4, 5: 3}, 7)),
        Probe("equal channels", _branch_input(2, {3: 4, 1: 4}, 6)),
        Probe("equal kernels in one branch", _branch_input(4, {7: 4}, 8)),
    ),
    misconceptions=(
        Misconception(
            "joins along the batch",
            _BranchesBatch,
            "You join along dim=0, the batch: the branches' maps become more images. Channels are "
            "dim=1 in (N, C, H, W).",
        ),
        Misconception(
            "joins along the width",
            _BranchesWidth,
            "You join along the last dimension, the width: the maps stand side by side in one "
            "wider image. Channels are dim=1 in (N, C, H, W).",
        ),
        Misconception(
            "joins along the height",
            _BranchesHeight,
            "You join along dim=2, the height. Channels are dim=1 in (N, C, H, W).",
        ),
        Misconception(
            "adds the branches",
            _BranchesSum,
            "You add the branches, which mixes them and needs equal channels. Join them with "
            "torch.cat along dim=1.",
        ),
        Misconception(
            "padding 1 for all",
            _BranchesPad1,
            "Padding 1 fits a 3×3 kernel only: the 5×5 map shrinks and the 1×1 map grows. Use "
            "kernel // 2.",
        ),
        Misconception(
            "no padding",
            _BranchesPad0,
            "Without padding each kernel size shrinks the maps differently, so they cannot be "
            "joined. Use kernel // 2.",
        ),
        Misconception(
            "too much padding",
            _BranchesPadKernel,
            "Padding goes on both sides: kernel - 1 pixels in all, so kernel // 2 on each side.",
        ),
        Misconception(
            "a chain",
            _BranchesChain,
            "Your convolutions run one after another. Each branch must see the same input x.",
        ),
        Misconception(
            "a plain list",
            _BranchesPlainList,
            "The model has no parameters. A plain list or dictionary hides its layers, and a layer "
            "made in forward is new each time: make them in __init__, in an nn.ModuleList.",
        ),
        Misconception(
            "sorted by size",
            _BranchesSorted,
            "The maps are joined in the order of the kernel sizes. The order is that of the plan, "
            "which need not be sorted.",
        ),
        Misconception(
            "with ReLU",
            _BranchesReLU,
            "There is a ReLU after the convolutions. Return them as they are; the activation is "
            "another layer's business.",
        ),
        Misconception(
            "no gradient",
            _BranchesFrozen,
            "The values are right, but no gradient reaches the convolutions. Look for "
            "requires_grad, no_grad, .detach() or .data.",
        ),
    ),
    hints=(
        "A k×k kernel eats k - 1 pixels. How many must be padded on each side?",
        "padding=kernel // 2 for odd kernels. Keep the convolutions in an nn.ModuleList.",
        "`torch.cat([conv(x) for conv in self.convs], dim=1)`.",
    ),
    reasoning=(
        "Height and width must agree for torch.cat, and kernel // 2 on each side keeps them. The "
        "channels then add up: 8 + 16 + 4 = 28 in the example."
    ),
)

# --- 03.7: when to stop ------------------------------------------------------------------------


def early_exit(logits, threshold):
    """The first exit that is sure enough: logits (N, K, C) -> predictions (N,), exits (N,)."""
    confidence, predicted = logits.softmax(dim=2).max(dim=2)  # (N, K) each
    sure = confidence >= threshold
    sure[:, -1] = True  # the last exit always answers
    exits = sure.int().argmax(dim=1)  # the first True
    return predicted.gather(1, exits[:, None]).squeeze(1), exits


def _exit_loop(logits, threshold):
    predictions, exits = [], []
    for row in logits:
        for k, scores in enumerate(row):
            p = scores.softmax(0)
            if p.max() >= threshold or k == len(row) - 1:
                predictions.append(int(p.argmax()))
                exits.append(k)
                break
    return torch.tensor(predictions, dtype=torch.int64), torch.tensor(exits, dtype=torch.int64)


def _exit_where(logits, threshold):
    K = logits.shape[1]
    p = torch.exp(F.log_softmax(logits, dim=-1)).amax(-1)
    places = torch.where(p >= threshold, torch.arange(K), K - 1)
    exits = places.amin(dim=1)
    return logits[torch.arange(len(logits)), exits].argmax(-1), exits


def _exit_no_fallback(logits, threshold):
    confidence, predicted = logits.softmax(dim=2).max(dim=2)
    exits = (confidence >= threshold).int().argmax(dim=1)
    return predicted.gather(1, exits[:, None]).squeeze(1), exits


def _exit_surest(logits, threshold):
    confidence, predicted = logits.softmax(dim=2).max(dim=2)
    exits = confidence.argmax(dim=1)
    return predicted.gather(1, exits[:, None]).squeeze(1), exits


def _exit_logits(logits, threshold):
    confidence, predicted = logits.max(dim=2)
    sure = confidence >= threshold
    sure[:, -1] = True
    exits = sure.int().argmax(dim=1)
    return predicted.gather(1, exits[:, None]).squeeze(1), exits


def _exit_strict(logits, threshold):
    confidence, predicted = logits.softmax(dim=2).max(dim=2)
    sure = confidence > threshold
    sure[:, -1] = True
    exits = sure.int().argmax(dim=1)
    return predicted.gather(1, exits[:, None]).squeeze(1), exits


def _exit_last_prediction(logits, threshold):
    _, exits = early_exit(logits, threshold)
    return logits[:, -1].argmax(dim=1), exits


def _exit_wrong_softmax(logits, threshold):
    confidence, predicted = logits.softmax(dim=1).max(dim=2)
    sure = confidence >= threshold
    sure[:, -1] = True
    exits = sure.int().argmax(dim=1)
    return predicted.gather(1, exits[:, None]).squeeze(1), exits


def _exit_from_one(logits, threshold):
    predicted, exits = early_exit(logits, threshold)
    return predicted, exits + 1


def _exit_swapped(logits, threshold):
    predicted, exits = early_exit(logits, threshold)
    return exits, predicted


def _exit_fixed(logits, threshold):
    return early_exit(logits, 0.75)


def _observe_exits(answer, logits: Tensor, threshold: float) -> object:
    found = answer(logits, threshold)
    if isinstance(found, Tensor) and found.ndim < 2:
        raise AnswerError("Return two tensors, `predictions, exits`; yours is one tensor.")
    return found if found is ... else tuple(found)


def _exit_logits_of(n: int, exits: int, classes: int, threshold: float = 0.75):
    def make():
        generator = torch.Generator().manual_seed(100 * n + exits)
        growing = torch.arange(1.0, exits + 1)[:, None]
        return 2.5 * growing * torch.rand(n, exits, classes, generator=generator), threshold

    return make


exit_rule = FunctionExercise(
    id="03.7",
    title="When to stop",
    statement=(
        "Write `early_exit(logits, threshold)`: logits (N, K, C) hold the scores of K exits. Each "
        "example leaves at the first exit whose largest softmax probability is at least the "
        "threshold, and at the last one if none is. Return the predicted classes (N,) and the "
        "exits (N,), counted from 0, both int64."
    ),
    solution=early_exit,
    alternatives=(_exit_loop, _exit_where),
    observe=_observe_exits,
    probes=(
        Probe(
            "two clear cases", lambda: (torch.tensor([[[9.0, 0], [0, 9]], [[0, 0], [0, 9]]]), 0.9)
        ),
        Probe("40 examples, 4 exits", _exit_logits_of(40, 4, 3)),
        Probe("20 examples, threshold 0.95", _exit_logits_of(20, 3, 4, 0.95)),
        Probe("exactly at the threshold", lambda: (torch.zeros(2, 3, 2), 0.5)),
        Probe("never sure", lambda: (torch.tensor([[[0.2, 0.1], [0.3, 0.1], [0.1, 0.4]]]), 0.99)),
        Probe("a single exit", _exit_logits_of(3, 1, 5)),
    ),
    misconceptions=(
        Misconception(
            "nobody answers",
            _exit_no_fallback,
            "An example that is never sure leaves at exit 0: argmax over all False gives 0. It "
            "has to go on to the last exit; set `sure[:, -1] = True` first.",
        ),
        Misconception(
            "the surest exit",
            _exit_surest,
            "You take the surest of all exits. That needs all of them, so nothing is saved. Take "
            "the first that is sure enough.",
        ),
        Misconception(
            "scores instead of probabilities",
            _exit_logits,
            "You compare raw scores with the threshold. Scores have no scale: apply softmax over "
            "the classes first.",
        ),
        Misconception(
            "above instead of at least",
            _exit_strict,
            "A probability exactly at the threshold is enough here: use >=.",
        ),
        Misconception(
            "the last exit's answer",
            _exit_last_prediction,
            "The exits are right, but the classes are those of the last exit. Take each "
            "example's class from its own exit, for example with gather.",
        ),
        Misconception(
            "softmax over the exits",
            _exit_wrong_softmax,
            "Your softmax runs over the exits (dim=1). The probabilities of the classes are "
            "along the last dimension.",
        ),
        Misconception(
            "swapped",
            _exit_swapped,
            "You return the exits first. The order is: predicted classes, then exits.",
        ),
        Misconception(
            "threshold ignored",
            _exit_fixed,
            "Your exits do not change with the threshold. Use the argument instead of 0.75.",
        ),
        Misconception(
            "counts from 1",
            _exit_from_one,
            "The classes are right, but your exits count from 1. Count from 0.",
        ),
    ),
    hints=(
        "First get, for each example and exit, the largest probability and its class: (N, K) each.",
        "`sure = confidence >= threshold`, with the last column always True. Then find the first "
        "True in each row.",
        "`sure.int().argmax(dim=1)` is the first True; `predicted.gather(1, exits[:, None])` picks "
        "each example's class.",
    ),
    reasoning=(
        "argmax returns the first of equal maxima, so on a row of 0s and 1s it finds the first 1. "
        "Forcing the last column to True handles the examples that are never sure."
    ),
)

# --- 03.8: which pattern? ----------------------------------------------------------------------

which_pattern = ChoiceExercise(
    id="03.8",
    title="Same person or not?",
    question=(
        "A door shall open if the photo taken now shows the same person as the photo on the card. "
        "New people join every day, and the network must not be retrained. Which architecture?"
    ),
    options={
        "a": "A classifier with one output for each person.",
        "b": "One encoder applied to both photos, and a threshold on the distance of its codes.",
        "c": "Two encoders with weights of their own, one for each photo, and a threshold on the "
        "distance.",
        "d": "A deeper classifier with skip connections.",
    },
    correct="b",
    reasons={
        "a": "Each new person needs a new output, and so a new training.",
        "b": (
            "Shared weights put both photos into one space, where distance can mean 'another "
            "person'. It works for new people only if training has seen many others: section 6 "
            "shows how it fails otherwise."
        ),
        "c": (
            "Two encoders may put the same photo into two different places, so that their distance "
            "means nothing; and there are twice as many parameters to learn."
        ),
        "d": "Depth does not change that each person needs an output.",
    },
    hints=(
        "Which of them have an output for each known person?",
        "Give the same photo to both sides. In which architecture is the distance surely 0?",
        "Weight sharing makes the two codes comparable.",
    ),
)

# --- predictions -------------------------------------------------------------------------------

depth_guess = Prediction(
    "03.p1",
    "About 200 parameters each, trained on a zigzag of 8 straight pieces: one hidden layer of 64, "
    "two of 12, or three of 9 units. Which gets stuck least often, of 40 starts each?",
    options={"a": "one layer of 64", "b": "two layers of 12", "c": "three layers of 9"},
)
plain_guess = Prediction(
    "03.p2",
    "Weights matched to ReLU (gain √2) keep the gradient alive in a plain network of 100 blocks. "
    "How will it do on the digits after 20 steps?",
    options={
        "a": "as well as 2 blocks",
        "b": "somewhat worse",
        "c": "no better than guessing, about 10 %",
    },
)
exit_guess = Prediction(
    "03.p3",
    "A network is trained through its last exit only and is right about 90 % of the time there. "
    "Then you read the answer at the first exit. How often is that one right?",
    options={"a": "about 90 %", "b": "about 50 %", "c": "about 10 %"},
)
shift_guess = Prediction(
    "03.p4",
    "An MLP reads about 85 % of the test digits right. Now every digit moves 2 pixels to the side. "
    "What is left?",
    options={"a": "about 85 %", "b": "about 75 %", "c": "about 60 %", "d": "about 10 %"},
)
