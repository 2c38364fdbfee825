"""Where an error happened, and whether an exercise was attempted at all."""

import functools
import importlib.util
import linecache

import pytest
import torch
from exercise_samples import predict_exercise, said
from torch import nn

from course_utils import data
from course_utils.exercises import Status


def deep(X, w, b):
    z = X @ w
    return helper(z)


def helper(z):
    return torch.linalg.inv(z)  # fails far inside torch


class Module(nn.Module):
    def forward(self, X, w, b):
        return X.view(17)  # in a module


class Object:
    def __call__(self, X, w, b):
        return X[5, 5]  # in an object


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (deep, "return torch.linalg.inv(z)  # fails far inside torch"),
        (Module(), "return X.view(17)  # in a module"),
        (Object(), "return X[5, 5]  # in an object"),
        (functools.partial(deep), "return torch.linalg.inv(z)  # fails far inside torch"),
        (Object().__call__, "return X[5, 5]  # in an object"),
    ],
    ids=["function", "module", "object", "partial", "method"],
)
def test_the_learners_own_line_is_shown(answer, line, capsys):
    verdict = said(capsys, predict_exercise(misconceptions=()), answer)
    assert verdict.status is Status.RAISED
    place = next(x for x in verdict.message.splitlines() if x.startswith("  at line"))
    assert place.endswith(f"of test_engine_lines.py: {line}")
    assert "/" not in place


def test_an_error_inside_the_course_points_to_the_learners_line(capsys):
    def unequal(X, w, b):
        for part, _ in data.batches(X, w[:1]):
            return part

    verdict = said(capsys, predict_exercise(), unequal)
    assert verdict.status is Status.RAISED
    assert "for part, _ in data.batches(X, w[:1]):" in verdict.message


def test_a_lambda(capsys):
    verdict = said(capsys, predict_exercise(misconceptions=()), lambda X, w, b: X.view(17))
    assert "of test_engine_lines.py: verdict = said(" in verdict.message


def test_a_notebook_cell(capsys):
    source = "import torch\ndef predict(X, w, b):\n    z = X @ w\n    return z.view(17)\n"
    verdict = said(capsys, predict_exercise(misconceptions=()), _cell(source))
    assert "  at line 4 of your code: return z.view(17)" in verdict.message.splitlines()


def _cell(source):
    name = "/tmp/ipykernel_4711/1234567.py"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), names)
    return names["predict"]


def test_an_executed_string_has_only_a_number(capsys):
    names = {}
    exec("def predict(X, w, b):\n    return X.view(17)\n", names)
    verdict = said(capsys, predict_exercise(misconceptions=()), names["predict"])
    assert "  at line 2 of your code" in verdict.message.splitlines()


def test_an_imported_file(tmp_path, capsys):
    path = tmp_path / "my_answers.py"
    path.write_text("def predict(X, w, b):\n    return X.view(17)\n")
    spec = importlib.util.spec_from_file_location("my_answers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    verdict = said(capsys, predict_exercise(misconceptions=()), module.predict)
    assert "  at line 2 of my_answers.py: return X.view(17)" in verdict.message.splitlines()
    assert str(tmp_path) not in verdict.message


def stub(X, w, b): ...  # your code here


def documented_stub(X, w, b):
    """Return 1. where the neuron fires."""
    ...


def passing(X, w, b):
    pass


def returning(X, w, b):
    return ...


def not_implemented(X, w, b):
    raise NotImplementedError


def not_implemented_yet(X, w, b):
    raise NotImplementedError("your code here")


def partly(X, w, b):
    z = X @ w + b
    fired = ...
    return fired if z is not None else z


def computed_with_placeholder(X, w, b):
    z = ...
    return torch.relu(z)


def added_to_placeholder(X, w, b):
    return X @ w + ...


def called_on_placeholder(X, w, b):
    z = ...
    return z.float()


def in_a_tuple(X, w, b):
    return X, ...


class StubModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.size = 2

    def forward(self, X, w, b): ...


class StubObject:
    def helper(self):
        return 1

    def __call__(self, X, w, b):
        """Doc."""
        ...


class Empty:
    def __call__(self, X, w, b):
        pass


STUBS = [
    ...,
    (..., ...),
    [1.0, ...],
    stub,
    documented_stub,
    passing,
    returning,
    not_implemented,
    not_implemented_yet,
    partly,
    computed_with_placeholder,
    added_to_placeholder,
    called_on_placeholder,
    in_a_tuple,
    StubModule(),
    StubModule,
    StubObject(),
    Empty(),
    functools.partial(stub, b=1.0),
    StubObject().__call__,
    lambda X, w, b: ...,
]


@pytest.mark.parametrize("answer", STUBS, ids=lambda a: getattr(a, "__name__", type(a).__name__))
def test_a_placeholder_is_not_an_attempt(answer, capsys, progress_file):
    verdict = said(capsys, predict_exercise(misconceptions=()), answer)
    assert verdict.status is Status.NOT_ATTEMPTED
    assert verdict.message == (
        "○ 01.2 Predict without a loop: not attempted yet. "
        "Replace the ... and run this cell again; .hint() helps."
    )
    assert not progress_file.exists()


class Fine:
    def reset(self):
        pass

    def __call__(self, X, w, b):
        return (X @ w + b >= 0).float()[..., :]


def test_a_method_that_does_nothing_on_purpose_is_no_stub(capsys):
    assert said(capsys, predict_exercise(), Fine()).passed


def test_an_ellipsis_index_is_no_placeholder(capsys):
    def wrong_index(X, w, b):
        return X[..., 5]

    assert said(capsys, predict_exercise(), wrong_index).status is Status.RAISED


def test_torchs_own_not_implemented_error_is_an_error(capsys):
    class NoForward(nn.Module):
        def helper(self):
            return 1

    verdict = said(capsys, predict_exercise(misconceptions=()), NoForward())
    assert verdict.status is Status.RAISED
    assert "NotImplementedError" in verdict.message


def forgets_float(X, w, b):
    return -(X @ w + b > 0)  # torch has no minus for bools, and says NotImplementedError


def test_a_not_implemented_operation_of_torch_is_no_stub(capsys):
    verdict = said(capsys, predict_exercise(misconceptions=()), forgets_float)
    assert verdict.status is Status.RAISED
    assert "return -(X @ w + b > 0)" in verdict.message
