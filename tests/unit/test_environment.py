import builtins
import importlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import course_utils
from course_utils import device, doctor, environment, setup

REPOSITORY = Path(__file__).parents[2]


def _python(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
        timeout=100,
    )
    return done.stdout


def test_exports_and_version():
    assert sorted(course_utils.__all__) == ["__version__", "device", "doctor", "setup", "verify"]
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{course_utils.__version__}"' in text


def test_import_and_setup_stay_light():
    code = """
import json, sys, torch
before = set(sys.modules)
import course_utils
imported = sorted(set(sys.modules) - before)
course_utils.setup(3)
heavy = ("torchvision", "sklearn", "matplotlib.pyplot", "IPython", "ipywidgets", "anywidget")
print(json.dumps([imported, [name for name in heavy if name in sys.modules]]))
"""
    ready, report = _python(code).splitlines()
    imported, heavy = json.loads(report)
    assert ready == "Ready: seed 3."
    assert {name.split(".")[0] for name in imported} == {"course_utils"}
    assert "course_utils.plotting" not in imported
    assert heavy == []


def test_setup_prints_one_line_and_seeds_everything(capsys):
    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()

    assert setup(7) is None
    assert capsys.readouterr().out == "Ready: seed 7.\n"
    first = draw()
    setup(7)
    assert draw() == first
    setup(8)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_setup_sets_dtype_threads_precision_and_style(monkeypatch):
    import matplotlib

    torch.set_default_dtype(torch.float64)
    matplotlib.rcParams["figure.dpi"] = 33
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    setup()
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_num_threads() == 2
    assert matplotlib.rcParams["figure.dpi"] == 100
    if hasattr(torch.backends, "fp32_precision"):
        assert torch.backends.fp32_precision == "ieee"
    assert not torch.backends.cudnn.allow_tf32  # raises if the old and the new switch disagree


@pytest.mark.parametrize(
    ("text", "threads"), [("", 1), ("3", 3), ("4,2", 4), ("0", 1), ("many", 1)]
)
def test_threads(text, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert environment._threads() == threads


def test_setup_works_without_matplotlib(monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "course_utils.plotting", raising=False)
    monkeypatch.delattr(course_utils, "plotting", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    setup()
    assert capsys.readouterr().out == "Ready: seed 0.\n"


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**32, ValueError), ("0", TypeError), (True, TypeError)]
)
def test_setup_refuses_a_bad_seed(seed, error):
    with pytest.raises(error, match="seed must be"):
        setup(seed)


@pytest.mark.parametrize("cuda", [False, True])
def test_device(cuda, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    best = torch.device("cuda" if cuda else "cpu")
    assert device() == best
    monkeypatch.setenv("COURSE_DEVICE", " AUTO ")
    assert device() == best
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert device() == torch.device("cpu")


def test_device_unknown_or_unavailable(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "gpu")
    with pytest.raises(ValueError, match="'gpu'; it can be cpu, cuda, mps or auto"):
        device()
    monkeypatch.setenv("COURSE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"Set COURSE_DEVICE to cpu \(or auto\)"):
        device()


def test_watched_without_a_terminal(monkeypatch):
    class Stream:
        def __init__(self, terminal):
            self.isatty = lambda: terminal

    monkeypatch.setattr(sys, "stderr", Stream(True))
    assert environment.watched()
    monkeypatch.setattr(sys, "stderr", Stream(False))
    assert not environment.watched()


@pytest.fixture
def healthy(monkeypatch):
    """A doctor that finds nothing: the real checks of this machine, minus Jupyter's."""
    monkeypatch.setattr(environment, "_check_widgets", lambda: (True, "there", ""))
    monkeypatch.setattr(environment, "_requirements", dict)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_doctor_finds_nothing_wrong(healthy, capsys):
    assert doctor() is True
    out = capsys.readouterr().out
    assert "✗" not in out
    assert out.endswith("Everything is fine.\n")
    for name in ("python", "torch", "scikit-learn", "device", "data files", "checksum correct"):
        assert name in out


def test_doctor_reports_missing_broken_and_old_libraries(healthy, monkeypatch, capsys):
    real_find, real_import = importlib.util.find_spec, importlib.import_module

    def broken(name, *args):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real_import(name, *args)

    missing = lambda name, *a: None if name == "anywidget" else real_find(name, *a)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", missing)
    monkeypatch.setattr(importlib, "import_module", broken)
    monkeypatch.setattr(environment, "_requirements", lambda: {"numpy": ">=99"})
    assert doctor() is False
    out = capsys.readouterr().out
    assert "✗ anywidget" in out
    assert 'pip install "anywidget"' in out
    assert "broken: RuntimeError: operator torchvision::nms" in out
    assert "made for your version of torch" in out
    assert "but the course needs >=99" in out
    assert 'pip install "numpy>=99"' in out
    assert "3 problems. What to do:" in out


def test_doctor_reports_damaged_and_missing_data(healthy, monkeypatch, tmp_path, capsys):
    from course_utils import data

    copy = tmp_path / "mnist_5k.npz"
    content = bytearray(data.MNIST_5K.read_bytes())
    content[1000] ^= 1
    copy.write_bytes(content)
    monkeypatch.setattr(data, "MNIST_5K", copy)
    assert doctor() is False
    assert "damaged" in capsys.readouterr().out
    copy.unlink()
    assert doctor() is False
    out = capsys.readouterr().out
    assert "is missing" in out
    assert "1 problem. What to do:\n- data files: Install the course again" in out


def test_doctor_reports_device_and_threads(healthy, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DEVICE", "quantum")
    monkeypatch.setenv("OMP_NUM_THREADS", "lots")
    assert doctor() is False
    out = capsys.readouterr().out
    assert "- device: ValueError: COURSE_DEVICE is 'quantum'" in out
    assert "- threads: Set OMP_NUM_THREADS to a number" in out


def test_doctor_survives_a_check_that_fails(healthy, monkeypatch, capsys):
    def fails():
        raise OSError("disk on fire")

    monkeypatch.setattr(environment, "_check_threads", fails)
    assert doctor() is False
    assert "the check itself failed: OSError: disk on fire" in capsys.readouterr().out


def test_widget_check_looks_for_the_extension(monkeypatch, tmp_path):
    paths = pytest.importorskip("jupyter_core.paths")
    for name in ("VSCODE_PID", "VSCODE_CWD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "jupyter_path", lambda *parts: [str(tmp_path)])
    fine, _, advice = environment._check_widgets()
    assert not fine
    assert "jupyterlab_widgets" in advice
    package = tmp_path / "@jupyter-widgets" / "jupyterlab-manager" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text('{"version": "5.0.1"}', encoding="utf-8")
    assert environment._check_widgets() == (True, "jupyterlab-manager 5.0.1", "")


def test_requirements_are_parsed(monkeypatch):
    from importlib import metadata

    lines = ["torch>=2.4", "scikit_learn (>=1.3,<2)", "pytest>=8; extra == 'test'", "tqdm"]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    assert environment._requirements() == {"torch": ">=2.4", "scikit-learn": ">=1.3,<2", "tqdm": ""}


@pytest.mark.parametrize(
    ("version", "specifier", "fine"),
    [
        ("2.15.0+cu132", ">=2.4", True),
        ("2.3.1", ">=2.4", False),
        ("2.10", ">=2.9", True),
        ("1", "", True),
        ("odd", ">=1", True),
    ],
)
def test_satisfies(version, specifier, fine):
    assert environment._satisfies(version, specifier) is fine
