"""The front end on pages of its own: every explorer, without a kernel and without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import samples
from drive import SETTLE, View, move_everything

from course_utils.explore import Explorer, registry, widget

FACTORIES = {"kitchen_sink": samples.kitchen_sink, "descent": samples.descent} | registry()
HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Test</title>'
HEAD += '<meta name="viewport" content="width=device-width">'
each_explorer = pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())


@pytest.fixture
def show(open_page, tmp_path: Path):
    """Show explorers on a page of their own, which is a file and may not reach the network."""

    def make(*explorers: Explorer, before: str = "", **options):
        file = tmp_path / "page.html"
        file.write_text(HEAD + before + "".join(e.to_html() for e in explorers), encoding="utf-8")
        page = open_page(offline=True, **options)
        page.goto(file.as_uri())
        page.locator(".nnx-picture svg").first.wait_for()
        return page

    return make


@each_explorer
def test_every_control_moves_the_picture(factory, show):
    explorer = factory()
    view = View(show(explorer), explorer)
    before = view.picture()
    move_everything(view)
    assert view.picture() == before, "reset does not restore the picture"


# --- layout --------------------------------------------------------------------------------------

OVERLAPS = """root => {
    const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
    const found = [];
    for (const svg of root.querySelectorAll('.nnx-svg')) {
        const texts = [...svg.querySelectorAll('.nnx-tick:not([transform]), .nnx-axis-label')]
            .map(e => [e.textContent, e.getBoundingClientRect()]);
        const frame = svg.closest('.nnx-panel').getBoundingClientRect();
        texts.forEach(([text, box], k) => {
            for (const [other, rival] of texts.slice(k + 1))
                if (overlap(box, rival)) found.push(`${text} on ${other}`);
            const out = box.left < frame.left - 6 || box.right > frame.right + 6;
            if (out) found.push(`${text} sticks out`);
        });
    }
    return found;
}"""
SMALL_TARGETS = """root => [...root.querySelectorAll('input, select, button')]
    .map(e => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
    .filter(([_, box]) => box.width < 24 || box.height < 24).map(([html]) => html)"""


@each_explorer
@pytest.mark.parametrize("width", [320, 700, 1000])
def test_layout(factory, show, snap, width):
    explorer = factory()
    page = show(explorer, width=width)
    root = View(page, explorer).root
    snap(page, f"{explorer.name}-{width}")
    room, needed = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
    assert needed <= room, "the page scrolls sideways"
    assert root.evaluate(OVERLAPS) == []
    assert root.evaluate(SMALL_TARGETS) == []


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
            if (!/(, 0\\)|transparent)$/.test(color)) return light(color);
        }
        return light('white');
    };
    return [...root.querySelectorAll('.nnx-title, label, .nnx-value, button, select, .nnx-box,'
            + '.nnx-status, .nnx-tick, .nnx-axis-label, .nnx-legend span')]
        .filter(e => e.textContent || e.value)
        .map(e => {
            const style = getComputedStyle(e);
            const [a, b] = [light(e instanceof SVGElement ? style.fill : style.color), ground(e)];
            return [e.className.baseVal ?? e.className, Math.max(a, b) / Math.min(a, b)];
        }).filter(([_, ratio]) => ratio < 4.5);
}"""


@each_explorer
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes(factory, show, snap, theme):
    explorer = factory()
    page = show(explorer, color_scheme=theme)
    root = View(page, explorer).root
    assert root.get_attribute("data-theme") == theme
    assert root.evaluate(CONTRAST) == []
    snap(page, f"{explorer.name}-{theme}")


def test_the_theme_follows_the_page(show, kitchen):
    page = show(kitchen, before="<body style='background: #202020'>", color_scheme="light")
    view = View(page, kitchen)
    assert view.root.get_attribute("data-theme") == "dark"
    dark = view.picture()
    page.evaluate("document.body.style.background = 'rgb(250 250 250)'")
    page.wait_for_selector('.nnx[data-theme="light"]')
    assert view.picture() != dark, "the heat map keeps the colors of the other theme"


# --- single behaviors, on the samples ------------------------------------------------------------


@pytest.fixture
def kitchen() -> Explorer:
    return samples.kitchen_sink()


@pytest.fixture
def descent() -> Explorer:
    return samples.descent()


def test_page_keys_move_a_slider(show, descent):
    view = View(show(descent), descent)
    view.prepare(dict(rate=0.25, steps=10))
    view.input("steps").press("PageUp")
    assert view.index("steps") > 9
    view.input("steps").press("PageDown")
    view.input("steps").press("ArrowLeft")
    assert view.index("steps") == 8


def test_a_typed_number_snaps_and_says_so(show, descent):
    view = View(show(descent), descent)
    note = view.root.locator(".nnx-note")

    def type_rate(text: str) -> str:
        view.box("rate").fill(text)
        view.box("rate").press("Enter")
        view.page.evaluate(SETTLE)
        return note.text_content() if note.is_visible() else ""

    assert type_rate("0.75") == ""
    assert view.index("rate") == 2
    assert type_rate("0,8") == "learning rate: 0.8 lies between two steps; the nearest is 0.75."
    assert type_rate("7") == "learning rate: 7 is out of range (0.25 to 2.5); it is now 2.5."
    assert view.index("rate") == 9
    assert "is not a number; learning rate stays at 2.5." in type_rate("fast")
    assert view.box("rate").input_value() == "2.5"
    view.box("rate").press("ArrowDown")
    assert view.index("rate") == 8
    assert not note.is_visible()


def test_diverged_is_shown_and_said(show, descent, snap):
    page = show(descent)
    view = View(page, descent)
    badge = view.root.locator(".nnx-badge")
    assert not badge.is_visible()
    view.input("rate").press("End")
    badge.wait_for()
    snap(page, "descent-diverged")
    assert "NaN" not in view.picture()
    assert "Infinity" not in view.picture()
    live = view.root.get_by_role("status")
    page.wait_for_function("e => e.textContent.startsWith('Diverged. ')", arg=live.element_handle())
    view.input("rate").press("Home")
    badge.wait_for(state="hidden")


def test_screen_readers_hear_a_drag_once(show, kitchen):
    page = show(kitchen)
    view = View(page, kitchen)
    live = view.root.get_by_role("status")
    assert live.text_content() == "", "the status is announced before anything moved"
    live.evaluate("""e => { window.said = []; new MutationObserver(() => said.push(e.textContent))
        .observe(e, { childList: true, characterData: true, subtree: true }); }""")
    view.pointer_ends("angle")
    page.wait_for_function("said.length > 0")
    page.wait_for_timeout(300)
    assert page.evaluate("said") == [kitchen.at(angle=1.5).status]


def test_picture_has_its_text_alternative(show, kitchen):
    page = show(kitchen)
    page.get_by_role("img", name=kitchen.alt).wait_for()
    page.get_by_role("group", name=kitchen.title).wait_for()
    assert page.get_by_role("status").count() == 1
    assert page.locator("output").count() == 0


def test_markup_in_texts_stays_text(show, kitchen):
    page = show(kitchen)
    assert page.locator("b").count() == 0
    assert page.locator(".nnx-title").text_content() == kitchen.title


def test_keys_stay_inside_but_shortcuts_pass(show, kitchen):
    page = show(kitchen)
    page.evaluate("window.heard = []; document.addEventListener('keydown', e => heard.push(e.key))")
    slider = View(page, kitchen).input("angle")
    for key in ("ArrowRight", "Home", "End", "PageUp", "a", "Control+k"):
        slider.press(key)
    assert page.evaluate("heard.filter(key => key !== 'Control')") == ["k"]


def test_focus_is_visible(show, kitchen):
    page = show(kitchen)
    for _ in range(7):  # three sliders' parts, select, checkbox, buttons
        page.keyboard.press("Tab")
        width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert float(width.removesuffix("px")) >= 2


def test_play_walks_to_the_end_and_pauses(show, kitchen):
    page = show(kitchen)
    view = View(page, kitchen)
    assert view.index("angle") == 4, "something moved without being asked"
    button = view.root.locator(".nnx-play")
    assert button.text_content() == "Play angle θ (rad)"
    view.input("gain").focus()
    assert button.text_content() == "Play gain"
    view.input("gain").press("Home")
    button.click()
    assert button.text_content() == "Pause"
    page.wait_for_function("document.querySelector('.nnx-play').textContent !== 'Pause'")
    assert view.index("gain") == 4
    button.click()  # at the end: from the beginning
    page.wait_for_function("document.querySelector('.nnx-value').isConnected")
    button.click()
    paused = view.index("gain")
    page.wait_for_timeout(900)
    assert view.index("gain") == paused < 4


def test_unchanged_marks_are_not_redrawn(show, kitchen):
    view = View(show(kitchen), kitchen)
    view.page.evaluate("""window.changed = 0; new MutationObserver(list => changed += list.length)
        .observe(document.querySelectorAll('.nnx-panel')[1],
                 { subtree: true, childList: true, attributes: true })""")
    view.input("kind").select_option(index=1)
    view.picture()
    assert view.page.evaluate("changed") == 0
    view.input("gain").press("End")
    view.picture()
    assert view.page.evaluate("changed") > 0


def test_an_unchanged_heat_map_is_not_repainted(show, kitchen):
    view = View(show(kitchen), kitchen)
    view.page.evaluate("""window.painted = 0;
        const real = CanvasRenderingContext2D.prototype.putImageData;
        CanvasRenderingContext2D.prototype.putImageData = function (...list) {
            painted += 1;
            return real.apply(this, list);
        };
        null""")
    view.input("marks").press("Space")
    view.picture()
    assert view.page.evaluate("painted") == 0
    view.input("angle").press("End")
    view.picture()
    assert view.page.evaluate("painted") == 1


def test_two_views_move_independently(show, kitchen):
    page = show(kitchen, kitchen)
    roots = page.locator(".nnx")
    assert roots.count() == 2
    one, two = (View(page, kitchen, roots.nth(k)) for k in range(2))
    before = two.picture()
    one.input("angle").press("End")
    assert one.picture() != before
    assert two.picture() == before
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


# Playwright would call a function that an expression leaves.
START = "window.stop = render({ model, el: document.body }); null"


@pytest.fixture
def module_page(open_page):
    """A page that holds only the front end's `render`, and an explorer's values."""
    script = (widget.FOLDER / "front.js").read_text(encoding="utf-8")

    def make(explorer: Explorer, **options):
        page = open_page(**options)
        page.set_content("<body></body>")
        page.add_script_tag(type="module", content=script + "\nwindow.render = render;")
        page.wait_for_function("() => window.render !== undefined")
        page.evaluate(
            """([spec, data]) => {
                window.values = { spec, data: new DataView(Uint8Array.from(data).buffer) };
                window.model = { get: name => values[name] };
            }""",
            [json.loads(json.dumps(explorer.describe())), list(explorer.frames().data)],
        )
        return page

    return make


def test_errors_are_shown(module_page, descent):
    page = module_page(descent, ignore=("RangeError", "Invalid typed array length"))
    page.evaluate("values.data = new DataView(new ArrayBuffer(8)); " + START)
    assert page.get_by_role("alert").text_content().startswith("This explorer has failed: ")


def test_a_view_may_be_attached_after_it_is_rendered(module_page, descent):
    page = module_page(descent)
    page.evaluate("""document.body.style.background = 'white';
        window.host = document.createElement('div');
        window.stop = render({ model, el: host });
        null""")
    page.wait_for_timeout(100)
    page.evaluate("document.body.append(host)")
    view = View(page, descent)
    assert view.root.get_attribute("data-theme") == "light"
    page.wait_for_function("document.querySelector('.nnx-plot').offsetWidth > 490")


def test_closing_a_view_ends_all_activity(module_page, descent):
    page = module_page(descent)
    page.evaluate(START)
    page.get_by_role("button", name=re.compile("Play")).click()
    page.evaluate("""const real = window.requestAnimationFrame;
        window.requestAnimationFrame = callback => { late += 1; return real(callback); };
        stop();
        window.late = 0;""")
    page.wait_for_timeout(700)
    assert page.evaluate("late") == 0
    assert page.locator(".nnx").count() == 0


def test_values_beyond_all_bounds_leave_a_sound_picture(module_page, descent):
    page = module_page(descent)
    page.evaluate(START)
    view = View(page, descent)
    numbers = set()
    for rate in range(10):
        view.prepare(dict(rate=descent.controls["rate"].values[rate], steps=20))
        numbers |= set(re.findall(r"[-\d.]+", page.locator(".nnx-line").first.get_attribute("d")))
    assert all(-1 <= float(number) <= 1000 for number in numbers)
