"""Patients whose model does not train as a whole."""

from __future__ import annotations

import torch
from torch import nn

from course_utils import data, training
from course_utils.clinic import samples
from course_utils.clinic.case import (
    EPOCHS,
    OPTIMIZER,
    RATE,
    Case,
    Findings,
    Sign,
    Treatment,
    low_score,
)
from course_utils.clinic.programs import edited

SGD = "torch.optim.SGD(model.parameters(), lr=0.1)"
ADAM = "torch.optim.Adam(model.parameters(), lr=0.001)"


def _ill(got: Findings, healthy: Findings) -> str:
    return low_score(got, healthy, margin=0.12)


# --- patient 6 ---------------------------------------------------------------------------------


def _sick_6(X, y, seed):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [nn.Linear(784, 16), nn.Linear(16, 16)]
            self.head = nn.Linear(16, 10)

        def forward(self, x):
            for layer in self.hidden:
                x = torch.relu(layer(x))
            return self.head(x)

    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model, criterion = Network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(10):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=20):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _given_to_the_optimizer(X, y, seed):
    torch.manual_seed(seed)
    layers = [nn.Linear(784, 16), nn.Linear(16, 16), nn.Linear(16, 10)]

    def network(x):
        for layer in layers[:-1]:
            x = layer(x).relu()
        return layers[-1](x)

    optimizer = torch.optim.SGD(nn.ModuleList(layers).parameters(), lr=0.1)
    history = []
    for _ in range(10):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(X_batch), y_batch).backward()
            optimizer.step()
        history.append(training.accuracy(network(X[500:]).detach(), y[500:]))
    return network, history


def _incomplete(got: Findings, healthy: Findings) -> str:
    if 170 < got["size"] < healthy["size"]:
        return (
            f"the optimizer holds {got['size']:,} numbers, and the network with both hidden layers "
            f"has {healthy['size']:,}."
        )
    return _ill(got, healthy)


patient_6 = Case(
    "07.12",
    6,
    "“Two hidden layers, no error message, and it is hardly better than guessing. With no hidden "
    "layer at all it was better!”",
    sick=_sick_6,
    solution=edited(
        _sick_6,
        (
            "[nn.Linear(784, 16), nn.Linear(16, 16)]",
            "nn.ModuleList([nn.Linear(784, 16), nn.Linear(16, 16)])",
        ),
    ),
    alternatives=(
        edited(
            _sick_6,
            (
                "self.hidden = [nn.Linear(784, 16), nn.Linear(16, 16)]",
                "self.hidden = nn.Sequential(nn.Linear(784, 16), nn.Linear(16, 16))",
            ),
        ),
        edited(
            _sick_6,
            (
                "self.head = nn.Linear(16, 10)",
                "self.head = nn.Linear(16, 10)\n"
                "for k, layer in enumerate(self.hidden):\n"
                "    self.add_module(f'hidden{k}', layer)",
            ),
        ),
        _given_to_the_optimizer,
    ),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=500,
    fault="k",
    evidence=(
        "model.parameters() lists 170 numbers, the head's. The hidden layers stand in a plain "
        "Python list, which a module does not look into, so the optimizer has never heard of them."
    ),
    tempting={
        "m": "Their requires_grad is True: look at parts().model.hidden[0].weight.",
        "l": "Their .grad is there after backward(): the graph is whole. Who should have used it?",
        "r": "The gradient reaches the hidden layers, not much smaller than at the head.",
        "s": "With all layers trained, this model does well. Count the weights that move.",
        "b": "The head moves as usual. Other layers do not move at all, and no rate changes that.",
    },
    ill=_incomplete,
    aside=lambda got: (
        f"model.parameters() still lists {got['listed']:,.0f} of {got['size']:,} numbers. What the "
        "optimizer is given by hand is not in state_dict() either, so a saved model forgets it."
        if got["listed"] < 0.5 * got["size"]
        else ""
    ),
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.01",
            "The hidden layers do not move at any rate, and the head moves more slowly now.",
        ),
        EPOCHS: Treatment(
            "range(10)",
            "range(30)",
            "However long you train: only the head learns, on top of random features.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            ADAM,
            "Any optimizer moves what it holds. Print how many numbers that is.",
        ),
    },
    signs=(
        Sign(
            "only one hidden layer more",
            edited(
                _sick_6,
                (
                    "torch.optim.SGD(model.parameters(), lr=0.1)",
                    "torch.optim.SGD(\n"
                    "    [*model.parameters(), *model.hidden[1].parameters()], lr=0.1\n"
                    ")",
                ),
            ),
            "The optimizer holds more now, and still not all: the first hidden layer, with most of "
            "the weights, does not move.",
            shows=lambda got, healthy: 170 < got["size"] < 0.5 * healthy["size"],
        ),
        Sign(
            "no ReLU",
            edited(
                _sick_6,
                (
                    "[nn.Linear(784, 16), nn.Linear(16, 16)]",
                    "nn.ModuleList([nn.Linear(784, 16), nn.Linear(16, 16)])",
                ),
                ("x = torch.relu(layer(x))", "x = layer(x)"),
            ),
            "All layers learn now, and three linear layers are one: there is no ReLU any more. For "
            "these few digits the accuracy hardly shows it. The activations were sound: put them "
            "back.",
            shows=lambda got, _: got["bend"] < 1e-4,
        ),
    ),
    first_look="the list of named parameters: its names and how many numbers they hold.",
    unchanged=(
        "It does just what the sick program does. How many weights does model.parameters() list?"
    ),
    hints=(
        "Which weights have moved after the training? run() tells.",
        "Which names does model.named_parameters() list? Which are missing?",
        "A list of layers must be an nn.ModuleList.",
    ),
    reasoning=(
        "A module registers layers that are its attributes, and those inside ModuleList, "
        "Sequential and ModuleDict. What it has not registered is in neither parameters() nor "
        "state_dict()."
    ),
)

# --- patient 10 --------------------------------------------------------------------------------


def _sick_10(X, y, seed):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(784, 16), nn.ReLU())
            self.head = nn.Linear(16, 10)

        def forward(self, x):
            features = self.body(x)
            self.features = features = features.detach()
            return self.head(features)

    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model, criterion = Network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(8):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=20):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _noted_by_a_hook(X, y, seed):
    kept = {}
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
    model[1].register_forward_hook(lambda layer, x, out: kept.update(features=out.detach()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(8):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=20):
            loss = nn.functional.cross_entropy(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X[500:], y[500:]))["accuracy"])
    return model, history


patient_10 = Case(
    "07.16",
    10,
    "“I keep the hidden features so that I can plot them later. Since then the network is little "
    "better than guessing, though the optimizer has all its parameters.”",
    sick=_sick_10,
    solution=edited(
        _sick_10,
        ("self.features = features = features.detach()", "self.features = features.detach()"),
    ),
    alternatives=(
        edited(
            _sick_10,
            (
                "self.features = features = features.detach()",
                "self.features = features.data * 1",
            ),
        ),
        edited(_sick_10, ("return self.head(features)", "return self.head(self.body(x))")),
        edited(
            _sick_10,
            ("self.features = features = features.detach()", "self.features = features"),
        ),
        _noted_by_a_hook,
    ),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=500,
    fault="l",
    evidence=(
        "After backward() the body's .grad is None: the detached features have no history, so the "
        "gradient ends at the head. The optimizer skips what has no gradient."
    ),
    tempting={
        "k": "Count them: model.parameters() lists the body, too, and the optimizer holds it. What "
        "it lacks is a gradient.",
        "m": "requires_grad is True for all of them: a frozen layer would say False.",
        "r": "A gradient that vanishes is tiny. Here there is none: .grad is None.",
        "i": "model.training is True at the updates, and no layer here would care.",
        "s": "Sixteen hidden units are enough, once they learn. Look at which weights move.",
    },
    ill=_ill,
    keeps=16,
    aside=lambda got: (
        "what you keep holds on to the graph of its batch, and so to the memory of it. Keep "
        "features.detach() if you only want to look at them."
        if got["kept"] == "with graph"
        else ""
    ),
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.01",
            "Without a gradient a layer does not move at any rate.",
        ),
        EPOCHS: Treatment(
            "range(8)",
            "range(24)",
            "The head gets a little better on random features. The body never moves.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            ADAM,
            "Every optimizer skips parameters whose .grad is None. Ask why it is None.",
        ),
    },
    signs=(
        Sign(
            "features not kept",
            edited(_sick_10, ("self.features = features = features.detach()", "")),
            "It learns now, but the hidden features are lost: the owner wants to plot them later. "
            "Keep them, detached, and give the head the ones that have a history.",
            shows=lambda got, healthy: not got["kept"] and not _ill(got, healthy),
        ),
    ),
    first_look="the table of gradients after one backward(): which of them are None?",
    unchanged="It does just what the sick program does. What reaches the head: has it a history?",
    hints=(
        "parts() has the gradients of the first batch. Print each parameter's .grad.",
        "What does detach() return, and who uses it?",
        "Keep a detached copy, and give the head the original.",
    ),
    reasoning=(
        "detach() is right for what you keep, and wrong for what goes on to the loss. One line "
        "used one name for both."
    ),
)
