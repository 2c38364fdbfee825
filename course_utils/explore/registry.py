"""Finds every explorer of the lessons, so that a test or an export can walk through all of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from types import ModuleType

from .explorer import Explorer

INTERNAL = {
    *("controls", "explorer", "frames", "page", "palette"),
    *("registry", "scene", "storyboard", "widget"),
}
"""Modules of this package that are not a lesson's."""


def lesson_modules() -> list[str]:
    """Names of the lesson modules in this package, sorted."""
    package = importlib.import_module(__package__)
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if name not in INTERNAL and not name.startswith("_"))


def factories(module: ModuleType) -> dict[str, Callable[[], Explorer]]:
    """The module's own public `functools.cache`d functions without arguments, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if hasattr(value, "cache_info")
        and not name.startswith("_")
        and value.__module__ == module.__name__
        and not inspect.signature(value).parameters
        and _returns_explorer(value)
    }


def _returns_explorer(function: Callable) -> bool:
    """Only an annotated return type other than `Explorer` rules a cached function out."""
    annotation = inspect.signature(function).return_annotation
    return annotation in (inspect.Signature.empty, Explorer, "Explorer")


def registry() -> dict[str, Callable[[], Explorer]]:
    """Every explorer's factory by `module.function`, for example `perceptron.boundary`."""
    found = {}
    for name in lesson_modules():
        module = importlib.import_module(f"{__package__}.{name}")
        found |= {f"{name}.{key}": factory for key, factory in factories(module).items()}
    return found
