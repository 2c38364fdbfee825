"""What each kind of answer is told."""

import functools
import re

import numpy as np
import pytest
import torch
from exercise_samples import (
    W,
    X,
    by_loop,
    gate_exercise,
    predict,
    predict_exercise,
    probability,
    said,
    square,
    square_exercise,
    square_no_gradient,
    strict,
    transposed,
)
from torch import nn

from course_utils.exercises import AnswerError, FunctionExercise, Misconception, Probe, Status
from course_utils.exercises.engine.state import preserved

HEAD = "01.2 Predict without a loop:"


class Callable:
    def __call__(self, X, w, b):
        return predict(X, w, b)


class Layer(nn.Module):
    def forward(self, X, w, b):
        return predict(X, w, b)


def in_place_on_a_copy(X, w, b):
    z = (X @ w).clone()
    z += b
    return z.ge_(0)


def optional(X, w, b=0.0, *, threshold=0.0):
    return (X @ w + b >= threshold).float()


RIGHT = {
    "vectorized": predict,
    "loop": by_loop,
    "in place on a copy": in_place_on_a_copy,
    "lambda": lambda X, w, b: ((X @ w + b) >= 0).to(X.dtype),
    "object": Callable(),
    "module": Layer(),
    "partial": functools.partial(optional, threshold=0.0),
    "optional parameters": optional,
    "bound method": Callable().__call__,
    "other names": lambda batch, weights, bias: predict(batch, weights, bias),
}


@pytest.mark.parametrize("answer", RIGHT.values(), ids=RIGHT)
def test_any_right_answer_is_right(answer, capsys):
    verdict = said(capsys, predict_exercise(), answer)
    assert verdict.status is Status.CORRECT
    assert verdict.message == f"✓ {HEAD} correct."


def test_keyword_arguments_are_passed_as_keywords(capsys):
    exercise = predict_exercise(
        probes=(Probe("by name", lambda: ((X, W), {"b": -1.0})),), misconceptions=()
    )
    assert said(capsys, exercise, lambda X, w, *, b: predict(X, w, b)).passed
    assert not said(capsys, exercise, lambda X, w, bias: predict(X, w, bias)).passed


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (strict, "On the line the neuron fires: use >=."),
        (probability, "That is a probability, not a decision."),
        (transposed, "The batch comes first: X @ w."),
    ],
)
def test_a_misconception_is_recognized_by_what_it_does(answer, message, capsys):
    def rewritten(X, w, b):
        result = answer(X, w, b)
        return result + 0

    verdict = said(capsys, predict_exercise(), rewritten)
    assert verdict.status is Status.MISCONCEPTION
    assert verdict.message == f"✗ {HEAD} not yet.\n  {message}"


def test_a_misconception_that_raises_needs_the_same_exception(capsys):
    def other(X, w, b):
        raise KeyError("w")

    assert said(capsys, predict_exercise(), other).status is Status.RAISED


def test_failing_everywhere_like_a_misconception_is_not_enough(capsys):
    def elsewhere(X, w, b):
        raise RuntimeError("something else")

    assert said(capsys, predict_exercise(), elsewhere).status is Status.RAISED


def test_a_misconception_must_agree_on_all_probes(capsys):
    def strict_but_on_an_empty_batch(X, w, b):
        return strict(X, w, b) if len(X) else torch.ones(1)

    verdict = said(capsys, predict_exercise(), strict_but_on_an_empty_batch)
    assert verdict.status is Status.WRONG_SHAPE


def test_wrong_type(capsys):
    verdict = said(capsys, predict_exercise(), lambda X, w, b: predict(X, w, b).tolist())
    assert verdict.status is Status.WRONG_TYPE
    assert f"✗ {HEAD} the result is a list; expected a tensor." in verdict.message
    verdict = said(capsys, predict_exercise(), lambda X, w, b: predict(X, w, b).numpy())
    assert "the result is a NumPy array; expected a tensor." in verdict.message


def test_a_forgotten_return(capsys):
    def forgotten(X, w, b):
        z = X @ w + b
        print(z >= 0)

    verdict = said(capsys, predict_exercise(), forgotten)
    assert verdict.status is Status.WRONG_TYPE
    assert "your function returned None. Did you forget a `return`?" in verdict.message
    assert "print shows a value, return hands it back" in verdict.message


def test_a_forgotten_return_under_observe(capsys):
    exercise = predict_exercise(observe=lambda f, X, w, b: f(X, w, b).sum(), misconceptions=())

    def forgotten(X, w, b):
        X @ w + b

    verdict = said(capsys, exercise, forgotten)
    assert "Did you forget a `return`?" in verdict.message
    verdict = said(capsys, exercise, lambda X, w, b: "fires")
    assert "your function returned a string, which cannot be used here." in verdict.message


def test_wrong_shape(capsys):
    verdict = said(capsys, predict_exercise(), lambda X, w, b: predict(X, w, b)[:, None])
    assert verdict.status is Status.WRONG_SHAPE
    assert verdict.message.splitlines() == [
        f"✗ {HEAD} the shape is not right yet.",
        "  Input “three inputs”: X = tensor([[1., 1., 1.]]), w = tensor([1., 1., 1.]), b = -2.5",
        "  Yours:    shape (1, 1)",
        "  Expected: shape (1,)",
    ]


def test_wrong_dtype_can_be_forgiven(capsys):
    def double(X, w, b):
        return predict(X, w, b).double()

    verdict = said(capsys, predict_exercise(), double)
    assert verdict.status is Status.WRONG_DTYPE
    assert "the result is torch.float64; expected torch.float32." in verdict.message
    assert said(capsys, predict_exercise(check_dtype=False), double).passed


def test_wrong_value_on_the_smallest_failing_probe(capsys):
    verdict = said(capsys, predict_exercise(), lambda X, w, b: predict(X, w, b) * 2)
    assert verdict.status is Status.WRONG_VALUE
    assert verdict.message.splitlines() == [
        f"✗ {HEAD} the values are not right yet.",
        "  Input “three inputs”: X = tensor([[1., 1., 1.]]), w = tensor([1., 1., 1.]), b = -2.5",
        "  Yours:    tensor([2.])",
        "  Expected: tensor([1.])",
    ]
    hidden = said(capsys, predict_exercise(show_expected=False), lambda X, w, b: X[:, 0] + 9)
    assert "Yours:" in hidden.message and "Expected" not in hidden.message


def test_a_large_result_shows_the_first_differing_element(capsys):
    def flipped(x):
        x = x.clone()
        x[3, 1] = 0.5
        return x

    exercise = FunctionExercise(
        "01.9",
        "Copy",
        "Copy.",
        solution=square,
        observe=lambda f, x: f(x),
        probes=(Probe("ones", lambda: torch.ones(100, 3)),),
    )
    verdict = said(capsys, exercise, flipped)
    assert verdict.message.splitlines()[1:] == [
        "  Input “ones”: x = a tensor of shape (100, 3), torch.float32",
        "  element [3, 1] of the result (1 of 300 elements differ):",
        "  Yours:    0.5",
        "  Expected: 1.0",
    ]


def test_wrong_gradient(capsys):
    exercise = square_exercise(misconceptions=())
    verdict = said(capsys, exercise, lambda x: x.detach() ** 2)
    assert verdict.status is Status.WRONG_GRADIENT
    assert verdict.message.splitlines()[1:] == [
        "  Input “one”: x = tensor([2.])",
        "  gradient of output.sum():",
        "  Yours:    tensor([0.])",
        "  Expected: tensor([4.])",
        "  It is zero: was the result detached, rounded, or computed with .data or .item()?",
    ]
    assert said(capsys, exercise, lambda x: x**2).passed
    easy = square_exercise(gradient=False, misconceptions=())
    assert said(capsys, easy, lambda x: x.data**2).passed


def test_a_gradient_that_is_wrong_only_in_parts_is_found(capsys):
    class Sloppy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.softmax(x, 0)

        @staticmethod
        def backward(ctx, g):
            return torch.zeros_like(g)  # right for .sum(), which is always 1

    def softmax(x):
        return torch.softmax(x, 0)

    exercise = square_exercise(solution=softmax, misconceptions=())
    verdict = said(capsys, exercise, lambda x: Sloppy.apply(x))
    assert verdict.status is Status.WRONG_GRADIENT
    assert "gradient of (output * weights).sum()" in verdict.message


def test_a_misconception_that_shows_only_in_the_gradient(capsys):
    verdict = said(capsys, square_exercise(), lambda x: x * x.data)
    assert verdict.misconception == "half the gradient"
    assert said(capsys, square_exercise(), square_no_gradient).status is Status.MISCONCEPTION


def test_damaged_inputs(capsys):
    def damaging(X, w, b):
        result = predict(X, w, b)
        w.add_(1)
        return result

    verdict = said(capsys, predict_exercise(), damaging)
    assert verdict.status is Status.DAMAGED_INPUTS
    assert "your code changes w, which belongs to the caller" in verdict.message
    assert W.tolist() == [1.0, 1.0]
    assert said(capsys, predict_exercise(may_change_inputs=True), damaging).passed


def test_damage_can_be_a_misconception(capsys):
    def damaging(X, w, b):
        result = predict(X, w, b)
        X.zero_()
        return result

    def also_damaging(X, w, b):
        z = predict(X, w, b)
        X.mul_(0)
        return z

    known = Misconception("zeroes X", damaging, "X is not yours.")
    exercise = predict_exercise(misconceptions=(known,))
    assert said(capsys, exercise, also_damaging).misconception == "zeroes X"
    assert said(capsys, exercise, predict).passed


def test_an_input_that_must_be_refused(capsys):
    def careful(X, w, b):
        if X.dim() != 2:
            raise ValueError("X must have two dimensions")
        return predict(X, w, b)

    refuse = Probe("a vector", lambda: (X[0], W, 0.0), raises=ValueError)
    ask = predict_exercise(solution=careful, alternatives=(), name="predict", misconceptions=())
    exercise = predict_exercise(
        solution=careful, probes=(*ask.probes, refuse), misconceptions=(), alternatives=()
    )
    assert said(capsys, exercise, careful).passed
    verdict = said(capsys, exercise, predict)
    assert "this input should raise ValueError, and it did not" in verdict.message


def test_the_order_of_verdicts(capsys):
    def many_faults(X, w, b):
        if len(X) == 0:
            return [1]
        return predict(X, w, b).double()[:, None]

    assert said(capsys, predict_exercise(), many_faults).status is Status.WRONG_TYPE

    def raising_too(X, w, b):
        if len(X) == 1:
            raise IndexError("no")
        return many_faults(X, w, b)

    assert said(capsys, predict_exercise(), raising_too).status is Status.RAISED


def test_a_value_where_a_function_belongs(capsys):
    verdict = said(capsys, predict_exercise(), predict(X, W, 0.0))
    assert verdict.status is Status.WRONG_TYPE
    assert "it is a tensor; expected a function." in verdict.message
    assert "check(predict), without calling it" in verdict.message


def test_a_signature_that_does_not_fit(capsys):
    verdict = said(capsys, predict_exercise(), lambda X, w: X @ w)
    assert verdict.message.splitlines() == [
        f"✗ {HEAD} it cannot be called as it should be.",
        "  The exercise calls predict(X, w, b).",
        "  Yours: predict(X, w)",
    ]


def test_a_remark_on_a_right_answer(capsys):
    exercise = predict_exercise(remark=lambda f: "No loop." if f is predict else None)
    assert said(capsys, exercise, predict).message.endswith("correct.\n  No loop.")
    assert said(capsys, exercise, by_loop).message.endswith("correct.")
    broken = predict_exercise(remark=lambda f: 1 / 0)
    assert said(capsys, broken, predict).passed


def test_a_fault_of_the_course_is_not_the_learners(capsys, progress_file):
    exercise = predict_exercise(probes=(Probe("broken", lambda: 1 / 0),))
    verdict = said(capsys, exercise, predict)
    assert verdict.status is Status.UNCHECKABLE
    assert "The fault is in the course, not in your answer." in verdict.message
    assert not progress_file.exists()
    broken = predict_exercise(solution=transposed, name="predict", alternatives=())
    assert said(capsys, broken, predict).status is Status.UNCHECKABLE


def test_a_module_is_copied_for_each_probe(capsys):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, X, w, b):
            self.calls += 1
            return predict(X, w, b) * self.calls

    module = Counting()
    assert said(capsys, predict_exercise(), module).passed
    assert module.calls == 0


def test_a_class_as_the_answer(capsys):
    class Neuron:
        def __init__(self, w):
            self.w = w

        def fire(self, x):
            return x @ self.w > 0

    exercise = FunctionExercise(
        "01.8",
        "Neuron",
        "Write a class.",
        solution=Neuron,
        observe=lambda cls, w, x: cls(w).fire(x),
        probes=(Probe("one", lambda: (W, X)),),
    )
    assert said(capsys, exercise, Neuron).passed
    assert "expected the class Neuron itself" in said(capsys, exercise, 3).message


def test_values_are_judged_by_what_they_do(capsys):
    exercise = gate_exercise()
    assert said(capsys, exercise, (torch.tensor([1.0, 1.0]), -1.5)).passed
    assert said(capsys, exercise, [torch.tensor([5.0, 5.0]), torch.tensor(-9.0)]).passed
    assert said(capsys, exercise, (torch.ones(2), -0.1)).misconception == "or"
    verdict = said(capsys, exercise, (torch.ones(2), 5.0))
    assert verdict.status is Status.WRONG_VALUE
    assert "Yours:    True" in verdict.message and "Expected: False" in verdict.message
    assert said(capsys, exercise, "and").status is Status.RAISED
    assert said(capsys, exercise, (..., ...)).status is Status.NOT_ATTEMPTED


def test_a_value_can_be_refused_with_a_message(capsys):
    def parse(value):
        if not isinstance(value, (int, float)):
            raise AnswerError("Give one number, for example 0.5.")
        return float(value)

    exercise = gate_exercise(
        parse=parse, observe=None, solution_source="gate = 0.25", alternatives=(), misconceptions=()
    )
    assert said(capsys, exercise, 0.25).passed
    verdict = said(capsys, exercise, "a quarter")
    assert verdict.status is Status.INVALID
    assert verdict.message == "✗ 01.1 A gate: Give one number, for example 0.5."
    verdict = said(capsys, exercise, 0.5)
    assert "0.25" not in verdict.message  # the answer is not given away


def test_a_value_against_an_expected_observation(capsys):
    exercise = gate_exercise(expected=[False, False, False, True], misconceptions=())
    assert said(capsys, exercise, (torch.ones(2), -1.5)).passed
    assert not said(capsys, exercise, (torch.ones(2), -0.5)).passed


def test_a_verdict_is_not_a_truth_value():
    verdict = predict_exercise().check(predict)
    with pytest.raises(TypeError, match="passed"):
        bool(verdict)
    assert verdict.passed and re.fullmatch(r"<Verdict: \w+>", repr(verdict))


def test_results_that_are_numbers_arrays_and_collections(capsys):
    def summary(x):
        return {"mean": float(x.mean()), "range": (x.min(), x.max()), "array": x.numpy(), "n": 3}

    exercise = FunctionExercise(
        "01.7", "S", "S.", solution=summary, probes=(Probe("x", lambda: torch.arange(3.0)),)
    )
    assert said(capsys, exercise, summary).passed
    lenient = {"mean": np.float32(1), "range": [0, torch.tensor(2.0)], "n": np.int64(3)}
    assert said(capsys, exercise, lambda x: lenient | {"array": x.numpy()}).passed
    verdict = said(capsys, exercise, lambda x: summary(x) | {"range": (0.0, 1.0)})
    assert "value 2 of range:" in verdict.message
    verdict = said(capsys, exercise, lambda x: {"mean": 1.0})
    assert verdict.status is Status.WRONG_SHAPE and "the keys ['mean']" in verdict.message


def test_an_exercise_may_stop_at_the_first_probe_that_settles_it(capsys):
    class Hasty(FunctionExercise):
        def _settles(self, answer, probe, outcome):
            return outcome.error is not None

    def failing(X, w, b):
        raise ValueError("no")

    probes = predict_exercise().probes
    hasty = Hasty("01.2", "Hasty", "Hasty.", solution=predict, probes=probes, hints=("None.",))
    assert said(capsys, hasty, failing).status is Status.RAISED
    assert said(capsys, hasty, predict).passed
    with preserved() as capture:
        assert len(hasty._outcomes(failing, capture)) == 1
        assert len(hasty._outcomes(predict, capture)) == len(probes) > 1
        assert len(predict_exercise()._outcomes(failing, capture)) == len(probes)


def _sum(sizes):
    return sum(sizes)


def _three(layer):
    return 3


def _changes_list(sizes):
    return sum(sizes.pop() for _ in range(len(sizes)))


def _changes_module(layer):
    nn.init.zeros_(layer.weight)
    return 3


@pytest.mark.parametrize(
    ("solution", "answer", "given", "advice"),
    [
        (_sum, _changes_list, lambda: ([1, 2],), "list(sizes)."),
        (_three, _changes_module, lambda: nn.Linear(2, 2), "copy.deepcopy(layer)."),
    ],
    ids=["list", "module"],
)
def test_the_advice_to_copy_fits_the_kind_of_input(solution, answer, given, advice, capsys):
    probes = (Probe("x", given),)
    exercise = FunctionExercise("01.9", "A", "B.", solution=solution, probes=probes)
    verdict = said(capsys, exercise, answer)
    assert verdict.status is Status.DAMAGED_INPUTS
    assert f"for example {advice}" in verdict.message


def test_an_input_that_gains_a_gradient_is_damage_and_no_fault_of_the_course(capsys):
    def gap(planned, demand):
        return (demand - planned).abs()

    def changed(planned, demand):
        demand -= planned
        return demand.abs()

    made = Probe("two", lambda: (torch.tensor([1.0], requires_grad=True), torch.tensor([3.0])))
    exercise = FunctionExercise("01.9", "A", "B.", solution=gap, gradient=True, probes=(made,))
    verdict = said(capsys, exercise, changed)
    assert verdict.status is Status.DAMAGED_INPUTS
    assert "changes demand" in verdict.message


def test_a_parameter_is_changed_in_place_under_no_grad(capsys):
    def zeroed(layer):
        nn.init.zeros_(layer.weight)
        return layer.weight

    def assigned(layer):
        layer.weight[:] = 0
        return layer.weight

    made = Probe("a layer", lambda: nn.Linear(2, 2))
    exercise = FunctionExercise(
        "01.9", "A", "B.", solution=zeroed, may_change_inputs=True, probes=(made,)
    )
    verdict = said(capsys, exercise, assigned)
    assert verdict.status is Status.RAISED
    assert "torch.no_grad()" in verdict.message and "clone" not in verdict.message
