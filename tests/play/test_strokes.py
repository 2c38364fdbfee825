"""Drawings become pictures as those of MNIST did."""

from __future__ import annotations

import math

import pytest
import torch

from course_utils.play import SAMPLES, nearest_distances, rasterize, sample_strokes
from course_utils.play.familiarity import Familiarity
from course_utils.play.strokes import MAX_POINTS

DIGITS = "0123456789"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_drawing_fills_the_box_and_is_centered_by_its_mass(name):
    image = rasterize(sample_strokes(name))
    assert image.shape == (28, 28)
    assert image.dtype == torch.float32
    assert image.min() >= 0 and image.max() <= 1
    rows, columns = (image.sum(k).nonzero().flatten() for k in (1, 0))
    sides = [int(side.max() - side.min()) + 1 for side in (rows, columns)]
    assert max(sides) == 20
    place = torch.arange(28.0)
    for axis in (0, 1):
        middle = (image.sum(1 - axis) * place).sum() / image.sum()
        assert abs(float(middle) - 13.5) <= 0.51


def moved(strokes, scale=1.0, x=0.0, y=0.0):
    return [[(px * scale + x, py * scale + y) for px, py in stroke] for stroke in strokes]


def test_the_place_of_a_drawing_does_not_matter():
    three = sample_strokes("3")
    left = rasterize(moved(three, x=-0.2))
    right = rasterize(moved(three, x=0.2, y=0.05))
    assert (left - right).norm() < 0.25 * left.norm()


def test_a_small_drawing_is_enlarged():
    small = rasterize(moved(sample_strokes("0"), scale=0.4, x=0.3, y=0.3))
    rows = small.sum(1).nonzero().flatten()
    assert rows.max() - rows.min() + 1 == 20


def test_a_line_keeps_its_shape():
    image = rasterize([[(0.5, 0.1), (0.5, 0.9)]])
    assert int((image.sum(0) > 0).sum()) <= 4, "an upright line has become broad"
    assert int((image.sum(1) > 0).sum()) == 20


def test_a_dot_is_ink_and_nothing_is_not():
    assert rasterize([[(0.5, 0.5)]]).sum() > 0
    for nothing in ([], [[]]):
        assert rasterize(nothing).sum() == 0


def test_the_border_of_the_pad_is_part_of_it():
    image = rasterize([[(0.0, 0.0), (1.0, 1.0)]])
    assert torch.isfinite(image).all() and image.sum() > 10


@pytest.mark.parametrize(
    ("strokes", "message"),
    [
        ([[(0.5, 3.0)]], "leaves the pad"),
        ([[(0.5, math.nan)]], "leaves the pad"),
        ([[0.1, 0.2]], "not a list of points"),
        ([["a"]], "not a list of points"),
        ([[(0.5, 0.5)] * (MAX_POINTS + 1)], "at most"),
    ],
)
def test_what_is_no_drawing_is_refused(strokes, message):
    with pytest.raises(ValueError, match=message):
        rasterize(strokes)


def test_unknown_sample_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no drawing 'cat'.*house"):
        sample_strokes("cat")


# --- familiarity ---------------------------------------------------------------------------------


def test_distances_leave_the_picture_itself_out():
    images = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])
    assert torch.allclose(nearest_distances(images), torch.tensor([5.0, 1.0, 1.0]))
    assert len(nearest_distances(images, max_queries=2)) == 2
    with pytest.raises(ValueError, match="at least two"):
        nearest_distances(images[:1])


def test_distances_agree_with_the_definition(digits):
    images = digits.train.images[:300]
    wanted = torch.cdist(images.flatten(1), images.flatten(1)).fill_diagonal_(torch.inf)
    assert torch.allclose(nearest_distances(images), wanted.min(1).values, atol=1e-3)


def test_nearest_examples_are_sorted_and_exact(digits):
    familiar = Familiarity(*digits.train)
    query = digits.test.images[0]
    places, distances = familiar.nearest(query)
    exact = (familiar.images - query).flatten(1).norm(dim=1)
    assert distances == sorted(distances)
    assert torch.allclose(torch.tensor(distances), exact[places])
    assert abs(distances[0] - float(exact.min())) < 1e-5


def test_percentiles_are_calibrated(digits):
    """Fresh digits exceed the 99th percentile rarely, prepared scribbles do."""
    familiar = Familiarity(*digits.train)
    levels = [
        familiar.percentile(familiar.nearest(image)[1][0]) for image in digits.validation.images
    ]
    alarms = sum(level > 99 for level in levels) / len(levels)
    assert alarms < 0.05
    assert 35 < sorted(levels)[len(levels) // 2] < 65
    for name in ("star", "scribble"):
        distance = familiar.nearest(rasterize(sample_strokes(name)))[1][0]
        assert familiar.percentile(distance) > 99
    for name in DIGITS:
        distance = familiar.nearest(rasterize(sample_strokes(name)))[1][0]
        assert familiar.percentile(distance) < 90


def test_many_examples_are_thinned_evenly():
    images = torch.rand(10_050, 2, 2)
    familiar = Familiarity(images, torch.arange(10_050))
    assert len(familiar.images) == 10_000
    assert int(familiar.labels[-1]) == 10_049
