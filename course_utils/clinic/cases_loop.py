"""Patients whose loop is at fault."""

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
EVALUATE = 'training.evaluate(model, (X_valid, y_valid))["accuracy"]'

# --- patient 1 ---------------------------------------------------------------------------------


def _sick_1(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = criterion(model(X_batch), y_batch)
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _cleared_by_hand(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            nn.functional.cross_entropy(model(X_batch), y_batch).backward()
            optimizer.step()
            for parameter in model.parameters():
                parameter.grad = None
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _without_backward(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    weights, history = list(model.parameters()), []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = nn.functional.cross_entropy(model(X_batch), y_batch)
            with torch.no_grad():
                for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                    weight -= 0.1 * slope
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _still_piling_up(got: Findings, healthy: Findings) -> str:
    meant = max(0.0, 1 - 1 / got["passes for an update"])  # some add the gradients of two halves
    if got["stale"] > meant + 0.02:
        return (
            f"in {got['stale']:.0%} of the backward passes the new gradients are added to old "
            "ones that are still there."
        )
    return low_score(got, healthy)


patient_1 = Case(
    "07.7",
    1,
    "“The loss jumps up and down, and the longer I train, the worse it gets. Half of the digits "
    "are wrong.”",
    sick=_sick_1,
    solution=edited(_sick_1, ("loss.backward()", "optimizer.zero_grad()\nloss.backward()")),
    alternatives=(_cleared_by_hand, _without_backward),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=500,
    fault="c",
    evidence=(
        "The parts are healthy, so the fault is in the loop; and the gradient norm grows from "
        "update to update, because each backward() adds to what is there."
    ),
    tempting={
        "a": (
            "A smaller rate does hide the symptom, which makes this tempting. But run the parts "
            "in a loop of your own at the same rate: they train well. Then the rate is not it."
        ),
        "f": "Look at parts().X_batch: all inputs lie between 0 and 1.",
        "h": "Then the loss would stay at ln(10) ≈ 2.3. Here it falls at first, and then jumps.",
        "t": "The training accuracy is as bad as the other. Whoever overfits is good in training.",
    },
    ill=_still_piling_up,
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.003",
            "The numbers look better, and the illness is still there: with a smaller rate the pile "
            "of old gradients pushes less. Put the rate back and look at what step() is given.",
        ),
        EPOCHS: Treatment(
            "range(6)",
            "range(18)",
            "More epochs make it worse: every batch adds to the pile of gradients, and each update "
            "follows the whole pile.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            ADAM,
            "Adam divides by the size of the gradient, so the pile does less harm. It still goes "
            "where the sum of all old gradients points.",
        ),
    },
    signs=(
        Sign(
            "cleared between backward and step",
            edited(_sick_1, ("optimizer.step()", "optimizer.zero_grad()\noptimizer.step()")),
            "Now the gradients are cleared after backward() and before step(), so step() finds "
            "none. Clear them anywhere else.",
            shows=lambda got, _: got["moved"] == 0.0,
        ),
        Sign(
            "cleared once an epoch",
            edited(_sick_1, ("for X_batch", "optimizer.zero_grad()\nfor X_batch")),
            "You clear once an epoch. The pile then grows over the batches of an epoch: clear for "
            "every batch.",
            shows=lambda got, _: 0.9 < got["stale"] < 0.97 and got["score"] < 0.75,
        ),
        Sign(
            "clipped gradients",
            edited(
                _sick_1,
                (
                    "optimizer.step()",
                    "nn.utils.clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()",
                ),
            ),
            "Shortening the gradients treats the symptom: each update still points where the sum "
            "of all old gradients points. Nothing has cleared them.",
            shows=lambda got, _: got["stale"] > 0.97 and got["score"] > 0.65,
        ),
    ),
    first_look=(
        "the norm of the gradients over the updates. It grows while the loss does not. A loop in "
        "which the same parts train well points to the loop."
    ),
    unchanged=(
        "It does just what the sick program does. Compare its inner loop with the "
        "five steps of lesson 3.6, one by one."
    ),
    hints=(
        "Run the parts in a loop of your own: are they ill?",
        "Five steps: forward, loss, clear, backward, update. Count them.",
        "A call of optimizer.zero_grad() is missing before loss.backward().",
    ),
    reasoning=(
        "backward() adds to .grad. Cleared before each backward pass, .grad holds the gradient of "
        "this batch alone. Where the call stands does not matter, as long as it is not between "
        "backward() and step()."
    ),
)

# --- patient 4 ---------------------------------------------------------------------------------


def _sick_4(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:400], y[:400], X[400:], y[400:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.8), nn.Linear(64, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(10):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=20):
            optimizer.zero_grad()
            loss = criterion(model(X_batch), y_batch)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            history.append(training.accuracy(model(X_valid), y_valid))
    return model.eval(), history


def _only_the_dropout_sleeps(X, y, seed):
    torch.manual_seed(seed)
    dropout = nn.Dropout(0.8)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), dropout, nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(10):
        dropout.p = 0.8
        for X_batch, y_batch in data.batches(X[:400], y[:400], batch_size=20):
            loss = nn.functional.cross_entropy(model(X_batch), y_batch)
            model.zero_grad()
            loss.backward()
            optimizer.step()
        dropout.p = 0.0
        history.append(training.accuracy(model(X[400:]).detach(), y[400:]))
    return model, history


def _low_report(got: Findings, healthy: Findings) -> str:
    if got["report"] < got["score"] - 0.07:
        return (
            f"the report says {about(got['report'])}, and the model that comes back gets "
            f"{about(got['score'])} of the new digits."
        )
    return low_score(got, healthy, margin=0.08)


patient_4 = Case(
    "07.10",
    4,
    "“In my log the accuracy hops about and is poor. But the people who use the model say that it "
    "is good.”",
    sick=_sick_4,
    solution=edited(
        _sick_4,
        ("for X_batch", "model.train()\nfor X_batch"),
        ("with torch.no_grad():", "model.eval()\nwith torch.no_grad():"),
    ),
    alternatives=(
        edited(_sick_4, ("training.accuracy(model(X_valid), y_valid)", EVALUATE)),
        _only_the_dropout_sleeps,
    ),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=400,
    wrong_report=True,
    fault="j",
    evidence=(
        "The report is below what the same model does in evaluation mode, and two evaluations in "
        "training mode differ: dropout hides other units each time."
    ),
    tempting={
        "t": "Overfitting makes a report honest and low. This one is lower than the truth.",
        "p": "A leak makes the report too good. This one is too bad.",
        "i": "Look at parts().model.training before an update: True, as it should be.",
        "h": "Then the check-up would find guessing. It finds a good model behind a bad report.",
    },
    ill=_low_report,
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.05",
            "The rate changes the model. What is wrong here is how the model is measured, and the "
            "report is still too low.",
        ),
        EPOCHS: Treatment(
            "range(10)",
            "range(30)",
            "A longer training improves the model and its report alike. The gap between the two "
            "stays, and it is the symptom.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            ADAM,
            "Another optimizer gives another model, measured as wrongly as the first: while it is "
            "evaluated, four of five hidden units are still switched off.",
        ),
    },
    signs=(
        Sign(
            "never back to training mode",
            edited(_sick_4, ("with torch.no_grad():", "model.eval()\nwith torch.no_grad():")),
            "The report is right now, and something else broke: after the first evaluation the "
            "model never goes back to training mode, so from the second epoch on it trains without "
            "dropout. model.train() is missing.",
            shows=lambda got, _: 0.5 < got["asleep"] < 1.0,
        ),
        Sign(
            "without dropout",
            edited(_sick_4, ("nn.Dropout(0.8), ", "")),
            "The report is honest now, because next to nothing is left to be switched off. "
            "The owner wants dropout in training: put it back, and switch it off where the model "
            "is measured.",
            shows=lambda got, _: got["dropout"] < 0.7,
        ),
    ),
    first_look=(
        "whether two evaluations of the same model agree. If they do not, something random is "
        "still switched on."
    ),
    unchanged=(
        "It does just what the sick program does. In which mode is the model when history gets its "
        "number?"
    ),
    hints=(
        "Evaluate parts(after=100).model twice on the same images. Do the results agree?",
        "The report and the check-up use the same weights. What else differs?",
        "model.eval() before the evaluation, model.train() before the next epoch.",
    ),
    reasoning=(
        "Dropout is for training. eval() switches it off while the model is measured, train() "
        "switches it on again for the next epoch; both calls are needed."
    ),
)

# --- patient 8 ---------------------------------------------------------------------------------


def _sick_8(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X_valid, y_valid))["accuracy"])
    return model, history


def _falling_rate(X, y, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=25):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X_batch), y_batch).backward()
            optimizer.step()
        scheduler.step()
        history.append(training.evaluate(model, (X[500:], y[500:]))["accuracy"])
    return model, history


patient_8 = Case(
    "07.14",
    8,
    "“The loss explodes in the first epoch. Later it is calm, and the model says the same digit "
    "for every image.”",
    sick=_sick_8,
    solution=edited(_sick_8, ("lr=10.0", "lr=0.1")),
    alternatives=(edited(_sick_8, ("loss = criterion", "loss = 0.01 * criterion")), _falling_rate),
    sample=samples.digits,
    new=samples.new_digits,
    train_rows=500,
    fault="a",
    evidence=(
        "The loss starts at ln(10), as it should, and jumps with the first updates. A range test "
        "on the parts shows that they train well at a hundredth of this rate."
    ),
    tempting={
        "c": "Look at run().losses: the first two updates do the damage, before a pile of "
        "gradients can form.",
        "f": "Then the loss would start far above ln(10). It starts there, and explodes after.",
        "q": "The model says the same at the end. At the start its rows differ: look at parts().",
        "r": "They do become zero, but as a result: the first updates kill the ReLUs. Look at "
        "the gradients before the first update.",
        "s": "A small model levels off. It does not explode.",
    },
    ill=lambda got, healthy: low_score(got, healthy, margin=0.25),  # a cautious rate is a cure
    aside=lambda got: (
        f"the rate still says {got['rate']:g}, and something else makes the steps short. For plain "
        "SGD a shorter gradient and a smaller rate are the same. With Adam, or with weight decay, "
        "they are not: write the number where others look for it, in lr."
        if got["rate"] > 1
        else ""
    ),
    treatments={
        RATE: Treatment(
            "lr=10.0",
            "lr=5.0",
            "Half of a rate that is a hundred times too large is still fifty times too large. Do "
            "not guess: a range test tells the order of magnitude.",
        ),
        EPOCHS: Treatment(
            "range(6)",
            "range(18)",
            "The first updates have ruined the weights: most ReLUs are dead, and no gradient comes "
            "through. More epochs cannot wake them.",
        ),
        OPTIMIZER: Treatment(
            "torch.optim.SGD(model.parameters(), lr=10.0)",
            "torch.optim.Adam(model.parameters(), lr=10.0)",
            "With Adam each weight moves by about the rate at every update, so a rate of 10 is "
            "even worse. Keep SGD and find its rate.",
        ),
    },
    signs=(
        Sign(
            "clipped gradients",
            edited(
                _sick_8,
                (
                    "optimizer.step()",
                    "nn.utils.clip_grad_norm_(model.parameters(), 0.01)\noptimizer.step()",
                ),
            ),
            "The numbers look well, and it is a rate in disguise: nearly every gradient is cut to "
            "the same size, so all steps are equally long, where it is steep and where it is flat. "
            "Clipping is for rare, very large gradients. If it acts at every update, the rate is "
            "wrong: change the rate.",
            shows=lambda got, _: got["clipped"] > 0.5,
        ),
        Sign(
            "too small now",
            edited(_sick_8, ("lr=10.0", "lr=0.001")),
            "Now it is too small: the loss falls evenly, and far too slowly for these six epochs. "
            "The largest rate at which the loss still falls steadily is a good start.",
            shows=lambda got, healthy: (
                got["rate"] <= 0.03
                and got["optimizer"] == "SGD"
                and got["score"] < healthy["score"] - 0.25
            ),
        ),
    ),
    first_look=(
        "the first loss and the next three. A first loss of ln(10) clears data and weights; what "
        "ruins it must happen in the updates."
    ),
    unchanged=(
        "It does just what the sick program does. Watch the loss over the first three updates: "
        "what happens between them?"
    ),
    free=(RATE,),
    hints=(
        "Is the loss before the first update the one of guessing, ln(10) ≈ 2.3?",
        "How far does the first update move the weights, as a share of their size?",
        "Try rates of 10, 1, 0.1, 0.01 on the parts, for twenty updates each.",
    ),
    reasoning=(
        "Too long a step jumps over the valley and lands higher up, where the gradient is larger "
        "still. With ReLU the weights end where no unit is active, and stay. Around 0.1 the loss "
        "falls fast and steadily."
    ),
)

# --- patient 9 ---------------------------------------------------------------------------------


def _sick_9(X, y, seed):
    X_train, y_train, X_valid, y_valid = X[:500], y[:500], X[500:], y[500:]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.eval()
    history = [training.accuracy(model(X_valid), y_valid)]
    for _ in range(6):
        for X_batch, y_batch in data.batches(X_train, y_train, batch_size=25):
            loss = criterion(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        history.append(training.accuracy(model(X_valid), y_valid))
    return model, history


def _mode_in_every_step(X, y, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=25):
            loss = nn.functional.cross_entropy(model.train()(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.accuracy(model.eval()(X[500:]).detach(), y[500:]))
    return model, history


def _asleep(got: Findings, healthy: Findings) -> str:
    if got["asleep"] > 0.05:
        return (
            f"in {got['asleep']:.0%} of the training passes the batch normalization is in "
            "evaluation mode."
        )
    if got["modal"] == 0:
        return (
            "in training there is no layer of batch normalization any more. The owner wants it, "
            "and it is sound: it only is not allowed to work."
        )
    return low_score(got, healthy, margin=0.08)


patient_9 = Case(
    "07.15",
    9,
    "“I put in batch normalization so that I need not scale the pixels, 0 to 255. It does not "
    "help: the loss is huge at once, and nothing is learned.”",
    sick=_sick_9,
    solution=edited(_sick_9, ("for X_batch", "model.train()\nfor X_batch")),
    alternatives=(
        edited(
            _sick_9,
            (
                "history = [training.accuracy(model(X_valid), y_valid)]",
                "model.train()\nhistory = []",
            ),
            (
                "history.append(training.accuracy(model(X_valid), y_valid))",
                f"model.train()\nhistory.append({EVALUATE})",
            ),
        ),
        _mode_in_every_step,
    ),
    sample=samples.scanned,
    new=samples.new_scanned,
    train_rows=500,
    fault="i",
    evidence=(
        "parts().model.training is False at the first update. In that mode batch normalization "
        "uses its running statistics, which are still 0 and 1, so it normalizes nothing."
    ),
    tempting={
        "f": "The inputs are large, that is true. But normalizing them is what the second layer is "
        "for. Ask first why it does not.",
        "a": "The same rate works as soon as the layer does its work. Look at the mode first.",
        "j": "Nearly: here the evaluation is right. It is the training that runs in the wrong "
        "mode.",
        "c": "The clearing stands in the loop, and a loop of your own fails with these parts too, "
        "as long as you do not call model.train().",
    },
    ill=_asleep,
    treatments={
        RATE: Treatment(
            "lr=0.1",
            "lr=0.001",
            "A hundredth of the rate survives the large inputs and learns slowly. The layer that "
            "should make them harmless is still switched off.",
        ),
        EPOCHS: Treatment(
            "range(6)",
            "range(18)",
            "More epochs in the same mode: the layer never sees its batches, and its running "
            "statistics stay 0 and 1.",
        ),
        OPTIMIZER: Treatment(
            SGD,
            ADAM,
            "Adam can live with inputs of any size, so it gets further. Batch normalization still "
            "does nothing: look at its running_mean.",
        ),
    },
    signs=(
        Sign(
            "scaled the inputs instead",
            edited(
                _sick_9,
                ("X[:500], y[:500], X[500:]", "X[:500] / 255, y[:500], X[500:] / 255"),
                ("return model,", "return lambda images: model(images / 255),"),
            ),
            "The accuracy is fine, but the model still trains in evaluation mode. Scaled pixels, "
            "say, are a good habit, and here a detour: the layer that should make them "
            "superfluous has not been switched on.",
            shows=lambda got, healthy: (
                got["asleep"] > 0.9 and got["score"] > healthy["score"] - 0.15
            ),
        ),
        Sign(
            "evaluated in training mode",
            edited(
                _sick_9,
                (
                    "history = [training.accuracy(model(X_valid), y_valid)]",
                    "model.train()\nhistory = []",
                ),
                (
                    "history.append(training.accuracy(model(X_valid), y_valid))",
                    "model.train()\nhistory.append(training.accuracy(model(X_valid), y_valid))",
                ),
            ),
            "The training is cured, and now the evaluation is ill: it normalizes by its own "
            "digits, as training does, so the report depends on which digits are evaluated "
            "together. Keep the running statistics and model.eval() before the evaluation, and "
            "call model.train() after it.",
            shows=lambda got, _: got["asleep"] == 0 and got["judged awake"] > 0.5,
        ),
        Sign(
            "awake in the first epoch only",
            edited(_sick_9, ("for _ in range(6)", "model.train()\nfor _ in range(6)")),
            "The first epoch runs in training mode, the others do not: model.eval() at the end of "
            "an epoch needs a model.train() at the start of the next.",
            shows=lambda got, _: 0.5 < got["asleep"] < 0.95,
        ),
    ),
    first_look=(
        "model.training, printed at an update. A layer that does not do what it is there for may "
        "be switched off."
    ),
    unchanged=(
        "It does just what the sick program does. Which mode is the model in when the first "
        "batch goes through?"
    ),
    hints=(
        "Look at parts().model: what are running_mean and running_var of its second layer?",
        "They are 0 and 1, before and after training. When are they updated?",
        "model.train() belongs at the start of each epoch.",
    ),
    reasoning=(
        "eval() stays until somebody calls train(). The evaluation before the first epoch is a "
        "good idea; the loop must switch back before it trains."
    ),
)
