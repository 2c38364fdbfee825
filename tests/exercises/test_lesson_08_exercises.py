"""What lesson 3.8's checker of augmentations says, and what it does not say."""

from __future__ import annotations

import pytest
from torchvision.transforms import v2

from course_utils.exercises import regularization


def said(build) -> tuple[bool, str]:
    verdict = regularization.augmentation_exercise.check(build)
    return verdict.passed, " ".join(verdict.message.split())


@pytest.mark.parametrize("smallest", [0.08, 0.2, 0.3])
def test_a_crop_is_called_a_crop(smallest):
    passed, words = said(lambda: v2.RandomResizedCrop(28, scale=(smallest, 1.0)))
    assert not passed
    assert "too large" in words or "enlarged" in words
    assert not any(other in words for other in ("mirror", "turned", "negative"))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: v2.RandomVerticalFlip(), "Some views are mirrored"),
        (
            lambda: v2.Compose(
                [v2.RandomHorizontalFlip(0.2), v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1))]
            ),
            "Some views are mirrored",
        ),
        (lambda: v2.RandomRotation(60), "turned by 45 degrees or more"),
        (lambda: v2.RandomErasing(p=1.0, scale=(0.3, 0.6)), "lose much of the digit"),
    ],
)
def test_what_happened_is_named_and_nothing_else(build, words):
    passed, message = said(build)
    assert not passed and words in message
    others = {"mirrored", "turned by", "too large", "enlarged"}
    assert not [other for other in others if other in message and other not in words]


@pytest.mark.parametrize(
    "build",
    [
        lambda: v2.RandomResizedCrop(28, scale=(0.8, 1.0)),
        lambda: v2.RandomCrop(28, padding=2),
        lambda: v2.ElasticTransform(alpha=30.0, sigma=4.0),
        lambda: v2.RandomAffine(0, shear=20),
        lambda: v2.RandomPerspective(0.3, p=1.0),
        lambda: v2.GaussianBlur(3),
    ],
)
def test_gentle_changes_pass(build):
    passed, message = said(build)
    assert passed, message
