"""The scripts that others run, and what no file of the project may hold."""

import os
import re
import subprocess

import pytest

# A make that runs these tests leaves its own settings to the makes inside them.
CLEAN = {
    name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
}
SCRIPTS = [".ci/run", "binder/postBuild", "binder/start"]
SETUP_FILES = [
    *SCRIPTS,
    ".github/workflows/test.yml",
    "Makefile",
    "binder/environment.yml",
    "environment.yml",
    "pyproject.toml",
    "requirements.txt",
]
# A path that exists on one machine only. What precedes the slash tells it from a picture's base64.
_MACHINE = r"(?<![A-Za-z0-9+/=.~])/(?:root|work{more})/[\w.]"
MACHINE_PATH = re.compile(_MACHINE.format(more="|tmp|home|opt|Users|mnt|private"))
MACHINE_PATH_IN_TESTS = re.compile(_MACHINE.format(more=""))
INDEX_OPTION = re.compile(r"--?(?:extra-)?index" r"-url|--find" r"-links|trusted" r"-host")


def read(path):
    """Return a file's text, or None for a binary file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable_bash(root, name):
    assert os.access(root / name, os.X_OK)
    assert (root / name).read_text().splitlines()[0] in ("#!/usr/bin/env bash", "#!/bin/bash")
    subprocess.run(["bash", "-n", name], cwd=root, check=True)


def test_ci_stops_at_the_first_failure(root):
    assert "set -euo pipefail" in (root / ".ci/run").read_text().splitlines()


def test_post_build_stops_at_the_first_failure(root):
    lines = [line for line in (root / "binder/postBuild").read_text().splitlines() if line]
    assert next(line for line in lines if not line.startswith("#")) == "set -e"


def test_start_sets_one_thread_and_becomes_the_command(root):
    lines = (root / "binder/start").read_text().splitlines()
    assert lines[-1] == 'exec "$@"'
    shown = subprocess.run(
        [root / "binder/start", "sh", "-c", "echo $OMP_NUM_THREADS $0 $1", "a b"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.split() == ["1", "a", "b"]


@pytest.fixture
def clone(tmp_path, root):
    """A folder with only .ci/run and a Makefile whose `test` shows its surroundings."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci/run").write_text((root / ".ci/run").read_text())
    recipe = "test:\n\t@echo in `pwd`, given `cat | wc -c` bytes\n\t@exit $(STATUS)\n"
    (tmp_path / "Makefile").write_text("STATUS ?= 0\n" + recipe)
    return tmp_path


def test_ci_runs_make_test_from_anywhere_without_input(clone):
    result = subprocess.run(
        ["bash", clone / ".ci/run"],
        cwd="/",
        env=CLEAN,
        capture_output=True,
        text=True,
        input="unwanted",
    )
    assert result.returncode == 0
    assert result.stdout.split() == ["in", f"{clone.resolve()},", "given", "0", "bytes"]


def test_ci_fails_when_make_test_fails(clone):
    result = subprocess.run(
        ["bash", ".ci/run"], cwd=clone, env=CLEAN | {"STATUS": "5"}, capture_output=True
    )
    assert result.returncode != 0


def test_ci_readme_and_workflow_name_the_same_command(root):
    script = (root / ".ci/run").read_text()
    assert [line.split(" <")[0] for line in script.splitlines() if line.startswith("make ")] == [
        "make test"
    ]
    assert "bash .ci/run" in (root / ".github/workflows/test.yml").read_text()
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "make test" in readme and "make lab" in readme


@pytest.mark.parametrize("name", SETUP_FILES)
def test_set_up_files_name_no_host(root, name):
    """Each machine has its own package registry; a file that names one works only there."""
    assert "://" not in (root / name).read_text(encoding="utf-8")


def test_no_file_holds_a_path_of_one_machine(root, project_files):
    found = []
    for path in project_files:
        name = path.relative_to(root).as_posix()
        pattern = MACHINE_PATH_IN_TESTS if name.startswith("tests/") else MACHINE_PATH
        for number, line in enumerate((read(path) or "").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{name}:{number}: {line[match.start() :][:40]}")
    assert not found, "\n".join(found)


def test_no_file_chooses_a_package_index(root, project_files):
    found = [
        path.relative_to(root).as_posix()
        for path in project_files
        if INDEX_OPTION.search((read(path) or "").replace("--no-emit-index-url", ""))
    ]
    assert not found


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ('open("/' + "root/x.txt" + '")', True),
        ("in /" + "tmp/abc", True),
        ("C8x9/" + "tmp/Zm9v", False),
        ("#!/usr/bin/env bash", False),
        ("see shared/" + "work/x", False),
    ],
)
def test_the_search_for_machine_paths_can_tell(line, caught):
    assert bool(MACHINE_PATH.search(line)) == caught


def test_nothing_that_is_built_is_tracked(root, project_files):
    names = [path.relative_to(root).as_posix() for path in project_files]
    built = re.compile(r"(^|/)(\.venv|__pycache__|build|dist|test-results|[^/]*\.egg-info)/|\.pyc$")
    assert not [name for name in names if built.search(name)]


def test_license_is_named_and_dated(root, pyproject):
    text = (root / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert re.search(r"Copyright \(c\) \d{4} The Neural Network Basics authors", text)
    # The digits keep their own license, which the package therefore names too.
    assert pyproject["project"]["license"] == "MIT AND CC-BY-SA-3.0"
    data = (root / "course_utils/data_files/README.md").read_text(encoding="utf-8")
    assert "CC BY-SA 3.0" in data
