"""The sample explorers as fixtures."""

from __future__ import annotations

import pytest
import samples

from course_utils.explore import Explorer, registry


@pytest.fixture
def kitchen_sink() -> Explorer:
    return samples.kitchen_sink()


@pytest.fixture
def descent() -> Explorer:
    return samples.descent()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`any_explorer` runs a test for the samples and for every explorer of the lessons."""
    if "any_explorer" in metafunc.fixturenames:
        factories = {
            "samples.kitchen_sink": samples.kitchen_sink,
            "samples.descent": samples.descent,
        }
        factories |= registry()
        metafunc.parametrize(
            "any_explorer", factories.values(), ids=factories.keys(), indirect=True
        )


@pytest.fixture
def any_explorer(request: pytest.FixtureRequest) -> Explorer:
    return request.param()
