"""Bar charts for the documentation, drawn by Pillow: a panel for each measure, a bar for each contender."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

OURS, OTHERS, TEXT, GRID = (24, 121, 117), (172, 178, 186), (40, 44, 52), (226, 228, 232)
PANEL, LEFT, TOP, ROW, MARGIN = 460, 170, 130, 46, 40
"""Widths and heights in pixels; ``LEFT`` is for the names."""


def bars(title: str, panels: Mapping[str, Mapping[str, float]], *, ours: str) -> bytes:
    """A PNG. All panels have the same contenders; ``ours`` is the coloured one."""
    from PIL import Image, ImageDraw, ImageFont

    names = list(next(iter(panels.values())))
    size = LEFT + PANEL * len(panels) + MARGIN, TOP + ROW * len(names) + MARGIN
    image = Image.new("RGB", size, "white")
    draw: Any = ImageDraw.Draw(image)
    big, small = ImageFont.load_default(28), ImageFont.load_default(20)
    draw.text((MARGIN, 28), title, TEXT, big)
    for row, name in enumerate(names):
        draw.text((LEFT - 14, TOP + ROW * row + ROW / 2), name, TEXT, small, anchor="rm")
    for column, (heading, values) in enumerate(panels.items()):
        _panel(draw, LEFT + PANEL * column, heading, values, ours, small)
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _panel(draw: Any, left: int, heading: str, values: Mapping[str, float], ours: str, font: Any) -> None:
    draw.text((left, TOP - 38), heading, TEXT, font)
    width, most = PANEL - 130, max(values.values()) or 1.0
    draw.line((left, TOP - 4, left, TOP + ROW * len(values)), fill=GRID, width=2)
    for row, (name, value) in enumerate(values.items()):
        top, right = TOP + ROW * row + 8, left + max(2, round(width * value / most))
        draw.rectangle((left, top, right, top + ROW - 16), fill=OURS if name == ours else OTHERS)
        draw.text((right + 10, top + (ROW - 16) / 2), f"{value:,.0f}", TEXT, font, anchor="lm")
