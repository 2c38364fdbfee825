"""Training in slices: steps, changes, programs and faults, without a display."""

from __future__ import annotations

import itertools
import json
import math
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, play
from course_utils.play.frames import MOST_SHOWN, frame, unpack
from course_utils.play.network import look
from course_utils.play.recording import Answer
from course_utils.play.session import History, Session
from course_utils.play.settings import Settings


def session(**settings) -> Session:
    return Session(Settings().changed(**settings))


class Net(nn.Module):
    """A learner's module, with its activations written as functions."""

    def __init__(self, outputs: int = 1, hidden: int = 6):
        super().__init__()
        self.one, self.two = nn.Linear(2, hidden), nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.two(torch.tanh(self.one(x)))


def net(**options) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Net(**options)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


@pytest.mark.usefixtures("unchanged_randomness")
def test_the_notebooks_randomness_stays():
    with torch.random.fork_rng():
        model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    for board in (play.playground(dropout=0.5), play.playground(model, data.moons(60), sgd)):
        board.session.train_steps(7)
        board.handle({"kind": "frame", "play": True, "action": "play"})
        board.handle({"kind": "frame", "action": "reseed"})
        board.recording()


def test_training_lowers_both_losses():
    trained = session(lr=0.3)
    before = trained.train_loss, trained.test_loss
    trained.train_steps(600)
    trained.evaluate()
    assert trained.step == 600 and trained.epoch == 59
    assert trained.train_loss < 0.3 * before[0]
    assert trained.test_loss < 0.5 * before[1]
    assert trained.train_accuracy > 0.95


def test_slices_make_the_same_steps_as_one_go():
    one, many = session(dropout=0.3), session(dropout=0.3)
    one.train_steps(60)
    for _ in range(20):
        many.train_steps(2)
        torch.rand(3)  # the notebook draws in between
        many.evaluate()
        many.look(many.problem.X)
        many.train_steps(1)
    for a, b in zip(one.model.parameters(), many.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_slice_ends_in_time():
    trained = session()
    start = time.perf_counter()
    made = trained.train_for(0.02)
    assert made == trained.step > 0
    assert time.perf_counter() - start < 5  # a wide bound: it returns at all
    assert trained.train_for(0) == 1, "a slice must make a step however short it is"


def test_the_learning_rate_changes_without_a_reset():
    trained = session()
    trained.train_steps(30)
    weights = [p.clone() for p in trained.model.parameters()]
    assert trained.change(trained.settings.changed(lr=0.5, l2=0.01, dropout=0.2)) is False
    assert trained.step == 30
    assert all(map(torch.equal, weights, trained.model.parameters()))
    assert trained.optimizer.param_groups[0]["lr"] == 0.5
    assert trained.optimizer.param_groups[0]["weight_decay"] == 0.01
    assert trained.model[2].p == 0.2


@pytest.mark.parametrize(
    "change",
    [
        *(dict(data="xor"), dict(hidden=(3,)), dict(activation="relu"), dict(optimizer="Adam")),
        *(dict(batch=5), dict(noise=0.3), dict(features=["x1"]), dict(seed=2), dict(loss="hinge")),
    ],
)
def test_structure_starts_anew(change):
    trained = session()
    trained.train_steps(5)
    assert trained.change(trained.settings.changed(**change)) is True
    assert trained.step == 0 and not trained.changes
    trained.train_steps(3)
    assert trained.step == 3 and not trained.fault


def test_reset_goes_back_to_the_same_weights():
    trained = session()
    start = [p.clone() for p in trained.model.parameters()]
    trained.train_steps(7)  # in the middle of an epoch
    first = [p.clone() for p in trained.model.parameters()]
    trained.reset()
    assert all(map(torch.equal, start, trained.model.parameters()))
    trained.train_steps(7)
    assert all(map(torch.equal, first, trained.model.parameters()))


def test_after_a_reset_the_program_knows_nothing_of_earlier_changes():
    board = play.playground()
    board.session.train_steps(12)
    board.session.change(board.session.settings.changed(lr=0.5, l1=0.01))
    board.session.train_steps(5)
    board.session.reset()
    board.session.train_steps(9)
    board.session.evaluate()
    names = {}
    exec(board.program(), names)
    assert names["train_loss"] == pytest.approx(board.session.train_loss, rel=1e-5)
    assert "changes = {" not in board.program() and "lr=0.5)" in board.program()


def test_the_learners_mode_and_gradient_setting_do_not_matter():
    class Watching(Net):
        modes = ()

        def forward(self, x):
            if len(x) < 60:  # a batch, not an evaluation over all points
                self.modes += (self.training, torch.is_grad_enabled())
            return super().forward(x)

    with torch.random.fork_rng():
        model = Watching().eval()
    model.two.train()
    board = play.playground(model, data.moons(60), sgd)
    with torch.no_grad():
        board.session.train_steps(3)
    assert board.session.fault == "" and set(model.modes) == {True}
    assert not model.training and model.two.training, "the model's own mode has changed"


def test_history_stays_short_and_keeps_both_ends():
    history = History(most=50)
    for step in range(0, 10_000, 7):
        history.add(step, 1.0, 2.0)
    steps = [row[0] for row in history.rows]
    assert len(steps) <= 51
    assert steps[0] == 0 and steps[-1] == 9996
    assert steps == sorted(set(steps))
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert max(gaps) < 10_000 / 50 * 6


def test_history_holds_each_step_once():
    history = History()
    for step in (0, 0, 3, 3, 3, 4):
        history.add(step, 1.0 + step, 2.0)
    assert [row[:2] for row in history.rows] == [(0, 1.0), (3, 4.0), (4, 5.0)]


# --- programs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        dict(
            data="spirals", features=["x1", "x2", "x1x2", "sin1"], hidden=(5, 3), activation="gelu"
        ),
        dict(data="circles", optimizer="Adam", lr=0.02, l1=0.001, batch=7),
        dict(data="waves", optimizer="Momentum", lr=0.02, hidden=(8,), loss="huber"),
        dict(data="xor", dropout=0.2, optimizer="AdamW", l2=0.01, activation="leaky-relu", seed=3),
        dict(optimizer="AdamW", lr=0.05),
        dict(data="blobs", loss="hinge", hidden=(), activation="linear", batch=200, seed=3),
        dict(loss="squared-error", optimizer="RMSprop", lr=0.005, activation="sigmoid"),
    ],
)
def test_the_program_gets_the_same_losses(settings, capsys):
    board = play.playground(**settings)
    board.session.train_steps(37)
    board.session.evaluate()
    names = {}
    exec(board.program(), names)
    assert names["train_loss"] == pytest.approx(board.session.train_loss, rel=1e-5)
    assert names["test_loss"] == pytest.approx(board.session.test_loss, rel=1e-5)
    assert f"step 37: train loss {board.session.train_loss:.4f}" in capsys.readouterr().out


def test_the_program_repeats_what_was_changed_on_the_way():
    board = play.playground()
    board.session.train_steps(15)
    changes = dict(lr=0.03), dict(l1=0.002), dict(l2=0.01, dropout=0.3), dict(l1=0, dropout=0)
    for change in changes:
        board.session.change(board.session.settings.changed(**change))
        board.session.train_steps(13)
    board.session.evaluate()
    names = {}
    exec(board.program(), names)
    assert names["train_loss"] == pytest.approx(board.session.train_loss, rel=1e-5)
    assert "15: {'lr': 0.03}" in board.program()


def test_the_program_of_the_learners_own_objects():
    X, y = data.moons(100)
    board = play.playground(net(), (X, y), sgd, test=data.moons(50, seed=1))
    board.session.train_steps(25)
    board.session.change(board.session.settings.changed(lr=0.02))
    board.session.train_steps(25)
    board.session.evaluate()
    text = board.program()
    assert "class Net(nn.Module)" in text
    names = dict(model=net(), data=(X, y), test=data.moons(50, seed=1), make_optimizer=sgd)
    exec(text, names)
    assert names["train_loss"] == pytest.approx(board.session.train_loss, rel=1e-5)
    assert names["test_loss"] == pytest.approx(board.session.test_loss, rel=1e-5)


def test_the_program_sets_the_rate_that_was_chosen_before_the_first_step():
    X, y = data.moons(100)
    board = play.playground(net(), (X, y), sgd)
    board.session.change(board.session.settings.changed(lr=0.5))
    board.session.train_steps(20)
    board.session.evaluate()
    names = dict(model=net(), data=(X, y), make_optimizer=sgd)
    exec(board.program(), names)
    assert names["train_loss"] == pytest.approx(board.session.train_loss, rel=1e-5)


@pytest.mark.parametrize("kind", ["classes", "own loss"])
def test_the_program_gives_the_loss_what_it_wants(kind):
    X, y = data.moons(90)
    model, loss = net(), lambda outputs, target: (outputs[:, 0] - target).abs().mean()
    if kind == "classes":
        model, y, loss = net(outputs=3), torch.arange(90) % 3, None
    board = play.playground(model, (X, y), sgd, loss=loss)
    board.session.train_steps(20)
    board.session.evaluate()
    twin = net(outputs=model.two.out_features)
    names = dict(model=twin, data=(X, y), make_optimizer=sgd, loss=loss)
    exec(board.program(), names)
    assert names["train_loss"] == pytest.approx(board.session.train_loss, rel=1e-5)


def test_the_program_of_a_board_at_rest_makes_steps():
    assert "STEPS = 1000\n" in play.playground().program()


def test_what_is_set_before_the_first_step_is_no_change_on_the_way():
    board = play.playground()
    board.session.change(board.session.settings.changed(lr=0.5))
    board.session.train_steps(3)
    assert "lr=0.5)" in board.program() and "changes" not in board.program()
    own = play.playground(net(), data.moons(50), lambda ps: torch.optim.SGD(ps, lr=0.25))
    own.session.train_steps(3)
    assert 'group["lr"]' not in own.program(), "the learner's optimizer knows its rate"


def test_only_source_of_the_learner_stands_in_the_program():
    names = {"nn": nn}
    exec("class Typed(nn.Module):\n    def forward(self, x): return x[:, :1] * 1.0", names)
    for model in (nn.Linear(2, 1), names["Typed"]()):
        board = play.playground(model, data.moons(50), lambda _: sgd([torch.ones(1)]))
        assert "class " not in board.program() and "# model is the module" in board.program()


def test_the_program_is_clean_python():
    text = play.playground(dropout=0.1, l1=0.1).program()
    compile(text, "program.py", "exec")
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "\n\n\n\n" not in text and text.endswith("\n")


# --- the learner's own parts ---------------------------------------------------------------------


def test_the_learners_model_is_trained_in_place_and_reset():
    model = net()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    board = play.playground(model, data.moons(100), sgd)
    assert board.session.settings.lr == 0.1
    board.session.train_steps(200)
    board.session.evaluate()
    assert board.model is model and board.session.train_accuracy > 0.8
    board.handle({"kind": "frame", "action": "reset"})
    assert all(torch.equal(start[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_points_go_where_the_model_is():
    board = play.playground(nn.Linear(2, 1, device="meta"), data.moons(20), sgd)
    assert board.session.inputs(torch.zeros(3, 2)).device.type == "meta"


def test_the_board_keeps_the_rate_that_the_reader_has_set():
    board = play.playground(net(), data.moons(100), sgd)
    board.handle({"kind": "frame", "settings": {"lr": 0.5}})
    board.handle({"kind": "frame", "action": "reset"})
    assert board.session.optimizer.param_groups[0]["lr"] == 0.5


def test_many_kinds_of_targets_and_outputs():
    X, y = data.moons(90)
    three = (torch.arange(90) % 3).long()
    cases = [
        (net(), y, None, "binary"),
        (net(), y.long(), None, "binary"),
        (net(), y.bool().int(), None, "binary"),
        (net(outputs=2), y, None, "classes"),
        (net(outputs=3), three, None, "classes"),
        (net(outputs=4), three, None, "classes"),
        (net(), y * 1.5 - 3, None, "regression"),
        (net(), y, lambda output, target: (output[:, 0] - target).abs().mean(), "binary"),
        (None, three.clamp(max=1), None, "binary"),
        (None, torch.randn(90), None, "regression"),
        (None, y[:, None], None, "binary"),
    ]
    for model, target, loss, kind in cases:
        board = play.playground(model, (X, target), loss=loss)
        board.session.train_steps(5)
        assert board.session.fault == "", kind
        assert board.session.problem.kind == kind
        header = frame(board.session).header
        assert header["fault"] == "" and header["surface"]["kind"]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (1, r"have 3 classes, but the model gives one output for each point, \(90, 1\)"),
        (2, r"must return \(90, 3\), but it returned \(90, 2\)"),
        (9, r"must return \(90, 3\), but it returned \(90, 9\)"),
    ],
)
def test_outputs_that_do_not_fit_the_classes_are_told(outputs, message):
    X, _ = data.moons(90)
    board = play.playground(net(outputs=outputs), (X, torch.arange(90) % 3))
    assert re.search(message, board.session.fault)


def test_points_on_a_line_can_be_drawn():
    X, y = data.moons(50)
    X[:, 0] = 100.0
    left, right, bottom, top = play.playground(data=(X, y)).session.problem.limits
    assert left < 100 < right and bottom < top


def test_units_are_seen_however_the_model_is_written():
    X = torch.randn(11, 2)
    functional, modules = net(), nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
    modules[0].load_state_dict(functional.one.state_dict())
    modules[2].load_state_dict(functional.two.state_dict())
    a, b = look(functional, X), look(modules, X)
    assert [c.shape[1] for c in a.columns] == [2, 6, 1]
    assert all(map(torch.equal, a.columns, b.columns))
    assert torch.equal(a.columns[1], torch.tanh(functional.one(X)))
    assert torch.equal(a.weights[0], functional.one.weight)
    assert not functional.one._forward_pre_hooks


def test_odd_architectures_are_drawn_as_far_as_they_go():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(2, 40), nn.Linear(42, 1)

        def forward(self, x):
            return self.two(torch.cat([x, F.relu(self.one(x))], dim=1))

    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(2))

        def forward(self, x):
            return x @ self.w

    deep = nn.Sequential(
        *[m for _ in range(9) for m in (nn.Linear(2, 2), nn.Tanh())], nn.Linear(2, 1)
    )
    pictures = []
    for model, columns in ((Skip(), 3), (Bare(), 2), (deep, 6)):
        board = play.playground(model, data.moons(60))
        board.session.train_steps(3)
        header = frame(board.session).header
        assert header["fault"] == ""
        assert len(header["columns"]) == columns
        assert all(column["shown"] <= MOST_SHOWN for column in header["columns"])
        assert len(header["weights"]) == columns - 1
        assert all(max(shape) <= MOST_SHOWN for shape in header["weights"] if shape)
        pictures.append(header)
    assert pictures[0]["weights"][0] is None, "the concatenation joins more than one layer"
    assert pictures[2]["weights"][0] == [2, 2]
    assert header["weights"][-1] is None, "columns that are not neighbors have been joined"
    assert header["skipped"] == 11 - 6


# --- faults --------------------------------------------------------------------------------------


class Broken(nn.Module):
    def __init__(self, fault: str, after: int = 0):
        super().__init__()
        self.fault, self.left, self.layer = fault, after, nn.Linear(2, 1)

    def forward(self, x):
        if self.left > 0:
            self.left -= 1
            return self.layer(x)
        if self.fault == "raises":
            return self.layer(x.T @ x @ x)  # this line is wrong
        if self.fault == "shape":
            return self.layer(x).mean()
        if self.fault == "tuple":
            return self.layer(x), x
        return self.layer(x) / 0 * 0


FAULTS = {
    "raises": "this line is wrong",
    "shape": "()",
    "tuple": "tuple",
    "nan": "loss is not a number (NaN)",
}


@pytest.mark.parametrize(("fault", "after"), [(f, n) for f in FAULTS for n in (0, 12)])
def test_a_fault_stops_the_training_and_is_told(fault, after):
    with torch.random.fork_rng():
        model = Broken(fault, after)
    board = play.playground(model, data.moons(60), sgd)
    for _ in range(20):
        answer = board.handle({"kind": "frame", "play": True})
        if answer.header["fault"]:
            break
    assert FAULTS[fault] in answer.header["fault"]
    assert answer.header["halt"]
    step = board.session.step
    again = board.handle({"kind": "frame", "play": True, "action": "play"}).header
    assert again["step"] == step and again["fault"]


def test_a_fault_names_the_learners_line():
    with torch.random.fork_rng():
        board = play.playground(Broken("raises"), data.moons(60), sgd)
    assert "line" in board.session.fault and "this line is wrong" in board.session.fault


def test_a_mended_model_goes_on_after_a_reset():
    with torch.random.fork_rng():
        model = Broken("raises")
    board = play.playground(model, data.moons(60), sgd)
    assert board.session.fault
    model.left = 10**9
    board.session.train_steps(3)
    assert board.session.fault and board.session.step == 0, "no step before the reset"
    header = board.handle({"kind": "frame", "action": "reset"}).header
    assert header["fault"] == "" and header["surface"]
    board.session.train_steps(3)
    assert board.session.step == 3


def test_a_broken_optimizer_or_loss_is_told():
    def wrong(parameters):
        return [1]

    board = play.playground(net(), data.moons(60), wrong)
    assert "returned list, not an optimizer" in board.session.fault
    board = play.playground(net(), data.moons(60), sgd, loss=lambda output, target: output)
    assert "one number" in board.session.fault
    board = play.playground(net(outputs=2), data.moons(60), sgd, loss=nn.BCEWithLogitsLoss())
    assert "must be the same" in board.session.fault or "size" in board.session.fault


def test_an_infinite_loss_is_told():
    given = data.moons(60)
    board = play.playground(net(), given, sgd, loss=lambda output, _: output.sum() * 0 + 1 / calls)
    calls = torch.tensor(0.0)
    board.session.reset()
    board.session.train_steps(3)
    assert "The loss is infinite at step 1" in board.session.fault


def test_a_fault_has_words_but_not_too_many():
    class Talks(Net):
        def forward(self, x):
            raise ValueError(self.text)

    for text, shown in (("", "ValueError: no message"), ("long " * 5000, "ValueError: long")):
        with torch.random.fork_rng():
            model = Talks()
        model.text = text
        fault = play.playground(model, data.moons(60), sgd).session.fault
        assert fault.startswith(shown) and "line" in fault and len(fault) < 800


def test_a_line_of_the_course_is_named_only_if_the_learner_has_given_it():
    file, names = Path(play.__file__).with_name("lesson.py"), {}
    code = "def loss(output, target):\n    return output.no_such_thing"
    exec(compile(code, str(file), "exec"), names)
    board = play.playground(net(), data.moons(60), sgd, loss=names["loss"])
    assert "(at line 2 of your code)" in board.session.fault
    board = play.playground(net(), data.moons(60), sgd, loss=lambda output, _: output)
    assert "(at " not in board.session.fault, "the fault is found by the course, in no line"


def test_a_model_that_fails_only_at_the_picture_stops_with_words():
    class Picky(Net):
        def forward(self, x):
            if len(x) == 3600:
                raise ValueError("too many points")
            return super().forward(x)

    with torch.random.fork_rng():
        board = play.playground(Picky(), data.moons(60), sgd)
    header = board.handle({"kind": "frame", "play": True}).header
    assert "too many points" in header["fault"] and "surface" not in header
    assert board.handle({"kind": "frame", "play": True}).header["halt"]


def test_divergence_is_told():
    trained = session(data="waves", lr=10.0, hidden=(8, 8), activation="linear")
    trained.train_steps(500)
    assert "learning rate is too" in trained.fault
    assert trained.step < 500


def test_an_interrupt_stops_the_training():
    class Interrupting(Net):
        calls = 0

        def forward(self, x):
            Interrupting.calls += 1
            if Interrupting.calls == 30:
                raise KeyboardInterrupt
            return super().forward(x)

    with torch.random.fork_rng():
        board = play.playground(Interrupting(), data.moons(60), sgd)
    for _ in range(30):
        header = board.handle({"kind": "frame", "play": True}).header
        if header["halt"]:
            break
    assert "interrupted" in header["note"] and not header["fault"]
    step = board.session.step
    header = board.handle({"kind": "frame", "play": True, "action": "play"}).header
    assert header["step"] > step and not header["halt"]


def test_a_stop_ends_the_slice_after_the_present_step():
    training = []

    def loss(output, target):
        if training and training[0].step == 4:
            training[0].interrupted()  # as a signal does, or the end of an interrupted cell
        return F.binary_cross_entropy_with_logits(output[:, 0], target)

    training.append(play.playground(net(), data.moons(60), sgd, loss=loss).session)
    training[0].train_steps(100)
    assert training[0].step == 5


# --- frames --------------------------------------------------------------------------------------


def test_a_frame_is_small_and_complete():
    board = play.playground()
    board.session.train_steps(5000)
    answer = board.handle({"kind": "frame", "play": True})
    arrays = unpack(answer)
    assert len(answer.data) < 20_000
    assert len(str(answer.header)) < 2_000
    assert arrays["map"].shape == (3600,)
    assert arrays["thumbs"].size == 19 * 400
    assert arrays["weights"].size == 2 * 8 + 8 * 8 + 8
    assert math.isfinite(arrays["history"].sum())
    whole = board.handle({"kind": "hello"})
    assert len(whole.data) < 30_000
    assert whole.header["settings"]["hidden"] == (8, 8)
    assert whole.header["points"]["arrays"]


def test_the_large_picture_shows_the_unit_that_is_asked_for():
    board = play.playground(features=["x1", "x2"])
    output = board.handle({"kind": "frame"})
    unit = board.handle({"kind": "frame", "focus": [1, 3]})
    first = board.handle({"kind": "frame", "focus": [0, 0]})
    assert output.header["surface"]["kind"] == "probability"
    assert unit.header["surface"]["focus"] == [1, 3]
    values = unpack(first)["map"].reshape(60, 60)
    assert (values == values[0]).all() and (values[0, 1:] >= values[0, :-1]).all()
    for nonsense in ([9, 0], [1, 99], [-1, 0]):
        header = board.handle({"kind": "frame", "focus": nonsense}).header
        assert header["surface"]["kind"] == "probability"


def test_the_picture_of_regression_has_the_scale_of_the_targets():
    board = play.playground(data="waves", hidden=())
    with torch.no_grad():
        board.model[0].weight.zero_()
        board.model[0].bias.fill_(float(board.session.problem.y.abs().max()) / 2)
    answer = board.handle({"kind": "frame"})
    assert answer.header["surface"]["kind"] == "value"
    arrays = unpack(answer)
    assert set(arrays["map"]) == set(arrays["thumbs"][-400:]) == {191}, "half of the scale up"


def test_two_outputs_are_drawn_like_one():
    """The surface of two classes is the probability of class 1, however the model says it."""

    class Two(nn.Module):
        def __init__(self, one):
            super().__init__()
            self.one = one

        def forward(self, x):
            return torch.cat([0 * x[:, :1], self.one(x)], dim=1)

    one = net()
    maps = []
    for model in (one, Two(one)):
        board = play.playground(model, data.moons(60), sgd)
        maps.append(unpack(board.handle({"kind": "frame"}))["map"].astype(int))
    assert np.ptp(maps[0]) > 20 and abs(maps[0] - maps[1]).max() <= 1


def test_arrays_begin_where_the_browser_can_read_them():
    board = play.playground(hidden=(3,))
    header = board.handle({"kind": "hello"}).header
    for table in (header["arrays"], header["points"]["arrays"]):
        kinds = [kind for _, kind, _, _ in table]
        assert kinds == sorted(kinds), "bytes before float32: those may begin at any place"
        assert all(start % 4 == 0 for _, kind, start, _ in table if kind == "f4")


def test_what_is_not_a_number_travels_as_nothing():
    board = play.playground(net(), data.moons(60), sgd)
    header = board.handle({"kind": "hello"}).header
    assert header["test_loss"] is None and header["test_accuracy"] is None
    json.dumps(header, allow_nan=False)


def test_many_points_are_thinned():
    board = play.playground(data=data.moons(4000), recorded_steps=0)
    answer = board.handle({"kind": "hello"})
    points = Answer(answer.header["points"], answer.data)
    assert 1000 <= len(unpack(points)["train"]) / 3 <= 1500


def test_extreme_values_can_be_drawn():
    class Extreme(Net):
        def forward(self, x):
            seen = 1 / torch.relu(self.one(x))  # infinite where the unit is off
            return 1e6 * (0.5 - x[:, :1]) + 0 * torch.nan_to_num(self.two(seen))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        board = play.playground(Extreme(), data.moons(60), sgd)
    answer = board.handle({"kind": "frame"})
    assert answer.header["fault"] == ""
    arrays = unpack(answer)
    assert np.isfinite(arrays["scales"]).all()
    assert set(arrays["map"]) == {0, 255}
    dead = play.playground(activation="relu", hidden=(1,), features=["x1^2"])
    with torch.no_grad():
        dead.model[0].weight.fill_(-1)
        dead.model[0].bias.fill_(-1)
    arrays = unpack(dead.handle({"kind": "frame"}))
    assert set(arrays["thumbs"][400:800]) == {128} and arrays["scales"][1] == 1


def test_a_thumbnail_takes_the_middle_of_each_three_points():
    board = play.playground(features=["x1", "x2"])
    arrays = unpack(board.handle({"kind": "frame"}))
    thumbs = arrays["thumbs"].reshape(-1, 20, 20).astype(int)
    assert (abs(thumbs[0] + thumbs[0][:, ::-1] - 255) <= 1).all(), "x1 is not centered"
    assert (thumbs[-1] == arrays["map"].reshape(60, 60)[1::3, 1::3]).all()


def test_the_picture_is_what_the_model_says():
    board = play.playground()
    board.session.train_steps(300)
    answer = board.handle({"kind": "frame"})
    left, right, bottom, top = board.session.problem.limits
    row, column = 40, 13
    x = left + (column + 0.5) / 60 * (right - left)
    y = bottom + (row + 0.5) / 60 * (top - bottom)
    with torch.no_grad():
        wanted = torch.sigmoid(board.model.eval()(torch.tensor([[x, y]]))).item()
    assert abs(unpack(answer)["map"].reshape(60, 60)[row, column] / 255 - wanted) < 0.003
