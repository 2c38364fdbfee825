"""The ward, the list of faults, and what is said of each diagnosis."""

import pytest

from course_utils import clinic
from course_utils.exercises.engine import text

EVERYONE = (clinic.open_case, *clinic.PATIENTS)


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __eq__ = __hash__ = __str__


def said(capsys, patient, answer):
    capsys.readouterr()
    patient.diagnose(answer)
    out = capsys.readouterr().out
    assert out.endswith("\n") and len(out.splitlines()) <= text.SCREEN_LINES
    assert max(map(len, out.splitlines())) <= text.LINE
    return " ".join(out.split())


def test_the_ward_lists_everyone(capsys):
    clinic.ward()
    out = capsys.readouterr().out
    assert out.count("Patient ") == 12 == len(clinic.PATIENTS)
    assert [p.number for p in clinic.PATIENTS] == list(range(1, 13))
    assert [p.id for p in clinic.PATIENTS] == [f"07.{k + 6}" for k in range(1, 13)]


def test_there_are_more_faults_than_patients(capsys):
    clinic.faults()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(clinic.FAULTS) > 12
    assert len({p.fault for p in EVERYONE}) == 13


@pytest.mark.parametrize("letter", clinic.FAULTS)
@pytest.mark.parametrize("patient", EVERYONE, ids=lambda p: f"patient {p.number}")
def test_every_diagnosis_gets_its_reason(patient, letter, capsys):
    out = said(capsys, patient, letter)
    fault = clinic.FAULTS[letter]
    if letter == patient.fault:
        assert out.startswith(f"✓ {patient.id} Patient {patient.number}: yes, {fault.name}. ")
        assert " ".join(patient.evidence.split()) in out
    else:
        assert out.startswith(f"✗ {patient.id} Patient {patient.number}: not this: {fault.name}. ")
        reason = patient.tempting.get(letter, f"It would show: {fault.shows}.")
        assert " ".join(reason.split()) in out


@pytest.mark.parametrize("patient", EVERYONE, ids=lambda p: f"patient {p.number}")
def test_three_wrong_diagnoses_are_tempting(patient):
    assert len(patient.tempting) >= 3
    assert len(set(patient.tempting.values())) == len(patient.tempting)


@pytest.mark.parametrize(
    "answer", ["z", "", " ", 3, 2.5, b"c", ["c", 1], ("a", "b"), {"c": 1}, object(), Hostile()]
)
def test_odd_diagnoses_are_refused(answer, capsys):
    assert said(capsys, clinic.patient_1, answer).startswith("✗ 07.7 Patient 1: ")


@pytest.mark.parametrize("answer", ["c", " C ", "c)", ("c",), "'c'"])
def test_a_letter_may_be_written_in_many_ways(answer, capsys):
    assert said(capsys, clinic.patient_1, answer).startswith("✓ ")


@pytest.mark.parametrize("answer", [..., None])
def test_no_diagnosis_yet(answer, capsys):
    assert said(capsys, clinic.patient_1, answer).startswith("○ 07.7 Patient 1: no diagnosis yet.")
