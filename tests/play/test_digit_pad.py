"""The drawing pad without a browser: readings, messages, faults, and what a notebook gets."""

from __future__ import annotations

import base64
import json
import re

import pytest
import torch
from torch import nn

from course_utils import play
from course_utils.play.faults import Fault

pytestmark = pytest.mark.usefixtures("unchanged_randomness")


def nearest_mean(digits) -> nn.Linear:
    """A classifier that needs no training: the class whose mean picture is nearest."""
    model = nn.Linear(784, 10)
    means = torch.stack([digits.train.flat()[digits.train.labels == k].mean(0) for k in range(10)])
    with torch.no_grad():
        model.weight.copy_(means)
        model.bias.copy_(-0.5 * means.square().sum(1))
    return model


@pytest.fixture(scope="module")
def classifier(digits):
    with torch.random.fork_rng():
        return nearest_mean(digits)


@pytest.fixture(scope="module")
def pad(classifier, digits):
    return play.draw_digit(classifier, digits.train)


def test_prepared_digits_are_read(pad):
    readings = {name: pad.read(play.sample_strokes(name)) for name in "0123456789"}
    right = [name for name, reading in readings.items() if reading.prediction == int(name)]
    assert len(right) >= 8, right
    three = readings["3"]
    assert three.prediction == 3
    assert three.probabilities.shape == (10,)
    assert abs(float(three.probabilities.sum()) - 1) < 1e-5
    assert not three.unlike
    assert len(three.nearest) == 5
    index, label, distance = three.nearest[0]
    assert label == 3
    assert distance == three.distance
    assert torch.isclose(
        (pad.familiarity.images[index] - three.image).norm(), torch.tensor(distance)
    )


def test_a_scribble_is_unlike_and_says_so(pad):
    reading = pad.read(play.sample_strokes("scribble"))
    assert reading.unlike
    assert "Unlike the training digits: 99" in reading.familiarity
    assert "Do not trust" in reading.familiarity


def test_the_percentile_decides_what_is_unlike(pad, classifier, digits):
    strict = play.draw_digit(classifier, digits.train, percentile=60)
    words = set()
    for image in digits.test.images[:60]:
        usual, suspected = pad.read_image(image), strict.read_image(image)
        assert usual.percentile == suspected.percentile
        assert usual.unlike == (usual.percentile > 99)
        assert suspected.unlike == (usual.percentile > 60)
        if not usual.unlike:
            word = usual.familiarity.split(":")[0]
            assert word == ("Unusual" if usual.percentile > 90 else "Familiar")
            words.add(word)
    assert words == {"Unusual", "Familiar"}, "the test pictures hold too few kinds"


def test_places_in_many_examples_are_those_of_the_learner(classifier):
    images = torch.rand(10_050, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(10_050) % 10
    pad = play.draw_digit(classifier, (images, labels))
    assert pad.read_image(images[10_049]).nearest[0] == (10_049, 9, 0.0)
    answer = pad._message(pad.read_image(images[10_049]))
    assert answer.data[:784] == answer.data[784 : 2 * 784], "the picture is not the neighbor's"


def test_an_empty_pad_is_not_read(pad):
    reading = pad.read([])
    assert reading.empty and reading.image is None
    assert reading.guess.startswith("The pad is empty")
    assert pad.read_image(torch.zeros(28, 28)).empty


def test_nothing_of_the_model_changes(digits):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.normal = nn.BatchNorm1d(784)
            self.drop = nn.Dropout(0.5)
            self.out = nn.Linear(784, 10)

        def forward(self, x):
            return self.out(self.drop(self.normal(x))) + torch.rand(())

    with torch.random.fork_rng():
        model = Noisy().train()
    model.drop.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pad = play.draw_digit(model, digits.train)
    assert not pad.read(play.sample_strokes("3")).probabilities.requires_grad
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training and model.normal.training and not model.drop.training
    assert all(p.grad is None for p in model.parameters())


def test_preprocess_is_borrowed_and_may_work_in_place(classifier, digits):
    drop = nn.Sequential(nn.Flatten(), nn.Dropout(0.5)).train()
    pad = play.draw_digit(classifier, digits.train, preprocess=drop)
    three = play.sample_strokes("3")
    one, two = pad.read(three), play.draw_digit(classifier, digits.train).read(three)
    assert torch.equal(one.probabilities, two.probabilities), "dropout is active"
    assert drop.training and drop[1].training
    spoiled = play.draw_digit(
        classifier, digits.train, preprocess=lambda x: x.zero_().flatten(1)
    ).read(three)
    assert torch.equal(spoiled.image, one.image)


def test_the_drawing_goes_where_the_model_is(digits):
    class Elsewhere(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.seen = nn.Parameter(torch.zeros(1, device="meta")), set()

        def forward(self, x):
            self.seen.add(x.device.type)
            return torch.zeros(1, 10)

    model = Elsewhere()
    play.draw_digit(model, digits.train).read(play.sample_strokes("1"))
    assert model.seen == {"meta"}


@pytest.mark.parametrize(
    ("shares", "guess"),
    [
        ((0.02, 0.9, 0.08), "The model says 1 (90%), then 2 (8%)."),
        ((0.997, 0.002, 0.001), "The model says 0 (99.7%)."),
        ((0.9999, 0.0001, 0.0), "The model says 0 (100%)."),
        ((0.003, 0.0, 0.997), "The model says 2 (99.7%)."),
    ],
)
def test_a_guess_says_how_sure_the_model_is(shares, guess):
    probabilities = torch.tensor(shares)
    reading = play.Reading(False, None, probabilities, int(probabilities.argmax()))
    assert reading.guess == guess


def test_a_picture_of_another_size_is_refused(pad):
    with pytest.raises(ValueError, match=r"shape \(28, 28\), not \(1, 28, 28\)"):
        pad.read_image(torch.ones(1, 28, 28))


def test_preprocess_makes_the_input(digits):
    seen = []

    class Net(nn.Module):
        def forward(self, x):
            seen.append(x)
            return torch.zeros(1, 10)

    pad = play.draw_digit(Net(), digits.train, preprocess=lambda x: x.unsqueeze(1) - 0.5)
    pad.read(play.sample_strokes("1"))
    assert seen[0].shape == (1, 1, 28, 28) and seen[0].min() == -0.5
    play.draw_digit(Net(), digits.train).read(play.sample_strokes("1"))
    assert seen[1].shape == (1, 784)


class Broken(nn.Module):
    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        if self.output is None:
            return x @ torch.zeros(3, 10)  # the faulty line
        return self.output


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "RuntimeError.*the faulty line"),
        (torch.zeros(10), r"logits of shape \(1, C\).*\(10,\)"),
        (torch.zeros(1, 1), r"returned \(1, 1\)"),
        (torch.full((1, 10), torch.nan), "not finite"),
        ([1, 2], "returned list"),
    ],
)
def test_a_fault_of_the_model_is_told_with_its_line(digits, output, message):
    pad = play.draw_digit(Broken(output), digits.train)
    answer = pad.handle({"kind": "strokes", "strokes": play.sample_strokes("3")})
    assert answer.header["kind"] == "fault"
    assert re.search(message, answer.header["text"]), answer.header["text"]
    with pytest.raises((Fault, RuntimeError)):
        pad.read(play.sample_strokes("3"))
    assert pad.storyboard_png().startswith(b"\x89PNG")
    assert "fault" in pad.to_html()


def test_an_answer_is_small_and_holds_the_pictures(pad):
    answer = pad.handle({"kind": "strokes", "strokes": play.sample_strokes("8")})
    assert len(answer.data) == 6 * 784
    assert len(json.dumps(answer.header)) < 2000
    assert max(answer.data[:784]) == 255
    assert answer.header["nearest"][0][1] <= answer.header["nearest"][4][1]
    assert pad.handle({"kind": "hello"}).header["kind"] == "ready"
    refused = pad.handle({"kind": "strokes", "strokes": [[[9, 9]]]})
    assert "leaves the pad" in refused.header["text"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(model=nn.Linear), TypeError, "got Linear"),
        (dict(examples=[1]), TypeError, "Split"),
        (dict(examples=(torch.rand(9, 14, 14), torch.zeros(9))), ValueError, r"\(N, 28, 28\)"),
        (dict(examples=(torch.rand(9, 28, 28), torch.zeros(8))), ValueError, "9 images"),
        (dict(examples=(torch.rand(3, 28, 28), torch.zeros(3))), ValueError, "at least 6"),
        (dict(examples=(9 * torch.rand(9, 28, 28), torch.zeros(9))), ValueError, "Standardize"),
        (dict(examples=(torch.rand(9, 28, 28) - 1, torch.zeros(9))), ValueError, "Standardize"),
        (dict(examples=([1], [2])), TypeError, "must be tensors"),
        (dict(preprocess=3), TypeError, "preprocess"),
        (dict(percentile=100), ValueError, "percentile"),
    ],
)
def test_wrong_arguments_are_named(change, error, message, digits):
    with torch.random.fork_rng():
        values = dict(model=nn.Linear(784, 10), examples=digits.train) | change
    with pytest.raises(error, match=message):
        play.draw_digit(values.pop("model"), values.pop("examples"), **values)


def test_flat_and_channeled_examples_are_taken(digits, classifier):
    images, labels = digits.train
    for form in (images.flatten(1), images.unsqueeze(1)):
        pad = play.draw_digit(classifier, (form, labels))
        assert pad.read(play.sample_strokes("3")).nearest[0][1] == 3


def test_a_notebook_gets_text_picture_and_widget(pad):
    data, metadata = pad._repr_mimebundle_()
    assert data["text/plain"].startswith("Drawing pad: Draw a digit.")
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in data
    assert metadata["image/png"]["alt"] == pad.alt


def test_the_storyboard_is_the_same_at_each_drawing(classifier, digits, pad):
    again = play.draw_digit(classifier, digits.train)
    assert again.storyboard_png() == pad.storyboard_png()


def test_the_recording_holds_every_stage(pad):
    recording = pad.recording()
    assert len(recording) == 36
    frames = recording.describe()["frames"]
    assert [f["start"] for f in frames[1:]] == [f["start"] + f["length"] for f in frames[:-1]]
    assert frames[-1]["start"] + frames[-1]["length"] == len(recording.data)
    assert len(recording.data) < 500_000
    sizes = [sum(map(len, frame["header"]["strokes"])) for frame in frames[:9]]
    assert sizes == sorted(sizes)
    held = [k for k, frame in enumerate(frames) if frame["header"].get("hold")]
    assert held == [8, 17, 26, 35], "a finished drawing stands still for a moment"
    points = [xy for frame in frames for stroke in frame["header"]["strokes"] for xy in stroke]
    assert all(value == round(value, 3) for xy in points for value in xy)
