"""What a committed lesson must look like: one function per rule, each returning its complaints.

A complaint is a sentence that names the cell, so that a test can print it as it is. Nothing here
runs a lesson; ``tools.nbval`` does that.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from nbformat import NotebookNode

from tools import canonical, exercise_cells, lessons
from tools.lessons import Lesson
from tools.sync import cell_key

MAX_LINE = 100
MAX_IGNORED = 3
ANATOMY = (
    "You will be able to",
    "Before you start",
    "Common mistakes",
    "Key takeaways",
    "Further exercises",
    "Next",
)
_UNWANTED_IN_OUTPUT = {
    "a path": re.compile(
        r"(?<![\w.:/])/(?:home|root|tmp|usr|work|var|opt|mnt|private|Users)/|\b[A-Z]:\\"
        r"|site-packages|ipykernel_\d+"
    ),
    "a time stamp": re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\b\d\d:\d\d:\d\d\b"),
    "an object's address": re.compile(r"\b0x[0-9a-fA-F]{6,}"),
    "a warning": re.compile(r"\b\w*Warning\b:|\bWARNING\b"),
    "a progress bar": re.compile(r"\d+%\|| ?(?:it/s|s/it)\b"),
    "a device's name": re.compile(r"device='?(?:cuda|mps)|\bNVIDIA\b"),
}
_LONG_NUMBER = re.compile(r"(?<![\w.≈])(?<!≈[-+−])(?<!≈ )\d+\.\d{5,}")
_HIDING = re.compile(r"source_hidden|outputs_hidden|hide[-_]|remove[-_](?:cell|input|output)")
_LINK = re.compile(r"(!?)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:href|src)=[\"']([^\"']+)[\"']")
_ANCHOR = re.compile(r"<\w+[^>]*\b(?:id|name)=[\"']([^\"']+)[\"']")
_REMOTE = re.compile(
    r"!\[[^\]]*\]\(\s*https?:|<(?:img|script|iframe|link|source)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//"
    r"|<script\b|@import\s+url\(|url\([\"']?https?:",
    re.IGNORECASE,
)
_DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_BLANK_BEFORE = re.compile(r"(?:\A|\n[> ]*\n)[> ]*\Z")
_BLANK_AFTER = re.compile(r"[ ]*(?:\n[> ]*(?:\n|\Z)|\Z)")
_FENCED = re.compile(r"^\s*(```|~~~).*?^\s*\1", re.MULTILINE | re.DOTALL)


@dataclass
class Content:
    """Both files of a lesson, read.

    Attributes:
        lesson: The pair.
        notebook: The executed notebook.
        source: The percent script as a notebook.
    """

    lesson: Lesson
    notebook: NotebookNode = field(repr=False)
    source: NotebookNode = field(repr=False)

    @classmethod
    def read(cls, lesson: Lesson) -> Content:
        """Read a lesson from its files."""
        return cls(lesson, lessons.read_notebook(lesson), lessons.read_source(lesson))

    def code(self) -> Iterator[tuple[str, NotebookNode]]:
        """Yield (``In [n]``, cell) for each code cell that holds code."""
        for number, cell in enumerate(lessons.code_cells(self.notebook), start=1):
            yield f"In [{number}]", cell

    def markdown(self) -> Iterator[NotebookNode]:
        """Yield the markdown cells."""
        yield from (cell for cell in self.notebook.cells if cell.cell_type == "markdown")


Check = Callable[[Content], list[str]]


def pair(content: Content) -> list[str]:
    """Both files hold the same cells: type, source and tags."""
    stored = [cell_key(cell) for cell in content.notebook.cells]
    wanted = [cell_key(cell) for cell in content.source.cells]
    if stored == wanted:
        return []
    count = sum(key not in wanted for key in stored) + sum(key not in stored for key in wanted)
    return [f"the pair is out of step ({count or 'the order of'} cells differ): run `make sync`"]


def executed(content: Content) -> list[str]:
    """Every cell was run once, from top to bottom, in a fresh kernel."""
    return [
        f"cell {number} of the code is stored as In [{cell.execution_count}]: run `make execute`"
        for number, (_, cell) in enumerate(content.code(), start=1)
        if cell.execution_count != number
    ]


def exceptions(content: Content) -> list[str]:
    """A cell is tagged ``raises-exception`` exactly if it stores an error."""
    found = []
    for name, cell in content.code():
        stored = any(output.output_type == "error" for output in cell.outputs)
        tagged = "raises-exception" in lessons.tags(cell)
        if stored != tagged:
            fault = (
                "stores an error without the tag" if stored else "stores no error despite the tag"
            )
            found.append(f"{name} {fault} raises-exception")
    return found


def clean_outputs(content: Content) -> list[str]:
    """No stderr, warning, path, time stamp, address or widget is stored in an output."""
    found = []
    for name, cell in content.code():
        found += [f"{name} stores {what}" for what in _unwanted(cell)]
    if content.notebook.metadata.get("widgets"):
        found.append("the notebook's metadata hold widget state")
    return found


def _unwanted(cell: NotebookNode) -> Iterator[str]:
    for output in cell.outputs:
        if output.get("name") == "stderr":
            yield f"text on stderr: {output.text.strip()[:80]!r}"
        if canonical.WIDGET_VIEW in output.get("data", {}):
            yield "a live widget; give it a picture (image/png) that stands for it"
    for text in output_texts(cell):
        for what, pattern in _UNWANTED_IN_OUTPUT.items():
            if match := pattern.search(text):
                yield f"{what}: {_around(text, match)!r}"


def output_texts(cell: NotebookNode) -> Iterator[str]:
    """Yield each text among a cell's outputs: streams, values, HTML, error messages."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield output.evalue
        else:
            data = output.data.items()
            yield from (_no_base64(v) for k, v in data if k.startswith("text/"))


def _no_base64(text: str) -> str:
    return re.sub(r"base64,[A-Za-z0-9+/=\s]+", "base64,", text)


def _around(text: str, match: re.Match[str]) -> str:
    return text[max(0, match.start() - 20) : match.end() + 20].strip()


def short_numbers(content: Content) -> list[str]:
    """A number with more than four decimals stands behind ``≈``, because it may not reproduce."""
    return [
        f"{name} shows {match[0]}: round it to four decimals at most, or put ≈ before it"
        for name, cell in content.code()
        for text in output_texts(cell)
        for match in _LONG_NUMBER.finditer(text)
    ]


def figures(content: Content) -> list[str]:
    """A sentence stands under every picture, and it is the picture's text alternative."""
    found = []
    cells = content.notebook.cells
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or not _pictures(cell):
            continue
        after = cells[index + 1] if index + 1 < len(cells) else None
        where = f"the picture under {lessons.shorten(cell.source, 3).strip()!r}"
        if after is None or after.cell_type != "markdown":
            found.append(f"{where} has no markdown cell after it that says what to see")
        elif after.source.lstrip().startswith("#") or not canonical.first_sentence(after.source):
            found.append(f"{where} is followed by a heading, not by a sentence")
        elif any(not alt.strip() for alt in _alternatives(cell)):
            found.append(f"{where} has no text alternative: run `make sync`")
    return found


def _pictures(cell: NotebookNode) -> list[tuple[NotebookNode, str]]:
    outputs = [output for output in cell.outputs if "data" in output]
    return [(o, mime) for o in outputs for mime in o.data if mime.startswith("image/")]


def _alternatives(cell: NotebookNode) -> list[str]:
    return [output.metadata.get(mime, {}).get("alt", "") for output, mime in _pictures(cell)]


@dataclass(frozen=True)
class Style:
    """The style numbers of a lesson; lines are non-blank lines of a code cell."""

    median: float
    p90: float
    longest: int
    markdown_percent: float
    words_per_line: float


def style(content: Content) -> Style:
    """Measure a lesson's style."""
    lines = [sum(bool(x.strip()) for x in cell.source.splitlines()) for _, cell in content.code()]
    lines = lines or [0]
    prose = [words(cell.source) for cell in content.markdown()]
    p90 = statistics.quantiles(lines, n=10)[8] if len(lines) > 1 else lines[0]
    share = 100 * len(prose) / max(1, len(prose) + len(lines))
    per_line = sum(prose) / max(1, sum(lines))
    return Style(statistics.median(lines), p90, max(lines), share, per_line)


def words(markdown: str) -> int:
    """Count the words of prose in a markdown text, without code, mathematics and HTML."""
    text = _FENCED.sub(" ", markdown)
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|<!--.*?-->|<[^<>]*>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"[^\W\d_][\w'’-]*", text))


def style_numbers(content: Content) -> list[str]:
    """Short cells and a steady mix of prose and code."""
    measured = style(content)
    limits = {
        "median lines of a code cell": (measured.median, 0, 6),
        "90th percentile of lines of a code cell": (measured.p90, 0, 14),
        "lines of the longest code cell": (measured.longest, 0, 20),
        "percent of markdown cells": (measured.markdown_percent, 45, 60),
        "words of prose per line of code": (measured.words_per_line, 10, 25),
    }
    return [
        f"{name}: {value:.3g}, wanted {low} to {high}"
        for name, (value, low, high) in limits.items()
        if not low <= value <= high
    ]


def plain_python(content: Content) -> list[str]:
    """No magic, no shell command, no hidden IPython call; lines of 100 characters at most."""
    found = []
    for name, cell in content.code():
        try:
            ast.parse(cell.source)
        except SyntaxError:
            found.append(f"{name} is not plain Python (a magic or a shell command?)")
        if "get_ipython" in cell.source:
            found.append(f"{name} calls get_ipython")
        longest = max(map(len, cell.source.splitlines()))
        if longest > MAX_LINE:
            found.append(f"{name} has a line of {longest} characters, {MAX_LINE} at most")
    return found


def nothing_hidden(content: Content) -> list[str]:
    """No cell is hidden or collapsed."""
    return [
        f"a cell is hidden ({match[0]}): {cell.source.splitlines()[:1]}"
        for nb in (content.notebook, content.source)
        for cell in nb.cells
        if (match := _HIDING.search(str(dict(cell.metadata))))
    ]


def few_ignored(content: Content) -> list[str]:
    """Only a few cells (timings) are left out of the comparison."""
    marks = ("nbval-ignore-output", "nbval-skip")
    ignored = [name for name, cell in content.code() if set(marks) & set(lessons.tags(cell))]
    commented = [name for name, cell in content.code() if re.search(r"#\s*NBVAL_", cell.source)]
    found = [f"{name} is marked by a comment; use a tag" for name in commented]
    if len(ignored) > MAX_IGNORED:
        found.append(f"{len(ignored)} cells ignore their output, {MAX_IGNORED} at most: {ignored}")
    return found


def mathematics(content: Content) -> list[str]:
    """A ``$$`` block has a blank line before and after it, and is closed."""
    found = []
    for cell in content.markdown():
        text = _FENCED.sub("", cell.source)
        if text.count("$$") % 2:
            found.append(f"a $$ block is not closed: {_first(cell)!r}")
            continue
        for match in _DISPLAY.finditer(text):
            before, after = text[: match.start()], text[match.end() :]
            if not (_BLANK_BEFORE.search(before) and _BLANK_AFTER.match(after)):
                found.append(f"no blank line around $$ … $$: {match[0][:60]!r}")
    return found


def _first(cell: NotebookNode) -> str:
    return cell.source.strip().splitlines()[0][:60] if cell.source.strip() else ""


def anchors(notebook: NotebookNode) -> set[str]:
    """Return the anchors that a link can reach: headings as JupyterLab names them, and ids."""
    found: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found.update(_ANCHOR.findall(cell.source))
            for _, text in lessons.headings(cell.source):
                found.add(_rendered(text).replace(" ", "-"))
    return found


def _rendered(heading: str) -> str:
    heading = re.sub(r"<[^<>]*>", "", heading)
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"(\*\*|\*|`)(?=\S)(.+?)(?<=\S)\1", r"\2", heading).strip()


def links(content: Content) -> list[str]:
    """Links inside the course lead somewhere; nothing is loaded from the network."""
    found = []
    for cell in content.markdown():
        if match := _REMOTE.search(cell.source):
            found.append(f"loads something from the network: {_around(cell.source, match)!r}")
        for target in _targets(cell.source):
            if problem := _dead(target, content):
                found.append(f"dead link {target!r}: {problem}")
    for name, cell in content.code():
        for text in output_texts(cell):
            if match := _REMOTE.search(text):
                found.append(f"{name} shows HTML with a script or from the network: {match[0]!r}")
    return found


def _targets(markdown: str) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "", _FENCED.sub("", markdown))
    return [match[2] or match[3] for match in _LINK.finditer(text)]


def _dead(target: str, content: Content) -> str:
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return (
            "" if target.startswith(("https:", "mailto:", "data:", "attachment:")) else "use https"
        )
    name, _, anchor = unquote(target).partition("#")
    path = content.lesson.source.parent / name if name else content.lesson.notebook
    if not path.exists():
        return "there is no such file"
    if anchor and path.suffix == ".ipynb":
        notebook = content.notebook if not name else lessons.read_notebook(Lesson(Path(path)))
        return "" if anchor in anchors(notebook) else "there is no such heading or id"
    return ""


def anatomy(content: Content) -> list[str]:
    """The parts that every lesson has are there, each under its heading."""
    titles = [text for cell in content.markdown() for _, text in lessons.headings(cell.source)]
    found = [
        f"no heading {part!r}"
        for part in ANATOMY
        if not any(_rendered(title).lower().startswith(part.lower()) for title in titles)
    ]
    first = content.notebook.cells[0] if content.notebook.cells else None
    if first is None or not first.source.startswith("# "):
        found.append("the first cell does not begin with the title, a heading of level 1")
    return found


def takeaways(content: Content) -> list[str]:
    """Each bullet of the key takeaways links to the place that shows it."""
    here = anchors(content.notebook)
    bullets = list(_bullets(section(content.notebook, "Key takeaways")))
    found = [] if bullets else ["the key takeaways have no bullets"]
    for bullet in bullets:
        wanted = [unquote(t[1:]) for t in _targets(bullet) if t.startswith("#")]
        if not any(anchor in here for anchor in wanted):
            found.append(f"this takeaway links to no cell of the lesson: {bullet[:80]!r}")
    return found


def section(notebook: NotebookNode, title: str) -> str:
    """Return the markdown under the heading that begins with `title`, up to its next equal."""
    rows, depth = [], 0
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for line in cell.source.splitlines():
            if heading := lessons.headings(line):
                level, text = heading[0]
                if depth and level <= depth:
                    return "\n".join(rows)
                if not depth and _rendered(text).lower().startswith(title.lower()):
                    depth = level
                    continue
            rows += [line] if depth else []
        rows += [""] if depth else []
    return "\n".join(rows)


def _bullets(markdown: str) -> Iterator[str]:
    bullet: list[str] = []
    for line in [*markdown.splitlines(), "- "]:
        if re.match(r"(?:[-*+]|\d+\.)\s", line):
            if bullet:
                yield " ".join(bullet)
            bullet = [line.strip()]
        elif bullet and line.strip():
            bullet.append(line.strip())


def exercises(content: Content) -> list[str]:
    """Exercise cells are tagged and end with a check; each exercise is used exactly once."""
    found, used = [], []
    for name, cell in content.code():
        tagged = exercise_cells.TAG in lessons.tags(cell)
        checked = exercise_cells.calls(cell.source, "check")
        final = exercise_cells.final_check(cell.source)
        used += checked
        if checked and not tagged:
            found.append(f"{name} checks an exercise but is not tagged `exercise`")
        if tagged and (final is None or len(checked) != 1):
            found.append(f"{name} is an exercise and must end with exercises.NAME.check(ANSWER)")
    return found + _unused(used, exercise_cells.module_name(content.notebook))


def _unused(used: list[str], module: str | None) -> list[str]:
    known = exercise_cells.catalogue(module) if module else {}
    counts = {name: used.count(name) for name in [*known, *used]}
    return [
        f"exercises.{name} of {module} is checked {count} times in the lesson, not once"
        if name in known
        else f"the lesson checks exercises.{name}, which {module} does not have"
        for name, count in counts.items()
        if count != 1 or name not in known
    ]


def definitions(content: Content) -> list[tuple[str, str]]:
    """Return (name, place) of each function and class that the lesson's cells define."""
    found = []
    for name, cell in content.code():
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:
            continue
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        place = f"{content.lesson.name} {name}"
        found += [(node.name, place) for node in body if isinstance(node, kinds)]
    return found


def defined_twice(contents: list[Content]) -> list[str]:
    """Return complaints about functions and classes that the course defines more than once."""
    places: dict[str, list[str]] = {}
    for name, place in (pair for content in contents for pair in definitions(content)):
        places.setdefault(name, []).append(place)
    return [f"{name} is defined in {', '.join(p)}" for name, p in places.items() if len(p) > 1]


def setup_cell(content: Content) -> str:
    """Return the source of the first code cell, which sets the lesson up."""
    return next((cell.source for _, cell in content.code()), "")


RULES: tuple[Check, ...] = (
    pair,
    executed,
    exceptions,
    clean_outputs,
    short_numbers,
    figures,
    style_numbers,
    plain_python,
    nothing_hidden,
    few_ignored,
    mathematics,
    links,
    anatomy,
    takeaways,
    exercises,
)
