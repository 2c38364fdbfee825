"""The exercises of lesson 3.8, Regularization."""

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

# --- 08.1: inverted dropout --------------------------------------------------------------------


def inverted_dropout(x, p, training):
    """Zero each element of x with probability p, 0 <= p < 1, and scale the rest by 1/(1-p)."""
    if not training:
        return x
    keep = torch.rand_like(x) >= p
    return x * keep / (1 - p)


def _dropout_bernoulli(x, p, training):
    if training and p > 0:
        return x * torch.bernoulli(torch.full_like(x, 1 - p)).div_(1 - p)
    return x.clone()


def _dropout_torch(x, p, training):
    return F.dropout(x, p, training=training)


def _dropout_where(x, p, training):
    if not training:
        return x
    drop = torch.rand(x.shape, dtype=x.dtype) < p
    return torch.where(drop, torch.zeros_like(x), x / (1 - p))


class _DropoutModule(nn.Module):
    def forward(self, x, p, training):
        mask = torch.empty_like(x).bernoulli_(1 - p) if training else torch.ones_like(x)
        return x * mask / ((1 - p) if training else 1.0)


def _dropout_unscaled(x, p, training):
    if not training:
        return x
    return x * (torch.rand_like(x) >= p)


def _dropout_classic(x, p, training):
    if not training:
        return x * (1 - p)
    return x * (torch.rand_like(x) >= p)


def _dropout_swapped(x, p, training):
    if not training:
        return x
    return x * (torch.rand_like(x) < p) / p if p > 0 else x * 0


def _dropout_swapped_mask(x, p, training):
    if not training:
        return x
    return x * (torch.rand_like(x) < p) / (1 - p)


def _dropout_shared(x, p, training):
    if not training:
        return x
    keep = torch.rand(x.shape[-1], dtype=x.dtype) >= p
    return x * keep / (1 - p)


def _dropout_rows(x, p, training):
    if not training:
        return x
    keep = torch.rand(len(x), 1, dtype=x.dtype) >= p
    return x * keep / (1 - p)


def _dropout_always(x, p, training):
    return x * (torch.rand_like(x) >= p) / (1 - p)


def _dropout_eval_scaled(x, p, training):
    if not training:
        return x / (1 - p)
    return x * (torch.rand_like(x) >= p) / (1 - p)


def _dropout_fixed(x, p, training):
    if not training:
        return x
    keep = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)).to(x.dtype) >= p
    return x * keep / (1 - p)


def _dropout_wrong_side(x, p, training):
    if training:
        return x
    return x * (torch.rand_like(x) >= p) / (1 - p)


def _dropout_over_p(x, p, training):
    if not training or p == 0:
        return x
    return x * (torch.rand_like(x) >= p) / p


def _dropout_detached(x, p, training):
    if not training:
        return x
    return x.detach() * (torch.rand_like(x) >= p) / (1 - p)


def _is_steady(tensor: Tensor) -> bool:
    return bool((tensor == tensor.flatten()[0]).all())


def _observe_dropout(answer, x, p, training):
    """What an answer does to a tensor without zeros, in words that do not depend on the mask."""
    first = answer(x, p, training)
    second = answer(x, p, training)
    if not isinstance(first, Tensor) or first.shape != x.shape:
        return {"output": first}
    ratio = (first.detach() / x.detach()).double()
    kept = ratio != 0
    share = kept.double().mean().item()
    scales = sorted({round(value, 4) for value in ratio[kept].flatten().tolist()})[:3]
    by_row, by_column = kept.double().mean(1), kept.double().mean(0)
    seen = {
        "dtype": str(first.dtype),
        "kept values are multiplied by": scales,
        "share of zeros is near": round(2.5 * (1 - share), 1) / 2.5 if training else 1 - share,
        "whole rows at once": bool(((by_row == 0) | (by_row == 1)).all()) and 0 < share < 1,
        "whole columns at once": bool(((by_column == 0) | (by_column == 1)).all())
        and 0 < share < 1,
        "two calls draw the same mask": bool(torch.equal(first, second)),
        "shares of single rows vary": not _is_steady(by_row),
    }
    if x.requires_grad:
        linked = first.requires_grad
        gradient = torch.autograd.grad(first.sum(), x)[0] if linked else torch.zeros_like(ratio)
        seen["gradient is the mask"] = torch.allclose(gradient.double(), ratio)
    return seen


def _ramp(rows: int, columns: int, dtype=torch.float32, grad: bool = False) -> Tensor:
    values = torch.linspace(0.5, 2.0, rows * columns, dtype=dtype).view(rows, columns)
    return values.requires_grad_(grad)


dropout_exercise = FunctionExercise(
    id="08.1",
    title="Inverted dropout",
    statement=(
        "Write `inverted_dropout(x, p, training)`: in training each element of x (N, D) becomes "
        "zero with probability p, 0 <= p < 1, by itself, and the others are scaled so that the "
        "expected value stays x. Otherwise x passes unchanged. Leave the given x as it is."
    ),
    solution=inverted_dropout,
    alternatives=(_dropout_bernoulli, _dropout_torch, _dropout_where, _DropoutModule()),
    observe=_observe_dropout,
    show_expected=True,
    probes=(
        Probe("evaluation", lambda: (_ramp(60, 50), 0.4, False)),
        Probe("training, p = 0.4", lambda: (_ramp(200, 100), 0.4, True)),
        Probe("training, p = 0.8, float64", lambda: (_ramp(200, 100, torch.float64), 0.8, True)),
        Probe("training, p = 0", lambda: (_ramp(20, 10), 0.0, True)),
        Probe("with a gradient", lambda: (_ramp(200, 100, grad=True), 0.4, True)),
    ),
    misconceptions=(
        Misconception(
            "not scaled",
            _dropout_unscaled,
            "The survivors are not scaled, so the next layer gets inputs that are smaller by 1 - p "
            "in training than in evaluation. Divide by 1 - p.",
        ),
        Misconception(
            "scaled in evaluation",
            _dropout_classic,
            "You multiply by 1 - p in evaluation. That is the older form and consistent in itself; "
            "*inverted* dropout divides by 1 - p in training, so that evaluation does nothing.",
        ),
        Misconception(
            "p is kept",
            _dropout_swapped,
            "You keep a share p. In PyTorch p is the probability of being dropped.",
        ),
        Misconception(
            "p is kept, scaled for 1 - p",
            _dropout_swapped_mask,
            "The comparison is the wrong way around: you keep a share p and drop the rest. An "
            "element survives when its random number is at least p.",
        ),
        Misconception(
            "divided by p",
            _dropout_over_p,
            "The right elements vanish, but you divide by p. A share 1 - p survives, so the "
            "survivors are divided by 1 - p.",
        ),
        Misconception(
            "cut from the graph",
            _dropout_detached,
            "The values are right, but no gradient reaches x: it was cut by detach(), .data or "
            "no_grad(). The gradient has to pass through the same mask.",
        ),
        Misconception(
            "one mask for all samples",
            _dropout_shared,
            "Whole columns vanish: all samples share one mask. Draw one number per element, with "
            "the shape of x.",
        ),
        Misconception(
            "whole samples",
            _dropout_rows,
            "Whole rows vanish: you drop samples, not units. Draw one number per element.",
        ),
        Misconception(
            "also in evaluation",
            _dropout_always,
            "You drop in evaluation too. With training=False return x as it is.",
        ),
        Misconception(
            "evaluation scaled up",
            _dropout_eval_scaled,
            "In evaluation nothing is dropped, so nothing has to be scaled: return x.",
        ),
        Misconception(
            "always the same mask",
            _dropout_fixed,
            "Each call draws the same mask, because your generator is seeded inside. The same "
            "units would be missing for ever. Draw from torch's global random state.",
        ),
        Misconception(
            "modes swapped",
            _dropout_wrong_side,
            "The modes are swapped: drop if training is true.",
        ),
    ),
    hints=(
        "Evaluation first: one line. Then draw one random number in [0, 1) per element.",
        "`torch.rand_like(x) >= p` is true with probability 1 - p.",
        "The kept share is 1 - p, so dividing by 1 - p restores the expected value.",
    ),
    reasoning=(
        "A mask element m is 1 with probability 1 - p, so the expected value of m x / (1 - p) is "
        "x. The scaling happens in training, and evaluation costs nothing. `rand_like` keeps shape "
        "and dtype."
    ),
)

# --- 08.2: an AdamW step -----------------------------------------------------------------------


@torch.no_grad()
def adamw_step(parameters, state, lr, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    """Change the parameters in place as torch.optim.AdamW does; state is a dict, empty at first."""
    for k, w in enumerate(parameters):
        if w.grad is None:
            continue
        m, v, t = state.get(k, (torch.zeros_like(w), torch.zeros_like(w), 0))
        m = beta1 * m + (1 - beta1) * w.grad
        v = beta2 * v + (1 - beta2) * w.grad**2
        state[k] = m, v, t + 1
        m_hat, v_hat = m / (1 - beta1 ** (t + 1)), v / (1 - beta2 ** (t + 1))
        w.mul_(1 - lr * decay).sub_(lr * m_hat / (v_hat.sqrt() + eps))


def _adamw_data(parameters, state, lr, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    for w in parameters:
        if w.grad is not None:
            own = state.setdefault(id(w), {"m": 0.0, "v": 0.0, "t": 0})
            own["t"] += 1
            own["m"] = beta1 * own["m"] + (1 - beta1) * w.grad
            own["v"] = beta2 * own["v"] + (1 - beta2) * w.grad * w.grad
            m, v = own["m"] / (1 - beta1 ** own["t"]), own["v"] / (1 - beta2 ** own["t"])
            w.data = w.data - lr * (m / (v**0.5 + eps) + decay * w.data)


def _adamw_torch(parameters, state, lr, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    if "optimizer" not in state:
        state["optimizer"] = torch.optim.AdamW(
            parameters, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay
        )
    state["optimizer"].step()


def _adamw_variant(how: str):
    """AdamW with one mistake."""

    @torch.no_grad()
    def adamw_step(parameters, state, lr, decay, beta1=0.9, beta2=0.999, eps=1e-8):
        for k, w in enumerate(parameters):
            if w.grad is None:
                if how == "no gradient":
                    w.mul_(1 - lr * decay)
                continue
            g = w.grad + (decay * w if how == "l2" else 0)
            if how == "no memory":
                state.clear()
            key = 0 if how == "one count" else k
            m, v = state.get(("mv", k), (torch.zeros_like(w), torch.zeros_like(w)))
            t = state.get(("t", key), 0) + 1
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
            state["mv", k], state["t", key] = (m, v), t
            correct = how != "no correction"
            m = m / (1 - beta1**t) if correct else m
            v = v / (1 - beta2**t) if correct else v
            step = lr * m / ((v if how == "no root" else v.sqrt()) + eps)
            if how == "rebound":
                w = w * (1 - lr * decay) - step
            elif how == "after":
                w.sub_(step).mul_(1 - lr * decay)
            elif how == "no rate":
                w.mul_(1 - decay).sub_(step)
            elif how in ("l2", "forgotten"):
                w.sub_(step)
            elif how == "inside":
                w.sub_(lr * (m + decay * w) / (v.sqrt() + eps))
            elif how == "half":
                w.mul_(1 - lr * decay / 2).sub_(step)
            else:
                w.mul_(1 - lr * decay).sub_(step)

    return adamw_step


def _observe_adamw(answer, steps: int, lr: float, decay: float, frozen: bool):
    """Let the answer take some steps with given gradients; the weights afterwards."""
    generator = torch.Generator().manual_seed(steps)
    shapes = ((3, 2), (2,), (2, 2))
    parameters = [
        nn.Parameter(torch.randn(*shape, generator=generator, dtype=torch.float64))
        for shape in shapes
    ]
    state: dict = {}
    for _ in range(steps):
        for k, w in enumerate(parameters):
            drawn = torch.randn(w.shape, generator=generator, dtype=torch.float64)
            w.grad = None if frozen and k == 1 else 10.0 ** (k - 1) * drawn
        try:
            answer(parameters, state, lr, decay)
        except RuntimeError as error:
            if "leaf Variable" not in str(error):
                raise
            raise AnswerError(
                "torch refuses to change a parameter in place while it records operations. "
                "Here the change is wanted: make it under torch.no_grad()."
            ) from None
    return [w.detach().clone() for w in parameters]


adamw_exercise = FunctionExercise(
    id="08.2",
    title="An AdamW step for a whole model",
    statement=(
        "Write `adamw_step(parameters, state, lr, decay, beta1=0.9, beta2=0.999, eps=1e-8)`: it "
        "changes each tensor of the list `parameters` in place, from its `.grad`, as "
        "torch.optim.AdamW does. `state` is a dictionary, empty before the first call and the same "
        "one at each call: keep there what you need. A parameter without gradient stays as it is."
    ),
    solution=adamw_step,
    alternatives=(_adamw_data, _adamw_torch),
    observe=_observe_adamw,
    time_limit=30.0,  # a process's first optimizer imports a lot
    rtol=1e-7,
    atol=1e-9,
    probes=(
        Probe("one step", lambda: (1, 0.1, 0.5, False)),
        Probe("four steps", lambda: (4, 0.1, 0.5, False)),
        Probe("three steps without decay", lambda: (3, 0.01, 0.0, False)),
        Probe("the second parameter has no gradient", lambda: (3, 0.1, 0.5, True)),
    ),
    misconceptions=(
        Misconception(
            "L2 in the gradient",
            _adamw_variant("l2"),
            "You add decay·w to the gradient. That is Adam with an L2 penalty: Adam's division "
            "takes the size out of it again. AdamW shrinks the weights directly, outside of the "
            "averages.",
        ),
        Misconception(
            "decay inside the quotient",
            _adamw_variant("inside"),
            "Your decay is divided by the root of v together with m, so weights with large "
            "gradients decay less. Keep it out of the quotient.",
        ),
        Misconception(
            "decay without the rate",
            _adamw_variant("no rate"),
            "You shrink by 1 - decay. In torch the factor is 1 - lr·decay, so that a schedule of "
            "the rate acts on the decay too.",
        ),
        Misconception(
            "decay after the step",
            _adamw_variant("after"),
            "You shrink after the step, and with it the step itself. torch shrinks the old "
            "weights first; the difference is of the order lr²·decay.",
        ),
        Misconception(
            "half of the decay",
            _adamw_variant("half"),
            "The factor ½ belongs to the penalty (λ/2)·w², whose gradient is λw. The weights "
            "shrink by lr·decay, without a half.",
        ),
        Misconception(
            "decay forgotten",
            _adamw_variant("forgotten"),
            "That is Adam: the decay is missing.",
        ),
        Misconception(
            "no bias correction",
            _adamw_variant("no correction"),
            "The bias correction is missing: divide m by 1 - beta1**t and v by 1 - beta2**t.",
        ),
        Misconception(
            "one count for all parameters",
            _adamw_variant("one count"),
            "Your step count grows with every parameter, not with every call, so the second "
            "parameter is corrected as if it were at its second step.",
        ),
        Misconception(
            "no root",
            _adamw_variant("no root"),
            "You divide by v itself. Divide by its root plus eps, so that the step has the size of "
            "lr, whatever the size of the gradients.",
        ),
        Misconception(
            "a new tensor instead of a change",
            _adamw_variant("rebound"),
            "The parameters are unchanged. `w = w * ...` makes a new tensor and gives it the name "
            "w; the model keeps the old one. Change it in place: w.mul_(...), w.sub_(...).",
        ),
        Misconception(
            "no memory",
            _adamw_variant("no memory"),
            "Each call starts with empty averages. Keep m, v and t of each parameter in `state`.",
        ),
        Misconception(
            "decays without a gradient",
            _adamw_variant("no gradient"),
            "A parameter without a gradient is skipped by torch, decay included: it may be frozen "
            "on purpose.",
        ),
    ),
    hints=(
        "Loop over the parameters; each needs its own m, v and t. `enumerate` gives you a key.",
        "In place means `w.mul_(...)` and `w.sub_(...)`, under torch.no_grad().",
        "First `w.mul_(1 - lr * decay)`, then subtract lr times the corrected m over the root of "
        "the corrected v plus eps.",
    ),
    reasoning=(
        "The averages see the loss's gradient only; the decay acts on the weights themselves. That "
        "is all the difference to Adam. The state is kept by position, because tensors compare "
        "element by element and make poor dictionary keys."
    ),
)

# --- 08.3: parameter groups --------------------------------------------------------------------


def decay_groups(model, decay):
    """Two groups for an optimizer: tensors of two or more dimensions decay, the others do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _groups_by_kind(model, decay):
    kept = set()
    for module in model.modules():
        for name, p in module.named_parameters(recurse=False):
            norm = isinstance(module, (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm))
            if norm or name == "bias":
                kept.add(id(p))
    groups = {True: [], False: []}
    for p in model.parameters():
        groups[id(p) in kept].append(p)
    return (
        {"params": groups[True], "weight_decay": 0},
        {"params": groups[False], "weight_decay": decay},
    )


def _groups_each(model, decay):
    return [
        {"params": [p], "weight_decay": decay if p.dim() > 1 else 0.0} for p in model.parameters()
    ]


def _groups_named(model, decay):
    yes, no = [], []
    for _, p in model.named_parameters():
        (no if len(p.shape) == 1 else yes).append(p)
    return [dict(params=no, weight_decay=0.0), dict(params=yes, weight_decay=decay)]


def _groups_all(model, decay):
    return [{"params": list(model.parameters()), "weight_decay": decay}]


def _groups_bias_only(model, decay):
    named = list(model.named_parameters())
    return [
        {"params": [p for n, p in named if not n.endswith("bias")], "weight_decay": decay},
        {"params": [p for n, p in named if n.endswith("bias")], "weight_decay": 0.0},
    ]


def _groups_swapped(model, decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.0},
    ]


def _groups_forgotten(model, decay):
    return [{"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay}]


def _groups_linear_only(model, decay):
    chosen = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    rest = [p for p in model.parameters() if all(p is not c for c in chosen)]
    return [
        {"params": chosen, "weight_decay": decay},
        {"params": rest, "weight_decay": 0.0},
    ]


def _groups_matrices_only(model, decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim != 2], "weight_decay": 0.0},
    ]


def _groups_default(model, decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim < 2]},
    ]


def _groups_tuples(model, decay):
    named = list(model.named_parameters())
    return [
        {"params": [(n, p) for n, p in named if p.ndim >= 2], "weight_decay": decay},
        {"params": [(n, p) for n, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]


def _groups_no_key(model, decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim >= 2]},
        {"params": [p for p in model.parameters() if p.ndim < 2]},
    ]


def _groups_twice(model, decay):
    return [
        {"params": list(model.parameters()), "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]


class _Tied(nn.Module):
    """A model with a norm, two embeddings, a tied weight and a frozen layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.position = nn.Embedding(6, 4), nn.Embedding(5, 4)
        self.norm = nn.LayerNorm(4)
        self.frozen = nn.Linear(4, 4)
        self.head = nn.Linear(4, 6)
        self.head.weight = self.embedding.weight
        self.frozen.weight.requires_grad_(False)


def _model(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    if kind == "cnn":
        conv = nn.Conv2d(1, 2, 3)
        return nn.Sequential(conv, nn.GroupNorm(1, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    return _Tied()


def _observe_groups(answer, kind: str, decay: float):
    """The decay of each trained parameter by name, and how often it is listed."""
    model = _model(kind)
    groups = answer(model, decay)
    if isinstance(groups, dict) or not hasattr(groups, "__iter__"):
        raise AnswerError('expected a list of dictionaries with "params" and "weight_decay".')
    names = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    own = {id(p) for p in model.parameters()}
    decays = {name: "missing" for name in names.values()}
    for group in groups:
        if not isinstance(group, dict) or "params" not in group:
            raise AnswerError('each group is a dictionary with the entry "params".')
        members = group["params"]
        members = [members] if isinstance(members, Tensor) else list(members)
        for p in members:
            p = p[1] if isinstance(p, tuple) and len(p) == 2 else p  # (name, parameter)
            if not isinstance(p, Tensor):
                raise AnswerError("the groups hold parameters, not names: use the tensors.")
            if id(p) not in own:
                raise AnswerError(
                    "one of your tensors is no parameter of the model, but a copy or a result. "
                    "An optimizer would change it and leave the model as it is."
                )
            if id(p) in names:
                name, seen = names[id(p)], decays[names[id(p)]]
                told = "no weight_decay given"
                if "weight_decay" in group:
                    told = f"decays by {float(group['weight_decay']):g}"
                decays[name] = told if seen == "missing" else "listed twice"
    return decays


groups_exercise = FunctionExercise(
    id="08.3",
    title="What shall decay?",
    statement=(
        "Write `decay_groups(model, decay)`: a list of groups for an optimizer. Weights with two "
        "or more dimensions (matrices, kernels, embeddings) get `decay`; biases, norm parameters "
        "and other vectors get 0. No parameter may be missing or listed twice; frozen ones do not "
        "matter."
    ),
    solution=decay_groups,
    alternatives=(_groups_by_kind, _groups_each, _groups_named, _groups_tuples),
    observe=_observe_groups,
    probes=(
        Probe("linear layers and a batch norm", lambda: ("mlp", 0.1)),
        Probe("a convolution and a group norm", lambda: ("cnn", 0.1)),
        Probe("two embeddings, one tied to the head", lambda: ("tied", 0.01)),
    ),
    misconceptions=(
        Misconception(
            "everything decays",
            _groups_all,
            "Everything decays, biases and norm parameters too. Make two groups.",
        ),
        Misconception(
            "only biases are spared",
            _groups_bias_only,
            'The scales of norm layers are named "weight", so sparing the biases is not enough. '
            "Look at the number of dimensions.",
        ),
        Misconception(
            "swapped",
            _groups_swapped,
            "The groups are swapped: matrices shall decay, vectors shall not.",
        ),
        Misconception(
            "vectors missing",
            _groups_forgotten,
            "Biases and norm parameters are in no group: the optimizer would never train them. "
            "They need a group with weight_decay 0.",
        ),
        Misconception(
            "only linear layers",
            _groups_linear_only,
            "Only the weights of linear layers decay. Kernels of convolutions have four "
            "dimensions and embeddings two: they shall decay as well.",
        ),
        Misconception(
            "kernels spared",
            _groups_matrices_only,
            "Kernels of convolutions have four dimensions, and you spare them. Two *or more*.",
        ),
        Misconception(
            "default instead of 0",
            _groups_default,
            "One group has no weight_decay, so it gets the optimizer's default, and that of AdamW "
            "is 0.01, not 0. Write the 0 down.",
        ),
        Misconception(
            "no decay given",
            _groups_no_key,
            'No group says how much it decays: the entry is named "weight_decay", spelled like '
            "that. Without it every group gets the optimizer's default.",
        ),
        Misconception(
            "listed twice",
            _groups_twice,
            "Some parameters are in both groups; an optimizer refuses that.",
        ),
    ),
    hints=(
        "Biases and norm parameters have something in common that their names do not show.",
        "`p.ndim` is 1 for biases and norm parameters, 2 for matrices, 4 for kernels.",
        'Two dictionaries: {"params": [...], "weight_decay": decay} and the rest with 0.0.',
    ),
    reasoning=(
        "Everything with one dimension is an offset or a scale: shrinking it moves what the layer "
        "puts out without making the function smoother. The rule by dimension needs no list of "
        "layer types, and `model.parameters()` names a tied tensor only once."
    ),
)

# --- 08.4: batch normalization -----------------------------------------------------------------


def batch_norm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Normalize x (N, D) by feature; return the output and the new running mean and variance."""
    if training:
        mean, var = x.mean(dim=0), x.var(dim=0, correction=0)  # (D,)
        unbiased = var.detach() * len(x) / (len(x) - 1)
        running_mean = (1 - momentum) * running_mean + momentum * mean.detach()
        running_var = (1 - momentum) * running_var + momentum * unbiased
    else:
        mean, var = running_mean, running_var
    normalized = (x - mean) / torch.sqrt(var + eps)
    return gamma * normalized + beta, running_mean, running_var


def _norm_torch(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    mean, var = running_mean.clone(), running_var.clone()
    return F.batch_norm(x, mean, var, gamma, beta, training, momentum, eps), mean, var


def _norm_lerp(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if not training:
        scale = gamma * (running_var + eps).rsqrt()
        return x * scale + (beta - running_mean * scale), running_mean, running_var
    var, mean = torch.var_mean(x, 0, correction=0)
    new_mean = torch.lerp(running_mean, mean.detach(), momentum)
    new_var = torch.lerp(running_var, x.detach().var(0), momentum)
    return torch.addcmul(beta, (x - mean) * (var + eps).rsqrt(), gamma), new_mean, new_var


def _norm_sums(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if training:
        n = x.shape[0]
        mean = x.sum(0) / n
        centered = x - mean
        var = (centered * centered).sum(0) / n
        with torch.no_grad():
            running_mean = running_mean * (1 - momentum) + mean * momentum
            running_var = running_var * (1 - momentum) + var * n / (n - 1) * momentum
        return centered / (var + eps) ** 0.5 * gamma + beta, running_mean, running_var
    return (x - running_mean) / (running_var + eps) ** 0.5 * gamma + beta, running_mean, running_var


def _norm_variant(how: str):
    """Batch normalization with one mistake."""

    def batch_norm_forward(
        x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5
    ):
        if training or how == "always batch":
            dim = 1 if how == "by sample" else 0
            keep = how == "by sample"
            mean = x.mean(dim=dim, keepdim=keep)
            var = x.var(dim=dim, correction=int(how == "unbiased"), keepdim=keep)
            if how == "detached":
                mean, var = mean.detach(), var.detach()
            if how == "graph kept":
                running_mean = (1 - momentum) * running_mean + momentum * mean
                running_var = (1 - momentum) * running_var + momentum * x.var(dim=0)
            elif how != "no update" and how != "by sample":
                share = 1 - momentum if how == "momentum" else momentum
                kept = x.detach().var(dim=0, correction=int(how != "biased running"))
                running_mean = (1 - share) * running_mean + share * mean.detach()
                running_var = (1 - share) * running_var + share * kept
            if how == "running in training":
                mean, var = running_mean, running_var
        else:
            mean, var = running_mean, running_var
            if how == "updates in evaluation":
                running_mean = (1 - momentum) * running_mean + momentum * x.detach().mean(0)
                running_var = (1 - momentum) * running_var + momentum * x.detach().var(0)
        if how == "eps outside":
            normalized = (x - mean) / (var.sqrt() + eps)
        elif how == "no root":
            normalized = (x - mean) / (var + eps)
        else:
            normalized = (x - mean) / (var + eps).sqrt()
        if how == "no affine":
            return normalized, running_mean, running_var
        return gamma * normalized + beta, running_mean, running_var

    return batch_norm_forward


def _norm_in_place(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    out = F.batch_norm(x, running_mean, running_var, gamma, beta, training, momentum, eps)
    return out, running_mean, running_var


def _norm_inputs(n: int, training: bool, momentum: float = 0.1, eps: float = 1e-5, grad=False):
    def make():
        generator = torch.Generator().manual_seed(n)
        x = 3 * torch.randn(n, 3, generator=generator, dtype=torch.float64) + 2
        gamma = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
        beta = torch.tensor([0.0, -1.0, 0.25], dtype=torch.float64)
        mean = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
        var = torch.tensor([1.0, 4.0, 0.5], dtype=torch.float64)
        return x.requires_grad_(grad), gamma, beta, mean, var, training, momentum, eps

    return make


def _observe_norm(answer, x, gamma, beta, mean, var, training, momentum, eps):
    """The three results by name, and the gradient of a weighted sum of the output."""
    result = answer(x, gamma, beta, mean, var, training, momentum, eps)
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise AnswerError("expected three results: output, new running mean, new running variance.")
    out, new_mean, new_var = result
    seen = {"output": out, "running mean": new_mean, "running variance": new_var}
    if isinstance(out, Tensor) and out.shape == x.shape and x.requires_grad:
        weights = torch.arange(x.numel(), dtype=x.dtype).view(x.shape).cos()
        seen["gradient for x"] = torch.autograd.grad((out * weights).sum(), x)[0]
        seen["output"] = out.detach()
        if isinstance(new_mean, Tensor):
            seen["running mean holds a graph"] = new_mean.requires_grad
    return seen


norm_exercise = FunctionExercise(
    id="08.4",
    title="Batch normalization, forward",
    statement=(
        "Write `batch_norm_forward(x, gamma, beta, running_mean, running_var, training, "
        "momentum=0.1, eps=1e-5)` for x of shape (N, D): return the output and the new running "
        "mean and variance (the old ones in evaluation), as nn.BatchNorm1d would. Change none of "
        "the inputs."
    ),
    solution=batch_norm_forward,
    alternatives=(_norm_torch, _norm_lerp, _norm_sums),
    observe=_observe_norm,
    rtol=1e-7,
    atol=1e-9,
    probes=(
        Probe("training, 4 samples", _norm_inputs(4, True)),
        Probe("training, momentum 0.3", _norm_inputs(5, True, momentum=0.3)),
        Probe("training, a large eps", _norm_inputs(4, True, eps=0.5)),
        Probe("evaluation", _norm_inputs(4, False)),
        Probe("evaluation of one sample", _norm_inputs(1, False)),
        Probe("training, with a gradient", _norm_inputs(6, True, grad=True)),
    ),
    misconceptions=(
        Misconception(
            "unbiased for the output",
            _norm_variant("unbiased"),
            "You normalize by the unbiased variance (division by N - 1). The output uses the plain "
            "mean of squares: `x.var(dim=0, correction=0)`. The unbiased one is for the running "
            "variance.",
        ),
        Misconception(
            "biased running variance",
            _norm_variant("biased running"),
            "The running variance collects the *unbiased* variance of each batch: division by "
            "N - 1. It shall estimate the variance of all data.",
        ),
        Misconception(
            "momentum the other way around",
            _norm_variant("momentum"),
            "Here momentum is the share of the *new* batch: (1 - momentum)·old + momentum·new. "
            "(Optimizers use the word the other way around.)",
        ),
        Misconception(
            "batch statistics in evaluation",
            _norm_variant("always batch"),
            "In evaluation the running statistics count, so that the answer for a sample does not "
            "depend on its neighbors.",
        ),
        Misconception(
            "running statistics in training",
            _norm_variant("running in training"),
            "In training you normalize by the running statistics. Use those of the batch; the "
            "running ones are only kept up to date.",
        ),
        Misconception(
            "no update",
            _norm_variant("no update"),
            "The running statistics never change, so evaluation would use their start values.",
        ),
        Misconception(
            "updates in evaluation",
            _norm_variant("updates in evaluation"),
            "In evaluation the running statistics stay as they are: test data must leave no trace.",
        ),
        Misconception(
            "by sample",
            _norm_variant("by sample"),
            "You average over the features of each sample. That is layer normalization; batch "
            "normalization averages over the batch, dim=0.",
        ),
        Misconception(
            "eps outside of the root",
            _norm_variant("eps outside"),
            "Add eps to the variance, under the root.",
        ),
        Misconception(
            "no root",
            _norm_variant("no root"),
            "You divide by the variance. Divide by its root.",
        ),
        Misconception(
            "gamma and beta forgotten",
            _norm_variant("no affine"),
            "gamma and beta are missing: return gamma · normalized + beta.",
        ),
        Misconception(
            "statistics cut from the graph",
            _norm_variant("detached"),
            "The values are right, the gradient is not: mean and variance depend on x, and the "
            "gradient must flow through them. Detach only what goes into the running statistics.",
        ),
        Misconception(
            "graph kept",
            _norm_variant("graph kept"),
            "All values are right, but the running statistics hold on to the graph of this batch, "
            "and with it to all batches before. nn.BatchNorm1d keeps plain numbers: detach what "
            "goes into them.",
        ),
        Misconception(
            "changes the inputs",
            _norm_in_place,
            "You change running_mean and running_var in place. Return new ones.",
        ),
    ),
    hints=(
        "Choose mean and variance by the mode first; the last two lines are the same for both.",
        "Two variances: correction=0 for the output, correction=1 for the running one.",
        "new = (1 - momentum) * old + momentum * batch, for the mean and for the variance.",
    ),
    reasoning=(
        "In training the batch normalizes itself, and the gradient flows through its mean and "
        "variance. The running statistics are an estimate for later: the unbiased variance, "
        "without a graph. In evaluation they are constants, and a batch of one is no problem."
    ),
)

# --- 08.5: augmentation that keeps the label ---------------------------------------------------

DRAWS = 48
_F_SHAPE = (
    "##########",
    "##########",
    "###.......",
    "###.......",
    "########..",
    "########..",
    "###.......",
    "###.......",
    "###.......",
    "###.......",
    "###.......",
    "###.......",
    "###.......",
)


def _test_image() -> Tensor:
    """The letter F, which no turn turns into its mirror image: (1, 28, 28) float32."""
    rows = [[float(mark == "#") for mark in row] for row in _F_SHAPE]
    image = torch.zeros(1, 28, 28)
    image[0, 8:21, 9:19] = torch.tensor(rows)
    return F.avg_pool2d(image[None], 3, stride=1, padding=1)[0]


def _turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn images (K, 1, 28, 28), each by its own angle (K,)."""
    angle = torch.deg2rad(degrees)
    rows = [
        torch.stack([angle.cos(), -angle.sin(), torch.zeros_like(angle)], dim=1),
        torch.stack([angle.sin(), angle.cos(), torch.zeros_like(angle)], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), images.shape, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _centered(images: Tensor) -> Tensor:
    """Move the ink of each image (K, 28, 28) to the center, by whole pixels."""
    ramp = torch.arange(28.0) - 13.5
    moved = []
    for image in images:
        ink = image.sum().clamp(min=1e-6)
        down = round(((image.sum(1) * ramp).sum() / ink).item())
        right = round(((image.sum(0) * ramp).sum() / ink).item())
        moved.append(torch.roll(image, (-down, -right), dims=(0, 1)))
    return torch.stack(moved)


def _closest_pose(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How well the best pose explains images (K, 28, 28), and which of them are plainly changed.

    Returns:
        Likeness (K,), whether an image is mirrored (K,), whether it is turned by 45 degrees or
        more (K,). What is cut or distorted may be a little more like a mirror image by chance;
        that does not count.
    """
    degrees = torch.arange(-180.0, 180.0, 15.0)
    shapes = [_test_image()[None], _test_image().flip(-1)[None]]
    poses = torch.cat([_turned(s.expand(len(degrees), -1, -1, -1), degrees) for s in shapes])
    templates = _centered(poses[:, 0]).flatten(1)
    seen = _centered(images).flatten(1)
    likeness = F.normalize(seen, dim=1) @ F.normalize(templates, dim=1).T  # (K, 48)
    straight, mirror = (half.max(dim=1).values for half in likeness.split(len(degrees), dim=1))
    upright = likeness[:, : len(degrees)][:, degrees.abs() <= 30].max(dim=1).values
    mirrored = (mirror > 0.7) & (mirror > straight + 0.08)
    turned = (straight > 0.85) & (straight > upright + 0.05) & ~mirrored
    return torch.maximum(straight, mirror), mirrored, turned


def _observe_augmentation(answer):
    """Build the transform and look at what 48 calls do to one image."""
    if isinstance(answer, nn.Module):
        raise AnswerError(
            "that is a transform itself. Hand over the function that builds one, without calling "
            "it: check(digit_augmentation)."
        )
    transform = answer()
    if not callable(transform):
        raise AnswerError("expected a function that returns a transform, itself a callable.")
    image, kept = _test_image(), []
    for _ in range(DRAWS):
        out = transform(image.clone())
        if not isinstance(out, Tensor):
            raise AnswerError(f"the transform returns {type(out).__name__}, expected a tensor.")
        if not out.dtype.is_floating_point:
            raise AnswerError(f"the views have the type {out.dtype}, expected floating point.")
        if out.shape != image.shape:
            return {"the shape stays (1, 28, 28)": False}
        kept.append(out.detach()[0].float())
    images = torch.stack(kept)  # (48, 28, 28)
    likeness, mirrored, turned = _closest_pose(images)
    ink = images.clamp(0, 1).sum((1, 2)) / image.sum()
    foreign = (ink > 0.5) & (likeness < 0.45) & (images.amin((1, 2)) >= -0.01)
    return {
        "the shape stays (1, 28, 28)": True,
        "some views are changed": bool((images - image).abs().max() > 1e-3),
        "views differ from call to call": bool((images.std(0) > 1e-3).any()),
        "some views are mirrored": bool((mirrored & (ink > 0.5)).sum() > 1),
        "some views are turned by 45 degrees or more": bool((turned & (ink > 0.5)).sum() > 1),
        "some views are enlarged far beyond the picture": bool((ink[likeness < 0.9] > 2).any()),
        "some views no longer look like the original": bool(foreign.any()),
        "some views lose the digit": bool((ink < 0.5).any()),
        "values stay between 0 and 1": bool(images.min() >= -0.01 and images.max() <= 1.5),
    }


def digit_augmentation():
    """A random transform for float images (1, 28, 28) that leaves a digit the same digit."""
    from torchvision.transforms import v2

    return v2.Compose([v2.RandomAffine(degrees=10, translate=(0.1, 0.1), scale=(0.9, 1.1))])


def _augment_rotation():
    from torchvision.transforms import v2

    return v2.RandomRotation(15)


def _augment_by_hand():
    def shift(image):
        right, down = torch.randint(-2, 3, (2,)).tolist()
        return torch.roll(image, (down, right), dims=(-2, -1))

    return shift


def _augment_many():
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.RandomAffine(degrees=12, translate=(0.08, 0.08), shear=8),
            v2.RandomErasing(p=0.3, scale=(0.02, 0.06)),
        ]
    )


def _augment_with(build):
    def digit_augmentation():
        from torchvision.transforms import v2

        return build(v2)

    return digit_augmentation


augmentation_exercise = FunctionExercise(
    id="08.5",
    title="Augmentation that keeps the label",
    statement=(
        "Write `digit_augmentation()` that returns a random transform for one digit, a float "
        "tensor (1, 28, 28) with values from 0 to 1: a new view at each call, of the same shape, "
        "and still the same digit. Use torchvision's transforms v2, or your own function."
    ),
    solution=digit_augmentation,
    alternatives=(_augment_rotation, _augment_by_hand, _augment_many),
    observe=_observe_augmentation,
    time_limit=60.0,  # a process's first import of torchvision
    show_expected=True,
    probes=(Probe("48 views of a letter F", tuple),),
    misconceptions=(
        Misconception(
            "mirrored",
            _augment_with(
                lambda v2: v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(10)])
            ),
            "Some views are mirrored. No reader writes a mirrored 3 or 5, and section 6 measures "
            "what it costs. Flips are for cats, not for digits.",
        ),
        Misconception(
            "turned too far",
            _augment_with(lambda v2: v2.RandomRotation(180)),
            "Some views are turned by 45 degrees or more. On the way a 7 stops being a 7, and at "
            "the end a 6 is a 9. Keep to about 15 degrees.",
        ),
        Misconception(
            "mirrored and turned",
            _augment_with(
                lambda v2: v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(180)])
            ),
            "Some views are mirrored and some are turned upside down: neither keeps a digit's "
            "label.",
        ),
        Misconception(
            "a small part, enlarged",
            _augment_with(lambda v2: v2.RandomResizedCrop(28)),
            "Some views show the digit far too large, so that a part of it is left, and others "
            "hardly any of it. Keep its size within about a fifth. `v2.RandomResizedCrop` cuts out "
            "as little as 8 % of the picture unless you say scale=(0.8, 1.0).",
        ),
        Misconception(
            "pushed out",
            _augment_with(lambda v2: v2.RandomAffine(0, translate=(0.7, 0.7))),
            "Some views lose much of the digit: it is pushed out of the picture, erased, or far "
            "too small. `translate` is a share of the image: 0.1 is 2.8 pixels.",
        ),
        Misconception(
            "negative or noise",
            _augment_with(lambda v2: v2.RandomInvert(0.5)),
            "Some views no longer look like the original: negatives, or ink that is lost in noise. "
            "The test digits are bright on dark and clean, so such views teach nothing about them.",
        ),
        Misconception(
            "not random",
            _augment_with(lambda v2: v2.Lambda(lambda image: v2.functional.rotate(image, 8.0))),
            "Every call gives the same view: that is one more training image, not an endless "
            "supply. Draw the angle anew at each call.",
        ),
        Misconception(
            "nothing happens",
            _augment_with(lambda v2: v2.RandomAffine(degrees=0)),
            "Nothing changes: the views are all the original. A range of 0 draws only 0.",
        ),
        Misconception(
            "another size",
            _augment_with(lambda v2: v2.RandomCrop(24)),
            "The views have another size, so the network's first layer no longer fits. Crop after "
            "padding: v2.RandomCrop(28, padding=2).",
        ),
        Misconception(
            "normalized",
            _augment_with(
                lambda v2: v2.Compose([v2.RandomRotation(10), v2.Normalize([0.13], [0.31])])
            ),
            "The values leave the range from 0 to 1: normalizing is preprocessing, needed for "
            "test images too. Keep it apart from the augmentation.",
        ),
    ),
    hints=(
        "What may happen to a digit on paper without its becoming another one?",
        "Small turns, small shifts, a little larger or smaller. No mirror, no half turn.",
        "`v2.RandomAffine(degrees=10, translate=(0.1, 0.1))` does both.",
    ),
    reasoning=(
        "A transform is safe if a person would still give the same label. For digits that allows "
        "small rotations, shifts and scalings; it excludes mirror images and half turns. The "
        "checker cannot read digits, so it looks at the letter F, whose mirror image no turn "
        "produces."
    ),
)

# --- 08.6: six learning curves -----------------------------------------------------------------

DIAGNOSES = {
    "a": "nothing is wrong",
    "b": "too little capacity: a larger network",
    "c": "overfitting: regularize or stop earlier",
    "d": "not finished: more epochs or a higher rate",
    "e": "the training loss is measured with dropout on: no fault",
    "f": "the labels carry no information: look at the data",
}


def _six_letters(answer: object) -> str:
    """Read six letters from a text or a sequence."""
    text = "".join(map(str, answer)) if isinstance(answer, (list, tuple)) else answer
    if not isinstance(text, str):
        raise AnswerError('expected six letters as a text, one for each panel, as in "abcdef".')
    text = "".join(letter for letter in text.lower() if letter.isalpha())
    if len(text) != 6 or set(text) - set(DIAGNOSES):
        raise AnswerError("expected six letters from a to f, one for each of the panels 1 to 6.")
    return text


six_curves = ValueExercise(
    id="08.6",
    title="Read six learning curves",
    statement=(
        "Give each of the panels 1 to 6 its diagnosis:\n"
        + "\n".join(f"{letter}) {text}" for letter, text in DIAGNOSES.items())
        + '\nWrite six letters in the order of the panels: diagnosis = "...".'
    ),
    name="diagnosis",
    solution="cbfead",
    parse=_six_letters,
    alternatives=("C B F E A D", list("cbfead"), "c, b, f, e, a, d"),
    misconceptions=(
        Misconception(
            "underfitting and unfinished swapped",
            "cdfeab",
            "Panels 2 and 6 are both high. In one both curves have become flat: more epochs would "
            "not help, the network is too small. In the other they are still falling when the "
            "training ends.",
        ),
        Misconception(
            "overfitting and random labels swapped",
            "fbcead",
            "Panels 1 and 3 both have a rising validation loss. In one it first falls well below "
            "ln 10 = 2.3, so there is something to learn; in the other it never does.",
        ),
        Misconception(
            "dropout taken for a small network",
            "cefbad",
            "Panels 2 and 4: look which curve is on top. A validation loss *below* the training "
            "loss is the sign that the two were measured in different modes.",
        ),
        Misconception(
            "dropout taken for overfitting",
            "ebfcad",
            "Panels 1 and 4: in overfitting the *validation* loss is on top and rises. In panel 4 "
            "it lies below the training loss all the time.",
        ),
        Misconception(
            "random labels taken for a small network",
            "cfbead",
            "Panels 2 and 3: a network that is too small has a high training loss. In panel 3 the "
            "training loss falls far: there is enough capacity, even for learning noise by heart.",
        ),
        Misconception(
            "good taken for dropout",
            "cbfaed",
            "Panels 4 and 5: in one the validation loss lies clearly below the training loss, for "
            "which there must be a reason: the mode in which they were measured.",
        ),
    ),
    hints=(
        "Ask three questions of each panel: is the training loss low? Is the validation loss far "
        "above it? Do the curves still move at the end?",
        "Guessing among ten classes has the loss ln 10 = 2.3. Whose validation loss never gets "
        "below?",
        "Panel 1 overfits, panel 5 is fine. In panel 4 the order of the two curves is unusual.",
    ),
    reasoning=(
        "A low training loss says that capacity and training suffice (1, 3, 5). The gap to the "
        "validation loss then tells overfitting from a good fit, and a validation loss that never "
        "beats guessing tells that there is nothing to learn. High and flat means too small, high "
        "and falling means not finished, and a validation loss below the training loss means that "
        "dropout was on for one of the two."
    ),
)

# --- predictions -------------------------------------------------------------------------------

degree_guess = Prediction(
    "08.p1",
    "16 points with noise. A polynomial of degree 3 has an error on new data of about 0.12. And "
    "one of degree 11, which has a smaller training error?",
    options={
        "a": "a little less than 0.12",
        "b": "about twice as much",
        "c": "more than ten times as much",
    },
)
double_guess = Prediction(
    "08.p2",
    "200 training digits. With 200 random features the test error is enormous. With 2,000?",
    options={"a": "larger still", "b": "about the same", "c": "lower than for any smaller model"},
)
pair_guess = Prediction(
    "08.p3",
    "Batch normalization in training mode, a batch of two samples, inputs anything. The outputs?",
    options={
        "a": "about normally distributed",
        "b": "only +1 and -1",
        "c": "an error",
    },
)
ablation_guess = Prediction(
    "08.p4",
    "The recipe has four parts. Leaving out which one costs the most accuracy?",
    options={
        "a": "dropout",
        "b": "weight decay",
        "c": "batch normalization",
        "d": "augmentation",
    },
)
