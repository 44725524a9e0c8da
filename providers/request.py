"""What a provider is asked for, in nobody's wire format. Everything that shapes the result is in here."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal[
    "text-to-image", "edit", "inpaint", "outpaint", "upscale", "control", "variation", "text-to-video", "image-to-video"
]

MAX_SEED = 2**64 - 1
"""ComfyUI's seeds are unsigned 64-bit; each provider's range is smaller and is folded into (see :func:`fold_seed`)."""


class SourceImage(BaseModel):
    """An image that goes into a call, as encoded bytes (PNG, JPEG or WebP)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: bytes = Field(repr=False)
    media_type: str

    @property
    def sha256(self) -> str:
        """Digest of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


class GenerationRequest(BaseModel):
    """One hosted generation, provider-neutral.

    ``model`` is ``provider/model`` of the catalog. ``mask`` is a greyscale PNG in which white means "repaint",
    whatever the vendor's own polarity. ``options`` are the model's own parameters; one it does not know is not sent and
    is reported as ignored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    model: str
    prompt: str
    negative_prompt: str = ""
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    count: int = Field(default=1, ge=1)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    images: tuple[SourceImage, ...] = ()
    mask: SourceImage | None = None
    options: dict[str, Any] = {}

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
