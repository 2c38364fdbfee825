"""Patients that are ill between the last layer and the loss."""

from __future__ import annotations

import math

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
    about,
    large_error,
    low_score,
)
from course_utils.clinic.programs import edited

# --- patient 0: the open case ------------------------------------------------------------------


def _sick_0(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10), nn.LogSoftmax(dim=0))
    criterion = nn.NLLLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _logits_0(X, y, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=25):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X_batch), y_batch).backward()
            optimizer.step()
        history.append(training.evaluate(model, (X[500:], y[500:]))["accuracy"])
    return model, history


open_case = Case(
    "07.0",
    0,
    "“On the validation digits it gets more than 80 %. In our app, where people draw one digit at "
    "a time, it says 0 to everything.”",
    sick=_sick_0,
    solution=edited(_sick_0, ("dim=0", "dim=1")),
    alternatives=(
        edited(_sick_0, ("dim=0", "dim=-1")),
        _logits_0,
    ),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=500,
    one_by_one=True,
    fault="e",
    evidence=(
        "The loss starts near ln(25), the size of a batch, and not near ln(10); and a prediction "
        "depends on the company: alone in its batch, every image becomes a 0."
    ),
    tempting={
        "p": "A leak would make the validation better than new data. But give the same validation "
        "images one at a time, and they are all zeros too: it is not the images.",
        "j": "There is no layer here that behaves differently in training.",
        "d": "There is one softmax only, inside LogSoftmax; NLLLoss has none of its own.",
        "t": "The validation accuracy is honest, for batches. Alone, even training images fail.",
    },
    ill=lambda got, healthy: low_score(got, healthy),
    treatments={
        RATE: Treatment("lr=0.1", "lr=0.01", "A smaller rate changes no dimension."),
        EPOCHS: Treatment(
            "range(6)", "range(18)", "After more epochs an image alone still becomes a 0."
        ),
        OPTIMIZER: Treatment(
            "torch.optim.SGD(model.parameters(), lr=0.1)",
            "torch.optim.Adam(model.parameters(), lr=0.001)",
            "No optimizer can help an output that compares images instead of classes.",
        ),
    },
    first_look="the first loss, and whether one image gets the same answer alone and in a batch.",
    unchanged="It does just what the sick program does. What does dim=0 count?",
    hints=(
        "Compare the first loss with ln(10) and with ln(25).",
        "Give the model one image alone, and the same image in a batch.",
        "The classes are dimension 1.",
    ),
    reasoning=(
        "dim=0 counts the images of the batch, dim=1 the classes. Along dim=0 each column of the "
        "batch sums to 1: images compete for a class, instead of classes for an image."
    ),
)

# --- patient 2 ---------------------------------------------------------------------------------


def _sick_2(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:200], y[:200], X[200:], y[200:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))

    def criterion(prediction, price):
        return ((prediction - price) ** 2).mean()

    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    history = []
    for _ in range(20):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=20):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(criterion(model(X_valid), y_valid).item())
    return model, history


def _flat_model(X, y, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    history = []
    for _ in range(20):
        for X_batch, y_batch in data.batches(X[:200], y[:200], batch_size=20):
            loss = nn.functional.mse_loss(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(nn.functional.mse_loss(model(X[200:]), y[200:]).item())
    return model, history


patient_2 = Case(
    "07.8",
    2,
    "“The loss falls a little and then stands still. In the end the model asks the same price for "
    "every house.”",
    sick=_sick_2,
    solution=edited(_sick_2, ("(prediction - price)", "(prediction.squeeze(1) - price)")),
    alternatives=(
        edited(
            _sick_2,
            (
                "y_train, X_valid, y_valid = X[:200], y[:200], X[200:], y[200:]",
                "y_train, X_valid, y_valid = X[:200], y[:200, None], X[200:], y[200:, None]",
            ),
        ),
        edited(
            _sick_2,
            (
                "return ((prediction - price) ** 2).mean()",
                "return (prediction.flatten() - price).square().mean()",
            ),
        ),
        _flat_model,
    ),
    sample=samples.houses,
    new=samples.new_houses,
    train_rows=200,
    score_name="squared error",
    fault="n",
    evidence=(
        "Outputs (20, 1) against prices (20,) give a table of 20 × 20 differences: every "
        "prediction is compared with every price, and the best answer to all prices is their mean."
    ),
    tempting={
        "s": "Give the program eight houses only: a healthy model of this size learns their prices "
        "by heart, and this one does not.",
        "b": "A rate that is too small is still on its way. This loss stands still, at the "
        "variance of the prices.",
        "r": "Gradients arrive in every layer: look at parts(after=5).",
        "h": "Then a few samples could still be learned by heart. Run it with samples=8.",
        "q": "The rows of the first weight matrix differ: look at parts().model[0].weight.",
    },
    ill=large_error,
    treatments={
        RATE: Treatment(
            "lr=0.05",
            "lr=0.005",
            "The loss has the wrong minimum, so it does not matter how carefully you walk there: "
            "the same price for every house.",
        ),
        EPOCHS: Treatment(
            "range(20)",
            "range(60)",
            "It has arrived long ago. The minimum of this loss is the mean price, and more epochs "
            "find it again.",
        ),
        OPTIMIZER: Treatment(
            "torch.optim.SGD(model.parameters(), lr=0.05)",
            "torch.optim.Adam(model.parameters(), lr=0.01)",
            "Adam finds the same minimum, for the loss itself is wrong.",
        ),
    },
    signs=(
        Sign(
            "only the evaluation",
            edited(
                _sick_2, ("criterion(model(X_valid), y", "criterion(model(X_valid).squeeze(1), y")
            ),
            "The shapes are equal now where you evaluate. Where the model is trained they still "
            "broadcast, so it learns the mean price, and the report says so honestly.",
        ),
        Sign(
            "the sum instead of the mean",
            edited(_sick_2, (".mean()", ".sum()")),
            "A sum over the table has the same minimum as its mean and much larger gradients: now "
            "the training explodes as well. Look at the shapes.",
            shows=lambda got, _: not got["score"] < 1e6,
        ),
    ),
    first_look="the shapes of the two things that the loss compares, printed just before it.",
    unchanged=(
        "It does just what the sick program does. Print model(X_batch).shape and "
        "y_batch.shape, and the shape of their difference."
    ),
    hints=(
        "Which constant prediction has the smallest squared error? How large is that error?",
        "parts() gives you X_batch and y_batch. What is the shape of the output minus y_batch?",
        "prediction.squeeze(1) has the shape of price.",
    ),
    reasoning=(
        "(B, 1) minus (B,) is (B, B) by broadcasting. Make the shapes equal before you subtract; "
        "nn.MSELoss at least warns, a formula of your own does not."
    ),
)

# --- patient 5 ---------------------------------------------------------------------------------


def _sick_5(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10), nn.Softmax(dim=1))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _log_by_hand(X, y, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10), nn.Softmax(dim=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=25):
            loss = nn.functional.nll_loss(model(X_batch).clamp_min(1e-12).log(), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X[500:], y[500:]))["accuracy"])
    return model, history


def _two_softmaxes(got: Findings, healthy: Findings) -> str:
    if got["likeness"] < 0.98:
        return (
            "the loss is not the cross-entropy of the model's answers: its gradient is another. "
            "Between the last linear layer and the loss there must be one softmax and one "
            "logarithm, no more and no less."
        )
    low, high = got["range"]
    if not got["shares"] and low >= -1 and high <= 1:
        floor = math.log1p(9 * math.exp(low - high))
        return (
            f"on new digits no output leaves the range from {about(low)} to {about(high)}. Such "
            "logits say too little: however right they are, they cost "
            f"{about(floor)} or more."
        )
    return low_score(got, healthy, margin=0.08)


def _twenty_times(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10), nn.Softmax(dim=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = nn.functional.cross_entropy(20 * model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


patient_5 = Case(
    "07.11",
    5,
    "“It learns, but it crawls, and the loss does not get below 1.5 however long I wait. The "
    "outputs are fine: they are all positive and sum to 1.”",
    sick=_sick_5,
    solution=edited(_sick_5, (", nn.Softmax(dim=1)", "")),
    alternatives=(
        edited(
            _sick_5, ("nn.Softmax(", "nn.LogSoftmax("), ("nn.CrossEntropyLoss()", "nn.NLLLoss()")
        ),
        _log_by_hand,
        edited(
            _sick_5,
            (
                "loss = criterion(model(X_batch), y_batch)",
                "loss = criterion(model(X_batch).log(), y_batch)",
            ),
        ),
        edited(
            _sick_5,
            (
                "loss = criterion(model(X_batch), y_batch)",
                "loss = criterion(model[:3](X_batch), y_batch)",
            ),
        ),
    ),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=500,
    fault="d",
    evidence=(
        "The model's outputs are probabilities, and CrossEntropyLoss applies softmax to them once "
        "more. From numbers between 0 and 1 the second softmax can make no confident answer: even "
        "a perfect one costs ln(1 + 9/e) ≈ 1.46."
    ),
    tempting={
        "b": "A larger rate does make it faster, which is tempting. It cannot bring the loss below "
        "1.46, not even for eight samples.",
        "s": "Give it eight samples: a small model learns them by heart, down to a loss near 0. "
        "This one stops near 1.46.",
        "o": "Close: an activation at the output it is. But no answer is cut off; the loss repeats "
        "what the output does.",
        "r": "The gradients are small, that is true, in the last layer as well as in the first. "
        "So they are small from the start of their way.",
        "e": "The rows of the output sum to 1, as they should for dim=1.",
    },
    ill=_two_softmaxes,
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.01",
            "The gradients are too small already, since they pass two softmaxes. A smaller rate "
            "makes the crawling worse.",
        ),
        EPOCHS: Treatment(
            "range(6)",
            "range(18)",
            "With more epochs the accuracy rises, and the loss still has its floor at 1.46. A "
            "healthy program needs a third of them.",
        ),
        OPTIMIZER: Treatment(
            "torch.optim.SGD(model.parameters(), lr=0.1)",
            "torch.optim.Adam(model.parameters(), lr=0.001)",
            "Adam makes up for small gradients, so it gets further. The loss still cannot fall "
            "below 1.46: two softmaxes are one too many.",
        ),
    },
    signs=(
        Sign(
            "a factor between the two softmaxes",
            _twenty_times,
            "A factor lowers the floor and speeds the training up, and two softmaxes are still one "
            "too many: the loss is no longer that of the probabilities which the model tells. Take "
            "one softmax away.",
            shows=lambda got, healthy: (
                got["likeness"] < 0.98 and got["shares"] and got["score"] > healthy["score"] - 0.08
            ),
        ),
        Sign(
            "NLLLoss of probabilities",
            edited(_sick_5, ("nn.CrossEntropyLoss()", "nn.NLLLoss()")),
            "NLLLoss wants log-probabilities. Of plain probabilities it takes minus the mean: the "
            "loss is negative now, and wrong answers cost next to nothing. Use LogSoftmax, or give "
            "logits to CrossEntropyLoss.",
        ),
    ),
    first_look=(
        "the last layer and what the loss wants. CrossEntropyLoss takes logits: numbers of any "
        "size and sign."
    ),
    unchanged="It does just what the sick program does. What does CrossEntropyLoss do first?",
    hints=(
        "What is the lowest loss that this program could reach with perfect outputs?",
        "If the outputs are 1, 0, 0, ..., what is softmax of that? And minus its logarithm?",
        "Let the last layer give logits.",
    ),
    reasoning=(
        "CrossEntropyLoss is softmax, logarithm and NLLLoss in one. It is given logits, in "
        "training; whoever wants probabilities applies softmax afterwards."
    ),
)

# --- patient 11 --------------------------------------------------------------------------------


def _sick_11(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:200], y[:200], X[200:], y[200:]
    torch.manual_seed(seed)
    model = nn.Sequential()
    for n_in, n_out in ((4, 20), (20, 1)):
        model.append(nn.Linear(n_in, n_out))
        model.append(nn.ReLU())
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(20):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=20):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(criterion(model(X_valid), y_valid).item())
    return model, history


def _shifted_targets(X, y, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 1), nn.Softplus())
    low = y[:200].min() - 1
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(20):
        for X_batch, y_batch in data.batches(X[:200], y[:200], batch_size=20):
            loss = nn.functional.mse_loss(model(X_batch) + low, y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(nn.functional.mse_loss(model(X[200:]) + low, y[200:]).item())
    return lambda hours: model(hours) + low, history


def _nothing_below_zero(got: Findings, healthy: Findings) -> str:
    if got["bend"] < 1e-4:
        return "what comes back is linear: the ReLU between the two layers is gone as well."
    return large_error(got, healthy, factor=3.0)


patient_11 = Case(
    "07.17",
    11,
    "“My thermometer model is right on warm days. In winter it says 0 °C, however cold it is; "
    "and with some seeds it says 0 °C in summer, too.”",
    sick=_sick_11,
    solution=edited(
        _sick_11, ("model.append(nn.ReLU())", "if n_out > 1:\n    model.append(nn.ReLU())")
    ),
    alternatives=(
        edited(_sick_11, ("criterion = ", "model = model[:-1]\ncriterion = ")),
        edited(
            _sick_11,
            ("criterion = nn.MSELoss()", "model[3] = nn.Identity()\ncriterion = nn.MSELoss()"),
        ),
        _shifted_targets,
    ),
    sample=samples.weather,
    new=samples.new_weather,
    train_rows=200,
    score_name="squared error",
    fault="o",
    evidence=(
        "The smallest output is exactly 0 while a third of the targets are negative: the ReLU "
        "after the last layer cuts off every answer below zero, and its gradient with it."
    ),
    tempting={
        "n": "The shapes of output and target agree, (20, 1) and (20, 1): print them.",
        "s": "On warm days it is right: it is large enough. Look at the outputs on cold days.",
        "r": "Where the output is 0 the gradient is 0, that is true. Ask which layer makes both.",
        "f": "The inputs are sines and cosines, between -1 and 1.",
        "b": "It has stopped, at an error that no rate can lower.",
    },
    ill=_nothing_below_zero,
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.01",
            "However small the steps: no weights make this model say a number below 0.",
        ),
        EPOCHS: Treatment(
            "range(20)",
            "range(60)",
            "More epochs cannot help where the gradient is zero, and for cold days it is.",
        ),
        OPTIMIZER: Treatment(
            "torch.optim.SGD(model.parameters(), lr=0.1)",
            "torch.optim.Adam(model.parameters(), lr=0.01)",
            "Adam cannot leave the range of the last layer either: from 0 upward.",
        ),
    },
    signs=(
        Sign(
            "no ReLU at all",
            edited(_sick_11, ("model.append(nn.ReLU())", "")),
            "Now there is no ReLU at all, and two linear layers are one: the line in the loop made "
            "the useful ReLU, too. The error hardly shows it for this weather, which is nearly "
            "linear. Take away the last one only.",
            shows=lambda got, _: got["bend"] < 1e-4,
        ),
        Sign(
            "positive targets instead",
            edited(
                _sick_11,
                (
                    "y_train, X_valid, y_valid = X[:200], y[:200], X[200:], y[200:]",
                    "y_train, X_valid, y_valid = X[:200], y[:200].relu(), X[200:], y[200:].relu()",
                ),
            ),
            "You made the targets positive, so the report is fine and winter is abolished. New "
            "days are still cold: the model must be able to say so.",
            shows=lambda got, healthy: (
                got["report"] < 0.5 * got["score"] and got["score"] > 10 * healthy["score"]
            ),
        ),
    ),
    first_look="the smallest and largest output beside the smallest and largest target.",
    unchanged=(
        "It does just what the sick program does. Print the model: which layer is the last one?"
    ),
    hints=(
        "Compare the range of the outputs with the range of the targets.",
        "Which function has no value below 0?",
        "The last layer of a regression has no activation.",
    ),
    reasoning=(
        "The loop puts a ReLU after every layer, also after the last. An output that may be any "
        "number needs no activation; one that must be positive would take softplus, say."
    ),
)
