"""parameter_table and layer_shapes of course_utils.inspection."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_utils.inspection import layer_shapes, parameter_table


def small_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)
    )


def test_the_table_lists_every_parameter_with_shape_and_count():
    rows = parameter_table(small_cnn()).splitlines()
    assert rows[0].split() == ["name", "shape", "parameters", "trainable"]
    assert [row.split()[0] for row in rows[1:-1]] == ["0.weight", "0.bias", "4.weight", "4.bias"]
    assert "(4, 1, 3, 3)" in rows[1] and rows[1].split()[-2:] == ["36", "yes"]
    assert rows[-1].split() == ["total", "690", "690", "trainable"]


def test_frozen_parameters_count_but_are_not_trainable():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    rows = parameter_table(model).splitlines()
    assert rows[2].endswith("no") and rows[1].endswith("yes")
    assert rows[-1].split() == ["total", "8", "6", "trainable"]


def test_a_shared_tensor_counts_once():
    layer = nn.Linear(4, 4)
    assert (
        parameter_table(nn.Sequential(layer, nn.ReLU(), layer)).splitlines()[-1].split()[1] == "20"
    )


def test_a_model_without_parameters_has_a_total_of_zero():
    assert parameter_table(nn.ReLU()).splitlines()[-1].split()[:2] == ["total", "0"]


def test_large_counts_have_separators_and_columns_line_up():
    table = parameter_table(nn.Sequential(nn.Linear(784, 256), nn.Linear(256, 10))).splitlines()
    assert "200,704" in table[1]
    ends = {
        row.index(count) + len(count) for row, count in zip(table[1:], ["200,704"], strict=False)
    }
    assert table[0].index("parameters") + len("parameters") in ends


def test_shapes_follow_the_order_of_the_forward_pass():
    found = layer_shapes(small_cnn(), torch.zeros(2, 1, 8, 8))
    assert found == [
        ("0", "Conv2d", (2, 4, 8, 8)),
        ("1", "ReLU", (2, 4, 8, 8)),
        ("2", "MaxPool2d", (2, 4, 4, 4)),
        ("3", "Flatten", (2, 64)),
        ("4", "Linear", (2, 10)),
    ]


def test_a_layer_with_several_outputs_shows_the_first():
    lstm = nn.LSTM(5, 7, batch_first=True)
    assert layer_shapes(lstm, torch.zeros(2, 3, 5)) == [("(model)", "LSTM", (2, 3, 7))]


def test_a_layer_that_runs_twice_is_listed_twice():
    layer = nn.Linear(4, 4)
    assert len(layer_shapes(nn.Sequential(layer, layer), torch.zeros(1, 4))) == 2


def test_several_inputs_are_passed_as_a_tuple():
    found = layer_shapes(nn.Bilinear(2, 3, 4), (torch.zeros(5, 2), torch.zeros(5, 3)))
    assert found == [("(model)", "Bilinear", (5, 4))]


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    layer_shapes(model, torch.ones(3, 4))
    assert model.training and model[1].training and not model[2].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_hooks_are_removed_after_an_error():
    model = small_cnn()
    with pytest.raises(RuntimeError):
        layer_shapes(model, torch.zeros(2, 3, 8, 8))
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training


def test_a_model_that_uses_no_layer_is_refused():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            return x

    with pytest.raises(ValueError, match="No layer ran"):
        layer_shapes(nn.Sequential(Idle()), torch.zeros(1, 2))
