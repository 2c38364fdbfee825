"""The optimizers of 3.9: the explorers' rules, the lesson's rules and torch.optim agree.

The lesson writes each rule for a reader, the explorers write some of them with one common
argument, the momentum, for many settings at once. Here both walk 100 steps beside torch.optim.
"""

import ast
from pathlib import Path

import pytest
import torch
from torch import nn

from course_utils.explore import optimizers as explorers

LESSON = Path(__file__).resolve().parents[2] / "notebooks" / "09_optimizers.py"
RULES = (
    "sgd momentum nesterov adagrad rmsprop adadelta averages adam nadam radam adam_l2 adamw lamb"
)


@pytest.fixture(scope="module")
def lesson():
    """The rules of the lesson, by name, from its source."""
    wanted = {*RULES.split()}
    functions = [
        node
        for node in ast.parse(LESSON.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name in wanted
    ]
    assert {node.name for node in functions} == wanted
    names = {"torch": torch}
    exec(compile(ast.Module(functions, []), str(LESSON), "exec"), names)
    return names


def gradient(w):
    """Of a loss that is curved differently in every direction."""
    scale = torch.logspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    return torch.tanh(scale * w) + w


def start():
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def walk(rule, lr, *args, **options):
    """The points of 100 steps of a rule: (100, 4, 3)."""
    w, state, points = start(), {}, []
    for _ in range(100):
        w, state = rule(w, gradient(w), state, lr, *args, **options)
        points.append(w)
    return torch.stack(points)


def torch_walk(optimizer_class, lr, **options):
    """The points of 100 steps of torch.optim: (100, 4, 3)."""
    w = nn.Parameter(start())
    optimizer, points = optimizer_class([w], lr=lr, **options), []
    for _ in range(100):
        w.grad = gradient(w.detach())
        optimizer.step()
        points.append(w.detach().clone())
    return torch.stack(points)


def equal(a, b, tolerance=1e-12):
    """Whether two walks agree at every step, and have moved."""
    assert (a[-1] - start()).abs().max() > 1e-3
    return (a - b).abs().max() < tolerance


EXPLORED = {  # explorer's rule -> its momenta, the lesson's rule, torch's optimizer
    "_momentum": ((0.0, 0.5, 0.9), "momentum", torch.optim.SGD, lambda mu: {"momentum": mu}),
    "_nesterov": (
        (0.5, 0.9),
        "nesterov",
        torch.optim.SGD,
        lambda mu: {"momentum": mu, "nesterov": True},
    ),
    "_rmsprop": ((0.0, 0.5, 0.9), "rmsprop", torch.optim.RMSprop, lambda mu: {"momentum": mu}),
    "_adagrad": ((0.0,), "adagrad", torch.optim.Adagrad, lambda mu: {}),
    "_adam": ((0.0, 0.5, 0.9), "adam", torch.optim.Adam, lambda mu: {"betas": (mu, 0.999)}),
}


def lessons_options(name, mu):
    """How the lesson's rule is told the momentum."""
    if name in ("momentum", "nesterov"):
        return {"mu": mu}
    return {"betas": (mu, 0.999)} if name == "adam" else {}


@pytest.mark.parametrize("explored", EXPLORED)
def test_explorer_lesson_and_torch_agree_at_every_step(explored, lesson):
    momenta, name, optimizer_class, options = EXPLORED[explored]
    for mu in momenta:
        ours = walk(getattr(explorers, explored), 0.02, mu)
        assert equal(ours, torch_walk(optimizer_class, 0.02, **options(mu))), mu
        if name != "rmsprop" or mu == 0:  # the lesson's has no momentum
            assert equal(ours, walk(lesson[name], 0.02, **lessons_options(name, mu))), mu


def test_every_rule_of_the_explorers_is_compared():
    used = {*explorers.RULES.values(), *(rule for rule, *_ in explorers.RACERS.values())}
    assert {rule.__name__ for rule in used} == set(EXPLORED)


def test_the_explorers_walk_many_settings_as_they_walk_one(lesson):
    surface = explorers.SURFACES["ravine"]
    rates, momenta = torch.tensor([0.01, 0.05]).double(), torch.tensor([0.0, 0.9]).double()
    paths, losses = explorers.descend(
        explorers.RULES["SGD"], surface, rates[:, None, None], momenta[None, :, None], steps=40
    )
    for r, lr in enumerate(rates):
        for m, mu in enumerate(momenta):
            w, state = torch.tensor(surface.start, dtype=torch.float64), {}
            for step in range(41):
                w.requires_grad_()
                loss = surface.loss(w)
                (g,) = torch.autograd.grad(loss, w)
                torch.testing.assert_close(paths[step, r, m], w.detach(), rtol=1e-9, atol=1e-12)
                torch.testing.assert_close(losses[step, r, m], loss.detach())
                w, state = lesson["momentum"](w.detach(), g, state, lr, mu=mu)


@pytest.mark.parametrize(
    ("name", "optimizer_class", "lr", "torch_options", "options", "tolerance"),
    [
        ("sgd", torch.optim.SGD, 0.05, {}, {}, 1e-12),
        ("adadelta", torch.optim.Adadelta, 1.0, {}, {}, 1e-12),
        ("nadam", torch.optim.NAdam, 0.01, {}, {}, 1e-6),
        ("radam", torch.optim.RAdam, 0.01, {}, {}, 1e-12),
        ("adam_l2", torch.optim.Adam, 0.01, {"weight_decay": 0.5}, {"decay": 0.5}, 1e-12),
        ("adamw", torch.optim.AdamW, 0.01, {"weight_decay": 0.5}, {"decay": 0.5}, 1e-12),
    ],
)
def test_the_lessons_other_rules_equal_torch(
    name, optimizer_class, lr, torch_options, options, tolerance, lesson
):
    theirs = torch_walk(optimizer_class, lr, **torch_options)
    assert equal(walk(lesson[name], lr, **options), theirs, tolerance)


def test_lamb_is_adamw_with_the_length_of_the_weights(lesson):
    """Without torch's help: every LAMB step has the direction of Adam and η times the norm of w."""
    lr, eps = 0.01, 1e-6
    points = torch.cat([start()[None], walk(lesson["lamb"], lr, decay=0.0, eps=eps)])
    w, state = start(), {}
    for step in range(100):
        moved = points[step] - points[step + 1]
        w = points[step]
        adam, state = lesson["adam"](w, gradient(w), state, 1.0, eps=eps)
        direction = w - adam
        torch.testing.assert_close(moved, lr * w.norm() * direction / direction.norm())
