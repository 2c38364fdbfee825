"""The text of a small good lesson with its exercise module, and what makes and damages lessons."""

from __future__ import annotations

import textwrap

import nbformat

from tools.lessons import Lesson

EXERCISES = '''
class Exercise:
    """The protocol of the course's exercises, without its engine."""

    def __init__(self, source, right):
        self.source, self.right = source, right

    def answer_source(self):
        return self.source

    def check(self, answer):
        answer = answer(3) if callable(answer) else answer
        verdict = "✓ ok" if answer == self.right else "✗ no"
        print("○ not attempted yet" if answer is None else verdict)


double = Exercise("def twice(x):\\n    return 2 * x", 6)
choice = Exercise('answer = "b"', "b")
wrong = Exercise('answer = "a"', "b")
'''

GOOD = """
    # %% [markdown]
    # # A lesson
    #
    # ## You will be able to
    #
    # - count words in a sentence, and see that a lesson can be small and still complete.
    #
    # ## Before you start
    #
    # You need nothing but a few minutes, a kernel, and the wish to see a red line on white.

    # %%
    import io

    # %% [markdown]
    # ## Counting
    #
    # You count to three, and the number is exact, so that every machine shows the same one here.
    #
    # $$
    # 1 + 1 + 1 = 3
    # $$
    #
    # Then you go on to a picture, which needs two libraries and a few lines of code to be drawn.

    # %%
    from IPython.display import Image, display
    from PIL import Image as Canvas
    from PIL import ImageDraw

    from toycourse import toy as exercises

    print("counted", 1 + 1 + 1, "words, loss ≈0.946")

    # %% [markdown]
    # ## A picture
    #
    # The function below draws a line on a white canvas and gives back the bytes of a picture file.
    # It is short on purpose, because a learner should be able to read it all in one go, alone.


    # %%
    def line(color):
        canvas, file = Canvas.new("RGB", (90, 60), "white"), io.BytesIO()
        ImageDraw.Draw(canvas).line((0, 0, 90, 60), fill=color, width=9)
        canvas.save(file, "PNG")
        return Image(data=file.getvalue())


    display(line("red"))

    # %% [markdown]
    # A red line runs from the upper left to the lower right. Nothing else is in the picture, so
    # that a picture without the line differs clearly from it, and a comparison can find it.
    #
    # ### Exercise: twice
    #
    # Write a function that doubles its argument; the cell says at once whether it is right.

    # %% tags=["exercise"]
    def twice(x): ...  # your code here


    exercises.double.check(twice)

    # %% [markdown]
    # ## Common mistakes
    #
    # Dividing by zero raises an error, and the next cell shows which error it is, and what it says.

    # %% tags=["raises-exception"]
    1 / 0

    # %% [markdown]
    # ## Key takeaways
    #
    # - Counting is exact, as you saw in [the first cell](#Counting).
    # - A picture needs a sentence, as under [the red line](#A-picture).
    #
    # ## Further exercises
    #
    # Draw a second line in another color, and find out how large the difference of the pictures is.
    #
    # ## Next
    #
    # The next lesson does not exist, which is fine for a small example like this one here.
"""

# A cell that prints how its kernel is reached: "ipc" through files, "tcp" through ports.
TRANSPORT = """
    import json
    from pathlib import Path

    import ipykernel

    print(json.loads(Path(ipykernel.get_connection_file()).read_text())["transport"])
"""


def percent(*cells: str) -> str:
    """Return a percent script; cells whose text begins with ``# `` are markdown."""
    rows = []
    for cell in cells:
        text = textwrap.dedent(cell).strip()
        if text.startswith("# "):
            rows += ["# %% [markdown]", text, ""]
        else:
            rows += ["# %%", text, ""]
    return "\n".join(rows)


def edit(lesson: Lesson, change) -> None:
    """Damage a notebook: read it, let `change` work on its code cells, write it back."""
    notebook = nbformat.read(lesson.notebook, as_version=4)
    change([cell for cell in notebook.cells if cell.cell_type == "code"])
    nbformat.write(notebook, lesson.notebook)
