"""Every unit test starts from the same global state and leaves none behind."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import random

import matplotlib
import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _restore_globals():
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    with matplotlib.rc_context():
        yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
