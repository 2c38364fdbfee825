"""The live tools on a page without a kernel and without a network: the recordings play."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import torch
from drive import SETTLE
from playing import Board, Pad
from torch import nn

from course_utils import data, play
from course_utils.explore.page import script_json
from course_utils.play import scripts

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Test</title>'
HEAD += '<meta name="viewport" content="width=device-width">'


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    digits = data.mnist_5k()
    model = nn.Linear(784, 10)
    means = torch.stack([digits.train.flat()[digits.train.labels == k].mean(0) for k in range(10)])
    with torch.no_grad():
        model.weight.copy_(means)
        model.bias.copy_(-0.5 * means.square().sum(1))
    board = play.playground(recorded_steps=300)
    return {"board": board.to_html(), "pad": play.draw_digit(model, digits.train).to_html()}


@pytest.fixture
def show(open_page, tmp_path: Path, pages):
    def make(kind: str, before: str = "", **options):
        file = tmp_path / "page.html"
        file.write_text(HEAD + before + pages[kind], encoding="utf-8")
        page = open_page(offline=True, **options)
        page.goto(file.as_uri())
        return page, {"board": Board, "pad": Pad}[kind](page)

    return make


@pytest.mark.parametrize("kind", ["board", "pad"])
def test_the_recording_plays_pauses_and_moves(kind, show):
    page, tool = show(kind)
    assert tool.data("mode") == "recorded"
    assert "no Python kernel" in tool.root.inner_text()
    slider = tool.root.get_by_role("slider", name="Moment of the recording")
    drawn = ".nnp-heat" if kind == "board" else ".nnp-paper"

    def picture() -> str:
        page.evaluate(SETTLE)
        return tool.root.locator(drawn).first.evaluate("canvas => canvas.toDataURL()")

    slider.press("Home")
    first = picture()
    slider.press("End")
    assert picture() != first
    slider.press("Home")
    tool.button("Play recording").click()
    tool.wait("root.querySelector('.nnp-record input').value > 3")
    tool.button("Pause recording").click()
    stopped = slider.input_value()
    page.wait_for_timeout(400)
    assert slider.input_value() == stopped
    assert picture() != first
    slider.press("Home")
    assert picture() == first
    slider.press("ArrowRight")
    assert slider.input_value() == "1"


def test_the_recorded_board_shows_units_and_program(show):
    _, board = show("board")
    before = board.picture()
    board.unit(1, 0).hover()
    board.wait("root.querySelector('.nnp-caption').textContent.startsWith('Hidden layer 1')")
    assert board.picture() != before
    board.button("Show program").click()
    assert "nn.Sequential(" in board.root.locator(".nnp-program").inner_text()
    assert board.root.get_by_label("Learning rate").is_disabled()


UNNAMED = """root => [...root.querySelectorAll('button, input, select, [role], [tabindex]')]
    .filter(e => e.getBoundingClientRect().width && !['presentation'].includes(e.role))
    .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
        || e.labels?.length || e.textContent.trim()) && e.getAttribute('role') !== 'status')
    .map(e => e.outerHTML.slice(0, 100))"""
SMALL = """root => [...root.querySelectorAll('input, select, button')]
    .map(e => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
    .filter(([_, box]) => box.width && (box.width < 24 || box.height < 24)).map(([html]) => html)"""


STICKS_OUT = """root => [...root.querySelectorAll('*')]
    .filter(e => e.getBoundingClientRect().right > root.getBoundingClientRect().right + 1)
    .filter(e => !e.closest('.nnx-hidden, .nnp-program'))
    .map(e => e.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("kind", ["board", "pad"])
@pytest.mark.parametrize("width", [320, 700, 1100])
def test_layout_names_and_targets(kind, width, show, snap):
    page, tool = show(kind, width=width)
    page.evaluate(SETTLE)
    snap(page, f"play-{kind}-{width}")
    room, needed = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
    assert needed <= room, "the page scrolls sideways"
    assert tool.root.evaluate(STICKS_OUT) == []
    assert tool.root.evaluate(UNNAMED) == []
    assert tool.root.evaluate(SMALL) == []


CONTRAST = """root => {
    const canvas = document.createElement('canvas')
        .getContext('2d', { willReadFrequently: true });
    const light = css => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor;
            if (!/(, 0\\)|transparent|\\/ 0\\.\\d+\\))$/.test(color)) return light(color);
        }
        return light('white');
    };
    return [...root.querySelectorAll('p, label, legend, button, b, span, code')]
        .filter(e => !e.closest(':disabled, [aria-hidden="true"] span:empty, figure'))
        .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        .filter(e => e.getBoundingClientRect().width)
        .map(e => {
            const [a, b] = [light(getComputedStyle(e).color), ground(e)];
            return [e.textContent.slice(0, 20), Math.max(a, b) / Math.min(a, b)];
        }).filter(([_, ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("kind", ["board", "pad"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes(kind, theme, show, snap):
    page, tool = show(kind, color_scheme=theme)
    page.evaluate(SETTLE)
    assert tool.root.get_attribute("data-theme") == theme
    assert tool.root.evaluate(CONTRAST) == []
    snap(page, f"play-{kind}-{theme}")


def test_two_copies_on_a_page_play_by_themselves(open_page, tmp_path, pages):
    file = tmp_path / "page.html"
    file.write_text(HEAD + pages["board"] + pages["board"] + pages["pad"], encoding="utf-8")
    page = open_page(offline=True)
    page.goto(file.as_uri())
    page.locator(".nnp-unit").first.wait_for()
    sliders = page.get_by_role("slider", name="Moment of the recording")
    assert sliders.count() == 3
    sliders.nth(0).press("Home")
    assert sliders.nth(1).input_value() != "0"


def test_markup_in_a_title_stays_text(open_page, tmp_path):
    title = "</script><script>window.owned = 1</script><b>bold</b>"
    file = tmp_path / "page.html"
    board = play.playground(title=title, recorded_steps=10)
    file.write_text(HEAD + board.to_html(), encoding="utf-8")
    page = open_page(offline=True)
    page.goto(file.as_uri())
    page.locator(".nnp-unit").first.wait_for()
    assert page.evaluate("window.owned") is None
    assert page.locator(".nnx-title").inner_text() == title


# --- front ends that tell of their kernel, or do not ---------------------------------------------

FRONT_END = """<style>{css}</style><div id="host"></div>
<script type="application/json" id="values">{values}</script>
<script type="module">
{script}
const values = JSON.parse(document.querySelector("#values").textContent);
const block = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
let receive = null, request = null;
window.answer = (header, data) =>
  receive({{ ...header, view: request.view, seq: request.seq }}, data ? [block(data)] : []);
const slots = new Set();
const statusChanged = {{
  connect: (slot) => slots.add(slot),
  disconnect: (slot) => slots.delete(slot),
}};
window.kernelIs = (status) => slots.forEach((slot) => slot(null, status));
window.listeners = () => slots.size;
const model = {{
  widget_manager: values.tells ? {{ kernel: {{ statusChanged }} }} : {{}},
  get: (name) => ({{ spec: values.spec, recorded: block(values.recorded) }})[name],
  on: (_, take) => {{ receive = take; }},
  off: () => {{}},
  send: (message) => {{ request = message; window.asked = message.kind; }},
}};
tool.render({{ model, el: document.querySelector("#host") }});
</script>"""


class FrontEnd:
    """A tool on a page with a clock of its own; it gets an answer when the test gives one."""

    def __init__(self, page, tool, file: Path, tells: bool = False) -> None:
        self.page, self.tool = page, tool
        recorded = base64.b64encode(tool.recording().data).decode()
        values = script_json({"spec": tool.describe(), "recorded": recorded, "tells": tells})
        script = scripts.script(tool.page).replace("export default", "const tool =")
        html = FRONT_END.format(css=scripts.style(tool.page), values=values, script=script)
        file.write_text(HEAD + html, encoding="utf-8")
        page.clock.install()
        page.goto(file.as_uri())
        self.root = page.locator(".nnp").first
        self.root.wait_for()

    def wait(self, seconds: float) -> None:
        self.page.clock.run_for(1000 * seconds)

    def answer(self, **request) -> None:
        answer = self.tool.handle(request)
        header = json.loads(json.dumps(answer.header))
        content = base64.b64encode(answer.data).decode()
        self.page.evaluate("([header, content]) => answer(header, content)", [header, content])
        self.wait(1.5)  # a screen reader hears it after a while

    @property
    def mode(self) -> str:
        return self.root.get_attribute("data-mode") or "live"

    def says(self, text: str) -> bool:
        return text in self.root.inner_text()


def use(front: FrontEnd) -> dict[str, str]:
    """Make the tool ask; returns a request for the answer."""
    if front.tool.page == "board":
        front.root.get_by_role("button", name="Play", exact=True).click()
        return {"kind": "frame", "play": True}
    front.root.get_by_role("application", name="Drawing pad").click()
    return {"kind": "strokes", "strokes": [[(0.5, 0.5)]]}


@pytest.mark.parametrize("kind", ["board", "pad"])
def test_a_kernel_that_has_answered_is_waited_for(kind, open_page, tmp_path):
    if kind == "board":
        tool = play.playground(recorded_steps=20)
    else:
        tool = play.draw_digit(nn.Linear(784, 10), data.mnist_5k().train)
    front = FrontEnd(open_page(offline=True), tool, tmp_path / "page.html")
    front.wait(3.5)
    assert front.mode == "recorded" and front.says("No answer from the Python kernel")
    front.answer(kind="hello")
    assert front.mode == "live"
    if kind == "board":
        front.answer(kind="hello")  # it asks for everything anew
    else:
        front.answer(kind="strokes", strokes=[])
    request = use(front)
    front.wait(20)
    assert front.mode == "live" and front.says("Waiting for the kernel")
    front.answer(**request)
    assert front.mode == "live" and not front.says("Waiting for the kernel")
    if kind == "pad":
        request = use(front)
    front.wait(65)
    assert front.mode == "recorded", "a kernel that is silent for a minute may have stopped"
    assert front.says("No answer from the Python kernel")
    front.answer(**request)
    assert front.mode == "live"


def test_a_kernel_that_the_front_end_tells_of_is_waited_for_to_its_end(open_page, tmp_path):
    page, tool = open_page(offline=True), play.playground(recorded_steps=20)
    front = FrontEnd(page, tool, tmp_path / "page.html", tells=True)
    front.answer(kind="hello")
    use(front)
    front.wait(300)
    page.evaluate("kernelIs('busy')")
    assert front.mode == "live" and front.says("Waiting for the kernel")
    page.evaluate("kernelIs('dead')")
    assert front.mode == "recorded" and front.says("The Python kernel has stopped")
    assert page.evaluate("listeners()") == 0
