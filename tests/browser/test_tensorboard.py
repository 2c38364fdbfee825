"""A log as lesson 3.7 writes it, seen in a running TensorBoard."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

RUNS = ("rate 0.1", "rate 0.01")

# What TensorBoard's own page writes to the console when all is well.
NOISE = (
    "Multiple instances of Three.js",
    "GL Driver Message",  # the projector draws without a graphics card
    "fonts.g",  # a font from the network, without which it does well
)
SEEN = {  # tab -> what it shows of the log
    "timeseries": "loss/train",
    "scalars": "loss/train",
    "histograms": "weights/first",
    "images": "tag: wrong",
    "graphs": "Sequential",
    "projector": "Points: 40",
}


def write_logs(folder: Path) -> None:
    """Write two runs with everything that the lesson logs."""
    from torch.utils.tensorboard import SummaryWriter

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
    for name, rate in zip(RUNS, (0.1, 0.01), strict=True):
        with SummaryWriter(folder / name) as writer:
            for step in range(30):
                writer.add_scalar("loss/train", 2.3 / (1 + rate * step), step)
                if step % 10 == 0:
                    writer.add_histogram("weights/first", model[0].weight, step, bins=40)
            writer.add_images("wrong", torch.rand(8, 1, 28, 28))
            writer.add_embedding(
                torch.randn(40, 16),
                metadata=[k % 10 for k in range(40)],
                label_img=torch.rand(40, 1, 28, 28),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                writer.add_graph(model, torch.zeros(1, 784))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a TensorBoard on a free port of this machine."""
    home = tmp_path_factory.mktemp("tensorboard")
    write_logs(home / "runs")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(home / "runs")]
    command += ["--host", "127.0.0.1", "--port", "0"]  # 0: it takes a free one, and says which
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"HOME": str(home)}
        )
        try:
            yield _wait_until_up(process, home / "server.log")
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _wait_until_up(process: subprocess.Popen, log: Path) -> str:
    """Return the server's address once it knows all runs."""
    for _ in range(240):
        if process.poll() is not None:
            break
        said = re.search(r"at (http://127\.0\.0\.1:\d+)/", log.read_text())
        with contextlib.suppress(OSError):
            if said:
                address = said.group(1)
                runs = urllib.request.urlopen(f"{address}/data/runs", timeout=5).read().decode()
                if all(name in runs for name in RUNS):
                    return address
        time.sleep(0.25)
    raise RuntimeError(f"TensorBoard does not start:\n{log.read_text()[-3000:]}")


def find(page, text: str) -> None:
    """Wait until a text is to be seen, also within the frame that the projector lives in."""
    for _ in range(240):
        for frame in page.frames:
            drawn = frame.locator("svg text", has_text=text)
            found = frame.get_by_text(re.compile(re.escape(text))).or_(drawn)
            if found.locator("visible=true").count():
                return
        page.wait_for_timeout(250)
    raise AssertionError(f"{text!r} does not appear")


@pytest.mark.parametrize("tab", SEEN)
def test_each_kind_of_data_has_its_tab(tab, open_page, server, snap):
    page = open_page(width=1300, ignore=NOISE)
    page.goto(f"{server}/#{tab}")
    find(page, SEEN[tab])
    if tab not in ("graphs", "projector"):  # these show one run at a time
        for name in RUNS:
            find(page, name)
    snap(page, f"tensorboard-{tab}")


def test_the_curves_are_drawn(open_page, server):
    page = open_page(width=1300, ignore=NOISE)
    page.goto(f"{server}/#timeseries")
    find(page, "loss/train")
    page.wait_for_selector("scalar-card svg path, scalar-card canvas", state="attached")
