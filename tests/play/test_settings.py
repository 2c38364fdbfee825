"""Settings and the state string."""

from __future__ import annotations

import random

import pytest

from course_utils.play.problems import DATA, FEATURES, LOSSES
from course_utils.play.settings import ACTIVATIONS, OPTIMIZERS, Settings, StateError


def some_settings(count: int):
    draw = random.Random(0)
    for _ in range(count):
        data = draw.choice(list(DATA))
        yield Settings().changed(
            data=data,
            noise=round(draw.uniform(0, 0.5), 3),
            features=draw.sample(list(FEATURES), draw.randint(1, 7)),
            hidden=[draw.randint(1, 8) for _ in range(draw.randint(0, 4))],
            activation=draw.choice(list(ACTIVATIONS)),
            loss=draw.choice(list(LOSSES[DATA[data].kind])),
            optimizer=draw.choice(list(OPTIMIZERS)),
            lr=draw.choice([1e-5, 0.003, 0.1, 10]),
            l1=draw.choice([0, 1e-4]),
            l2=draw.choice([0, 0.3]),
            dropout=draw.choice([0, 0.25]),
            batch=draw.randint(1, 200),
            seed=draw.randint(0, 9999),
        )


def test_the_state_string_goes_there_and_back():
    for settings in some_settings(200):
        text = settings.to_string()
        assert Settings().changed(**Settings.parse(text)) == settings
        assert " " not in text and len(text) < 300


def test_a_part_of_a_state_is_enough():
    assert Settings.parse("hidden=4&lr=0.3") == {"hidden": (4,), "lr": 0.3}
    assert Settings.parse(" hidden= ") == {"hidden": ()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The state is empty"),
        ("hello", "'hello' is not a state"),
        ("data=moons&&lr", "is not a state"),
        ("data=cats", "data: 'cats' is not one of moons, circles"),
        ("colour=red", "no setting 'colour'. There are data"),
        ("lr=fast", "lr: 'fast' is not a number"),
        ("lr=nan", "lr: nan is not between"),
        ("lr=100", "lr: 100 is not between 1e-05 and 10"),
        ("hidden=4,9", "hidden: 9 is not between 1 and 8"),
        ("hidden=1,1,1,1,1", "5 layers are too many, 4 at most"),
        ("hidden=2.5", "hidden: 2.5 is not a whole number"),
        ("features=", "features: '' is not one of x1"),
        ("features=x3", "features: 'x3' is not one of x1"),
        ("batch=0", "batch: 0 is not between"),
        ("lr=0.1&lr=0.2", "lr stands twice"),
    ],
)
def test_a_bad_state_is_explained(text, message):
    with pytest.raises(StateError) as caught:
        Settings.parse(text)
    assert message in str(caught.value)


def test_there_is_one_way_to_write_a_network():
    """So that two boards with the same inputs have the same state and the same weights."""
    mixed = Settings().changed(features=["sin1", "x2", "x1"], hidden=4)
    assert mixed == Settings().changed(features="x1,x2,sin1", hidden=(4,))


def test_the_loss_gives_way_to_the_data():
    assert Settings().changed(data="waves").loss == "squared-error"
    assert Settings().changed(data="waves").changed(data="moons").loss == "squared-error"
    with pytest.raises(StateError, match="waves can be learned with"):
        Settings().changed(data="waves", loss="hinge")
