"""Find the browser that the browser tests drive, or install one.

The tests drive a Chromium or a Chrome that is already on the machine, so that nothing is
downloaded where one is present. Where none is, Debian's package is installed if that is allowed,
else Playwright's own build.

    python -m tools.chromium             find one, else install one; print its path
    python -m tools.chromium --find      only look; exit 1 if there is none

``COURSE_CHROMIUM`` names a browser to use in place of any other.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPLICATIONS = ("Chromium.app/Contents/MacOS/Chromium",)
MAC_APPLICATIONS += ("Google Chrome.app/Contents/MacOS/Google Chrome",)
PACKAGES = ("chromium", "fonts-dejavu-core")
HELP = (
    "No browser for the browser tests. Install Chromium or Chrome, "
    "or set COURSE_CHROMIUM to the program of one."
)


class BrowserError(RuntimeError):
    """There is no browser that works, and none could be installed."""


def find() -> str | None:
    """Return the program of a browser that starts, or None.

    Raises:
        BrowserError: If ``COURSE_CHROMIUM`` names something that does not start.
    """
    if chosen := os.environ.get("COURSE_CHROMIUM"):
        program = shutil.which(chosen)
        if program is None or not starts(program):
            raise BrowserError(f"COURSE_CHROMIUM is {chosen!r}, which is no browser that starts.")
        return program
    return next((program for program in _candidates() if starts(program)), None)


def ensure() -> str:
    """Return the program of a browser that starts; install one if there is none.

    Raises:
        BrowserError: If there is none and none could be installed.
    """
    for attempt in (None, _install_package, _install_playwright_build):
        if attempt is not None:
            attempt()
        if program := find():
            return program
    raise BrowserError(HELP)


def starts(program: str) -> bool:
    """Return whether `program` answers with its version, as a browser that is complete does."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and b"chrom" in answer.stdout.lower()


def _candidates():
    yield from filter(None, map(shutil.which, NAMES))
    if platform.system() == "Darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield from (str(folder / name) for name in MAC_APPLICATIONS if (folder / name).exists())
    if program := _playwright_build():
        yield program


def _playwright_build() -> str | None:
    """Return the program of the build that Playwright has downloaded, or None."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        program = playwright.chromium.executable_path
    return program if Path(program).exists() else None


def _install_package() -> None:
    """Install Debian's package. Ubuntu's package of that name only points to a snap."""
    if _distribution() != "debian" or not shutil.which("apt-get"):
        return
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and _run(["sudo", "-n", "true"], quiet=True) != 0:
        return
    # A noisy package script that waits for an answer would hang where nobody can give one.
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    _run([*apt, "update"])
    _run([*apt, "install", "--yes", "--no-install-recommends", *PACKAGES])


def _install_playwright_build() -> None:
    """Download Playwright's build, with the libraries it needs where that is allowed."""
    install = [sys.executable, "-m", "playwright", "install"]
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    _run([*install, "--with-deps", "chromium"] if root else [*install, "chromium"])


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def _run(command: list[str], quiet: bool = False) -> int:
    output = subprocess.DEVNULL if quiet else sys.stderr
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ).returncode
    except OSError:
        return 127


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.chromium",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--find", action="store_true", help="install nothing")
    options = parser.parse_args(arguments)
    try:
        program = find() if options.find else ensure()
    except BrowserError as error:
        print(error, file=sys.stderr)
        return 1
    print(program or HELP, file=sys.stdout if program else sys.stderr)
    return 0 if program else 1


if __name__ == "__main__":
    raise SystemExit(main())
