"""The widget: one front end for every explorer (imports anywidget)."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

FOLDER = Path(__file__).parent


class ExplorerWidget(anywidget.AnyWidget):
    """Carries an explorer to the browser: its description as JSON, its frames as one binary."""

    _esm = (FOLDER / "front.js").read_text(encoding="utf-8")
    _css = (FOLDER / "front.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
