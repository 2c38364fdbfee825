"""Set up a lesson's kernel, choose a device, and find out what is wrong with an installation."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import os
import platform
import random
import re
import sys
from pathlib import Path

import numpy as np
import torch

__all__ = ["device", "doctor", "setup"]


def setup(seed: int = 0) -> None:
    """Make this kernel start like every other one: the same seeds, threads, dtype and figures.

    Seeds Python, NumPy and torch; uses ``OMP_NUM_THREADS`` threads (one if that is not set); makes
    float32 the default dtype; asks a GPU for full float32 precision; and, if matplotlib is
    installed, applies the course's figure style. Prints one line.

    Args:
        seed: a whole number from 0 to 2**32 - 1.

    Raises:
        TypeError: if ``seed`` is not a whole number.
        ValueError: if ``seed`` is out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed must be a whole number, got {type(seed).__name__}.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to {2**32 - 1}, got {seed}.")
    seed = int(seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(_threads())
    torch.set_default_dtype(torch.float32)
    _full_float32_precision()
    # torch.utils.benchmark says on stderr that a CUDA toolkit has no GPU; doctor() is the place.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        from course_utils import plotting
    except ImportError:
        pass  # no matplotlib: doctor() says so, and a lesson that draws will too
    else:
        plotting.use_style()
    print(f"Ready: seed {seed}.")


def device() -> torch.device:
    """The device the lessons run on, from the environment variable ``COURSE_DEVICE``.

    ``auto`` (the default) means CUDA if there is one and the CPU otherwise; ``cpu``, ``cuda`` and
    ``mps`` ask for that device.

    Returns:
        The device.

    Raises:
        ValueError: if ``COURSE_DEVICE`` is not one of the four words.
        RuntimeError: if the device asked for is not available in this installation.
    """
    asked = os.environ.get("COURSE_DEVICE", "").strip().lower() or "auto"
    if asked not in ("auto", "cpu", "cuda", "mps"):
        raise ValueError(f"COURSE_DEVICE is {asked!r}; it can be cpu, cuda, mps or auto.")
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[asked]:
        usable = " or ".join(name for name, works in available.items() if works)
        raise RuntimeError(
            f"COURSE_DEVICE asks for {asked}, but this torch cannot use it here. "
            f"Set COURSE_DEVICE to {usable} (or auto), or install a build of torch with {asked}."
        )
    return torch.device(asked)


def watched() -> bool:
    """Whether a person is likely to see a bar now.

    In a terminal: yes. In a notebook: if the front end that sent this cell could also answer an
    ``input()``. JupyterLab can; a program that executes notebooks (nbclient, nbconvert, nbval)
    cannot, and a bar would only leave its remains in the file.
    """
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    kernel = getattr(get_ipython() if get_ipython else None, "kernel", None)
    if kernel is None:
        return sys.stderr is not None and sys.stderr.isatty()
    try:
        return bool(kernel.get_parent("shell")["content"]["allow_stdin"])
    except Exception:  # a kernel of another kind
        return False


def _threads() -> int:
    """OMP_NUM_THREADS as a positive number; 1 if it is missing or makes no sense."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return max(int(text), 1) if text.isdecimal() else 1


def _full_float32_precision() -> None:
    """Keep float32 what it says on a GPU: TF32 keeps 10 of its 23 bits of mantissa."""
    if hasattr(torch.backends, "fp32_precision"):
        torch.backends.fp32_precision = "ieee"
    else:  # torch before 2.9
        torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False  # torch.export refuses when the old switch disagrees


# ----------------------------------------------------------------------------------------------
# doctor
# ----------------------------------------------------------------------------------------------

_DISTRIBUTION = "neural-network-basics"
_LIBRARIES = {  # distribution -> module
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "matplotlib": "matplotlib",
    "scikit-learn": "sklearn",
    "tqdm": "tqdm",
    "tensorboard": "tensorboard",
    "anywidget": "anywidget",
    "ipywidgets": "ipywidgets",
}
_OLDEST_PYTHON = (3, 10)


def doctor() -> bool:
    """Check this installation and print what was found, with advice for every problem.

    Looks at Python, the libraries (each is imported; its version is held against the course's own
    requirements), the device, the number of threads, the shipped data and the extension that lets
    JupyterLab show sliders. Changes nothing and never raises.

    Returns:
        True if everything is fine.
    """
    rows: list[tuple[bool, str, str, str]] = []  # fine, what, found, advice
    for name, check in _checks():
        try:
            fine, found, advice = check()
        except Exception as error:  # a check must never take the report down with it
            fine, found = False, f"the check itself failed: {_one_line(error)}"
            advice = "This is a fault of the course; please report it."
        rows.append((fine, name, found, advice))
    width = max(len(name) for _, name, _, _ in rows)
    for fine, name, found, _ in rows:
        print(f"{'✓' if fine else '✗'} {name:<{width}}  {found}")
    problems = [(name, advice) for fine, name, _, advice in rows if not fine]
    if not problems:
        print("\nEverything is fine.")
        return True
    print(f"\n{len(problems)} problem{'s' if len(problems) > 1 else ''}. What to do:")
    for name, advice in problems:
        print(f"- {name}: {advice}")
    return False


def _checks():
    """The checks in the order of the table: (name, function -> (fine, found, advice))."""
    yield "python", _check_python
    yield "platform", lambda: (True, f"{platform.system()} {platform.machine()}", "")
    required = _requirements()
    for distribution, module in _LIBRARIES.items():
        specifier = required.get(distribution, "")
        yield distribution, lambda d=distribution, m=module, s=specifier: _check_library(d, m, s)
    yield "device", _check_device
    yield "threads", _check_threads
    yield "data files", _check_data
    yield "widgets in Jupyter", _check_widgets


def _check_python():
    found = platform.python_version()
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    return (
        sys.version_info >= _OLDEST_PYTHON,
        found,
        f"The course needs Python {oldest} or newer. Make a new environment with one.",
    )


def _check_library(distribution: str, module: str, specifier: str):
    install = f'Run: python -m pip install "{distribution}{specifier}"'
    if importlib.util.find_spec(module) is None:
        return False, "missing", install
    try:
        version = getattr(importlib.import_module(module), "__version__", None)
    except Exception as error:
        reinstall = f'python -m pip install --force-reinstall --no-deps "{distribution}{specifier}"'
        advice = f"It is installed but cannot be imported. Run: {reinstall}"
        if distribution == "torchvision":
            advice += " (its version must be the one made for your version of torch)"
        return False, f"broken: {_one_line(error)}", advice
    if version is None:
        from importlib import metadata

        version = metadata.version(distribution)
    if not _satisfies(str(version), specifier):
        return False, f"{version}, but the course needs {specifier}", install
    return True, str(version), ""


def _check_device():
    try:
        found = device()
    except (RuntimeError, ValueError) as error:
        return False, os.environ.get("COURSE_DEVICE", ""), _one_line(error)
    if found.type == "cuda":
        return True, f"cuda ({torch.cuda.get_device_name(found)})", ""
    return True, str(found), ""


def _check_threads():
    text = os.environ.get("OMP_NUM_THREADS")
    if text and not text.split(",")[0].strip().isdecimal():
        return False, f"OMP_NUM_THREADS={text}", "Set OMP_NUM_THREADS to a number, such as 1."
    used, cores = torch.get_num_threads(), os.cpu_count() or 1
    return True, f"{used} in use now, {_threads()} after setup(), {cores} cores", ""


def _check_data():
    from course_utils import data

    restore = (
        f"Install the course again, or restore course_utils/data_files/{data.MNIST_5K.name} "
        "from its repository (git checkout -- course_utils/data_files)."
    )
    if not data.MNIST_5K.is_file():
        return False, f"{data.MNIST_5K.name} is missing", restore
    digest = hashlib.sha256(data.MNIST_5K.read_bytes()).hexdigest()
    if digest != data.MNIST_5K_SHA256:
        return False, f"{data.MNIST_5K.name} is damaged (its SHA-256 differs)", restore
    return True, f"{data.MNIST_5K.name}, checksum correct", ""


def _check_widgets():
    if "google.colab" in sys.modules:
        return True, "built into Colab", ""
    if os.environ.get("VSCODE_PID") or os.environ.get("VSCODE_CWD"):
        return True, "built into VS Code's Jupyter extension", ""
    advice = (
        "Sliders stay pictures until the environment that starts JupyterLab has the extension. "
        "Run there: python -m pip install jupyterlab_widgets, then reload the page."
    )
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:
        return False, "Jupyter is not in this environment", advice
    for folder in jupyter_path("labextensions"):
        package = Path(folder) / "@jupyter-widgets" / "jupyterlab-manager" / "package.json"
        if package.is_file():
            found = re.search(r'"version":\s*"([^"]+)"', package.read_text(encoding="utf-8"))
            return True, f"jupyterlab-manager {found[1] if found else ''}".rstrip(), ""
    return False, "JupyterLab's widget extension is missing", advice


def _requirements() -> dict[str, str]:
    """The course's own requirements: distribution -> version specifier ("" if it has none)."""
    try:
        from importlib import metadata

        lines = metadata.requires(_DISTRIBUTION) or []
    except Exception:
        return {}
    required = {}
    for line in lines:
        if "extra ==" in line:
            continue
        match = re.match(r"([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;()]*)", line)
        if match:
            required[match[1].lower().replace("_", "-")] = match[2].replace(" ", "")
    return required


def _satisfies(version: str, specifier: str) -> bool:
    """Whether a version meets a specifier; yes when that cannot be told."""
    if not specifier:
        return True
    try:
        from packaging.specifiers import SpecifierSet
        from packaging.version import Version

        found = Version(version.split("+")[0])  # "+cu132" names a build, not a version
        return SpecifierSet(specifier).contains(found, prereleases=True)
    except Exception:
        return True


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    text = f"{type(error).__name__}: {text}"
    return text if len(text) <= 160 else text[:159] + "…"
