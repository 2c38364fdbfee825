"""Exercises that judge an answer by what it does.

Lessons import one module of exercises each::

    from course_utils.exercises import perceptron as exercises

    exercises.predict.check(predict)

The modules next to this file are the lessons' catalogues; the machinery is in ``engine``.
"""

from __future__ import annotations

from course_utils.exercises.engine.behavior import Misconception
from course_utils.exercises.engine.choice import ChoiceExercise
from course_utils.exercises.engine.function import FunctionExercise
from course_utils.exercises.engine.inputs import Probe
from course_utils.exercises.engine.prediction import Prediction
from course_utils.exercises.engine.progress import progress
from course_utils.exercises.engine.value import ValueExercise
from course_utils.exercises.engine.verdict import AnswerError, Status, Verdict

__all__ = [
    "AnswerError",
    "ChoiceExercise",
    "FunctionExercise",
    "Misconception",
    "Prediction",
    "Probe",
    "Status",
    "ValueExercise",
    "Verdict",
    "progress",
]
