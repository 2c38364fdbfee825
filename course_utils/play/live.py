"""What the live tools have in common: the forms in which a notebook or a page gets them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from course_utils.shown import Shown

from .recording import Answer, Recording

__all__ = ["LiveTool"]


class LiveTool(Shown):
    """A tool that Python answers for while there is a kernel; without one, its recording plays.

    A subclass names its page and itself, answers messages (`handle`) and describes itself to the
    browser (`describe`). It makes the recording (`_record`) and the picture (`_draw`) when they
    are first wanted; both are kept, so that the same tool always shows the same.

    Args:
        title: heading of the tool.
        alt: text alternative of its picture.

    Attributes:
        page: name of its script and style, "board" or "pad"; it also tells which widget it is.
    """

    page: ClassVar[str]

    def __init__(self, title: str, alt: str) -> None:
        self.title, self.alt = title, " ".join(alt.split())
        self._recording: Recording | None = None
        self._png: bytes | None = None
        self._widget: Any = None

    # --- what a subclass gives -------------------------------------------------------------------

    @abstractmethod
    def handle(self, request: dict[str, Any]) -> Answer:
        """Answer one message of the browser."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What the browser needs to build the tool."""

    @abstractmethod
    def _record(self) -> Recording:
        """Make the session that plays where no kernel is."""

    @abstractmethod
    def _draw(self) -> bytes:
        """Draw a few moments of the recorded session, as PNG."""

    # --- what a notebook gets --------------------------------------------------------------------

    def recording(self) -> Recording:
        """The session that plays where no kernel is, made at the first call and kept."""
        if self._recording is None:
            self._recording = self._record()
        return self._recording

    def storyboard_png(self) -> bytes:
        """A few moments of the recorded session, as PNG, drawn at the first call and kept."""
        if self._png is None:
            self._png = self._draw()
        return self._png

    def widget(self) -> Any:
        """The widget, made at the first call and kept.

        Raises:
            ImportError: if anywidget is not installed.
        """
        if self._widget is None:
            from .widget import WIDGETS

            self._widget = WIDGETS[self.page](self.describe(), self.recording(), self.handle)
        return self._widget

    def to_html(self) -> str:
        """A fragment of HTML in which the recorded session plays: no kernel, no network."""
        from .page import fragment

        return fragment(
            self.page,
            spec=self.describe(),
            recorded=self.recording().data,
            png=self.storyboard_png(),
            alt=self.alt,
        )
