"""The exercises of lesson 3.9, Optimizers."""

from __future__ import annotations

import math
import numbers

import torch
from torch import Tensor

from course_utils.exercises import (
    AnswerError,
    ChoiceExercise,
    FunctionExercise,
    Misconception,
    Prediction,
    Probe,
    ValueExercise,
)

# --- 09.1: the largest stable learning rate ----------------------------------------------------


def largest_stable_rate(H):
    """The limit 2 / λmax of gradient descent on a bowl with the Hessian H (D, D)."""
    return 2 / torch.linalg.eigvalsh(H).max()


def _rate_eigvals(H):
    return 2 / torch.linalg.eigvals(H).real.max()


def _rate_last(H):
    values, _ = torch.linalg.eigh(H)
    return 2.0 / values[-1]


def _rate_loop(H):
    """The strictest of the limits, one direction after the other, in double precision."""
    limits = [2 / value.item() for value in torch.linalg.eigvalsh(H.double()) if value > 0]
    return torch.tensor(min(limits), dtype=torch.float64)


def _rate_one(H):
    return 1 / torch.linalg.eigvalsh(H).max()


def _rate_smallest(H):
    return 2 / torch.linalg.eigvalsh(H).min()


def _rate_best(H):
    values = torch.linalg.eigvalsh(H)
    return 2 / (values.min() + values.max())


def _rate_diagonal(H):
    return 2 / H.diagonal().max()


def _rate_trace(H):
    return 2 / H.trace()


def _rate_entry(H):
    return 2 / H.max()


def _rate_all(H):
    return (2 / torch.linalg.eigvalsh(H)).min()


def _rate_norm(H):
    return 2 / torch.linalg.eigvalsh(H).abs().max()


stable_rate = FunctionExercise(
    id="09.1",
    title="The largest stable learning rate",
    statement=(
        "Write `largest_stable_rate(H)` for a symmetric Hessian H (D, D) with at least one "
        "positive eigenvalue: the rate below which gradient descent does not explode along any "
        "direction that curves upward. Return a scalar tensor."
    ),
    solution=largest_stable_rate,
    alternatives=(_rate_eigvals, _rate_last, _rate_loop),
    check_dtype=False,
    probes=(
        Probe("a ravine, curvatures 1 and 20", lambda: (torch.diag(torch.tensor([1.0, 20.0])),)),
        Probe(
            "a tilted bowl",
            lambda: (torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64),),
        ),
        Probe("a saddle, curvatures 2 and -5", lambda: (torch.diag(torch.tensor([2.0, -5.0])),)),
        Probe("a tilted saddle", lambda: (torch.tensor([[1.0, 3.0], [3.0, 1.0]]),)),
        Probe(
            "three weights",  # here the largest sum of a row is not the largest eigenvalue
            lambda: (torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]]),),
        ),
        Probe("one weight", lambda: (torch.tensor([[4.0]]),)),
    ),
    misconceptions=(
        Misconception(
            "1 / λmax",
            _rate_one,
            "1/λmax arrives in one step along the steepest direction. Up to twice that rate the "
            "factor 1 - ηλ is still between -1 and 1: the limit is 2/λmax.",
        ),
        Misconception(
            "the smallest eigenvalue",
            _rate_smallest,
            "You divide by the smallest eigenvalue. The steepest direction explodes first, so the "
            "largest eigenvalue sets the limit.",
        ),
        Misconception(
            "the best rate",
            _rate_best,
            "2/(λmin + λmax) is the fastest rate for a bowl, not the largest stable one.",
        ),
        Misconception(
            "the diagonal",
            _rate_diagonal,
            "The diagonal holds the curvatures along the axes only. If the bowl is tilted, its "
            "steepest direction lies between them: take the eigenvalues.",
        ),
        Misconception(
            "the trace",
            _rate_trace,
            "The trace is the sum of all eigenvalues. The directions move independently: only the "
            "largest one counts.",
        ),
        Misconception(
            "the largest entry",
            _rate_entry,
            "You divide by the largest entry of the matrix. Curvatures are its eigenvalues.",
        ),
        Misconception(
            "the smallest quotient",
            _rate_all,
            "You take the smallest of all 2/λ. For a negative eigenvalue that quotient is "
            "negative, and no limit: look at the positive ones only.",
        ),
        Misconception(
            "the largest absolute value",
            _rate_norm,
            "A negative eigenvalue curves downward; no rate is stable there, and none is asked "
            "for. Take the largest eigenvalue itself, not its absolute value.",
        ),
    ),
    hints=(
        "Along each eigenvector a step multiplies the weight by 1 - ηλ. When is its size below 1?",
        "The condition is η < 2/λ, for every positive λ. Which λ is the strictest?",
        "`torch.linalg.eigvalsh(H)` gives the eigenvalues of a symmetric matrix.",
    ),
    reasoning=(
        "Along the eigenvector of λ the weight is multiplied by 1 - ηλ, whose size is below 1 for "
        "0 < η < 2/λ. The largest λ gives the smallest bound. `eigvalsh` is for symmetric "
        "matrices: it is faster than `eigvals` and returns real numbers."
    ),
)

# --- 09.2: a momentum step ---------------------------------------------------------------------


def momentum_step(w, g, v, lr, mu):
    """One step of SGD with momentum as torch has it: the new w and v, all of one shape."""
    v = mu * v + g
    return w - lr * v, v


def _momentum_clone(w, g, v, lr, mu):
    v = v.clone()
    v.mul_(mu).add_(g)
    return torch.add(w, v, alpha=-lr), v


def _momentum_spelled(w, g, v, lr, mu):
    new_v = g + v * mu
    new_w = w - new_v * lr
    return new_w, new_v


def _momentum_scaled(w, g, v, lr, mu):
    v = mu * v + lr * g
    return w - v, v


def _momentum_downhill(w, g, v, lr, mu):
    v = mu * v - lr * g
    return w + v, v


def _momentum_forgets(w, g, v, lr, mu):
    return momentum_step(w, g, v, lr, mu)[0], v


def _momentum_exchanged(w, g, v, lr, mu):
    return momentum_step(w, g, v, lr, mu)[::-1]


def _momentum_torch(w, g, v, lr, mu):
    weight = torch.nn.Parameter(w.clone())
    weight.grad = g.clone()
    optimizer = torch.optim.SGD([weight], lr=lr, momentum=mu)
    optimizer.state[weight]["momentum_buffer"] = v.clone()
    optimizer.step()
    return weight.detach(), mu * v + g


def _momentum_damped(w, g, v, lr, mu):
    v = mu * v + (1 - mu) * g
    return w - lr * v, v


def _momentum_nesterov(w, g, v, lr, mu):
    v = mu * v + g
    return w - lr * (g + mu * v), v


def _momentum_old(w, g, v, lr, mu):
    return w - lr * v, mu * v + g


def _momentum_uphill(w, g, v, lr, mu):
    v = mu * v + g
    return w + lr * v, v


def _momentum_in_place(w, g, v, lr, mu):
    v.mul_(mu).add_(g)
    w.sub_(lr * v)
    return w, v


def _vectors(w: list[float], g: list[float], v: list[float], lr: float, mu: float):
    return lambda: (torch.tensor(w), torch.tensor(g), torch.tensor(v), lr, mu)


momentum_exercise = FunctionExercise(
    id="09.2",
    title="A momentum step",
    statement=(
        "Write `momentum_step(w, g, v, lr, mu)` as PyTorch has it: the velocity is mu·v + g, and "
        "the weights move by lr times the new velocity. Return the new (w, v); leave the given "
        "tensors as they are."
    ),
    solution=momentum_step,
    alternatives=(_momentum_clone, _momentum_spelled, _momentum_torch),
    time_limit=30.0,  # a process's first optimizer imports a lot
    probes=(
        Probe("the first step", _vectors([1.0, 2.0], [0.5, -1.0], [0.0, 0.0], 0.1, 0.9)),
        Probe("a later step", _vectors([1.0, 2.0], [0.5, -1.0], [2.0, 0.5], 0.1, 0.9)),
        Probe("no momentum", _vectors([1.0], [2.0], [3.0], 0.25, 0.0)),
        Probe(
            "a matrix in float64",
            lambda: (
                torch.ones(2, 3, dtype=torch.float64),
                torch.arange(6, dtype=torch.float64).reshape(2, 3),
                torch.full((2, 3), -1.0, dtype=torch.float64),
                0.01,
                0.5,
            ),
        ),
    ),
    misconceptions=(
        Misconception(
            "the rate inside the velocity",
            _momentum_scaled,
            "You multiply the gradient by the rate before it enters v. Some books do; PyTorch "
            "multiplies the velocity instead, so that a schedule acts on all of it at once.",
        ),
        Misconception(
            "a velocity that points downhill",
            _momentum_downhill,
            "Your velocity is -lr times that of PyTorch: other libraries have it so. Here v is "
            "mu·v + g, and the weights move by -lr·v.",
        ),
        Misconception(
            "the old velocity is returned",
            _momentum_forgets,
            "The new w is right, but you return the old v: the next step would not remember this "
            "gradient.",
        ),
        Misconception(
            "v before w",
            _momentum_exchanged,
            "The two results are exchanged: first the weights, then the velocity.",
        ),
        Misconception(
            "a damped gradient",
            _momentum_damped,
            "You multiply the gradient by 1 - mu. That is the average that Adam uses; PyTorch's "
            "SGD adds the whole gradient (its option `dampening` is 0 by default).",
        ),
        Misconception(
            "Nesterov",
            _momentum_nesterov,
            "That is Nesterov momentum. The plain one moves by lr · v, without looking ahead.",
        ),
        Misconception(
            "the old velocity",
            _momentum_old,
            "You move with the velocity from before this gradient. Update v first, then w.",
        ),
        Misconception(
            "uphill",
            _momentum_uphill,
            "You go uphill: subtract the velocity, it points along the gradient.",
        ),
        Misconception(
            "changes the caller's tensors",
            _momentum_in_place,
            "The numbers are right, but you changed the given tensors in place. Return new ones.",
        ),
    ),
    hints=(
        "There are two lines: one for the velocity, one for the weights. Which comes first?",
        "The new velocity is `mu * v + g`.",
        "Return `w - lr * v, v` with the new v.",
    ),
    reasoning=(
        "v is a sum of all past gradients in which each step back counts mu times less. `mu * v` "
        "makes a new tensor, so the caller's v stays as it was."
    ),
)

# --- 09.3: an Adam step ------------------------------------------------------------------------


def adam_step(w, g, m, h, t, lr, beta1, beta2, eps):
    """Adam's step number t (1 for the first): the new w, m and h."""
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    h_hat = h / (1 - beta2**t)
    return w - lr * m_hat / (h_hat.sqrt() + eps), m, h


def _adam_like_torch(w, g, m, h, t, lr, beta1, beta2, eps):
    m = torch.lerp(m, g, 1 - beta1)
    h = h * beta2 + (1 - beta2) * g * g
    denominator = h.sqrt() / math.sqrt(1 - beta2**t) + eps
    return w - lr / (1 - beta1**t) * m / denominator, m, h


def _adam_in_place_on_clones(w, g, m, h, t, lr, beta1, beta2, eps):
    m, h, w = m.clone(), h.clone(), w.clone()
    m.mul_(beta1).add_(g, alpha=1 - beta1)
    h.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    w -= lr * (m / (1 - beta1**t)) / (torch.sqrt(h / (1 - beta2**t)) + eps)
    return w, m, h


def _adam_no_correction(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * m / (h.sqrt() + eps), m, h


def _adam_no_root(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1**t)) / (h / (1 - beta2**t) + eps), m, h


def _adam_corrected_state(w, g, m, h, t, lr, beta1, beta2, eps):
    m = (beta1 * m + (1 - beta1) * g) / (1 - beta1**t)
    h = (beta2 * h + (1 - beta2) * g**2) / (1 - beta2**t)
    return w - lr * m / (h.sqrt() + eps), m, h


def _adam_no_square(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g.abs()
    return w - lr * (m / (1 - beta1**t)) / ((h / (1 - beta2**t)).sqrt() + eps), m, h


def _adam_counts_from_zero(w, g, m, h, t, lr, beta1, beta2, eps):
    return adam_step(w, g, m, h, t + 1, lr, beta1, beta2, eps)


def _adam_no_minus(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + g
    h = beta2 * h + g**2
    return w - lr * (m / (1 - beta1**t)) / ((h / (1 - beta2**t)).sqrt() + eps), m, h


def _adam_no_power(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1)) / ((h / (1 - beta2)).sqrt() + eps), m, h


def _adam_eps_inside(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1**t)) / (h / (1 - beta2**t) + eps).sqrt(), m, h


def _adam_only_m(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1**t)) / (h.sqrt() + eps), m, h


def _adam_only_h(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * m / ((h / (1 - beta2**t)).sqrt() + eps), m, h


def _adam_eps_early(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t) * m / (h.sqrt() + eps), m, h


def _adam_forgets(w, g, m, h, t, lr, beta1, beta2, eps):
    return adam_step(w, g, m, h, t, lr, beta1, beta2, eps)[0], m, h


def _adam_no_m(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    return w - lr * g / ((h / (1 - beta2**t)).sqrt() + eps), m, h


def _adam_counts_from_one(w, g, m, h, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    h = beta2 * h + (1 - beta2) * g**2
    c1, c2 = (torch.tensor(1 - beta ** (t - 1), dtype=w.dtype) for beta in (beta1, beta2))
    return w - lr * (m / c1) / ((h / c2).sqrt() + eps), m, h


def _adam_probe(t: int, beta1: float, beta2: float, eps: float, first: bool):
    def make() -> tuple:
        w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
        g = torch.tensor([0.3, -4.0, 0.02], dtype=torch.float64)
        m = torch.zeros_like(w) if first else torch.tensor([0.1, -1.0, 0.05], dtype=torch.float64)
        h = torch.zeros_like(w) if first else torch.tensor([0.2, 3.0, 0.01], dtype=torch.float64)
        return w, g, m, h, t, 0.1, beta1, beta2, eps

    return make


adam_exercise = FunctionExercise(
    id="09.3",
    title="An Adam step",
    statement=(
        "Write `adam_step(w, g, m, h, t, lr, beta1, beta2, eps)` for the step number t, which is "
        "1 for the first. Return the new (w, m, h), with m and h before the correction."
    ),
    solution=adam_step,
    alternatives=(_adam_like_torch, _adam_in_place_on_clones),
    probes=(
        Probe("the first step", _adam_probe(1, 0.9, 0.999, 1e-8, first=True)),
        Probe("the fifth step", _adam_probe(5, 0.9, 0.999, 1e-8, first=False)),
        Probe("other betas, a large eps", _adam_probe(3, 0.5, 0.8, 0.1, first=False)),
    ),
    misconceptions=(
        Misconception(
            "no bias correction",
            _adam_no_correction,
            "The correction is missing. After one gradient m holds only a tenth of it and h a "
            "thousandth of its square: divide them by 1 - beta1**t and 1 - beta2**t.",
        ),
        Misconception(
            "no root",
            _adam_no_root,
            "You divide by the average of squares. Divide by its square root, so that the step "
            "does not depend on the scale of the gradient.",
        ),
        Misconception(
            "corrected averages are kept",
            _adam_corrected_state,
            "The step is right, but you return the corrected averages. The next step would "
            "correct them again: keep m and h as they are, and correct a copy.",
        ),
        Misconception(
            "no square",
            _adam_no_square,
            "H averages the squares of the gradients, g**2, not their absolute values.",
        ),
        Misconception(
            "t counted from zero",
            _adam_counts_from_zero,
            "You correct with t + 1. Here t is 1 for the first step already.",
        ),
        Misconception(
            "sums instead of averages",
            _adam_no_minus,
            "A new gradient enters with the weight 1 - beta, so that m and h are averages.",
        ),
        Misconception(
            "no power of t",
            _adam_no_power,
            "You divide by 1 - beta in every step. After t steps the averages have collected the "
            "weight 1 - beta**t: the correction must fade as t grows.",
        ),
        Misconception(
            "only m corrected",
            _adam_only_m,
            "You correct m and not h. Both start at 0: divide h by 1 - beta2**t, too.",
        ),
        Misconception(
            "only h corrected",
            _adam_only_h,
            "You correct h and not m. Both start at 0: divide m by 1 - beta1**t, too.",
        ),
        Misconception(
            "corrected one step late",
            _adam_counts_from_one,
            "You correct with t - 1, which is 0 in the first step: a division by zero. Here t is "
            "1 for the first step.",
        ),
        Misconception(
            "eps before the correction",
            _adam_eps_early,
            "Your eps is added to the root of h before the correction. Correct h first; eps is "
            "added to the root of ĥ.",
        ),
        Misconception(
            "the gradient instead of m",
            _adam_no_m,
            "You step along g itself, as RMSprop does. Adam steps along the corrected m.",
        ),
        Misconception(
            "the memory is not handed on",
            _adam_forgets,
            "The new w is right, but you return the old m and h: the next step would not remember "
            "this gradient.",
        ),
        Misconception(
            "eps under the root",
            _adam_eps_inside,
            "Your eps stands under the root. Adam adds it after the root: sqrt(ĥ) + eps.",
        ),
    ),
    hints=(
        "Two averages, two corrections, one step: five lines.",
        "`m = beta1 * m + (1 - beta1) * g`, and the same for h with g**2.",
        "The corrected averages need their own names, because the plain ones are returned.",
    ),
    reasoning=(
        "m and h start at 0, so after t steps their weights sum to 1 - beta**t; dividing by that "
        "makes them true averages. Their quotient has no unit, so the step is about lr long."
    ),
)

# --- 09.4: decoupled decay ---------------------------------------------------------------------


def decoupled_step(w, step, lr, decay):
    """AdamW's rule: shrink w by lr·decay, then take Adam's step (a tensor like w)."""
    return w * (1 - lr * decay) - lr * step


def _decoupled_subtract(w, step, lr, decay):
    return w - lr * decay * w - lr * step


def _decoupled_factored(w, step, lr, decay):
    return w - lr * (step + decay * w)


def _decoupled_after(w, step, lr, decay):
    return (w - lr * step) * (1 - lr * decay)


def _decoupled_no_rate(w, step, lr, decay):
    return w * (1 - decay) - lr * step


def _decoupled_rate_twice(w, step, lr, decay):
    return w - lr * (step + lr * decay * w)


def _decoupled_rate_only(w, step, lr, decay):
    return w * (1 - lr) - lr * step


def _decoupled_forgets(w, step, lr, decay):
    return w - lr * step


def _decoupled_half(w, step, lr, decay):
    return w * (1 - lr * decay / 2) - lr * step


def _decoupled_sign(w, step, lr, decay):
    return w * (1 + lr * decay) - lr * step


def _decoupled_l1(w, step, lr, decay):
    return w - lr * decay * w.sign() - lr * step


def _decay_probe(lr: float, decay: float):
    def make() -> tuple:
        w = torch.tensor([2.0, -1.0, 0.0], dtype=torch.float64)
        return w, torch.tensor([0.75, 1.0, -1.0], dtype=torch.float64), lr, decay

    return make


decay_exercise = FunctionExercise(
    id="09.4",
    title="Decoupled weight decay",
    statement=(
        "Adam has computed its direction `step`, so that the plain update is w - lr·step. Write "
        "`decoupled_step(w, step, lr, decay)`: shrink the weights as AdamW does, then step. "
        "Return the new weights."
    ),
    solution=decoupled_step,
    alternatives=(_decoupled_subtract, _decoupled_factored),
    probes=(
        Probe("strong decay", _decay_probe(0.1, 0.5)),
        Probe("no decay", _decay_probe(0.1, 0.0)),
        Probe("another rate", _decay_probe(0.5, 0.1)),
    ),
    misconceptions=(
        Misconception(
            "decay without the rate",
            _decoupled_no_rate,
            "You shrink by the decay alone. PyTorch's AdamW multiplies it by the rate, so a "
            "schedule also fades the decay: the factor is 1 - lr·decay.",
        ),
        Misconception(
            "decay after the step",
            _decoupled_after,
            "You shrink after the step, so that the step itself shrinks too. AdamW shrinks the "
            "old weights, then steps.",
        ),
        Misconception(
            "the rate twice",
            _decoupled_rate_twice,
            "You multiply by the rate once too often: the share that each weight loses is "
            "lr·decay.",
        ),
        Misconception(
            "the rate instead of the decay",
            _decoupled_rate_only,
            "You shrink by the rate alone, whatever the decay. The factor is 1 - lr·decay.",
        ),
        Misconception(
            "no decay",
            _decoupled_forgets,
            "This is Adam without decay. Multiply the old weights by 1 - lr·decay.",
        ),
        Misconception(
            "half the decay",
            _decoupled_half,
            "The half belongs to the penalty (λ/2)‖w‖², whose gradient is λw. The weights lose "
            "the whole lr·decay.",
        ),
        Misconception(
            "growing weights",
            _decoupled_sign,
            "Your weights grow. Decay shrinks them: the factor is 1 minus lr·decay.",
        ),
        Misconception(
            "the sign of the weights",
            _decoupled_l1,
            "You subtract a constant from each weight; that is L1. Weight decay takes the same "
            "*share* of every weight.",
        ),
    ),
    hints=(
        "Decay makes every weight smaller by the same share in each step.",
        "The share is lr · decay.",
        "Multiply the old w by `1 - lr * decay`, then subtract `lr * step`.",
    ),
    reasoning=(
        "The decay is not part of the gradient, so it is not divided by Adam's root: every weight "
        "loses the share lr·decay, whatever its gradients are."
    ),
)

# --- 09.5: a schedule --------------------------------------------------------------------------


def warmup_cosine(step, warmup, total):
    """The factor for step 0, 1, ..., total: a rising line, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return 0.5 * (1 + math.cos(math.pi * progress))


def _schedule_tensor(step, warmup, total):
    if step < warmup:
        return (1 + step) / warmup
    return float((1 + torch.cos(torch.tensor(torch.pi * (step - warmup) / (total - warmup)))) / 2)


def _schedule_square(step, warmup, total):
    if step + 1 <= warmup:
        return (step + 1) / warmup
    return math.cos(math.pi / 2 * (step - warmup) / (total - warmup)) ** 2


def _schedule_zero(step, warmup, total):
    return step / warmup if step < warmup else warmup_cosine(step, warmup, total)


def _schedule_whole(step, warmup, total):
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(2 * math.pi * (step - warmup) / (total - warmup)))


def _schedule_late(step, warmup, total):
    return (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * step / total))


def _schedule_raw(step, warmup, total):
    if step < warmup:
        return (step + 1) / warmup
    return math.cos(math.pi * (step - warmup) / (total - warmup))


def _schedule_share(step, warmup, total):
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / total))


def _schedule_quarter(step, warmup, total):
    if step < warmup:
        return (step + 1) / warmup
    return math.cos(math.pi / 2 * (step - warmup) / (total - warmup))


def _schedule_line(step, warmup, total):
    if step < warmup:
        return (step + 1) / warmup
    return 1 - (step - warmup) / (total - warmup)


def _schedule_no_warmup(step, warmup, total):
    return 0.5 * (1 + math.cos(math.pi * step / total))


schedule_exercise = FunctionExercise(
    id="09.5",
    title="Warm-up and cosine",
    statement=(
        "Write `warmup_cosine(step, warmup, total)` for LambdaLR: in the first `warmup` steps the "
        "factor is (step + 1)/warmup; from there half a cosine leads from 1 at step `warmup` to 0 "
        "at step `total`. Return a float. If `warmup` is 0, there is no rising part."
    ),
    solution=warmup_cosine,
    alternatives=(_schedule_tensor, _schedule_square),
    probes=(
        Probe("the first step", lambda: (0, 10, 100)),
        Probe("within the warm-up", lambda: (4, 10, 100)),
        Probe("the first step after it", lambda: (10, 10, 100)),
        Probe("a third of the way down", lambda: (40, 10, 100)),
        Probe("the last step", lambda: (100, 10, 100)),
        Probe("no warm-up", lambda: (0, 0, 50)),
    ),
    rtol=1e-4,
    misconceptions=(
        Misconception(
            "a first factor of zero",
            _schedule_zero,
            "Your first factor is 0, so the first batch is wasted. Use (step + 1)/warmup.",
        ),
        Misconception(
            "a whole cosine",
            _schedule_whole,
            "Your cosine comes back up to 1 at the end. Half a period is enough: π, not 2π.",
        ),
        Misconception(
            "the cosine starts at step 0",
            _schedule_late,
            "After the warm-up your factor jumps below 1. Count the cosine's progress from "
            "`warmup` to `total`.",
        ),
        Misconception(
            "progress over the whole training",
            _schedule_share,
            "Your cosine is stretched over `total` steps, so it does not arrive at 0. After the "
            "warm-up total - warmup steps are left.",
        ),
        Misconception(
            "a quarter of a cosine",
            _schedule_quarter,
            "You go down a quarter of the cosine, from 1 to 0 with a steep end. Half a period "
            "runs from 1 to -1: move it to [0, 1] by 0.5 · (1 + cos).",
        ),
        Misconception(
            "negative factors",
            _schedule_raw,
            "Your factor becomes negative, and the optimizer climbs. Move the cosine from [-1, 1] "
            "to [0, 1]: 0.5 · (1 + cos).",
        ),
        Misconception(
            "a line",
            _schedule_line,
            "You go down along a straight line. Take half a cosine: it stays high, then falls.",
        ),
        Misconception(
            "no warm-up",
            _schedule_no_warmup,
            "There is no rising part. For step < warmup return (step + 1)/warmup.",
        ),
    ),
    hints=(
        "Two cases: before `warmup` and after. Which progress runs from 0 to 1 in the second?",
        "progress = (step - warmup) / (total - warmup).",
        "`0.5 * (1 + math.cos(math.pi * progress))` falls from 1 to 0.",
    ),
    reasoning=(
        "LambdaLR multiplies the optimizer's rate by this factor. The line ends at 1 in the step "
        "before `warmup`, where the cosine begins at 1, so there is no jump."
    ),
    context={"math": math},
)

# --- 09.6: memory ------------------------------------------------------------------------------


def _bytes(answer: object) -> int:
    if isinstance(answer, Tensor) and answer.numel() == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        raise AnswerError(f"expected a number of bytes, got {type(answer).__name__}.")
    if not math.isfinite(answer):
        raise AnswerError(f"expected a finite number of bytes, got {answer}.")
    return round(answer)


state_bytes = ValueExercise(
    id="09.6",
    title="What AdamW remembers",
    statement=(
        "A model has 10 million parameters in float32. How many bytes of state does AdamW keep, "
        "the step counters aside? Write `state_size = ...`; 1 MB is a million bytes."
    ),
    name="state_size",
    solution=80_000_000,
    parse=_bytes,
    alternatives=(8e7, 2 * 4 * 10**7),
    misconceptions=(
        Misconception(
            "one tensor",
            40_000_000,
            "That is one number for each parameter, as momentum keeps. AdamW keeps two.",
        ),
        Misconception(
            "with the weights",
            120_000_000,
            "You counted the weights too. They belong to the model; the state is m and h.",
        ),
        Misconception(
            "with weights and gradients",
            160_000_000,
            "That is the total with weights and gradients. The state alone is m and h.",
        ),
        Misconception(
            "numbers, not bytes",
            20_000_000,
            "That is the count of numbers. In float32 each takes 4 bytes.",
        ),
        Misconception(
            "mebibytes",
            80_000_000 / 2**20,
            "Right in mebibytes (2²⁰ bytes each); the answer is asked for in bytes.",
        ),
        Misconception(
            "megabytes",
            80,
            "Right in megabytes; the answer is asked for in bytes.",
        ),
    ),
    hints=(
        "How many numbers does Adam remember for each parameter?",
        "It keeps m and h, each as large as the parameters.",
        "Two numbers of 4 bytes for each of 10 million parameters.",
    ),
    reasoning="Two averages, m and h, with 4 bytes each: 2 · 4 · 10⁷ = 80 million bytes.",
)

# --- 09.7: three curves ------------------------------------------------------------------------

three_curves = ChoiceExercise(
    id="09.7",
    title="Diagnose three loss curves",
    question=(
        "A, B and C train the same network with SGD at different rates. Which rate belongs to "
        "which curve?"
    ),
    options={
        "a": "A is too small, B is good, C is too large",
        "b": "A is good, B is too small, C is too large",
        "c": "A is too large, B is good, C is too small",
        "d": "A is too small, B is too large, C is good",
    },
    correct="c",
    reasons={
        "a": (
            "C falls smoothly and slowly: nothing there is too large. A starts above the loss of "
            "guessing; a rate that is too small never looks like that."
        ),
        "b": (
            "A never gets below ln 10 = 2.3, the loss of guessing; that is no good rate. B ends "
            "lowest of all."
        ),
        "c": (
            "A is thrown out in the first steps and ends in guessing, at ln 10 = 2.3; B falls fast "
            "and ends lowest; C falls smoothly and is still far up when the budget ends."
        ),
        "d": "B ends lowest of the three, so its rate is neither too small nor too large.",
    },
    name="diagnosis",
    hints=(
        "First find the curve that ends lowest.",
        "A small rate makes a smooth, slow curve; one that is too large never leaves guessing.",
        "Which of the others starts above ln 10 = 2.3 and ends there?",
    ),
)

# --- predictions -------------------------------------------------------------------------------

kappa_guess = Prediction(
    "09.p1",
    "At κ = 1000, by what factor does well-tuned momentum reduce the number of steps?",
    options={"a": "about 2", "b": "about 10", "c": "about 30", "d": "about 1000"},
)
noise_guess = Prediction(
    "09.p2",
    "Noise starts 2,000 runs in the worse of two minima, and 2,000 in the better one. With the "
    "noise that frees most runs from the worse one, what happens to those in the better one?",
    options={
        "a": "they all stay",
        "b": "a few per cent leave",
        "c": "more than a tenth leave",
    },
)
fair_guess = Prediction(
    "09.p3",
    "Eleven optimizers, each with its own best rate: how far apart are the best and the worst in "
    "test accuracy?",
    options={"a": "less than 6 points", "b": "6 to 20 points", "c": "more than 20 points"},
)
