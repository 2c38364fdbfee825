"""Comparison, text, hints, solutions, choices and predictions."""

import math

import numpy as np
import pytest
import torch
from exercise_samples import gate_exercise, predict_exercise, said, square_exercise

from course_utils.exercises import ChoiceExercise, FunctionExercise, Prediction, Probe, Status
from course_utils.exercises.engine import text
from course_utils.exercises.engine.compare import Tolerance, canonical, difference
from course_utils.exercises.engine.source import stub_of
from course_utils.exercises.engine.value import execute, literal

NAN, INF = math.nan, math.inf
T = torch.tensor


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (T([1.0, NAN, INF, -INF]), T([1.0, NAN, INF, -INF])),
        (T([1.0 + 1e-7]), T([1.0])),
        (0.5, T(0.5)),
        (np.float64(0.5), T(0.5)),
        (T(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (1, 1.0),
        (T(3), 3),
        (T(True), True),
        (np.True_, True),
        (NAN, NAN),
        (INF, INF),
        ([1, 2], (1, 2)),
        ((T(1.0), [2.0]), [1.0, (T(2.0),)]),
        ({"a": 1, "b": T([1])}, {"b": T([1]), "a": 1}),
        ("text", "text"),
        (None, None),
        (np.array([1.0, NAN]), np.array([1.0, NAN])),
        (np.array(["a"]), np.array(["a"])),
        (T([1, 2]).to_sparse(), T([1, 2])),
        (torch.nn.Parameter(T([1.0])), T([1.0])),
        (T([1.001]).half(), T([1.002]).half()),
        (T([1 + 2j]), T([1 + 2j])),
        ({1, 2}, {2, 1}),
        (torch.float32, torch.float32),
        (torch.Size([2, 3]), (2, 3)),
        (10**30, 10**30),
    ],
)
def test_equal(got, expected):
    assert difference(canonical(got), canonical(expected), Tolerance()) is None


@pytest.mark.parametrize(
    ("got", "expected", "kind"),
    [
        ([1.0], T([1.0]), "type"),
        (np.array([1.0]), T([1.0]), "type"),
        (1.0, T([1.0]), "type"),
        (None, T([1.0]), "type"),
        (1, True, "type"),
        (True, 1, "type"),
        (True, T(1.0), "type"),
        ("1", 1, "type"),
        (T([1.0]), T(1.0), "shape"),
        (T([1.0]), 1.0, "shape"),
        (T([[1.0]]), T([1.0]), "shape"),
        ((1, 2, 3), (1, 2), "shape"),
        ({"a": 1}, {"b": 1}, "shape"),
        (T([1]), T([1.0]), "dtype"),
        (T([1.0], dtype=torch.float64), T([1.0]), "dtype"),
        (3.0, 3, "dtype"),
        (T([1.0, 2.0]), T([1.0, 2.001]), "value"),
        (T([NAN]), T([1.0]), "value"),
        (T([1.0]), T([NAN]), "value"),
        (T([INF]), T([-INF]), "value"),
        (INF, 1e300, "value"),
        (T([True]), T([False]), "value"),
        (2**53, 2**53 + 1, "value"),
        (T([2**53]), T([2**53 + 1]), "value"),
        ("a", "b", "value"),
        ({1}, {2}, "value"),
        (torch.float64, torch.float32, "type"),
        ((1.0, [T([1.0])]), (2.0, 1), "type"),
    ],
)
def test_different(got, expected, kind):
    found = difference(canonical(got), canonical(expected), Tolerance())
    assert found is not None and found.kind == kind
    assert found.got != found.expected


def test_dtypes_can_be_ignored():
    loose = Tolerance(dtype=False)
    assert difference(T([1]), T([1.0]), loose) is None
    assert difference(3.0, 3, loose) is None
    assert difference(T([1.0]).double(), T([1.5]), loose).kind == "value"


def test_a_difference_in_late_digits_is_shown_with_enough_digits():
    found = difference(T([1.00001, 2.0]), T([1.00003, 2.0]), Tolerance())
    assert (found.got, found.expected) == ("tensor([1.00001, 2.])", "tensor([1.00003, 2.])")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (T([0.123456, 1.0]), "tensor([0.1235, 1.])"),
        (T(-0.0), "tensor(-0.)"),
        (T([NAN, INF]), "tensor([nan, inf])"),
        (T([[1, 2]]), "tensor([[1, 2]])"),
        (T([1.0], dtype=torch.float64), "tensor([1.], dtype=torch.float64)"),
        (torch.zeros(0, 3), "an empty tensor of shape (0, 3)"),
        (torch.zeros(100, 3), "a tensor of shape (100, 3), torch.float32"),
        (0.30000000000000004, "0.3"),
        (2.0, "2.0"),
        (1e-9, "1e-09"),
        (True, "True"),
        (10**400, "about 10**400"),
        (list(range(10)), "[0, 1, 2, 3, 4, 5, …]"),
        ((1,), "(1,)"),
        ({"a": T([1.0])}, "{'a': tensor([1.])}"),
        (np.array([1.5]), "array([1.5])"),
        (np.zeros(99), "an array of shape (99,), float64"),
        (print, "a function"),
        (torch.nn.Linear(1, 1), "a Linear module"),
        (object(), "an object"),
    ],
)
def test_values_are_shown_briefly(value, shown):
    assert text.show(value) == shown


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("No such file: '/home/ada/data/x.csv'", "No such file: 'x.csv'"),
        (r"in C:\Users\ada\x.py", "in x.py"),
        ("<Foo object at 0x7f3bc0ffee>", "<Foo object at 0x…>"),
        ("a/b is not a path, 1/2 neither", "a/b is not a path, 1/2 neither"),
        ("~/secret/place.txt", "place.txt"),
        ("see https://pytorch.org/docs/x", "see https://pytorch.org/docs/x"),
    ],
)
def test_paths_and_addresses_are_removed(raw, clean):
    assert text.scrub(raw) == clean


def test_a_screen_is_never_exceeded():
    shown = text.screen("\n".join("word " * 100 for _ in range(100)))
    lines = shown.splitlines()
    assert len(lines) == 25 and lines[-1] == "  … (76 more lines)"
    assert all(len(line) <= 120 for line in lines)
    assert text.screen("short\nlines") == "short\nlines"


def test_hints_come_one_by_one(capsys):
    exercise = predict_exercise()
    for _ in range(5):
        exercise.hint()
    assert capsys.readouterr().out.splitlines() == [
        "Hint 1 of 3: All sums at once: X @ w.",
        "Hint 2 of 3: Compare with 0.",
        "Hint 3 of 3: `.float()` turns bools to 0/1.",
        "No more hints for 01.2; .solution() shows a solved version.",
        "No more hints for 01.2; .solution() shows a solved version.",
    ]


def test_the_solution_is_source_with_its_reasoning(capsys):
    predict_exercise().solution()
    assert capsys.readouterr().out == (
        "01.2 Predict without a loop, one solution:\n\n"
        "def predict(X, w, b):\n"
        '    """Return 1. where the neuron fires."""\n'
        "    return (X @ w + b >= 0).float()\n\n"
        "One product gives all sums.\n"
    )


def test_the_answers_source_takes_the_notebooks_name():
    exercise = predict_exercise(name="neuron")
    assert exercise.answer_source().startswith("def neuron(X, w, b):")
    assert exercise.stub_source() == "def neuron(X, w, b):\n    ..."
    with pytest.raises(ValueError, match="def or class"):
        predict_exercise(solution=lambda X, w, b: X, name="f").answer_source()


def test_the_stub_of_a_class_keeps_its_methods():
    source = 'class Net(Base):\n    """Doc."""\n    k = 1\n    def forward(self, x) -> T: pass'
    assert stub_of(source) == "class Net(Base):\n\n    def forward(self, x):\n        ..."


def test_the_question(capsys):
    predict_exercise().question()
    expected = "01.2 Predict without a loop\nWrite `predict(X, w, b)` for a batch.\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    "value",
    [3, -0.5, True, "b", None, (1.0, 2), (1,), [], {"w": 1.5}, T([[0.1, -2.0]]), T([1, 2])],
)
def test_literals_give_the_value_back(value):
    back = execute(f"x = {literal(value)}", {})["x"]
    assert difference(canonical(back), canonical(value), Tolerance()) is None


def test_a_value_without_a_literal_needs_its_source():
    with pytest.raises(ValueError, match="solution_source"):
        gate_exercise(solution_source=None, solution=object())
    with pytest.raises(ValueError, match="does not define 'gate'"):
        gate_exercise(solution_source="other = 1")
    with pytest.raises(ValueError, match="give a solution"):
        gate_exercise(solution_source=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "1.2"}, "looks like 01.2"),
        ({"probes": ()}, "at least one probe"),
        ({"hints": "one"}, "tuple of strings"),
    ],
)
def test_a_malformed_exercise_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        predict_exercise(**changes)


def choice(**changes):
    parts = {
        "id": "01.5",
        "title": "Why",
        "question": "Why is it so?",
        "options": {"a": "It rains.", "b": "It must be.", "c": "It may be."},
        "correct": "b",
        "reasons": {"a": "Rain has no part.", "b": "Indeed.", "c": "More than may."},
        "hints": ("Think.",),
    }
    return ChoiceExercise(**(parts | changes))


@pytest.mark.parametrize("answer", ["b", "B ", " b", "b)", "(b)", '"b"', ("b",), {"b"}, ["B"]])
def test_a_right_choice(answer, capsys):
    verdict = said(capsys, choice(), answer)
    assert verdict.message == "✓ 01.5 Why: correct.\n  Indeed."


def test_a_wrong_choice_gets_its_reason(capsys):
    verdict = said(capsys, choice(), "a")
    assert verdict.status is Status.MISCONCEPTION and verdict.misconception == "option a"
    assert verdict.message == "✗ 01.5 Why: not a.\n  Rain has no part."
    assert said(capsys, choice(), "c").message.endswith("More than may.")


@pytest.mark.parametrize("answer", ["d", "", "bb", 2, None, ("b", 1), ("a", "b"), len, {"b": 1}])
def test_something_that_is_no_choice(answer, capsys):
    verdict = said(capsys, choice(), answer)
    assert verdict.status is Status.INVALID
    assert "one of the letters a, b, c in quotes" in verdict.message


def test_no_choice_yet(capsys):
    for answer in (..., (...,), ("a", ...)):
        assert said(capsys, choice(), answer).status is Status.NOT_ATTEMPTED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (("a", "c"), "✓ 01.5 Why: correct.\n  a) Rain has no part.\n  c) More than may."),
        ("C, a", "✓ 01.5 Why: correct.\n  a) Rain has no part.\n  c) More than may."),
        ({"a", "c"}, "✓ 01.5 Why: correct.\n  a) Rain has no part.\n  c) More than may."),
        ("a", "✗ 01.5 Why: a is right, but that is not all."),
        (("a", "b", "c"), "✗ 01.5 Why: not b.\n  b) Indeed."),
    ],
)
def test_several_right_choices(answer, message, capsys):
    assert said(capsys, choice(correct=("a", "c")), answer).message == message


def test_a_choice_shows_question_and_reasons(capsys):
    choice().question()
    assert capsys.readouterr().out.splitlines() == [
        "01.5 Why",
        "Why is it so?",
        "  a) It rains.",
        "  b) It must be.",
        "  c) It may be.",
    ]
    choice().solution()
    out = capsys.readouterr().out
    assert out.startswith("01.5 Why: the answer is b.\n") and "a) Rain has no part." in out
    assert choice().answer_source() == 'answer = "b"'
    assert choice(correct=("a", "c")).answer_source() == 'answer = ("a", "c")'
    assert choice().selfcheck() == []


@pytest.mark.parametrize(
    "changes",
    [{"correct": "z"}, {"correct": ()}, {"reasons": {"a": "only one"}}],
)
def test_a_malformed_choice_is_refused(changes):
    with pytest.raises(ValueError, match=r"01\.5"):
        choice(**changes)


def prediction():
    return Prediction("01.p1", "What happens?", {"a": "It falls.", "b": "It rises."})


def test_predictions(capsys):
    for guess, expected in {
        ...: [
            "○ No prediction yet. Replace the ... by one of a, b, then run on.",
            "What happened: b) It rises.",
            "Because.",
        ],
        "a ": [
            "Your prediction: a) It falls.",
            "✗ You predicted a). What happened: b) It rises.",
            "Because.",
        ],
        "B": ["Your prediction: b) It rises.", "✓ As you predicted: b) It rises.", "Because."],
    }.items():
        predicted = prediction()
        predicted.commit(guess)
        predicted.reveal("b", "Because.")
        assert capsys.readouterr().out.splitlines() == expected


def test_a_prediction_that_is_no_option(capsys):
    predicted = prediction()
    predicted.commit("x")
    assert "'x' is not one of them. Answer with one of the letters a, b" in capsys.readouterr().out
    with pytest.raises(ValueError, match="not an option"):
        predicted.reveal("x")
    predicted.question()
    assert "  b) It rises." in capsys.readouterr().out


def test_selfcheck_accepts_a_good_catalogue():
    assert predict_exercise().selfcheck() == []
    assert square_exercise().selfcheck() == []
    assert gate_exercise().selfcheck() == []


def _faults(**changes):
    return "\n".join(predict_exercise(**changes).selfcheck())


def test_selfcheck_finds_faults():
    known = predict_exercise().misconceptions
    twin = type(known[0])("twin", lambda X, w, b: known[0].answer(X, w, b), "Another message.")
    right = type(known[0])("right", predict_exercise().reference, "Not wrong at all.")
    silent = type(known[0])("silent", lambda X, w, b: 0, " ")
    first = predict_exercise().probes[:1]

    assert "'strict' and 'twin' do the same" in _faults(misconceptions=(*known, twin))
    assert "'twin' is taken for 'strict'" in _faults(misconceptions=(*known, twin))
    faults = _faults(misconceptions=(right,))
    assert "'right' passes" in faults and "what the solution does on every probe" in faults
    assert "the message of 'silent' is not shown whole" in _faults(misconceptions=(silent,))
    assert "the right answer '<lambda>' fails" in _faults(alternatives=(lambda X, w, b: 0,))
    assert "there are no hints" in _faults(hints=())
    assert "hint 1 is empty" in _faults(hints=(" ",))
    assert "the statement is empty" in _faults(statement="")
    assert "two probes have the same name" in _faults(probes=first * 2)


def test_selfcheck_sees_solutions_that_cannot_be_compared_or_do_damage():
    exercise = FunctionExercise(
        "01.9", "O", "O.", solution=_opaque, probes=(Probe("x", lambda: (1,)),), hints=("h",)
    )
    assert any("cannot be compared" in fault for fault in exercise.selfcheck())
    exercise = FunctionExercise(
        "01.9", "D", "D.", solution=_doubles, probes=(Probe("x", lambda: torch.ones(1)),)
    )
    assert any("set may_change_inputs" in fault for fault in exercise.selfcheck())


def _opaque(x):
    return object()


def _doubles(x):
    return x.mul_(2)
