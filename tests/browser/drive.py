"""Moves the controls of an explorer as a reader does, and looks at the picture."""

from __future__ import annotations

from typing import Any

from reading import moving_base

from course_utils.explore import Explorer

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""How to start the browser: without a window, and without calls of its own to the network."""

PICTURE = """root => [...root.querySelectorAll('.nnx-picture canvas, .nnx-picture svg, svg *')]
    .map(e => e.tagName === 'CANVAS' ? e.toDataURL() : [
        e.tagName,
        ...[...e.attributes].map(a => `${a.name}=${a.value}`).sort(),
        e.children.length ? '' : e.textContent,
    ].join(' ')).join('\\n')"""
SETTLE = "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"


def pretty(text: str) -> str:
    """A control's value as the browser shows it."""
    return text.replace("-", "\N{MINUS SIGN}") if text[:1] == "-" or "e-" in text else text


class View:
    """One explorer on a page."""

    def __init__(self, page: Any, explorer: Explorer, root: Any = None) -> None:
        self.page, self.explorer = page, explorer
        self.root = root or page.locator(f'.nnx[data-name="{explorer.name}"]').first
        self.root.wait_for()
        self.specs = {spec["name"]: spec for spec in explorer.describe()["controls"]}

    def picture(self) -> str:
        """Everything that is drawn, as one text."""
        self.page.evaluate(SETTLE)
        return self.root.evaluate(PICTURE)

    def position(self) -> int:
        """Number of the position that is shown."""
        self.page.evaluate(SETTLE)
        return int(self.root.get_attribute("data-position"))

    def index(self, key: str) -> int:
        """The control's place on its grid, worked out from the position."""
        place, result = self.position(), {}
        for name, control in reversed(self.explorer.controls.items()):
            place, result[name] = divmod(place, len(control.values))
        return result[key]

    def expected_position(self, values: dict[str, Any]) -> int:
        """Number of a position given by values."""
        place = 0
        for key, control in self.explorer.controls.items():
            place = place * len(control.values) + control.index_of(values[key])
        return place

    def input(self, key: str) -> Any:
        """The control's slider, select or checkbox, found as a screen reader finds it."""
        spec = self.specs[key]
        role = {"slider": "slider", "choice": "combobox", "toggle": "checkbox"}[spec["kind"]]
        return self.root.get_by_role(role, name=spec["label"], exact=True)

    def box(self, key: str) -> Any:
        """The box to type a number in."""
        return self.root.get_by_role("textbox", name=self.specs[key]["label"] + ": type")

    def prepare(self, values: dict[str, Any]) -> None:
        """Bring all controls to these values, without the help of the keyboard."""
        for key, value in values.items():
            index = self.explorer.controls[key].index_of(value)
            self.input(key).evaluate(
                """(input, index) => {
                    if (input.type === 'checkbox') input.checked = index === 1;
                    else if (input.type === 'range') input.value = index;
                    else input.selectedIndex = index;
                    input.dispatchEvent(new Event('input', { bubbles: true }));
                }""",
                index,
            )
        assert self.position() == self.expected_position(values)

    # --- by keyboard and by pointer; each returns the pictures at both ends ----------------------

    def keyboard_ends(self, key: str) -> tuple[str, str]:
        kind, last = self.specs[key]["kind"], len(self.specs[key]["texts"]) - 1
        control = self.input(key)
        control.focus()
        if kind == "toggle":
            return self._toggle_ends(key, lambda: control.press("Space"))
        control.press("Home")
        assert self.index(key) == 0
        low = self.picture()
        self._check_text(key, 0)
        control.press("ArrowRight" if kind == "slider" else "ArrowDown")
        assert self.index(key) == 1
        self._check_text(key, 1)
        control.press("End")
        assert self.index(key) == last
        self._check_text(key, last)
        return low, self.picture()

    def pointer_ends(self, key: str) -> tuple[str, str]:
        kind, last = self.specs[key]["kind"], len(self.specs[key]["texts"]) - 1
        control = self.input(key)
        control.scroll_into_view_if_needed()
        if kind == "toggle":
            label = self.root.get_by_text(self.specs[key]["label"], exact=True)
            return self._toggle_ends(key, label.click)
        if kind == "choice":  # a browser draws the list of a select outside of the page
            control.select_option(index=0)
            low = self.picture()
            control.select_option(index=last)
            assert self.index(key) == last
            return low, self.picture()
        return self._drag(key, last)

    def _drag(self, key: str, last: int) -> tuple[str, str]:
        area, mouse = self.input(key).bounding_box(), self.page.mouse
        middle = area["y"] + area["height"] / 2
        mouse.move(area["x"] + 8, middle)
        mouse.down()
        mouse.move(area["x"] - 5, middle)
        assert self.index(key) == 0
        low = self.picture()
        seen = set()
        for share in (0.25, 0.5, 0.75, 1.02):
            mouse.move(area["x"] + share * area["width"], middle)
            seen.add(self.index(key))
        mouse.up()
        assert self.index(key) == last
        assert len(seen) >= min(last, 3), "the drag skipped the middle of the slider"
        self._check_text(key, last)
        return low, self.picture()

    def _toggle_ends(self, key: str, flip: Any) -> tuple[str, str]:
        before, first = self.index(key), self.picture()
        flip()
        assert self.index(key) == 1 - before
        return first, self.picture()

    def _check_text(self, key: str, index: int) -> None:
        """The slider's live text, box and accessible value agree with its place."""
        spec = self.specs[key]
        if spec["kind"] != "slider":
            return
        control, text = self.input(key), spec["texts"][index]
        assert control.get_attribute("aria-valuetext") == pretty(text)
        assert self.box(key).input_value() == text
        shown = control.locator("xpath=..").locator(".nnx-value").text_content()
        assert shown == pretty(text)


def move_everything(view: View) -> None:
    """Move every control by keyboard and by pointer, from a place where it has an effect."""
    explorer = view.explorer
    for key in explorer.controls:
        base = moving_base(explorer, key)
        for way in (view.keyboard_ends, view.pointer_ends):
            view.prepare(base)
            low, high = way(key)
            assert low != high, f"{explorer.name}: {key} moves, the picture stays ({way.__name__})"
    view.root.get_by_role("button", name="Reset").click()
    start = {key: control.start for key, control in explorer.controls.items()}
    assert view.position() == view.expected_position(start)
