"""The browser's part of the live tools: scripts and styles joined to one text each.

A widget has one script and cannot import a neighbor. So a tool's script is appended to that of the
explorers, whose helpers (elements, theme, color tables, guard) it uses, and to the part that both
tools share.
"""

from __future__ import annotations

import functools
from pathlib import Path

HERE = Path(__file__).parent
EXPLORE = HERE.parent / "explore"
_EXPORT = "export default { render };"


@functools.cache
def script(tool: str) -> str:
    """The JavaScript module of one tool, "board" or "pad"; it exports `render`."""
    base = (EXPLORE / "front.js").read_text(encoding="utf-8")
    if base.count(_EXPORT) != 1:
        raise RuntimeError(f"explore/front.js must hold {_EXPORT!r} once.")
    parts = [base.replace(_EXPORT, ""), _read("common.js"), _read(f"{tool}.js")]
    return "\n".join(parts)


@functools.cache
def style(tool: str) -> str:
    """The style sheet of one tool."""
    base = (EXPLORE / "front.css").read_text(encoding="utf-8")
    return "\n".join([base, _read("common.css"), _read(f"{tool}.css")])


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
