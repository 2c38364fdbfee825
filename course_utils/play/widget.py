"""The widgets of the live tools (imports anywidget): they only carry messages.

The browser asks and Python answers: never the other way round, so nothing can pile up. An answer
is one JSON header and one binary block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from . import scripts
from .gate import gate
from .recording import Answer, Recording

Handler = Callable[[dict[str, Any]], Answer]


class _LiveWidget(anywidget.AnyWidget):
    """Answers each message of the browser by calling `handler`.

    Args:
        spec: what the browser needs to build the tool.
        recording: what it plays where no kernel answers.
        handler: makes the answer to a request.
    """

    spec = traitlets.Dict().tag(sync=True)
    recorded = traitlets.Bytes().tag(sync=True)

    def __init__(self, spec: dict[str, Any], recording: Recording, handler: Handler) -> None:
        super().__init__(spec=spec, recorded=recording.data)
        self._handler = handler
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, request: Any, _buffers: Any) -> None:
        """Answer one request; what fails is told to the browser, never lost in a log."""
        if not isinstance(request, dict) or "kind" not in request:
            return
        try:
            with gate.turn() as may:
                answer = self._handler(request) if may else Answer({"kind": "busy"})
        except KeyboardInterrupt:  # where messages and cells share a thread
            gate.interrupted()
            answer = Answer({"kind": "failed", "text": "The kernel was interrupted."})
        except Exception as error:
            answer = Answer({"kind": "failed", "text": f"{type(error).__name__}: {error}"})
        header = answer.header | {"view": request.get("view"), "seq": request.get("seq")}
        self.send(header, [answer.data] if answer.data else [])


class BoardWidget(_LiveWidget):
    """The playground."""

    _esm = scripts.script("board")
    _css = scripts.style("board")


class PadWidget(_LiveWidget):
    """The drawing pad."""

    _esm = scripts.script("pad")
    _css = scripts.style("pad")


WIDGETS = {"board": BoardWidget, "pad": PadWidget}
"""Name of a page -> the widget that shows it in a notebook."""
