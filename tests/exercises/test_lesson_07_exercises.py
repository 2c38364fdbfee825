"""Answers to lesson 3.7's exercises that its catalogue does not list."""

from __future__ import annotations

from torch import nn

from course_utils.exercises import debugging


def _watching(count):
    def dead_units(model, x):
        found, handles = {}, []
        for name, module in model.named_modules():
            if isinstance(module, nn.ReLU):

                def hook(module, inputs, output, name=name):
                    found[name] = int(count(inputs[0], output))

                handles.append(module.register_forward_hook(hook))
        model(x)
        for handle in handles:
            handle.remove()
        return found

    return dead_units


def test_what_goes_into_a_relu_tells_as_well():
    assert debugging.dead_hook.check(_watching(lambda x, _: (x <= 0).all(dim=0).sum())).passed


def test_a_unit_that_is_hardly_awake_is_not_dead():
    small = _watching(lambda _, out: (out.mean(dim=0) < 1e-3).sum())
    assert not debugging.dead_hook.check(small).passed
