"""The two cost curves of renting and owning, with their crossover marked: as text for a terminal and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .breakeven import MICRO, Case

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

HOSTED, OWN, CROSSING, NOW = "·", "o", "X", "^"
_COLOURS = {"hosted": (214, 93, 60), "own": (24, 121, 117), "text": (40, 44, 52), "grid": (226, 228, 232)}


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What is drawn: costs of a month in dollars over images a month."""

    case: Case
    most: int
    """Images at the right edge."""
    images: int | None = None
    """The volume that is asked about."""

    @classmethod
    def around(cls, case: Case, images: int | None = None) -> Chart:
        """A chart in which both the crossover and the volume can be seen."""
        crossover = case.break_even() or Decimal(0)
        return cls(
            case=case, most=_round_up(max(2 * crossover, Decimal(images or 0) * 5 / 4, Decimal(1000))), images=images
        )

    @property
    def highest(self) -> float:
        """Dollars at the top edge."""
        return max(self.hosted(self.most), self.own(self.most)) or 1.0

    def hosted(self, images: float) -> float:
        """Dollars of a month hosted."""
        return float(self.case.hosted_month(Decimal(images)) / MICRO)

    def own(self, images: float) -> float:
        """Dollars of a month on GPUs of one's own."""
        return float(self.case.own_month(Decimal(images)) / MICRO)


def as_text(chart: Chart, width: int = 64, height: int = 16) -> str:
    """The chart in characters, ``width`` by ``height`` for the curves and a few more for the axes."""
    rows = [[" "] * width for _ in range(height)]
    for column in range(width):
        images = chart.most * column / (width - 1)
        for sign, dollars in ((HOSTED, chart.hosted(images)), (OWN, chart.own(images))):
            rows[height - 1 - round(dollars / chart.highest * (height - 1))][column] = sign
    crossover = chart.case.break_even()
    if crossover is not None and crossover <= chart.most:
        dollars = chart.hosted(float(crossover))
        row = height - 1 - round(dollars / chart.highest * (height - 1))
        rows[row][round(float(crossover) / chart.most * (width - 1))] = CROSSING
    lines = [
        f"{_short(chart.highest * (height - 1 - row) / (height - 1)):>8} │{''.join(cells)}"
        for row, cells in enumerate(rows)
    ]
    lines.append(" " * 9 + "└" + "─" * width)
    lines.append(_below(chart, width))
    told = f"{HOSTED} hosted   {OWN} own GPUs" + (f"   {CROSSING} {crossover:,.0f} images a month" if crossover else "")
    return "\n".join([*lines, f"{told}   ($ a month over images a month)"])


def as_png(chart: Chart, width: int = 1200, height: int = 720) -> bytes:
    """The chart as a PNG."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width, height), "white")
    draw: Any = ImageDraw.Draw(image)
    big, small = ImageFont.load_default(28), ImageFont.load_default(20)
    frame = _Frame(left=120, top=90, right=width - 60, bottom=height - 90, chart=chart)
    for part in range(6):
        x, y = frame.x(chart.most * part / 5), frame.y(chart.highest * part / 5)
        draw.line((frame.left, y, frame.right, y), fill=_COLOURS["grid"])
        draw.text((frame.left - 12, y), f"${_short(chart.highest * part / 5)}", _COLOURS["text"], small, anchor="rm")
        draw.text((x, frame.bottom + 14), _short(chart.most * part / 5), _COLOURS["text"], small, anchor="mt")
    draw.text((frame.left, 30), "Cost of a month", _COLOURS["text"], big)
    draw.text((frame.right, frame.bottom + 50), "images a month", _COLOURS["text"], small, anchor="rt")
    for name, cost in (("hosted", chart.hosted), ("own", chart.own)):
        ends = [(frame.x(0), frame.y(cost(0))), (frame.x(chart.most), frame.y(cost(chart.most)))]
        draw.line(ends, fill=_COLOURS[name], width=5)
    _legend(draw, frame, small)
    _marks(draw, frame, big)
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


@dataclass(frozen=True, kw_only=True)
class _Frame:
    left: int
    top: int
    right: int
    bottom: int
    chart: Chart

    def x(self, images: float) -> float:
        return self.left + (self.right - self.left) * images / self.chart.most

    def y(self, dollars: float) -> float:
        return self.bottom - (self.bottom - self.top) * dollars / self.chart.highest


def _legend(draw: ImageDraw, frame: _Frame, font: Any) -> None:
    for place, (name, text) in enumerate((("hosted", "hosted"), ("own", "own GPUs"))):
        left = frame.left + 330 + 170 * place
        draw.line((left, frame.top - 44, left + 36, frame.top - 44), fill=_COLOURS[name], width=5)
        draw.text((left + 46, frame.top - 44), text, _COLOURS["text"], font, anchor="lm")


def _marks(draw: ImageDraw, frame: _Frame, font: Any) -> None:
    """The crossover, and the volume that is asked about."""
    crossover = frame.chart.case.break_even()
    if crossover is not None:
        x, y = frame.x(float(crossover)), frame.y(frame.chart.hosted(float(crossover)))
        draw.line((x, y, x, frame.bottom), fill=_COLOURS["text"], width=2)
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=_COLOURS["text"])
        draw.text((x + 18, y + 14), f"N* = {crossover:,.0f}", _COLOURS["text"], font)
    if frame.chart.images is not None:
        x = frame.x(frame.chart.images)
        draw.polygon(
            [(x, frame.bottom), (x - 10, frame.bottom + 12), (x + 10, frame.bottom + 12)], fill=_COLOURS["own"]
        )
        draw.text((x, frame.bottom - 8), "you", _COLOURS["own"], font, anchor="mb")


def _below(chart: Chart, width: int) -> str:
    """The axis of images, with the volume that is asked about."""
    line = list(" " * 10 + "0" + " " * (width + 4))
    end = _short(chart.most)
    line[10 + width - len(end) : 10 + width] = end
    if chart.images is not None:
        line[10 + round(min(chart.images, chart.most) / chart.most * (width - 1))] = NOW
    return "".join(line).rstrip()


def _round_up(images: Decimal) -> int:
    """The next number of the form 1, 2, 2.5 or 5 times a power of ten."""
    power = Decimal(10) ** (len(str(int(images))) - 1)
    return int(next(step * power for step in map(Decimal, ("1", "2", "2.5", "5", "10")) if step * power >= images))


def _short(number: float) -> str:
    """1,250 as 1.25k, so that it fits an axis."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"
