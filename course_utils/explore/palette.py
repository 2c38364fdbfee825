"""Colors of the explorers: one table for both renderers and both themes.

The names are those of the Okabe-Ito palette, which color-blind readers can tell apart. Its
published shades are too pale for thin lines on white (yellow, sky) or too dark on black (blue), so
each name has a shade for light and a shade for dark backgrounds; every shade has a contrast of at
least 3:1 with its background (WCAG 2.2, 1.4.11). `text` and `muted` follow the theme.

References:
    Okabe and Ito (2008), "Color Universal Design".
"""

from __future__ import annotations

LIGHT, DARK = 0, 1

COLORS: dict[str, tuple[str, str]] = {
    "black": ("#1a1a1a", "#f2f2f2"),
    "orange": ("#c07a00", "#f0a818"),
    "sky": ("#2a8fcc", "#6cc0f0"),
    "green": ("#008a64", "#1fbf92"),
    "yellow": ("#9a8700", "#f0e442"),
    "blue": ("#0072b2", "#4aa3dc"),
    "vermillion": ("#d55e00", "#f57f30"),
    "purple": ("#b3588a", "#dc92bb"),
    "muted": ("#6b6b6b", "#a6a6a6"),
    "text": ("#1f1f1f", "#e8e8e8"),
}
"""Color name -> (shade on a light background, shade on a dark background)."""

COLORMAPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "diverging": (
        ("#5b9fd0", "#abcfe8", "#f6f5f2", "#f4cba6", "#e0904f"),
        ("#2f74a8", "#264e6c", "#242629", "#6b4427", "#a85f28"),
    ),
    "sequential": (
        ("#f7f9fb", "#cfe0ee", "#93bfdd", "#4a93c4", "#0b5a93", "#07335c"),
        ("#16202a", "#173f5f", "#1f6695", "#3f93c7", "#86c1e6", "#d8edfa"),
    ),
}
"""Color map name -> (stops on a light background, stops on a dark background), low to high."""


def check_color(name: str) -> str:
    """Return `name` if it is a color of the palette.

    Raises:
        ValueError: if the palette has no such color; the message lists those it has.
    """
    if name not in COLORS:
        raise ValueError(f"unknown color {name!r}; choose one of {', '.join(COLORS)}")
    return name
