"""Every test keeps its progress in a file of its own."""

import pytest

from course_utils.exercises.engine import progress


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(path))
    monkeypatch.setattr(progress, "_told", False)
    return path
