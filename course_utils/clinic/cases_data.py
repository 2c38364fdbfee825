"""Patients whose data are at fault."""

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
    about,
    low_score,
)
from course_utils.clinic.programs import edited

SGD = "torch.optim.SGD(model.parameters(), lr=0.1)"
ADAM = "torch.optim.Adam(model.parameters(), lr=0.001)"

# --- patient 3 ---------------------------------------------------------------------------------


def _sick_3(X, y, seed):
    def prepare(scans):
        return scans.float()

    X_train, y_train = prepare(X[:500]), y[:500]
    X_valid, y_valid = prepare(X[500:]), y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
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
    return lambda scans: model(prepare(scans)), history


def _scaled_inside(X, y, seed):
    class Scale(nn.Module):
        def forward(self, x):
            return x / 255

    torch.manual_seed(seed)
    model = nn.Sequential(Scale(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=25):
            loss = nn.functional.cross_entropy(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X[500:], y[500:]))["accuracy"])
    return model, history


def _wild(got: Findings, healthy: Findings) -> str:
    if not got["surprise"] <= 3 * healthy["surprise"]:
        return (
            f"its cross-entropy on new scans is {about(got['surprise'])}, a healthy run's "
            f"{about(healthy['surprise'])}."
        )
    return low_score(got, healthy)


patient_3 = Case(
    "07.9",
    3,
    "“The same program works on the course's digits. With the scans from our own archive the first "
    "loss is gigantic, and the accuracy stays at 10 %.”",
    sick=_sick_3,
    solution=edited(_sick_3, ("scans.float()", "scans.float() / 255")),
    alternatives=(
        edited(
            _sick_3,
            ("return scans.float()", "return (scans.float() - X[:500].mean()) / X[:500].std()"),
        ),
        _scaled_inside,
    ),
    sample=samples.scanned,
    new=samples.new_scanned,
    train_rows=500,
    fault="f",
    evidence=(
        "The inputs reach 255, so the first loss is far above ln(10), the gradients are hundreds "
        "of times too large, and the first updates kill the ReLUs."
    ),
    tempting={
        "a": "The loss is gigantic before the first update. The rate cannot have done that.",
        "q": "Weights that start equal give a first loss of ln(10).",
        "c": "Before the first update there are no old gradients, and the loss is gigantic.",
        "h": "Images and labels that do not fit give a first loss of about ln(10), like any data.",
        "r": "They do become zero, after the first updates. Look at what comes before: the inputs.",
    },
    ill=_wild,
    aside=lambda got: (
        "a layer of batch normalization does now what the scaling should do. It is new, it looks "
        "at the whole batch, and it must not be switched off in training. To scale in prepare() is "
        "one line."
        if got["modal"]
        else ""
    ),
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.001",
            "A small rate survives the large inputs, and learns worse than a healthy program: the "
            "first loss is as gigantic as before.",
        ),
        EPOCHS: Treatment(
            "range(6)",
            "range(18)",
            "The ReLUs died in the first epoch; later ones have no gradient to work with.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            ADAM,
            "Adam divides the size of the gradients out, so it survives. The model still starts "
            "from saturated answers and ends below a healthy one.",
        ),
    },
    signs=(
        Sign(
            "clipped gradients",
            edited(
                _sick_3,
                (
                    "optimizer.step()",
                    "nn.utils.clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()",
                ),
            ),
            "You cut nearly every gradient to the same size. They are too large because the inputs "
            "are: the first loss is as gigantic as before, and the model stays far behind a "
            "healthy one. Treat the inputs.",
            shows=lambda got, _: got["clipped"] > 0.5,
        ),
        Sign(
            "the training data only",
            edited(
                _sick_3,
                (
                    "X_train, y_train = prepare(X[:500]), y[:500]",
                    "X_train, y_train = prepare(X[:500]) / 255, y[:500]",
                ),
            ),
            "The accuracy on new scans is fair, and the confidence is absurd: the model sees "
            "numbers that are far larger than those it has learned from. Do you scale the "
            "training images only? Scale in prepare(), through which all images go, and by one "
            "number for all pixels: some are black in every training image and not in every new "
            "one.",
            shows=lambda got, healthy: (
                got["score"] > 0.5 and got["surprise"] > 3 * healthy["surprise"]
            ),
        ),
        Sign(
            "not centered",
            edited(_sick_3, ("scans.float()", "scans.float() / 127.5 - 1")),
            "Better, and still clearly worse than a healthy training. Print minimum, maximum and "
            "mean of what reaches the model. Do the inputs go from -1 to 1? Most pixels of a scan "
            "are black, so nearly all inputs are -1, they push together, and the rate of 0.1 is "
            "too large for that. Leave black at 0, or subtract the mean of the training scans.",
            shows=lambda got, healthy: (
                0.2 < got["score"] < healthy["score"] - 0.06
                and got["surprise"] <= 3 * healthy["surprise"]
            ),
        ),
    ),
    first_look="minimum, maximum, mean and standard deviation of the inputs, before any training.",
    unchanged="It does just what the sick program does. Print X.max().",
    hints=(
        "What is the loss before the first update, and what should it be?",
        "Look at the smallest and the largest input.",
        "prepare() is used for training, validation and new scans: it is the place to scale.",
    ),
    reasoning=(
        "Inputs around 1 fit the usual initialization and the usual rates. The scaling stands in "
        "the one function through which all images go, so that it cannot be forgotten for some."
    ),
)

# --- patient 7 ---------------------------------------------------------------------------------


def _sick_7(X, y, seed):
    X_train, y_train = X[:500], y[:500] + 1
    X_valid, y_valid = X[500:], y[500:]
    torch.manual_seed(seed)
    n_classes = int(y_train.max()) + 1
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, n_classes))
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


patient_7 = Case(
    "07.13",
    7,
    "“The training loss falls beautifully. On the validation digits the accuracy is 1 %. One "
    "percent! Guessing would do better.”",
    sick=_sick_7,
    solution=edited(_sick_7, ("y[:500] + 1", "y[:500]")),
    alternatives=(
        edited(
            _sick_7,
            ("X_valid, y_valid = X[500:], y[500:]", "X_valid, y_valid = X[500:], y[500:] + 1"),
            ("return model, history", "return lambda images: model(images)[:, 1:], history"),
        ),
        edited(
            _sick_7,
            ("n_classes = int(y_train.max()) + 1", "y_train, n_classes = y_train - 1, 10"),
        ),
    ),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=500,
    fault="g",
    evidence=(
        "An accuracy far below guessing is no ignorance: somebody knows the answers and names them "
        "differently. Training counts the classes from 1, validation from 0."
    ),
    tempting={
        "h": "Images and labels in different orders give 10 %, the accuracy of guessing. Here it "
        "is far below, so the model knows something.",
        "t": "Whoever overfits is still far better than guessing on new data.",
        "p": "A leak makes a report too good.",
        "j": "Dropout lowers a report; it does not turn it round. And there is none here.",
        "e": "The prediction for an image does not change with its batch: try it with parts().",
    },
    ill=low_score,
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.02",
            "It is trained well, for other names of the classes. A smaller rate learns them more "
            "slowly.",
        ),
        EPOCHS: Treatment(
            "range(6)",
            "range(18)",
            "The longer it trains, the surer it names every digit one too high.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            ADAM,
            "Another optimizer learns the same wrong names.",
        ),
    },
    signs=(
        Sign(
            "both shifted",
            edited(
                _sick_7,
                ("X_valid, y_valid = X[500:], y[500:]", "X_valid, y_valid = X[500:], y[500:] + 1"),
            ),
            "Now the report is fine, since training and validation share a numbering. What you "
            "return still names every digit one too high: its user counts from 0.",
            shows=lambda got, _: got["report"] > 0.6 and got["score"] < 0.1,
        ),
        Sign(
            "shifted the wrong way",
            edited(
                _sick_7,
                ("y[:500] + 1", "(y[:500] + 1) % 10"),
            ),
            "The labels go round in a circle now, and are still one too high: 9 has become 0.",
            shows=lambda got, _: (
                got["report"] < 0.1 and 0.0 <= got["score"] < 0.1 and got["size"] < 25450
            ),
        ),
    ),
    first_look=(
        "a table of predicted against true classes for twenty images. Off by one shows at a glance."
    ),
    unchanged="It does just what the sick program does. Compare y_train.min() with y_valid.min().",
    hints=(
        "Is it below guessing? Then look at what it says instead of the right class.",
        "Print predictions and labels of ten validation images side by side.",
        "Training and validation must number the classes alike, from 0.",
    ),
    reasoning=(
        "CrossEntropyLoss wants classes from 0. One numbering, made in one place, for training, "
        "validation and use."
    ),
)

# --- patient 12 --------------------------------------------------------------------------------


def _sick_12(X, y, seed):
    gap = X[y == 1].mean(dim=0) - X[y == 0].mean(dim=0)
    keep = gap.abs().topk(60).indices
    X_train, y_train = X[:80, keep], y[:80]
    X_valid, y_valid = X[80:, keep], y[80:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(60, 8), nn.ReLU(), nn.Linear(8, 2))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(10):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=20):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return lambda persons: model(persons[:, keep]), history


def _leaking(got: Findings, healthy: Findings) -> str:
    null = got["on shuffled labels"]
    if not null < 0.68:
        return (
            f"with shuffled labels, where nothing can be learned, it reports {about(null)} "
            "instead of 0.5."
        )
    if got["labels vote"]:
        return (
            "the labels of the persons that it reports on still matter: give them other labels, "
            "and another model comes back."
        )
    return ""


def _validation_takes_part(got: Findings) -> str:
    if not got["values vote"]:
        return ""
    return (
        "the persons that you validate on still take part: with others in their place, another "
        "model comes back. Without their labels that misleads little here. The rule is that they "
        "take part in nothing that is learned: choose by X[:80]."
    )


patient_12 = Case(
    "07.18",
    12,
    "“Of 3,000 genes I keep the 60 most telling ones. On my validation persons the model gets "
    "90 %. The hospital next door measured 60 %; they must have done something wrong.”",
    sick=_sick_12,
    solution=edited(
        _sick_12,
        (
            "gap = X[y == 1].mean(dim=0) - X[y == 0].mean(dim=0)",
            "known, labels = X[:80], y[:80]\n"
            "gap = known[labels == 1].mean(dim=0) - known[labels == 0].mean(dim=0)",
        ),
    ),
    alternatives=(
        edited(
            _sick_12,
            (
                "gap = X[y == 1].mean(dim=0) - X[y == 0].mean(dim=0)",
                "ill = torch.where(y[:80] == 1, 1.0, -1.0)\ngap = ill @ X[:80]",
            ),
        ),
        edited(
            _sick_12,
            ("keep = gap.abs().topk(60).indices", "keep = X[:80].var(dim=0).topk(60).indices"),
        ),
    ),
    sample=samples.genes,
    new=samples.new_genes,
    train_rows=80,
    shuffled=True,
    wrong_report=True,
    fault="p",
    evidence=(
        "The genes were chosen with the labels of the validation persons. With shuffled labels, "
        "where nothing can be learned, the report is just as high."
    ),
    tempting={
        "t": "It overfits, too. But then the report would be as low as the check-up: an honest "
        "validation notices overfitting. This one does not.",
        "j": "That makes a report too low. This one is too high.",
        "s": "The training accuracy is near 1.",
        "g": "Then the accuracy would be below guessing.",
        "h": "Then nothing could be learned, and an honest report would say 50 %. Shuffle the "
        "labels, and see what this one says.",
    },
    ill=_leaking,
    aside=_validation_takes_part,
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.05",
            "The leak is in the choice of the genes, before the first update. No rate changes it.",
        ),
        EPOCHS: Treatment(
            "range(10)",
            "range(30)",
            "More epochs do not change which genes were chosen, and by whose labels.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            "torch.optim.Adam(model.parameters(), lr=0.01)",
            "The report is wrong before any optimizer starts: look at which persons choose the "
            "genes.",
        ),
    },
    signs=(
        Sign(
            "some validation persons still choose",
            edited(
                _sick_12,
                (
                    "gap = X[y == 1].mean(dim=0) - X[y == 0].mean(dim=0)",
                    "known, labels = X[:100], y[:100]\n"
                    "gap = known[labels == 1].mean(dim=0) - known[labels == 0].mean(dim=0)",
                ),
            ),
            "Some of the persons that you report on still vote: give them other labels, and other "
            "genes are chosen. Choose with the persons that you train on, and with nobody else.",
            shows=lambda got, _: got["labels vote"] and got["on shuffled labels"] < 0.68,
        ),
        Sign(
            "fewer genes",
            edited(_sick_12, ("topk(60)", "topk(20)"), ("nn.Linear(60, 8)", "nn.Linear(20, 8)")),
            "Fewer genes, chosen in the same way: the validation persons still vote on them.",
            shows=lambda got, _: got["on shuffled labels"] > 0.6 and got["size"] < 400,
        ),
    ),
    first_look=(
        "the report on shuffled labels. Where nothing can be learned, an honest pipeline reports "
        "guessing."
    ),
    unchanged="It does just what the sick program does. Whose labels choose the genes?",
    hints=(
        "Shuffle y and run the whole program. What should it report, and what does it report?",
        "Which lines use the validation persons before the evaluation?",
        "Choose the genes with the first 80 persons only.",
    ),
    reasoning=(
        "Among 3,000 genes some separate any 160 persons by chance, the validation persons "
        "included. Everything that is learned from labels, a choice of inputs too, belongs to "
        "training."
    ),
)
