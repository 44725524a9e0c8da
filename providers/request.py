"""What a provider is asked for, in nobody's wire format. Everything that shapes the result is in here."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Task = Literal[
    "text-to-image", "edit", "inpaint", "outpaint", "upscale", "control", "variation", "text-to-video", "image-to-video"
]

ControlKind = Literal["edges", "depth", "pose", "sketch"]
"""What a control map shows: outlines, distance, a skeleton, or a drawing by hand."""

Delivery = Literal["now", "batch"]
"""How soon a result is wanted: at once, or within the day, for the price that some vendors then ask."""

_HALF = re.compile("[\ud800-\udfff]")

MAX_SEED = 2**64 - 1
"""ComfyUI's seeds are unsigned 64-bit; each provider's range is smaller and is folded into (see :func:`fold_seed`)."""


def _sendable(value: Any, name: str = "") -> Any:
    """The value, where it can be written as JSON in UTF-8: half an emoji cannot, nor what is no finite number.

    Raises PydanticCustomError with the name of what within it cannot.
    """
    if isinstance(value, str) and not value.isascii() and _HALF.search(value):
        raise PydanticCustomError("half", "{name}it holds half a character (a lone surrogate)", {"name": name})
    if isinstance(value, float) and not isfinite(value):
        raise PydanticCustomError("finite_number", "{name}it is no finite number", {"name": name})
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, each in inside:
        _sendable(key, name)
        _sendable(each, f"{name}{key}: ")
    return value


Text = Annotated[str, AfterValidator(_sendable)]
Options = Annotated[dict[str, Any], AfterValidator(_sendable)]


class SourceImage(BaseModel):
    """An image that goes into a call, as encoded bytes (PNG, JPEG or WebP)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: bytes = Field(repr=False)
    media_type: str

    @cached_property
    def sha256(self) -> str:
        """Digest of the bytes; worked out once, as the call, its key and the record all name it."""
        return hashlib.sha256(self.data).hexdigest()


class Margins(BaseModel):
    """How many pixels an outpainting adds on each side of its image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: int = Field(default=0, ge=0)
    top: int = Field(default=0, ge=0)
    right: int = Field(default=0, ge=0)
    bottom: int = Field(default=0, ge=0)

    @property
    def none(self) -> bool:
        """Whether nothing is added at all."""
        return not (self.left or self.top or self.right or self.bottom)


class GenerationRequest(BaseModel):
    """One hosted generation, provider-neutral.

    ``model`` is ``provider/model`` of the catalog. ``mask`` is a greyscale PNG in which white means "repaint",
    whatever the vendor's own polarity. ``options`` are the model's own parameters; one it does not know is not sent and
    is reported as ignored. ``images``: the image to work on comes first, further ones are references; of a control it
    is the map.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    model: str
    prompt: Text
    negative_prompt: Text = ""
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    count: int = Field(default=1, ge=1)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    images: tuple[SourceImage, ...] = ()
    mask: SourceImage | None = None
    strength: float | None = Field(default=None, ge=0, le=1)
    """Edit and variation: how far the result may move from the image; 0 is the image itself, 1 is free of it.
    Control: how closely the result keeps to the map; 0 ignores it, 1 follows it exactly."""
    margins: Margins | None = None
    """Of an outpainting."""
    control: ControlKind | None = None
    """What the map of a control shows."""
    scale: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    """Of an upscaling: width and height each grow by this factor."""
    options: Options = {}

    def digest(self) -> str:
        """SHA-256 over everything that shapes the result; images count by their digests."""
        plain = self.model_dump(mode="json", exclude={"images", "mask"})
        plain["images"] = [image.sha256 for image in self.images]
        plain["mask"] = self.mask.sha256 if self.mask else None
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def fold_seed(seed: int, low: int, high: int) -> int:
    """The seed folded into ``low..high`` (both included): seeds already in range stay what they are."""
    if low <= seed <= high:
        return seed
    return low + seed % (high - low + 1)
