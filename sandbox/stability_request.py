"""Forms for Stability, read and checked as the vendor checks them, with its error names and texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .exchange import Part
from .palette import Dice
from .stability_services import (
    CHOICES,
    FILES,
    LARGEST_REQUEST,
    LONGEST_TEXT,
    MICROUSD_A_CREDIT,
    MOST_SEED,
    SD_MODELS,
    WHOLE,
    Picture,
    Service,
)


class Refused(Exception):
    """Stability's answer to a request it does not accept. Not a failure of ours."""

    def __init__(self, status: int, name: str, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.status, self.name, self.errors = status, name, errors


@dataclass(frozen=True)
class Asked:
    """A form that is in order."""

    service: Service
    fields: dict[str, Any]
    """By the vendor's names; numbers are numbers."""
    seed: int
    image: picture.Source | None = None
    where: NDArray[np.bool_] | None = None
    """Where the mask is white, at the image's size; not yet grown."""
    other: picture.Source | None = None
    """The second image, of services that take one."""

    @property
    def prompt(self) -> str:
        """The words, or none."""
        return str(self.fields.get(self.service.words, ""))

    @property
    def output_format(self) -> picture.Format:
        """Of the result."""
        return cast(picture.Format, self.fields.get("output_format", "png"))

    @property
    def credits(self) -> float:
        """What it costs."""
        return SD_MODELS[self.fields.get("model", "sd3.5-large")] if self.service.credits == 0 else self.service.credits

    @property
    def microusd(self) -> int:
        """The same in micro-dollars."""
        return round(self.credits * MICROUSD_A_CREDIT)

    def number(self, name: str, default: float) -> float:
        """A numeric field, or what holds without it."""
        return float(self.fields.get(name, default))


def read_form(service: Service, parts: Iterable[Part], seed: int) -> Asked:
    """Check a form. Raises :class:`Refused` with every field that is wrong. ``seed`` is the sandbox's own."""
    parts = list(parts)
    if sum(len(part.data) for part in parts) > LARGEST_REQUEST:
        raise Refused(413, "payload_too_large", "body: payloads cannot be larger than 10MiB in size")
    errors: list[str] = []
    texts = {part.name: part.data.decode("utf-8", "replace") for part in parts if part.filename is None}
    fields = _fields(service, texts, errors)
    files = {part.name: part.data for part in parts if part.filename is not None and part.data}
    image = _image(service, service.image_name, files.pop(service.image_name, None), errors)
    other = _other(service, files.pop(service.other, None) if service.other else None, errors)
    where = _mask(service, files.pop("mask", None), image, errors)
    errors += [f"{name}: is not a file of this service" for name in files]
    _check_together(service, fields, image, errors)
    if errors:
        raise Refused(400, "bad_request", *errors)
    own = int(fields.get("seed", 0))
    # 0 is documented as "random"; here chance is the prompt's digest, so that a run can be repeated.
    chosen = own or Dice("seed", seed, texts.get("prompt", "")).below(MOST_SEED) + 1
    return Asked(service, fields, chosen, image, where, other)


def check_policy(asked: Asked) -> None:
    """Raises :class:`Refused` where the prompt is harmful: 403, and nothing is charged."""
    if judge.reasons(judge.text_scores(asked.prompt)):
        raise flagged()


def flagged() -> Refused:
    """The vendor's moderation stops the request."""
    return Refused(
        403,
        "content_moderation",
        "Your request was flagged by our content moderation system, as a result your request was denied and you were "
        "not charged.",
    )


def _fields(service: Service, texts: dict[str, str], errors: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in service.takes:
            # The sandbox's own strictness: what Stability does with a field it does not know is not documented.
            errors.append(f"{name}: is not a field of this service")
        elif name in CHOICES:
            fields[name] = _choice(name, text, errors)
        elif name in service.ranges or name == "seed":
            fields[name] = _number(name, text, service.ranges.get(name, (0, MOST_SEED)), errors)
        else:
            fields[name] = _text(name, text, errors)
    errors += [f"{name}: is required" for name in service.needs if not texts.get(name)]
    return fields


def _choice(name: str, text: str, errors: list[str]) -> str:
    if text not in CHOICES[name]:
        errors.append(f"{name}: must be one of {', '.join(CHOICES[name])}")
    return text


def _number(name: str, text: str, bounds: tuple[float, float], errors: list[str]) -> float:
    try:
        value = int(text) if name in WHOLE else float(text)
    except ValueError:
        errors.append(f"{name}: must be {'an integer' if name in WHOLE else 'a number'}")
        return 0
    if not bounds[0] <= value <= bounds[1]:
        errors.append(f"{name}: must be between {bounds[0]:g} and {bounds[1]:g}")
    return value


def _text(name: str, text: str, errors: list[str]) -> str:
    if len(text) > LONGEST_TEXT:
        errors.append(f"{name}: cannot be longer than {LONGEST_TEXT} characters")
    return text


def _other(service: Service, data: bytes | None, errors: list[str]) -> picture.Source | None:
    if data is None:
        if service.other_needed:
            errors.append(f"{service.other}: is required")
        return None
    return _image(service, service.other, data, errors)


def _image(service: Service, name: str, data: bytes | None, errors: list[str]) -> picture.Source | None:
    rule = service.image
    if rule is None or data is None:
        if rule is not None and rule.needed:
            errors.append(f"{name}: is required")
        if rule is None and data is not None:
            errors.append(f"{name}: is not a file of this service")
        return None
    try:
        source = picture.read(data)
    except (NotAnImage, ImageTooLarge):
        errors.append(f"{name}: must be a valid jpeg, png or webp image")
        return None
    errors += _problems(rule, *source.size)
    return source


def _problems(rule: Picture, width: int, height: int) -> list[str]:
    found = []
    if min(width, height) < rule.least_side:
        found.append(f"image: every side must be at least {rule.least_side} pixels")
    if rule.most_side is not None and max(width, height) > rule.most_side:
        found.append(f"image: every side must be at most {rule.most_side} pixels")
    if rule.most_pixels is not None and width * height > rule.most_pixels:
        found.append(f"image: total pixel count cannot exceed {rule.most_pixels} pixels")
    if not rule.wide and max(width, height) * 2 > min(width, height) * 5:
        found.append("image: aspect ratio must be between 1:2.5 and 2.5:1")
    return found


def _mask(
    service: Service, data: bytes | None, image: picture.Source | None, errors: list[str]
) -> NDArray[np.bool_] | None:
    """True where the mask is white; without a mask where the image is transparent."""
    if service.path not in FILES["mask"] or image is None:
        if data is not None:
            errors.append("mask: is not a file of this service")
        return None
    if data is None:
        if not image.has_alpha:
            errors.append("mask: is required when the image has no alpha channel")
        return np.asarray(image.pixels[..., 3] < 128)
    try:
        mask = picture.read(data)
    except (NotAnImage, ImageTooLarge):
        errors.append("mask: must be a valid jpeg, png or webp image")
        return None
    white: NDArray[np.bool_] = mask.pixels[..., :3].sum(axis=2, dtype=np.int64) >= 3 * 128
    # Documented: a mask of another size is resized.
    return picture.fitted_mask(white, *image.size)


def _check_together(service: Service, fields: dict[str, Any], image: picture.Source | None, errors: list[str]) -> None:
    if "strength" in service.takes:
        edits = image is not None or fields.get("mode") == "image-to-image"
        if edits and "strength" not in fields:
            errors.append("strength: is required")
        if fields.get("mode") == "image-to-image" and image is None:
            errors.append("image: is required")
        if service.path == "generate/sd3" and (fields.get("mode") == "image-to-image") != (image is not None):
            errors.append("mode: must be image-to-image exactly when an image is given")
        if service.path == "generate/sd3" and edits and "aspect_ratio" in fields:
            errors.append("aspect_ratio: is only valid for text-to-image requests")
    if service.path == "edit/outpaint" and not any(fields.get(side) for side in ("left", "right", "up", "down")):
        errors.append("at least one outpaint direction must be supplied with a non-zero value")
