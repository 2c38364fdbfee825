"""The conditions under which lessons run: this Python's kernel, one thread, nobody's settings."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

# Variables of the caller that would change what a lesson shows.
_UNWANTED = ("MPLBACKEND", "MPLCONFIGDIR", "MATPLOTLIBRC", "PYTHONWARNINGS", "PYTHONSTARTUP")

# The system limits the length of a socket's path: 104 bytes on macOS, 108 on Linux.
_SOCKET_PATH = 100

# Arguments of a kernel that reports errors on its terminal, but no notices.
QUIET = ["--log-level=40"]


def kernel_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a lesson's kernel.

    One thread and the CPU unless the caller asks otherwise (``OMP_NUM_THREADS``,
    ``COURSE_DEVICE``); the learner's progress file and IPython profile are never touched.

    Args:
        scratch: A folder of this run alone, for the progress file and the profile.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _UNWANTED}
    environment.setdefault("OMP_NUM_THREADS", "1")
    environment.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # a waiting thread leaves its core to others
    environment.setdefault("COURSE_DEVICE", "cpu")
    environment["COURSE_PROGRESS_FILE"] = str(scratch / "progress.json")
    environment["IPYTHONDIR"] = str(scratch / "ipython")
    return environment


def connection(scratch: Path) -> dict[str, str]:
    """Return the options of a kernel manager that say how to talk to the kernel.

    Through files of this run alone, where the system has such sockets. Ports are chosen before
    the kernel opens them, and of many kernels that start at once, two now and then choose alike.

    Args:
        scratch: A folder of this run alone.
    """
    file = scratch / "kernel.json"
    if not hasattr(socket, "AF_UNIX") or len(os.fsencode(f"{file}-ipc-5")) > _SOCKET_PATH:
        return {}
    return {"transport": "ipc", "connection_file": str(file)}


def kernel_manager(scratch: Path) -> AsyncKernelManager:
    """Return a manager for a kernel of the running Python, whatever kernels are installed.

    Args:
        scratch: A folder of this run alone.
    """
    return AsyncKernelManager(
        kernel_name=CURRENT_ENV_KERNEL_NAME,
        kernel_spec_manager=NbvalKernelspecManager(),
        **connection(scratch),
    )


def cell_timeout() -> float:
    """Return how long one cell may run, in seconds (``COURSE_CELL_TIMEOUT``, default 300)."""
    return float(os.environ.get("COURSE_CELL_TIMEOUT", 300))
