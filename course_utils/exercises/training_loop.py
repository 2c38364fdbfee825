"""The exercises of lesson 3.6, The training loop."""

from __future__ import annotations

import copy
import numbers
import weakref

import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data
from course_utils.exercises import (
    AnswerError,
    FunctionExercise,
    Misconception,
    Prediction,
    Probe,
    ValueExercise,
)

# --- 06.1: six lines in order ------------------------------------------------------------------

LINES = {
    "a": "optimizer.step()",
    "b": "loss.backward()",
    "c": "for X, y in loader:",
    "d": "loss = criterion(model(X), y)",
    "e": "optimizer.zero_grad()",
    "f": "for epoch in range(epochs):",
}


def _letters(answer: object) -> str:
    """Read an order of the six letters from a text or a sequence of letters."""
    text = "".join(answer) if isinstance(answer, (list, tuple)) else answer
    if not isinstance(text, str):
        raise AnswerError('expected the six letters as a text, such as "abcdef".')
    text = "".join(letter for letter in text.lower() if letter.isalpha())
    if sorted(text) != sorted(LINES):
        raise AnswerError("each of the letters a to f must appear exactly once.")
    return text


def _what_happens(order: str) -> dict[str, object]:
    """Run the six lines in an order on a tiny problem and report the weight after two epochs."""
    if order[:2] != "fc":
        inside_out = order.index("c") < order.index("f")
        return {"loops": "inside out" if inside_out else "not first", "weights": "none"}
    body = [LINES[letter] for letter in order[2:]]
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 2.0)
    names = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "criterion": nn.MSELoss(),
    }
    try:
        for k in range(4):
            names["X"] = names["y"] = torch.full((2, 1), 1.0 + k % 2, dtype=torch.float64)
            exec("\n".join(body), names)
    except (NameError, RuntimeError) as error:
        return {"loops": "first", "weights": type(error).__name__}
    return {"loops": "first", "weights": round(model.weight.item(), 9)}


six_lines = ValueExercise(
    id="06.1",
    title="Six lines in order",
    statement=(
        "Put the lines into an order that trains:\n"
        + "\n".join(f"{letter}) {line}" for letter, line in LINES.items())
        + '\nWrite the letters as a text: order = "...".'
    ),
    name="order",
    solution="fcdeba",
    parse=_letters,
    observe=_what_happens,
    time_limit=30.0,  # a process's first optimizer imports a lot
    alternatives=("fcedba", "fcdbae", ["f", "c", "e", "d", "b", "a"], "f c d e b a"),
    misconceptions=(
        Misconception(
            "loops swapped",
            "cfdeba",
            "The epochs stand outside: one epoch is a whole pass over the batches, so the loop "
            "over batches stands inside of it.",
        ),
        Misconception(
            "a line before the loops",
            "fecdba",
            "The two loops come first. A line above the loop over batches runs once for each "
            "epoch, or only once, and all four others must run for every batch.",
        ),
        Misconception(
            "the step at the start",
            "fcadeb",
            "The step comes before the backward of its batch: the first step has no gradient, and "
            "the gradient of the last batch is never used. Put the step after backward.",
        ),
        Misconception(
            "the step between loss and backward",
            "fcdaeb",
            "The step comes between the loss and its backward: it uses the gradient of the batch "
            "before, and a network of several layers refuses. Put the step after backward.",
        ),
        Misconception(
            "nothing to step with",
            "fcdbea",
            "The weights never move: whenever the step comes, the gradients have just been "
            "cleared. Between zero_grad and step there must be a backward.",
        ),
        Misconception(
            "backward before the loss",
            "fcebda",
            "Backward is called before there is a loss. Compute the loss first: d before b.",
        ),
    ),
    hints=(
        "The outer loop counts the epochs, the inner one the batches. Four lines remain.",
        "Backward needs a loss, and the step needs the gradients that backward makes.",
        "Only zero_grad has a choice: anywhere in the body except between backward and step.",
    ),
    reasoning=(
        "Loops, then loss, backward, step. zero_grad may stand before or after the forward pass, "
        "because the forward pass does not touch the gradients; it must not stand between "
        "backward and step. (At the very end, after the step, it works as well.)"
    ),
)

# --- 06.2: four bugs ---------------------------------------------------------------------------


def train_one_epoch(model, X, y, optimizer, batch_size=64):
    """Train on X (N, D), y (N,) in order; return the mean loss per sample as a number."""
    model.train()
    total = 0.0
    for start in range(0, len(X), batch_size):
        X_batch, y_batch = X[start : start + batch_size], y[start : start + batch_size]
        loss = nn.functional.cross_entropy(model(X_batch), y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(X_batch)
    return total / len(X)


def _epoch_batches(model, X, y, optimizer, batch_size=64):
    model.train()
    criterion, losses = nn.CrossEntropyLoss(reduction="none"), []
    for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):
        optimizer.zero_grad()
        each = criterion(model(X_batch), y_batch)
        each.mean().backward()
        optimizer.step()
        losses.append(each.detach())
    return torch.cat(losses).mean().item()


def _epoch_tensor(model, X, y, optimizer, batch_size=64):
    model.train()
    total = torch.zeros(())
    for X_batch, y_batch in data.batches(X, y, batch_size=batch_size, shuffle=False):
        loss = F.cross_entropy(model(X_batch), y_batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += len(y_batch) * loss.detach()
    return float(total) / len(y)


def _epoch_loader(model, X, y, optimizer, batch_size=64):
    model.train()
    dataset = torch.utils.data.TensorDataset(X, y)
    losses, counts = [], []
    optimizer.zero_grad()
    for X_batch, y_batch in torch.utils.data.DataLoader(dataset, batch_size):
        loss = nn.functional.cross_entropy(model(X_batch), y_batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        counts.append(len(y_batch))
    return sum(a * b for a, b in zip(losses, counts, strict=True)) / sum(counts)


def _epoch_sloppy(mode=True, zero="before", by_sample=True, graph=False, drop=False, own=False):
    """The loop with some of its bugs."""

    def train_one_epoch(model, X, y, optimizer, batch_size=64):
        if mode:
            model.train()
        total, count = 0.0, 0
        if zero == "once":
            optimizer.zero_grad()
        stop = len(X) - len(X) % batch_size if drop else len(X)
        for start in range(0, stop, batch_size):
            X_batch, y_batch = X[start : start + batch_size], y[start : start + batch_size]
            loss = F.cross_entropy(model(X_batch), y_batch)
            if zero == "before":
                optimizer.zero_grad()
            loss.backward()
            if zero == "after":
                optimizer.zero_grad()
            if own:
                _descend(model, optimizer.param_groups[0]["lr"])
            else:
                optimizer.step()
            value = loss if graph else loss.item()
            total += value * (len(X_batch) if by_sample else 1)
            count += len(X_batch) if by_sample else 1
        return total / count

    return train_one_epoch


@torch.no_grad()
def _descend(model: nn.Module, lr: float) -> None:
    """What plain SGD does, without the optimizer."""
    for parameter in model.parameters():
        parameter -= lr * parameter.grad


def _epoch_total_tensor(model, X, y, optimizer, batch_size=64):
    return _epoch_sloppy(graph=True)(model, X, y, optimizer, batch_size).item()


def _epoch_full_weight(model, X, y, optimizer, batch_size=64):
    model.train()
    total = 0.0
    for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):
        loss = F.cross_entropy(model(X_batch), y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * batch_size
    return total / len(X)


def _epoch_sum(model, X, y, optimizer, batch_size=64):
    model.train()
    total = 0.0
    for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):
        loss = F.cross_entropy(model(X_batch), y_batch, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(X)


def _count_steps(optimizer: torch.optim.Optimizer) -> list[None]:
    """A list that grows with every step of the optimizer."""
    steps: list[None] = []
    optimizer.register_step_post_hook(lambda *_: steps.append(None))
    return steps


class _Mark:
    """Lives as long as the graph that it is attached to."""


class _Dropout(nn.Module):
    """Like dropout, but it drops the same units each time and draws no random numbers.

    So the losses do not depend on what else draws some, as a DataLoader does.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.graphs: list[weakref.ref] = []
        self.most = 0  # graphs alive at the same time

    def alive(self) -> int:
        """How many of the graphs built so far are still held by somebody."""
        return sum(graph() is not None for graph in self.graphs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.grad_fn is not None:
            mark = _Mark()
            x.grad_fn.metadata["mark"] = mark
            self.graphs.append(weakref.ref(mark))
            self.most = max(self.most, self.alive())
        if not self.training:
            return x
        dropped = torch.arange(x.shape[1]) < self.dropout * x.shape[1]
        return x.masked_fill(dropped, 0.0) / (1 - self.dropout)


def _observe_epoch(answer, samples: int, batch_size: int, dropout: float):
    """Let the answer train a small network for two epochs."""
    generator = torch.Generator().manual_seed(samples)
    X, y = torch.randn(samples, 6, generator=generator), torch.arange(samples) % 3
    model = nn.Sequential(nn.Linear(6, 8), _Dropout(dropout), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    steps, losses, graphs = _count_steps(optimizer), [], []
    for _ in range(2):
        model.eval()  # as an evaluation would leave it
        torch.manual_seed(0)
        loss = answer(model, X, y, optimizer, batch_size=batch_size)
        if loss is ...:
            return ...
        graphs.append(bool(getattr(loss, "requires_grad", False)))
        losses.append(loss.detach() if isinstance(loss, torch.Tensor) else loss)
    return {
        "calls of optimizer.step() in two epochs": len(steps),
        "mean loss of the first epoch": losses[0],
        "mean loss of the second epoch": losses[1],
        "keeps the graphs of its batches": any(graphs) or model[1].most > 3,
        "weights": [p.detach().clone() for p in model.parameters()],
    }


four_bugs = FunctionExercise(
    id="06.2",
    title="Four bugs in one loop",
    statement=(
        "Repair `train_one_epoch(model, X, y, optimizer, batch_size=64)`: one pass over the "
        "batches in order, training with cross-entropy. Return the mean loss per sample, a plain "
        "number. The model may come in evaluation mode."
    ),
    solution=train_one_epoch,
    alternatives=(_epoch_batches, _epoch_tensor, _epoch_loader),
    observe=_observe_epoch,
    time_limit=30.0,  # a process's first optimizer imports a lot
    rtol=1e-4,
    atol=1e-5,
    probes=(
        Probe("18 samples, batches of 4", lambda: (18, 4, 0.0)),
        Probe("one batch", lambda: (6, 64, 0.0)),
        Probe("a network with dropout", lambda: (8, 4, 0.5)),
    ),
    misconceptions=(
        Misconception(
            "gradients never cleared",
            _epoch_sloppy(zero="never"),
            "The gradients of all batches add up: each step uses the sum of everything so far. "
            "Call optimizer.zero_grad() before backward.",
        ),
        Misconception(
            "cleared once",
            _epoch_sloppy(zero="once"),
            "You clear the gradients once for the whole pass, so each batch adds to those before "
            "it. Call optimizer.zero_grad() for every batch, before its backward.",
        ),
        Misconception(
            "cleared before the step",
            _epoch_sloppy(zero="after"),
            "The weights never move: you clear the gradients between backward and step. Clear "
            "them before backward.",
        ),
        Misconception(
            "without the optimizer",
            _epoch_sloppy(own=True),
            "You update the weights yourself. With plain SGD the numbers are the same, but any "
            "other optimizer that the caller gives would be ignored: call optimizer.step().",
        ),
        Misconception(
            "steps along the sum",
            _epoch_sum,
            "The sum of a batch's losses makes steps that are longer, by the number of samples. "
            "Train on the mean, and multiply by the number of samples for the report only.",
        ),
        Misconception(
            "weighted by batch_size",
            _epoch_full_weight,
            "You weight every batch by batch_size, also the last one, which is smaller. Take its "
            "true number of samples, len(X_batch).",
        ),
        Misconception(
            "evaluation mode",
            _epoch_sloppy(mode=False),
            "The model came in evaluation mode and stayed there, so dropout did nothing. Call "
            "model.train() before the first batch.",
        ),
        Misconception(
            "averaged by batch",
            _epoch_sloppy(by_sample=False),
            "You average the losses of the batches. The last batch is smaller, so its samples "
            "count for more. Weight each loss by its number of samples, then divide by len(X).",
        ),
        Misconception(
            "the graph is kept",
            _epoch_total_tensor,
            "You add up tensors that hang on the graphs of their batches, so all these graphs are "
            "kept until the end. Add up loss.item(), a plain number.",
        ),
        Misconception(
            "the graph is returned",
            _epoch_sloppy(graph=True),
            "You return a tensor that still hangs on the graph of every batch. Add up "
            "loss.item(), a plain number.",
        ),
        Misconception(
            "last batch dropped",
            _epoch_sloppy(drop=True),
            "The last, smaller batch is left out. Go on until all samples were seen.",
        ),
        Misconception(
            "three bugs left",
            _epoch_sloppy(mode=False, zero="never", by_sample=False),
            "Several bugs are left: the mode, the gradients that are never cleared, and the "
            "average over batches. Repair one at a time.",
        ),
        Misconception(
            "the loop as it was",
            _epoch_sloppy(mode=False, zero="never", by_sample=False, graph=True),
            "This still has all four bugs. Look at the mode, at the gradients, at what is added "
            "up, and at what it is divided by.",
        ),
    ),
    hints=(
        "What must be called before the first batch, and what before every backward?",
        "The last batch is smaller. How much should its loss count?",
        "model.train() first; optimizer.zero_grad() before backward; add loss.item() * "
        "len(X_batch); divide by len(X).",
    ),
    reasoning=(
        "The mode belongs to the loop, not to its caller. Clearing belongs before backward. "
        ".item() cuts the number loose from its graph, and the weight len(X_batch) makes the sum a "
        "sum over samples."
    ),
)

# --- 06.3: accumulation ------------------------------------------------------------------------


def accumulated_step(model, parts, optimizer):
    """One step as if parts, a list of (X, y) of any sizes, were a single batch."""
    samples = sum(len(y) for _, y in parts)
    optimizer.zero_grad()
    for X, y in parts:
        loss = nn.functional.mse_loss(model(X), y)
        (loss * len(y) / samples).backward()
    optimizer.step()


def _accumulate_sum(model, parts, optimizer):
    optimizer.zero_grad(set_to_none=False)
    total = sum(y.numel() for _, y in parts)
    for X, y in parts:
        ((model(X) - y) ** 2).sum().div(total).backward()
    optimizer.step()


def _accumulate_late(model, parts, optimizer):
    optimizer.zero_grad()
    for X, y in parts:
        F.mse_loss(model(X), y, reduction="sum").backward()
    for parameter in model.parameters():
        parameter.grad /= sum(y.numel() for _, y in parts)
    optimizer.step()


def _accumulate_cat(model, parts, optimizer):
    optimizer.zero_grad()
    F.mse_loss(model(torch.cat([X for X, _ in parts])), torch.cat([y for _, y in parts])).backward()
    optimizer.step()


def _accumulate_no_divide(model, parts, optimizer):
    optimizer.zero_grad()
    for X, y in parts:
        F.mse_loss(model(X), y).backward()
    optimizer.step()


def _accumulate_by_count(model, parts, optimizer):
    optimizer.zero_grad()
    for X, y in parts:
        (F.mse_loss(model(X), y) / len(parts)).backward()
    optimizer.step()


def _accumulate_zero_inside(model, parts, optimizer):
    samples = sum(len(y) for _, y in parts)
    for X, y in parts:
        optimizer.zero_grad()
        (F.mse_loss(model(X), y) * len(y) / samples).backward()
    optimizer.step()


def _accumulate_step_inside(model, parts, optimizer):
    samples = sum(len(y) for _, y in parts)
    for X, y in parts:
        optimizer.zero_grad()
        (F.mse_loss(model(X), y) * len(y) / samples).backward()
        optimizer.step()


def _accumulate_no_zero(model, parts, optimizer):
    samples = sum(len(y) for _, y in parts)
    for X, y in parts:
        (F.mse_loss(model(X), y) * len(y) / samples).backward()
    optimizer.step()


def _accumulate_by_hand(model, parts, optimizer):
    samples = sum(len(y) for _, y in parts)
    model.zero_grad()
    for X, y in parts:
        (F.mse_loss(model(X), y) * len(y) / samples).backward()
    _descend(model, optimizer.param_groups[0]["lr"])


def _accumulate_no_step(model, parts, optimizer):
    samples = sum(len(y) for _, y in parts)
    optimizer.zero_grad()
    for X, y in parts:
        (F.mse_loss(model(X), y) * len(y) / samples).backward()


def _accumulate_float(model, parts, optimizer):
    weights = torch.tensor([float(len(y)) for _, y in parts])  # a share like 0.4 is rounded
    optimizer.zero_grad()
    for weight, (X, y) in zip(weights / weights.sum(), parts, strict=True):
        (weight * F.mse_loss(model(X), y)).backward()
    optimizer.step()


def _accumulate_undivided_sum(model, parts, optimizer):
    optimizer.zero_grad()
    for X, y in parts:
        F.mse_loss(model(X), y, reduction="sum").backward()
    optimizer.step()


def _observe_accumulation(answer, sizes: tuple[int, ...]):
    """Two steps of the answer on a linear model in float64: the weights afterwards."""
    generator = torch.Generator().manual_seed(sum(sizes))
    model = nn.Linear(3, 1).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.5, -1.0, 2.0]]))
        model.bias.fill_(0.25)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = _count_steps(optimizer)
    for _ in range(2):
        parts = [
            (
                torch.randn(n, 3, generator=generator, dtype=torch.float64),
                torch.randn(n, 1, generator=generator, dtype=torch.float64),
            )
            for n in sizes
        ]
        if answer(model, parts, optimizer) is ...:
            return ...
    seen = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    return {"calls of optimizer.step() for two batches": len(steps)} | seen


accumulation = FunctionExercise(
    id="06.3",
    title="A large batch in small parts",
    statement=(
        "Write `accumulated_step(model, parts, optimizer)`: one optimizer step with the mean "
        "squared error, as if the (X, y) pairs in `parts`, which may differ in size, were one "
        "large batch. X is (n, D), y is (n, 1)."
    ),
    solution=accumulated_step,
    alternatives=(_accumulate_sum, _accumulate_late, _accumulate_cat, _accumulate_float),
    observe=_observe_accumulation,
    time_limit=30.0,  # a process's first optimizer imports a lot
    rtol=1e-5,
    atol=1e-7,
    probes=(
        Probe("parts of 4 and 4", lambda: ((4, 4),)),
        Probe("parts of 4, 4 and 2", lambda: ((4, 4, 2),)),
        Probe("a single part", lambda: ((5,),)),
    ),
    misconceptions=(
        Misconception(
            "gradients added, not averaged",
            _accumulate_no_divide,
            "You add the mean gradients of the parts, so K parts give a step K times too long. "
            "Weight each loss by its share of the samples.",
        ),
        Misconception(
            "divided by the number of parts",
            _accumulate_by_count,
            "You divide by the number of parts. That is right only for parts of equal size; weight "
            "each loss by len(y) / all samples.",
        ),
        Misconception(
            "cleared inside",
            _accumulate_zero_inside,
            "You clear the gradients for every part, so only the last one survives. Clear once, "
            "before the first part.",
        ),
        Misconception(
            "a step for every part",
            _accumulate_step_inside,
            "You take a step after every part: these are small batches with a small rate, not one "
            "large batch. Take one step at the end.",
        ),
        Misconception(
            "never cleared",
            _accumulate_no_zero,
            "The first call is right, but the second one adds to the gradients of the first. Clear "
            "them at the start.",
        ),
        Misconception(
            "summed, not averaged",
            _accumulate_undivided_sum,
            "Your gradient is that of the sum of all squared errors. Divide by the number of all "
            "samples, to have the mean.",
        ),
        Misconception(
            "no step",
            _accumulate_no_step,
            "The gradients are there, but the weights never move. Call optimizer.step() once, "
            "after the last part.",
        ),
        Misconception(
            "without the optimizer",
            _accumulate_by_hand,
            "You update the weights yourself. With plain SGD the numbers are the same, but any "
            "other optimizer that the caller gives would be ignored: call optimizer.step().",
        ),
    ),
    hints=(
        "backward() adds to the gradients that are there. Which two lines must then be outside of "
        "the loop?",
        "The large batch's loss is the sum of all squared errors, divided by all samples.",
        "Call (loss * len(y) / samples).backward() for each part, with one zero_grad before and "
        "one step after the loop.",
    ),
    reasoning=(
        "The mean over all samples is the weighted sum of the means of the parts, with the weights "
        "len(y) / samples. Gradients are linear, so the same holds for them."
    ),
)

# --- 06.4: evaluation --------------------------------------------------------------------------


def evaluate_classifier(model, X, y, batch_size=256):
    """Mean cross-entropy and accuracy on X (N, D), y (N,), as two plain numbers."""
    was_training = model.training
    model.eval()
    total, right = 0.0, 0
    with torch.no_grad():
        for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):
            logits = model(X_batch)
            total += nn.functional.cross_entropy(logits, y_batch, reduction="sum").item()
            right += (logits.argmax(dim=1) == y_batch).sum().item()
    model.train(was_training)
    return total / len(y), right / len(y)


def _evaluate_collect(model, X, y, batch_size=256):
    before = model.training
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(part) for part in X.split(batch_size)])
    model.train(before)
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


@torch.no_grad()
def _evaluate_decorated(model, X, y, batch_size=256):
    modes = [(part, part.training) for part in model.modules()]
    model.train(False)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), batch_size)
    loss, right = 0.0, 0
    for X_batch, y_batch in loader:
        chances = model(X_batch).log_softmax(dim=-1)
        loss -= chances[torch.arange(len(y_batch)), y_batch].double().sum()
        right += (chances.max(dim=1).indices == y_batch).sum()
    for part, training in modes:
        part.training = training
    return loss / len(X), right / len(X)


def _evaluate_all_at_once(model, X, y, batch_size=256):
    return evaluate_classifier(model, X, y, batch_size=len(X))


def _evaluate_no_grad_for_ever(model, X, y, batch_size=256):
    torch.set_grad_enabled(False)
    return evaluate_classifier(model, X, y, batch_size)


def _evaluate_frozen(model, X, y, batch_size=256):
    model.requires_grad_(False)
    return evaluate_classifier(model, X, y, batch_size)


def _evaluate_then_train(model, X, y, batch_size=256):
    result = evaluate_classifier(model, X, y, batch_size)
    model.train()
    return result


def _evaluate_sloppy(mode=True, restore=True, by_sample=True, percent=False, count=False):
    def evaluate_classifier(model, X, y, batch_size=256):
        before = model.training
        if mode:
            model.eval()
        losses, shares, sizes = [], [], []
        with torch.no_grad():
            for X_batch, y_batch in zip(X.split(batch_size), y.split(batch_size), strict=True):
                logits = model(X_batch)
                losses.append(F.cross_entropy(logits, y_batch))
                shares.append((logits.argmax(1) == y_batch).float().mean())
                sizes.append(float(len(y_batch)))
        if restore:
            model.train(before)
        weights = torch.tensor(sizes if by_sample else [1.0] * len(sizes))
        loss = (torch.stack(losses) * weights).sum() / weights.sum()
        share = (torch.stack(shares) * weights).sum() / weights.sum()
        factor = 100 if percent else len(y) if count else 1
        return loss.item(), share.item() * factor

    return evaluate_classifier


def _observe_evaluation(answer, samples: int, batch_size: int, training: bool):
    """Evaluate a fixed network with dropout; report the mode and whether a graph was built."""
    generator = torch.Generator().manual_seed(samples)
    X, y = torch.randn(samples, 4, generator=generator), torch.arange(samples) % 3
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(3, 4, generator=generator) * 2)
        model[1].bias.zero_()
    seen = []  # (a graph, samples) of each forward pass, also of one by model.forward
    model[1].register_forward_hook(
        lambda module, args, output: seen.append((output.requires_grad, len(output)))
    )
    model.train(training)
    enabled = torch.is_grad_enabled()
    try:
        result = answer(model, X, y, batch_size)
        left = torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(enabled)
    if result is ...:
        return ...
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise AnswerError("return two numbers: the mean loss, and the accuracy.")
    return {
        "loss": result[0],
        "accuracy": result[1],
        "mode afterwards": "training" if model.training else "evaluation",
        "builds a graph": any(graph for graph, _ in seen),
        "more than batch_size samples at once": any(count > batch_size for _, count in seen),
        "gradients are recorded afterwards": left,
        "parameters are trainable afterwards": all(p.requires_grad for p in model.parameters()),
    }


def _evaluate_with_graph(model, X, y, batch_size=256):
    before = model.training
    model.eval()
    logits = torch.cat([model(part) for part in X.split(batch_size)])
    model.train(before)
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


evaluation = FunctionExercise(
    id="06.4",
    title="An evaluation that changes nothing",
    statement=(
        "Write `evaluate_classifier(model, X, y, batch_size=256)`: the mean cross-entropy per "
        "sample and the accuracy from 0 to 1, as two plain numbers. Use evaluation mode and build "
        "no graph; leave the model in the mode in which it came."
    ),
    solution=evaluate_classifier,
    alternatives=(_evaluate_collect, _evaluate_decorated),
    observe=_observe_evaluation,
    rtol=1e-4,
    atol=1e-5,
    probes=(
        Probe("10 samples, batches of 4, training", lambda: (10, 4, True)),
        Probe("7 samples in one batch, evaluation", lambda: (7, 64, False)),
        Probe("9 samples, batches of 8, evaluation", lambda: (9, 8, False)),
    ),
    misconceptions=(
        Misconception(
            "dropout still on",
            _evaluate_sloppy(mode=False),
            "Dropout was still active: the same model gives other numbers each time. Call "
            "model.eval() first.",
        ),
        Misconception(
            "left in evaluation mode",
            _evaluate_sloppy(restore=False),
            "The model came in training mode and stays in evaluation mode: from now on it trains "
            "without dropout. Remember model.training and restore it.",
        ),
        Misconception(
            "averaged by batch",
            _evaluate_sloppy(by_sample=False),
            "You average over batches, and the last one is smaller. Sum over the samples and "
            "divide by their number.",
        ),
        Misconception(
            "a graph is built",
            _evaluate_with_graph,
            "The numbers are right, but each forward pass built a graph that nobody uses. Wrap the "
            "loop in torch.no_grad().",
        ),
        Misconception(
            "all at once",
            _evaluate_all_at_once,
            "The numbers are right, but you ignore batch_size: a large set would need memory for "
            "the activations of all its samples at once. Go through it in batches.",
        ),
        Misconception(
            "always training afterwards",
            _evaluate_then_train,
            "You always leave the model in training mode, also one that came in evaluation mode. "
            "Remember model.training, and set it back.",
        ),
        Misconception(
            "gradients switched off for ever",
            _evaluate_no_grad_for_ever,
            "torch.set_grad_enabled(False) stays in force after your function, and the next "
            "backward fails. Use torch.no_grad() in a with statement, which ends by itself.",
        ),
        Misconception(
            "parameters frozen",
            _evaluate_frozen,
            "requires_grad_(False) stays: the parameters are no longer trained after your "
            "evaluation. Leave them alone, and use torch.no_grad().",
        ),
        Misconception(
            "percent",
            _evaluate_sloppy(percent=True),
            "The accuracy is in percent. Here it is a share from 0 to 1.",
        ),
        Misconception(
            "a count",
            _evaluate_sloppy(count=True),
            "You return the number of right answers. Divide it by len(y).",
        ),
    ),
    hints=(
        "Three things around the loop: the mode, the graph, and the mode again.",
        "model.eval() and torch.no_grad() are two different things, and you need both.",
        'Sum with reduction="sum", count the right answers, divide both by len(y) at the end.',
    ),
    reasoning=(
        "eval() changes what layers such as dropout do, no_grad() whether a graph is kept. Sums "
        "over samples do not depend on how the data were cut."
    ),
)

# --- 06.5: early stopping ----------------------------------------------------------------------


def stop_early(losses, patience):
    """(epochs that are run, best epoch), both counted from 1, for the validation losses."""
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_epoch = loss, epoch
        elif epoch - best_epoch >= patience:
            return epoch, best_epoch
    return len(losses), best_epoch


def _stop_counter(losses, patience):
    best, best_epoch, bad, epoch = losses[0], 1, 0, 1
    for loss in losses[1:]:
        epoch += 1
        bad = 0 if loss < best else bad + 1
        if bad == 0:
            best, best_epoch = loss, epoch
        if bad == patience:
            break
    return epoch, best_epoch


def _stop_prefixes(losses, patience):
    for run in range(1, len(losses) + 1):
        best = losses.index(min(losses[:run])) + 1
        if run - best == patience:
            break
    return [run, best]


def _stop_exchanged(losses, patience):
    run, best = stop_early(losses, patience)
    return best, run


def _stop_early_by_one(losses, patience):
    bad, best, best_epoch = 0, float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_epoch, bad = loss, epoch, 0
            continue
        if bad + 1 >= patience:
            return epoch - 1, best_epoch
        bad += 1
    return len(losses), best_epoch


def _stop_never(losses, patience):
    return len(losses), losses.index(min(losses)) + 1


def _stop_last(losses, patience):
    run, _ = stop_early(losses, patience)
    return run, run


def _stop_from_zero(losses, patience):
    run, best = stop_early(losses, patience)
    return run - 1, best - 1


def _stop_late(losses, patience):
    return stop_early(losses, patience + 1)


def _stop_previous(losses, patience):
    bad, run = 0, len(losses)
    for epoch in range(1, len(losses)):
        bad = 0 if losses[epoch] < losses[epoch - 1] else bad + 1
        if bad == patience:
            run = epoch + 1
            break
    return run, losses.index(min(losses[:run])) + 1


def _stop_total(losses, patience):
    best, best_epoch, bad = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_epoch = loss, epoch
        else:
            bad += 1
            if bad == patience:
                return epoch, best_epoch
    return len(losses), best_epoch


def _stop_ties(losses, patience):
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if loss <= best:
            best, best_epoch = loss, epoch
        elif epoch - best_epoch >= patience:
            return epoch, best_epoch
    return len(losses), best_epoch


early_stopping = FunctionExercise(
    id="06.5",
    title="When to stop, and what to keep",
    statement=(
        "Write `stop_early(losses, patience)`. Training would give these validation losses, one "
        "per epoch; it stops after `patience` epochs in a row without a new lowest loss (an equal "
        "one is not lower). Return (epochs that are run, epoch of the lowest loss among them), "
        "both counted from 1."
    ),
    solution=stop_early,
    alternatives=(_stop_counter, _stop_prefixes),
    probes=(
        Probe("a valley", lambda: ([5.0, 3.0, 2.0, 4.0, 6.0, 7.0, 8.0], 2)),
        Probe("a plateau of equal losses", lambda: ([3.0, 2.0, 2.0, 2.0, 2.0], 3)),
        Probe("up and down", lambda: ([5.0, 4.0, 4.5, 3.0, 3.5, 2.0, 2.5], 2)),
        Probe("falls, but never below the best", lambda: ([1.0, 9.0, 8.0, 7.0, 6.0], 3)),
        Probe("it would have come back", lambda: ([3.0, 4.0, 5.0, 1.0], 2)),
        Probe("always falling", lambda: ([3.0, 2.0, 1.0], 1)),
    ),
    misconceptions=(
        Misconception(
            "never stops",
            _stop_never,
            "You look at all losses. Training stops when the patience is over; what would have "
            "come later is never seen.",
        ),
        Misconception(
            "keeps the last weights",
            _stop_last,
            "The second number must be the epoch of the lowest loss, whose weights are worth "
            "keeping, not the last one.",
        ),
        Misconception(
            "counts from zero",
            _stop_from_zero,
            "Your epochs count from 0. Count from 1: enumerate(losses, start=1).",
        ),
        Misconception(
            "one epoch too late",
            _stop_late,
            "You run one epoch too many: stop as soon as the number of epochs without a new best "
            "equals the patience.",
        ),
        Misconception(
            "one epoch too early",
            _stop_early_by_one,
            "You do not count the epoch that uses up the patience. It was run, too.",
        ),
        Misconception(
            "the two numbers exchanged",
            _stop_exchanged,
            "The two numbers are exchanged: first the epochs that are run, then the best epoch.",
        ),
        Misconception(
            "compares with the last epoch",
            _stop_previous,
            "You compare each loss with the one before. Compare with the lowest so far: a loss may "
            "fall again and still be no new best.",
        ),
        Misconception(
            "patience is never refilled",
            _stop_total,
            "You count all bad epochs. A new best must set the counter back to 0.",
        ),
        Misconception(
            "ties count as progress",
            _stop_ties,
            "An equal loss is not lower. With <= a plateau lasts for ever; use <.",
        ),
    ),
    hints=(
        "Remember two things while you walk: the lowest loss so far, and its epoch.",
        "How many epochs ago was the best one? That is the number to compare with the patience.",
        "if loss < best: remember it; elif epoch - best_epoch >= patience: return.",
    ),
    reasoning=(
        "epoch - best_epoch counts the epochs since the best one, so no separate counter is "
        "needed. The best epoch is the one whose weights you restore."
    ),
)

# --- 06.6: resume ------------------------------------------------------------------------------


def restore(state, model, optimizer, generator):
    """Take up a checkpoint, and return the number of epochs that are done."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    generator.set_state(state["generator"])
    torch.set_rng_state(state["torch"])
    return state["epochs"]


def _restore_any_order(state, model, optimizer, generator):
    torch.random.set_rng_state(state["torch"])
    generator.set_state(state["generator"])
    optimizer.load_state_dict(state["optimizer"])
    model.load_state_dict(state["model"])
    return int(state["epochs"])


def _restore_without(*left_out, epochs=0):
    def restore(state, model, optimizer, generator):
        if "model" not in left_out:
            model.load_state_dict(state["model"])
        if "optimizer" not in left_out:
            optimizer.load_state_dict(state["optimizer"])
        if "generator" not in left_out:
            generator.set_state(state["generator"])
        if "torch" not in left_out:
            torch.set_rng_state(state["torch"])
        return state["epochs"] + epochs

    return restore


def _restore_exchanged(state, model, optimizer, generator):
    exchanged = {"generator": state["torch"], "torch": state["generator"]}
    return restore(state | exchanged, model, optimizer, generator)


def _restore_seeded(state, model, optimizer, generator):
    epochs = restore(state, model, optimizer, generator)
    torch.manual_seed(0)
    return epochs


def _restore_assign(state, model, optimizer, generator):
    epochs = restore(state, model, optimizer, generator)
    model.load_state_dict(state["model"], assign=True)
    return epochs


def _restore_by_hand(state, model, optimizer, generator):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(state["model"][name])
    optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
    torch.default_generator.set_state(state["torch"])
    generator.set_state(state["generator"])
    return torch.tensor(state["epochs"])


def _parts(seed: int):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 1)).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return model, optimizer, torch.Generator().manual_seed(seed)


def _train_epochs(model, optimizer, generator, start: int, stop: int) -> None:
    X, y = data.xor(24, seed=1)
    for _ in range(start, stop):
        for X_batch, y_batch in data.batches(X, y, batch_size=8, generator=generator):
            output = model(X_batch.double()).squeeze(1)
            loss = F.binary_cross_entropy_with_logits(output, y_batch.double())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _observe_resume(answer, done: int, total: int):
    """Train, stop after some epochs, resume with the answer in fresh objects: the weights."""
    model, optimizer, generator = _parts(0)
    _train_epochs(model, optimizer, generator, 0, done)
    state = {
        "model": copy.deepcopy(model.state_dict()),
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "generator": generator.get_state(),
        "torch": torch.get_rng_state(),
        "epochs": done,
    }
    model, optimizer, generator = _parts(7)
    start = answer(state, model, optimizer, generator)
    if start is ...:
        return ...
    if isinstance(start, torch.Tensor) and start.numel() == 1:
        start = start.item()
    if isinstance(start, numbers.Integral) and not isinstance(start, bool):
        start = int(start)
        _train_epochs(model, optimizer, generator, start, total)
    return {
        "goes on after epoch": start,
        "model in training mode": model.training,
        "weights": [p.detach() for p in model.parameters()],
    }


resume = FunctionExercise(
    id="06.6",
    title="Resume",
    statement=(
        "Write `restore(state, model, optimizer, generator)`: the dictionary `state` has the "
        'entries "model", "optimizer" (state dicts), "generator", "torch" (random states) and '
        '"epochs" (done so far). Restore all of them, so that training goes on as if it had never '
        "stopped, and return the number of epochs that are done."
    ),
    solution=restore,
    alternatives=(_restore_any_order, _restore_by_hand),
    observe=_observe_resume,
    time_limit=30.0,  # a process's first optimizer imports a lot
    rtol=1e-9,
    atol=1e-11,
    show_expected=False,
    probes=(
        Probe("stopped after 2 of 4 epochs", lambda: (2, 4)),
        Probe("stopped after 1 of 3 epochs", lambda: (1, 3)),
    ),
    misconceptions=(
        Misconception(
            "only the weights",
            _restore_without("optimizer", "generator", "torch"),
            "Only the weights are back. Adam's averages, the order of the batches and the dropout "
            "masks start afresh: restore the other three states too.",
        ),
        Misconception(
            "optimizer forgotten",
            _restore_without("optimizer"),
            "The optimizer starts afresh: Adam has lost its averages and its step count. Call "
            'optimizer.load_state_dict(state["optimizer"]).',
        ),
        Misconception(
            "order of the batches forgotten",
            _restore_without("generator"),
            "The batches come in another order. Call generator.set_state.",
        ),
        Misconception(
            "dropout's random numbers forgotten",
            _restore_without("torch"),
            "Dropout draws from torch's global random state, which you did not restore: "
            'torch.set_rng_state(state["torch"]).',
        ),
        Misconception(
            "both random states forgotten",
            _restore_without("generator", "torch"),
            "Weights and optimizer are back, the random numbers are not: restore the generator's "
            "state and torch's global one.",
        ),
        Misconception(
            "weights forgotten",
            _restore_without("model"),
            "The model still has its fresh weights. Call model.load_state_dict.",
        ),
        Misconception(
            "random states exchanged",
            _restore_exchanged,
            "The two random states are exchanged: the generator takes "
            'state["generator"], and torch.set_rng_state takes state["torch"].',
        ),
        Misconception(
            "torch seeded anew",
            _restore_seeded,
            "You seed torch anew: that is the state of a start, not the one at which the training "
            'stopped. Call torch.set_rng_state(state["torch"]).',
        ),
        Misconception(
            "weights replaced",
            _restore_assign,
            "assign=True puts other tensors into the model, and the optimizer still holds the old "
            "ones: nobody trains the model. Load without it.",
        ),
        Misconception(
            "nothing restored",
            _restore_without("model", "optimizer", "generator", "torch"),
            "Nothing is restored: weights, optimizer and both random states start afresh.",
        ),
        Misconception(
            "one epoch skipped",
            _restore_without(epochs=1),
            'You return one epoch too many: state["epochs"] epochs are done, and counting from 0 '
            "the next one has just that number.",
        ),
    ),
    hints=(
        "Four things change during training here: weights, the optimizer's averages, the order of "
        "the batches, and the dropout masks.",
        "Modules and optimizers have load_state_dict, a generator has set_state.",
        "The global random state comes back with torch.set_rng_state.",
    ),
    reasoning=(
        "The next step depends on the weights, the optimizer's state, the batch and the dropout "
        "mask. Restore what makes all four, and the run cannot tell that it was interrupted."
    ),
)

# --- predictions -------------------------------------------------------------------------------

zero_guess = Prediction(
    "06.p1",
    "The loop of section 1 gets about 87 % right. Without zero_grad, what happens?",
    options={
        "a": "PyTorch raises an error",
        "b": "nothing: still about 87 %",
        "c": "it learns something, but clearly less",
        "d": "it stays at 10 %, guessing",
    },
)
noise_guess = Prediction(
    "06.p2",
    "The gradient of a batch differs from that of all data. With a batch 16 times as large, the "
    "difference becomes",
    options={"a": "16 times as small", "b": "4 times as small", "c": "2 times as small"},
)
mean_guess = Prediction(
    "06.p3",
    "65 samples in batches of 64: the last batch holds one sample, with a large loss. How far is "
    "the mean of the two batch losses from the true mean?",
    options={"a": "equal", "b": "within 5 %", "c": "wrong by a factor of 10 or more"},
)
