"""The exercises of lesson 3.2, Activation functions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises import (
    ChoiceExercise,
    FunctionExercise,
    Misconception,
    Prediction,
    Probe,
)

# --- 02.1: leaky ReLU --------------------------------------------------------------------------


def leaky_relu(x, negative_slope=0.01):
    """Return x where x > 0 and negative_slope * x elsewhere; any shape."""
    return torch.where(x > 0, x, negative_slope * x)


def _leaky_sum(x, negative_slope=0.01):
    return x.clamp(min=0) + negative_slope * x.clamp(max=0)


def _leaky_relus(x, negative_slope=0.01):
    return torch.relu(x) - negative_slope * torch.relu(-x)


def _leaky_mask(x, negative_slope=0.01):
    return x * ((x > 0) + negative_slope * (x <= 0)).to(x.dtype)


def _leaky_maximum(x, negative_slope=0.01):
    return torch.maximum(x, negative_slope * x)


def _leaky_positive(x, negative_slope=0.01):
    return torch.where(x > 0, negative_slope * x, x)


def _leaky_plain(x, negative_slope=0.01):
    return torch.relu(x)


def _leaky_ignores(x, negative_slope=0.01):
    return torch.where(x > 0, x, 0.01 * x)


def _leaky_minus(x, negative_slope=0.01):
    return torch.where(x > 0, x, -negative_slope * x)


def _leaky_constant(x, negative_slope=0.01):
    return torch.where(x > 0, x, torch.full_like(x, negative_slope))


def _learning(x: Tensor) -> Tensor:
    return x.requires_grad_()


leaky_exercise = FunctionExercise(
    id="02.1",
    title="Leaky ReLU for any slope",
    statement=(
        "Write `leaky_relu(x, negative_slope=0.01)` for a tensor of any shape: x where x > 0, "
        "negative_slope · x elsewhere. It must be right for every slope, also above 1, and leave "
        "x as it was."
    ),
    solution=leaky_relu,
    alternatives=(_leaky_sum, _leaky_relus, _leaky_mask),
    gradient=True,
    probes=(
        Probe("default slope", lambda: _learning(torch.tensor([-2.0, -0.5, 0.5, 3.0]))),
        Probe("slope 0.2", lambda: (_learning(torch.tensor([-2.0, 4.0])), 0.2)),
        Probe("slope 2", lambda: (_learning(torch.tensor([-1.0, 1.5])), 2.0)),
        Probe("slope 0", lambda: (_learning(torch.tensor([-1.0, 1.5])), 0.0)),
        Probe("slope -0.5", lambda: (_learning(torch.tensor([-1.0, 1.5])), -0.5)),
        Probe("a batch in float64", lambda: (torch.linspace(-3, 3, 12).double().view(3, 4), 0.1)),
        Probe("no elements", lambda: (torch.zeros(0, 3), 0.1)),
    ),
    misconceptions=(
        Misconception(
            "max(slope·x, x)",
            _leaky_maximum,
            "max(slope · x, x) equals leaky ReLU only while slope is at most 1. With slope 2 it "
            "swaps the two sides: max(-2, -1) is -1. Choose by the sign of x.",
        ),
        Misconception(
            "slope on the positive side",
            _leaky_positive,
            "The slope is on the wrong side: positive numbers pass unchanged, negative ones "
            "are scaled. `torch.where(condition, if_true, if_false)`.",
        ),
        Misconception(
            "plain ReLU",
            _leaky_plain,
            "Negative numbers become 0, so this is plain ReLU and its gradient is 0 there. They "
            "should become slope · x.",
        ),
        Misconception(
            "ignores the argument",
            _leaky_ignores,
            "Right for 0.01, but the argument `negative_slope` is ignored. Use it instead of the "
            "number.",
        ),
        Misconception(
            "sign of the slope",
            _leaky_minus,
            "Negative inputs come out positive. x is already negative, so slope · x is too; no "
            "extra minus sign.",
        ),
        Misconception(
            "a constant on the left",
            _leaky_constant,
            "Negative inputs all become the number `negative_slope`. They should become that "
            "number times x, a line with a gradient.",
        ),
    ),
    hints=(
        "Two cases, decided by the sign of x for each element.",
        "`torch.where(condition, a, b)` takes from a where the condition holds, else from b.",
        "The condition is `x > 0` and a is `x`. What is b?",
    ),
    reasoning=(
        "`torch.where` picks element by element, and its gradient flows only through the side "
        "that was picked: 1 where x > 0, slope elsewhere. Both sides are finite for every finite "
        "x, so nothing can go wrong in the side that is not picked."
    ),
)

# --- 02.2: softmax -----------------------------------------------------------------------------


def stable_softmax(logits):
    """Return probabilities along the last dimension: (..., C) -> (..., C)."""
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    exponentials = torch.exp(shifted)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


def _softmax_logsumexp(logits):
    return torch.exp(logits - torch.logsumexp(logits, dim=-1, keepdim=True))


def _softmax_max_method(logits):
    shifted = logits - logits.max(dim=-1, keepdim=True).values.detach()
    return shifted.exp() / shifted.exp().sum(-1, keepdim=True)


def _softmax_native(logits):
    return F.softmax(logits, dim=-1)


def _softmax_naive(logits):
    exponentials = torch.exp(logits)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


def _softmax_global_max(logits):
    exponentials = torch.exp(logits - logits.max())
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


def _softmax_mean(logits):
    exponentials = torch.exp(logits - logits.mean(dim=-1, keepdim=True))
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


def _softmax_first_dim(logits):
    exponentials = torch.exp(logits - logits.amax(dim=0, keepdim=True))
    return exponentials / exponentials.sum(dim=0, keepdim=True)


def _softmax_total(logits):
    exponentials = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return exponentials / exponentials.sum()


def _softmax_log(logits):
    return logits - torch.logsumexp(logits, dim=-1, keepdim=True)


def _softmax_unnormalized(logits):
    return torch.exp(logits - logits.amax(dim=-1, keepdim=True))


def _softmax_epsilon(logits):
    exponentials = torch.exp(logits.clamp(max=80))
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


softmax_exercise = FunctionExercise(
    id="02.2",
    title="A softmax that cannot overflow",
    statement=(
        "Write `stable_softmax(logits)`: probabilities along the last dimension, for shape "
        "(..., C) with any leading dimensions. It must survive logits of a thousand, and rows of "
        "very different size in one batch."
    ),
    solution=stable_softmax,
    alternatives=(_softmax_logsumexp, _softmax_max_method, _softmax_native),
    rtol=1e-4,  # at a thousand, float32 carries the logits to 6e-5 only
    probes=(
        Probe("one row", lambda: torch.tensor([1.0, 2.0, 3.0])),
        Probe("a batch", lambda: torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.5, 0.0]])),
        Probe("the first logit far below", lambda: torch.tensor([[0.0, 1000.0]])),
        Probe("float64", lambda: torch.tensor([[0.5, -1.5]], dtype=torch.float64)),
        Probe("logits of a thousand", lambda: torch.tensor([[1000.0, 1001.0, 999.0]])),
        Probe("rows far apart", lambda: torch.tensor([[500.0, 501.0], [-500.0, -499.0]])),
        Probe("one very large logit", lambda: torch.tensor([[300.0, 0.0, 0.0, 0.0]])),
        Probe("three dimensions", lambda: torch.arange(24.0).view(2, 3, 4).sin()),
    ),
    misconceptions=(
        Misconception(
            "no shift",
            _softmax_naive,
            "exp(1000) is infinite in float32, and inf/inf is nan. Subtract each row's largest "
            "logit first: the probabilities stay the same.",
        ),
        Misconception(
            "one maximum for the whole batch",
            _softmax_global_max,
            "In a row far below the number that you subtract every exponential is 0, and 0/0 is "
            "nan. Each row needs its own largest logit: `amax(dim=-1, keepdim=True)`.",
        ),
        Misconception(
            "subtracts the mean",
            _softmax_mean,
            "Any shift keeps the probabilities, but this one does not prevent overflow: a logit "
            "far above it still explodes. After subtracting the maximum none is above 0.",
        ),
        Misconception(
            "the first dimension",
            _softmax_first_dim,
            "You normalize over dim 0, so columns sum to 1 instead of rows. Each row of logits is "
            "one example: use dim=-1.",
        ),
        Misconception(
            "divides by the total",
            _softmax_total,
            "You divide by the sum over the whole batch, so all rows together sum to 1. Sum over "
            "dim=-1 with keepdim=True.",
        ),
        Misconception(
            "log-softmax",
            _softmax_log,
            "These are log-probabilities. Their exponentials would be the answer.",
        ),
        Misconception(
            "not normalized",
            _softmax_unnormalized,
            "The exponentials are right, but they do not sum to 1. Divide by their sum over "
            "the last dimension.",
        ),
        Misconception(
            "clamps the logits",
            _softmax_epsilon,
            "Clamping avoids the overflow but changes the answer: logits of 999 and 1001 become "
            "equal. A shift changes nothing.",
        ),
    ),
    hints=(
        "Which number can you subtract from every logit of a row without changing the result?",
        "Subtract the row's maximum: then the largest exponential is exp(0) = 1.",
        "`logits - logits.amax(dim=-1, keepdim=True)`, then exp, then divide by the row's sum, "
        "with keepdim=True again.",
    ),
    reasoning=(
        "A shift c multiplies numerator and denominator by exp(-c), so it cancels. With c the "
        "row's maximum no exponent is above 0 (no overflow) and one is exactly 0 (the sum is at "
        "least 1, so no division by 0). `keepdim=True` keeps the shape (..., 1), which broadcasts."
    ),
)

# --- 02.3: softmax before cross-entropy --------------------------------------------------------


def build_classifier():
    """Return a 784-64-10 network for `F.cross_entropy`."""
    return nn.Sequential(
        nn.Linear(784, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def _class_classifier():
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.output = nn.Linear(784, 64), nn.Linear(64, 10)

        def forward(self, x):
            return self.output(F.relu(self.hidden(x)))

    return Classifier()


def _identity_classifier():
    layers = [nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10), nn.Identity()]
    return nn.Sequential(*layers)


def _log_softmax_classifier():
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10), nn.LogSoftmax(dim=-1))


def _softmax_classifier():
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax(dim=-1))


def _sigmoid_classifier():
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10), nn.Sigmoid())


def _relu_classifier():
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10), nn.ReLU())


def _linear_classifier():
    return nn.Sequential(nn.Linear(784, 64), nn.Linear(64, 10))


def _one_layer_classifier():
    return nn.Linear(784, 10)


def _observe_classifier(build) -> dict[str, object]:
    """What a classifier does with weights of our choice: shapes, bend, the loss it can reach."""
    if isinstance(build, nn.Module):
        raise TypeError("pass the function build_classifier itself, not a network that it made")
    model = build()
    X = torch.rand(20, 784, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for p in model.parameters():  # the draw depends on the shape alone, not on the order
            generator = torch.Generator().manual_seed(p.numel())
            p.copy_(torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5)
        out = model(X)
        midpoint = (out + model(-X)) / 2
        center = model(torch.zeros_like(X))
        for p in model.parameters():
            p.mul_(1000.0)
        sure = model(X)
    return {
        "the parameters' shapes": str(sorted(tuple(p.shape) for p in model.parameters())),
        "the output's shape": str(tuple(out.shape)),
        "whether the network bends": bool((midpoint - center).abs().max() > 1e-4),
        "whether the loss can reach 0": bool(F.cross_entropy(sure, sure.argmax(-1)) < 0.01),
        "the probabilities, for weights of our choice": out.softmax(-1),
    }


classifier_exercise = FunctionExercise(
    id="02.3",
    title="Repair the output layer",
    statement=(
        "`build_classifier()` should return a 784-64-10 network with ReLU for training with "
        "`F.cross_entropy`. A colleague's version ends in `nn.Softmax(dim=-1)`, and its loss "
        "never falls below 1.46. Write one that can reach zero; keep the architecture."
    ),
    solution=build_classifier,
    alternatives=(_class_classifier, _identity_classifier, _log_softmax_classifier),
    observe=_observe_classifier,
    probes=(Probe("the network", lambda: ()),),
    misconceptions=(
        Misconception(
            "still a softmax",
            _softmax_classifier,
            "The outputs are still probabilities, and cross-entropy applies softmax once more. "
            "The best possible loss is then ln(e + 9) - 1 = 1.46. End with the last Linear.",
        ),
        Misconception(
            "sigmoid instead",
            _sigmoid_classifier,
            "Sigmoid squeezes each score into (0, 1), so after cross-entropy's own softmax no "
            "class can get more than e/(e + 9) = 23 %. Scores must be free: end with Linear.",
        ),
        Misconception(
            "ReLU on the output",
            _relu_classifier,
            "A ReLU on the scores sets every negative one to 0, with no gradient. Scores may be "
            "negative: nothing comes after the last Linear.",
        ),
        Misconception(
            "lost the ReLU",
            _linear_classifier,
            "The ReLU between the layers is gone too, so the two layers collapse into one linear "
            "map. Remove only the softmax.",
        ),
        Misconception(
            "lost the hidden layer",
            _one_layer_classifier,
            "The hidden layer of 64 units is gone. Keep the architecture 784-64-10 and remove "
            "only the softmax.",
        ),
    ),
    hints=(
        "What does `F.cross_entropy` expect: probabilities or scores?",
        "It applies log-softmax itself. So which layer of the colleague's network is one too many?",
        "`nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))`, returned.",
    ),
    reasoning=(
        "Cross-entropy needs unbounded scores (logits): it computes log-softmax itself, stably. "
        "Ending in LogSoftmax is harmless, because log-softmax of log-probabilities changes "
        "nothing; ending in Softmax is not. Apply softmax outside, when you report probabilities."
    ),
)

# --- 02.4: the derivative of Swish -------------------------------------------------------------


def swish_slope(x, beta=1.0):
    """Return the derivative of x * sigmoid(beta * x) with respect to x, any shape."""
    s = torch.sigmoid(beta * x)
    return s + beta * x * s * (1 - s)


def _swish_slope_factored(x, beta=1.0):
    s = torch.sigmoid(beta * x)
    return s * (1 + beta * x * (1 - s))


def _swish_slope_value(x, beta=1.0):
    s = torch.sigmoid(beta * x)
    y = x * s
    return s + beta * y - beta * y * s


def _swish_slope_autograd(x, beta=1.0):
    leaf = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad((leaf * torch.sigmoid(beta * leaf)).sum(), leaf)
    return slope


def _swish_slope_ignores(x, beta=1.0):
    return swish_slope(x)


def _swish_slope_no_chain(x, beta=1.0):
    s = torch.sigmoid(beta * x)
    return s + x * s * (1 - s)


def _swish_slope_sigmoids(x, beta=1.0):
    s = torch.sigmoid(beta * x)
    return beta * s * (1 - s)


def _swish_slope_only_sigmoid(x, beta=1.0):
    return torch.sigmoid(beta * x)


def _swish_slope_product(x, beta=1.0):
    s = torch.sigmoid(beta * x)
    return beta * x * s * (1 - s)


def _swish_slope_itself(x, beta=1.0):
    return x * torch.sigmoid(beta * x)


def _swish_slope_minus(x, beta=1.0):
    s = torch.sigmoid(beta * x)
    return s - beta * x * s * (1 - s)


swish_exercise = FunctionExercise(
    id="02.4",
    title="The slope of Swish with β",
    statement=(
        "Write `swish_slope(x, beta=1.0)`, the derivative of x · σ(βx) with respect to x, for a "
        "tensor of any shape: what a backward pass multiplies the incoming gradient by."
    ),
    solution=swish_slope,
    alternatives=(_swish_slope_factored, _swish_slope_value, _swish_slope_autograd),
    probes=(
        Probe("β = 1", lambda: torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0])),
        Probe("β = 2", lambda: (torch.tensor([-1.0, 0.5, 1.0]), 2.0)),
        Probe("β = 0", lambda: (torch.tensor([-1.0, 2.0]), 0.0)),
        Probe("β = -1", lambda: (torch.tensor([-1.0, 2.0]), -1.0)),
        Probe("far from zero", lambda: (torch.tensor([-100.0, -30.0, 30.0, 100.0]), 0.5)),
        Probe("float64", lambda: torch.linspace(-4, 4, 9, dtype=torch.float64).view(3, 3)),
        Probe("no elements", lambda: torch.zeros(0, 2)),
    ),
    misconceptions=(
        Misconception(
            "ignores beta",
            _swish_slope_ignores,
            "Right for β = 1, but `beta` is not used. It appears twice: inside σ, and as the "
            "inner derivative.",
        ),
        Misconception(
            "no inner derivative",
            _swish_slope_no_chain,
            "Almost: the chain rule adds a factor. The slope of σ(βx) is β σ(1 - σ), so the second "
            "term needs a β in front.",
        ),
        Misconception(
            "sigmoid's slope",
            _swish_slope_sigmoids,
            "This is the slope of σ(βx) alone. Swish is a product, x times σ(βx), so the product "
            "rule gives two terms.",
        ),
        Misconception(
            "only the first term",
            _swish_slope_only_sigmoid,
            "σ(βx) is the first term of the product rule: the slope of x, times σ. Add the second: "
            "x times the slope of σ(βx).",
        ),
        Misconception(
            "only the second term",
            _swish_slope_product,
            "βx σ(1 - σ) is the second term of the product rule. The first, the slope of x times "
            "σ(βx), is missing; at x = 0 the answer is 1/2, not 0.",
        ),
        Misconception(
            "the function itself",
            _swish_slope_itself,
            "This is Swish itself, not its slope. Differentiate x · σ(βx) by the product rule.",
        ),
        Misconception(
            "a sign",
            _swish_slope_minus,
            "One sign is wrong: sigmoid's slope is +σ(1 - σ), so the second term is added. At "
            "x = 1 and β = 1 the slope is above σ, about 0.93.",
        ),
    ),
    hints=(
        "Swish is a product of two functions of x. Which rule differentiates a product?",
        "(x · s)' = 1 · s + x · s' with s = σ(βx). By the chain rule s' = β s (1 - s).",
        "Compute `s = torch.sigmoid(beta * x)` once; the answer is s + beta · x · s · (1 - s).",
    ),
    reasoning=(
        "Product rule: σ(βx) + x · β σ(βx)(1 - σ(βx)). Far to the left it goes to 0, far to the "
        "right to 1, and at 0 it is 1/2. In between it exceeds 1: it reaches about 1.1, for β = 1 "
        "at x = 2.4."
    ),
)

# --- 02.5: four tasks --------------------------------------------------------------------------

output_choice = ChoiceExercise(
    id="02.5",
    title="Which function on which output?",
    question=(
        "Four networks need an output. (1) Is this mail spam? Trained with BCEWithLogitsLoss. "
        "(2) One of ten digits, trained with CrossEntropyLoss. (3) The expected number of calls "
        "per hour, which must be positive. (4) A steering command between -1 and 1. What comes "
        "after the last Linear layer in training?"
    ),
    options={
        "a": "(1) sigmoid, (2) softmax, (3) ReLU, (4) tanh",
        "b": "(1) nothing, (2) nothing, (3) softplus, (4) tanh",
        "c": "(1) nothing, (2) softmax, (3) softplus, (4) sigmoid",
        "d": "(1) ReLU, (2) ReLU, (3) ReLU, (4) ReLU: it is the standard choice",
    },
    correct="b",
    reasons={
        "a": (
            "Both losses apply their squashing themselves, so sigmoid and softmax would act "
            "twice. And a ReLU output can be exactly 0 with no gradient: the rate could die there."
        ),
        "b": (
            "The two losses take logits; softplus is positive everywhere and never loses its "
            "gradient completely; tanh has exactly the wanted range."
        ),
        "c": (
            "(1) and (3) are right. But CrossEntropyLoss wants logits, so softmax acts twice, and "
            "sigmoid's range is (0, 1): the car could never steer to the left."
        ),
        "d": (
            "ReLU is a choice for hidden layers. On an output it forbids negative logits and "
            "negative commands, and a unit that is negative for all inputs gets no gradient."
        ),
    },
    name="outputs",
    hints=(
        "Ask of each output: which values may it take, and what does the loss do by itself?",
        "The letters WithLogits say it: the loss applies the sigmoid. CrossEntropyLoss applies "
        "log-softmax in the same way.",
        "So (1) and (2) need nothing. Which function is always positive with a gradient "
        "everywhere, and which one has the range (-1, 1)?",
    ),
)

# --- 02.6: ELU ---------------------------------------------------------------------------------


def elu(x, alpha=1.0):
    """Return x where x > 0 and alpha * (exp(x) - 1) elsewhere; any shape."""
    negative = alpha * torch.expm1(x.clamp(max=0))
    return torch.where(x > 0, x, negative)


def _elu_sum(x, alpha=1.0):
    return torch.relu(x) + alpha * torch.expm1(-torch.relu(-x))


def _elu_zeros(x, alpha=1.0):
    safe = torch.where(x > 0, torch.zeros_like(x), x)
    return torch.where(x > 0, x, alpha * torch.expm1(safe))


def _elu_exp(x, alpha=1.0):
    return torch.where(x > 0, x, alpha * (torch.exp(x.clamp(max=0)) - 1))


def _elu_where(x, alpha=1.0):
    return torch.where(x > 0, x, alpha * (torch.exp(x) - 1))


def _elu_ignores(x, alpha=1.0):
    return torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


def _elu_no_minus(x, alpha=1.0):
    return torch.where(x > 0, x, alpha * torch.exp(x.clamp(max=0)))


def _elu_everywhere(x, alpha=1.0):
    return alpha * torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


def _elu_inside(x, alpha=1.0):
    return torch.where(x > 0, x, torch.expm1(alpha * x.clamp(max=0)))


def _elu_outside(x, alpha=1.0):
    return torch.where(x > 0, x, alpha * torch.exp(x.clamp(max=0)) - 1)


elu_exercise = FunctionExercise(
    id="02.6",
    title="An ELU that survives large inputs",
    statement=(
        "Write `elu(x, alpha=1.0)`: x where x > 0, alpha · (e^x - 1) elsewhere. Its gradient must "
        "be right for every finite input, also for x = 1000."
    ),
    solution=elu,
    alternatives=(_elu_sum, _elu_zeros, _elu_exp),
    gradient=True,
    probes=(
        Probe("five numbers", lambda: _learning(torch.tensor([-3.0, -1.0, -0.25, 0.5, 2.0]))),
        Probe("alpha 2", lambda: (_learning(torch.tensor([-1.0, 1.0])), 2.0)),
        Probe("large inputs", lambda: _learning(torch.tensor([-1000.0, 89.0, 1000.0]))),
        Probe("float64, alpha 0.5", lambda: (torch.linspace(-2, 2, 6).double().view(2, 3), 0.5)),
    ),
    misconceptions=(
        Misconception(
            "exp of large numbers",
            _elu_where,
            "The values are right, but the gradient is nan for x above 88.7: exp (and expm1) "
            "overflow in the branch that where does not take, and 0 · inf is nan. Clamp x to at "
            "most 0 before the exponential.",
        ),
        Misconception(
            "ignores alpha",
            _elu_ignores,
            "Right for alpha = 1, but `alpha` is not used. The negative side is scaled by it.",
        ),
        Misconception(
            "forgets the -1",
            _elu_no_minus,
            "The negative side is alpha · e^x: at 0 it jumps to alpha, and it is positive. "
            "Subtract 1 before multiplying by alpha.",
        ),
        Misconception(
            "alpha on both sides",
            _elu_everywhere,
            "You scale the positive side by alpha as well. Only the negative side has an alpha.",
        ),
        Misconception(
            "alpha in the exponent",
            _elu_inside,
            "The alpha belongs in front, not in the exponent: alpha · (e^x - 1) approaches -alpha "
            "far to the left, while e^(alpha·x) - 1 always approaches -1.",
        ),
        Misconception(
            "minus 1 outside",
            _elu_outside,
            "The brackets are missing: alpha · e^x - 1 is not alpha · (e^x - 1), and for alpha "
            "other than 1 it jumps at 0.",
        ),
    ),
    hints=(
        "Start from `torch.where(x > 0, x, ...)`, then ask what exp(1000) does to the gradient.",
        "`torch.where` computes both sides. Give the exponential an input that can never be "
        "large: `x.clamp(max=0)`.",
        "`torch.expm1(t)` is e^t - 1, precise near 0. Use it on the clamped x, times alpha.",
    ),
    reasoning=(
        "Both branches are computed, and in the backward pass the gradient of the one not taken "
        "is multiplied by 0. If that gradient is infinite, 0 · inf = nan. Clamping to at most 0 "
        "keeps it finite. `expm1` also keeps the digits that e^x - 1 loses near 0."
    ),
)

# --- predictions -------------------------------------------------------------------------------

survival = Prediction(
    id="02.A",
    question=(
        "A network of 20 sigmoid layers. Its weights are drawn so that the pre-activations keep "
        "their size in every layer. How large is the gradient at the first layer, compared with "
        "the last?"
    ),
    options={
        "a": "about the same: the weights were matched",
        "b": "about 1/20 of it, one part for each layer",
        "c": "about a thousandth",
        "d": "less than a millionth",
    },
)

floor = Prediction(
    id="02.B",
    question=(
        "A network for ten classes ends in softmax, and cross-entropy applies softmax once more. "
        "What is the lowest loss it can ever reach, if every prediction is right and sure?"
    ),
    options={
        "a": "0: the prediction is perfect",
        "b": f"{math.log(10):.2f} = ln 10, the loss of a guess",
        "c": "about 0.1",
        "d": "about 1.46",
    },
)

spread = Prediction(
    id="02.C",
    question=(
        "One hidden layer, eight activations, the same budget on 3,500 digits. How far apart are "
        "the best and the worst of the eight in test accuracy (medians of five seeds)?"
    ),
    options={
        "a": "less than 4 points",
        "b": "between 4 and 20 points",
        "c": "more than 20 points: sigmoid fails",
    },
)
