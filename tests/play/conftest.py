"""What the tests of the live tools share."""

from __future__ import annotations

import pytest
import torch

from course_utils import data


@pytest.fixture(scope="session")
def digits() -> data.Digits:
    return data.mnist_5k()


@pytest.fixture
def unchanged_randomness():
    """Fails a test that changes torch's global random state."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "the notebook's random state has changed"
