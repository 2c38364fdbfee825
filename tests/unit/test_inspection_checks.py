"""The checks of course_utils.inspection: data, forward pass, updates."""

from __future__ import annotations

import doctest
import math

import pytest
import torch
from torch import nn

from course_utils import data, inspection
from course_utils.inspection import data_problems, first_bad_layer, shared_rows, update_ratios

NAN, INF = float("nan"), float("inf")


def clean():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 3, generator=generator), torch.arange(20) % 4


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(inspection, extraglobs={"torch": torch}).failed == 0


def test_clean_data_have_no_problems():
    assert data_problems(*clean(), classes=4) == []
    digits = data.mnist_5k()
    for part in (digits.train, digits.validation, digits.test):
        assert data_problems(part.images, part.labels, classes=10) == []


def test_nan_and_infinity_are_counted_apart():
    X, _ = clean()
    X[3, 0] = X[3, 1] = NAN
    X[5, 2] = -INF
    found = data_problems(X)
    assert found == [
        "2 values are NaN, in 1 of 20 samples",
        "1 value is infinite, in 1 of 20 samples",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, y: (X * 255, y), "scale the inputs"),
        (lambda X, y: (X / 1000, y), "scaled twice"),
        (lambda X, y: (X.int(), y), "int32"),
        (lambda X, y: (torch.cat([X, X[:1]]), torch.cat([y, y[:1]])), "1 sample repeats"),
        (lambda X, y: (X, y + 1), "from 1 to 4; wanted: 0 to 3"),
        (lambda X, y: (X, y - 1), "from -1 to 2"),
        (lambda X, y: (X, y.float()), "float32"),
        (lambda X, y: (X, y[:-1]), "20 inputs, but 19 labels"),
        (lambda X, y: (X, y.clamp(max=2)), "no sample of the classes 3"),
    ],
)
def test_each_fault_of_the_data_is_named(change, words):
    assert any(words in sentence for sentence in data_problems(*change(*clean()), classes=4))


def test_vectors_and_empty_sets_are_fine():
    assert data_problems(torch.tensor([1.0, 2.0])) == []
    assert data_problems(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)) == []


def test_shared_rows_finds_copies_and_only_these():
    X, _ = clean()
    other = torch.randn(6, 3)
    assert shared_rows(X, other) == []
    other[4], other[1] = X[7], X[7]
    assert shared_rows(X, other) == [(7, 1), (7, 4)]
    assert shared_rows(other, X) == [(1, 7), (4, 7)]


def test_shared_rows_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        shared_rows(torch.zeros(2, 3), torch.zeros(2, 4))


class Log(nn.Module):
    def forward(self, x):
        return x.log()


def test_first_bad_layer_names_the_place():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), Log(), nn.Linear(3, 1))
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
    assert first_bad_layer(model, torch.zeros(4, 2)) == "the output of 2 (Log)"
    assert first_bad_layer(model, torch.tensor([[NAN, 0.0]])) == "the input"
    with torch.no_grad():
        model[0].bias.fill_(1.0)
        model[0].weight.fill_(0.5)
    assert first_bad_layer(model, torch.ones(4, 2)) is None
    with torch.no_grad():
        model[3].weight[0, 1] = INF
    assert first_bad_layer(model, torch.ones(4, 2)) == "the parameter 3.weight"


def test_update_ratios_measure_one_step():
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 4.0]]))
        model.bias.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    with update_ratios(model) as ratios:
        assert ratios == {}
        optimizer.step()
    assert ratios["weight"] == pytest.approx(0.1 * math.sqrt(2) / 5)
    assert ratios["bias"] == INF
    with update_ratios(model) as ratios:
        pass
    assert ratios == {"weight": 0.0, "bias": 0.0}


def test_update_ratios_change_nothing():
    model = nn.Linear(2, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with update_ratios(model):
        pass
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
