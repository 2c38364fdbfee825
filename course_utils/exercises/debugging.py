"""The exercises of lesson 3.7, Debugging; its patients come from ``course_utils.clinic``."""

from __future__ import annotations

import contextlib
import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.clinic import (  # noqa: F401
    patient_1,
    patient_2,
    patient_3,
    patient_4,
    patient_5,
    patient_6,
    patient_7,
    patient_8,
    patient_9,
    patient_10,
    patient_11,
    patient_12,
)
from course_utils.exercises import FunctionExercise, Misconception, Prediction, Probe

# --- 07.1: overfit one batch -------------------------------------------------------------------


def can_overfit(model, X, y, steps=100, lr=0.01):
    """Whether a copy of the model learns X (N, ...), y (N,) by heart; the model stays as it is."""
    trial = copy.deepcopy(model).train()
    optimizer = torch.optim.Adam(trial.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(trial(X), y).backward()
        optimizer.step()
    trial.eval()
    with torch.no_grad():
        return bool((trial(X).argmax(dim=1) == y).all())


def _overfit_restore(model, X, y, steps=100, lr=0.01):
    before, mode = copy.deepcopy(model.state_dict()), model.training
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        loss = nn.CrossEntropyLoss()(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        answer = torch.equal(model(X).argmax(1), y)
    model.load_state_dict(before)
    model.zero_grad()
    model.train(mode)
    return answer


def _overfit_early(model, X, y, steps=100, lr=0.01):
    trial = copy.deepcopy(model)
    optimizer = torch.optim.Adam(trial.parameters(), lr=lr)
    for _ in range(steps):
        trial.train()
        loss = F.cross_entropy(trial(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trial.eval()
    return (trial(X).argmax(1) == y).float().mean().item() == 1.0


def _overfit_sloppy(
    copied=True, training=True, evaluation=True, judge="all", fixed_lr=False, fixed_steps=False
):
    def can_overfit(model, X, y, steps=100, lr=0.01):
        trial = copy.deepcopy(model) if copied else model
        if training:
            trial.train()
        before = F.cross_entropy(trial(X), y).item()
        optimizer = torch.optim.Adam(trial.parameters(), lr=0.01 if fixed_lr else lr)
        for _ in range(100 if fixed_steps else steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(trial(X), y)
            loss.backward()
            optimizer.step()
        if evaluation:
            trial.eval()
        share = (trial(X).argmax(1) == y).float().mean().item()
        if judge == "fell":
            return loss.item() < before
        if judge == "share":
            return share
        if judge == "chance":
            return share > 0.5
        return share == 1.0

    return can_overfit


class _Flat(nn.Module):
    """A network whose answer does not depend on its input, as after a bad broadcast."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(0 * x)


def _overfit_model(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "flat":
        return _Flat()
    if kind == "dropout":
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 3))
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))


def _observe_overfit(answer, kind: str, samples: int, training: bool, options: dict):
    model = _overfit_model(kind).train(training)
    before = [p.detach().clone() for p in model.parameters()]
    generator = torch.Generator().manual_seed(1)
    X, y = torch.randn(samples, 4, generator=generator), torch.arange(samples) % 3
    if kind == "contradiction":
        X[1] = X[0]  # one input with two labels
    torch.manual_seed(0)
    found = answer(model, X, y, **options)
    pairs = zip(before, model.parameters(), strict=True)
    return {
        "answer": found,
        "weights unchanged": all(torch.equal(a, b) for a, b in pairs),
        "mode unchanged": model.training == training,
    }


overfit_one_batch = FunctionExercise(
    id="07.1",
    title="Overfit one batch",
    statement=(
        "Write `can_overfit(model, X, y, steps=100, lr=0.01)`: train on this one batch with Adam "
        "and cross-entropy for `steps` steps, in training mode. Return True if the trained "
        "network, in evaluation mode, gets every sample right, otherwise False. The model itself "
        "must stay as it was: its weights and its mode."
    ),
    solution=can_overfit,
    alternatives=(_overfit_restore, _overfit_early),
    observe=_observe_overfit,
    context={"copy": copy},
    time_limit=30.0,  # a process's first optimizer imports a lot
    probes=(
        Probe("a healthy network", lambda: ("plain", 6, True, {})),
        Probe("an output that ignores its input", lambda: ("flat", 6, True, {})),
        Probe("a network with dropout", lambda: ("dropout", 9, False, {"steps": 200})),
        Probe("one input with two labels", lambda: ("contradiction", 6, True, {})),
        Probe("one step only", lambda: ("plain", 6, False, {"steps": 1})),
        Probe("a tiny learning rate", lambda: ("plain", 6, True, {"lr": 1e-7})),
    ),
    misconceptions=(
        Misconception(
            "the model itself is trained",
            _overfit_sloppy(copied=False),
            "The test has changed the model that it tests: the real training would start from "
            "weights that know one batch by heart. Train copy.deepcopy(model).",
        ),
        Misconception(
            "judged in training mode",
            _overfit_sloppy(evaluation=False),
            "A network with dropout has learned all samples, and you say that it has not. Do you "
            "judge in training mode, where dropout still erases half of the inputs? Call .eval() "
            "on the copy before you look at its answers. (If you do, look at zero_grad().)",
        ),
        Misconception(
            "the loss fell",
            _overfit_sloppy(judge="fell"),
            "A loss that falls is not enough: it also falls for a network that ignores its input. "
            "Ask whether every sample is right at the end.",
        ),
        Misconception(
            "a share, not an answer",
            _overfit_sloppy(judge="share"),
            "You return the share of right answers. Return True if it is 1, otherwise False.",
        ),
        Misconception(
            "better than chance",
            _overfit_sloppy(judge="chance"),
            "You are content with half of the samples. With so few of them a healthy network gets "
            "all of them right, and only that is a test.",
        ),
        Misconception(
            "its own learning rate",
            _overfit_sloppy(fixed_lr=True),
            "You use a learning rate of your own. A rate that is too small is one of the faults "
            "that this test has to find: use lr.",
        ),
        Misconception(
            "its own number of steps",
            _overfit_sloppy(fixed_steps=True),
            "You always take 100 steps. Take as many as `steps` says.",
        ),
    ),
    hints=(
        "Three parts: a copy, a training loop on one batch, and a question at the end.",
        "copy.deepcopy(model) gives you a network that you may spoil; .train() and .eval() set its "
        "mode.",
        "bool((trial(X).argmax(dim=1) == y).all()) after trial.eval() is the answer.",
    ),
    reasoning=(
        "A deep copy keeps the tested model untouched, whatever happens. Training mode, because "
        "that is what will run; evaluation mode for the verdict, because dropout must not decide "
        "it. All samples right is a claim that a broken forward or backward pass rarely survives."
    ),
)

# --- 07.2: a table of gradient norms -----------------------------------------------------------


def gradient_norms(model):
    """Name of each parameter -> norm of its gradient, None if it has no gradient."""
    return {
        name: None if p.grad is None else p.grad.norm().item()
        for name, p in model.named_parameters()
    }


def _norms_by_hand(model):
    table = {}
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        table[name] = None
        if gradient is not None:
            table[name] = math.sqrt(gradient.detach().double().square().sum().item())
    return table


def _norms_tensor(model):
    return {
        name: p.grad if p.grad is None else float(torch.linalg.vector_norm(p.grad))
        for name, p in model.named_parameters()
    }


def _norms_sloppy(measure, missing=None, keep=True):
    def gradient_norms(model):
        table = {}
        for name, p in model.named_parameters():
            if p.grad is not None:
                table[name] = measure(p)
            elif keep:
                table[name] = missing
        return table

    return gradient_norms


def _length(p):
    return p.grad.norm().item()


def _observe_norms(answer, kind: str):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.arange(1.0, 1.0 + parameter.numel()).view_as(parameter) - 2 - k)
        if kind == "dead":
            model[0].weight.zero_()
            model[0].bias.fill_(-1.0)
    if kind == "frozen":
        model[0].requires_grad_(False)
    if kind != "before backward":
        x = torch.tensor([[1.0, 2.0], [-3.0, 0.5], [0.5, -1.0]]).double()
        model(x).square().sum().backward()
    return answer(model)


gradient_table = FunctionExercise(
    id="07.2",
    title="A table of gradient norms",
    statement=(
        "Write `gradient_norms(model)` for a model whose backward pass has run: a dictionary from "
        "the name of each parameter, as in `model.named_parameters()`, to the Euclidean norm of "
        "its gradient as a plain number. A parameter without a gradient gets None."
    ),
    solution=gradient_norms,
    alternatives=(_norms_by_hand, _norms_tensor),
    observe=_observe_norms,
    probes=(
        Probe("a healthy network", lambda: ("healthy",)),
        Probe("a frozen first layer", lambda: ("frozen",)),
        Probe("dead hidden units", lambda: ("dead",)),
        Probe("before any backward pass", lambda: ("before backward",)),
    ),
    misconceptions=(
        Misconception(
            "the mean",
            _norms_sloppy(lambda p: p.grad.mean().item()),
            "You take the mean of the entries. Positive and negative ones cancel, so a healthy "
            "gradient can have a mean of nearly 0. Take the norm.",
        ),
        Misconception(
            "the largest entry",
            _norms_sloppy(lambda p: p.grad.abs().max().item()),
            "You take the largest entry. The Euclidean norm is the root of the sum of all squares.",
        ),
        Misconception(
            "no root",
            _norms_sloppy(lambda p: p.grad.square().sum().item()),
            "You return the sum of squares. Take its square root.",
        ),
        Misconception(
            "root of the mean square",
            _norms_sloppy(lambda p: p.grad.square().mean().sqrt().item()),
            "You divide by the number of entries. That is a useful number too, but the norm is "
            "the root of the *sum* of squares.",
        ),
        Misconception(
            "the weights' norm",
            _norms_sloppy(lambda p: p.norm().item()),
            "This is the norm of the parameter itself. You want that of its gradient, p.grad.",
        ),
        Misconception(
            "None becomes zero",
            _norms_sloppy(_length, missing=0.0),
            "You write 0.0 where there is no gradient. The two are different findings: None means "
            "that no gradient came (frozen, detached, not used), zero that one came and was zero.",
        ),
        Misconception(
            "parameters left out",
            _norms_sloppy(_length, keep=False),
            "You leave out the parameters without a gradient. They are the ones that you are "
            "looking for: give them None.",
        ),
    ),
    hints=(
        "model.named_parameters() gives the pairs of a name and a parameter p.",
        "p.grad is None, or a tensor of the shape of p.",
        "p.grad.norm().item() if p.grad is not None, else None.",
    ),
    reasoning=(
        "The norm is one number for a whole tensor in which nothing cancels. Keeping None apart "
        "from 0.0 tells a gradient that never came from one that was multiplied by zero on the way."
    ),
)

# --- 07.3: dead units by hooks -----------------------------------------------------------------


def dead_units(model, x):
    """Name of each nn.ReLU -> number of its units that are 0 for every row of x (N, D)."""
    counts, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, nn.ReLU):

            def hook(module, inputs, output, name=name):
                counts[name] = (output == 0).all(dim=0).sum().item()

            handles.append(module.register_forward_hook(hook))
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return counts


def _dead_collect(model, x):
    seen = {}

    def keep(name):
        def hook(module, args, output):
            seen[name] = output.detach().clone()

        return hook

    with contextlib.ExitStack() as stack:
        for name, module in model.named_modules():
            if type(module) is nn.ReLU:
                stack.enter_context(module.register_forward_hook(keep(name)))
        model(x)
    return {name: int((values.abs().sum(0) == 0).sum()) for name, values in seen.items()}


def _dead_max(model, x):
    counts, handles = {}, []
    names = {module: name for name, module in model.named_modules()}

    def hook(module, inputs, output):
        if isinstance(module, nn.ReLU):
            counts[names[module]] = (output.amax(0) <= 0).sum().item()

    try:
        handles = [module.register_forward_hook(hook) for module in names]
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return counts


def _dead_sloppy(count=None, remove=True, kind=nn.ReLU, late=False, returns=False):
    count = count or (lambda output: (output == 0).all(dim=0).sum().item())

    def dead_units(model, x):
        counts, handles = {}, []
        for name, module in model.named_modules():
            if isinstance(module, kind) and any(module.children()) is False:

                def hook(module, inputs, output, key=name):
                    counts[name if late else key] = count(output)  # noqa: B023
                    return torch.zeros_like(output) if returns else None

                handles.append(module.register_forward_hook(hook))
        with torch.no_grad():
            model(x)
        if remove:
            for handle in handles:
                handle.remove()
        return counts

    return dead_units


def _dead_outermost(model, x):
    counts, handles = {}, []
    for name, module in model.named_children():
        if isinstance(module, nn.ReLU):

            def hook(module, inputs, output, name=name):
                counts[name] = (output == 0).all(dim=0).sum().item()

            handles.append(module.register_forward_hook(hook))
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return counts


def _observe_dead(answer, rows: int, nested: bool):
    """What is found in a network with 2 and 3 dead units, and the hooks that are left."""
    model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 1))
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            ramp = torch.linspace(-1, 1, parameter.numel()).roll(k)
            parameter.copy_(ramp.view_as(parameter))
        model[0].bias[:2] = -50.0
        model[2].bias[:3] = -50.0
        model[2].bias[3:] = 1.0
        model[2].weight[3], model[2].bias[3] = 1.0, -0.01  # awake only if a unit below is
        model[0].weight[2], model[0].bias[2] = 0.0, 2e-5  # hardly awake, and not dead
    if nested:
        model = nn.Sequential(nn.Sequential(*model[:4]), model[4])
    x = torch.linspace(-2, 2, 2 * rows).view(rows, 2)
    found = answer(model, x)
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    return {"dead units": found, "hooks left behind": hooks}


dead_hook = FunctionExercise(
    id="07.3",
    title="Dead units by hooks",
    statement=(
        "Write `dead_units(model, x)`: send x (N, D) through the model once, with a forward hook "
        "on every nn.ReLU, and return a dictionary from the name of each of these layers to the "
        "number of its units that are 0 for all N samples. Leave no hook behind."
    ),
    solution=dead_units,
    alternatives=(_dead_collect, _dead_max),
    observe=_observe_dead,
    probes=(
        Probe("eight samples", lambda: (8, False)),
        Probe("three samples", lambda: (3, False)),
        Probe("ReLUs inside of a block", lambda: (8, True)),
    ),
    misconceptions=(
        Misconception(
            "hooks left behind",
            _dead_sloppy(remove=False),
            "The hooks are still there: every later forward pass will run them, and a second call "
            "of your function adds more. Keep the handles and call .remove() on each.",
        ),
        Misconception(
            "zeros, not dead units",
            _dead_sloppy(lambda output: (output == 0).sum().item()),
            "You count all zeros. A unit that is 0 for some samples is healthy; dead means 0 for "
            "every sample: .all(dim=0) first.",
        ),
        Misconception(
            "along the wrong dimension",
            _dead_sloppy(lambda output: (output == 0).all(dim=1).sum().item()),
            "You count samples for which all units are 0. The samples lie along dimension 0, so "
            "take .all(dim=0).",
        ),
        Misconception(
            "zero for some sample",
            _dead_sloppy(lambda output: (output == 0).any(dim=0).sum().item()),
            "You count the units that are 0 for at least one sample. Dead means for all: use .all, "
            "not .any.",
        ),
        Misconception(
            "a share",
            _dead_sloppy(lambda output: (output == 0).all(dim=0).float().mean().item()),
            "You return a share of the units. Return their number.",
        ),
        Misconception(
            "the last name for all",
            _dead_sloppy(late=True),
            "All your hooks share one loop variable, and when they run it has its last value, so "
            "they write under one name. Bind it early: def hook(..., name=name).",
        ),
        Misconception(
            "every layer",
            _dead_sloppy(kind=nn.Module),
            "You watch every layer. Only the nn.ReLU layers were asked for.",
        ),
        Misconception(
            "only the outermost layers",
            _dead_outermost,
            "You miss the ReLUs that stand inside of a block. model.named_children() goes one "
            "level deep, model.named_modules() goes all the way down.",
        ),
        Misconception(
            "the hook changes the output",
            _dead_sloppy(returns=True),
            "Your hook returns something, and what a forward hook returns replaces the layer's "
            "output. Return nothing.",
        ),
    ),
    hints=(
        "module.register_forward_hook(f) calls f(module, inputs, output) after each forward pass, "
        "and returns a handle.",
        "(output == 0).all(dim=0) is True for each dead unit; count with .sum().item().",
        "Loop over model.named_modules(); give the hook its own name=name; in the end call "
        "handle.remove() for each handle.",
    ),
    reasoning=(
        "The hook sees what the layer puts out, without any change of the model. Samples lie along "
        "dimension 0, so all(dim=0) asks each unit whether it ever woke up. Handles are removed, "
        "because a forgotten hook runs for ever."
    ),
)

# --- 07.4: a wrong backward --------------------------------------------------------------------


def scaled_tanh_backward(grad_output, t, scale):
    """Gradients for x (N, D) and scale (D,); grad_output is (N, D), t = tanh(x)."""
    grad_x = grad_output * scale * (1 - t**2)
    grad_scale = (grad_output * t).sum(dim=0)
    return grad_x, grad_scale


def _backward_einsum(grad_output, t, scale):
    grad_x = torch.einsum("nd,d,nd->nd", grad_output, scale, 1 - t * t)
    return [grad_x, torch.einsum("nd,nd->d", grad_output, t)]


def _backward_loop(grad_output, t, scale):
    grad_scale = torch.zeros_like(scale)
    for row, upstream in zip(t, grad_output, strict=True):
        grad_scale += upstream * row
    return grad_output.mul(scale).mul(1 - t.square()), grad_scale


def _backward_by_autograd(grad_output, t, scale):
    x, s = torch.atanh(t).requires_grad_(), scale.clone().requires_grad_()
    return torch.autograd.grad(s * torch.tanh(x), (x, s), grad_output)


def _backward_no_upstream(grad_output, t, scale):
    return scale * (1 - t**2), t.sum(0)


def _backward_no_scale(grad_output, t, scale):
    return grad_output * (1 - t**2), (grad_output * t).sum(0)


def _backward_of_output(grad_output, t, scale):
    y = scale * t
    return grad_output * scale * (1 - y**2), (grad_output * t).sum(0)


def _backward_no_sum(grad_output, t, scale):
    return grad_output * scale * (1 - t**2), grad_output * t


def _backward_mean(grad_output, t, scale):
    return grad_output * scale * (1 - t**2), (grad_output * t).mean(0)


def _backward_slope_of_scale(grad_output, t, scale):
    return grad_output * scale * (1 - t**2), (grad_output * (1 - t**2)).sum(0)


def _backward_swapped(grad_output, t, scale):
    return scaled_tanh_backward(grad_output, t, scale)[::-1]


def _backward_as_given(grad_output, t, scale):
    return grad_output * (1 - t**2), t.sum(dim=0)


def _observe_backward(answer, rows: int, columns: int):
    """Both gradients in float64, as gradcheck would ask for them."""
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    upstream = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    scale = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)[:columns]
    return answer(upstream, torch.tanh(x), scale)


wrong_backward = FunctionExercise(
    id="07.4",
    title="A wrong backward",
    statement=(
        "y = scale · tanh(x), with x (N, D) and scale (D,). Write "
        "`scaled_tanh_backward(grad_output, t, scale)`: given the gradient for y, (N, D), and "
        "t = tanh(x), return the gradients for x, (N, D), and for scale, (D,), as a pair. The "
        "version in the text has two faults, and gradcheck refuses it."
    ),
    solution=scaled_tanh_backward,
    alternatives=(_backward_einsum, _backward_loop, _backward_by_autograd),
    observe=_observe_backward,
    rtol=1e-7,
    atol=1e-9,
    probes=(
        Probe("four rows", lambda: (4, 3)),
        Probe("one row", lambda: (1, 3)),
        Probe("two columns", lambda: (5, 2)),
    ),
    misconceptions=(
        Misconception(
            "upstream forgotten",
            _backward_no_upstream,
            "You return the local derivatives. The chain rule multiplies each by grad_output, the "
            "gradient that arrives from above.",
        ),
        Misconception(
            "grad_output forgotten for scale",
            lambda grad_output, t, scale: (grad_output * scale * (1 - t**2), t.sum(dim=0)),
            "The gradient for x is right. That for scale is not: t is only the local derivative. "
            "Multiply it by the gradient that arrives from above before you sum.",
        ),
        Misconception(
            "scale forgotten",
            _backward_no_scale,
            "The gradient for scale is right. That for x is not: the derivative of scale · tanh(x) "
            "keeps the factor scale.",
        ),
        Misconception(
            "as given",
            _backward_as_given,
            "This is the version from the text. The gradient for x lacks a factor, and that for "
            "scale ignores grad_output.",
        ),
        Misconception(
            "the square of the output",
            _backward_of_output,
            "1 − tanh² needs tanh(x) itself. You square the output, which is already multiplied by "
            "scale.",
        ),
        Misconception(
            "not summed over the rows",
            _backward_no_sum,
            "scale has the shape (D,) but is used in every row, so its gradient is the sum over "
            "the rows: .sum(dim=0). Yours has the shape (N, D).",
        ),
        Misconception(
            "averaged over the rows",
            _backward_mean,
            "You average over the rows. A value that is used N times collects the sum of N "
            "gradients.",
        ),
        Misconception(
            "the slope in place of the value",
            _backward_slope_of_scale,
            "The output is linear in scale, with the factor tanh(x). Your gradient for scale uses "
            "the slope 1 − tanh² instead.",
        ),
        Misconception(
            "swapped",
            _backward_swapped,
            "The gradients come in the order of forward's inputs: x first, then scale.",
        ),
    ),
    hints=(
        "backward returns as many gradients as forward has inputs, each of its input's shape.",
        "For x: grad_output times the derivative of scale · tanh(x), which is scale · (1 − tanh²).",
        "For scale: (grad_output * t).sum(dim=0), because each entry of scale serves every row.",
    ),
    reasoning=(
        "Each gradient is the upstream gradient times a local derivative. Forward broadcasts scale "
        "over the rows; backward undoes a broadcast by a sum over the dimension that it has "
        "repeated. In float64 gradcheck agrees to about nine digits."
    ),
)

# --- 07.5: the update ratio --------------------------------------------------------------------


def update_ratio(model, optimizer, loss):
    """Take one step down the loss; name of each parameter -> norm of its change / norm before."""
    optimizer.zero_grad()
    loss.backward()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer.step()
    return {
        name: ((p.detach() - before[name]).norm() / before[name].norm()).item()
        for name, p in model.named_parameters()
    }


def _ratio_copy(model, optimizer, loss):
    old = copy.deepcopy(dict(model.named_parameters()))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        return {k: float((p - old[k]).norm() / old[k].norm()) for k, p in model.named_parameters()}


def _ratio_numpy(model, optimizer, loss):
    old = {k: v.clone() for k, v in model.state_dict().items()}
    model.zero_grad()
    loss.backward()
    optimizer.step()
    new = model.state_dict()
    return {k: math.sqrt(((new[k] - old[k]) ** 2).sum() / (old[k] ** 2).sum()) for k in old}


def _ratio_no_clone(model, optimizer, loss):
    before = {name: p.detach() for name, p in model.named_parameters()}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {
        name: ((p.detach() - before[name]).norm() / before[name].norm()).item()
        for name, p in model.named_parameters()
    }


def _ratio_sloppy(relative=True, by_new=False, zero=True, step=True, gradient=False, mean=False):
    def update_ratio(model, optimizer, loss):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        if zero:
            optimizer.zero_grad()
        loss.backward()
        if step:
            optimizer.step()
        found = {}
        for name, p in model.named_parameters():
            moved, size = p.detach() - before[name], p if by_new else before[name]
            if gradient:
                moved = torch.zeros(()) if p.grad is None else p.grad
            if mean:
                moved = moved.mean()
            found[name] = (moved.norm() / (size.norm() if relative else 1)).item()
        return found

    return update_ratio


def _observe_ratio(answer, kind: str):
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            ramp = torch.linspace(-1, 1, parameter.numel()) + 0.3 + k
            parameter.copy_(ramp.view_as(parameter))
    chosen = model[2].parameters() if kind == "head" else model.parameters()
    if kind == "adam":
        optimizer = torch.optim.Adam(chosen, lr=0.02)
    else:
        optimizer = torch.optim.SGD(chosen, lr=0.05)
    x = torch.tensor([[1.0, -0.5], [0.2, 0.8], [-1.0, 0.4]], dtype=torch.float64)
    model(2 * x).sum().backward()  # gradients of an earlier batch are still there
    before = [p.detach().clone() for p in model.parameters()]
    found = answer(model, optimizer, (model(x) - 1).square().mean())
    moved = any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    return {"ratios": found, "a step was taken": moved}


ratio = FunctionExercise(
    id="07.5",
    title="The update ratio",
    statement=(
        "Write `update_ratio(model, optimizer, loss)`: clear the old gradients, do the backward "
        "pass and one step, and return a dictionary from the name of each parameter to "
        "‖change‖ / ‖value before the step‖, as plain numbers."
    ),
    solution=update_ratio,
    alternatives=(_ratio_copy, _ratio_numpy),
    observe=_observe_ratio,
    time_limit=30.0,  # a process's first optimizer imports a lot
    rtol=1e-6,
    atol=1e-9,
    probes=(
        Probe("plain SGD", lambda: ("sgd",)),
        Probe("Adam", lambda: ("adam",)),
        Probe("an optimizer that holds only the last layer", lambda: ("head",)),
    ),
    misconceptions=(
        Misconception(
            "no clone",
            _ratio_no_clone,
            "Everything is 0: what you kept are references to the live parameters, and the step "
            "changed them too. Keep p.detach().clone().",
        ),
        Misconception(
            "gradient over weight",
            _ratio_sloppy(gradient=True),
            "You divide the gradient by the weight. The step is not the gradient: the learning "
            "rate, and in Adam the scaling, come between. Compare the parameter before and after.",
        ),
        Misconception(
            "not relative",
            _ratio_sloppy(relative=False),
            "You return the length of the change. Divide it by the norm of the parameter before "
            "the step.",
        ),
        Misconception(
            "divided by the new norm",
            _ratio_sloppy(by_new=True),
            "You divide by the norm after the step. Take the norm before it.",
        ),
        Misconception(
            "old gradients not cleared",
            _ratio_sloppy(zero=False),
            "The gradients of an earlier batch were still there and were added. Clear them before "
            "the backward pass.",
        ),
        Misconception(
            "no step",
            _ratio_sloppy(step=False),
            "All ratios are 0 because nothing has moved. Is there an optimizer.step(), and are the "
            "gradients of this loss still there when it comes?",
        ),
        Misconception(
            "the mean change",
            _ratio_sloppy(mean=True),
            "You take the mean of the change, in which ups and downs cancel. Take its norm.",
        ),
    ),
    hints=(
        "You need the parameters twice: before the step and after it.",
        "p.detach().clone() keeps a value that the step cannot touch.",
        "(p.detach() - before[name]).norm() / before[name].norm(), then .item().",
    ),
    reasoning=(
        "Comparing before and after works for every optimizer, because it does not ask how the "
        "step was computed. A ratio of 0 means that a parameter did not move at all: frozen, or "
        "unknown to the optimizer."
    ),
)

# --- 07.6: reading a range test ----------------------------------------------------------------


def suggest_rate(rates, losses):
    """A tenth of the rate with the lowest loss, read only up to where the loss breaks away."""
    best_rate, lowest = None, float("inf")
    for rate, loss in zip(rates, losses, strict=True):
        if not math.isfinite(loss) or loss > 2 * lowest:
            break
        if loss < lowest:
            best_rate, lowest = rate, loss
    return best_rate / 10


def _suggest_tensor(rates, losses):
    losses = torch.tensor(losses, dtype=torch.float64)
    lowest = losses.nan_to_num(nan=float("inf")).cummin(0).values
    broken = ~losses.isfinite()
    broken[1:] |= losses[1:] > 2 * lowest[:-1]
    end = int(broken.nonzero()[0]) if broken.any() else len(losses)
    return 0.1 * rates[int(losses[:end].argmin())]


def _suggest_sloppy(tenth=True, stop=True, what="lowest"):
    def suggest_rate(rates, losses):
        best, lowest, kept = None, float("inf"), []
        for rate, loss in zip(rates, losses, strict=True):
            if math.isfinite(loss) and loss < lowest:
                best, lowest = rate, loss
            elif stop and (not math.isfinite(loss) or loss > 2 * lowest):
                break
            kept.append(rate)
        picked = kept[-1] if what == "last" else best
        return picked / 10 if tenth else picked

    return suggest_rate


def _suggest_first_rise(rates, losses):
    k = 0
    while k + 1 < len(losses) and losses[k + 1] <= losses[k]:
        k += 1
    return rates[k] / 10


def _suggest_previous(rates, losses):
    best, lowest, last = None, float("inf"), float("inf")
    for rate, loss in zip(rates, losses, strict=True):
        if not math.isfinite(loss) or loss > 2 * last:
            break
        if loss < lowest:
            best, lowest = rate, loss
        last = loss
    return best / 10


_RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]

range_test = FunctionExercise(
    id="07.6",
    title="Read a range test",
    statement=(
        "Write `suggest_rate(rates, losses)` for two lists of a range test. Read from the left, "
        "and stop at the first loss that is not finite or more than twice the lowest before it. "
        "Return a tenth of the rate with the lowest loss among those that you have read."
    ),
    solution=suggest_rate,
    alternatives=(_suggest_tensor,),
    rtol=1e-6,
    probes=(
        Probe(
            "a valley, then a wall",
            lambda: (_RATES, [2.3, 2.3, 2.2, 2.0, 1.5, 1.1, 1.4, 9.0]),
        ),
        Probe(
            "it ends in NaN",
            lambda: (_RATES, [2.3, 2.3, 2.1, 1.7, 1.2, 1.6, float("nan"), float("nan")]),
        ),
        Probe(
            "a lucky value behind the wall",
            lambda: (_RATES, [2.3, 2.2, 1.9, 1.4, 1.0, 7.0, 0.8, 5.0]),
        ),
        Probe(
            "a bump on the way down",
            lambda: (_RATES, [2.3, 2.35, 1.5, 2.7, 1.6, 1.2, 3.1, 8.0]),
        ),
        Probe(
            "it creeps away",
            lambda: (_RATES, [2.3, 2.0, 1.0, 1.8, 3.0, 0.6, 4.0, 9.0]),
        ),
        Probe(
            "it falls to the end",
            lambda: (_RATES, [2.3, 2.2, 2.1, 1.9, 1.6, 1.2, 0.9, 0.7]),
        ),
    ),
    misconceptions=(
        Misconception(
            "the minimum itself",
            _suggest_sloppy(tenth=False),
            "You return the rate of the lowest loss. There the loss is about to break away; go a "
            "factor of 10 to the left.",
        ),
        Misconception(
            "no end",
            _suggest_sloppy(stop=False),
            "You also look behind the wall, where a low loss is luck. Stop at the first loss that "
            "is not finite or more than twice the lowest so far.",
        ),
        Misconception(
            "the last rate before the wall",
            _suggest_sloppy(what="last"),
            "You take the last rate before the loss breaks away. The lowest loss comes earlier.",
        ),
        Misconception(
            "compared with the loss before",
            _suggest_previous,
            "You read on where the loss has crept away, and find a lucky value there. Stop as soon "
            "as a loss is more than twice the lowest so far. Comparing it with the one just "
            "before, or with the first, does not catch a slow rise.",
        ),
        Misconception(
            "stopped at the first bump",
            _suggest_first_rise,
            "You stop at the first loss that is higher than the one before. Losses of single "
            "batches go up and down; stop only at more than twice the lowest.",
        ),
    ),
    hints=(
        "Walk from left to right and remember the lowest loss so far and its rate.",
        "Two reasons to stop: not math.isfinite(loss), or loss > 2 * lowest.",
        "Check for the stop before you compare with the lowest; return best_rate / 10.",
    ),
    reasoning=(
        "At the lowest point of the curve the training is about to break, and the curve's rates "
        "were met only once each; a tenth leaves room for a whole training. What comes after the "
        "wall is no evidence."
    ),
)

# --- predictions -------------------------------------------------------------------------------

isnan_guess = Prediction(
    "07.p1",
    "One pixel is infinite. Does `torch.isnan(X).any()` find it?",
    options={"a": "yes", "b": "no"},
)
memorize_guess = Prediction(
    "07.p2",
    "Ten digits with labels drawn at random. Can the network learn them by heart?",
    options={"a": "no: there is nothing to learn", "b": "yes", "c": "only some of them"},
)
clip_guess = Prediction(
    "07.p3",
    "One pixel of the training data is NaN, and the loss becomes NaN. What cures it?",
    options={
        "a": "a learning rate that is 100 times smaller",
        "b": "clipping the gradient",
        "c": "either of the two",
        "d": "neither",
    },
)
wrong_loss_guess = Prediction(
    "07.p4",
    "Which of these gives the lowest accuracy on new digits?",
    options={
        "a": "the squared error on one-hot targets",
        "b": "softmax before the cross-entropy",
        "c": "training labels that are all too large by one (9 becomes 0)",
        "d": "NLLLoss on raw outputs",
    },
)
step_guess = Prediction(
    "07.p5",
    "A central difference in float32. Which step h gives the smallest error?",
    options={"a": "1e-2", "b": "1e-4", "c": "1e-7", "d": "the smaller, the better"},
)
