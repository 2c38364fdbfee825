"""In a real kernel a check leaves its printed text and nothing else."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
execute = pytest.importorskip("tools.execute")

SETUP = """
import torch
import sys
sys.path.insert(0, {folder!r})
from exercise_samples import predict_exercise
exercise = predict_exercise(time_limit=1.0, misconceptions=())
"""
CELLS = [
    SETUP,
    "def predict(X, w, b):\n    return (X @ w + b >= 0).float()\n\nexercise.check(predict)",
    "def predict(X, w, b):\n    z = X @ w\n    return z.view(17)\n\nexercise.check(predict)",
    "from IPython.display import display\n"
    "def predict(X, w, b):\n    display(X)\n    print('z')\n    return (X @ w + b >= 0).float()\n"
    "\nexercise.check(predict)",
    "def predict(X, w, b):\n    quit()\n\nexercise.check(predict)",
    "def predict(X, w, b):\n    while True:\n        try:\n            len([])\n"
    "        except:\n            pass\n\nexercise.check(predict)",
    "def predict(X, w, b):\n    ...\n\nexercise.check(predict)",
    "print('alive')",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    cells = [nbformat.v4.new_code_cell(c) for c in CELLS]
    cells[0].source = SETUP.format(folder=str(Path(__file__).parent))
    notebook = nbformat.v4.new_notebook(cells=cells)
    execute.run(notebook, tmp_path_factory.mktemp("notebook"), "answers")
    return [cell.outputs for cell in notebook.cells]


def printed(outputs, k):
    assert [(o.output_type, o.name) for o in outputs[k]] == [("stream", "stdout")]
    return outputs[k][0].text.splitlines()


def test_only_the_text_is_in_the_outputs(outputs):
    assert outputs[0] == []
    assert printed(outputs, 1) == ["✓ 01.2 Predict without a loop: correct."]


def test_the_line_is_counted_in_the_cell(outputs):
    assert "  at line 3 of your code: return z.view(17)" in printed(outputs, 2)


def test_displays_stay_quiet_and_prints_are_shown_once(outputs):
    assert printed(outputs, 3) == [
        "✓ 01.2 Predict without a loop: correct.",
        "  Your code printed, on the input “a gate”:",
        "    z",
    ]


def test_quit_does_not_end_the_kernel(outputs):
    assert "  SystemExit" in printed(outputs, 4)
    assert printed(outputs, 7) == ["alive"]


def test_an_endless_loop_is_stopped(outputs):
    assert "Is there a loop that never ends?" in printed(outputs, 5)[0]
    assert "  It was in the loop at line 2 of your code: while True:" in printed(outputs, 5)


def test_an_unanswered_cell(outputs):
    assert printed(outputs, 6)[0].startswith("○ 01.2 Predict without a loop: not attempted yet.")
