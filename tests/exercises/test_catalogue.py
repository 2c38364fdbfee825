"""Every exercise of every lesson: right answers pass, each mistake gets its own message."""

import re

import pytest

from course_utils.exercises import Status
from course_utils.exercises.engine import catalogue, text
from course_utils.exercises.engine.value import execute

LESSONS = {name: catalogue.load(name) for name in catalogue.lesson_modules()}
EXERCISES = {
    f"{lesson}.{name}": exercise
    for lesson, module in LESSONS.items()
    for name, exercise in catalogue.exercises_of(module).items()
}
RIGHT = [(k, n, a) for k, e in EXERCISES.items() for n, a in e.right_answers()]
WRONG = [(k, n, a, m) for k, e in EXERCISES.items() for n, a, m in e.wrong_answers()]


def test_the_lessons_are_found():
    assert {"perceptron", "activations"} <= set(LESSONS)
    assert all(catalogue.exercises_of(module) for module in LESSONS.values())


def test_ids_are_unique():
    predictions = [p for m in LESSONS.values() for p in catalogue.predictions_of(m).values()]
    ids = [e.id for e in EXERCISES.values()] + [p.id for p in predictions]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_numbers_its_exercises_from_one(lesson):
    ids = [e.id for e in catalogue.exercises_of(LESSONS[lesson]).values()]
    number = ids[0].split(".")[0]
    assert ids == [f"{number}.{k + 1}" for k in range(len(ids))]


@pytest.mark.parametrize("key", EXERCISES)
def test_the_catalogue_has_no_fault(key):
    assert EXERCISES[key].selfcheck() == []


@pytest.mark.parametrize(("key", "name", "answer"), RIGHT, ids=[f"{k}: {n}" for k, n, _ in RIGHT])
def test_right_answers_pass(key, name, answer, capsys):
    verdict = EXERCISES[key].check(answer)
    assert verdict.status is Status.CORRECT, verdict.message
    assert "could not be checked" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "name", "answer", "message"), WRONG, ids=[f"{k}: {n}" for k, n, _, _ in WRONG]
)
def test_each_mistake_gets_its_own_message(key, name, answer, message):
    exercise = EXERCISES[key]
    verdict = exercise.check(answer)
    assert verdict.status is Status.MISCONCEPTION, verdict.message
    assert verdict.misconception == name
    shown = _words(verdict.message)
    assert _words(message) in shown
    others = [m for n, _, m in exercise.wrong_answers() if n != name]
    assert not [m for m in others if _words(m) in shown and m not in message]
    _fits_a_screen(verdict.message)


def test_every_lesson_has_mistakes_to_recognize():
    assert {key.split(".")[0] for key, *_ in WRONG} == set(LESSONS)


@pytest.mark.parametrize("key", EXERCISES)
def test_an_unanswered_cell_says_so(key):
    exercise = EXERCISES[key]
    context = getattr(exercise, "context", {})
    for answer in (..., execute(exercise.stub_source(), context)[exercise.name]):
        verdict = exercise.check(answer)
        assert verdict.status is Status.NOT_ATTEMPTED
        assert _words(verdict.message) == _words(
            f"○ {exercise.id} {exercise.title}: not attempted yet. Replace the ... "
            "and run this cell again; .hint() helps."
        )


@pytest.mark.parametrize("key", EXERCISES)
def test_the_shown_answer_runs_and_passes(key):
    exercise = EXERCISES[key]
    context = getattr(exercise, "context", {})
    answer = execute(exercise.answer_source(), context)[exercise.name]
    assert exercise.check(answer).status is Status.CORRECT


@pytest.mark.parametrize("key", EXERCISES)
def test_words_are_there(key, capsys):
    exercise = EXERCISES[key]
    assert exercise.statement.strip() and exercise.title.strip() and exercise.hints
    assert all(hint.strip() for hint in exercise.hints)
    for say in (exercise.question, exercise.solution):
        say()
        out = capsys.readouterr().out
        assert out.strip() and not re.search(r"0x[0-9a-f]{6}", out)


def _words(message):
    return " ".join(message.split())


def _fits_a_screen(message):
    lines = message.splitlines()
    assert len(lines) <= text.SCREEN_LINES and max(map(len, lines)) <= text.LINE
    assert "more lines)" not in message
