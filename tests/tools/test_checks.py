"""Each rule about lessons is kept by the good lesson and broken by a damaged one."""

from __future__ import annotations

import copy

import pytest

from tools import canonical, checks
from tools.checks import Content


@pytest.fixture(scope="module")
def content(good) -> Content:
    return Content.read(good)


@pytest.fixture
def damaged(content) -> Content:
    return copy.deepcopy(content)


@pytest.mark.parametrize("rule", checks.RULES, ids=lambda rule: rule.__name__)
def test_the_good_lesson_keeps_every_rule(content, rule):
    assert rule(content) == []


def code(content, number):
    return list(content.code())[number - 1][1]


def say(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def set_output(number, **changes):
    def damage(content):
        code(content, number).outputs[0].update(changes)

    return damage


def set_source(number, source):
    def damage(content):
        code(content, number).source = source

    return damage


def set_tags(number, *tags):
    def damage(content):
        code(content, number).metadata["tags"] = list(tags)

    return damage


def replace(old, new):
    def damage(content):
        touched = [cell for cell in content.notebook.cells if old in cell.source]
        assert touched, f"the good lesson has no {old!r}"
        for cell in touched:
            cell.source = cell.source.replace(old, new)

    return damage


def drop_markdown(beginning):
    def damage(content):
        cells = content.notebook.cells
        cells[:] = [cell for cell in cells if not cell.source.startswith(beginning)]

    return damage


def set_execution_count(content):
    code(content, 3).execution_count = 7


def hide(content):
    code(content, 1).metadata["jupyter"] = {"source_hidden": True}


def ignore_many(content):
    for number in range(1, 5):
        code(content, number).metadata["tags"] = ["nbval-ignore-output"]


def live_widget(content):
    code(content, 3).outputs[0].data[canonical.WIDGET_VIEW] = {"model_id": "1"}


def widget_state(content):
    content.notebook.metadata["widgets"] = {"state": {}}


def no_alternative(content):
    code(content, 3).outputs[0].metadata.clear()


def html(content):
    data = {"text/html": "<script src='https://example.org/x.js'></script>"}
    code(content, 3).outputs[0].data.update(data)


DAMAGE = [
    ("pair", set_source(1, "import os"), "out of step"),
    ("pair", set_tags(1, "exercise"), "out of step"),
    ("executed", set_execution_count, "cell 3 of the code is stored as In [7]"),
    ("exceptions", set_tags(5), "stores an error without the tag"),
    ("exceptions", set_tags(2, "raises-exception"), "stores no error despite the tag"),
    ("clean_outputs", set_output(2, name="stderr"), "text on stderr"),
    ("clean_outputs", set_output(2, text="saved to /home/ada/x.pt"), "a path"),
    ("clean_outputs", set_output(2, text=r"saved to C:\x.pt"), "a path"),
    ("clean_outputs", set_output(2, text="at 2026-01-31 10:20"), "a time stamp"),
    ("clean_outputs", set_output(2, text="<Line2D at 0x7f3a55d0>"), "an object's address"),
    ("clean_outputs", set_output(2, text="UserWarning: mind"), "a warning"),
    ("clean_outputs", set_output(2, text=" 40%|████      | 4/10"), "a progress bar"),
    ("clean_outputs", set_output(2, text="tensor(1., device='cuda:0')"), "a device's name"),
    ("clean_outputs", live_widget, "a live widget"),
    ("clean_outputs", widget_state, "widget state"),
    ("short_numbers", set_output(2, text="loss 0.94637"), "In [2] shows 0.94637"),
    ("figures", drop_markdown("A red line"), "has no markdown cell after it"),
    ("figures", replace("A red line runs", "# A red line runs"), "followed by a heading"),
    ("figures", no_alternative, "no text alternative"),
    ("style_numbers", set_source(3, "x = 1\n" * 21), "longest code cell: 21"),
    ("style_numbers", drop_markdown("##"), "percent of markdown cells"),
    ("plain_python", set_source(1, "%matplotlib inline"), "is not plain Python"),
    ("plain_python", set_source(1, "!ls"), "is not plain Python"),
    ("plain_python", set_source(1, "get_ipython()"), "calls get_ipython"),
    ("plain_python", set_source(1, f"x = '{'y' * 100}'"), "a line of 106 characters"),
    ("nothing_hidden", hide, "source_hidden"),
    ("nothing_hidden", set_tags(1, "hide-input"), "hide-"),
    ("few_ignored", ignore_many, "4 cells ignore their output"),
    ("few_ignored", set_source(1, "# NBVAL_SKIP\n1"), "marked by a comment"),
    ("mathematics", replace("3\n$$\n\n", "3\n$$\n"), "no blank line around"),
    ("mathematics", replace("here.\n\n$$", "here.\n$$"), "no blank line around"),
    ("mathematics", replace("= 3\n$$", "= 3\n"), "not closed"),
    ("links", replace("#A-picture", "#a-picture"), "dead link '#a-picture'"),
    ("links", replace("#A-picture", "02_none.ipynb"), "dead link '02_none.ipynb'"),
    ("links", replace("#A-picture", "01_good.ipynb#None"), "no such heading"),
    ("links", replace("A red", "![x](https://example.org/x.png)"), "from the network"),
    ("links", replace("A red", '<img src="http://example.org/x.png">'), "from the network"),
    ("links", html, "with a script"),
    ("anatomy", replace("## Common mistakes", "## Mistakes"), "no heading 'Common mistakes'"),
    ("anatomy", replace("# A lesson", "A lesson"), "does not begin with the title"),
    ("takeaways", replace("(#Counting)", "(01_good.ipynb)"), "links to no cell"),
    ("takeaways", replace("- Counting is", "Counting is"), "no bullets"),
    ("exercises", set_tags(4), "not tagged `exercise`"),
    ("exercises", set_source(4, "exercises.double.check(2)"), "must end with"),
    ("exercises", set_source(4, "exercises.triple.check(x)"), "does not have"),
    ("exercises", set_source(4, "x = 1"), "is checked 0 times"),
]


@pytest.mark.parametrize(
    ("rule", "damage", "message"),
    DAMAGE,
    ids=[f"{rule}-{i}" for i, (rule, *_) in enumerate(DAMAGE)],
)
def test_a_damaged_lesson_breaks_the_rule(damaged, rule, damage, message):
    if rule == "takeaways" and "bullets" in message:
        replace("- A picture", "A picture")(damaged)
    damage(damaged)
    complaints = getattr(checks, rule)(damaged)
    assert any(message in complaint for complaint in complaints), complaints


@pytest.mark.parametrize(
    "text", ["≈0.94637", "≈-0.94637", "≈ 0.94637", "1.2345", "1e-05", "v1.2.345678"]
)
def test_short_and_approximate_numbers_are_fine(damaged, text):
    code(damaged, 2).outputs[0].text = text
    assert checks.short_numbers(damaged) == []


def test_a_definition_is_found_twice(content, damaged):
    assert checks.defined_twice([content]) == []
    complaints = checks.defined_twice([content, damaged])
    assert any(complaint.startswith("line is defined in") for complaint in complaints)


def test_words_leave_out_code_mathematics_and_addresses():
    text = "Two words.\n\n```python\nx = 1\n```\n\n$$\na = b\n$$\n\n[link](https://example.org) $x$"
    assert checks.words(text) == 3
