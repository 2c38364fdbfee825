"""What the Makefile's targets do; stand-ins for Python and uv write down how they are called."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

# Plays .venv/bin/python and .venv/bin/uv. Writes each call to calls.log; fails where told to.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $* | threads=$OMP_NUM_THREADS backend=$UV_TORCH_BACKEND" >> calls.log
case "$*" in
  *"${FAIL_ON:-nothing fails}"*) exit 3;;
  "-m pip install "*) cp program .venv/bin/uv;;
esac
"""
# Plays the Python that makes .venv: with `-m venv` it makes the program.
BASE_PYTHON = """#!/bin/sh
case "$*" in
  *ensurepip*) test -z "$NO_VENV" || exit 1;;
  *version_info*) test -z "$TOO_OLD" || exit 1;;
  --version) echo "Python 3.8.1";;
  "-m venv "*) mkdir -p .venv/bin && cp program .venv/bin/python;;
esac
"""


@pytest.fixture
def project(tmp_path, root):
    """A folder with the Makefile and stand-ins, nothing installed yet; `run(...)` calls make."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(root / name, tmp_path)
    shutil.copytree(root / "binder", tmp_path / "binder")
    (tmp_path / "notebooks").mkdir()
    for name in ("01_perceptron", "02_activations"):
        (tmp_path / f"notebooks/{name}.ipynb").touch()
    for name, text in (("program", PROGRAM), ("base-python", BASE_PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return Project(tmp_path)


class Project:
    def __init__(self, folder):
        self.folder = folder

    def run(self, *arguments, ok=True, **environment):
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("REPO", "PORT", "ARGS", "LESSON", "OMP_NUM_THREADS")
            and not name.startswith(("MAKE", "MFLAGS", "UV_"))
        }
        result = subprocess.run(
            ["make", "PYTHON=./base-python", *arguments],
            cwd=self.folder,
            env=inherited | environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert (result.returncode == 0) == ok, result.stdout + result.stderr
        return result

    @property
    def calls(self):
        """The calls since the last look."""
        log = self.folder / "calls.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


def test_help_describes_every_target(root):
    text = (root / "Makefile").read_text(encoding="utf-8")
    targets = {name for line in re.findall(r"(?m)^\.PHONY: (.+)$", text) for name in line.split()}
    listing = subprocess.run(
        ["make", "help"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    listed = dict(re.findall(r"(?m)^  ([a-z]+) +(\S.*)$", listing))
    assert set(listed) == targets
    assert len(targets) >= 17
    assert "UV_TORCH_BACKEND=cpu" in listing


def test_make_alone_lists_the_targets(project):
    assert "make TARGET" in project.run().stdout


def test_venv_installs_the_pins_and_the_course_once(project):
    project.run("venv")
    calls = project.calls
    assert [call.split(" | ")[0] for call in calls] == [
        "python -m pip install --quiet --disable-pip-version-check -c requirements.txt uv",
        "uv pip install --python .venv/bin/python -r requirements.txt",
        "uv pip install --python .venv/bin/python --no-deps -e .",
    ]
    project.run("venv")
    assert project.calls == []


def test_lab_asks_no_question_on_the_first_visit(project):
    project.run("venv")
    settings = project.folder / ".venv/share/jupyter/lab/settings/overrides.json"
    (notification,) = json.loads(settings.read_text()).values()
    assert notification == {"checkForUpdates": False, "fetchNews": "false"}


@pytest.mark.parametrize("changed", ["requirements.txt", "pyproject.toml", "binder/overrides.json"])
def test_venv_installs_again_after_a_change(project, changed):
    project.run("venv")
    assert project.calls
    stamp = (project.folder / ".venv/.installed").stat().st_mtime
    os.utime(project.folder / changed, (stamp + 10, stamp + 10))
    project.run("venv")
    assert len(project.calls) == 2


def test_a_failed_installation_is_tried_again(project):
    project.run("venv", ok=False, FAIL_ON="--no-deps -e .")
    assert project.calls
    project.run("venv")
    assert len(project.calls) == 2


def test_the_chosen_build_of_torch_reaches_uv(project):
    project.run("venv", UV_TORCH_BACKEND="cpu")
    assert all(call.endswith("backend=cpu") for call in project.calls)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TOO_OLD": "1"}, "needs Python 3.10 or newer; ./base-python is Python 3.8.1"),
        ({"NO_VENV": "1"}, "cannot make virtual environments"),
    ],
)
def test_an_unfit_python_is_named(project, environment, message):
    result = project.run("venv", ok=False, **environment)
    assert message in result.stderr
    assert not (project.folder / ".venv").exists()


def test_the_oldest_python_is_that_of_pyproject(root, pyproject):
    asked = re.search(r"sys.version_info < \((\d+), (\d+)\)", (root / "Makefile").read_text())
    assert pyproject["project"]["requires-python"] == ">={}.{}".format(*asked.groups())


def test_a_missing_python_is_named(project):
    result = project.run("PYTHON=no-such-python", "venv", ok=False)
    assert "no no-such-python here" in result.stderr


def test_test_runs_every_stage_in_order_and_installs_nothing(project):
    project.run("venv")
    assert project.calls
    result = project.run("test")
    commands = [call.split(" | ")[0] for call in project.calls]
    assert commands == [
        "python -m ruff check .",
        "python -m ruff format --check .",
        "python -m pytest -n 2 --dist loadgroup --ignore=tests/browser --ignore=tests/bench tests",
        "python -m tools.nbval",
        "python -m tools.solutions",
        "python -m tools.chromium",
        "python -m pytest tests/browser",
    ]
    assert re.search(
        r"make test: everything passed \(lint unit nbval solutions browser\) in \d+ s\s*$",
        result.stdout,
    )


@pytest.mark.parametrize("stage", ["ruff format", "pytest -n", "tools.nbval", "tests/browser"])
def test_test_stops_at_the_first_failure(project, stage):
    project.run("venv")
    assert project.calls
    result = project.run("test", ok=False, FAIL_ON=stage)
    assert stage in project.calls[-1]
    assert "everything passed" not in result.stdout
    assert re.search(r"make test: \w+ failed", result.stderr)


def test_one_thread_unless_told_otherwise(project):
    project.run("nbval")
    assert "threads=1" in project.calls[-1]
    project.run("nbval", OMP_NUM_THREADS="2")
    assert "threads=2" in project.calls[-1]


def test_lab_opens_the_first_lesson_behind_its_token(project):
    project.run("lab")
    call = project.calls[-1]
    assert call.startswith("python -m jupyterlab --port=8888")
    assert "default_url=/lab/tree/notebooks/01_perceptron.ipynb " in call and "threads=1" in call
    assert "token" not in call and "password" not in call


def test_lab_takes_a_lesson_a_port_and_options(project):
    project.run("lab", "LESSON=02", "PORT=9999", "ARGS=--no-browser")
    call = project.calls[-1]
    assert "--port=9999" in call and "--no-browser" in call
    assert "default_url=/lab/tree/notebooks/02_activations.ipynb " in call


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are users on POSIX only")
def test_lab_may_run_as_root_only_as_root(project):
    project.run("lab")
    assert ("--allow-root" in project.calls[-1]) == (os.geteuid() == 0)


@pytest.mark.parametrize("target", ["sync", "execute", "nbval", "solutions", "student"])
def test_lesson_tools_take_a_lesson(project, target):
    project.run(target, "LESSON=02")
    assert project.calls[-1].startswith(f"python -m tools.{target} 02 ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "python -m tools.badges |"),
        (["REPO=someone/course"], "python -m tools.badges --repository someone/course |"),
        (["REPO="], "python -m tools.badges --repository  |"),
    ],
)
def test_badges_tells_no_setting_from_an_empty_one(project, arguments, expected):
    project.run("badges", *arguments)
    assert project.calls[-1].startswith(expected)


def test_bench_runs_every_script_and_stops_at_a_failure(project):
    (project.folder / "tests/bench").mkdir(parents=True)
    for name in ("bench_a.py", "bench_b.py", "other.py"):
        (project.folder / "tests/bench" / name).touch()
    project.run("venv")
    assert project.calls
    project.run("bench")
    assert [call.split()[1] for call in project.calls] == [
        "tests/bench/bench_a.py",
        "tests/bench/bench_b.py",
    ]
    project.run("bench", ok=False, FAIL_ON="bench_a")
    assert len(project.calls) == 1


def test_clean_keeps_the_environment(project):
    project.run("venv")
    for name in ("build", "test-results", "notebooks/.ipynb_checkpoints"):
        (project.folder / name).mkdir()
    for name in ("course_utils", "tools", "tests"):
        (project.folder / name).mkdir()
    project.run("clean")
    assert not (project.folder / "build").exists()
    assert not (project.folder / "notebooks/.ipynb_checkpoints").exists()
    assert (project.folder / ".venv/.installed").exists()


def test_every_tool_of_the_makefile_exists(root):
    text = (root / "Makefile").read_text(encoding="utf-8")
    modules = set(re.findall(r"-m (tools\.\w+)", text))
    assert len(modules) >= 6
    for module in modules:
        assert (root / (module.replace(".", "/") + ".py")).is_file(), module


def test_requirements_needs_no_installed_course(project):
    """A broken requirements.txt must not stand in the way of making a new one."""
    project.run("venv")
    assert project.calls
    (project.folder / "requirements.txt").write_text("# kept\nnvidia-x==1\ntriton==3\ntorch==2\n")
    project.run("requirements", UV_TORCH_BACKEND="cpu")
    (call,) = project.calls
    assert call.startswith("uv pip compile") and call.endswith("backend=")
    for option in ("--universal", "--python-version 3.10", "--all-extras", "--no-emit-index-url"):
        assert option in call
    text = (project.folder / "requirements.txt").read_text()
    assert text.splitlines()[1:] == ["torch==2"]
    assert "make requirements" in text
    assert sys.executable not in text
