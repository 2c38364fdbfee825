"""Compare what a cell shows now with what the notebook stores.

Everything is compared strictly, in every mime type, but for two things. A number behind ``≈``
may change, because it depends on the machine; a separate ``verify`` in the lesson bounds it.
Pictures may differ by a small root mean square of their pixels.
"""

from __future__ import annotations

import base64
import difflib
import io
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from tools import canonical

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:[eE][-+]?\d+)?"
_APPROXIMATE = re.compile(rf"≈ *[-+−]?{_NUMBER}")


def tolerance() -> float:
    """Return the largest RMS by which two pictures may differ, on the scale 0 to 255.

    ``COURSE_PNG_RMS`` sets it. The default of 3 separates numerical noise (about 1) from a
    missing curve (about 14); on a GPU the noise is larger and the default is 20.
    """
    default = 20.0 if os.environ.get("COURSE_DEVICE") == "cuda" else 3.0
    return float(os.environ.get("COURSE_PNG_RMS", default))


def sanitize(text: str) -> str:
    """Replace each number behind ``≈`` by ``#``; nothing else.

    >>> sanitize("loss ≈0.946, accuracy ≈94.6 %, rate ≈-1.2e-03, of 40")
    'loss ≈#, accuracy ≈# %, rate ≈#, of 40'
    """
    return _APPROXIMATE.sub("≈#", text)


@dataclass
class Difference:
    """One output that is not what the notebook stores.

    Attributes:
        kind: What the output is, such as ``stdout``, ``text/html`` or ``image/png``.
        problem: What is wrong with it, in a few words.
        committed: The stored text, or base64 for a picture; None where there is none.
        now: The text or picture of this run; None where there is none.
    """

    kind: str
    problem: str
    committed: str | None
    now: str | None

    @property
    def is_picture(self) -> bool:
        """Whether the output is a picture rather than text."""
        return self.kind in ("image/png", "image/jpeg")

    def to_dict(self) -> dict[str, str | None]:
        """Return the fields as plain data."""
        return asdict(self)


def differences(committed: Iterable[dict], now: Iterable[dict]) -> list[Difference]:
    """Return every difference between the stored outputs of a cell and the new ones."""
    before, after = _parts(committed), _parts(now)
    found = []
    for kind in dict.fromkeys([*before, *after]):
        old, new = before[kind], after[kind]
        for index in range(max(len(old), len(new))):
            pair = (_get(old, index), _get(new, index))
            if problem := _problem(kind, *pair):
                found.append(Difference(kind, problem, *pair))
    return found


def _get(values: list[str], index: int) -> str | None:
    return values[index] if index < len(values) else None


def _parts(outputs: Iterable[dict]) -> dict[str, list[str]]:
    """Group the contents of outputs by kind, in order."""
    parts: dict[str, list[str]] = defaultdict(list)
    for output in outputs:
        if output["output_type"] == "stream":
            parts[output["name"]].append(output["text"])
        elif output["output_type"] == "error":
            parts["error"].append(canonical.plain(f"{output['ename']}: {output['evalue']}"))
        else:
            for mime, value in output["data"].items():
                if mime != canonical.WIDGET_VIEW:
                    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
                    parts[mime].append(text)
    return parts


def _problem(kind: str, old: str | None, new: str | None) -> str:
    if new is None:
        return "is stored, but this run did not make it"
    if old is None:
        return "is new: the notebook does not store it"
    if kind in ("image/png", "image/jpeg"):
        return _picture_problem(old, new)
    return "" if sanitize(old) == sanitize(new) else "changed"


def _picture_problem(old: str, new: str) -> str:
    if old.strip() == new.strip():
        return ""
    rms = picture_rms(old, new)
    if math.isinf(rms):
        return "has another size"
    return f"changed: pixel RMS {rms:.2f}, allowed {tolerance():g}" if rms > tolerance() else ""


def picture_rms(old: str, new: str) -> float:
    """Return the root mean square difference of two base64 pictures, 0 to 255; inf if sizes differ.

    Transparent parts count as white.
    """
    import numpy as np

    first, second = _pixels(old), _pixels(new)
    if first.shape != second.shape:
        return math.inf
    return float(np.sqrt(np.mean((first - second) ** 2)))


def _pixels(encoded: str):
    import numpy as np
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB"), np.float32)


def text_difference(old: str, new: str, limit: int = 40) -> str:
    """Return the changed lines of two texts, with a caret under each changed character.

    Lines that differ only in numbers behind ``≈`` count as equal.
    """
    before, after = _lines(old), _lines(new)
    matcher = difflib.SequenceMatcher(
        None, [sanitize(line) for line in before], [sanitize(line) for line in after], False
    )
    rows: list[str] = []
    for step, a, b, c, d in matcher.get_opcodes():
        rows += _context(before[a:b]) if step == "equal" else _changed(before[a:b], after[c:d])
    if len(rows) > limit:
        rows = [*rows[:limit], f"… {len(rows) - limit} more lines"]
    return "\n".join(rows)


def _lines(text: str) -> list[str]:
    """Split a text into lines; one tag of HTML a line; ends that do not show are made visible."""
    lines = re.sub(r">\s*<", ">\n<", text).split("\n")
    if lines[-1] == "":
        lines.pop()
    elif text:
        lines[-1] += "⟂"
    return [re.sub(r"\s+$", lambda m: "␣" * len(m[0]), line) for line in lines]


def _context(lines: list[str]) -> list[str]:
    if len(lines) <= 2:
        return [f"  {line}" for line in lines]
    return [f"  {lines[0]}", "  …", f"  {lines[-1]}"]


def _changed(old: list[str], new: list[str]) -> list[str]:
    rows = []
    for index in range(max(len(old), len(new))):
        before, after = _get(old, index), _get(new, index)
        rows += [f"- {before}"] if before is not None else []
        rows += [f"+ {after}"] if after is not None else []
        if before is not None and after is not None:
            rows.append(f"  {_carets(before, after)}")
    return rows


def _carets(old: str, new: str) -> str:
    """Mark the characters of `new` that are not in `old`, but for numbers behind ``≈``."""
    marks = [" "] * (len(new) + 1)
    for step, _, _, start, end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if step != "equal":
            marks[start : max(end, start + 1)] = "^" * max(end - start, 1)
    for free in _APPROXIMATE.finditer(new):
        marks[free.start() : free.end()] = " " * (free.end() - free.start())
    return "".join(marks).rstrip()
