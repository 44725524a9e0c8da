"""What Ideogram's answer says: ``{created, data: [{url, prompt, resolution, seed, is_image_safe, ...}]}``.

"If [is_image_safe is] false, the url field will be empty", and the status is 200 all the same. Whether such an image is
charged is documented nowhere; images are priced "per output image", so it counts as charged rather than as free.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadAnswer, Charged
from ..metering.prices import Quantities
from .base import Answer, ResultImage
from .http import Reply
from .inline import image_at

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


def answer_of(reply: Reply) -> Answer:
    """The images of an answer with status 200. Raises BadAnswer where one is neither there nor withheld."""
    try:
        body = reply.json()
    except ValueError:
        raise _bad("answer is no JSON", "unknown") from None
    data = body.get("data")
    if not (isinstance(data, list) and data and all(isinstance(item, dict) for item in data)):
        raise _bad("answer names no image", "unknown")
    images = tuple(map(_image, data))
    return Answer(request_id=_request_id(body, images), images=images, usage=Quantities(images=len(images)))


def _image(item: dict[str, Any]) -> ResultImage:
    seed, url = item.get("seed"), item.get("url")
    known = seed if isinstance(seed, int) and not isinstance(seed, bool) else None
    if item.get("is_image_safe") is False:
        return ResultImage(seed=known, blocked=True)
    if not (isinstance(url, str) and url):
        raise _bad("answer lacks the URL of an image", "yes")
    return image_at(url, seed=known)


def _request_id(body: Mapping[str, Any], images: tuple[ResultImage, ...]) -> str | None:
    """All that Ideogram's support can be told of a call: the name of its first file, else its time and first seed."""
    for image in images:
        try:
            name = urlsplit(image.url or "").path.rpartition("/")[2].partition(".")[0]
        except ValueError:
            continue
        if _NAME.fullmatch(name):
            return name
    created = body.get("created")
    return f"{created} {images[0].seed}"[:128] if isinstance(created, str) and created else None


def _bad(what: str, charged: Charged) -> BadAnswer:
    return BadAnswer(f"Ideogram's {what}.", provider="ideogram", charged=charged, status=200)
