"""Exercises of lessons 3.3 to 3.5: answers outside their catalogues get no false diagnosis."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_utils.exercises import Status, architectures, initialization, losses


class PooledShortcut(architectures.ResidualBlock):
    """Average pooling in front of the 1×1 convolution, instead of its stride."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1:
            pool = nn.AvgPool2d(stride)
            self.shortcut = nn.Sequential(pool, nn.Conv2d(in_channels, out_channels, 1))


def test_a_pooled_shortcut_is_not_called_a_projection_without_stride():
    verdict = architectures.residual_block.check(PooledShortcut)
    assert not verdict.passed and verdict.misconception is None


class MadeInForward(nn.Module):
    def __init__(self, in_channels, plan):
        super().__init__()
        self.in_channels, self.plan = in_channels, plan

    def forward(self, x):
        convs = [nn.Conv2d(self.in_channels, c, k, padding=k // 2) for k, c in self.plan.items()]
        return torch.cat([conv(x) for conv in convs], dim=1)


def test_layers_made_in_forward_are_told_so():
    verdict = architectures.branches.check(MadeInForward)
    assert not verdict.passed and "new each time" in verdict.message


class ManyMaps(architectures.Branches):
    def forward(self, x):
        return [conv(x) for conv in self.convs]


def test_a_list_of_maps_is_told_as_a_list():
    verdict = architectures.branches.check(ManyMaps)
    assert verdict.status is Status.INVALID and "returned a list" in verdict.message


@pytest.mark.parametrize(
    ("exercise", "instance"),
    [
        (architectures.simple_net, architectures.build_simple_net()),
        (architectures.residual_block, architectures.ResidualBlock(2, 2)),
    ],
    ids=["network", "block"],
)
def test_an_instance_is_told_to_pass_the_maker(exercise, instance):
    verdict = exercise.check(instance)
    assert verdict.status is Status.INVALID and "without calling it" in verdict.message


def test_a_recursion_may_end_at_two_sizes():
    def count(sizes):
        last = (sizes[-2] + 1) * sizes[-1]
        return last if len(sizes) == 2 else last + count(sizes[:-1])

    assert architectures.parameter_count.check(count).passed


def test_one_tensor_is_not_two():
    def only_classes(logits, threshold):
        return architectures.early_exit(logits, threshold)[0]

    verdict = architectures.exit_rule.check(only_classes)
    assert verdict.status is Status.INVALID and "two tensors" in verdict.message


def test_a_bias_that_was_not_there_is_no_missing_return():
    def adds_a_bias(module):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight)
            module.bias = nn.Parameter(torch.zeros(module.weight.shape[0]))

    verdict = initialization.init_exercise.check(adds_a_bias)
    assert not verdict.passed and "return" not in verdict.message


def test_children_alone_are_not_the_module_itself():
    def children_only(module):
        for child in module.children():
            initialization.init_weights(child)

    assert not initialization.init_exercise.check(children_only).passed


def test_a_bias_that_is_nearly_zero_is_not_zero():
    def nearly(module):
        initialization.init_weights(module)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.constant_(module.bias, 1e-3)

    assert not initialization.init_exercise.check(nearly).passed


def test_a_forget_gate_in_single_precision_is_refused():
    def single(lstm, value):
        initialization.set_forget_bias(lstm.float(), value)

    assert not initialization.forget_exercise.check(single).passed


def test_a_parameter_that_takes_no_part_is_told_by_its_gradient():
    def no_bias(model, x, y):
        return ((model.weight[0, 0] * x - y) ** 2).mean()

    verdict = losses.broadcast_exercise.check(no_bias)
    assert verdict.status is Status.WRONG_VALUE


def test_a_used_up_graph_is_told():
    def steps(model, x, y):
        loss = losses.line_loss(model, x, y)
        loss.backward()
        return loss

    verdict = losses.broadcast_exercise.check(steps)
    assert verdict.status is Status.INVALID and "backward()" in verdict.message


def test_a_list_without_errors_is_no_trap():
    def loop(error, delta=1.0):
        one = [
            0.5 * e**2 if abs(e) <= delta else delta * (abs(e) - delta / 2) for e in error.ravel()
        ]
        return torch.stack(one).reshape(error.shape)

    assert losses.huber_exercise.check(loop).passed


def test_demand_changed_in_place_is_damage():
    def changed(planned, demand):
        demand -= planned
        return torch.maximum(4 * demand, -demand).mean()

    assert losses.cost_exercise.check(changed).status is Status.DAMAGED_INPUTS
