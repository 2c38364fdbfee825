"""Lesson 3.9's exercises tell apart mistakes that give the same numbers on easy inputs."""

from __future__ import annotations

import pytest
import torch

from course_utils.exercises import Status, optimizers


def in_double(H):
    return 2 / torch.linalg.eigvalsh(H.double()).max()


def test_a_rate_in_double_precision_is_right():
    assert optimizers.stable_rate.check(in_double).passed


def test_the_largest_sum_of_a_row_is_not_called_an_absolute_eigenvalue():
    verdict = optimizers.stable_rate.check(lambda H: 2 / H.abs().sum(dim=1).max())
    assert verdict.status is Status.WRONG_VALUE, verdict.message


def test_the_largest_entry_is_not_called_the_diagonal():
    verdict = optimizers.stable_rate.check(lambda H: 2 / H.max())
    assert verdict.misconception == "the largest entry", verdict.message


def test_a_constant_is_told_by_its_value():
    verdict = optimizers.stable_rate.check(lambda H: torch.tensor(0.1))
    assert verdict.status is Status.WRONG_VALUE, verdict.message


def test_a_decay_of_the_step_is_not_called_l1():
    verdict = optimizers.decay_exercise.check(
        lambda w, step, lr, decay: w - lr * (step * (1 + decay * w))
    )
    assert verdict.status is Status.WRONG_VALUE, verdict.message


def test_other_libraries_velocity_is_recognized():
    def momentum_step(w, g, v, lr, mu):
        v = v.mul(mu).sub(g, alpha=lr)
        return w + v, v

    verdict = optimizers.momentum_exercise.check(momentum_step)
    assert verdict.misconception == "a velocity that points downhill", verdict.message


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_a_number_of_bytes_is_finite(answer):
    verdict = optimizers.state_bytes.check(answer)
    assert verdict.status is Status.INVALID
    assert "finite" in verdict.message


def test_mebibytes_are_recognized():
    assert optimizers.state_bytes.check(76.29).misconception == "mebibytes"
