"""Write the launch links of the course's public home, from one setting.

The setting is ``repository`` in the table ``[tool.course]`` of pyproject.toml: ``"owner/name"`` on
GitHub, or empty while the course has no public home. From it come

- the text between ``<!-- launch:start -->`` and ``<!-- launch:end -->`` in README.md and in each
  lesson: links that open it in Colab or Binder, or the command that opens it here;
- the setup cell of each lesson, which installs the course where it is missing (as on Colab). It
  leaves an installed torch alone, because the course accepts every version that is recent enough.

Both files of a lesson change alike and outputs stay, so nothing has to be run again.

    python -m tools.badges                            write what the setting says
    python -m tools.badges --repository owner/name    change the setting, then write
    python -m tools.badges --repository ""            no public home: remove the links
    python -m tools.badges --check                    change nothing; exit 1 if a file is not so
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat

from tools import canonical, lessons
from tools.lessons import Lesson

BRANCH = "main"
START, END = "<!-- launch:start -->", "<!-- launch:end -->"

_REPOSITORY = r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"
_SETTING = re.compile(r'(?m)^(\[tool\.course\]\n(?:[^\[].*\n|\n)*?repository = ")([^"\n]*)(")')
_MARKED = re.compile(rf"(?ms)^(?P<prefix>(?:# )?){START}\n.*?^(?P=prefix){END}$")
# Two long lines keep the setup cell short: what happens on Colab is no part of the lesson. pip
# replaces no package that satisfies the course's ranges, so Colab's torch stays.
_INSTALL = """\
import importlib.util, subprocess, sys  # isort: skip

importlib.util.find_spec("course_utils") or subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "git+https://github.com/OWNER/NAME"])  # noqa: E501  # fmt: skip
"""  # noqa: E501
_SHORT = "  # isort: skip  # fmt: skip"
_SETUP = re.compile(
    "(?m)^(?:"
    + re.escape(_INSTALL).replace("OWNER/NAME", _REPOSITORY)
    + r")?from course_utils import (?P<names>[\w, ]*\bsetup\b[\w, ]*)(?:\n\n?|; )"
    + rf"setup\((?P<arguments>.*?)\)(?:{re.escape(_SHORT)})?$"
)


def read_setting(root: Path = lessons.ROOT) -> str:
    """Return the public home, ``"owner/name"`` or an empty string, from `root`/pyproject.toml.

    Raises:
        SystemExit: If the setting is missing.
    """
    found = _SETTING.search((root / "pyproject.toml").read_text(encoding="utf-8"))
    if not found:
        raise SystemExit('pyproject.toml has no [tool.course] table with repository = "".')
    return found[2]


def write_setting(repository: str, root: Path = lessons.ROOT) -> None:
    """Store the public home in `root`/pyproject.toml.

    Raises:
        SystemExit: If `repository` is neither empty nor of the form ``owner/name``.
    """
    if repository and not re.fullmatch(_REPOSITORY, repository):
        raise SystemExit(f"REPO must be empty or look like owner/name, not {repository!r}.")
    read_setting(root)
    path = root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    lessons.write_atomically(path, _SETTING.sub(rf"\g<1>{repository}\g<3>", text))


def launch_text(repository: str, name: str, *, first: bool = False, lesson: bool = True) -> str:
    """Return what stands between the markers.

    Args:
        repository: The public home, or an empty string.
        name: The lesson that the links open, such as ``01_perceptron``.
        first: Whether that is the lesson which ``make lab`` opens by itself.
        lesson: Whether the text stands in that lesson, not in the README.
    """
    command = "`make lab`" if first else f"`make lab LESSON={name.split('_')[0]}`"
    what = "this lesson" if lesson else "the course"
    if not repository:
        return f"Open {what} with {command}."
    path = f"notebooks/{name}.ipynb"
    colab = f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{path}"
    binder = f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?urlpath=lab/tree/{path}"
    return (
        f"Open {what} in [Colab][colab] or in [Binder][binder],\n"
        f"or on your own machine with {command}.\n\n[colab]: {colab}\n[binder]: {binder}"
    )


def setup_cell(repository: str, names: str = "setup", arguments: str = "") -> str:
    """Return the source of a lesson's setup cell: two lines of code, or three with a home."""
    if not repository:
        return f"from course_utils import {names}\n\nsetup({arguments})"
    install = _INSTALL.replace("OWNER/NAME", repository)
    return f"{install}from course_utils import {names}; setup({arguments}){_SHORT}"


def mark(text: str, launch: str) -> str:
    """Return `text` with `launch` between each pair of markers, commented out as they are."""

    def fill(found: re.Match) -> str:
        lines = (START, *launch.split("\n"), END)
        return "\n".join((found["prefix"] + line).rstrip() for line in lines)

    return _MARKED.sub(fill, text)


def set_up(text: str, repository: str) -> str:
    """Return `text`, a lesson or a cell, with its setup cell rewritten."""
    return _SETUP.sub(lambda found: setup_cell(repository, *found.groups()), text)


def changes(root: Path = lessons.ROOT) -> dict[Path, str]:
    """Return the files that do not agree with the setting, and what they ought to hold.

    Raises:
        SystemExit: If a file lacks its markers, or a lesson its setup cell.
    """
    repository = read_setting(root)
    wanted: dict[Path, str] = {}
    every = lessons.all_lessons(root / "notebooks")
    if not every:
        raise SystemExit("There is no lesson in notebooks/.")
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    _demand(readme, text, _MARKED, f"{START} and {END}")
    wanted[readme] = mark(text, launch_text(repository, every[0].name, first=True, lesson=False))
    for lesson in every:
        wanted.update(_lesson(lesson, repository, first=lesson == every[0]))
    return {path: new for path, new in wanted.items() if new != path.read_text(encoding="utf-8")}


def _lesson(lesson: Lesson, repository: str, *, first: bool) -> dict[Path, str]:
    """Return both files of a pair as they ought to be; outputs and other cells stay."""
    launch = launch_text(repository, lesson.name, first=first)
    text = lesson.source.read_text(encoding="utf-8")
    _demand(lesson.source, text, _MARKED, f"{START} and {END}")
    _demand(lesson.source, text, _SETUP, "the setup cell of two lines")
    wanted = {lesson.source: set_up(mark(text, launch), repository)}
    if lesson.notebook.exists():
        notebook = lessons.read_notebook(lesson)
        before = [cell.source for cell in notebook.cells]
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = mark(cell.source, launch)
            elif cell.cell_type == "code":
                cell.source = set_up(cell.source, repository)
        if before != [cell.source for cell in notebook.cells]:
            nbformat.validate(notebook)
            wanted[lesson.notebook] = canonical.render(notebook)
    return wanted


def _demand(path: Path, text: str, pattern: re.Pattern, what: str) -> None:
    count = len(pattern.findall(text))
    if count != 1:
        raise SystemExit(f"{lessons.display_path(path)} must hold {what} once, not {count} times.")


def main(arguments: list[str] | None = None, root: Path = lessons.ROOT) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.badges",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repository", metavar="OWNER/NAME", help="the new public home, or ''")
    parser.add_argument("--check", action="store_true", help="only look; exit 1 if out of step")
    options = parser.parse_args(arguments)
    if options.check and options.repository is not None:
        parser.error("--check changes nothing: it goes without --repository")
    if options.repository is not None:
        write_setting(options.repository, root)
    wrong = changes(root)
    for path, text in wrong.items():
        if options.check:
            lessons.complain(f"✗ {lessons.display_path(path)}: run `make badges`.")
        else:
            lessons.write_atomically(path, text)
            lessons.say(f"{lessons.display_path(path)}: updated")
    return int(options.check and bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
