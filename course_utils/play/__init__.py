"""The live tools: a playground in which a network trains before your eyes, and a drawing pad.

Both need a kernel; where there is none, a recorded session plays instead. Importing this package
imports torch; matplotlib and the widget library are imported when a tool is shown.
"""

from .digit_pad import DigitPad, Reading, draw_digit
from .familiarity import nearest_distances
from .playground import CONTROLS, Playground, playground
from .settings import StateError
from .strokes import SAMPLES, rasterize, sample_strokes

__all__ = [
    "CONTROLS",
    "SAMPLES",
    "DigitPad",
    "Playground",
    "Reading",
    "StateError",
    "draw_digit",
    "nearest_distances",
    "playground",
    "rasterize",
    "sample_strokes",
]
