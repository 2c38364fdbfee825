"""Report how fast the playground is in a real JupyterLab, in a browser without a window.

For the default board (a 2-8-8-1 network) it prints: pictures painted and steps made in a second
while it plays, the steps of the same training in a cell without a display, the ratio of the two,
how long Pause takes until the last picture stands, and how long the kernel takes to answer a cell
while the board plays. Then, for the drawing pad, milliseconds from a pointer's move to the picture
with the new reading. Nothing is asserted: times belong to the machine.

    python tests/bench/bench_play.py
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "explore"), str(ROOT / "tests" / "browser")]

from drive import FLAGS  # noqa: E402
from jupyter import Notebook, serve  # noqa: E402
from playing import TRAIN_MODEL, Board, Pad, run_cell, write_notebook  # noqa: E402

from tools import chromium  # noqa: E402

SECONDS = 6
SPEED = """\
import time
session = play.playground().session
session.train_for(0.5)
start, before = time.perf_counter(), session.step
session.train_for(3)
print("speed", (session.step - before) / (time.perf_counter() - start))"""

# Milliseconds from a click on Pause until the last new step (none comes for 300 ms after it).
PAUSE = """root => new Promise(done => {
    const start = performance.now();
    let last = start, seen = root.dataset.step;
    root.querySelector('.nnp-play').click();
    const watch = () => {
        const now = performance.now();
        if (root.dataset.step !== seen) [seen, last] = [root.dataset.step, now];
        if (now - last > 300) done(last - start);
        else requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
})"""

# Milliseconds from each move of the pointer to the next new reading, in an even scribble.
DRAW = """root => new Promise(async done => {
    const paper = root.querySelector('.nnp-paper'), seen = root.querySelector('.nnp-seen');
    const box = paper.getBoundingClientRect(), times = [];
    const send = (kind, x, y) => paper.dispatchEvent(new PointerEvent(kind, {
        bubbles: true, pointerId: 1, button: 0,
        clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
    paper.setPointerCapture = () => {};
    send('pointerdown', 0.3, 0.2);
    for (let k = 1; k <= 40; k += 1) {
        await new Promise(r => setTimeout(r, 20 + 10 * Math.random()));
        const before = seen.toDataURL(), start = performance.now();
        send('pointermove', 0.3 + 0.3 * Math.sin(k / 6), 0.2 + k / 70);
        while (seen.toDataURL() === before && performance.now() - start < 1000)
            await new Promise(r => requestAnimationFrame(r));
        times.push(performance.now() - start);
    }
    send('pointerup', 0, 0);
    done(times);
})"""


def measure_board(notebook: Notebook) -> None:
    """Print the figures of the playground."""
    page, board = notebook.page, Board(notebook.page)
    board.play(50)
    page.wait_for_timeout(1000)
    start, step, frames = time.perf_counter(), board.step, int(board.data("frames"))
    page.wait_for_timeout(1000 * SECONDS)
    seconds = time.perf_counter() - start
    speed = (board.step - step) / seconds
    print(f"pictures per second       {(int(board.data('frames')) - frames) / seconds:8.1f}")
    print(f"steps/s with the display  {speed:8.0f}")
    answers = [_cell_seconds(notebook) for _ in range(3)]
    print(f"a cell's answer, ms       {1000 * statistics.median(answers):8.0f}  (while it plays)")
    pauses = []
    for _ in range(5):
        assert board.data("playing") == "true", board.status() + board.fault()
        pauses.append(board.root.evaluate(PAUSE))
        board.play(20)
    board.pause()
    print(f"pause, ms                 {statistics.median(pauses):8.0f}  (worst {max(pauses):.0f})")
    bare = _bare_speed(notebook)
    print(f"steps/s without           {bare:8.0f}")
    print(f"share kept                {100 * speed / bare:7.0f}%")


def _cell_seconds(notebook: Notebook) -> float:
    """Seconds from running a cell until its number appears."""
    number = "() => jupyterapp.shell.currentWidget.content.widgets[2].model.executionCount"
    before, start = notebook.page.evaluate(number), time.perf_counter()
    run_cell(notebook, 2)
    notebook.page.wait_for_function(f"before => ({number})() > before", arg=before)
    return time.perf_counter() - start


def _bare_speed(notebook: Notebook) -> float:
    """Steps per second of the same training in a cell, while the board rests."""
    run_cell(notebook, 3)
    output = notebook.page.get_by_text(re.compile(r"speed [\d.]+"))
    output.wait_for()
    return float(output.inner_text().split()[1])


def measure_pad(notebook: Notebook) -> None:
    """Print the figures of the drawing pad."""
    pad = Pad(notebook.page)
    pad.paper.scroll_into_view_if_needed()
    times = sorted(pad.root.evaluate(DRAW))
    print(f"pad: move to reading, ms  {statistics.median(times):8.0f}  (95 %: {times[37]:.0f})")


def main() -> None:
    """Measure both tools in one notebook."""
    program = chromium.find()
    if program is None:
        sys.exit(chromium.HELP)
    from playwright.sync_api import sync_playwright

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as home, serve(Path(home)) as lab:
        cells = ["board = play.playground()\nboard", "1 + 1", SPEED]
        pad = "play.draw_digit(model, digits.train)"
        name = write_notebook(lab, "bench.ipynb", TRAIN_MODEL, *cells, pad)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            page = browser.new_page(viewport={"width": 1300, "height": 1000})
            notebook = Notebook(page, lab, name)
            page.evaluate(
                f"() => {Notebook.PANEL}.content.widgets[3].model.sharedModel.setSource('0')"
            )
            notebook.run_all()
            page.evaluate(
                f"s => {Notebook.PANEL}.content.widgets[3].model.sharedModel.setSource(s)", SPEED
            )
            measure_board(notebook)
            measure_pad(notebook)
            notebook.close()
            browser.close()


if __name__ == "__main__":
    main()
