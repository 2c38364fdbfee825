import copy
import inspect
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import bars, data, training
from course_utils.data import Split
from course_utils.training import History, accuracy, evaluate, fit


@pytest.fixture
def task():
    """(model, (X, y)): 70 points of two classes and a small network with one logit."""
    X, y = data.moons(70, seed=1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
    return model, (X, y)


def sgd(model, lr=0.5):
    return torch.optim.SGD(model.parameters(), lr=lr)


def test_fit_takes_the_same_steps_as_the_loop_by_hand(task):
    model, (X, y) = task
    by_hand, criterion = copy.deepcopy(model), nn.BCEWithLogitsLoss()
    history = fit(
        model, (X, y), criterion=criterion, optimizer=sgd(model), epochs=3, batch_size=16, seed=5
    )

    optimizer, generator = sgd(by_hand), torch.Generator().manual_seed(5)
    losses = []
    for _ in range(3):
        order, total = torch.randperm(70, generator=generator), 0.0
        for rows in order.split(16):  # 16, 16, 16, 16 and 6 samples
            loss = criterion(by_hand(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / 70)
    for ours, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert history.train_loss == pytest.approx(losses, rel=1e-5)
    assert history.epochs == 3
    assert not history.interrupted
    assert repr(history) == "History(3 epochs)"


def test_fit_learns_digits():
    digits = data.mnist_5k()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    history = fit(
        model,
        digits.train,
        digits.validation,
        criterion=nn.CrossEntropyLoss(),
        optimizer=sgd(model, 0.1),
        epochs=4,
    )
    assert history.validation_accuracy[-1] > 0.8
    assert history.validation_loss[-1] < 0.8 * history.validation_loss[0]
    assert history.train_accuracy[-1] > 0.85
    assert set(history.metrics) == {"train_accuracy", "validation_accuracy"}
    assert len(history.validation_loss) == len(history.train_accuracy) == 4
    result = evaluate(model, digits.validation, nn.CrossEntropyLoss())
    assert result == {
        "loss": pytest.approx(history.validation_loss[-1], rel=1e-6),
        "accuracy": history.validation_accuracy[-1],
    }


def test_fit_leaves_every_random_state_alone_and_depends_on_the_seed(task):
    model, train = task
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    results = []
    for seed in (1, 1, 2):
        m = copy.deepcopy(model)
        options = {"criterion": nn.BCEWithLogitsLoss(), "optimizer": sgd(m), "epochs": 2}
        results.append(fit(m, train, batch_size=8, seed=seed, **options).train_loss)
    assert results[0] == results[1] != results[2]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


class Spy(nn.Module):
    """Linear; remembers its mode, whether gradients were on, and the batch size of each call."""

    def __init__(self, fail_at=None, error=KeyboardInterrupt):
        super().__init__()
        self.linear, self.frozen = nn.Linear(2, 1), nn.BatchNorm1d(2)
        self.calls, self.fail_at, self.error = [], fail_at, error

    def forward(self, x):
        self.calls.append((self.training, torch.is_grad_enabled(), len(x)))
        if len(self.calls) == self.fail_at:
            raise self.error
        return self.linear(x).squeeze(1)


@pytest.mark.parametrize("training_before", [True, False])
def test_modes_are_right_inside_and_restored_after(training_before, task):
    model, (_, train) = Spy(), task
    model.train(training_before)
    model.frozen.eval()
    options = {"criterion": nn.MSELoss(), "optimizer": sgd(model, 0.01), "epochs": 2}
    fit(model, train, train, **options, batch_size=40)
    epoch = [(True, True, 40), (True, True, 30), (False, False, 70)]
    assert model.calls == epoch * 2
    assert model.training is training_before
    assert model.frozen.training is False
    model.calls.clear()
    evaluate(model, train, nn.MSELoss(), batch_size=50)
    assert model.calls == [(False, False, 50), (False, False, 20)]
    assert model.training is training_before
    assert model.frozen.training is False


def test_modes_are_restored_after_an_error(task):
    model, (_, train) = Spy(fail_at=1, error=ZeroDivisionError), task
    with pytest.raises(ZeroDivisionError):
        evaluate(model, train, nn.MSELoss())
    assert model.training
    assert torch.is_grad_enabled()
    model = Spy(fail_at=2, error=ZeroDivisionError).eval()
    with pytest.raises(ZeroDivisionError):
        fit(model, train, criterion=nn.MSELoss(), optimizer=sgd(model), epochs=1, batch_size=40)
    assert not model.training


@pytest.mark.parametrize("fail_at", [8, 9])  # in a training batch; in the validation of epoch 3
def test_interrupting_keeps_the_finished_epochs(fail_at, task, capsys):
    model, (_, train) = Spy(fail_at=fail_at).eval(), task
    options = {"criterion": nn.MSELoss(), "optimizer": sgd(model, 0.01), "epochs": 10}
    history = fit(model, train, train, **options, batch_size=40)
    assert history.interrupted
    assert history.epochs == len(history.validation_loss) == 2
    assert repr(history) == "History(2 epochs, interrupted)"
    assert capsys.readouterr().out == "Interrupted: 2 of 10 epochs are in the history.\n"
    assert not model.training


def test_metrics_see_all_samples_of_an_epoch(task):
    model, (X, y) = task
    sizes = []

    def count(outputs, targets):
        assert not outputs.requires_grad
        sizes.append((tuple(outputs.shape), tuple(targets.shape)))
        return torch.tensor(float(len(targets)))

    history = fit(
        model,
        (X, y),
        (X[:9], y[:9]),
        criterion=nn.BCEWithLogitsLoss(),
        optimizer=sgd(model),
        epochs=1,
        batch_size=32,
        metrics={"count": count},
    )
    assert history.metrics == {"train_count": [70.0], "validation_count": [9.0]}
    assert sizes == [((70,), (70,)), ((9,), (9,))]
    assert history.train_accuracy == history.validation_accuracy == []


def test_accuracy_is_measured_only_for_classes():
    X, real = torch.rand(30, 3), torch.rand(30)
    linear = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    options = {"optimizer": sgd(linear), "epochs": 1}
    assert fit(linear, (X, real), criterion=nn.MSELoss(), **options).metrics == {}
    binary = (X, (real > 0.5).float())
    assert fit(linear, binary, criterion=nn.MSELoss(), **options).metrics == {}
    by_function = fit(linear, binary, criterion=F.binary_cross_entropy_with_logits, **options)
    assert len(by_function.train_accuracy) == 1
    assert set(evaluate(linear, binary)) == {"accuracy"}
    assert set(evaluate(linear, (X, real), nn.L1Loss())) == {"loss"}
    with pytest.raises(ValueError, match="Nothing to measure"):
        evaluate(linear, (X, real))


def test_evaluate_averages_by_sample_whatever_the_batches(task):
    model, (X, y) = task
    criterion = nn.BCEWithLogitsLoss()
    with torch.no_grad():
        whole = criterion(model(X), y).item()
    for batch_size in (1, 32, 69, 70, 500):
        result = evaluate(model, (X, y), criterion, batch_size=batch_size)
        assert result["loss"] == pytest.approx(whole, rel=1e-5)


def test_evaluate_accepts_a_split_and_a_model_without_parameters():
    split = Split(torch.rand(6, 2, 2), torch.zeros(6, dtype=torch.int64))
    assert set(evaluate(nn.Flatten(), split, nn.CrossEntropyLoss())) == {"loss", "accuracy"}


def test_nothing_is_printed(task, capfd):
    model, train = task
    fit(model, train, criterion=nn.BCEWithLogitsLoss(), optimizer=sgd(model), epochs=2)
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_shown_to_a_reader_and_removed(task, capfd, monkeypatch):
    model, train = task
    monkeypatch.setattr(bars, "watched", lambda: True)
    monkeypatch.setattr(bars, "DELAY", 1e-9)
    real = bars.tqdm
    monkeypatch.setattr(bars, "tqdm", lambda *a, **k: real(*a, **(k | {"mininterval": 0})))
    options = {"criterion": nn.BCEWithLogitsLoss(), "optimizer": sgd(model), "epochs": 3}
    fit(model, train, **options)
    shown = capfd.readouterr().err
    assert "2/3" in shown
    assert "loss=" in shown
    assert shown.endswith("\r")
    assert shown.split("\r")[-2].strip() == ""
    fit(model, train, **options, progress=False)
    assert capfd.readouterr() == ("", "")


def test_a_long_training_leaves_nothing_in_an_executed_notebook(tmp_path):
    execute = pytest.importorskip("tools.execute")
    nbformat = pytest.importorskip("nbformat")
    source = """
import time, torch
from course_utils import data, training

class Slow(torch.nn.Linear):
    def forward(self, x):
        time.sleep(0.2)
        return super().forward(x).squeeze(1)

model = Slow(2, 1)
history = training.fit(model, data.xor(8), criterion=torch.nn.BCEWithLogitsLoss(),
                       optimizer=torch.optim.SGD(model.parameters()), epochs=7)
assert history.epochs == 7
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    execute.run(notebook, tmp_path, "slow")
    assert notebook.cells[0].outputs == []


def test_device_is_the_models_unless_named(task):
    model, train = task
    options = {"criterion": nn.BCEWithLogitsLoss(), "optimizer": sgd(model), "epochs": 1}
    fit(model, train, **options, device="cpu")
    assert next(model.parameters()).device.type == "cpu"
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    assert training._place(model, optimizer, "cpu") == torch.device("cpu")
    options["optimizer"] = optimizer
    fit(model, train, **options)
    with pytest.raises(ValueError, match="already made steps on cpu"):
        fit(model, train, **options, device="meta")
    assert next(model.parameters()).device.type == "cpu"


def test_a_named_device_moves_the_model():
    model = nn.Linear(2, 1)
    assert training._place(model, sgd(model), "meta").type == "meta"
    assert model.weight.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_fit_on_cuda(task):
    model, train = task
    cpu = copy.deepcopy(model)
    options = {"criterion": nn.BCEWithLogitsLoss(), "epochs": 3}
    here = fit(cpu, train, train, **options, optimizer=sgd(cpu))
    there = fit(model, train, train, **options, optimizer=sgd(model), device="cuda")
    assert next(model.parameters()).is_cuda
    assert train[0].device.type == "cpu"
    assert there.train_loss == pytest.approx(here.train_loss, rel=1e-3)
    assert evaluate(model, train, nn.BCEWithLogitsLoss())["loss"] == pytest.approx(
        there.validation_loss[-1], rel=1e-5
    )


# --- accuracy ---------------------------------------------------------------------------------


def test_accuracy_of_several_classes():
    logits = torch.tensor([[0.1, 2.0, 0.3], [5.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert accuracy(logits, torch.tensor([1, 0, 0])) == 2 / 3
    assert accuracy(logits, torch.tensor([1.0, 0.0, 2.0])) == 1.0


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("target_shape", [(4,), (4, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_accuracy_of_two_classes(shape, target_shape, dtype):
    logits = torch.tensor([-1.0, 0.0, 0.2, 3.0]).reshape(shape)
    y = torch.tensor([0, 1, 1, 0], dtype=dtype).reshape(target_shape)
    assert accuracy(logits, y) == 0.5


def test_nan_is_never_right():
    nan = float("nan")
    assert accuracy(torch.tensor([nan, -1.0]), torch.zeros(2)) == 0.5
    logits = torch.tensor([[nan, 0.0], [1.0, 0.0]])
    assert accuracy(logits, torch.tensor([0, 0])) == 0.5


@pytest.mark.parametrize(
    ("logits", "y"),
    [((4, 3), (3,)), ((4, 3), (4, 3)), ((4,), (5,)), ((4, 3, 2), (4,)), ((4, 3), (4, 1))],
)
def test_accuracy_refuses_shapes_that_do_not_fit(logits, y):
    with pytest.raises(ValueError, match=r"accuracy takes logits of shape \(N, C\)"):
        accuracy(torch.zeros(logits), torch.zeros(y))


def test_accuracy_of_nothing():
    with pytest.raises(ValueError, match="no samples"):
        accuracy(torch.zeros(0, 3), torch.zeros(0))


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "error", "says"),
    [
        ((torch.zeros(3, 2), torch.zeros(4)), ValueError, "train has 3 inputs but 4 targets"),
        ((torch.zeros(0, 2), torch.zeros(0)), ValueError, "train is empty"),
        (torch.zeros(3, 2), TypeError, "pair of tensors"),
        ((torch.zeros(3, 2),), TypeError, "pair of tensors"),
        ((torch.zeros(3, 2), [0, 1, 0]), TypeError, "targets of train must be a tensor, got list"),
        ((np.zeros((3, 2)), torch.zeros(3)), TypeError, "torch.as_tensor"),
        ((torch.zeros(3, 2), torch.tensor(1.0)), ValueError, "first dimension"),
    ],
)
def test_data_that_do_not_fit(train, error, says):
    model = nn.Linear(2, 1)
    options = {"criterion": nn.MSELoss(), "optimizer": sgd(model), "epochs": 1}
    with pytest.raises(error, match=says):
        fit(model, train, **options)
    good = (torch.zeros(3, 2), torch.zeros(3, 1))
    with pytest.raises(error, match=says.replace("train", "validation")):
        fit(model, good, train, **options)
    with pytest.raises(error, match=says.replace("train", "dataset")):
        evaluate(model, train, nn.MSELoss())


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"epochs": 1.5}, TypeError, "epochs must be a whole number"),
        ({"batch_size": -1}, ValueError, "batch_size must be at least 1"),
        ({"criterion": nn.MSELoss}, TypeError, r"call it, as in nn\.MSELoss\(\)"),
        ({"criterion": "mse"}, TypeError, "criterion must be a function"),
        ({"criterion": nn.MSELoss(reduction="sum")}, ValueError, "reduction='sum'"),
        ({"criterion": lambda a, b: a - b}, ValueError, "must return one number"),
        ({"criterion": lambda a, b: 1.0}, ValueError, "must return one number"),
        ({"optimizer": sgd(nn.Linear(2, 1))}, ValueError, "none of this model's parameters"),
    ],
)
def test_arguments_that_do_not_fit(change, error, says):
    model = nn.Linear(2, 1)
    options = {"criterion": nn.MSELoss(), "optimizer": sgd(model), "epochs": 1} | change
    with pytest.raises(error, match=says):
        fit(model, (torch.zeros(3, 2), torch.zeros(3, 1)), **options)


def test_a_model_without_parameters_cannot_be_trained():
    with pytest.raises(ValueError, match="no parameters"):
        options = {"criterion": nn.MSELoss(), "optimizer": sgd(nn.Linear(1, 1)), "epochs": 1}
        fit(nn.Flatten(), (torch.zeros(3, 2), torch.zeros(3, 2)), **options)


@pytest.mark.parametrize(
    ("criterion", "outputs", "y", "says"),
    [
        (nn.MSELoss(), 1, torch.zeros(5), r"\(5, 1\) and \(5,\).*\.squeeze\(1\)"),
        (F.mse_loss, 1, torch.zeros(5), r"\(5, 1\) and \(5,\).*y\.unsqueeze\(1\)"),
        (nn.BCEWithLogitsLoss(), 1, torch.zeros(5), r"\.squeeze\(1\)"),
        (nn.BCEWithLogitsLoss(), 0, torch.zeros(5, 1), r"y\.squeeze\(1\)"),
        (nn.HuberLoss(), 3, torch.zeros(5), "Make the two shapes equal"),
        (nn.BCEWithLogitsLoss(), 0, torch.zeros(5).long(), r"needs float.*int64.*y\.float\(\)"),
        (nn.CrossEntropyLoss(), 3, torch.zeros(5), r"int64, got float32.*y\.long\(\)"),
        (nn.CrossEntropyLoss(), 3, torch.zeros(5).int(), r"int64, got int32.*y\.long\(\)"),
        (nn.CrossEntropyLoss(), 1, torch.zeros(5).long(), "use BCEWithLogitsLoss"),
        (F.cross_entropy, 0, torch.zeros(5).long(), "one output per class"),
    ],
)
def test_outputs_that_do_not_fit_the_targets(criterion, outputs, y, says):
    model = nn.Linear(2, outputs or 1)
    model = model if outputs else nn.Sequential(model, nn.Flatten(0))
    with pytest.raises(ValueError, match=says):
        fit(model, (torch.zeros(5, 2), y), criterion=criterion, optimizer=sgd(model), epochs=1)
    with pytest.raises(ValueError, match=says):
        evaluate(model, (torch.zeros(5, 2), y), criterion)


def test_a_model_that_returns_a_tuple():
    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x), None

    model = Pair(2, 1)
    options = {"criterion": nn.MSELoss(), "optimizer": sgd(model), "epochs": 1}
    with pytest.raises(TypeError, match="returned tuple"):
        fit(model, (torch.zeros(5, 2), torch.zeros(5, 1)), **options)


def test_soft_targets_are_allowed():
    model = nn.Linear(2, 3)
    train = (torch.rand(5, 2), torch.rand(5, 3).softmax(1))
    options = {"criterion": nn.CrossEntropyLoss(), "optimizer": sgd(model), "epochs": 1}
    assert fit(model, train, **options).metrics == {}


def test_a_loss_that_diverges_is_recorded_not_hidden():
    model = nn.Linear(2, 1)
    train = (torch.full((5, 2), 100.0), torch.zeros(5, 1))
    options = {"criterion": nn.MSELoss(), "optimizer": sgd(model, 10.0), "epochs": 30}
    history = fit(model, train, **options)
    assert history.epochs == 30
    assert not np.isfinite(history.train_loss[-1])


def test_fit_stays_short_enough_to_be_read():
    code = inspect.getsource(fit).split('"""')[2]
    assert len(code.splitlines()) <= 45


def test_history_records():
    history = History()
    history.record("train", {"loss": 1.0, "accuracy": 0.5})
    assert (history.train_loss, history.train_accuracy) == ([1.0], [0.5])
    assert repr(history) == "History(1 epoch)"
