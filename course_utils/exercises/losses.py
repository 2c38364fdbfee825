"""The exercises of lesson 3.5, Loss functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.exercises import (
    AnswerError,
    FunctionExercise,
    Misconception,
    Prediction,
    Probe,
    ValueExercise,
)


def _tensor(values: list, grad: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=grad)


# --- 05.1: Huber -------------------------------------------------------------------------------


def huber(error, delta=1.0):
    """Half the square up to delta, then a straight line: one loss for each error, any shape."""
    size = error.abs()
    return torch.where(size <= delta, 0.5 * error**2, delta * (size - 0.5 * delta))


def _huber_clamp(error, delta=1.0):
    inner = error.abs().clamp(max=delta)
    return inner * (error.abs() - 0.5 * inner)


def _huber_torch(error, delta=1.0):
    return F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=delta)


def _huber_smooth(error, delta=1.0):
    return delta * F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=delta)


def _huber_mask(error, delta=1.0):
    result = 0.5 * error.clone() ** 2
    far = error.abs() > delta
    result[far] = delta * error[far].abs() - 0.5 * delta**2
    return result


def _huber_smooth_l1(error, delta=1.0):
    return huber(error, delta) / delta


def _huber_jump(error, delta=1.0):
    size = error.abs()
    return torch.where(size <= delta, 0.5 * error**2, delta * size)


def _huber_whole_delta(error, delta=1.0):
    size = error.abs()
    return torch.where(size <= delta, 0.5 * error**2, delta * (size - delta))


def _huber_one_decision(error, delta=1.0):
    if error.abs().max() <= delta:
        return 0.5 * error**2
    return delta * (error.abs() - 0.5 * delta)


def _huber_no_half(error, delta=1.0):
    size = error.abs()
    return torch.where(size <= delta, error**2, delta * (size - 0.5 * delta))


def _huber_no_abs(error, delta=1.0):
    return torch.where(error <= delta, 0.5 * error**2, delta * (error - 0.5 * delta))


def _huber_fixed(error, delta=1.0):
    return huber(error, 1.0)


def _huber_mean(error, delta=1.0):
    return huber(error, delta).mean()


def _huber_square(error, delta=1.0):
    return 0.5 * error**2


def _huber_unit_slope(error, delta=1.0):
    size = error.abs()
    return torch.where(size <= delta, 0.5 * error**2, size - 0.5 * delta)


huber_exercise = FunctionExercise(
    id="05.1",
    title="Huber from scratch",
    statement=(
        "Write `huber(error, delta=1.0)`: half the squared error while |error| <= delta, and "
        "delta · (|error| - delta/2) beyond. Return one loss for each error, in the same shape."
    ),
    solution=huber,
    check_dtype=False,
    alternatives=(_huber_clamp, _huber_torch, _huber_smooth, _huber_mask),
    probes=(
        Probe("errors of both signs", lambda: (_tensor([-3.0, -0.5, 0.25, 2.0], grad=True),)),
        Probe("delta 0.5", lambda: (_tensor([-2.0, -0.25, 0.75], grad=True), 0.5)),
        Probe("delta 3", lambda: (_tensor([[-5.0, 2.0], [1.5, 4.0]], grad=True), 3.0)),
        Probe("float64", lambda: (_tensor([-4.0, 0.5], dtype=torch.float64), 2.0)),
    ),
    gradient=True,
    misconceptions=(
        Misconception(
            "Smooth L1 instead",
            _huber_smooth_l1,
            "That is Smooth L1: your loss is Huber's divided by delta. Near zero Huber is half the "
            "square, whatever delta is.",
        ),
        Misconception(
            "a jump at delta",
            _huber_jump,
            "Your loss jumps at |error| = delta: the square ends at delta²/2, your line starts at "
            "delta². Subtract delta²/2 from the line so that they meet.",
        ),
        Misconception(
            "subtracts delta",
            _huber_whole_delta,
            "Your line starts at 0 where the square has reached delta²/2. Subtract delta/2 from "
            "|error|, not delta.",
        ),
        Misconception(
            "one decision for all",
            _huber_one_decision,
            "You choose one formula for the whole tensor. Each error decides for itself: "
            "torch.where picks element by element.",
        ),
        Misconception(
            "no half",
            _huber_no_half,
            "The half in front of the square is missing. With it the slope of the square at delta "
            "is delta, the same as that of the line.",
        ),
        Misconception(
            "one sign only",
            _huber_no_abs,
            "Large negative errors still get the square: you compare the error with delta, not "
            "its absolute value. Use error.abs().",
        ),
        Misconception(
            "delta ignored",
            _huber_fixed,
            "Your result does not change with delta. Use the argument instead of the number 1.",
        ),
        Misconception(
            "averaged",
            _huber_mean,
            "You return the mean. Here each error gets its own loss, in the same shape; averaging "
            "comes later.",
        ),
        Misconception(
            "the square everywhere",
            _huber_square,
            "This is half the squared error everywhere. Beyond delta the loss must go on as a "
            "straight line; torch.where chooses between two formulas.",
        ),
        Misconception(
            "slope 1 outside",
            _huber_unit_slope,
            "Beyond delta your line has slope 1. It must go on with slope delta, so multiply: "
            "delta * (|error| - delta/2).",
        ),
    ),
    hints=(
        "There are two regions. Which quantity decides, and which torch function picks one of two "
        "values for each element?",
        "size = error.abs(), then torch.where(size <= delta, inside, outside).",
        "inside is 0.5 * error**2, outside is delta * (size - 0.5 * delta).",
    ),
    reasoning=(
        "At |error| = delta both formulas give delta²/2, and both slopes are delta, so value and "
        "gradient are continuous. Beyond delta the gradient stays at ±delta: no single example "
        "can pull harder than that."
    ),
)

# --- 05.2: the broadcasting bug ----------------------------------------------------------------


def line_loss(model, x, y):
    """Mean squared error of a line: model maps (N, 1) to (N, 1), x (N,), y (N,) -> ()."""
    prediction = model(x.unsqueeze(1)).squeeze(1)  # (N,) -> (N, 1) -> (N, 1) -> (N,)
    return ((prediction - y) ** 2).mean()


def _line_column(model, x, y):
    return F.mse_loss(model(x[:, None]), y[:, None])


def _line_view(model, x, y):
    return (model(x.reshape(-1, 1)) - y.view(-1, 1)).pow(2).sum() / len(y)


def _line_flatten(model, x, y):
    criterion = nn.MSELoss()
    return criterion(model(x.unsqueeze(-1)).flatten(), y)


def _line_loop(model, x, y):
    total = 0.0
    for xi, yi in zip(x, y, strict=True):
        total = total + (model(xi.reshape(1, 1)).reshape(()) - yi) ** 2
    return total / len(y)


def _line_bug(model, x, y):
    return ((model(x.unsqueeze(1)) - y) ** 2).mean()


def _line_sum(model, x, y):
    return line_loss(model, x, y) * len(y)


def _line_mean_first(model, x, y):
    return (model(x.unsqueeze(1)).squeeze(1) - y).mean() ** 2


def _line_absolute(model, x, y):
    return (model(x.unsqueeze(1)).squeeze(1) - y).abs().mean()


def _line_detached(model, x, y):
    return line_loss(model, x, y).detach()


def _line_elements(model, x, y):
    return (model(x.unsqueeze(1)).squeeze(1) - y) ** 2


def _loss_and_gradient(answer, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, object]:
    """The loss and the gradients that reach weight and bias."""
    loss = answer(model, x, y)
    observed: dict[str, object] = {"loss": loss}
    if isinstance(loss, Tensor) and loss.requires_grad:
        wanted = [model.weight, model.bias]
        try:
            gradients = torch.autograd.grad(loss.sum(), wanted, materialize_grads=True)
        except RuntimeError:
            raise AnswerError(
                "no gradient can be taken of the loss: its graph is used up. Return the loss, and "
                "leave backward() and the step to the training loop."
            ) from None
        observed |= dict(zip(["gradient of weight", "gradient of bias"], gradients, strict=True))
    else:
        observed |= {"gradient of weight": None, "gradient of bias": None}
    return observed


def _line(x: list[float], y: list[float]):
    def make():
        model = nn.Linear(1, 1)
        nn.init.constant_(model.weight, 2.0)
        nn.init.constant_(model.bias, -0.5)
        return model, torch.tensor(x), torch.tensor(y)

    return make


broadcast_exercise = FunctionExercise(
    id="05.2",
    title="Find the broadcasting bug",
    statement=(
        "`line_loss(model, x, y)` returns the mean squared error of `model`, an nn.Linear(1, 1), "
        "on x (N,) and y (N,). A colleague's version compares each prediction with every target. "
        "Repair it."
    ),
    solution=line_loss,
    check_dtype=False,
    alternatives=(_line_column, _line_view, _line_flatten, _line_loop),
    observe=_loss_and_gradient,
    probes=(
        Probe("three points", _line([0.0, 1.0, 2.0], [0.5, 1.0, 3.0])),
        Probe("five points", _line([-1.0, 0.5, 0.0, 2.0, 1.0], [0.0, 0.25, -1.0, 4.0, 1.0])),
        Probe("one point", _line([1.5], [0.5])),
    ),
    misconceptions=(
        Misconception(
            "still (N, N)",
            _line_bug,
            "The difference still has shape (N, N): a column (N, 1) minus a row of N broadcasts. "
            "Print its shape, then make both (N,) or both (N, 1).",
        ),
        Misconception(
            "a sum",
            _line_sum,
            "The pairs are right now, but you add the squares up. Divide by N: the mean.",
        ),
        Misconception(
            "mean before square",
            _line_mean_first,
            "You average the differences before squaring, so positive and negative errors cancel. "
            "Square first.",
        ),
        Misconception(
            "absolute errors",
            _line_absolute,
            "These are absolute errors; the question asks for squared ones.",
        ),
        Misconception(
            "no gradient",
            _line_detached,
            "The number is right, but no gradient comes back to the model. Leave out .detach() "
            "and .item().",
        ),
        Misconception(
            "not averaged",
            _line_elements,
            "You return N squared errors. backward() needs one number: add .mean().",
        ),
    ),
    hints=(
        "Print the shapes of model(x.unsqueeze(1)) and of y.",
        "(N, 1) minus (N,) is (N, N). Which dimension has to go, or be added?",
        "Squeeze the prediction: model(x.unsqueeze(1)).squeeze(1).",
    ),
    reasoning=(
        "nn.Linear(1, 1) returns a column (N, 1). Broadcasting lines shapes up from the right, so "
        "against (N,) it makes a table of all N² differences. With both of shape (N,) each "
        "prediction meets its own target."
    ),
)

# --- 05.3: cross-entropy -----------------------------------------------------------------------


def cross_entropy(logits, y):
    """Mean negative log-probability of the right class: logits (N, C), y (N,) int64 -> ()."""
    log_p = logits - logits.logsumexp(dim=1, keepdim=True)  # (N, C)
    picked = log_p.gather(1, y.unsqueeze(1)).squeeze(1)  # (N,)
    return -picked.mean()


def _ce_torch(logits, y):
    return F.cross_entropy(logits, y)


def _ce_index(logits, y):
    log_p = torch.log_softmax(logits, dim=-1)
    return -log_p[range(len(y)), y].mean()


def _ce_one_hot(logits, y):
    target = F.one_hot(y, logits.shape[1]).to(logits.dtype)
    return -(target * logits.log_softmax(1)).sum(1).mean()


def _ce_float64(logits, y):
    return F.cross_entropy(logits.double(), y)


def _ce_columns(logits, y):
    return -logits.log_softmax(dim=1)[:, y].mean()


def _ce_shift(logits, y):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return sum(-row[label] for row, label in zip(log_p, y, strict=True)) / len(y)


def _ce_sum(logits, y):
    return F.cross_entropy(logits, y, reduction="sum")


def _ce_none(logits, y):
    return F.cross_entropy(logits, y, reduction="none")


def _ce_log_of_softmax(logits, y):
    return -torch.softmax(logits, 1).log().gather(1, y[:, None]).mean()


def _ce_overflow(logits, y):
    log_p = logits - logits.exp().sum(1, keepdim=True).log()
    return -log_p.gather(1, y[:, None]).mean()


def _ce_twice(logits, y):
    return F.cross_entropy(logits.softmax(1), y)


def _ce_dim(logits, y):
    return F.nll_loss(logits.log_softmax(0), y)


def _ce_sign(logits, y):
    return -F.cross_entropy(logits, y)


def _ce_raw(logits, y):
    return F.nll_loss(logits, y)


def _ce_probability(logits, y):
    return F.nll_loss(logits.softmax(1), y)


def _ce_all_entries(logits, y):
    return F.cross_entropy(logits, y) / logits.shape[1]


def _logits(rows: list[list[float]], y: list[int]):
    return lambda: (_tensor(rows, grad=True), torch.tensor(y))


ce_exercise = FunctionExercise(
    id="05.3",
    title="Cross-entropy from scratch",
    statement=(
        "Write `cross_entropy(logits, y)`: logits (N, C), y (N,) with class numbers. Return the "
        "mean of -log p over the right classes, as a scalar tensor. It has to survive logits that "
        "differ by hundreds."
    ),
    solution=cross_entropy,
    check_dtype=False,
    alternatives=(_ce_torch, _ce_index, _ce_one_hot, _ce_shift, _ce_float64),
    gradient=True,
    probes=(
        Probe("two examples", _logits([[2.0, 1.0, 0.1], [0.0, 0.5, -1.0]], [0, 2])),
        Probe("as many examples as classes", _logits([[1.0, -1.0], [0.5, 2.0]], [1, 0])),
        Probe("sure and wrong", _logits([[300.0, 0.0, -50.0], [0.0, 0.0, 1.0]], [1, 2])),
        Probe("float64", lambda: (_tensor([[0.3, -0.2]], dtype=torch.float64), torch.tensor([1]))),
    ),
    misconceptions=(
        Misconception("a sum", _ce_sum, "You add the losses up. Average them over the N examples."),
        Misconception(
            "not averaged",
            _ce_none,
            "You return one loss for each example. Finish with .mean().",
        ),
        Misconception(
            "log of softmax",
            _ce_log_of_softmax,
            "For logits that differ by hundreds the softmax is exactly 0 and its logarithm -inf. "
            "Subtract logsumexp instead, or use log_softmax: neither forms the probability.",
        ),
        Misconception(
            "overflow",
            _ce_overflow,
            "The exponential of 300 is infinite in float32. Subtract each row's maximum first, or "
            "use logsumexp, which does it for you.",
        ),
        Misconception(
            "softmax twice",
            _ce_twice,
            "Softmax acts twice here: F.cross_entropy applies it to your probabilities again. Give "
            "it the logits.",
        ),
        Misconception(
            "wrong dim",
            _ce_dim,
            "You normalize over the examples (dim 0). The classes of one example are one row: use "
            "dim=1.",
        ),
        Misconception(
            "sign",
            _ce_sign,
            "The sign is missing: log p is negative, a loss is -log p.",
        ),
        Misconception(
            "raw logits",
            _ce_raw,
            "You average the raw logits of the right classes. That can fall without limit; "
            "subtract each row's logsumexp first, which makes them log-probabilities.",
        ),
        Misconception(
            "no logarithm",
            _ce_probability,
            "You average probabilities; the logarithm is missing.",
        ),
        Misconception(
            "all columns",
            _ce_columns,
            "`log_p[:, y]` takes the columns of all examples from every row, (N, N) numbers. Take "
            "one from each row: `log_p[torch.arange(N), y]`, or gather.",
        ),
        Misconception(
            "divided by C too",
            _ce_all_entries,
            "You average over all N · C entries of the table. Sum over the classes, then average "
            "over the N examples only.",
        ),
    ),
    hints=(
        "Two steps: log-probabilities (N, C), then one entry from each row.",
        "log p = logits - logits.logsumexp(dim=1, keepdim=True).",
        "log_p.gather(1, y.unsqueeze(1)) picks entry y[n] of row n; then minus the mean.",
    ),
    reasoning=(
        "log softmax(z)_c = z_c - logsumexp(z). Only the right class's entry counts, because the "
        "one-hot target is 0 elsewhere. logsumexp subtracts the maximum inside, so nothing "
        "overflows and no probability is rounded to 0 before its logarithm is taken."
    ),
)

# --- 05.4: stable binary cross-entropy ---------------------------------------------------------


def bce_with_logits(z, y):
    """Binary cross-entropy of logits z against targets y in [0, 1], element by element."""
    return torch.logaddexp(z, torch.zeros_like(z)) - z * y


def _bce_max(z, y):
    return z.clamp(min=0) - z * y + torch.log1p(torch.exp(-z.abs()))


def _bce_softplus(z, y):
    return y * F.softplus(-z) + (1 - y) * F.softplus(z)


def _bce_logsigmoid(z, y):
    return -(y * F.logsigmoid(z) + (1 - y) * F.logsigmoid(-z))


def _bce_torch(z, y):
    return F.binary_cross_entropy_with_logits(z, y, reduction="none")


def _bce_stack(z, y):
    both = torch.stack([torch.zeros_like(z), z], dim=-1)
    log_p = both.log_softmax(dim=-1)
    return -(1 - y) * log_p[..., 0] - y * log_p[..., 1]


def _bce_naive(z, y):
    p = torch.sigmoid(z)
    return -y * p.log() - (1 - y) * (1 - p).log()


def _bce_clamped(z, y):
    p = torch.sigmoid(z).clamp(1e-7, 1 - 1e-7)
    return -y * p.log() - (1 - y) * (1 - p).log()


def _bce_loss(z, y):
    return F.binary_cross_entropy(torch.sigmoid(z), y, reduction="none")


def _bce_overflow(z, y):
    return torch.log(1 + torch.exp(z)) - z * y


def _bce_where(z, y):
    return torch.where(z > 20, z, torch.log(1 + torch.exp(z))) - z * y


def _bce_flipped(z, y):
    return torch.logaddexp(z, torch.zeros_like(z)) + z * y


def _bce_positive_only(z, y):
    return -y * F.logsigmoid(z)


def _bce_mean(z, y):
    return F.binary_cross_entropy_with_logits(z, y)


def _bce_no_target(z, y):
    return F.softplus(z)


def _gradient_at_zero(answer) -> str:
    """A remark for answers whose autograd gradient is off at exactly z = 0."""
    z = torch.zeros(1, requires_grad=True)
    try:
        (gradient,) = torch.autograd.grad(answer(z, torch.zeros(1)).sum(), z)
    except Exception:
        return ""
    if abs(gradient.item() - 0.5) < 1e-4:
        return "It is right at z = 0 too, where the gradient must be 1/2 - y."
    return (
        "One remark: at exactly z = 0 autograd gives your formula the slope "
        f"{gradient.item():g} for y = 0 instead of 0.5, because a maximum and an absolute value "
        "have a corner there. torch.logaddexp has none."
    )


stable_bce_exercise = FunctionExercise(
    id="05.4",
    title="A binary cross-entropy that survives ±100",
    statement=(
        "Write `bce_with_logits(z, y)`, element by element: -y log σ(z) - (1 - y) log(1 - σ(z)), "
        "for logits from -100 to 100 and targets in [0, 1]. Value and gradient must be right "
        "everywhere."
    ),
    solution=bce_with_logits,
    check_dtype=False,
    alternatives=(_bce_max, _bce_softplus, _bce_logsigmoid, _bce_torch, _bce_stack),
    gradient=True,
    remark=_gradient_at_zero,
    probes=(
        Probe(
            "moderate logits",
            lambda: (_tensor([-2.0, 0.5, 3.0], grad=True), _tensor([0.0, 1.0, 0.0])),
        ),
        Probe(
            "sure and wrong",
            lambda: (_tensor([100.0, -100.0, 30.0], grad=True), _tensor([0.0, 1.0, 0.0])),
        ),
        Probe(
            "soft targets, (2, 2)",
            lambda: (
                _tensor([[0.25, -1.0], [2.0, -3.0]], grad=True),
                _tensor([[0.3, 0.9], [0.5, 0.1]]),
            ),
        ),
        Probe("float64", lambda: (torch.tensor([1.5]).double(), torch.tensor([1.0]).double())),
    ),
    misconceptions=(
        Misconception(
            "as written",
            _bce_naive,
            "For large logits σ(z) is exactly 1, and log(1 - 1) is -inf. Rewrite the formula in "
            "terms of z: log(1 + e^z) - z·y, and then protect the exponential.",
        ),
        Misconception(
            "clamped probabilities",
            _bce_clamped,
            "Clamping the probability keeps the value finite, but it caps the loss near 16 and "
            "makes the gradient 0 where the network is surest and wrong.",
        ),
        Misconception(
            "BCELoss on a sigmoid",
            _bce_loss,
            "BCELoss caps each logarithm at -100, and through a saturated sigmoid no gradient "
            "comes back. The sigmoid must not be computed by itself.",
        ),
        Misconception(
            "overflow",
            _bce_overflow,
            "The idea is right, but e^100 is infinite in float32. torch.logaddexp computes "
            "log(e^z + e^0) without forming e^z.",
        ),
        Misconception(
            "where over an overflow",
            _bce_where,
            "The values are right, but the gradient is nan: torch.where computes both branches, "
            "and the infinite slope of the one not taken times 0 is nan. Use torch.logaddexp.",
        ),
        Misconception(
            "sign of z·y",
            _bce_flipped,
            "The sign of the second term is wrong: log(1 + e^z) - z·y. With y = 1 the loss must "
            "fall as z grows.",
        ),
        Misconception(
            "only the ones",
            _bce_positive_only,
            "Only targets of 1 are punished. The term (1 - y) · log(1 - σ(z)) is missing.",
        ),
        Misconception(
            "averaged",
            _bce_mean,
            "You return the mean. Here each element keeps its own loss.",
        ),
        Misconception(
            "y unused",
            _bce_no_target,
            "This is the loss for y = 0, whatever y is. Subtract z·y.",
        ),
    ),
    hints=(
        "Write σ(z) as e^z / (1 + e^z). What are log σ(z) and log(1 - σ(z))?",
        "The loss becomes log(1 + e^z) - z·y. Which torch function computes log(e^a + e^b) safely?",
        "torch.logaddexp(z, torch.zeros_like(z)) - z * y.",
    ),
    reasoning=(
        "log(1 - σ(z)) = -log(1 + e^z) and log σ(z) = z - log(1 + e^z), so both terms together "
        "are log(1 + e^z) - z·y. logaddexp pulls the larger exponent out before it computes an "
        "exponential. The well-known form max(z, 0) - z·y + log(1 + e^-|z|) is the same number, "
        "with a corner at z = 0."
    ),
)

# --- 05.5: focal loss --------------------------------------------------------------------------


def focal_loss(z, y, gamma=2.0):
    """Binary focal loss of logits z against targets y in {0., 1.}, element by element."""
    bce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    p_right = torch.exp(-bce)  # probability given to the right answer
    return (1 - p_right) ** gamma * bce


def _focal_sigmoid(z, y, gamma=2.0):
    p = torch.sigmoid(z)
    p_right = torch.where(y == 1, p, 1 - p)
    side = 2 * y - 1
    return -((1 - p_right) ** gamma) * F.logsigmoid(side * z)


def _focal_terms(z, y, gamma=2.0):
    p = torch.sigmoid(z)
    ones = (1 - p).pow(gamma) * F.softplus(-z)
    zeros = p.pow(gamma) * F.softplus(z)
    return y * ones + (1 - y) * zeros


def _focal_easy(z, y, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return torch.exp(-bce) ** gamma * bce


def _focal_p(z, y, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return (1 - torch.sigmoid(z)) ** gamma * bce


def _focal_no_log(z, y, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return (1 - torch.exp(-bce)) ** gamma


def _focal_plain(z, y, gamma=2.0):
    return F.binary_cross_entropy_with_logits(z, y, reduction="none")


def _focal_factor(z, y, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return gamma * (1 - torch.exp(-bce)) * bce


def _focal_fixed(z, y, gamma=2.0):
    return focal_loss(z, y, 2.0)


def _focal_mean(z, y, gamma=2.0):
    return focal_loss(z, y, gamma).mean()


def _focal_naive(z, y, gamma=2.0):
    p = torch.sigmoid(z)
    p_right = torch.where(y == 1, p, 1 - p)
    return -((1 - p_right) ** gamma) * p_right.log()


def _focal_detached(z, y, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return ((1 - torch.exp(-bce)) ** gamma).detach() * bce


focal_exercise = FunctionExercise(
    id="05.5",
    title="Focal loss",
    statement=(
        "Write `focal_loss(z, y, gamma=2.0)`, element by element: logits z and targets y in "
        "{0., 1.} of one shape. Multiply the binary cross-entropy by (1 - p_right)^gamma, where "
        "p_right is the probability given to the right answer. It has to survive logits of ±40."
    ),
    solution=focal_loss,
    check_dtype=False,
    alternatives=(_focal_sigmoid, _focal_terms),
    gradient=True,
    probes=(
        Probe(
            "easy and hard",
            lambda: (_tensor([3.0, -1.0, -2.0, 0.5], grad=True), _tensor([1.0, 1.0, 0.0, 0.0])),
        ),
        Probe("gamma 0 is plain", lambda: (_tensor([0.7], grad=True), _tensor([0.0]), 0.0)),
        Probe(
            "gamma 3",
            lambda: (_tensor([[1.0, -0.5]], grad=True), _tensor([[0.0, 1.0]]), 3.0),
        ),
        Probe("a sure mistake", lambda: (_tensor([40.0], grad=True), _tensor([0.0]))),
    ),
    misconceptions=(
        Misconception(
            "focus on the easy",
            _focal_easy,
            "The factor is p_right^gamma: it silences the hard examples instead of the easy ones. "
            "Use 1 - p_right.",
        ),
        Misconception(
            "p of class 1",
            _focal_p,
            "For y = 0 the right answer's probability is 1 - σ(z), not σ(z). Take p_right from "
            "the loss itself: exp(-bce).",
        ),
        Misconception(
            "no cross-entropy",
            _focal_no_log,
            "Only the factor is left. Multiply it by the cross-entropy.",
        ),
        Misconception(
            "plain", _focal_plain, "This is the plain cross-entropy: the factor is missing."
        ),
        Misconception(
            "gamma as a factor",
            _focal_factor,
            "Gamma is an exponent: (1 - p_right) ** gamma, not gamma * (1 - p_right).",
        ),
        Misconception(
            "gamma ignored",
            _focal_fixed,
            "Your result does not change with gamma. Use the argument instead of the number 2.",
        ),
        Misconception("averaged", _focal_mean, "You return the mean. Here each element counts."),
        Misconception(
            "log of p_right",
            _focal_naive,
            "The formula is right, but for a sure mistake p_right is exactly 0 and its logarithm "
            "-inf. Take the cross-entropy on logits, which never forms the probability.",
        ),
        Misconception(
            "factor without gradient",
            _focal_detached,
            "The values are right, but the factor carries no gradient. It depends on z too, so "
            "leave out .detach(), no_grad and .item().",
        ),
    ),
    hints=(
        "First the plain cross-entropy of each element: reduction='none'.",
        "The cross-entropy is -log p_right. So what is p_right?",
        "p_right = torch.exp(-bce); then (1 - p_right) ** gamma * bce.",
    ),
    reasoning=(
        "bce = -log p_right, so exp(-bce) is the probability of the right answer for both classes "
        "at once. Where it is near 1 the factor is nearly 0; gamma = 0 gives the plain loss back."
    ),
)

# --- 05.6: a stated cost -----------------------------------------------------------------------


def bakery_loss(planned, demand):
    """Mean cost of a day: 4 for each loaf missing, 1 for each loaf left over; both (N,)."""
    missing = (demand - planned).clamp(min=0)
    left_over = (planned - demand).clamp(min=0)
    return (4 * missing + left_over).mean()


def _bakery_where(planned, demand):
    gap = demand - planned
    return torch.where(gap > 0, 4 * gap, -gap).mean()


def _bakery_maximum(planned, demand):
    gap = demand - planned
    return torch.maximum(4 * gap, -gap).mean()


def _bakery_pinball(planned, demand):
    gap = demand - planned
    return 5 * (gap * (0.8 - (gap < 0).to(gap.dtype))).mean()


def _bakery_relu(planned, demand):
    total = 4 * torch.relu(demand - planned).sum() + torch.relu(planned - demand).sum()
    return total / demand.numel()


def _bakery_swapped(planned, demand):
    return bakery_loss(demand, planned)


def _bakery_l1(planned, demand):
    return (planned - demand).abs().mean()


def _bakery_square(planned, demand):
    gap = demand - planned
    return torch.where(gap > 0, 4 * gap**2, gap**2).mean()


def _bakery_missing_only(planned, demand):
    return 4 * (demand - planned).clamp(min=0).mean()


def _bakery_negative(planned, demand):
    gap = demand - planned
    return torch.where(gap > 0, 4 * gap, gap).mean()


def _bakery_sum(planned, demand):
    return bakery_loss(planned, demand) * demand.numel()


def _bakery_elements(planned, demand):
    gap = demand - planned
    return torch.maximum(4 * gap, -gap)


def _bakery_detached(planned, demand):
    return bakery_loss(planned.detach(), demand)


cost_exercise = FunctionExercise(
    id="05.6",
    title="A loss for a stated cost",
    statement=(
        "A loaf that is missing costs 4, a loaf that is left over costs 1. Write "
        "`bakery_loss(planned, demand)`, both (N,): the mean cost of a day, as a scalar tensor "
        "that carries a gradient to `planned`. Fractions of loaves are allowed."
    ),
    solution=bakery_loss,
    check_dtype=False,
    alternatives=(_bakery_where, _bakery_maximum, _bakery_pinball, _bakery_relu),
    gradient=True,
    probes=(
        Probe(
            "one short, one over", lambda: (_tensor([8.0, 12.0], grad=True), _tensor([10.0, 11.0]))
        ),
        Probe("always too few", lambda: (_tensor([3.0, 2.5, 4.0], grad=True), _tensor([5.0] * 3))),
        Probe("always too many", lambda: (_tensor([9.0, 7.0], grad=True), _tensor([5.5, 6.0]))),
        Probe("exactly right", lambda: (_tensor([6.0]), _tensor([6.0]))),
    ),
    misconceptions=(
        Misconception(
            "swapped",
            _bakery_swapped,
            "The prices are swapped: you charge 4 for a loaf left over. Missing means that the "
            "demand is larger than the plan.",
        ),
        Misconception(
            "the same price",
            _bakery_l1,
            "Both directions cost the same here. Multiply the missing loaves by 4.",
        ),
        Misconception(
            "squared",
            _bakery_square,
            "The prices are right, but the loaves are squared: ten missing loaves cost ten times "
            "as much as one, not a hundred times.",
        ),
        Misconception(
            "nothing for waste",
            _bakery_missing_only,
            "Loaves left over cost nothing here, so the cheapest plan would be infinite. Add 1 "
            "for each of them.",
        ),
        Misconception(
            "earns with waste",
            _bakery_negative,
            "Loaves left over give a negative cost: demand - planned is negative there. Turn its "
            "sign.",
        ),
        Misconception("a sum", _bakery_sum, "You add the days up. Return the mean of the N days."),
        Misconception(
            "not averaged",
            _bakery_elements,
            "You return one cost for each day. Finish with .mean().",
        ),
        Misconception(
            "no gradient",
            _bakery_detached,
            "The number is right, but no gradient reaches `planned`. Leave out .detach(), .item() "
            "and rounding.",
        ),
    ),
    hints=(
        "Split the gap in two parts that are never negative: missing and left over.",
        "missing = (demand - planned).clamp(min=0), and the other way round for the rest.",
        "(4 * missing + left_over).mean().",
    ),
    reasoning=(
        "Each part is zero where the other one counts, so the sum is the day's cost. Its slope "
        "is -4 below the demand and +1 above: the cheapest constant plan is where 4 · P(too few) "
        "= 1 · P(too many), the 80 % quantile of the demand."
    ),
)

# --- 05.7: the loss for six tasks --------------------------------------------------------------

_RIGHT = ("b", "c", "d", "cf", "g", "h")  # accepted letters of the six tasks
_WANTED = 'Write six letters, one for each task, for example ("a", "b", "c", "d", "e", "f").'


def _six_letters(answer: object) -> tuple[str, ...]:
    """Read six letters from a tuple, a list or one string such as "bcdfgh" or "b, c, d"."""
    if isinstance(answer, str):
        answer = [letter for letter in answer if letter not in " ,;\n\t.:-)(123456"]
    if isinstance(answer, dict):
        answer = list(answer.values())
    if not isinstance(answer, (tuple, list)) or not all(isinstance(a, str) for a in answer):
        raise AnswerError(_WANTED)
    letters = tuple(letter.strip(" )").lower() for letter in answer)
    if len(letters) != 6:
        raise AnswerError(f"There are six tasks, but {len(letters)} letters. {_WANTED}")
    unknown = [letter for letter in letters if letter not in "abcdefgh" or len(letter) != 1]
    if unknown:
        raise AnswerError(f"{unknown[0]!r} is not one of the letters a to h. {_WANTED}")
    return letters


def _first_mistake(letters: tuple[str, ...]) -> str:
    """The first task that got the wrong loss, with the letter it got."""
    for task, (letter, accepted) in enumerate(zip(letters, _RIGHT, strict=True), start=1):
        if letter not in accepted:
            return f"task {task} with loss {letter}"
    return "a fitting loss for each task"


def _with(task: int, letter: str) -> tuple[str, ...]:
    letters = ["b", "c", "d", "f", "g", "h"]
    letters[task - 1] = letter
    return tuple(letters)


_TARGETS = (
    "the target is a price, one number, and a few of them are far off",
    "the target is one class of 20, and the network gives raw logits",
    "the target is a set of labels, each there or not",
    "the target is a distribution, ten probabilities",
    "what is known is which photos show the same person",
    "the target is a time, and being late must cost more than being early",
)
_LOSSES = {
    "a": "MSELoss squares the gap between numbers",
    "b": "HuberLoss measures the gap between numbers, alike on both sides",
    "c": "CrossEntropyLoss makes classes compete for one right answer",
    "d": "BCEWithLogitsLoss asks separate yes/no questions",
    "e": "NLLLoss picks the log-probability of one right class",
    "f": "KLDivLoss compares two distributions",
    "g": "TripletMarginLoss compares distances between codes",
    "h": "an asymmetric L1 prices a gap between numbers by its direction",
}
_TOLD = {"1a", "2d", "2e", "2a", "3c", "4a", "4d", "5c", "6a", "6b"}  # with words of their own


def _other_choices() -> list[Misconception]:
    """What the remaining wrong letters are told: what the task asks, and what the loss does."""
    return [
        Misconception(
            f"task {task}: {letter}", _with(task, letter), f"Task {task}: {target}, but {does}."
        )
        for task, target in enumerate(_TARGETS, start=1)
        for letter, does in _LOSSES.items()
        if letter not in _RIGHT[task - 1] and f"{task}{letter}" not in _TOLD
    ]


six_tasks = ValueExercise(
    id="05.7",
    title="The loss for six tasks",
    statement=(
        "Choose a loss for each of the six tasks and write the letters in order, as in "
        '`losses = ("a", "b", "c", "d", "e", "f")`. A letter may be used more than once.'
    ),
    name="losses",
    solution=("b", "c", "d", "f", "g", "h"),
    parse=_six_letters,
    observe=_first_mistake,
    show_expected=False,
    alternatives=(
        "bcdfgh",
        ["b", "c", "d", "c", "g", "h"],
        "B, C, D, F, G, H",
        "1b 2c 3d 4f 5g 6h",
        "b\nc\nd\nf\ng\nh",
    ),
    misconceptions=(
        Misconception(
            "task 1: MSE",
            _with(1, "a"),
            "Task 1: with squared errors one mistyped price, a thousand times too high, outweighs "
            "a million good ones. Cap its pull.",
        ),
        Misconception(
            "task 2: BCE",
            _with(2, "d"),
            "Task 2: each photo has exactly one species, so the 20 answers compete. Independent "
            "yes/no questions could answer yes twice, or never.",
        ),
        Misconception(
            "task 2: NLL",
            _with(2, "e"),
            "Task 2: NLLLoss expects log-probabilities, but this network ends in a linear layer. "
            "On raw logits NLLLoss can fall without limit.",
        ),
        Misconception(
            "task 2: MSE",
            _with(2, "a"),
            "Task 2: squared error on class scores can be trained, as section 4 shows, but its "
            "outputs are no probabilities. Take the likelihood of a category.",
        ),
        Misconception(
            "task 3: cross-entropy",
            _with(3, "c"),
            "Task 3: softmax makes the labels compete, but a photo may show a dog and a cat. Ask "
            "20 yes/no questions.",
        ),
        Misconception(
            "task 4: MSE",
            _with(4, "a"),
            "Task 4: the targets are whole distributions, and there is a measure of how far one "
            "distribution is from another.",
        ),
        Misconception(
            "task 4: BCE",
            _with(4, "d"),
            "Task 4: the ten probabilities sum to 1, they are one distribution and not ten "
            "separate questions.",
        ),
        Misconception(
            "task 5: cross-entropy",
            _with(5, "c"),
            "Task 5: the people are not classes known in advance. What you know is who is the "
            "same and who is not, so the loss must speak of distances.",
        ),
        Misconception(
            "task 6: MSE",
            _with(6, "a"),
            "Task 6: squared error leads to the mean, and about half of the parcels are later "
            "than that. Being late must cost more than being early.",
        ),
        Misconception(
            "task 6: Huber",
            _with(6, "b"),
            "Task 6: Huber treats early and late alike, so about half of the parcels would be "
            "late. Being late must cost more than being early.",
        ),
        *_other_choices(),
    ),
    hints=(
        "Ask for each task: which mistakes are possible, and which of them shall hurt?",
        "One of 20, or any of 20? A point, a distribution, a distance, or a quantile?",
        "Tasks 2 and 3 differ in one word: one species, several objects. Task 6 wants a promise "
        "that nine in ten parcels keep.",
    ),
    reasoning=(
        "Huber caps the pull of the mistyped prices. One of 20 is categorical, several of 20 are "
        "20 yes/no questions. A distribution as target means KL divergence (or cross-entropy with "
        "probabilities, which differs by a constant). Same or different speaks of distances. The "
        "90 % promise is a quantile: being late costs 9, being early 1."
    ),
)

# --- predictions -------------------------------------------------------------------------------

outlier_guess = Prediction(
    "05.p1",
    "One point is moved from 10 to 20 units above the line. What happens to the slope of the line "
    "that is fitted with the Huber loss?",
    options={
        "a": "its error doubles",
        "b": "its error grows, but by less than a half",
        "c": "nothing that four decimals would show",
    },
)
broadcast_guess = Prediction(
    "05.p2",
    "Predictions (40, 1), targets (40,), and 200 steps of training. Which line comes out?",
    options={
        "a": "none: an error is raised",
        "b": "the right line, only more slowly",
        "c": "a flat line at the mean of y",
        "d": "a line with the wrong sign of the slope",
    },
)
digits_guess = Prediction(
    "05.p3",
    "The same network on the same digits, with four losses, each with its own tuned rate. Which "
    "loss loses more than 10 points of accuracy against cross-entropy?",
    options={
        "a": "squared error on one-hot targets",
        "b": "absolute error on one-hot targets",
        "c": "both of them",
        "d": "neither",
    },
)
nines_guess = Prediction(
    "05.p4",
    "'Never a nine' is right on 97.8 % of the images. How accurate is the detector with the lowest "
    "cost?",
    options={
        "a": "99 % or more",
        "b": "between 97.8 and 99 %",
        "c": "less accurate than 'never a nine'",
    },
)
