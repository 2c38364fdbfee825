"""Report how fast explorers answer and how large they are.

For each explorer: its positions, the bytes that travel to the browser, the seconds to compute all
frames, and the milliseconds from a slider's input event to the picture on the screen (median and
95th percentile over one walk through a slider's grid and back, on a page without a kernel).
Nothing is asserted: times belong to the machine.

    python tests/bench/bench_explorers.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "explore"), str(ROOT / "tests" / "browser")]

import samples  # noqa: E402
from drive import FLAGS  # noqa: E402

from course_utils.explore import Explorer, registry  # noqa: E402
from tools import chromium  # noqa: E402

# One input event at a time; a frame is on the screen when the task after its animation frame runs.
WALK = """async ([selector, indices]) => {
    const slider = document.querySelector(selector);
    const painted = () => new Promise(done => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done(performance.now());
        channel.port2.postMessage(0);
    }));
    const times = [];
    for (const index of indices) {
        await new Promise(done => setTimeout(done, 17 * Math.random()));
        const start = performance.now();
        slider.value = index;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        times.push((await painted()) - start);
    }
    return times;
}"""
# The same without waiting for the next frame: what drawing itself costs.
WORK = """([selector, indices]) => {
    const slider = document.querySelector(selector);
    const real = window.requestAnimationFrame;
    window.requestAnimationFrame = action => { action(); return null; };
    const times = indices.map(index => {
        const start = performance.now();
        slider.value = index;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        slider.closest('.nnx').getBoundingClientRect();
        return performance.now() - start;
    });
    window.requestAnimationFrame = real;
    return times;
}"""


def percentile(times: list[float], share: float) -> float:
    """The smallest time that at least this share of all times does not exceed."""
    return sorted(times)[min(int(share * len(times)), len(times) - 1)]


def measure(page, explorer: Explorer) -> tuple[list[float], list[float]]:
    """Milliseconds to the screen, and milliseconds of work, for each move of the first slider."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text("<!doctype html><meta charset='utf-8'>" + explorer.to_html(), "utf-8")
        page.goto(file.as_uri())
        page.locator(".nnx-picture svg").first.wait_for()
        last = int(page.locator("input[type=range]").first.get_attribute("max"))
        indices = [*range(last + 1), *reversed(range(last))]
        indices *= max(1, 60 // len(indices))
        return tuple(
            page.evaluate(script, ["input[type=range]", indices]) for script in (WALK, WORK)
        )


def report(page, label: str, explorer: Explorer) -> None:
    """Print one explorer's line."""
    start = time.perf_counter()
    size = explorer.frames().size
    seconds = time.perf_counter() - start
    screen, work = measure(page, explorer)
    print(
        f"{label:34} {explorer.position_count:5} {size / 1000:8.1f} {seconds:6.2f}"
        f" {statistics.median(screen):7.1f} {percentile(screen, 0.95):6.1f}"
        f" {statistics.median(work):7.2f} {percentile(work, 0.95):6.2f}"
    )


def main() -> None:
    """Measure all explorers in one browser."""
    program = chromium.find()
    if program is None:
        sys.exit(chromium.HELP)
    from playwright.sync_api import sync_playwright

    print(f"{'':34} {'':5} {'':8} {'':6} {'to screen, ms':>14} {'work, ms':>14}")
    print(f"{'explorer':34} {'pos.':>5} {'kB':>8} {'s':>6}" + f" {'median':>7} {'p95':>6}" * 2)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        for label, factory in {"samples.kitchen_sink": samples.kitchen_sink, **registry()}.items():
            report(page, label, factory())
        browser.close()


if __name__ == "__main__":
    main()
