"""The widget: one front end for every explorer (imports anywidget)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

FOLDER = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"


class ExplorerWidget(anywidget.AnyWidget):
    """Carries an explorer to the browser: its description as JSON, its frames as one binary."""

    _esm = (FOLDER / "front.js").read_text(encoding="utf-8")
    _css = (FOLDER / "front.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)


def view(widget: ExplorerWidget) -> dict[str, Any]:
    """Only the widget-view part of the widget's own representation."""
    bundle = widget._repr_mimebundle_() or {}
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return {VIEW: data[VIEW]} if VIEW in data else {}
