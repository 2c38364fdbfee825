"""Controls: their grids, their starts and their messages."""

from __future__ import annotations

import pytest

from course_utils.explore import Choice, LogSlider, Slider, Toggle
from course_utils.explore.controls import format_value


def test_slider_values_are_the_numbers_one_would_write():
    assert Slider("w", -0.3, 0.3, 0.1).values == [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]
    assert str(Slider("w", -0.3, 0.3, 0.1).values[3]) == "0.0"


def test_slider_of_integers_gives_integers():
    depth = Slider("depth", 1, 5, 2, start=3)
    assert depth.values == [1, 3, 5]
    assert all(type(value) is int for value in depth.values)


def test_log_slider_hits_the_powers_of_ten():
    rate = LogSlider("rate", 1e-3, 1, 13, start=0.1)
    assert rate.values[::4] == [1e-3, 1e-2, 0.1, 1.0]
    assert rate.start == 0.1


def test_starts_default_to_the_first_value():
    assert Slider("w", 2, 3, 1).start == 2
    assert LogSlider("w", 2, 8, 3).start == 2
    assert Choice("w", ["a", "b"]).start == "a"
    assert Toggle("w").start is False


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Slider("w", -2, 2, 0.5, start=0.7),
            "w: 0.7 is not on the grid.*nearest values are 0.5 and 1",
        ),
        (lambda: Slider("w", -2, 2, 0.5, start="a"), "takes numbers from -2 to 2"),
        (lambda: Slider("w", -2, 2, 0.3), "not whole steps"),
        (lambda: Slider("w", 2, -2, 0.5), "low < high"),
        (lambda: Slider("w", 0, 1, 0), "step > 0"),
        (
            lambda: LogSlider("r", 1e-3, 1, 12, start=0.1),
            "nearest values are 0.0811131 and 0.151991",
        ),
        (lambda: LogSlider("r", 0, 1, 12), "0 < low < high"),
        (lambda: LogSlider("r", 1, 2, 1), "count of 2 or more"),
        (
            lambda: Choice("gate", ["AND", "OR"], start="XOR"),
            "'XOR' is not on the grid; choose one of 'AND', 'OR'",
        ),
        (lambda: Choice("gate", ["AND"]), "two or more"),
        (lambda: Choice("gate", ["AND", "AND"]), "different options"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_toggle_is_not_the_number_one():
    with pytest.raises(ValueError, match="not on the grid"):
        Toggle("t").index_of(1)
    with pytest.raises(ValueError, match="not on the grid"):
        Slider("w", 0, 1, 1).index_of(True)


def test_texts():
    values = [True, 3, -0.5, 1e-5, 123456.0, "AND"]
    assert [format_value(v) for v in values] == ["on", "3", "-0.5", "1e-05", "1.235e+05", "AND"]


def test_description_for_the_browser():
    described = Slider("w", 0, 1, 0.5, start=0.5).describe()
    assert described == dict(
        kind="slider", label="w", start=1, texts=["0", "0.5", "1"], numbers=[0.0, 0.5, 1.0]
    )
