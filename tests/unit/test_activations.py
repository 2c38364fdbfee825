"""The registry of activations: its facts agree with torch and with each other."""

from __future__ import annotations

import pytest
import torch

from course_utils import activations

ENTRIES = list(activations.ACTIVATIONS.values())
every = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)


@every
def test_the_code_in_the_table_does_what_the_entry_does(entry):
    x = torch.linspace(-4, 4, 24, dtype=torch.float64).view(4, 6)
    names = {"nn": torch.nn, "F": torch.nn.functional, "torch": torch, "x": x}
    assert torch.equal(eval(entry.module, names)(x), entry(x))
    assert torch.equal(eval(entry.functional, names), entry(x))
    assert torch.equal(entry.build()(x), entry(x))


@every
def test_the_range_is_kept_and_reached(entry):
    x = torch.linspace(-40, 40, 8001, dtype=torch.float64)
    x = x if entry.elementwise else torch.stack([x, torch.zeros_like(x)], dim=-1)
    y = entry(x)
    assert y.min() >= entry.minimum - 1e-5 and y.max() <= entry.maximum + 1e-12
    if torch.isfinite(torch.tensor(entry.minimum)):
        assert y.min() <= entry.minimum + 1e-4
    if torch.isfinite(torch.tensor(entry.maximum)):
        assert y.max() >= entry.maximum - 1e-4


def test_every_entry_looks_different():
    looks = [(entry.color, entry.dash) for entry in ENTRIES if entry.elementwise]
    assert len(set(looks)) == len(looks)
    for entry in ENTRIES:
        assert entry.style["label"] == entry.name and entry.dash in activations.LINE_STYLES


def test_the_table_has_one_row_for_each_and_no_stray_bar():
    lines = activations.table().splitlines()
    assert len(lines) == len(ENTRIES) + 2
    assert {line.count("|") for line in lines} == {8}
    assert len(activations.table(["relu", "tanh"]).splitlines()) == 4


def test_an_unknown_name_is_refused_with_the_list_of_names():
    with pytest.raises(KeyError, match="leaky_relu"):
        activations.get("rleu")
