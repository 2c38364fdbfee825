"""Comparison of outputs and the canonical form, without a kernel."""

from __future__ import annotations

import base64
import io

import nbformat
import pytest
from PIL import Image, ImageDraw

from tools import canonical, compare


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data):
    data = {kind.replace("_", "/"): value for kind, value in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def picture(*, line=True, noise=0, size=(90, 60)):
    canvas = Image.new("RGB", size, "white")
    if line:
        ImageDraw.Draw(canvas).line((0, 0, 90, 60), fill="red", width=3)
    for x in range(20):
        canvas.putpixel((x, 50), (255 - noise, 255, 255))
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("≈0.946", "≈0.951"),
        ("≈-1.2e-03", "≈1.3e-4"),
        ("≈94.6 %", "≈101 %"),
        ("≈1,234", "≈987"),
        ("≈ 9.5 s", "≈10.5 s"),
    ],
)
def test_numbers_behind_the_sign_may_change(old, new):
    assert compare.differences([stream(old)], [stream(new)]) == []
    assert compare.differences([shown(text_html=f"<td>{old}</td>")], [stream("")]) != []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.946", "0.951"),
        ("≈0.9 of 40", "≈0.9 of 41"),
        ("≈0.9", "≈nan"),
        ("≈0.9", "0.9"),
        ("≈0.9, 3", "≈0.9, 4"),
        ("≈1 a", "≈1 b"),
        ("end ", "end"),
        ("end\n", "end"),
    ],
)
def test_nothing_else_may_change(old, new):
    (difference,) = compare.differences([stream(old)], [stream(new)])
    assert difference.problem == "changed"
    assert compare.text_difference(old, new)


def test_every_kind_of_output_counts():
    html, error = shown(text_html="<b>1</b>"), {"output_type": "error", "ename": "E", "evalue": "x"}
    for old, new, kind in [
        ([stream("a")], [], "stdout"),
        ([], [stream("a")], "stdout"),
        ([], [stream("mind", "stderr")], "stderr"),
        ([html], [shown(text_html="<b>2</b>")], "text/html"),
        ([html], [html, html], "text/html"),
        ([error], [{**error, "evalue": "y"}], "error"),
        ([shown(image_png=picture())], [], "image/png"),
    ]:
        (difference,) = compare.differences(old, new)
        assert difference.kind == kind


def test_pictures_are_compared_by_pixels(monkeypatch):
    old = [shown(image_png=picture())]
    assert compare.differences(old, [shown(image_png=picture(noise=8))]) == []
    (missing,) = compare.differences(old, [shown(image_png=picture(line=False))])
    assert "pixel RMS" in missing.problem and "allowed 3" in missing.problem
    (size,) = compare.differences(old, [shown(image_png=picture(size=(91, 60)))])
    assert size.problem == "has another size"
    monkeypatch.setenv("COURSE_PNG_RMS", "200")
    assert compare.differences(old, [shown(image_png=picture(line=False))]) == []


def test_the_tolerance_is_wider_on_a_gpu(monkeypatch):
    monkeypatch.delenv("COURSE_PNG_RMS", raising=False)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert compare.tolerance() == 3
    monkeypatch.setenv("COURSE_DEVICE", "cuda")
    assert compare.tolerance() == 20


def test_the_diff_shows_changed_characters_only():
    old = "step 1\nstep 2\nstep 3\nloss ≈0.1, wrong 4\n"
    new = "step 1\nstep 2\nstep 3\nloss ≈0.2, wrong 5\n"
    rows = compare.text_difference(old, new).splitlines()
    assert rows[-3:-1] == ["- loss ≈0.1, wrong 4", "+ loss ≈0.2, wrong 5"]
    assert rows[-1].strip() == "^" and rows[-1].index("^") == rows[-2].index("5")
    assert "  step 2" not in rows


@pytest.mark.parametrize(
    ("markdown", "sentence"),
    [
        ("A **red** box, e.g. a *filled* one. More.", "A red box, e.g. a filled one."),
        ("## Look\n\nThe [line](#x) is `w`\nat $x_1 = 0.5$! More", "The line is w at x_1 = 0.5!"),
        ("No end\n\nNext paragraph.", "No end"),
        ("a < b and 2 * 3 * 4 stay.", "a < b and 2 * 3 * 4 stay."),
        ("", ""),
    ],
)
def test_first_sentence(markdown, sentence):
    assert canonical.first_sentence(markdown) == sentence


def notebook(outputs, after="It is red."):
    cells = [
        nbformat.v4.new_code_cell("f()", outputs=[nbformat.from_dict(o) for o in outputs]),
        nbformat.v4.new_markdown_cell(after),
        nbformat.v4.new_code_cell("f()"),
    ]
    return nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {}, "x": 1})


def test_canonical_form():
    widget = {canonical.WIDGET_VIEW: {"model_id": "1"}, "text/plain": "Explorer"}
    both = {"output_type": "display_data", "data": {**widget, "image/png": "aa"}, "metadata": {}}
    only = {"output_type": "display_data", "data": widget, "metadata": {}}
    error = {"output_type": "error", "ename": "E", "evalue": "\x1b[31mx", "traceback": ["/a/b.py"]}
    outputs = [stream("a"), stream("b"), stream("c", "stderr"), both, only, error]
    first, second = (canonical.canonical(notebook(outputs)) for _ in range(2))
    assert (
        canonical.render(notebook(outputs)) == canonical.render(first) == canonical.render(second)
    )
    cell = first.cells[0]
    assert [o.get("text") for o in cell.outputs[:2]] == ["ab", "c"]
    assert set(cell.outputs[2].data) == {"text/plain", "image/png"}
    assert cell.outputs[2].metadata == {"image/png": {"alt": "It is red."}}
    assert canonical.WIDGET_VIEW in cell.outputs[3].data
    assert cell.outputs[4].traceback == ["E: x"]
    assert len({cell.id for cell in first.cells}) == 3
    assert set(first.metadata) == {"kernelspec", "language_info"}
    nbformat.validate(first)
