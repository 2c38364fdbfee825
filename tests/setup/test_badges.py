"""The launch links and the setup cell, from one setting, on a copy of the files."""

import importlib.util
import shutil
import subprocess
import sys

import nbformat
import pytest

from tools import badges, canonical, lessons, sync

LESSON = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A lesson
#
# <!-- launch:start -->
# old text
# <!-- launch:end -->
#
# More words.

# %%
from course_utils import setup

setup()

# %%
import torch

print(torch.ones(3))

# %% [markdown]
# The end.
"""


@pytest.fixture
def course(tmp_path, root):
    """A course of two executed lessons and a README, without a public home."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    badges.write_setting("", tmp_path)
    (tmp_path / "README.md").write_text(
        f"# Course\n\n{badges.START}\nold\n{badges.END}\n\nMore.\n", encoding="utf-8"
    )
    for name in ("01_first", "02_second"):
        lesson = lessons.Lesson(tmp_path / "notebooks" / f"{name}.py")
        lesson.source.parent.mkdir(exist_ok=True)
        lesson.source.write_text(LESSON, encoding="utf-8")
        notebook = lessons.read_source(lesson)
        for count, cell in enumerate(lessons.code_cells(notebook), 1):
            cell.execution_count = count
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"out {count}\n")]
        lesson.notebook.write_text(canonical.render(notebook), encoding="utf-8")
    assert badges.main([], tmp_path) == 0
    return tmp_path


def contents(course):
    return {path: path.read_bytes() for path in sorted(course.rglob("*")) if path.is_file()}


def every_lesson(course):
    found = lessons.all_lessons(course / "notebooks")
    assert len(found) == 2
    return found


def cell(course, name="01_first"):
    notebook = nbformat.read(course / "notebooks" / f"{name}.ipynb", as_version=4)
    return next(one for one in notebook.cells if "import setup" in one.source)


def test_without_a_home_a_lesson_names_its_command(course):
    first, second = (one.source.read_text(encoding="utf-8") for one in every_lesson(course))
    assert "# Open this lesson with `make lab`.\n" in first
    assert "# Open this lesson with `make lab LESSON=02`.\n" in second
    assert "Open the course with `make lab`." in (course / "README.md").read_text()
    assert cell(course).source == "from course_utils import setup\n\nsetup()"


def test_a_home_gives_each_file_its_links(course):
    badges.main(["--repository", "someone/course"], course)
    assert badges.read_setting(course) == "someone/course"
    for name in ("01_first", "02_second"):
        for suffix in (".py", ".ipynb"):
            text = (course / "notebooks" / (name + suffix)).read_text(encoding="utf-8")
            assert f"github/someone/course/blob/main/notebooks/{name}.ipynb" in text
            assert f"gh/someone/course/main?urlpath=lab/tree/notebooks/{name}.ipynb" in text
            assert "git+https://github.com/someone/course" in text
            assert "old text" not in text and "More words." in text
    readme = (course / "README.md").read_text(encoding="utf-8")
    assert "blob/main/notebooks/01_first.ipynb" in readme and "More." in readme


def test_pairs_stay_in_step_and_outputs_stay(course):
    for repository in ("", "someone/course", "other/place", ""):
        badges.main(["--repository", repository], course)
        for lesson in every_lesson(course):
            assert sync.out_of_step(lesson) == ""
            code = lessons.code_cells(lessons.read_notebook(lesson))
            assert [one.outputs[0].text for one in code] == ["out 1\n", "out 2\n"]
            assert [one.execution_count for one in code] == [1, 2]


def test_writing_twice_changes_nothing(course, capsys):
    badges.main(["--repository", "someone/course"], course)
    before = contents(course)
    capsys.readouterr()
    badges.main(["--repository", "someone/course"], course)
    badges.main([], course)
    assert contents(course) == before
    assert capsys.readouterr().out == ""


def test_another_home_replaces_the_first_and_none_removes_it(course):
    before = contents(course)
    badges.main(["--repository", "someone/course"], course)
    badges.main(["--repository", "other/place"], course)
    assert not any(b"someone" in text for text in contents(course).values())
    badges.main(["--repository", ""], course)
    assert contents(course) == before


def test_check_reports_and_writes_nothing(course, capsys):
    assert badges.main(["--check"], course) == 0
    badges.write_setting("someone/course", course)
    before = contents(course)
    assert badges.main(["--check"], course) == 1
    assert contents(course) == before
    complaints = capsys.readouterr().err
    for name in ("README.md", "01_first.py", "01_first.ipynb", "02_second.py", "02_second.ipynb"):
        assert name in complaints


def test_the_setup_cell_has_three_lines_of_code_at_most_and_keeps_its_names(course):
    path = course / "notebooks/01_first.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("import setup", "import setup, verify"), encoding="utf-8")
    badges.main(["--repository", "someone/course"], course)
    changed = path.read_text(encoding="utf-8")
    assert "from course_utils import setup, verify; setup()" in changed
    assert len([line for line in cell(course).source.splitlines() if line]) == 3
    badges.main(["--repository", ""], course)
    assert "from course_utils import setup, verify\n\nsetup()\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("repository", ["", "someone/a-course-with-a-rather-long-name"])
def test_lessons_pass_the_linter_either_way(course, repository):
    badges.main(["--repository", repository], course)
    for command in (["check"], ["format", "--check"]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "notebooks"],
            cwd=course,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_setup_cell_installs_only_where_the_course_is_missing(course, monkeypatch, capsys):
    badges.main(["--repository", "someone/course"], course)
    calls = []
    monkeypatch.setattr(subprocess, "check_call", calls.append)
    capsys.readouterr()
    exec(cell(course).source, {})
    assert calls == []
    assert capsys.readouterr().out.startswith("Ready")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(cell(course).source, {})
    (command,) = calls
    assert command[:3] == [sys.executable, "-m", "pip"]
    assert command[-1] == "git+https://github.com/someone/course"
    # pip's own choice is to replace only what does not fit: nothing here may overrule it.
    assert not {"-U", "--upgrade", "--force-reinstall", "-I"} & set(command)


def test_a_failed_installation_stops_the_setup_cell(course, monkeypatch):
    badges.main(["--repository", "someone/course"], course)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    def fail(command):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "check_call", fail)
    with pytest.raises(subprocess.CalledProcessError, match="someone/course"):
        exec(cell(course).source, {})


@pytest.mark.parametrize("wrong", ["course", "a/b/c", "https://host/a/b", "a b/c", 'a/b"'])
def test_a_name_that_is_no_repository_is_refused(course, wrong):
    before = contents(course)
    with pytest.raises(SystemExit, match="owner/name"):
        badges.main(["--repository", wrong], course)
    assert contents(course) == before


@pytest.mark.parametrize(
    ("file", "cut", "what"),
    [
        ("README.md", badges.START, "launch:start"),
        ("notebooks/02_second.py", badges.END, "launch:start"),
        ("notebooks/01_first.py", "setup()", "setup cell"),
    ],
)
def test_a_file_without_its_place_is_named_and_nothing_is_written(course, file, cut, what):
    path = course / file
    path.write_text(path.read_text(encoding="utf-8").replace(cut, ""), encoding="utf-8")
    before = contents(course)
    with pytest.raises(SystemExit, match=rf"{path.name}.*{what}.*not 0 times"):
        badges.main([], course)
    assert contents(course) == before


def test_the_setting_is_found_among_others(course):
    path = course / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    badges.write_setting("someone/course", course)
    changed = path.read_text(encoding="utf-8")
    assert changed == text.replace('repository = ""', 'repository = "someone/course"')


def test_the_repository_agrees_with_its_setting(root):
    assert badges.main(["--check"], root) == 0
