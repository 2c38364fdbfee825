"""What ``fit`` grew up with: early stopping, checkpoints, resuming, clipping, accumulation."""

import copy
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import data, training
from course_utils.training import evaluate, fit, load_checkpoint, save_checkpoint


class Interrupting(nn.Module):
    """Passes everything through; raises KeyboardInterrupt in its n-th call."""

    def __init__(self, at):
        super().__init__()
        self.at, self.calls = at, 0

    def forward(self, x):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return x


def network(stop_at=None):
    """A network with dropout and batch norm, and (X, y) for it: 100 points, 4 batches of 32."""
    torch.manual_seed(0)
    return nn.Sequential(
        Interrupting(stop_at),
        nn.Linear(2, 16),
        nn.BatchNorm1d(16),
        nn.Tanh(),
        nn.Dropout(0.3),
        nn.Linear(16, 1),
        nn.Flatten(0),
    )


@pytest.fixture
def points():
    X, y = data.moons(150, seed=3)
    return (X[:100], y[:100]), (X[100:], y[100:])


def train(model, points, epochs=6, schedule="step", **options):
    """Train with everything that has a state: Adam, a schedule, dropout, and shuffling."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    steps = 4 * 6 if schedule == "step" else 6
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=steps + 1)
    options = {"batch_size": 32, "criterion": nn.BCEWithLogitsLoss(), "seed": 4} | options
    torch.manual_seed(1)
    options |= {"epochs": epochs, "optimizer": optimizer, "scheduler": scheduler}
    return fit(model, *points, schedule=schedule, **options)


def same(a, b):
    """Whether two models have the same state to the last bit."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


# --- resuming ----------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["step", "epoch"])
@pytest.mark.parametrize("done", [1, 4])
def test_resuming_equals_never_having_stopped(done, schedule, points, tmp_path):
    whole, parts, file = network(), network(), tmp_path / "run.pt"
    expected = train(whole, points, schedule=schedule)
    train(parts, points, epochs=done, schedule=schedule, checkpoint=file)
    fresh = network()
    torch.rand(7)  # the state of the random numbers comes from the file
    history = train(fresh, points, schedule=schedule, checkpoint=file, resume=True)
    assert same(whole, fresh)
    assert vars(history) == vars(expected)
    assert not same(whole, parts)


@pytest.mark.parametrize("stop_at", [2, 7, 14])  # calls: 4 batches and 1 validation an epoch
def test_resuming_within_an_epoch(stop_at, points, tmp_path, capsys):
    whole, file = network(), tmp_path / "run.pt"
    options = {"checkpoint": file, "checkpoint_steps": 1, "checkpoint_epochs": 100}
    expected = train(whole, points)
    assert train(network(stop_at), points, **options).interrupted
    assert load_checkpoint(file)["steps"] == stop_at - 1 - stop_at // 5
    fresh = network()
    history = train(fresh, points, **options, resume=True)
    assert same(whole, fresh)
    assert vars(history) == vars(expected)


def test_resuming_with_accumulation_and_clipping(points, tmp_path, capsys):
    whole, file = network(), tmp_path / "run.pt"
    options = {"batch_size": 8, "accumulate": 4, "clip_norm": 0.5}
    expected = train(whole, points, **options)
    options |= {"checkpoint": file, "checkpoint_steps": 1}
    assert train(network(stop_at=24), points, **options).interrupted
    fresh = network()
    history = train(fresh, points, **options, resume=True)
    assert same(whole, fresh)
    assert vars(history) == vars(expected)


def test_resuming_restores_every_random_state(points, tmp_path):
    file = tmp_path / "run.pt"
    train(network(), points, epochs=2, checkpoint=file)
    draws = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    train(network(), points, epochs=2, checkpoint=file, resume=True)
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == draws


def test_resume_without_a_file_starts_afresh(points, tmp_path):
    whole, other = network(), network()
    train(whole, points, epochs=2)
    train(other, points, epochs=2, checkpoint=tmp_path / "run.pt", resume=True)
    assert same(whole, other)


def test_a_finished_training_is_not_trained_on(points, tmp_path):
    model, file = network(), tmp_path / "run.pt"
    history = train(model, points, epochs=3, checkpoint=file)
    again = network()
    assert vars(train(again, points, epochs=3, checkpoint=file, resume=True)) == vars(history)
    assert same(model, again)


@pytest.mark.parametrize("change", [{"batch_size": 16}, {"seed": 5}, {"accumulate": 2}])
def test_a_checkpoint_of_another_training_is_refused(change, points, tmp_path):
    file = tmp_path / "run.pt"
    train(network(), points, epochs=1, checkpoint=file)
    name = next(iter(change))
    with pytest.raises(ValueError, match=f"run.pt is of a training with {name}=.*this one has"):
        train(network(), points, checkpoint=file, resume=True, **change)
    shorter = (points[0][0][:90], points[0][1][:90]), points[1]
    with pytest.raises(ValueError, match="samples=100, this one has samples=90"):
        train(network(), shorter, checkpoint=file, resume=True)


# --- the file ----------------------------------------------------------------------------------


def test_a_checkpoint_holds_plain_data_only(points, tmp_path):
    file = tmp_path / "run.pt"
    train(network(), points, epochs=2, checkpoint=file, keep_best=True)
    state = torch.load(file, weights_only=True)
    assert {"model", "optimizer", "scheduler", "history", "random", "order"} <= set(state)
    assert [f.name for f in tmp_path.iterdir()] == ["run.pt"]


def test_checkpoints_come_at_their_times(points, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(training, "save_checkpoint", lambda state, _: saved.append(state["steps"]))
    train(network(), points, epochs=5, checkpoint="x", checkpoint_epochs=2)
    assert saved == [8, 16, 20]  # 4 steps an epoch, and the last epoch always
    saved.clear()
    options = {"checkpoint_epochs": 9, "checkpoint_steps": 3}
    train(network(), points, epochs=2, checkpoint="x", **options)
    assert saved == [3, 6, 8]


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    file = tmp_path / "run.pt"
    save_checkpoint({"epoch": 1}, file)

    def half(state, target):
        target.write(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint({"epoch": 2}, file)
    monkeypatch.undo()
    assert load_checkpoint(file) == {"epoch": 1}
    save_checkpoint({"epoch": 3}, file)  # the remains of the failed write do no harm
    assert load_checkpoint(file) == {"epoch": 3}
    assert [f.name for f in tmp_path.iterdir()] == ["run.pt"]


VICTIM = """
import sys, torch
from torch import nn
from course_utils import data, training

file, resume = sys.argv[1], sys.argv[2] == "resume"
X, y = data.moons(256, seed=3)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 256),
                      nn.ReLU(), nn.Linear(256, 1), nn.Flatten(0))
options = dict(criterion=nn.BCEWithLogitsLoss(), epochs=60, batch_size=32, progress=False,
               optimizer=torch.optim.Adam(model.parameters()))
if file != "none":
    options |= dict(checkpoint=file, checkpoint_steps=3, checkpoint_epochs=1000, resume=resume)

class Loud(nn.Module):  # tells how many steps have begun
    steps = 0
    def forward(self, x):
        if self.training:
            Loud.steps += 1
            print(Loud.steps, flush=True)
        return x

model.insert(0, Loud())
history = training.fit(model, (X, y), **options)
flat = torch.cat([p.detach().flatten() for p in model.parameters()]).double()
print("end", history.train_loss[-1].hex(), float(flat.sum()).hex(), float(flat.norm()).hex())
"""


def victim(file, mode):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", VICTIM, str(file), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_training_loses_at_most_one_interval(tmp_path):
    file = tmp_path / "run.pt"
    expected = victim("none", "new").communicate(timeout=200)[0].splitlines()[-1]
    assert expected.startswith("end")
    for attempt, lines in enumerate((20, 65)):
        process = victim(file, "resume")
        before = load_checkpoint(file)["steps"] if attempt else 0
        for _ in range(lines):
            assert process.stdout.readline().strip().isdecimal()
        time.sleep(0.002 * attempt)
        process.kill()  # SIGKILL: no handler, no finally, no flush
        rest = process.communicate()[0].split()
        assert process.returncode == -signal.SIGKILL
        assert "end" not in rest, "it ended before it could be killed"
        done = before + lines - 1 + len(rest)  # steps that were finished for certain
        state = load_checkpoint(file)  # whole
        assert state["steps"] % 3 == 0
        assert done - 3 <= state["steps"] <= done + 1
        assert state["steps"] > before
    again = victim(file, "resume").communicate(timeout=200)[0].splitlines()
    assert again[-1] == expected
    assert len(again) - 1 == 480 - state["steps"]  # only the rest was computed again


KILLED_WHILE_WRITING = """
import io, sys, time, torch
from course_utils import training

real, file = torch.save, sys.argv[1]
training.save_checkpoint({"steps": 3, "weights": torch.arange(1000.0)}, file)

def half(state, target):  # write half of the bytes, tell, and wait to be killed
    whole = io.BytesIO()
    real(state, whole)
    target.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    target.flush()
    print("writing", flush=True)
    time.sleep(300)

torch.save = half
training.save_checkpoint({"steps": 6, "weights": torch.ones(1000)}, file)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_in_the_middle_of_writing_leaves_the_last_whole_file(tmp_path):
    file = tmp_path / "run.pt"
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "writing\n"
    finally:
        process.kill()
        process.communicate()
    remains = [f for f in tmp_path.iterdir() if f != file]
    assert [f.stat().st_size > 0 for f in remains] == [True]  # it was killed with half a file
    state = load_checkpoint(file)
    assert state["steps"] == 3
    assert torch.equal(state["weights"], torch.arange(1000.0))
    save_checkpoint({"steps": 9}, file)  # the half file is in nobody's way
    assert load_checkpoint(file) == {"steps": 9}
    assert [f.name for f in tmp_path.iterdir()] == ["run.pt"]


# --- the best weights --------------------------------------------------------------------------


class Scripted(nn.Module):
    """A bias whose validation loss follows a script: epoch k sets it to the k-th value."""

    def __init__(self, values):
        super().__init__()
        self.bias, self.values = nn.Parameter(torch.zeros(1)), values
        self.register_buffer("epoch", torch.tensor(0))

    def forward(self, x):
        if self.training:
            self.epoch += 1
            self.bias.data.fill_(self.values[self.epoch.item() - 1])
        elif self.values[self.epoch.item() - 1] < 0:
            raise KeyboardInterrupt
        return x * 0 + self.bias


def fit_script(values, epochs, **options):
    model, pair = Scripted(values), (torch.zeros(8, 1), torch.zeros(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    options = {"criterion": nn.L1Loss(), "optimizer": optimizer, "epochs": epochs} | options
    return model, fit(model, pair, pair, batch_size=8, **options)


@pytest.mark.parametrize(
    ("values", "patience", "epochs", "best"),
    [
        ([5, 4, 3, 3, 3, 2, 1], 2, 5, 3),  # an equal loss is no progress
        ([5, 4, 3, 3, 3, 2, 1], 3, 7, 7),
        ([1, 2, 3, 4, 5, 6, 7], 1, 2, 1),
        ([1, 5, 5, 0.5, 5, 5, 5], 3, 7, 4),
        ([1, float("nan"), float("nan"), 9, 9, 9, 9], 2, 3, 1),
    ],
)
def test_early_stopping_restores_the_best_weights(values, patience, epochs, best):
    model, history = fit_script(values, 7, patience=patience)
    assert history.epochs == epochs
    assert history.best_epoch == best
    assert history.stopped_early is (epochs < 7)
    assert model.bias.item() == values[best - 1]
    assert model.epoch.item() == best  # buffers come back too
    assert ("stopped early" in repr(history)) is (epochs < 7)


def test_without_keep_best_the_last_weights_stay():
    model, history = fit_script([1, 2, 3], 3)
    assert model.bias.item() == 3
    assert history.best_epoch is None
    assert fit_script([1, 2, 3], 3, keep_best=True)[0].bias.item() == 1


def test_interrupting_gives_the_best_weights_back(capsys):
    model, history = fit_script([3, 1, 2, -1], 9, keep_best=True)
    assert history.interrupted
    assert history.validation_loss == [3, 1, 2]
    assert model.bias.item() == 1


@pytest.mark.parametrize("done", [2, 3, 5])
def test_patience_survives_a_resume(done, tmp_path):
    values, file = [5, 4, 3, 3.5, 3.5, 2, 1], tmp_path / "run.pt"
    fit_script(values, done, patience=2, checkpoint=file)
    model, history = fit_script(values, 7, patience=2, checkpoint=file, resume=True)
    assert history.epochs == 5
    assert history.stopped_early
    assert model.bias.item() == 3


# --- steps -------------------------------------------------------------------------------------


def test_accumulation_equals_the_large_batch(points):
    small, large = (
        nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)).double()
        for _ in range(2)
    )
    large.load_state_dict(small.state_dict())
    doubles = [(X.double(), y.double()) for X, y in points]
    accumulated = train(small, doubles, batch_size=7, accumulate=4)  # 100 = 3 * 28 + 16
    whole = train(large, doubles, batch_size=28)
    for a, b in zip(small.parameters(), large.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    assert accumulated.validation_loss == pytest.approx(whole.validation_loss, rel=1e-9)


def test_clipping_bounds_the_step(points):
    model = network()
    before = copy.deepcopy(model)
    options = {"criterion": nn.BCEWithLogitsLoss(), "epochs": 1, "batch_size": 100}
    fit(
        model,
        points[0],
        optimizer=torch.optim.SGD(model.parameters(), 1.0),
        clip_norm=0.01,
        **options,
    )
    moved = [a - b for a, b in zip(model.parameters(), before.parameters(), strict=True)]
    length = torch.cat([m.detach().flatten() for m in moved]).norm().item()
    assert length == pytest.approx(0.01, rel=1e-3)


def test_schedules_are_called_after_steps_or_epochs(points):
    per_epoch = train(network(), points, schedule="epoch").learning_rate
    per_step = train(network(), points, schedule="step").learning_rate
    assert len(per_epoch) == len(per_step) == 6
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=25)
    rates = []
    for _ in range(24):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert per_step == pytest.approx(rates[3::4])
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10.0)
    options = {"criterion": nn.BCEWithLogitsLoss(), "optimizer": optimizer, "epochs": 3}
    history = fit(model, *points, scheduler=plateau, **options)
    assert history.learning_rate == pytest.approx([1.0, 0.1, 0.01])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_runs_the_forward_pass_in_half_precision(dtype, points):
    model, seen = network(), []
    model[1].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    history = train(model, points, epochs=2, autocast=dtype)
    assert set(seen) == {dtype}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert np.isfinite(history.validation_loss).all()
    assert evaluate(model, points[1])["accuracy"] > 0.5


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"accumulate": 0}, ValueError, "accumulate must be at least 1"),
        ({"patience": 1.5}, TypeError, "patience must be a whole number"),
        ({"clip_norm": 0.0}, ValueError, "clip_norm must be positive"),
        ({"schedule": "batch"}, ValueError, 'schedule must be "epoch" or "step"'),
        ({"autocast": torch.float32}, ValueError, r"autocast must be torch\.bfloat16"),
        ({"patience": 2, "validation": None}, ValueError, "give validation data"),
        ({"resume": True}, ValueError, "need the name of a file"),
        ({"checkpoint_steps": 2}, ValueError, "need the name of a file"),
    ],
)
def test_options_that_contradict_each_other(change, error, says, points):
    model = network()
    options = {"criterion": nn.BCEWithLogitsLoss(), "epochs": 1, "validation": points[1]} | change
    with pytest.raises(error, match=says):
        fit(model, points[0], optimizer=torch.optim.SGD(model.parameters()), **options)
