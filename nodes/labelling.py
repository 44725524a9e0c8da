"""A visible label on a picture: where it goes, how it stays readable, how it is drawn. uint8 RGB(A) in and out.

Contrast follows WCAG 2.2 (relative luminance, 1.4.3): text is black or white, whichever stands out more from what is
behind it, and gets a plate where even that has a contrast below 4.5.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

    Pixels = np.ndarray[Any, Any]

READABLE = 4.5
"""WCAG's contrast for text of normal size."""
SMALLEST_PX = 8
LONGEST = 200
SYSTEM_FONTS = (
    "DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "segoeui.ttf",
    "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "Hiragino Sans GB.ttc", "msyh.ttc", "meiryo.ttc", "malgun.ttf",
)  # fmt: skip
"""Fonts that Linux, macOS and Windows commonly have; Pillow looks for them where each system keeps its fonts."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is written and how. ``size`` and ``margin`` are parts of the picture's shorter side."""

    text: str
    badge: bool = True
    """On a rounded plate of its own; else as bare text."""
    position: str = "bottom right"
    opacity: float = 1.0
    size: float = 0.035
    margin: float = 0.02


def labelled(pixels: Pixels, label: Label) -> Pixels:
    """A copy of the picture with the label on it; an alpha channel becomes opaque below the label.

    Raises InvalidInput naming the field where the text is empty, too long, does not fit, or has characters that the
    font cannot draw.
    """
    import numpy as np

    font = _font(label, min(pixels.shape[:2]))
    plate = _plate(label, font)
    top, left = _corner(label, pixels.shape[:2], plate.height, plate.width)
    below = pixels[top : top + plate.height, left : left + plate.width, :3]
    ink, ground = colours(below)
    shape = np.asarray(plate, dtype=np.float32) / 255.0
    lettering, background = shape[..., :1], shape[..., 1:2]
    if not label.badge and contrast(ink, below) >= READABLE:
        background = background * 0
    drawn = below + (np.float32(ground) - below) * background * 0.85 * label.opacity
    drawn = drawn + (np.float32(ink) - drawn) * lettering * label.opacity
    out: Pixels = pixels.copy()
    out[top : top + plate.height, left : left + plate.width, :3] = np.clip(drawn + 0.5, 0, 255).astype(np.uint8)
    if pixels.shape[-1] == 4:
        under = np.maximum(lettering, background)[..., 0] * label.opacity * 255
        alpha = out[top : top + plate.height, left : left + plate.width, 3]
        out[top : top + plate.height, left : left + plate.width, 3] = np.maximum(alpha, under.astype(np.uint8))
    return out


def colours(below: Pixels) -> tuple[int, int]:
    """Grey levels of lettering and plate, black on white or white on black: what stands out from ``below``."""
    return (0, 255) if contrast(0, below) > contrast(255, below) else (255, 0)


def contrast(grey: int, below: Pixels) -> float:
    """WCAG's contrast ratio, 1 to 21, between a grey and the pixels it stands on; the worse tenth of them decides."""
    import numpy as np

    behind = _luminance(below)
    # One dark hair in a white sky does not make white letters readable: so neither the mean nor the extreme decides.
    worst = np.quantile(behind, 0.9 if grey > 127 else 0.1)
    mine = float(_linear(np.float32(grey / 255)))
    lighter, darker = max(mine, float(worst)), min(mine, float(worst))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(pixels: Pixels) -> Pixels:
    import numpy as np

    linear = _linear(pixels[..., :3].astype(np.float32) / 255)
    luminance: Pixels = linear @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    return luminance


def _linear(srgb: Any) -> Any:
    import numpy as np

    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _font(label: Label, side: int) -> FreeTypeFont:
    text = label.text.strip()
    if not text:
        raise InvalidInput("text: is empty.", hint="Write what the label shall say: AI generated.")
    if len(text) > LONGEST or "\n" in text:
        raise InvalidInput(f"text: a label is one line of at most {LONGEST} characters.", hint="Shorten it.")
    pixels = max(SMALLEST_PX, round(side * label.size))
    for font in _fonts(pixels):
        missing = [char for char in dict.fromkeys(text) if not char.isspace() and _is_missing(font, char)]
        if not missing:
            return font
    raise InvalidInput(
        f"text: no font here can draw {' '.join(missing[:5])}.",
        hint="Write it in plain Latin letters, or install a font such as DejaVu Sans or Noto Sans CJK.",
    )


def _fonts(pixels: int) -> Iterator[FreeTypeFont]:
    """Pillow's own font, which is the same everywhere but knows only ASCII, then what the system has."""
    from PIL import ImageFont

    default = ImageFont.load_default(pixels)
    if isinstance(default, ImageFont.FreeTypeFont):
        yield default
    for name in SYSTEM_FONTS:
        with contextlib.suppress(OSError):
            yield ImageFont.truetype(name, pixels)


def _is_missing(font: Any, char: str) -> bool:
    """Whether the font shows its box for unknown characters. U+FFFE is no character, so every font shows it there."""
    shown, box = font.getmask(char), font.getmask("\ufffe")
    return bool(shown.size == box.size and bytes(shown) == bytes(box))


def _plate(label: Label, font: FreeTypeFont) -> Image:
    """Two channels as an image: where the letters are, and where the plate below them is."""
    from PIL import Image, ImageDraw

    left, _, right, _ = (round(each) for each in font.getbbox(label.text.strip(), anchor="ls"))
    ascent, descent = font.getmetrics()
    pad = max(2, round(font.size * 0.45))
    width, height = right - left + 2 * pad, ascent + descent + pad
    letters, ground = Image.new("L", (width, height)), Image.new("L", (width, height))
    ImageDraw.Draw(letters).text((pad - left, pad // 2 + ascent), label.text.strip(), fill=255, font=font, anchor="ls")
    ImageDraw.Draw(ground).rounded_rectangle((0, 0, width - 1, height - 1), radius=height // 3, fill=255)
    return Image.merge("LA", (letters, ground))


def _corner(label: Label, shape: Any, height: int, width: int) -> tuple[int, int]:
    down, across = shape
    margin = round(min(down, across) * label.margin)
    if height + 2 * margin > down or width + 2 * margin > across:
        raise InvalidInput(
            f"text: the label needs {width}x{height} pixels and the picture is {across}x{down}.",
            hint="Shorten the text or make size smaller.",
        )
    upright, _, sideways = label.position.partition(" ")
    tops = {"top": margin, "bottom": down - height - margin}
    lefts = {"left": margin, "right": across - width - margin}
    return tops.get(upright, (down - height) // 2), lefts.get(sideways, (across - width) // 2)
