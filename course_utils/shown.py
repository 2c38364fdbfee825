"""What a notebook gets to show for an explorer or a live tool: the widget, a picture, or a text."""

from __future__ import annotations

import base64
import contextlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

_VIEW = "application/vnd.jupyter.widget-view+json"


class Shown(ABC):
    """Something that moves in a notebook and is a picture with a text wherever nothing can move.

    Attributes:
        kind: what it is, in the first words of its text.
        title: its heading.
        alt: the text alternative of its picture.
    """

    kind: ClassVar[str]
    title: str
    alt: str

    @abstractmethod
    def widget(self) -> Any:
        """The widget; raises an ImportError if anywidget is not installed."""

    @abstractmethod
    def storyboard_png(self) -> bytes:
        """The picture, as PNG: the same bytes at each call."""

    def text(self) -> str:
        """The text alternative of the whole, always the same."""
        return f"{self.kind}: {self.title}. {self.alt}"

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Widget, picture and text; the notebook's front end takes the best it can show."""
        data: dict[str, Any] = {
            "text/plain": self.text(),
            "image/png": base64.b64encode(self.storyboard_png()).decode(),
        }
        with contextlib.suppress(ImportError):
            data |= _view(self.widget())
        return data, {"image/png": {"alt": self.alt}}


def _view(widget: Any) -> dict[str, Any]:
    """Only the widget-view part of the widget's own representation."""
    bundle = widget._repr_mimebundle_() or {}
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return {_VIEW: data[_VIEW]} if _VIEW in data else {}
