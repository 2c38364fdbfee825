"""A check leaves the learner's kernel as it was."""

import functools
import random
import sys
import warnings

import numpy as np
import pytest
import torch
from exercise_samples import predict, predict_exercise, said
from torch import nn

from course_utils.exercises import FunctionExercise, Probe, Status
from course_utils.exercises.engine import sandbox


def meddling(X, w, b):
    """Right, but it changes every setting that it can reach."""
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.autograd.set_detect_anomaly(True)
    warnings.simplefilter("error")
    sys.setrecursionlimit(5000)
    sys.stdout = sys.stderr = None
    return predict(X, w, b)


def settings():
    return {
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "threads of later threads": sandbox.run(torch.get_num_threads, 10.0).value,
        "anomaly": torch.is_anomaly_enabled(),
        "filters": list(warnings.filters),
        "recursion": sys.getrecursionlimit(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
    }


def test_settings_and_random_states_are_put_back():
    before = settings()
    with torch.no_grad():
        assert predict_exercise().check(meddling).passed
        assert not torch.is_grad_enabled()
    after = settings()
    assert [name for name in before if before[name] != after[name]] == []


def test_the_learners_own_settings_do_not_matter():
    exercise = FunctionExercise(
        "01.6",
        "G",
        "G.",
        solution=_cube,
        gradient=True,
        probes=(Probe("one", lambda: torch.tensor([2.0], requires_grad=True)),),
    )
    with torch.no_grad():
        assert exercise.check(lambda x: x**3).passed
        assert not exercise.check(lambda x: x.detach() ** 3).passed


def _cube(x):
    return x * x * x


def test_the_same_random_numbers_for_everyone(capsys):
    def noisy(X, w, b):
        return X @ w + torch.rand(len(X)) + np.random.rand() + random.random()

    exercise = predict_exercise(
        solution=noisy, name="predict", alternatives=(), misconceptions=(), check_dtype=False
    )
    torch.manual_seed(1)
    assert said(capsys, exercise, lambda X, w, b: noisy(X, w, b)).passed


def test_inputs_that_are_drawn_only_once_do_not_shift_the_random_numbers(capsys):
    inputs = functools.cache(lambda: torch.rand(4, 2))

    def noisy(X, w, b):
        return X @ w + torch.rand(len(X))

    probes = (Probe("drawn", lambda: (inputs(), torch.ones(2), 0.0)),)
    exercise = predict_exercise(
        solution=noisy, name="predict", alternatives=(), misconceptions=(), probes=probes
    )
    assert said(capsys, exercise, lambda X, w, b: noisy(X, w, b)).passed


COUNTER = 0
HISTORY = ["kept"]
LOOKUP = {"a": 1}
MODEL = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1), nn.Dropout(0.5))


def uses_globals(X, w, b):
    global COUNTER, BRAND_NEW
    COUNTER += 1
    BRAND_NEW = 1
    HISTORY.append(COUNTER)
    LOOKUP["b"] = 2
    MODEL.train()
    MODEL(torch.ones(4, 2)).sum().backward()
    with torch.no_grad():
        MODEL[0].weight.add_(1)
    return predict(X, w, b)


def test_globals_that_an_answer_uses_are_put_back(capsys):
    MODEL.eval()
    before = {k: v.clone() for k, v in MODEL.state_dict().items()}
    assert said(capsys, predict_exercise(), uses_globals).passed
    assert COUNTER == 0 and "BRAND_NEW" not in globals()
    assert HISTORY == ["kept"] and LOOKUP == {"a": 1}
    assert not any(part.training for part in MODEL.modules())
    assert all(p.grad is None for p in MODEL.parameters())
    assert all(torch.equal(before[k], v) for k, v in MODEL.state_dict().items())


def test_gradients_are_put_back(capsys):
    weight = torch.ones(2, requires_grad=True)
    (weight * 3).sum().backward()
    gradient = weight.grad

    def answer(X, w, b):
        (weight.sum() * 7).backward()
        weight.grad.mul_(2)
        return predict(X, w, b)

    assert said(capsys, predict_exercise(), answer).passed
    assert weight.grad is gradient and weight.grad.tolist() == [3.0, 3.0]


def test_closures_and_cells_are_put_back(capsys):
    calls, seen = 0, []

    def answer(X, w, b):
        nonlocal calls
        calls += 1
        seen.append(len(X))
        return predict(X, w, b)

    assert said(capsys, predict_exercise(), answer).passed
    assert calls == 0 and seen == []


def test_a_module_given_as_the_answer_is_left_alone(capsys):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, X, w, b):
            self.train()
            (self.scale * 2).backward()
            self.scale.data.mul_(5)
            return predict(X, w, b)

    net = Net().eval()
    assert said(capsys, predict_exercise(), net).passed
    assert not net.training and net.scale.grad is None and net.scale.item() == 1.0


def test_probe_inputs_are_fresh_even_if_the_factory_shares_them(capsys):
    shared = torch.ones(1, 2)

    def spoils(X, w, b):
        X.zero_()
        return torch.zeros(1)

    probes = (Probe("shared", lambda: (shared, shared[0], 0.0)),)
    exercise = predict_exercise(probes=probes, misconceptions=())
    assert not said(capsys, exercise, spoils).passed
    assert said(capsys, exercise, predict).passed
    assert shared.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("what", ["list", "dict", "module", "array"])
def test_damage_to_any_kind_of_input_is_seen(what, capsys):
    inputs = {
        "list": ([1.0, 2.0], lambda v: v.append(3.0)),
        "dict": ({"a": torch.ones(2)}, lambda v: v["a"].add_(1)),
        "module": (nn.Linear(2, 2), lambda v: nn.init.zeros_(v.weight)),
        "array": (np.ones(2), lambda v: v.fill(0)),
    }
    value, damage = inputs[what]

    def answer(thing):
        damage(thing)
        return 1

    exercise = FunctionExercise(
        "01.6", "One", "One.", solution=_one, probes=(Probe("it", lambda: (value,)),)
    )
    assert said(capsys, exercise, _one).passed
    assert said(capsys, exercise, answer).status is Status.DAMAGED_INPUTS


def _one(thing):
    return 1


def test_figures_that_an_answer_opens_are_closed(capsys):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    kept = pyplot.figure()

    def plots(X, w, b):
        pyplot.figure()
        return predict(X, w, b)

    assert said(capsys, predict_exercise(), plots).passed
    assert pyplot.get_fignums() == [kept.number]
    pyplot.close(kept)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_random_state_is_put_back():
    torch.cuda.init()
    before = torch.cuda.get_rng_state_all()

    def draws(X, w, b):
        torch.rand(3, device="cuda")
        return predict(X, w, b)

    assert predict_exercise().check(draws).passed
    after = torch.cuda.get_rng_state_all()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
