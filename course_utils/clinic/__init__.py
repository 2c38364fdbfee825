"""The clinic of lesson 3.7: sick training programs, one planted fault each.

The learner sees how a patient behaves, runs tests, names the fault and repairs the program::

    from course_utils import clinic

    clinic.ward()
    clinic.patient_1.chart()
    clinic.faults()
    clinic.patient_1.diagnose("e")
    clinic.patient_1.source()

Each patient is an exercise: ``check`` trains the repaired program and judges what it does.
"""

from __future__ import annotations

from course_utils.clinic.case import Case
from course_utils.clinic.cases_data import patient_3, patient_7, patient_12
from course_utils.clinic.cases_loop import patient_1, patient_4, patient_8, patient_9
from course_utils.clinic.cases_model import patient_6, patient_10
from course_utils.clinic.cases_output import open_case, patient_2, patient_5, patient_11
from course_utils.clinic.faults import FAULTS, faults
from course_utils.clinic.trace import Trace
from course_utils.exercises.engine import text

__all__ = [
    "FAULTS",
    "PATIENTS",
    "Case",
    "Trace",
    "faults",
    "open_case",
    "patient_1",
    "patient_2",
    "patient_3",
    "patient_4",
    "patient_5",
    "patient_6",
    "patient_7",
    "patient_8",
    "patient_9",
    "patient_10",
    "patient_11",
    "patient_12",
    "ward",
]

PATIENTS: tuple[Case, ...] = (
    patient_1,
    patient_2,
    patient_3,
    patient_4,
    patient_5,
    patient_6,
    patient_7,
    patient_8,
    patient_9,
    patient_10,
    patient_11,
    patient_12,
)
"""The ward, in order."""


def ward() -> None:
    """Print the patients, each with the complaint in its owner's words."""
    for patient in PATIENTS:
        print(text.wrap(f"Patient {patient.number}: {patient.complaint}", hang="    "))
