"""What a hosted call costs: pure arithmetic over a price rule and quantities. No clock, no I/O.

A rule has one unit (image, megapixel, step, second or token). :func:`quote` says before the call what it costs at most,
which is what gets set aside; :func:`charge` says afterwards what it did cost, from the usage the provider reports where
it reports any. All results are integer micro-dollars; fractions of one are rounded half up, once, at the end.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import PriceUnknown

Unit = Literal["image", "megapixel", "step", "second", "token"]
MEGAPIXEL = 1_000_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quantities(_Frozen):
    """How much of everything a call asks for (before) or a provider reports (after). None = not known."""

    images: int = 1
    megapixels: float | None = None
    """Of one output image; 1 MP is 1,000,000 pixels."""
    input_megapixels: float | None = None
    """Of all input images together."""
    steps: int | None = None
    seconds: float | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    output_tokens: int | None = None
    """Of images, or of all that came out where the provider does not tell them apart."""
    output_text_tokens: int | None = None
    """Of words and thoughts that came with the images, where they have a price of their own."""

    def known(self, name: str) -> Decimal:
        """The quantity as an exact number; an unknown one counts as zero (a rule says which ones it needs)."""
        return Decimal(str(getattr(self, name) or 0))


class Quote(_Frozen):
    """What a call will cost: ``at_most`` is set aside; ``exact`` says that it is also what will be charged."""

    at_most_microusd: int
    exact: bool
    basis: str
    """In words, for people: "1 image at $0.003"."""


class Tier(_Frozen):
    """Another rate where the call's parameters have these values (``quality: high``)."""

    when: dict[str, Any]
    microusd: Decimal


class _Dated(_Frozen):
    as_of: date
    """The day the price was read at its source."""
    source: str = Field(min_length=3)


class PerImage(_Dated):
    """A flat price for each image."""

    unit: Literal["image"]
    microusd: Decimal
    tiers: tuple[Tier, ...] = ()


class PerMegapixel(_Dated):
    """A price for each megapixel of output; the first one may have its own, and parts of one may round up."""

    unit: Literal["megapixel"]
    microusd: Decimal
    first_microusd: Decimal | None = None
    round_up: bool = False
    pixels: int = MEGAPIXEL
    """What this vendor counts as one megapixel: some take 1024 x 1024 for one."""
    input_microusd: Decimal | None = None
    """For each megapixel of the images that go in, where those are billed too; each call pays it once."""


class PerStep(_Dated):
    """A price for each denoising step of each image."""

    unit: Literal["step"]
    microusd: Decimal


class PerSecond(_Dated):
    """A price for each second of the provider's machine; ``at_most_seconds`` bounds it before the call."""

    unit: Literal["second"]
    microusd: Decimal
    at_most_seconds: float


class PerToken(_Dated):
    """Prices for a million tokens of text in, image in, image out, and text out where images are not all that comes.

    ``output_tokens_1024`` bounds the tokens of one 1024x1024 image by quality; other sizes scale by area. It is an
    upper bound on purpose: it is what gets set aside, and the provider's own count is what gets charged.
    Where another parameter than the quality names the row, the rows are sizes, and nothing scales.
    """

    unit: Literal["token"]
    text_in: Decimal
    """Micro-dollars for a million tokens."""
    image_in: Decimal
    image_out: Decimal
    text_out: Decimal = Decimal(0)
    output_tokens_1024: dict[str, int]
    tokens_by: str = "quality"
    """The model's own parameter whose value names the row."""
    output_text_tokens: int = 0
    """At most so many tokens of words and thoughts beside one image."""
    input_image_tokens: int = 0
    """At most so many tokens for one input image."""

    @property
    def by_area(self) -> bool:
        """Whether a larger image has more tokens than its row says."""
        return self.tokens_by == "quality"


_NEEDS: dict[Unit, tuple[str, ...]] = {
    "megapixel": ("megapixels",),
    "step": ("steps",),
    "second": ("seconds",),
    "token": ("output_tokens",),
}
"""What a rule cannot do without; all of them need ``images``."""

Price = Annotated[PerImage | PerMegapixel | PerStep | PerSecond | PerToken, Field(discriminator="unit")]


def quote(price: Price, asked: Quantities, parameters: dict[str, Any]) -> Quote:
    """What a call that asks for ``asked`` with the model's own ``parameters`` costs at most.

    Raises PriceUnknown where the rule needs a quantity that is not known: nothing would be set aside for it.
    """
    if isinstance(price, PerToken):
        asked = _bounded_tokens(price, asked, parameters)
    elif isinstance(price, PerSecond):
        asked = asked.model_copy(update={"seconds": price.at_most_seconds})
    if not measured(price, asked):
        raise PriceUnknown(
            f"The price is by {price.unit}, and how many of them this call takes at most is not known.",
            hint="Give the size of the image and the number of steps, where the model takes them.",
        )
    amount = charge(price, asked, parameters)
    exact = price.unit not in ("token", "second")
    sign = "" if exact else "at most "
    many = "image" if asked.images == 1 else "images"
    return Quote(at_most_microusd=amount, exact=exact, basis=f"{asked.images} {many}, {sign}{usd(amount)}")


def measured(price: Price, used: Quantities) -> bool:
    """Whether these quantities say all that the rule asks for. An unknown one must never be charged as zero."""
    return all(getattr(used, name) is not None for name in _NEEDS.get(price.unit, ()))


def charge(price: Price, used: Quantities, parameters: dict[str, Any]) -> int:
    """What a call that used ``used`` costs, in micro-dollars."""
    if isinstance(price, PerImage):
        amount = _rate(price, parameters) * used.images
    elif isinstance(price, PerMegapixel):
        amount = _megapixels(price, used.known("megapixels")) * used.images + _input_megapixels(price, used)
    elif isinstance(price, PerStep):
        amount = price.microusd * used.known("steps") * used.images
    elif isinstance(price, PerSecond):
        amount = price.microusd * used.known("seconds")
    else:
        amount = _tokens(price, used)
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def usd(microusd: int) -> str:
    """Money for people: ``$0.003``, at least two and at most six decimals."""
    text = f"{Decimal(microusd) / 1_000_000:.6f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"${whole}.{part.ljust(2, '0')}"


def _rate(price: PerImage, parameters: dict[str, Any]) -> Decimal:
    for tier in price.tiers:
        if all(parameters.get(name) == value for name, value in tier.when.items()):
            return tier.microusd
    return price.microusd


def _megapixels(price: PerMegapixel, megapixels: Decimal) -> Decimal:
    megapixels = _counted(price, megapixels)
    if price.first_microusd is None:
        return price.microusd * megapixels
    return price.first_microusd + price.microusd * max(Decimal(0), megapixels - 1)


def _counted(price: PerMegapixel, megapixels: Decimal) -> Decimal:
    """Megapixels as this vendor counts them."""
    counted = megapixels * MEGAPIXEL / price.pixels
    return Decimal(ceil(counted)) if price.round_up else counted


def _input_megapixels(price: PerMegapixel, used: Quantities) -> Decimal:
    if price.input_microusd is None:
        return Decimal(0)
    return price.input_microusd * _counted(price, used.known("input_megapixels"))


def _tokens(price: PerToken, used: Quantities) -> Decimal:
    total = (
        price.text_in * used.known("text_tokens")
        + price.image_in * used.known("image_tokens")
        + price.image_out * used.known("output_tokens")
        + price.text_out * used.known("output_text_tokens")
    )
    return total / 1_000_000


def _bounded_tokens(price: PerToken, asked: Quantities, parameters: dict[str, Any]) -> Quantities:
    rows = price.output_tokens_1024
    # "auto" lets the provider choose, so the dearest row bounds it.
    one = rows.get(str(parameters.get(price.tokens_by)), max(rows.values()))
    area = asked.known("megapixels") * MEGAPIXEL / (1024 * 1024) if price.by_area else Decimal(1)
    tokens = {"output_tokens": ceil(one * max(area, Decimal(1))), "output_text_tokens": price.output_text_tokens}
    return asked.model_copy(update={name: count * asked.images for name, count in tokens.items()})
