"""The board's training as a PyTorch program that runs by itself."""

from __future__ import annotations

import inspect
import textwrap

from . import problems
from .session import Session
from .settings import ACTIVATIONS, OPTIMIZERS, Settings

__all__ = ["write"]

STEPS = 1000  # for a board that has not trained yet


def write(session: Session) -> str:
    """A program that makes the same steps as the session and prints the same losses.

    It needs nothing but the course's package. Where the session trains objects of the learner's
    own, the program says which names it expects.
    """
    own, settings = session.given, session.settings
    parts = [
        _imports(session),
        _data(settings) if own.problem is None else _own_data(session),
        _model(session),
        _loss(session),
        _optimizer(session),
        _evaluate(session),
        _loop(session),
        _report(session),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts if part)


def _imports(session: Session) -> str:
    lines = ["import torch", "from torch import nn", "from torch.nn import functional as F", ""]
    if session.given.problem is None:
        waves = session.settings.data == "waves"
        source = "course_utils.play.problems import waves" if waves else "course_utils import data"
        lines += [f"from {source}", ""]
    return "\n".join(lines)


def _data(settings: Settings) -> str:
    chosen = problems.DATA[settings.data]
    noise = round(settings.noise * chosen.noise_unit, 6)
    total, train = problems.TRAIN + problems.TEST, problems.TRAIN
    lines = [
        f"X, y = {chosen.source}({total}, noise={noise}, seed=0)",
        f"X = (X - X[:{train}].mean(0)) / X[:{train}].std(0)  # standardized",
    ]
    if settings.features != problems.PLAIN:
        chosen_features = ", ".join(problems.FEATURES[name][1] for name in settings.features)
        lines.append(f"X = torch.stack([{chosen_features}], dim=1)")
    lines += [
        f"X_train, y_train = X[:{train}], y[:{train}]",
        f"X_test, y_test = X[{train}:], y[{train}:]",
        "",
    ]
    return "\n".join(lines)


def _own_data(session: Session) -> str:
    kind = session.problem.kind
    cast = ".long()" if kind == problems.CLASSES else ".float()"
    lines = [
        "# data is the pair of tensors that you gave the board.",
        "X_train, y_train = data",
        f"X_train, y_train = X_train.float(), y_train{cast}",
    ]
    if session.problem.X_test is not None:
        lines += ["X_test, y_test = test", f"X_test, y_test = X_test.float(), y_test{cast}"]
    return "\n".join([*lines, ""])


def _model(session: Session) -> str:
    settings = session.settings
    seed = f"torch.manual_seed({settings.seed})"
    if session.given.model is not None:
        source = _source(type(session.given.model))
        note = "# model is the module that you gave the board, as it was then."
        return f"{source}\n{note}\n{seed}\n" if source else f"{note}\n{seed}\n"
    rows, width = [], len(settings.features)
    for units in settings.hidden:
        rows += [f"nn.Linear({width}, {units}),", f"{ACTIVATIONS[settings.activation][1]},"]
        if _dropout_used(session):
            rows.append(f"nn.Dropout({_first(session, 'dropout'):g}),")
        width = units
    rows.append(f"nn.Linear({width}, 1),")
    body = textwrap.indent("\n".join(rows), "    ")
    return f"{seed}\nmodel = nn.Sequential(\n{body}\n)\n"


def _source(cls: type) -> str:
    """Source of the learner's class; empty for a module of torch, or if it cannot be read."""
    if cls.__module__.split(".")[0] == "torch":
        return ""
    try:
        return "# " + "\n# ".join(textwrap.dedent(inspect.getsource(cls)).rstrip().splitlines())
    except (OSError, TypeError):
        return ""


def _loss(session: Session) -> str:
    if session.given.loss is not None:
        return "criterion = loss  # your own function"
    allowed = problems.LOSSES[session.problem.kind]
    chosen = allowed.get(session.settings.loss, next(iter(allowed.values())))
    return f"criterion = {chosen.program}"


def _optimizer(session: Session) -> str:
    if session.given.optimizer is not None:
        lines = ["optimizer = make_optimizer(model.parameters())  # your own function"]
        if _first(session, "lr") != session.own_rate:
            lines += [
                "for group in optimizer.param_groups:",
                f'    group["lr"] = {_first(session, "lr")!r}',
            ]
        return "\n".join([*lines, ""])
    name, more = OPTIMIZERS[session.settings.optimizer]
    decay = _first(session, "l2")
    if decay or name == "AdamW":  # AdamW has a decay of its own unless told
        more += f", weight_decay={decay!r}"
    rate = _first(session, "lr")
    return f"optimizer = torch.optim.{name}(model.parameters(), lr={rate!r}{more})\n"


def _call(session: Session, X: str) -> str:
    """The expression of the model's output, with the shape that the loss wants."""
    squeeze = session.given.loss is None and session.problem.kind != problems.CLASSES
    return f"model({X}).reshape(-1)" if squeeze else f"model({X})"


def _evaluate(session: Session) -> str:
    return f"""

def evaluate(X, y):
    model.eval()
    with torch.no_grad():
        return criterion({_call(session, "X")}, y).item()


"""


def _loop(session: Session) -> str:
    settings = session.settings
    lines = [f"STEPS = {session.step or STEPS}"]
    changes = _changes(session)
    if changes:
        lines += ["changes = {  # step: what you changed then", *changes, "}"]
    if _uses(session, "l1"):
        lines.append(f"l1 = {_first(session, 'l1')!r}")
    penalty = (
        "        loss = loss + l1 * sum(p.abs().sum() for p in model.parameters() if p.ndim > 1)"
    )
    lines += [
        f"order = torch.Generator().manual_seed({settings.seed})",
        "step = 0",
        "while step < STEPS:",
        f"    for rows in torch.randperm(len(X_train), generator=order).split({settings.batch}):",
        "        if step == STEPS:",
        "            break",
        *(_apply_changes(session) if changes else []),
        "        model.train()",
        f"        loss = criterion({_call(session, 'X_train[rows]')}, y_train[rows])",
        *([penalty] if _uses(session, "l1") else []),
        "        optimizer.zero_grad()",
        "        loss.backward()",
        "        optimizer.step()",
        "        step += 1",
        "",
    ]
    return "\n".join(lines)


def _report(session: Session) -> str:
    lines = ["train_loss = evaluate(X_train, y_train)"]
    shown = "step {step}: train loss {train_loss:.4f}"
    if session.problem.X_test is not None:
        lines.append("test_loss = evaluate(X_test, y_test)")
        shown += ", test loss {test_loss:.4f}"
    return "\n".join([*lines, f'print(f"{shown}")'])


# --- settings that were changed on the way -------------------------------------------------------


def _uses(session: Session, name: str) -> bool:
    changed = any(changed_name == name for _, changed_name, _ in session.changes)
    return bool(changed or getattr(session.settings, name))


def _dropout_used(session: Session) -> bool:
    return _uses(session, "dropout")


def _first(session: Session, name: str) -> float:
    """Value of a live setting at step 0."""
    return session.start[name]


def _changes(session: Session) -> list[str]:
    by_step: dict[int, dict[str, float]] = {}
    for step, name, value in session.changes:
        by_step.setdefault(step, {})[name] = value
    return [f"    {step}: {values!r}," for step, values in by_step.items()]


def _apply_changes(session: Session) -> list[str]:
    names = {name for _, name, _ in session.changes}
    lines = ["        for name, value in changes.get(step, {}).items():"]
    keys = {"lr": "lr", "l2": "weight_decay"}
    for name, key in keys.items():
        if name in names:
            lines += [
                f'            if name == "{name}":',
                "                for group in optimizer.param_groups:",
                f'                    group["{key}"] = value',
            ]
    if "l1" in names:
        lines += ['            if name == "l1":', "                l1 = value"]
    if "dropout" in names:
        lines += [
            '            if name == "dropout":',
            "                for part in model.modules():",
            "                    if isinstance(part, nn.Dropout):",
            "                        part.p = value",
        ]
    return lines
