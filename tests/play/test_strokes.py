"""Drawings become pictures as those of MNIST did."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from course_utils.play import SAMPLES, nearest_distances, rasterize, sample_strokes
from course_utils.play.familiarity import Familiarity
from course_utils.play.strokes import MAX_POINTS, center, ink

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


def test_a_drawing_that_is_heavy_at_one_end_stays_whole():
    """Its center of mass cannot come to the middle without a part outside of the picture."""
    flag = [[(0.5, 0.0), (0.5, 1.0)], *[[(0.1, y), (0.9, y)] for y in (0.8, 0.85, 0.9, 0.95)]]
    for strokes in (flag, [[(x, 1 - y) for x, y in stroke] for stroke in flag]):
        image = rasterize(strokes)
        rows = image.sum(1).nonzero().flatten()
        assert rows.max() - rows.min() + 1 == 20
        assert rows.min() == 0 or rows.max() == 27


def test_the_finest_line_is_not_lost():
    canvas = np.zeros((112, 112))
    canvas[:, 50] = 1.0
    assert center(canvas).sum() > 0


def test_a_dot_is_ink_and_nothing_is_not():
    assert rasterize([[(0.5, 0.5)]]).sum() > 0
    for nothing in ([], [[]]):
        assert rasterize(nothing).sum() == 0


def test_the_pen_is_round_and_its_border_soft():
    canvas = ink([np.array([[0.3, 0.5], [0.7, 0.5]])])  # 4.5 pixels to each side of row 55.5
    assert canvas[59, 70] == 1, "beside the line"
    assert canvas[59, 82] == 0, "beyond its end, at the corner of a square cap"
    assert ((canvas > 0) & (canvas < 1)).any()


def test_pieces_that_touch_are_one_stroke():
    assert [len(sample_strokes(name)) for name in ("0", "1", "4", "8", "star")] == [1, 1, 2, 1, 1]


def test_the_border_of_the_pad_is_part_of_it():
    image = rasterize([[(0.0, 0.0), (1.0, 1.0)]])
    assert torch.isfinite(image).all() and image.sum() > 10
    assert rasterize([[(1.3, 0.5), (1.5, 0.5)], [(-0.4, -0.4)]]).sum() == 0, "beside the pad"


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
    images = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0], [10.0, 5.0]])
    assert torch.allclose(nearest_distances(images), torch.tensor([5.0, 1.0, 1.0, 7.0]))
    assert torch.allclose(nearest_distances(images, max_queries=2), torch.tensor([5.0, 7.0]))
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


def test_a_copy_lies_at_distance_zero(digits):
    images, labels = digits.train.images[:200], digits.train.labels[:200]
    familiar = Familiarity(images, labels)
    for place in range(0, 200, 10):
        places, distances = familiar.nearest(images[place])
        assert (places[0], distances[0]) == (place, 0.0)
    twice = nearest_distances(torch.cat([images, images]))
    assert (twice < 0.02).all(), "a rounding error has become a distance, or not a number"


def test_neighbors_that_hardly_differ_are_sorted_by_subtraction():
    draw = torch.Generator().manual_seed(0)
    middle = torch.rand(28, 28, generator=draw)
    shift = torch.randn(28, 28, generator=draw)
    sizes = [5, 3, 1, 4, 2]
    familiar = Familiarity(torch.stack([middle + 1e-5 * k * shift for k in sizes]), torch.arange(5))
    places, distances = familiar.nearest(middle)
    assert [sizes[place] for place in places] == [1, 2, 3, 4, 5]
    assert distances == sorted(distances)


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
