"""Finding the lessons' exercises."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import course_utils.exercises as package
from course_utils.exercises.engine.base import Exercise
from course_utils.exercises.engine.prediction import Prediction


def lesson_modules() -> list[str]:
    """Names of the lessons' modules: every module next to the engine."""
    found = pkgutil.iter_modules(package.__path__)
    return sorted(m.name for m in found if not m.ispkg and not m.name.startswith("_"))


def load(name: str) -> ModuleType:
    """Import one lesson's module of exercises."""
    return importlib.import_module(f"{package.__name__}.{name}")


def exercises_of(module: ModuleType) -> dict[str, Exercise]:
    """The exercises that a module defines, by variable name, in the order of their ids."""
    found = {n: v for n, v in vars(module).items() if isinstance(v, Exercise)}
    return dict(sorted(found.items(), key=lambda pair: order(pair[1].id)))


def predictions_of(module: ModuleType) -> dict[str, Prediction]:
    """The predictions that a module defines, by variable name."""
    return {n: v for n, v in vars(module).items() if isinstance(v, Prediction)}


def all_exercises() -> Iterator[Exercise]:
    """Every exercise of the course, lesson by lesson."""
    found = [e for name in lesson_modules() for e in exercises_of(load(name)).values()]
    return iter(sorted(found, key=lambda exercise: order(exercise.id)))


def order(id: str) -> tuple[int, ...]:
    """Sort key of an id, so that 01.10 comes after 01.9."""
    return tuple(int(part) for part in id.split("."))
