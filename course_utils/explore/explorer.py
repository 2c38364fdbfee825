"""Explorer: controls and one pure function of them, shown in the browser and on paper."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_utils.bars import bar
from course_utils.shown import Shown

from .controls import Control
from .frames import Frames, Packer
from .palette import COLORMAPS, COLORS
from .scene import Scene

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_POSITIONS = 3000
MAX_BYTES = 2_000_000
STORYBOARD_LENGTHS = range(2, 7)


class ExplorerError(ValueError):
    """An explorer's description is wrong; the message names the explorer and what to change."""


class Explorer(Shown):
    """A picture that a reader moves with a few controls.

    All positions are computed once, so moving a control needs no kernel. A notebook shows the
    widget; where there is none (a page on a code host, print) it shows the storyboard.

    Args:
        name: unique slug, such as `perceptron-boundary`.
        title: what the explorer is about, in a few words.
        controls: argument name of `scene` -> control.
        scene: pure function of one keyword argument for each control; returns a `Scene`.
        storyboard: 2 to 6 telling positions; controls that are not named keep their start.
        alt: a sentence that says what the picture shows and what moves: its text alternative.
        max_positions: most positions the grid of controls may have.
        max_bytes: most bytes the frames may take.

    Raises:
        ExplorerError: if the description is inconsistent.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(-1, 1, 50)
        >>> explorer = Explorer(
        ...     name="parabola",
        ...     title="A parabola",
        ...     controls=dict(a=Slider("a", 0, 2, 0.5, start=1.0)),
        ...     scene=lambda a: Scene(
        ...         Panel(Line(x, a * x**2, label="a x²"), xlim=(-1, 1), ylim=(0, 2)),
        ...         status=f"The curve ends at height {a:g}.",
        ...     ),
        ...     storyboard=[dict(a=0.5), dict(a=2.0)],
        ...     alt="A parabola that opens more steeply as a grows.",
        ... )
    """

    kind = "Explorer"

    def __init__(
        self,
        *,
        name: str,
        title: str,
        controls: Mapping[str, Control],
        scene: Callable[..., Scene],
        storyboard: Sequence[Mapping[str, Any]],
        alt: str,
        max_positions: int = MAX_POSITIONS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.name, self.title, self.alt = name, title, " ".join(alt.split())
        self.controls = dict(controls)
        self._scene = scene
        self._max_positions, self._max_bytes = max_positions, max_bytes
        self._frames: Frames | None = None
        self._png: bytes | None = None
        self._widget: Any = None
        self._check_description()
        self.story = self._checked_story(storyboard)

    # --- the description -------------------------------------------------------------------------

    def _fail(self, message: str) -> None:
        raise ExplorerError(f"explorer {self.name!r}: {message}")

    def _check_description(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            self._fail("the name must be a slug: lower-case letters, digits and single hyphens")
        if not (self.title and self.alt):
            self._fail("it needs a title and an alt sentence")
        if not self.controls:
            self._fail("it needs at least one control")
        for key, control in self.controls.items():
            if not isinstance(control, Control):
                self._fail(f"control {key!r} is {control!r}, not a Slider, LogSlider, ...")
        if self.position_count > self._max_positions:
            grid = " x ".join(f"{len(c.values)} {k}" for k, c in self.controls.items())
            self._fail(
                f"{self.position_count} positions ({grid}) exceed the budget of "
                f"{self._max_positions}; use fewer controls or coarser steps"
            )

    def _checked_story(self, storyboard: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        if len(storyboard) not in STORYBOARD_LENGTHS:
            self._fail(f"the storyboard has {len(storyboard)} positions; give 2 to 6")
        try:
            return [self._resolve(position) for position in storyboard]
        except ValueError as error:
            raise ExplorerError(f"explorer {self.name!r}: storyboard: {error}") from None

    def _resolve(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in the starts, and replace each value by the one on its control's grid."""
        unknown = set(values) - set(self.controls)
        if unknown:
            raise ValueError(
                f"unknown control {', '.join(map(repr, sorted(unknown)))}; "
                f"there are {', '.join(map(repr, self.controls))}"
            )
        full = {key: control.start for key, control in self.controls.items()} | dict(values)
        return {
            key: control.values[control.index_of(full[key])]
            for key, control in self.controls.items()
        }

    # --- positions and scenes --------------------------------------------------------------------

    @property
    def position_count(self) -> int:
        """How many positions the grid of controls has."""
        return math.prod(len(control.values) for control in self.controls.values())

    def positions(self) -> Iterator[dict[str, Any]]:
        """All positions; the last control runs fastest."""
        for values in itertools.product(*(control.values for control in self.controls.values())):
            yield dict(zip(self.controls, values, strict=True))

    def at(self, **values: Any) -> Scene:
        """Scene at one position; controls that are not named keep their start.

        Raises:
            ValueError: if a control is unknown or a value is not on its grid.
            ExplorerError: if the scene function fails; the message names the position.
        """
        return self._compute(self._resolve(values))

    def _compute(self, position: dict[str, Any]) -> Scene:
        shown = ", ".join(f"{key}={value!r}" for key, value in position.items())
        try:
            with _untouched_randomness():
                scene = self._scene(**position)
        except Exception as error:
            raise ExplorerError(
                f"explorer {self.name!r}: the scene at {shown} failed: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(scene, Scene):
            self._fail(f"the scene at {shown} is a {type(scene).__name__}, not a Scene")
        return scene

    def frames(self) -> Frames:
        """All positions, computed at the first call and kept.

        Raises:
            ExplorerError: if a scene fails, or the frames exceed the budget of bytes.
        """
        if self._frames is None:
            packer = Packer()
            positions = bar(self.positions(), title=self.title, total=self.position_count)
            with positions as shown:
                for position in shown:
                    packer.add(self._compute(position))
                    self._check_size(packer.size)
            frames = packer.pack()
            self._check_size(frames.size)
            self._frames = frames
        return self._frames

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            self._fail(
                f"its frames exceed the budget ({size / 1e6:.1f} MB of {self._max_bytes / 1e6:g} "
                f"MB, {self.position_count} positions); use coarser steps or shorter arrays"
            )

    # --- what the renderers get ------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """What the browser needs beside the binary block, ready for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "alt": self.alt,
            "controls": [
                {"name": key} | control.describe() for key, control in self.controls.items()
            ],
            "colors": COLORS,
            "colormaps": COLORMAPS,
            "frames": self.frames().header(),
        }

    def storyboard(self) -> Figure:
        """Small multiples of the telling positions, as a figure that pyplot does not know."""
        from .storyboard import draw

        return draw(self)

    def storyboard_png(self) -> bytes:
        """The storyboard as PNG: the same bytes at each call and in each run."""
        if self._png is None:
            from .storyboard import to_png

            self._png = to_png(self.storyboard())
        return self._png

    def widget(self) -> Any:
        """The widget (an `anywidget.AnyWidget`), made at the first call and kept.

        Raises:
            ImportError: if anywidget is not installed.
        """
        if self._widget is None:
            from .widget import ExplorerWidget

            self._widget = ExplorerWidget(spec=self.describe(), data=self.frames().data)
        return self._widget

    def to_html(self) -> str:
        """A fragment of HTML that moves by itself: no kernel, no network, no other file."""
        from .page import fragment

        return fragment(self)


@contextlib.contextmanager
def _untouched_randomness() -> Iterator[None]:
    """Leave torch's global random stream as it was, so that looking changes no later result."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        yield
