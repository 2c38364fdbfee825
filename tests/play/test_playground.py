"""The board without a browser: requests, controls, recording, and what a notebook gets."""

from __future__ import annotations

import base64
import gc
import io
import json
import math
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import nn

from course_utils import data, play
from course_utils.play import board_story, widget
from course_utils.play.frames import unpack
from course_utils.play.gate import Gate, gate
from course_utils.play.playground import LONGEST_SLICE, SLICE
from course_utils.play.recording import Answer, Recording, padded
from course_utils.play.widget import BoardWidget


def ask(board, **request):
    return board.handle({"kind": "frame"} | request).header


def test_requests_train_step_and_stop():
    board = play.playground()
    assert ask(board)["step"] == 0
    assert ask(board, action="step")["step"] == 1
    for _ in range(5):
        playing = ask(board, play=True, action="play")
    assert playing["step"] > 1 + 5 and not playing["halt"], "a slice holds many steps"
    assert ask(board, action="pause")["halt"]
    assert ask(board, action="reset")["step"] == 0


def test_an_interrupt_is_told_at_the_next_request():
    board = play.playground()
    ask(board, play=True, action="play")
    board.session.interrupted()
    header = ask(board, play=True)
    assert header["halt"] and "interrupted" in header["note"]
    step = header["step"]
    assert ask(board, play=True, action="play")["step"] > step
    board.session.interrupted()  # while nobody asks: Play is the reader's later word
    header = ask(board, play=True, action="play")
    assert not header["halt"] and not header["note"]


def test_an_interrupt_in_a_slice_is_told_in_its_own_answer(monkeypatch):
    board = play.playground()
    monkeypatch.setattr(board.session, "train_for", lambda _: board.session.interrupted())
    header = ask(board, play=True)
    assert header["halt"] and "interrupted" in header["note"]


def test_all_boards_hear_of_an_interrupt():
    boards = [play.playground(), play.playground()]
    gate.interrupted()
    assert all(ask(board, play=True)["halt"] for board in boards)


def test_other_views_are_told_whether_the_board_plays():
    board = play.playground()
    assert ask(board, play=True, action="play")["playing"]
    assert not ask(board)["playing"]


def test_settings_of_the_browser_are_taken_or_refused_with_words():
    board = play.playground()
    board.session.train_steps(10)
    header = ask(board, settings={"lr": 0.03})
    assert header["step"] == 10 and not header["started"]
    assert header["note"] == "Learning rate: 0.03, from step 10 on."
    header = ask(board, settings={"hidden": [3, 2]})
    assert header["started"] and header["step"] == 0
    assert [column["total"] for column in header["columns"]] == [2, 3, 2, 1]
    assert "points" in header and header["settings"]["hidden"] == (3, 2)
    assert "not between" in ask(board, settings={"hidden": [99]})["note"]
    assert "not a state" in ask(board, state="nonsense")["note"]
    header = ask(board, state="data=waves&lr=0.2")
    assert header["settings"]["loss"] == "squared-error"
    assert header["losses"][0][0] == "squared-error"
    assert header["note"] == "The state is loaded. Training starts anew."


def test_state_makes_the_same_board():
    one = play.playground(data="circles", hidden=(4,), lr=0.3, seed=5)
    two = play.playground(state=one.state)
    for board in (one, two):
        board.session.train_steps(50)
        board.session.evaluate()
    assert one.session.train_loss == two.session.train_loss
    assert play.playground(state=one.state, lr=0.01).session.settings.lr == 0.01


def test_a_state_cannot_set_what_the_learner_has_brought():
    board = play.playground(nn.Linear(2, 1), data.moons(50), lambda p: torch.optim.SGD(p, lr=0.2))
    assert board.state == "loss=cross-entropy&lr=0.2&l1=0&batch=20&seed=0"
    assert "hidden cannot be set here" in ask(board, state="hidden=3")["note"]
    board.session.train_steps(3)
    header = ask(board, settings={"hidden": [3]})
    assert header["step"] == 3 and not header["started"]
    with pytest.raises(play.StateError, match="data cannot be set here"):
        play.playground(data=data.moons(50), state="data=xor")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(model=nn.Linear), TypeError, "got Linear"),
        (dict(data="cats"), play.StateError, "data: 'cats'"),
        (dict(data=(torch.rand(5, 3), torch.zeros(5))), ValueError, r"\(N, 2\), not \(5, 3\)"),
        (dict(data=(torch.rand(5, 2), torch.zeros(4))), ValueError, r"\(5, 2\) and y of \(4,\)"),
        (dict(data=([[0, 0]], [1])), TypeError, "torch.as_tensor"),
        (dict(data=(torch.rand(1, 2), torch.zeros(1))), ValueError, r"shape \(1, 2\)"),
        (
            dict(data=data.moons(9), test=(torch.rand(9, 2), torch.rand(9))),
            ValueError,
            "targets of test are of another kind",
        ),
        (dict(data=(torch.full((5, 2), torch.nan), torch.zeros(5))), ValueError, "NaN"),
        (dict(data=(torch.rand(5, 2), torch.arange(5) * 9)), ValueError, "from 0 to 7"),
        (dict(test=data.moons(9)), TypeError, "goes with your own points"),
        (dict(optimizer=3), TypeError, "optimizer must be a name or a function"),
        (
            dict(optimizer=torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)),
            TypeError,
            "a function that makes one",
        ),
        (dict(loss=nn.MSELoss), TypeError, r"call it, as in nn.MSELoss\(\)"),
        (dict(hide=["colour"]), ValueError, "no control 'colour'"),
        (dict(colour=3), play.StateError, "no setting 'colour'"),
        (dict(features=[]), play.StateError, "at least one of x1"),
        (dict(lr=True), play.StateError, "lr: True is not between"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        play.playground(**arguments)


def names_of(board) -> set[str]:
    return {control["name"] for control in board.describe()["controls"]}


def test_controls_can_be_hidden_and_give_way_to_own_objects():
    everything = names_of(play.playground(recorded_steps=5))
    assert {"data", "lr", "l1", "l2", "dropout", "features"} <= everything
    less = play.playground(hide=["regularization", "data", "program"], recorded_steps=5)
    assert everything - names_of(less) == {"data", "l1", "l2", "dropout"}
    assert "program" in less.describe()["hidden"]
    own = play.playground(nn.Linear(2, 1), data.moons(50), recorded_steps=5)
    assert names_of(own) == {"loss", "optimizer", "lr", "batch", "l1", "l2"}
    assert "test" in own.describe()["hidden"], "there are no points to test on"
    parts = dict(optimizer=lambda ps: torch.optim.SGD(ps, lr=0.1), loss=lambda z, y: z.mean())
    mine = play.playground(nn.Linear(2, 1), data.moons(50), test=data.moons(9), **parts)
    assert names_of(mine) == {"lr", "batch", "l1"}
    assert "test" not in mine.describe()["hidden"]
    assert everything - names_of(play.playground(hide="data", recorded_steps=5)) == {"data"}


# --- the recording and the notebook --------------------------------------------------------------


@pytest.fixture(scope="module")
def board():
    return play.playground(recorded_steps=200)


def test_the_recording_learns_and_leaves_the_board_alone(board):
    recording = board.recording()
    assert board.session.step == 0
    assert len(recording) == 48
    first, last = recording.answers[0], recording.answers[-1]
    assert last.header["step"] == 200
    assert last.header["train_loss"] < first.header["train_loss"]
    assert "points" in first.header and "points" not in last.header
    assert first.header["settings"]["hidden"] == (8, 8) and "settings" not in last.header
    assert board._recorded_session().model[0].weight.dtype == torch.float64
    assert len(recording.data) < 800_000
    json.dumps(board.describe())


def test_the_recording_does_not_touch_the_learners_model():
    model = nn.Linear(2, 1)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    board = play.playground(model, data.moons(50), recorded_steps=30)
    board.recording()
    assert all(torch.equal(start[n], v) for n, v in model.state_dict().items())
    assert model.weight.dtype == torch.float32


def test_the_recording_begins_at_step_0_however_far_the_board_is():
    board = play.playground(nn.Linear(2, 1), data.moons(50), lr=1.0, recorded_steps=10)
    start = board.session.train_loss
    board.session.train_steps(100)
    assert board.recording().answers[0].header["train_loss"] == pytest.approx(start, rel=1e-5)


def test_the_recording_ends_with_the_first_fault():
    class Tires(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.left = nn.Linear(2, 1), 60

        def forward(self, x):
            self.left -= 1
            if self.left < 0:
                raise ValueError("enough")
            return self.layer(x)

    board = play.playground(Tires(), data.moons(50), recorded_steps=300)
    faults = [answer.header["fault"] for answer in board.recording().answers]
    assert 2 < len(faults) < 48
    assert "enough" in faults[-1] and not any(faults[:-1])
    story = board_story.draw(board.recording(), "")
    last = board.recording().answers[-1]
    told = [*board.recording().answers[:-1], Answer(last.header | {"fault": ""}, last.data)]
    assert story != board_story.draw(Recording(90, told), ""), "the picture hides the fault"


def test_a_network_with_gaps_has_a_storyboard():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(2))

        def forward(self, x):
            return x @ self.w

    board = play.playground(Bare(), data.moons(50), recorded_steps=10)
    assert board.recording().answers[-1].header["weights"] == [None]
    assert board.storyboard_png().startswith(b"\x89PNG")


@pytest.mark.parametrize("length", range(9))
def test_arrays_of_the_next_answer_begin_at_four_bytes(length):
    assert padded(b"x" * length).rstrip(b"\0") == b"x" * length
    assert len(padded(b"x" * length)) == 4 * math.ceil(length / 4)


def test_a_model_that_insists_on_float32_is_recorded_too():
    class Stubborn(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)
            self.shift = [torch.ones(2, 2, dtype=torch.float32)]

        def forward(self, x):
            return self.layer(x @ self.shift[0])

    board = play.playground(Stubborn(), data.moons(50), recorded_steps=10)
    assert board.recording().answers[-1].header["step"] == 10


def test_a_broken_model_has_a_storyboard_with_its_fault():
    class Broken(nn.Module):
        def forward(self, x):
            return x.no_such_thing

    board = play.playground(Broken(), data.moons(50), lambda p: torch.optim.SGD([torch.ones(1)]))
    assert board.session.fault
    assert board.storyboard_png().startswith(b"\x89PNG")
    assert "no_such_thing" in board.recording().answers[-1].header["fault"]


def test_a_notebook_gets_text_picture_and_widget(board):
    content, metadata = board._repr_mimebundle_()
    assert content["text/plain"].startswith("Live board: Playground.")
    assert base64.b64decode(content["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in content
    assert metadata["image/png"]["alt"] == board.alt
    assert play.playground(alt="Quite\n  short.").text() == "Live board: Playground. Quite short."
    assert repr(board) == board.text()
    assert board.recording() is board.recording() and board.widget() is board.widget()
    assert board.storyboard_png() is board.storyboard_png()


def test_without_the_widget_library_there_is_still_a_picture(board, monkeypatch):
    monkeypatch.setattr(board, "_widget", None)
    monkeypatch.setitem(sys.modules, "course_utils.play.widget", None)
    content, _ = board._repr_mimebundle_()
    assert set(content) == {"text/plain", "image/png"}


CHILD = """
import sys, torch
from course_utils import play
torch.set_num_threads(int(sys.argv[1]))
open(sys.argv[2], "wb").write(play.playground(recorded_steps=200).storyboard_png())
"""


@pytest.mark.parametrize(("threads", "capability"), [("1", "default"), ("2", "avx2")])
def test_the_storyboard_is_the_same_on_other_machines(threads, capability, board, tmp_path):
    """Other thread counts and instruction sets change no pixel to speak of."""
    file = tmp_path / "board.png"
    command = [sys.executable, "-c", CHILD, threads, str(file)]
    subprocess.run(command, check=True, env=os.environ | {"ATEN_CPU_CAPABILITY": capability})
    here, there = imread(io.BytesIO(board.storyboard_png())), imread(file)
    assert here.shape == there.shape
    assert 255 * np.sqrt(np.mean((here - there) ** 2)) < 1


def test_the_page_is_complete_and_closed(board):
    page = board.to_html()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert page.count("<script") == page.count("</script>") == 2
    assert len(page) < 2_000_000
    quoted = play.playground(alt='A "net" <b>', recorded_steps=5).to_html()
    assert 'alt="A &quot;net&quot; &lt;b&gt;"' in quoted


def test_importing_is_light():
    child = "import sys, course_utils.play; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "anywidget", "sklearn"} & set(done.stdout.split())


# --- messages ------------------------------------------------------------------------------------


class Messages:
    """A widget whose messages are kept instead of sent."""

    def __init__(self, board):
        self.widget = BoardWidget(board.describe(), board.recording(), board.handle)
        self.sent = []
        self.widget.send = lambda header, buffers=None: self.sent.append((header, buffers))

    def post(self, request):
        self.widget._answer(self.widget, request, [])
        return self.sent[-1]


def test_each_request_gets_exactly_one_bounded_answer(board):
    messages = Messages(board)
    for seq in range(1, 30):
        header, buffers = messages.post(
            {"kind": "frame", "play": True, "view": "v", "seq": seq, "action": "play"}
        )
        assert (header["view"], header["seq"], header["kind"]) == ("v", seq, "frame")
        assert len(messages.sent) == seq
        assert len(buffers) == 1 and len(buffers[0]) < 20_000
    board.session.reset()


def test_slices_are_neither_too_short_nor_too_long(monkeypatch):
    board, slices = play.playground(), []
    monkeypatch.setattr(board.session, "train_for", slices.append)
    for away in (0.0, 0.02, 0.02, 0.3, 3.0):  # what browser and connection need, in seconds
        board._away = away
        ask(board, play=True)
    assert all(SLICE <= seconds <= LONGEST_SLICE for seconds in slices)
    assert slices[-1] == LONGEST_SLICE, "a slow browser gets fewer pictures, not fewer steps"


def test_the_points_travel_only_when_they_are_new():
    board = play.playground()
    assert "points" in board.handle({"kind": "hello"}).header
    assert "points" not in ask(board, play=True)
    assert "points" not in ask(board, settings={"lr": 0.3})
    assert "points" in ask(board, settings={"noise": 0.3})


def test_the_rate_is_told_only_where_it_is_known():
    board = play.playground()
    assert ask(board, play=True)["rate"] is None
    assert ask(board, play=True)["rate"] > 0
    assert ask(board, play=True, action="reset")["rate"] is None
    assert ask(board)["rate"] is None


def test_an_interrupt_that_meets_a_message_is_answered_and_stops_the_board():
    board = play.playground()
    messages, frame = Messages(board), board.handle

    def interrupted(request):
        raise KeyboardInterrupt

    messages.widget._handler = interrupted
    header, _ = messages.post({"kind": "frame", "play": True, "view": "v", "seq": 4})
    assert (header["kind"], header["seq"]) == ("failed", 4) and "interrupted" in header["text"]
    assert frame({"kind": "frame", "play": True}).header["halt"]


def test_messages_of_the_browser_arrive(board):
    messages = Messages(board)
    messages.widget._handle_custom_msg({"kind": "hello", "seq": 7}, [])
    assert [header["seq"] for header, _ in messages.sent] == [7]


def test_no_message_no_training(board):
    before = board.session.step
    time.sleep(0.1)
    assert board.session.step == before


def test_nonsense_is_answered_or_passed_over(board):
    messages = Messages(board)
    for nonsense in (None, 3, {"no": "kind"}):
        messages.widget._answer(messages.widget, nonsense, [])
    assert messages.sent == []
    header, _ = messages.post({"kind": "frame", "focus": "nonsense"})
    assert header["kind"] == "frame" and not header["fault"]
    header, _ = messages.post({"kind": "frame", "focus": ["a", "b"]})
    assert header["surface"]["kind"] == "probability" and not header["fault"]
    header, _ = messages.post({"kind": "frame", "settings": 3})
    assert header["kind"] == "failed" and "AttributeError" in header["text"]


def test_frames_can_be_read_back(board):
    _, buffers = Messages(board).post({"kind": "hello"})
    answer = board.handle({"kind": "hello"})
    assert len(buffers[0]) == len(answer.data)
    assert set(unpack(answer)) == {"history", "scales", "weights", "map", "thumbs"}


# --- the gate ------------------------------------------------------------------------------------


def test_a_tool_rests_while_a_cell_runs():
    gate = Gate()
    with gate.turn() as may:
        assert may
    gate.cell_starts()
    with gate.turn() as may:
        assert not may
    gate.cell_ends()
    with gate.turn() as may:
        assert may


def test_a_cell_waits_for_the_present_slice():
    gate, events = Gate(), []

    def slice_of_work():
        with gate.turn():
            events.append("slice begins")
            time.sleep(0.2)
            events.append("slice ends")

    worker = threading.Thread(target=slice_of_work)
    worker.start()
    while not events:
        time.sleep(0.001)
    gate.cell_starts()
    events.append("cell begins")
    worker.join()
    assert events == ["slice begins", "slice ends", "cell begins"]


def test_an_interrupted_cell_stops_the_tools_too():
    class Listener:
        stopped = 0

        def interrupted(self):
            self.stopped += 1

    gate, listener = Gate(), Listener()
    gate._listeners.add(listener)

    class Result:
        error_in_exec = KeyboardInterrupt()

    gate.cell_ends(Result())
    assert listener.stopped == 1
    gate.cell_ends(None)
    assert listener.stopped == 1


class Shell:
    """An IPython shell that keeps who wants to hear of its cells."""

    def __init__(self):
        self.events, self.heard = self, []

    def register(self, name, action):
        self.heard.append((name, action))


def test_the_gate_follows_the_cells_of_its_kernel(monkeypatch):
    class Listener:
        def interrupted(self):
            pass

    gate, shell, listeners = Gate(), Shell(), [Listener(), Listener()]
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    for listener in listeners:
        gate.listen(listener)
    heard = dict(shell.heard)
    assert len(shell.heard) == len(heard) == 2, "the gate hears of a cell more than once"
    heard["pre_run_cell"](None)
    with gate.turn() as may:
        assert not may
    heard["post_run_cell"](None)
    with gate.turn() as may:
        assert may
    del listener, listeners
    gc.collect()
    assert not gate._listeners, "a board that is gone is kept alive"


def test_a_tool_that_waited_for_its_turn_rests_if_a_cell_has_started():
    gate, order = Gate(), []

    class Waited:
        """A lock that the tool gets at the moment in which a cell starts."""

        def acquire(self, timeout):
            gate._cell_runs = True
            return True

        def release(self):
            order.append("free")

    gate._lock = Waited()
    with gate.turn() as may:
        assert not may
    assert order == ["free"]


def test_a_request_during_a_cell_is_told_so(board, monkeypatch):
    busy = Gate()
    busy.cell_starts()
    monkeypatch.setattr(widget, "gate", busy)
    header, buffers = Messages(board).post({"kind": "frame", "play": True, "seq": 1})
    assert header["kind"] == "busy" and not buffers
