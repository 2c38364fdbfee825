"""JupyterLab or Notebook 7 for the tests, on a copy of the lessons and with its own settings."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import samples

ROOT = Path(__file__).resolve().parents[2]
# What JupyterLab and Notebook 7 write to the console of a healthy page.
NOISE = (
    # They ask a new kernel for the state of its debugger; the test may be over before the answer.
    "Could not restore the debugger state: Canceled future for debug_request",
)
SAMPLE, TRAINING = "kitchen_sink.ipynb", "long_training.ipynb"
SETTINGS = {
    # The question whether to show news covers the page.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


class Lab:
    """A running server: where it is, and where its notebooks are."""

    def __init__(self, url: str, token: str, folder: Path, front: str) -> None:
        self.url, self.token, self.folder, self.front = url, token, folder, front

    def address(self, notebook: str) -> str:
        """Address of a notebook; in JupyterLab in a workspace of its own, which starts empty."""
        if self.front == "notebook":
            return f"{self.url}/notebooks/{notebook}?token={self.token}"
        workspace = Path(notebook).stem
        return f"{self.url}/lab/workspaces/{workspace}/tree/{notebook}?token={self.token}&reset"


def copy_lessons(folder: Path) -> None:
    """Copy the lessons without their outputs, so that what appears was made now."""
    for source in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(source, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / source.name)
    explorers = ["samples.kitchen_sink()", "samples.descent()", "samples.slow()"]
    write_sample(folder / SAMPLE, ["import samples", *explorers])
    write_sample(folder / TRAINING, ["import samples", "samples.slow_fit()"])


def write_sample(path: Path, sources: list[str]) -> None:
    """Write a notebook with these cells."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook.metadata.kernelspec = dict(name="python3", language="python", display_name="Python 3")
    nbformat.write(notebook, path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the reader's own settings, histories or progress is read or written."""
    for name, settings in SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    samples_folder = str(Path(samples.__file__).parent)
    return inherited | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "COURSE_PROGRESS_FILE": str(home / "progress.json"),
        "PYTHONPATH": os.pathsep.join([samples_folder, inherited.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }


@contextlib.contextmanager
def serve(home: Path, front: str = "jupyterlab") -> Iterator[Lab]:
    """Run JupyterLab, or Notebook 7 (`front="notebook"`), with a token on a free port."""
    folder = home / "notebooks"
    folder.mkdir()
    copy_lessons(folder)
    token = secrets.token_hex(16)
    arguments = ["--no-browser", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}"]
    arguments += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={_free_port()}"]
    arguments += [f"--IdentityProvider.token={token}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", front, *arguments],
            **{"env": _environment(home), "cwd": folder, "stdout": log, "stderr": log},
        )
        try:
            yield Lab(_wait_until_up(home, server), token, folder, front)
        finally:
            server.send_signal(signal.SIGINT)
            server.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(15)
            server.kill()


def _wait_until_up(home: Path, server: subprocess.Popen) -> str:
    """Return the server's address, which it writes down: it takes another port if ours is gone."""
    for _ in range(240):
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError, ValueError):
            running = json.loads((home / "runtime" / f"jpserver-{server.pid}.json").read_text())
            url = f"http://127.0.0.1:{running['port']}"
            urllib.request.urlopen(f"{url}/api/status?token={running['token']}", timeout=5).close()
            return url
        time.sleep(0.5)
    log = (home / "server.log").read_text()
    raise RuntimeError(f"The server does not start:\n{log[-3000:]}")


class Notebook:
    """A notebook that is open in JupyterLab."""

    PANEL = "jupyterapp.shell.currentWidget"

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page = page
        page.set_default_timeout(60_000)
        page.goto(lab.address(name))
        page.wait_for_function(f"""() => window.jupyterapp?.shell?.currentWidget?.content?.widgets
            && {self.PANEL}.title.label === {json.dumps(name)}""")
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until the kernel answers and rests."""
        self.page.wait_for_function(
            f"() => {self.PANEL}.sessionContext.session?.kernel?.status === 'idle'"
        )

    def run_all(self, timeout: float = 300_000) -> None:
        """Run all cells from the menu, as a reader does, and wait for the last."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()
        self.page.wait_for_function(
            f"""() => {self.PANEL}.content.widgets.every(cell => cell.model.type !== 'code'
                    || !cell.model.sharedModel.source.trim() || cell.model.executionCount)
                && {self.PANEL}.sessionContext.session.kernel.status === 'idle'""",
            timeout=timeout,
        )

    def errors(self) -> list[str]:
        """Errors in outputs, but for cells that are there to raise one."""
        return self.page.evaluate(
            f"""() => {self.PANEL}.content.widgets.flatMap(cell => {{
                if ((cell.model.getMetadata('tags') ?? []).includes('raises-exception')) return [];
                return (cell.model.outputs?.toJSON() ?? [])
                    .filter(output => output.output_type === 'error')
                    .map(output => output.ename + ': ' + output.evalue);
            }})"""
        )

    def warnings(self) -> list[str]:
        """What cells wrote to stderr: warnings, and the remains of text progress bars."""
        return self.page.evaluate(
            f"""() => {self.PANEL}.content.widgets.flatMap(cell =>
                (cell.model.outputs?.toJSON() ?? [])
                    .filter(output => output.output_type === 'stream' && output.name === 'stderr')
                    .map(output => output.text + ''))"""
        )

    def explorer_cells(self) -> list[int]:
        """Numbers of the cells whose output holds a widget and its storyboard."""
        return self.page.evaluate(
            f"""() => {self.PANEL}.content.widgets.flatMap((cell, k) =>
                (cell.model.outputs?.toJSON() ?? []).some(output =>
                    output.data?.['application/vnd.jupyter.widget-view+json']
                    && (output.data['text/plain'] + '').startsWith('Explorer: ')) ? [k] : [])"""
        )

    def output_count(self, cell: int) -> int:
        """How many outputs a cell has that hold something (a bar leaves an empty one)."""
        return len(self.outputs(cell))

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """The outputs of a cell that hold something."""
        return self.page.evaluate(
            f"""k => {self.PANEL}.content.widgets[k].model.outputs.toJSON()
                .filter(output => !output.data || Object.keys(output.data).length)""",
            cell,
        )

    def scroll_to(self, cell: int) -> Any:
        """Bring a cell's explorer into view (JupyterLab renders only what is near)."""
        self.page.evaluate(f"k => {self.PANEL}.content.scrollToItem(k, 'start')", cell)
        handle = self.page.wait_for_function(
            f"k => {self.PANEL}.content.widgets[k].node.querySelector('.nnx .nnx-svg')"
            "?.closest('.nnx')",
            arg=cell,
        ).as_element()
        return handle

    def save(self) -> None:
        """Save the notebook, as a reader does."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function(f"() => !{self.PANEL}.model.dirty")

    def close(self) -> None:
        """Shut the kernel down."""
        self.page.evaluate(f"() => {self.PANEL}.sessionContext.shutdown()")
