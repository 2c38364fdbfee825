"""The live tools in a real JupyterLab: training, drawing, faults, and the end of a kernel."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from jupyter import NOISE, Lab, Notebook, serve
from playing import TRAIN_MODEL, Board, Pad, run_cell, write_notebook

from course_utils import play

PLAY_NOISE = (
    *NOISE,
    # A kernel that a test has ended.
    "Could not open the model",
    "Connection lost, reconnecting",
    "Canceled future for create_subshell_request",
)
HEAD = "import torch\nfrom torch import nn\nfrom course_utils import data, play\n"


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serve(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def run(open_page, lab):
    """Run cells in a new notebook and return it."""
    opened = []

    def make(name: str, *sources: str, width: int = 1300, **options) -> Notebook:
        file = write_notebook(lab, name, *sources)
        notebook = Notebook(open_page(width=width, ignore=PLAY_NOISE, **options), lab, file)
        notebook.run_all()
        assert notebook.errors() == []
        assert notebook.warnings() == []
        opened.append(notebook)
        return notebook

    yield make
    for notebook in opened:  # some tests leave no notebook in front, or no kernel
        notebook.page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")


def output(notebook: Notebook, cell: int) -> str:
    """Text output of a cell."""
    return notebook.page.evaluate(
        f"""k => ({Notebook.PANEL}.content.widgets[k].model.outputs?.toJSON() ?? [])
            .map(o => o.text ?? o.data?.['text/plain'] ?? '').join('')""",
        cell,
    )


def kernel_says(notebook: Notebook, cell: int) -> str:
    """Run a cell again and return its output."""
    page, count = notebook.page, f"{Notebook.PANEL}.content.widgets[{cell}].model.executionCount"
    before = page.evaluate(f"() => {count}")
    run_cell(notebook, cell)
    page.wait_for_function(f"before => {count} > before", arg=before)
    return output(notebook, cell).strip()


# --- the playground ------------------------------------------------------------------------------


def test_play_pause_step_reset_and_settings(run, snap):
    notebook = run("board.ipynb", HEAD + "board = play.playground()\nboard", "board.session.step")
    board = Board(notebook.page)
    assert board.step == 0
    start = board.picture()
    board.button("Step").click()
    board.wait("root.dataset.step === '1'")
    board.play(200)
    assert board.button("Pause").is_visible() and board.button("Step").is_disabled()
    step = board.pause()
    assert board.picture() != start
    assert int(kernel_says(notebook, 1)) == step, "the kernel trains on while the board rests"
    assert board.status().startswith(f"Paused at step {step:,}, training loss ")
    snap(notebook.page, "play-board-lab")

    board.slide("Learning rate", "ArrowRight")
    board.wait("root.querySelector('.nnx-status').textContent.includes('Learning rate: 0.2')")
    assert board.step == step, "a new learning rate has started the training anew"

    board.play(50)  # the learning rate moves while it plays, too
    board.slide("Learning rate", "ArrowLeft")
    board.wait("root.querySelector('.nnx-status').textContent.includes('Learning rate: 0.1')")
    assert board.data("playing") == "true" and board.step > step
    board.pause()

    board.button("Reset").click()
    board.wait("root.dataset.step === '0'")
    assert board.picture() == start

    board.select("Data", "Two circles")
    board.wait("root.querySelector('.nnx-status').textContent.includes('anew')")
    assert board.step == 0
    board.button("Add a hidden layer").click()
    board.wait("root.querySelectorAll('.nnp-unit').length === 2 + 24 + 1")
    board.button("Remove a unit of hidden layer 3").click()
    board.wait("root.querySelectorAll('.nnp-unit').length === 2 + 23 + 1")
    assert board.root.locator(".nnp-state").input_value().count("8,8,7") == 1


def test_hover_and_focus_enlarge_a_unit(run):
    board = Board(run("units.ipynb", HEAD + "play.playground()").page)
    output_picture = board.picture()
    caption = board.root.locator(".nnp-caption")
    board.unit(1, 2).hover()
    board.wait(
        "root.querySelector('.nnp-caption').textContent.startsWith('Hidden layer 1, unit 3')"
    )
    board.page.wait_for_timeout(500)
    assert board.picture() != output_picture
    board.page.mouse.move(5, 5)
    board.wait("root.querySelector('.nnp-caption').textContent.startsWith('Output')")
    board.unit(2, 1).focus()
    board.wait(
        "root.querySelector('.nnp-caption').textContent.startsWith('Hidden layer 2, unit 2')"
    )
    board.unit(2, 1).press("Enter")  # keeps it
    board.button("Step").focus()
    board.page.wait_for_timeout(300)
    assert caption.inner_text().startswith("Hidden layer 2, unit 2")


def test_cells_run_while_the_board_plays(run):
    cells = ["import time\nt = time.time()\ntime.sleep(1.5)\nboard.session.step", "1 + 1"]
    notebook = run("cells.ipynb", HEAD + "board = play.playground()\nboard", *cells)
    board = Board(notebook.page)
    board.play(50)
    assert kernel_says(notebook, 2) == "2"
    assert board.data("playing") == "true"
    during = int(kernel_says(notebook, 1))
    assert during > 0
    board.wait("Number(root.dataset.step) > arg", during)  # it goes on by itself
    board.pause()


def test_an_interrupt_stops_the_training(run):
    notebook = run(
        "interrupt.ipynb", HEAD + "board = play.playground()\nboard", "board.session.step"
    )
    board = Board(notebook.page)
    board.page.wait_for_timeout(1000)
    board.play(50)
    board.page.evaluate(f"{Notebook.PANEL}.sessionContext.session.kernel.interrupt()")
    board.wait("root.dataset.playing === 'false'")
    assert "interrupted" in board.status()
    step = board.rest()
    assert int(kernel_says(notebook, 1)) == step
    board.play(20)
    board.pause()


def test_clearing_the_output_stops_the_training(run):
    notebook = run("clear.ipynb", HEAD + "board = play.playground()\nboard", "board.session.step")
    board = Board(notebook.page)
    board.play(50)
    page = notebook.page
    page.evaluate(f"() => {{ {Notebook.PANEL}.content.activeCellIndex = 0; }}")
    page.evaluate("() => jupyterapp.commands.execute('notebook:clear-cell-output')")
    page.wait_for_function("() => !document.querySelector('[data-tool=board]')")
    page.wait_for_timeout(300)
    first = int(kernel_says(notebook, 1))
    page.wait_for_timeout(500)
    assert int(kernel_says(notebook, 1)) == first


OWN = """
class MyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.calls = nn.Linear(2, 5), nn.Linear(5, 1), 0
    def forward(self, x):
        self.calls += 1
        if self.calls > limit:
            x = x @ torch.ones(7)  # a fault of mine
        return self.fc2(torch.relu(self.fc1(x)))
limit = 400
X, y = data.circles(150)
model = MyNet()
board = play.playground(model=model, data=(X, y), optimizer=lambda ps: torch.optim.SGD(ps, lr=0.1))
board"""


def test_the_learners_own_module_and_its_fault(run, snap):
    notebook = run(
        "own.ipynb", HEAD + OWN, "limit = 10**9\nmodel.calls = 0", "board.model is model"
    )
    board = Board(notebook.page)
    assert board.root.get_by_label("Activation").count() == 0
    assert board.root.locator(".nnp-unit").count() == 2 + 5 + 1
    assert kernel_says(notebook, 2) == "True"
    kernel_says(notebook, 0)
    board = Board(notebook.page)
    board.button("Play").click()
    board.wait("root.dataset.fault !== ''")
    assert "line" in board.fault() and "a fault of mine" in board.fault()
    assert board.data("playing") == "false"
    snap(notebook.page, "play-board-fault")
    kernel_says(notebook, 1)  # the learner mends it
    board.button("Reset").click()
    board.wait("root.dataset.fault === ''")
    board.play(100)
    assert board.fault() == ""
    board.pause()


def test_a_teacher_can_hide_controls(run):
    source = (
        'play.playground(hide=["regularization", "data", "noise", "hidden", "program", "state"])'
    )
    board = Board(run("hidden.ipynb", HEAD + source).page)
    labels = board.root.locator("label, legend").all_inner_texts()
    assert "Learning rate" in labels
    for hidden in ("Data", "Noise", "L1 penalty", "Dropout", "State"):
        assert hidden not in labels
    assert board.button("Show program").count() == 0
    assert board.button("Add a hidden layer").count() == 0
    board.play(20)
    board.pause()


def test_program_and_state(run):
    notebook = run("share.ipynb", HEAD + "board = play.playground()\nboard")
    board = Board(notebook.page)
    board.play(20)
    step = board.pause()
    board.button("Show program").click()
    board.wait(f"root.querySelector('.nnp-program').textContent.includes('STEPS = {step}')")
    field = board.root.get_by_label("State", exact=True)
    field.fill("data=xor&hidden=3&lr=0.5")
    board.button("Load the state").click()
    board.wait("root.querySelectorAll('.nnp-unit').length === 2 + 3 + 1")
    assert board.root.get_by_label("Data", exact=True).input_value()
    field.fill("data=cats")
    field.press("Enter")
    board.wait("root.querySelector('.nnx-status').textContent.includes(\"'cats' is not one of\")")


def test_two_views_show_the_same_training(run):
    notebook = run("views.ipynb", HEAD + "board = play.playground()\nboard")
    page = notebook.page
    Board(page)
    page.evaluate(f"() => {{ {Notebook.PANEL}.content.activeCellIndex = 0; }}")
    page.evaluate("() => { jupyterapp.commands.execute('notebook:create-output-view'); }")
    page.wait_for_function("() => document.querySelectorAll('[data-tool=board]').length > 1")
    one, two = (Board(page, page.locator("[data-tool=board]").nth(k)) for k in (0, 1))
    one.button("Play").click()
    two.wait("Number(root.dataset.step) > 50")
    two.button("Pause").click()
    assert one.rest() == two.rest()


def test_dark_and_narrow(run, snap):
    notebook = run("dark.ipynb", HEAD + "play.playground()")
    board, page = Board(notebook.page), notebook.page
    board.play(400)
    board.pause()
    page.evaluate(
        "jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"
    )
    page.wait_for_selector('.nnp[data-theme="dark"]')
    snap(page, "play-board-dark")
    page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    page.set_viewport_size({"width": 420, "height": 1500})
    page.wait_for_timeout(600)
    room, needed = board.root.evaluate("root => [root.clientWidth, root.scrollWidth]")
    assert needed <= room
    snap(page, "play-board-dark-narrow")


# --- drawing -------------------------------------------------------------------------------------


def test_draw_a_three_and_find_it(run, snap):
    notebook = run(
        "pad.ipynb", TRAIN_MODEL, "play.draw_digit(model, digits.train)", "model.training"
    )
    pad = Pad(notebook.page)
    assert "empty" in pad.guess()
    pad.draw(play.sample_strokes("3"))
    pad.wait("root.dataset.prediction === '3' && root.dataset.unlike === 'false'")
    pad.page.wait_for_timeout(500)
    assert pad.guess().startswith("The model says 3")
    assert pad.root.locator(".nnp-best .nnp-class").inner_text() == "3"
    nearest = pad.root.locator(".nnp-neighbor span").all_inner_texts()
    assert nearest.count("3") >= 4
    snap(notebook.page, "play-pad-lab")
    assert kernel_says(notebook, 2) == "True", "the pad has changed the model's mode"

    pad.button("Undo").click()
    pad.wait("root.dataset.prediction === ''")
    pad.draw(play.sample_strokes("scribble"))
    pad.wait("root.dataset.unlike === 'true'")
    assert "Unlike the training digits" in pad.root.locator(".nnp-familiar").inner_text()
    pad.button("Clear").click()
    pad.wait("root.dataset.prediction === ''")
    assert pad.button("Clear").is_disabled()


def test_draw_by_keyboard(run):
    pad = Pad(run("keys.ipynb", TRAIN_MODEL, "play.draw_digit(model, digits.train)").page)
    pad.paper.focus()
    pad.paper.press("Space")
    for _ in range(20):
        pad.paper.press("ArrowDown")
    pad.wait("root.dataset.prediction === '1'")
    pad.paper.press("Space")
    for _ in range(5):
        pad.paper.press("ArrowRight")
    pad.page.wait_for_timeout(300)
    assert pad.data("prediction") == "1", "the lifted pen has drawn"
    pad.paper.press("Backspace")
    pad.wait("root.dataset.prediction === ''")
    live = pad.root.get_by_role("status")
    pad.wait("root.querySelector('[role=status]').textContent.includes('empty')")
    assert live.count() == 1


def test_a_fault_of_the_model_is_shown_in_the_pad(run):
    source = "play.draw_digit(nn.Linear(3, 10), digits.train)  # 3 inputs are wrong"
    pad = Pad(run("fault.ipynb", TRAIN_MODEL, source).page)
    pad.draw([[(0.5, 0.2), (0.5, 0.8)]])
    pad.wait("!root.querySelector('.nnx-error').hidden")
    assert "cannot be multiplied" in pad.fault()
    assert pad.guess() == "No reading of this drawing."


# --- the kernel ends, or lets the board wait -----------------------------------------------------

GONE = "The Python kernel has stopped or been restarted."
ENDS = {
    "shutdown": f"{Notebook.PANEL}.sessionContext.shutdown()",
    "restart": f"{Notebook.PANEL}.sessionContext.session.kernel.restart()",
    "elsewhere": f"{Notebook.PANEL}.sessionContext.session.kernel.shutdown()",
    "another": f"{Notebook.PANEL}.sessionContext.changeKernel({{ name: 'python3' }})",
}


@pytest.mark.parametrize("end", ENDS)
def test_tools_that_nobody_touches_say_that_the_kernel_is_gone(end, run, snap):
    tools = "play.playground()", "play.draw_digit(model, digits.train)"
    notebook = run(f"{end}.ipynb", TRAIN_MODEL, *tools)
    page = notebook.page
    board, pad = Board(page), Pad(page)
    pad.draw(play.sample_strokes("3"))
    pad.wait("root.dataset.prediction === '3'")
    board.root.scroll_into_view_if_needed()
    board.play(50)
    step = board.pause()
    picture = board.picture()
    page.evaluate(f"() => {{ {ENDS[end]}; }}")
    for tool in (board, pad):
        tool.wait("root.dataset.mode === 'recorded'")
        assert GONE in tool.root.locator(".nnp-record").inner_text()
    assert f"The board stands at step {step:,}" in board.status()
    assert board.step == step and board.picture() == picture, "the recording has played unasked"
    assert not board.button("Play").is_visible() and pad.button("Clear").is_disabled()
    assert board.root.locator(".nnp-stepper").count() == 0
    assert pad.data("prediction") == "3"
    for tool, name in ((board, "board"), (pad, "pad")):
        tool.root.scroll_into_view_if_needed()
        snap(page, f"play-gone-{name}-{end}")
        assert tool.root.locator(".nnp-record input").input_value() == "0"
        tool.button("Play recording").click()
        tool.wait("root.querySelector('.nnp-record input').value > 3")
    if end in ("restart", "another"):  # it is still starting, and would not be shut down well
        notebook.wait_for_kernel()


def test_a_playing_board_rests_when_its_kernel_dies(run):
    notebook = run("dies.ipynb", HEAD + "play.playground()", "import os\nos.getpid()")
    board = Board(notebook.page)
    board.play(50)
    os.kill(int(kernel_says(notebook, 1)), signal.SIGKILL)
    board.wait("root.dataset.mode === 'recorded'")
    assert GONE in board.root.inner_text()
    assert board.data("playing") == "false"
    notebook.wait_for_kernel()  # JupyterLab has started another


def test_a_board_waits_for_a_long_cell_where_both_share_a_thread(run, snap):
    """As with older kernels: a message of the board is answered after the cell."""
    cells = "board = play.playground()\nboard", "time.sleep(pause)\npause = 8"
    notebook = run("shared.ipynb", HEAD + "import time\npause = 0", *cells)
    page = notebook.page
    kernel = f"{Notebook.PANEL}.sessionContext.session.kernel"
    page.evaluate(f"() => {{ {kernel}.commsOverSubshells = 'disabled'; }}")
    kernel_says(notebook, 1)
    board = Board(page)
    board.play(50)
    run_cell(notebook, 2)
    board.wait("root.querySelector('.nnx-status').textContent.startsWith('Waiting for the kernel')")
    assert board.data("mode") != "recorded" and board.data("playing") == "true"
    assert not board.root.locator(".nnp-record").is_visible()
    snap(page, "play-board-waits")
    waited = board.step
    board.wait("Number(root.dataset.step) > arg", waited)
    assert board.status() == "The kernel answers again."
    assert board.data("mode") != "recorded" and board.data("playing") == "true"
    board.pause()
