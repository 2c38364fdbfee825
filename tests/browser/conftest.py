"""A browser for the tests: the one of the machine, driven by Playwright without a window.

Without a browser the tests are skipped on a reader's machine, but fail where `CI` is set. With
`COURSE_SCREENSHOTS=folder` the tests leave pictures of what they saw.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import chromium

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "explore"))  # samples.py and reading.py

from drive import FLAGS  # noqa: E402


@pytest.fixture(scope="session")
def browser() -> Iterator:
    program = chromium.find()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(chromium.HELP)
        pytest.skip(chromium.HELP)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """Open pages, and check at the end that none has written an error to its console."""
    contexts, problems = [], []

    def make(*, width: int = 1000, ignore: tuple[str, ...] = (), **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)

        def note(kind: str, text: str) -> None:
            if not any(known in text for known in ignore):
                problems.append(f"{kind}: {text}")

        page.on("pageerror", lambda error: note("exception", str(error)))
        page.on(
            "console",
            lambda message: (
                note("console", f"{message.text} {message.location.get('url', '')}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)


@pytest.fixture
def snap(request: pytest.FixtureRequest) -> Callable:
    """Keep a picture of the page if the tests are asked for pictures."""
    folder = os.environ.get("COURSE_SCREENSHOTS")

    def take(page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return take
