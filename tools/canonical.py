"""The one form in which a notebook is committed: the same bytes for the same content.

Cell ids come from the content, run-time metadata is dropped, pieces of one stream are joined,
live widgets give way to the picture that stands for them, and every picture gets a text
alternative: the first sentence of the markdown cell after it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

import nbformat
from nbformat import NotebookNode

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"”')]|$)")
_ABBREVIATIONS = ("e.g.", "i.e.", "vs.", "etc.", "Fig.", "cf.")


def plain(text: str) -> str:
    """Return `text` without terminal colors."""
    return _ANSI.sub("", text)


def canonical(notebook: NotebookNode) -> NotebookNode:
    """Return the canonical copy of `notebook`, outputs included."""
    ids = _cell_ids(notebook.cells)
    cells = []
    for index, cell in enumerate(notebook.cells):
        clean = {"cell_type": cell.cell_type, "id": ids[index], "source": cell.source}
        clean["metadata"] = {"tags": cell.metadata.tags} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            alt = first_sentence(_markdown_after(notebook.cells, index))
            clean["execution_count"] = cell.get("execution_count")
            clean["outputs"] = canonical_outputs(cell.get("outputs", []), alt)
        cells.append(clean)
    metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE}
    return nbformat.from_dict(
        {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )


def render(notebook: NotebookNode) -> str:
    """Return the text of the canonical notebook file."""
    return nbformat.writes(canonical(notebook), version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def canonical_outputs(outputs: Iterable[NotebookNode], alt: str = "") -> list[dict]:
    """Return the canonical form of one cell's outputs, `alt` attached to each picture."""
    clean: list[dict] = []
    for output in outputs:
        one = _canonical_output(output, alt)
        joins = clean and one["output_type"] == "stream" == clean[-1]["output_type"]
        if joins and one["name"] == clean[-1]["name"]:
            clean[-1]["text"] += one["text"]
        else:
            clean.append(one)
    return clean


def _canonical_output(output: NotebookNode, alt: str) -> dict:
    kind = output.output_type
    if kind == "stream":
        return {"output_type": kind, "name": output.name, "text": output.text}
    if kind == "error":
        message = plain(output.evalue)
        traceback = [f"{output.ename}: {message}"]
        return {
            "output_type": kind,
            "ename": output.ename,
            "evalue": message,
            "traceback": traceback,
        }
    has_picture = "image/png" in output.data
    data = {k: v for k, v in output.data.items() if not (has_picture and k == WIDGET_VIEW)}
    clean = {"output_type": kind, "data": data, "metadata": _picture_metadata(output, alt)}
    if kind == "execute_result":
        clean["execution_count"] = output.get("execution_count")
    return clean


def _picture_metadata(output: NotebookNode, alt: str) -> dict:
    metadata = {k: dict(v) for k, v in output.get("metadata", {}).items() if k in output.data}
    for mime in output.data:
        if mime.startswith("image/") and alt:
            metadata.setdefault(mime, {})["alt"] = alt
    return metadata


def _cell_ids(cells: list[NotebookNode]) -> list[str]:
    """Name each cell after its content, so that an insertion leaves the other names alone."""
    seen: Counter[str] = Counter()
    ids = []
    for cell in cells:
        content = f"{cell.cell_type}\n{cell.source}".encode()
        digest = hashlib.sha256(content).hexdigest()[:12]
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids


def _markdown_after(cells: list[NotebookNode], index: int) -> str:
    following = cells[index + 1] if index + 1 < len(cells) else None
    return following.source if following and following.cell_type == "markdown" else ""


def first_sentence(markdown: str) -> str:
    """Return the first sentence of a markdown text as plain words; headings are passed over."""
    lines = [line for line in markdown.splitlines() if not line.lstrip().startswith("#")]
    paragraph = " ".join("\n".join(lines).strip().split("\n\n")[0].split())
    text = _without_markup(paragraph)
    for end in _SENTENCE_END.finditer(text):
        if not text[: end.end()].endswith(_ABBREVIATIONS):
            return text[: end.end()]
    return text


def _without_markup(text: str) -> str:
    text = re.sub(r"<[^<>]*>", "", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(\*\*|\*|`|\$)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    return text.strip()
