"""The exercises of lesson 3.4, Weight initialization."""

from __future__ import annotations

import math
import numbers

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

# --- 04.1: the standard deviation of Kaiming's weights -----------------------------------------


def kaiming_std(shape, mode="fan_in", slope=0.0):
    """Standard deviation for a weight of this shape: (out, in) or (out, in, height, width)."""
    receptive = math.prod(shape[2:])  # 1 for a linear layer
    fan = (shape[1] if mode == "fan_in" else shape[0]) * receptive
    return math.sqrt(2 / (1 + slope**2)) / math.sqrt(fan)


def _std_numel(shape, mode="fan_in", slope=0.0):
    fan = math.prod(shape) / (shape[0] if mode == "fan_in" else shape[1])
    return (2 / ((1 + slope**2) * fan)) ** 0.5


def _std_by_torch(shape, mode="fan_in", slope=0.0):
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    gain = nn.init.calculate_gain("leaky_relu", slope)
    return torch.tensor(gain / (fan_in if mode == "fan_in" else fan_out) ** 0.5)


def _std_swapped(shape, mode="fan_in", slope=0.0):
    fan = (shape[0] if mode == "fan_in" else shape[1]) * math.prod(shape[2:])
    return math.sqrt(2 / (1 + slope**2) / fan)


def _std_no_kernel(shape, mode="fan_in", slope=0.0):
    fan = shape[1] if mode == "fan_in" else shape[0]
    return math.sqrt(2 / (1 + slope**2) / fan)


def _std_variance(shape, mode="fan_in", slope=0.0):
    return kaiming_std(shape, mode, slope) ** 2


def _std_gain_one(shape, mode="fan_in", slope=0.0):
    return kaiming_std(shape, mode, slope) / math.sqrt(2)


def _std_no_slope(shape, mode="fan_in", slope=0.0):
    return kaiming_std(shape, mode)


def _std_slope_not_squared(shape, mode="fan_in", slope=0.0):
    return kaiming_std(shape, mode) / math.sqrt(1 + slope)


def _std_bound(shape, mode="fan_in", slope=0.0):
    return math.sqrt(3) * kaiming_std(shape, mode, slope)


def _std_ignores_mode(shape, mode="fan_in", slope=0.0):
    return kaiming_std(shape, "fan_in", slope)


def _std_xavier(shape, mode="fan_in", slope=0.0):
    return math.sqrt(2 / ((shape[0] + shape[1]) * math.prod(shape[2:])))


def _one_number(value: object) -> float:
    """Read a number from a float, an int or a tensor with one element."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value)
    if hasattr(value, "item") and getattr(value, "size", 2) == 1:
        return float(value.item())
    if value is None:
        raise AnswerError("the function returned None. Did you forget a `return`?")
    raise AnswerError(f"expected one number, got {type(value).__name__}.")


def _observe_number(answer, shape, mode=None, slope=None):
    value = answer(*(given for given in (shape, mode, slope) if given is not None))
    return value if value is ... else _one_number(value)


kaiming_exercise = FunctionExercise(
    id="04.1",
    title="Kaiming's standard deviation",
    statement=(
        "Write `kaiming_std(shape, mode='fan_in', slope=0.0)`. `shape` is that of a weight: "
        "(out, in) of a linear layer or (out, in, height, width) of a convolution. Return the "
        "standard deviation gain / √fan, with gain = √(2 / (1 + slope²))."
    ),
    solution=kaiming_std,
    observe=_observe_number,
    alternatives=(_std_numel, _std_by_torch),
    probes=(
        Probe("a linear layer 100 → 50", lambda: ((50, 100),)),
        Probe("the same with fan_out", lambda: ((50, 100), "fan_out")),
        Probe("a 3 × 5 convolution, 8 → 16 channels", lambda: ((16, 8, 3, 5),)),
        Probe("that convolution with fan_out", lambda: ((16, 8, 3, 5), "fan_out")),
        Probe("leaky ReLU with slope 0.5", lambda: ((30, 20), "fan_in", 0.5)),
        Probe("a weight's own shape", lambda: (torch.zeros(4, 9).shape,)),
    ),
    misconceptions=(
        Misconception(
            "the two fans swapped",
            _std_swapped,
            "fan_in and fan_out are swapped. `nn.Linear` stores its weight as (out, in), so fan_in "
            "is shape[1].",
        ),
        Misconception(
            "forgets the kernel",
            _std_no_kernel,
            "Right for linear layers, but a unit of a convolution sums over the whole kernel too: "
            "multiply the fan by height · width.",
        ),
        Misconception(
            "the variance",
            _std_variance,
            "That is the variance, gain² / fan. Take its square root.",
        ),
        Misconception(
            "without the 2",
            _std_gain_one,
            "Too small by √2. A ReLU removes half of the mean square, and the gain √(2 / (1 + "
            "slope²)) puts it back.",
        ),
        Misconception(
            "ignores the slope",
            _std_no_slope,
            "Right for ReLU, but `slope` is ignored. A leaky ReLU loses less, so its gain is "
            "√(2 / (1 + slope²)).",
        ),
        Misconception(
            "slope not squared",
            _std_slope_not_squared,
            "The slope enters squared, because variances multiply by squares: 1 + slope².",
        ),
        Misconception(
            "the uniform bound",
            _std_bound,
            "That is the bound of the uniform version, √3 times larger. Its standard deviation is "
            "bound / √3.",
        ),
        Misconception(
            "ignores the mode",
            _std_ignores_mode,
            "Right for fan_in, but `mode` is ignored. With 'fan_out' count the outputs, shape[0].",
        ),
        Misconception(
            "Xavier's formula",
            _std_xavier,
            "That is Xavier's √(2 / (fan_in + fan_out)), a compromise of both fans without a gain. "
            "Kaiming takes one fan.",
        ),
    ),
    hints=(
        "How many products does one unit add up? That is fan_in. Which entry of the shape says so?",
        "`math.prod(shape[2:])` is the size of the kernel, and 1 for a linear layer.",
        "fan = (shape[1] if mode == 'fan_in' else shape[0]) · kernel, then √(2 / (1 + slope²) / "
        "fan).",
    ),
    reasoning=(
        "One unit adds fan_in = in · height · width products, so Var(z) = fan_in · Var(w) · E[x²]. "
        "After a leaky ReLU, E[x²] is (1 + slope²) / 2 of the variance before it. Both factors "
        "together give 1 when Var(w) = 2 / ((1 + slope²) fan_in)."
    ),
)

# --- 04.2: initialize by module type -----------------------------------------------------------


def init_weights(module):
    """Kaiming weights and zero biases for Linear and Conv2d; leave every other module alone."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def _init_by_hand(module):
    if type(module) in (nn.Linear, nn.Conv2d):
        fan_in = module.weight[0].numel()
        module.weight.normal_(0, (2 / fan_in) ** 0.5)
        if getattr(module, "bias", None) is not None:
            module.bias.fill_(0)


def _init_uniform(module):
    match module:
        case nn.Linear() | nn.Conv2d():
            nn.init.kaiming_uniform_(module.weight)
            for name, parameter in module.named_parameters():
                if name == "bias":
                    nn.init.constant_(parameter, 0.0)


def _init_no_guard(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def _init_nothing(module):
    return module


def _init_linear_only(module):
    if isinstance(module, nn.Linear):
        init_weights(module)


def _init_conv_only(module):
    if isinstance(module, nn.Conv2d):
        init_weights(module)


def _init_fan_out(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _init_xavier(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _init_keeps_bias(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _init_bias_001(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.constant_(module.bias, 0.01)


def _init_everything(module):
    if hasattr(module, "weight"):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _init_all_biases(module):
    init_weights(module)
    if getattr(module, "weight", None) is not None and module.weight.ndim > 1:
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _init_a_sqrt5(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        module.reset_parameters()
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _init_shape_one(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.normal_(module.weight, std=(2 / module.weight.shape[1]) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _init_every_bias(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)


def _init_same_seed(module):
    torch.manual_seed(0)
    init_weights(module)


def _init_frozen(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        init_weights(module)
        module.requires_grad_(False)


def _several_kinds() -> nn.Module:
    """A network with a nested part, layers without bias, a norm and an embedding."""
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(300, 120), nn.ReLU(), nn.Linear(120, 400, bias=False))
    norm = nn.BatchNorm2d(70)
    nn.init.uniform_(norm.weight, 0.5, 1.5)  # as after some training
    nn.init.uniform_(norm.bias, -0.5, 0.5)
    return nn.Sequential(
        nn.Conv2d(40, 70, 3), norm, nn.Conv2d(30, 50, 5, bias=False), inner, nn.Embedding(60, 90),
    )  # fmt: skip


def _three_linears() -> nn.Module:
    return nn.Sequential(nn.Linear(400, 150), nn.Linear(150, 300), nn.Linear(400, 150))


def _observe_init(answer, model):
    """What `model.apply(answer)` did to each layer, in words that do not depend on the draw."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.apply(answer)
    found, seen = {}, []
    for name, module in model.named_modules():
        for part, value in module.named_parameters(recurse=False):
            where = f"{name} {type(module).__name__}.{part}"
            old = before.get(f"{name}.{part}" if name else part)
            if old is not None and torch.equal(value, old):
                found[where] = "as it was"
            elif not isinstance(module, (nn.Linear, nn.Conv2d)):
                found[where] = "changed"
            elif part == "bias":
                low, high = value.min().item(), value.max().item()
                found[where] = "all 0" if low == high == 0 else f"{low:.3g} to {high:.3g}"
            else:
                fan_in, repeated = value[0].numel(), any(torch.equal(value, w) for w in seen)
                found[where] = f"std = {value.std().item() * fan_in**0.5:.1f} / √fan_in"
                found[where] += ", equal to another layer's" if repeated else ""
                seen.append(value)
            found[where] += "" if value.requires_grad else ", frozen"
    return found


init_exercise = FunctionExercise(
    id="04.2",
    title="Initialize by module type",
    statement=(
        "Write `init_weights(module)` for `model.apply(init_weights)`. Linear and Conv2d layers "
        "get Kaiming weights for ReLU, with fan_in, and zero biases if they have any. Every other "
        "module keeps what it has."
    ),
    solution=init_weights,
    observe=_observe_init,
    may_change_inputs=True,
    alternatives=(_init_by_hand, _init_uniform),
    probes=(
        Probe("three linear layers", _three_linears),
        Probe("a single layer", lambda: nn.Linear(300, 200)),
        Probe("convolution, norm, nested layers, an embedding", _several_kinds),
    ),
    misconceptions=(
        Misconception(
            "no guard for a missing bias",
            _init_no_guard,
            "A layer made with bias=False has `bias` None, and your function fails on it. Ask "
            "`if module.bias is not None` first.",
        ),
        Misconception(
            "nothing changes",
            _init_nothing,
            "Every weight is as it was. Fill the parameters in place, with a function of `nn.init` "
            "whose name ends in an underscore.",
        ),
        Misconception(
            "linear layers only",
            _init_linear_only,
            "The convolutions keep their default weights. Test for both kinds: "
            "`isinstance(module, (nn.Linear, nn.Conv2d))`.",
        ),
        Misconception(
            "convolutions only",
            _init_conv_only,
            "The linear layers keep their default weights. Test for both kinds: "
            "`isinstance(module, (nn.Linear, nn.Conv2d))`.",
        ),
        Misconception(
            "fan_out",
            _init_fan_out,
            "The standard deviation follows the number of outputs. To keep the activations' size, "
            'use mode="fan_in".',
        ),
        Misconception(
            "Xavier",
            _init_xavier,
            "These are Xavier's weights. They make no allowance for the half that a ReLU removes; "
            "use `nn.init.kaiming_normal_`.",
        ),
        Misconception(
            "biases untouched",
            _init_keeps_bias,
            "The weights are right, but the biases keep their random default values. Set them to "
            "zero with `nn.init.zeros_`.",
        ),
        Misconception(
            "biases of 0.01",
            _init_bias_001,
            "The weights are right, but the biases are 0.01. Here they should be zero.",
        ),
        Misconception(
            "everything that has a weight",
            _init_everything,
            "You initialize whatever has a weight. A batch norm has one too, of one dimension, and "
            "`kaiming_normal_` fails on it. Test for the type of the module.",
        ),
        Misconception(
            "every weight with two dimensions",
            _init_all_biases,
            "The embedding was changed as well: its weight has two dimensions but no fan-in. Test "
            "for the type of the module.",
        ),
        Misconception(
            "forgets the kernel",
            _init_shape_one,
            "Right for linear layers, but a unit of a convolution sums over the whole kernel too: "
            "its fan_in is in · height · width.",
        ),
        Misconception(
            "every bias",
            _init_every_bias,
            "The weights are right, but the batch norm lost its bias. Keep the bias inside the "
            "test for the type of the module.",
        ),
        Misconception(
            "a seed in the function",
            _init_same_seed,
            "The seed is set anew for every module, so layers of one shape get the same weights. "
            "Leave seeds outside the function.",
        ),
        Misconception(
            "frozen",
            _init_frozen,
            "The values are right, but the parameters no longer take a gradient. Leave "
            "requires_grad as it is.",
        ),
        Misconception(
            "PyTorch's default again",
            _init_a_sqrt5,
            "These are PyTorch's default weights, with std = 0.6 / √fan_in. For ReLU you want "
            "1.4 / √fan_in: pass a=0 or nonlinearity=\"relu\".",
        ),
    ),
    hints=(
        "`model.apply(f)` calls f on every module, also on nested ones and on the model itself.",
        "`isinstance(module, (nn.Linear, nn.Conv2d))` picks the layers that you want.",
        "`nn.init.kaiming_normal_(module.weight, nonlinearity=\"relu\")`, then the bias if it is "
        "not None.",
    ),
    reasoning=(
        "`apply` walks through the whole tree of modules, so the function only decides by type. "
        "The test for None matters: many convolutions in front of a batch norm have no bias."
    ),
)  # fmt: skip

# --- 04.3: the layer that was left at zero -----------------------------------------------------


def zero_layers(model):
    """Names of the modules whose weight is zero everywhere, in the order of named_modules."""
    names = []
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if weight is not None and not weight.any():
            names.append(name)
    return names


def _zero_by_parameters(model):
    return [
        name.removesuffix(".weight")
        for name, parameter in model.named_parameters()
        if name.endswith(".weight") and parameter.abs().max().item() == 0
    ]


def _zero_count(model):
    sizes = {n: p for n, p in model.state_dict().items() if n.endswith("weight")}
    return [n[: -len(".weight")] for n, p in sizes.items() if torch.count_nonzero(p) == 0]


def _zero_children(model):
    return [
        name
        for name, module in model.named_children()
        if getattr(module, "weight", None) is not None and not module.weight.any()
    ]


def _zero_first(model):
    return zero_layers(model)[:1]


def _zero_mean(model):
    return [
        name
        for name, module in model.named_modules()
        if getattr(module, "weight", None) is not None and module.weight.mean().abs() < 1e-8
    ]


def _zero_some(model):
    return [
        name
        for name, module in model.named_modules()
        if getattr(module, "weight", None) is not None and (module.weight == 0).any()
    ]


def _zero_with_biases(model):
    return [name for name, parameter in model.named_parameters() if not parameter.any()]


def _zero_parameter_names(model):
    return [
        name
        for name, parameter in model.named_parameters()
        if name.endswith("weight") and not parameter.any()
    ]


def _zero_constant(model):
    return [
        name
        for name, module in model.named_modules()
        if getattr(module, "weight", None) is not None and module.weight.std() == 0
    ]


def _zero_linear(model):
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not module.weight.any()
    ]


def _with_zeros(model: nn.Module, *names: str) -> nn.Module:
    for name in names:
        nn.init.zeros_(model.get_submodule(name).weight)
    return model


def _plain_stack() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2))
    nn.init.zeros_(model[0].bias)
    return _with_zeros(model, "2", "3")


def _deep_stack() -> nn.Module:
    torch.manual_seed(1)
    block = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    model = nn.Sequential(nn.Conv2d(1, 2, 3), block, nn.Embedding(5, 3), nn.Linear(4, 2))
    with torch.no_grad():
        model[3].weight.copy_(torch.tensor([[1.0, -1.0, 2.0, -2.0], [0.5, -0.5, 3.0, -3.0]]))
        model[2].weight[0, 0] = 0.0
    return _with_zeros(model, "0", "1.2")


def _observe_names(answer, model):
    found = answer(model)
    if found is ... or found is None or isinstance(found, str):
        if found is ...:
            return found
        kind = "None" if found is None else "one string"
        raise AnswerError(f"expected a list of names, got {kind}.")
    try:
        return sorted(str(name) for name in found)
    except TypeError:
        raise AnswerError(f"expected a list of names, got {type(found).__name__}.") from None


zero_exercise = FunctionExercise(
    id="04.3",
    title="Find the layer that was left at zero",
    statement=(
        "Write `zero_layers(model)`: a list with the names of all modules, at any depth, whose "
        "`weight` consists of zeros only. Zero biases are fine and are not reported."
    ),
    solution=zero_layers,
    observe=_observe_names,
    alternatives=(_zero_by_parameters, _zero_count),
    probes=(
        Probe("a stack with two zero layers", _plain_stack),
        Probe("nested blocks, a norm, a convolution", _deep_stack),
        Probe("nothing is zero", lambda: nn.Sequential(nn.Linear(2, 2), nn.Tanh())),
    ),
    misconceptions=(
        Misconception(
            "top level only",
            _zero_children,
            "Layers inside nested blocks are missed. `named_modules()` visits every depth, "
            "`named_children()` only the first.",
        ),
        Misconception(
            "the first only",
            _zero_first,
            "Only the first of them is reported. Collect all names, and return after the loop.",
        ),
        Misconception(
            "mean zero",
            _zero_mean,
            "A weight whose positive and negative entries cancel has mean 0, too. Ask whether "
            "every entry is 0, for example with `not weight.any()`.",
        ),
        Misconception(
            "one zero is enough",
            _zero_some,
            "A weight with a single zero entry is reported. All entries must be 0.",
        ),
        Misconception(
            "biases too",
            _zero_with_biases,
            "Zero biases are reported as well, and they are fine. Look at the weights only, and "
            "give the module's name without `.weight`.",
        ),
        Misconception(
            "names of parameters",
            _zero_parameter_names,
            "You found them, but report names of parameters. Drop the `.weight` at the end, so "
            "that `model.get_submodule(name)` finds the layer.",
        ),
        Misconception(
            "constant is not zero",
            _zero_constant,
            "A batch norm starts with weights that are all 1: constant, but not zero. Compare "
            "with 0 instead of asking for std 0.",
        ),
        Misconception(
            "linear layers only",
            _zero_linear,
            "Only linear layers are examined. A convolution can be left at zero, too: look at "
            "every module that has a weight.",
        ),
    ),
    hints=(
        "Walk through `model.named_modules()`; ReLUs and containers have no weight.",
        "`getattr(module, \"weight\", None)` is None where there is no weight.",
        "`not weight.any()` is true if every entry is 0.",
    ),
    reasoning=(
        "`any` is true as soon as one entry is not zero, so `not weight.any()` is exactly \"all "
        "zero\", also for weights whose entries cancel."
    ),
)  # fmt: skip

# --- 04.4: gradients that are None, zero or missing on purpose ---------------------------------


def gradient_report(model):
    """Name of each parameter -> "frozen", "none", "zero" or "ok"; call it after backward()."""
    report = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            report[name] = "frozen"
        elif parameter.grad is None:
            report[name] = "none"
        elif not parameter.grad.any():
            report[name] = "zero"
        else:
            report[name] = "ok"
    return report


def _report_norm(model):
    def kind(p):
        if p.grad is None:
            return "none" if p.requires_grad else "frozen"
        return "zero" if p.grad.norm().item() == 0.0 else "ok"

    return {name: kind(p) for name, p in model.named_parameters()}


def _report_as_pairs(model):
    return list(gradient_report(model).items())


def _report_zero_is_none(model):
    return {n: "none" if s == "zero" else s for n, s in gradient_report(model).items()}


def _report_none_is_zero(model):
    return {n: "zero" if s == "none" else s for n, s in gradient_report(model).items()}


def _report_no_frozen(model):
    return {n: "none" if s == "frozen" else s for n, s in gradient_report(model).items()}


def _report_sum(model):
    report = gradient_report(model)
    for name, p in model.named_parameters():
        if p.grad is not None and p.grad.sum().abs() < 1e-12:
            report[name] = "zero"
    return report


def _report_only_none(model):
    return {n: s if s in ("none", "frozen") else "ok" for n, s in gradient_report(model).items()}


def _report_norm_of_none(model):
    report = {}
    for name, p in model.named_parameters():
        report[name] = "ok" if p.grad.norm() > 0 else "zero"
    return report


def _report_values(model):
    report = gradient_report(model)
    for name, p in model.named_parameters():
        if report[name] in ("ok", "zero"):
            report[name] = "ok" if p.any() else "zero"
    return report


def _report_all_entries(model):
    report = gradient_report(model)
    for name, p in model.named_parameters():
        if p.grad is not None and (p.grad == 0).any():
            report[name] = "zero"
    return report


def _sick_model() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    model.add_module("unused", nn.Linear(2, 2))
    model[2].bias.requires_grad_(False)
    with torch.no_grad():
        model[0].bias.fill_(-50.0)  # dead: its gradient is exactly zero
        model[2].bias.copy_(torch.tensor([1.0, -1.0, 1.0, 1.0]))
    logits = model[:5](torch.rand(6, 3))
    F.cross_entropy(logits, torch.tensor([0, 1, 0, 1, 1, 0])).backward()
    gradient = torch.tensor([0.5, -0.25, 1.0, 2.0])
    model[4].weight.grad.copy_(torch.stack([gradient, -gradient]))  # healthy, and sums to 0
    model[4].bias.grad.copy_(torch.tensor([0.0, -0.5]))  # healthy, with one zero, none positive
    nn.init.zeros_(model[4].bias)  # a value of 0 says nothing about the gradient
    return model


def _never_ran() -> nn.Module:
    return nn.Linear(2, 2)


def _observe_report(answer, make_model):
    found = answer(make_model())  # built here: a copied module would lose its gradients
    if found is ...:
        return found
    if found is None:
        raise AnswerError("the function returned None. Did you forget a `return`?")
    try:
        return dict(found)
    except (TypeError, ValueError):
        raise AnswerError(
            f"expected a dictionary from names to verdicts, got {type(found).__name__}."
        ) from None


report_exercise = FunctionExercise(
    id="04.4",
    title="The hunt for missing gradients",
    statement=(
        "Write `gradient_report(model)`, to be called after `backward()`: a dictionary from each "
        'parameter\'s name to "frozen" (requires_grad is False), "none" (grad is None), "zero" '
        '(every entry of grad is 0) or "ok".'
    ),
    solution=gradient_report,
    observe=_observe_report,
    alternatives=(_report_norm, _report_as_pairs),
    probes=(
        Probe("dead, frozen and unused parts", lambda: (_sick_model,)),
        Probe("backward() was never called", lambda: (_never_ran,)),
    ),
    misconceptions=(
        Misconception(
            "a zero gradient counts as none",
            _report_zero_is_none,
            "A gradient of exactly zero is reported as missing. None means that backward never "
            "came by; zero means that it came and brought nothing: two different bugs.",
        ),
        Misconception(
            "none counts as zero",
            _report_none_is_zero,
            "A gradient of None is reported as zero. None means that the parameter took no part "
            "in the loss at all.",
        ),
        Misconception(
            "frozen counts as none",
            _report_no_frozen,
            "A frozen parameter has no gradient on purpose. Ask `requires_grad` first.",
        ),
        Misconception(
            "sums the entries",
            _report_sum,
            "You test the sum of the gradient. The gradients of a softmax cancel over the classes, "
            "so a healthy layer can sum to 0. Test every entry, with `.any()` or the norm.",
        ),
        Misconception(
            "values instead of gradients",
            _report_values,
            "You test the parameter's values. A bias may be 0 and learn well: look at "
            "parameter.grad.",
        ),
        Misconception(
            "looks for None only",
            _report_only_none,
            "A gradient that is zero everywhere passes as ok. A dead layer learns as little as an "
            "unused one: report it.",
        ),
        Misconception(
            "the norm of None",
            _report_norm_of_none,
            "A parameter without a gradient has `grad` None, and None has no norm. Ask for None "
            "first.",
        ),
        Misconception(
            "one zero entry is enough",
            _report_all_entries,
            "Some entries of a healthy gradient may be 0. Report \"zero\" only if all of them are.",
        ),
    ),
    hints=(
        "Four cases, and the order of the questions matters.",
        "First `requires_grad`, then `grad is None`, then whether any entry differs from 0.",
        "`not parameter.grad.any()` is true if the gradient is zero everywhere.",
    ),
    reasoning=(
        "The order keeps each question safe: a frozen parameter is meant to have no gradient, None "
        "has no entries to look at, and only a tensor can be zero."
    ),
)  # fmt: skip

# --- 04.5: the forget gate's bias --------------------------------------------------------------


def set_forget_bias(lstm, value):
    """All biases zero, but each layer's forget gate gets `value` in total. Changes the LSTM."""
    for name, parameter in lstm.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            if name.startswith("bias_ih"):
                hidden = lstm.hidden_size
                nn.init.constant_(parameter[hidden : 2 * hidden], value)


@torch.no_grad()
def _forget_halves(lstm, value):
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            parameter.zero_()
            parameter.chunk(4)[1].fill_(value / 2)
    return lstm


def _forget_data(lstm, value):
    for names in lstm.all_weights:
        for tensor in names[2:]:
            tensor.data.zero_()
        if len(names) > 2:
            n = names[3].numel() // 4
            names[3].data[n : 2 * n] = value


def _forget_nothing(lstm, value):
    return lstm


def _forget_both(lstm, value):
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
            nn.init.constant_(parameter.chunk(4)[1], value)


def _gate_at(index):
    def wrong(lstm, value):
        for name, parameter in lstm.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            if "bias_ih" in name:
                nn.init.constant_(parameter.chunk(4)[index], value)

    return wrong


def _forget_all_gates(lstm, value):
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            nn.init.constant_(parameter, value if "bias_ih" in name else 0.0)


def _forget_first_layer(lstm, value):
    if lstm.bias:
        for name in ("bias_ih_l0", "bias_hh_l0"):
            nn.init.zeros_(getattr(lstm, name))
        nn.init.constant_(lstm.bias_ih_l0.chunk(4)[1], value)


def _forget_forward_only(lstm, value):
    for name, parameter in lstm.named_parameters():
        if "bias" in name and not name.endswith("reverse"):
            nn.init.zeros_(parameter)
            if "ih" in name:
                nn.init.constant_(parameter.chunk(4)[1], value)


def _forget_leaves_hh(lstm, value):
    for name, parameter in lstm.named_parameters():
        if "bias_ih" in name:
            nn.init.zeros_(parameter)
            nn.init.constant_(parameter.chunk(4)[1], value)


def _forget_leaves_others(lstm, value):
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            nn.init.constant_(parameter.chunk(4)[1], value if "ih" in name else 0.0)


def _forget_weights_too(lstm, value):
    for parameter in lstm.parameters():
        nn.init.zeros_(parameter)
    set_forget_bias(lstm, value)


def _forget_needs_bias(lstm, value):
    for layer in range(lstm.num_layers):
        for end in ("", "_reverse") if lstm.bidirectional else ("",):
            ih = getattr(lstm, f"bias_ih_l{layer}{end}")
            nn.init.zeros_(ih)
            nn.init.zeros_(getattr(lstm, f"bias_hh_l{layer}{end}"))
            nn.init.constant_(ih.chunk(4)[1], value)


def _observe_forget(answer, lstm, value):
    """Total bias of each gate in each layer: layer -> gate -> (lowest, highest)."""
    weights = {n: p.detach().clone() for n, p in lstm.named_parameters() if "weight" in n}
    returned = answer(lstm, value)
    if returned is ...:
        return returned
    totals, now = {}, dict(lstm.named_parameters())
    kept = all(torch.equal(now[n], w) and now[n].dtype == w.dtype for n, w in weights.items())
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            layer = name.split("_", 2)[2]
            totals[layer] = totals.get(layer, 0) + parameter.detach()
    gates = ("input gate", "forget gate", "cell", "output gate")
    found = {
        "parameters that take a gradient": sum(p.requires_grad for p in now.values()),
        "whether the weights are as they were": kept,
    }
    for layer, total in totals.items():
        for gate, part in zip(gates, total.chunk(4), strict=True):
            found[f"{layer} {gate}"] = {"lowest": float(part.min()), "highest": float(part.max())}
    return found


def _lstm(*sizes, **options):
    def make():
        torch.manual_seed(0)
        return nn.LSTM(*sizes, **options)

    return make


_one_lstm = _lstm(3, 4)
_two_way_lstm = _lstm(3, 5, num_layers=2, bidirectional=True)
_no_bias_lstm = _lstm(2, 3, bias=False)

forget_exercise = FunctionExercise(
    id="04.5",
    title="A forget gate that starts open",
    statement=(
        "Write `set_forget_bias(lstm, value)` for an nn.LSTM: in every layer and direction the "
        "forget gate's bias is `value` in total, bias_ih and bias_hh together, and all other "
        "biases are zero. An LSTM without biases stays as it is. Change the LSTM in place."
    ),
    solution=set_forget_bias,
    observe=_observe_forget,
    may_change_inputs=True,
    alternatives=(_forget_halves, _forget_data),
    probes=(
        Probe("one layer, bias 1", lambda: (_one_lstm(), 1.0)),
        Probe("two layers in both directions, bias 3", lambda: (_two_way_lstm(), 3.0)),
        Probe("no biases", lambda: (_no_bias_lstm(), 1.0)),
        Probe("float64", lambda: (_one_lstm().double(), 0.5)),
    ),
    misconceptions=(
        Misconception(
            "nothing changes",
            _forget_nothing,
            "The LSTM's biases are as they were. Change its own parameters, for example with "
            "`nn.init.constant_` on a slice; what you do to a copy is lost.",
        ),
        Misconception(
            "counted twice",
            _forget_both,
            "The forget gate ends at twice the value: bias_ih and bias_hh are added. Set it in one "
            "of them and make the other zero.",
        ),
        Misconception(
            "the input gate",
            _gate_at(0),
            "You set the first quarter, which is the input gate. PyTorch's order is input, forget, "
            "cell, output.",
        ),
        Misconception(
            "the cell's candidate",
            _gate_at(2),
            "You set the third quarter, which is the cell's candidate. PyTorch's order is input, "
            "forget, cell, output; other libraries differ.",
        ),
        Misconception(
            "the output gate",
            _gate_at(3),
            "You set the last quarter, which is the output gate. PyTorch's order is input, forget, "
            "cell, output.",
        ),
        Misconception(
            "all gates",
            _forget_all_gates,
            "All four gates get the value. Only the second quarter, from hidden to 2 · hidden, "
            "belongs to the forget gate.",
        ),
        Misconception(
            "the first layer only",
            _forget_first_layer,
            "Only layer 0 is set. Loop over `lstm.named_parameters()`, which also lists bias_ih_l1 "
            "and the reverse direction.",
        ),
        Misconception(
            "one direction only",
            _forget_forward_only,
            "The reverse direction of a bidirectional LSTM keeps its old biases. Their names end "
            "in `_reverse`.",
        ),
        Misconception(
            "bias_hh keeps its values",
            _forget_leaves_hh,
            "bias_hh still holds its random default values, and they are added. Make it zero.",
        ),
        Misconception(
            "other gates keep their values",
            _forget_leaves_others,
            "The forget gate is right, but the other gates keep their random biases. Make the "
            "whole vector zero first.",
        ),
        Misconception(
            "weights too",
            _forget_weights_too,
            "The biases are right, but the weights are 0 now as well, so the LSTM no longer sees "
            "its input. Change only parameters whose name begins with bias.",
        ),
        Misconception(
            "an LSTM without biases",
            _forget_needs_bias,
            "With bias=False there is no bias_ih_l0, and your function fails. Loop over the "
            "parameters that exist.",
        ),
    ),
    hints=(
        "Print the names in `lstm.named_parameters()`: each layer has a bias_ih and a bias_hh.",
        "Both have 4 · hidden entries, four blocks in the order input, forget, cell, output.",
        "Zero every bias; then fill entries hidden to 2 · hidden of each bias_ih with the value.",
    ),
    reasoning=(
        "Both biases are added before the gate's sigmoid, so the value may stand in one of them "
        "(or half of it in each). Looping over the names covers all layers and directions, and an "
        "LSTM without biases simply offers none."
    ),
)

# --- 04.6: choose an initialization ------------------------------------------------------------

choose_exercise = ChoiceExercise(
    id="04.6",
    title="Choose an initialization",
    question=(
        "Four parts of networks: (1) thirty hidden tanh layers, (2) twenty hidden ReLU layers "
        "without normalization, (3) the linear layer at the end that gives ten logits, (4) the "
        "recurrent weights of an LSTM that must remember for 50 steps."
    ),
    options={
        "a": "Kaiming with mode='fan_out' for all four, and all biases zero",
        "b": (
            "(1) Xavier, (2) Kaiming with fan_in, (3) std about 1/√fan_in or smaller, (4) "
            "orthogonal blocks and a forget bias of several units"
        ),
        "c": "a normal distribution with std 0.01 for all four",
        "d": (
            "(1) Kaiming, (2) Xavier, (3) Kaiming with fan_out, (4) orthogonal for the stacked "
            "matrix and forget biases of 1 in both bias vectors"
        ),
    },
    correct="b",
    name="initialization",
    reasons={
        "a": (
            "With fan_out the last layer gets std √(2/10), whatever its fan-in, and the first loss "
            "is far above ln 10. And an LSTM with zero forget bias forgets by half in each step."
        ),
        "b": (
            "Each part gets the scale that its activation needs, the logits start small, and the "
            "memory starts open."
        ),
        "c": (
            "0.01 fits a fan-in of 20,000. At width 256 the signal shrinks by five to ten in every "
            "layer, and nothing is left after thirty."
        ),
        "d": (
            "Xavier and Kaiming are swapped: after twenty ReLU layers Xavier's signal is a "
            "thousand times smaller. Forget biases in both vectors add up to 2."
        ),
    },
    hints=(
        "What does each activation do to the mean square of its input?",
        "What is the first loss of a ten-class model that knows nothing?",
    ),
)

# --- Predictions -------------------------------------------------------------------------------

twins_guess = Prediction(
    id="04.p1",
    question=(
        "All weights of a 784-32-10 network start at 0.01. After three epochs on the digits, how "
        "many of the 32 hidden units differ from each other?"
    ),
    options={
        "a": "all 32: the random batches pull them apart",
        "b": "about half of them",
        "c": "10, one for each class",
        "d": "none: it is one unit, 32 times",
    },
)

depth_guess = Prediction(
    id="04.p2",
    question=(
        "Thirty ReLU layers of 256 units, weights with std 0.01. The input has std 1. What is the "
        "std of the last layer's output?"
    ),
    options={
        "a": "about 0.01",
        "b": "about 0.0001",
        "c": "about 10⁻⁹",
        "d": "below 10⁻²⁵",
    },
)

shallow_guess = Prediction(
    id="04.p3",
    question=(
        "The same four initializations with one hidden layer instead of nineteen: how far apart "
        "are the medians of their test accuracies after three epochs?"
    ),
    options={
        "a": "as far as in the deep network",
        "b": "20 to 40 points",
        "c": "5 to 20 points",
        "d": "less than 5 points",
    },
)

transfer_guess = Prediction(
    id="04.p4",
    question=(
        "Five labeled images of each digit 5 to 9, ten passes over them. Which start is the worst "
        "on new images of 5 to 9?"
    ),
    options={
        "a": "random weights everywhere",
        "b": "the filters learned on 0 to 4, a new classifier of two layers",
        "c": "everything learned on 0 to 4 and frozen, only a new last layer",
    },
)
