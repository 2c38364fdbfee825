"""Repairs that the catalogue does not list: what only hides a fault, and odd ways to cure it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import clinic, data, training
from course_utils.clinic.case import CHECK_SEEDS
from course_utils.clinic.programs import edited

EVERYONE = (clinic.open_case, *clinic.PATIENTS)
KEPT = []


def sick(number, *edits):
    return number, edited(EVERYONE[number].sick, *edits)


def cured(number, *edits):
    return number, edited(EVERYONE[number].reference, *edits)


def program(parts, *, batch, rate=0.1, epochs=6, rows=500, predict=None, loss=F.cross_entropy):
    """A program whose ``parts()`` are (parameters, forward in training, forward in use)."""

    def made(X, y, seed):
        torch.manual_seed(seed)
        weights, learn, use = parts()
        optimizer = torch.optim.SGD(weights, lr=rate)
        history = []
        for _ in range(epochs):
            for X_batch, y_batch in data.batches(X[:rows], y[:rows], batch_size=batch):
                optimizer.zero_grad()
                loss(learn(X_batch), y_batch).backward()
                optimizer.step()
            with torch.no_grad():
                history.append(training.accuracy(use(X[rows:]), y[rows:]))
        return predict(use) if predict else use, history

    return made


def no_optimizer(X, y, seed):
    torch.manual_seed(seed)
    first, last = nn.Linear(784, 32), nn.Linear(32, 10)
    weights, history = [*first.parameters(), *last.parameters()], []
    for _ in range(6):
        for X_batch, y_batch in data.batches(X[:500], y[:500], batch_size=25):
            for weight in weights:
                weight.grad = None
            F.cross_entropy(last(first(X_batch).relu()), y_batch).backward()
            with torch.no_grad():
                for weight in weights:
                    weight -= 0.1 * weight.grad
        history.append(training.accuracy(last(first(X[500:]).relu()).detach(), y[500:]))
    return lambda images: last(first(images).relu()), history


class OwnDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(784, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.last(F.dropout(self.first(x).relu(), 0.8, self.training))


def functional_dropout(back):
    def parts():
        model = OwnDropout()

        def learn(x):
            return (model.train() if back else model)(x)

        return model.parameters(), learn, lambda x: model.eval()(x)

    return program(parts, batch=20, epochs=10, rows=400)


def dropout_between_loose_layers():
    first, last = nn.Linear(784, 64), nn.Linear(64, 10)

    def forward(x, training=False):
        return last(F.dropout(first(x).relu(), p=0.8, training=training))

    return [*first.parameters(), *last.parameters()], lambda x: forward(x, True), forward


def with_end(*end, loss=F.cross_entropy):
    def parts():
        model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10), *end)
        return model.parameters(), model, model

    return 5, program(parts, batch=25, loss=loss)


class Times(nn.Module):
    def forward(self, x):
        return 20 * x


def normalized(awake_at_the_end=False):
    def parts():
        model = nn.Sequential(nn.Linear(784, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
        return (
            model.parameters(),
            lambda x: model.train()(x),
            lambda x: model.train(awake_at_the_end)(x),
        )

    return 9, program(parts, batch=25)


def noted(where):
    def parts():
        body, head = nn.Sequential(nn.Linear(784, 16), nn.ReLU()), nn.Linear(16, 10)

        def forward(x):
            features = body(x)
            where.append(features.detach())
            return head(features)

        return [*body.parameters(), *head.parameters()], forward, forward

    return 10, program(parts, batch=20, epochs=8)


def another_split(X, y, seed):
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    known, others = order[:80], order[80:]
    gap = X[known][y[known] == 1].mean(dim=0) - X[known][y[known] == 0].mean(dim=0)
    keep = gap.abs().topk(60).indices
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(60, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(10):
        for X_batch, y_batch in data.batches(X[known][:, keep], y[known], batch_size=20):
            loss = F.cross_entropy(model(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(training.evaluate(model, (X[others][:, keep], y[others]))["accuracy"])
    return lambda persons: model(persons[:, keep]), history


def one_number_more(persons):
    """Choose the genes of patient 12 by some of the persons."""
    return (
        "gap = X[y == 1].mean(dim=0) - X[y == 0].mean(dim=0)",
        f"known, labels = X[{persons}], y[{persons}]\n"
        "gap = known[labels == 1].mean(dim=0) - known[labels == 0].mean(dim=0)",
    )


def before_step(number, text):
    return sick(number, ("optimizer.step()", f"{text}\noptimizer.step()"))


CLIP = "nn.utils.clip_grad_norm_(model.parameters(), {})"
SMALL = "for weight in model.parameters():\n    weight.grad {}"
FEATURES = "self.features = features = features.detach()"
HIDDEN = "[nn.Linear(784, 16), nn.Linear(16, 16)]"
KEEP = "keep = gap.abs().topk(60).indices"
BOTH = (
    "own = X[:80][y[:80] == 1].mean(dim=0) - X[:80][y[:80] == 0].mean(dim=0)\n"
    "keep = torch.cat([own.abs().topk(40).indices, gap.abs().topk(20).indices])"
)
SCALED = (
    "mean, std = X[:80].mean(dim=0), X[:80].std(dim=0)\n"
    "X = (X - mean) / std\n"
    "X_train, y_train = X[:80, keep], y[:80]"
)

WRONG = {
    "cleared for every second batch": (
        sick(
            1,
            ("for _ in range(6)", "count = 0\nfor _ in range(6)"),
            (
                "loss.backward()",
                "count += 1\nif count % 2:\n    optimizer.zero_grad()\nloss.backward()",
            ),
        ),
        "in 50% of the backward passes",
    ),
    "old gradients halved": (
        sick(1, ("optimizer.step()", "optimizer.step()\n" + SMALL.format("*= 0.5"))),
        "Nothing has cleared them",
    ),
    "the mean of the predictions": (
        sick(2, ("(prediction - price)", "(prediction.mean() - price)")),
        "symptom is still there",
    ),
    "only the training targets": (
        sick(
            2, ("criterion(model(X_batch), y_batch)", "criterion(model(X_batch), y_batch[:, None])")
        ),
        "the report is wrong now",
    ),
    "a linear price": (cured(2, ("nn.ReLU(), ", "")), "what comes back is linear"),
    "clipped, not scaled": (before_step(3, CLIP.format(1.0)), "Treat the inputs"),
    "small first weights": (
        sick(3, ("criterion =", "nn.init.normal_(model[0].weight, std=1e-4)\ncriterion =")),
        "✗",
    ),
    "scaled, and linear": (cured(3, ("nn.ReLU(), ", "")), "what comes back is linear"),
    "functional dropout, never back": ((4, functional_dropout(False)), "never goes back"),
    "a report on the training data": (
        cured(4, ("model(X_valid), y_valid", "model(X_train), y_train")),
        "your history reports the samples that the program has trained on",
    ),
    "a mean over three masks": (
        sick(4, ("(model(X_valid), ", "(sum(model(X_valid) for _ in range(3)), ")),
        "symptom is still there",
    ),
    "twenty times softmax": (with_end(nn.Softmax(dim=1), Times()), "one too many"),
    "softmax in the loss": (
        with_end(loss=lambda out, y: F.cross_entropy(20 * out.softmax(dim=1), y)),
        "one softmax and one logarithm",
    ),
    "squared error of logits": (
        with_end(loss=lambda out, y: (out - F.one_hot(y, 10)).square().sum(dim=1).mean()),
        "one softmax and one logarithm",
    ),
    "sigmoid for softmax": (with_end(nn.Sigmoid()), "no output leaves the range"),
    "tanh for softmax": (with_end(nn.Tanh()), "no output leaves the range"),
    "layers without ReLU": (
        cured(6, ("x = torch.relu(layer(x))", "x = layer(x)")),
        "three linear layers are one",
    ),
    "one hidden layer": (
        sick(6, (HIDDEN, "nn.ModuleList([nn.Linear(784, 16)])")),
        "12,730 numbers",
    ),
    "nine is the last class": (
        sick(7, ("y[:500] + 1", "(y[:500] + 1).clamp(max=9)")),
        "still there",
    ),
    "only the answers are shifted": (
        sick(7, ("return model,", "return lambda images: model(images)[:, 1:],")),
        "the report is wrong now",
    ),
    "clipped to 0.03": (before_step(8, CLIP.format(0.03)), "a rate in disguise"),
    "clipped by value": (
        before_step(8, "nn.utils.clip_grad_value_(model.parameters(), 0.001)"),
        "a rate in disguise",
    ),
    "normalized by hand": (
        before_step(8, SMALL.format("*= 0.005 / (weight.grad.norm() + 1e-12)")),
        "a rate in disguise",
    ),
    "a smaller network, too": (
        cured(8, ("32), nn.ReLU(), nn.Linear(32,", "24), nn.ReLU(), nn.Linear(24,")),
        "the model is smaller now (25,450 weights before, 19,090 now)",
    ),
    "evaluated like the training": (normalized(True), "it normalizes by its own digits"),
    "no running statistics": (
        sick(9, ("nn.BatchNorm1d(32)", "nn.BatchNorm1d(32, track_running_stats=False)")),
        "Keep the running statistics",
    ),
    "no features kept": (sick(10, (FEATURES, "")), "the hidden features are lost"),
    "the body is linear": (cured(10, (", nn.ReLU())", ")")), "what comes back is linear"),
    "softplus at the end": (
        sick(11, ("criterion = ", "model[3] = nn.Softplus()\ncriterion = ")),
        "symptom is still there",
    ),
    "a leaky end": (sick(11, ("nn.ReLU()", "nn.LeakyReLU(0.01)")), "symptom is still there"),
    "a hundred persons choose": (
        sick(12, one_number_more(":100")),
        "report on still vote",
    ),
    "ninety persons choose": (sick(12, one_number_more(":90")), "report on still vote"),
    "the others choose": (sick(12, one_number_more("80:")), "report on still vote"),
    "some genes chosen by all": (sick(12, (KEEP, BOTH)), "report on still vote"),
    "some of them are trained on": (
        cured(12, ("X[:80, keep], y[:80]", "X[40:120, keep], y[40:120]")),
        "with shuffled labels",
    ),
    "a report made smaller": (
        sick(12, ("history.append(", "history.append(0.3 + 0.3 *")),
        "report on still vote",
    ),
}

RIGHT = {
    "gradients of two halves": cured(
        1,
        (
            "loss.backward()",
            "(criterion(model(X_batch[:12]), y_batch[:12]) * 12 / 25).backward()\n"
            "(criterion(model(X_batch[12:]), y_batch[12:]) * 13 / 25).backward()",
        ),
    ),
    "loose layers, no optimizer": (1, no_optimizer),
    "an optimizer for each layer": cured(
        1,
        (
            "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
            "first = torch.optim.SGD(model[0].parameters(), lr=0.1)\n"
            "last = torch.optim.SGD(model[2].parameters(), lr=0.1)",
        ),
        ("optimizer.zero_grad()", "model.zero_grad()"),
        ("optimizer.step()", "first.step()\nlast.step()"),
    ),
    "transposed": sick(2, ("(prediction - price)", "(prediction.T - price)")),
    "house by house": sick(
        2,
        (
            "return ((prediction - price) ** 2).mean()",
            "return sum((one[0] - cost) ** 2 for one, cost in zip(prediction, price)) / len(price)",
        ),
    ),
    "black or white": sick(3, ("scans.float()", "(scans > 127).float()")),
    "logarithms": sick(3, ("scans.float()", "scans.float().log1p() / 5.5")),
    "functional dropout": (4, functional_dropout(True)),
    "dropout between loose layers": (
        4,
        program(dropout_between_loose_layers, batch=20, epochs=10, rows=400),
    ),
    "a copy is evaluated": sick(
        4,
        (
            "history.append(training.accuracy(model(X_valid), y_valid))",
            "import copy\nasleep = copy.deepcopy(model).eval()\n"
            "history.append(training.accuracy(asleep(X_valid), y_valid))",
        ),
    ),
    "logsumexp": with_end(
        loss=lambda out, y: (out.logsumexp(1) - out.gather(1, y[:, None])[:, 0]).mean()
    ),
    "LogSoftmax before cross-entropy": with_end(nn.LogSoftmax(dim=1)),
    "the logarithm picked": with_end(
        nn.Softmax(dim=1), loss=lambda out, y: -out[torch.arange(len(y)), y].log().mean()
    ),
    "attributes": sick(
        6, ("nn.Linear(16, 10)", "nn.Linear(16, 10)\nself.one, self.two = self.hidden")
    ),
    "one less at the end": sick(
        7,
        (
            'training.evaluate(model, (X_valid, y_valid))["accuracy"]',
            "(model(X_valid).argmax(dim=1) - 1 == y_valid).float().mean().item()",
        ),
        ("return model,", "return lambda images: model(images).argmax(dim=1) - 1,"),
    ),
    "a warm-up": sick(
        8,
        (
            "lr=10.0)",
            "lr=0.1)\n"
            "scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=20)",
        ),
        ("optimizer.step()", "optimizer.step()\nscheduler.step()"),
    ),
    "a clip that hardly acts": cured(
        8, ("optimizer.step()", f"{CLIP.format(5.0)}\noptimizer.step()")
    ),
    "the modes by hand": normalized(),
    "only the norm is awake": sick(9, ("for X_batch", "model[1].train()\nfor X_batch")),
    "kept in a list of the notebook": noted(KEPT),
    "kept in an array": sick(10, (FEATURES, "self.kept = [features.detach().numpy().copy()]")),
    "a range that is wide enough": sick(
        11, ("criterion = ", "model[3] = nn.Hardtanh(-5, 5)\ncriterion = ")
    ),
    "the first sixty genes": sick(12, (KEEP, "keep = torch.arange(60)")),
    "standardized by the training": cured(
        12,
        ("X_train, y_train = X[:80, keep], y[:80]", SCALED),
        ("model(persons[:, keep])", "model(((persons - mean) / std)[:, keep])"),
    ),
    "another split": (12, another_split),
    "another start at each run": cured(
        12, ("torch.manual_seed(seed)", "import random\ntorch.manual_seed(random.randrange(10**9))")
    ),
    "other persons choose": sick(
        12,
        one_number_more(":120"),
        ("X_valid, y_valid = X[80:, keep], y[80:]", "X_valid, y_valid = X[120:, keep], y[120:]"),
    ),
}

ASIDE = {
    "batch normalization scales": (
        sick(3, ("32), nn.ReLU", "32), nn.BatchNorm1d(32), nn.ReLU")),
        "a layer of batch normalization does now",
    ),
    "given by hand": (
        sick(
            6,
            (
                "SGD(model.parameters(),",
                "SGD([*model.parameters(), *nn.ModuleList(model.hidden).parameters()],",
            ),
        ),
        "still lists 170 of 13,002 numbers",
    ),
    "a hundredth of the gradient": (
        before_step(8, SMALL.format("/= 100")),
        "the rate still says 10",
    ),
    "kept with the graph": (sick(10, (FEATURES, "self.features = features")), "its batch"),
    "the variance of all persons": (
        sick(12, (KEEP, "keep = X.var(dim=0).topk(60).indices")),
        "the persons that you validate on still take part",
    ),
}


def check(number, answer):
    verdict = EVERYONE[number].check(answer)
    lines = verdict.message.splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= 120
    return verdict, " ".join(verdict.message.split())


@pytest.mark.parametrize("name", WRONG)
def test_what_only_hides_the_fault_is_refused(name):
    repair, words = WRONG[name]
    verdict, said = check(*repair)
    assert not verdict.passed, said
    assert words in said


@pytest.mark.parametrize("name", RIGHT)
def test_an_odd_cure_passes(name):
    verdict, said = check(*RIGHT[name])
    assert verdict.passed, said
    assert "The symptom is gone, but" not in said


@pytest.mark.parametrize("name", ASIDE)
def test_what_is_not_perfect_in_a_cure_is_said(name):
    repair, words = ASIDE[name]
    verdict, said = check(*repair)
    assert verdict.passed, said
    assert "The symptom is gone, but" in said and words in said


@pytest.mark.parametrize("ill_on", CHECK_SEEDS)
def test_one_seed_on_which_it_is_ill_is_enough(ill_on):
    patient = clinic.patient_7

    def moody(X, y, seed):
        return (patient.sick if seed == ill_on else patient.reference)(X, y, seed)

    verdict, said = check(7, moody)
    assert not verdict.passed and "names every digit one too high" not in said
    assert "does just what the sick program does" in said


def test_every_patient_meets_two_wrong_repairs_and_a_right_one():
    wrong = [repair[0] for repair, _ in WRONG.values()]
    right = [number for number, _ in RIGHT.values()]
    assert all(wrong.count(k) >= 2 and right.count(k) >= 1 for k in range(1, 13))


@pytest.mark.parametrize("patient", clinic.PATIENTS, ids=lambda p: f"patient {p.number}")
def test_the_repair_needs_no_excuse(patient):
    verdict = patient.check(patient.reference)
    assert verdict.passed and "The symptom is gone, but" not in verdict.message


@pytest.mark.parametrize("make", [list, lambda: (), dict])
def test_features_are_found_wherever_they_are(make):
    from course_utils.clinic.reach import kept

    assert kept(make(), 16) == kept(nn.Linear(16, 10), 16) == kept(lambda x: x, 16) == ""
    features = torch.zeros(3, 16)
    model = nn.Linear(16, 10)
    model.notes = {"last": [features]}
    for start in (model, model.forward, lambda x: model(x), lambda x, m=model: m(x)):
        assert kept(start, 16) == "features"
    model.notes = (features.requires_grad_() * 2,)
    assert kept(model, 16) == "with graph" and kept(model, 15) == ""
