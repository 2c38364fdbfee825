import numpy as np
import pytest
import torch

from course_utils import verify
from course_utils.verify import ClaimError


@pytest.mark.parametrize(
    "holds",
    [True, np.True_, np.array(True), np.array([True]), torch.tensor(True), torch.tensor([[True]])],
)
def test_true_prints_the_claim(holds, capsys):
    assert verify("One is one", holds, unused=1) is None
    assert capsys.readouterr().out == "✓ One is one\n"


@pytest.mark.parametrize("holds", [False, np.False_, torch.tensor(False), np.array([False])])
def test_false_raises_and_prints_nothing(holds, capsys):
    with pytest.raises(ClaimError, match="One is two") as caught:
        verify("One is two", holds)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.claim == "One is two"
    assert capsys.readouterr().out == ""


def test_message_shows_the_evidence_aligned():
    with pytest.raises(ClaimError) as caught:
        verify("a is b", False, a=1 / 3, longer=torch.tensor([1.0, 2.0]), name="text")
    assert str(caught.value).splitlines() == [
        "✗ a is b",
        "  a      = 0.33333333",
        "  longer = [1., 2.]",
        "  name   = 'text'",
    ]
    assert set(caught.value.evidence) == {"a", "longer", "name"}


def test_large_evidence_is_summarized():
    values = torch.arange(100.0, requires_grad=True) / 2
    spoiled = np.where(np.arange(10) < 3, np.nan, 1.0)
    with pytest.raises(ClaimError) as caught:
        verify("c", False, v=values, s=spoiled, n=np.full(9, np.nan), m=np.arange(10) < 4)
    text = str(caught.value)
    assert "v = array of shape (100,), float32, from 0 to 49.5" in text
    assert "s = array of shape (10,), float64, from 1 to 1, 3 NaN" in text
    assert "n = array of shape (9,), float64, all NaN" in text
    assert "m = array of shape (10,), bool, 4 of 10 true" in text


def test_evidence_may_be_empty_bfloat16_or_very_long():
    with pytest.raises(ClaimError) as caught:
        verify("c", False, e=torch.zeros(0), b=torch.ones(2, dtype=torch.bfloat16), x="a" * 1000)
    text = str(caught.value)
    assert "e = []" in text
    assert "b = [1., 1.]" in text
    assert len(text) < 400


def test_without_evidence_the_message_asks_for_it():
    with pytest.raises(ClaimError, match="no evidence was given"):
        verify("c", False)


@pytest.mark.parametrize(
    ("holds", "says"),
    [
        (torch.tensor([True, True]), r"shape \(2,\).*\.all\(\)"),
        (np.array([True, False]), r"shape \(2,\).*\.all\(\)"),
        (torch.tensor([], dtype=torch.bool), r"\.all\(\)"),
        (torch.tensor(1.0), "tensor of torch.float32"),
        (np.array(1), "Compare it first"),
        ("yes", "The claim comes first"),
        (1, "got int 1"),
        (None, "got None"),
        ([True], r"all\(\.\.\.\)"),
    ],
)
def test_anything_but_one_truth_value_is_refused(holds, says):
    with pytest.raises(TypeError, match=says):
        verify("claim", holds)


@pytest.mark.parametrize("claim", [True, "", "  ", None])
def test_claim_must_be_a_sentence(claim):
    with pytest.raises(TypeError, match="sentence"):
        verify(claim, True)
