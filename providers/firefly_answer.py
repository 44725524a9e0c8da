"""What Firefly's answers say: the job that was accepted, how it stands, and its images.

v3 accepts with ``{jobId, statusUrl, cancelUrl}``, v4 with ``{links: {result: {href}, cancel: {href}}, progress}``. A
job answers ``{status, jobId, result: {size, outputs: [{seed, image: {url}}], promptHasDeniedWords, ...}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .. import log
from ..errors import BadAnswer, Charged
from ..metering.prices import Quantities
from .base import Accepted, Answer, ResultImage
from .firefly_errors import withheld
from .http import Reply
from .inline import image_at

logger = log.get("providers.firefly")
_FLAGS = ("promptHasDeniedWords", "promptHasBlockedArtists")


def accepted_of(reply: Reply) -> Accepted:
    """The job that a submission started. Raises BadAnswer where the answer names none."""
    try:
        body = reply.json()
    except ValueError:
        body = {}
    status_url = body.get("statusUrl") or _href(body, "result")
    cancel_url = body.get("cancelUrl") or _href(body, "cancel")
    job = body.get("jobId") or _last(status_url)
    if not all(isinstance(text, str) and text for text in (job, status_url, cancel_url)):
        raise _bad("answer to the submission names no job", "unknown", None)
    return Accepted(request_id=str(job), handle={"statusUrl": status_url, "cancelUrl": cancel_url})


def word_of(reply: Reply) -> str | None:
    """The status word of a job, or None where the answer has none."""
    try:
        word = reply.json().get("status")
    except ValueError:
        return None
    return word if isinstance(word, str) and word and reply.status == 200 else None


def answer_of(reply: Reply, accepted: Accepted) -> Answer:
    """The answer of a job that succeeded. Raises BadAnswer and ProviderBlocked."""
    result = reply.json().get("result")
    result = result if isinstance(result, dict) else {}
    flags = ", ".join(name for name in _FLAGS if result.get(name) is True)
    outputs = result.get("outputs")
    if not outputs and flags:
        raise withheld(flags, accepted)
    if not (isinstance(outputs, list) and outputs):
        raise _bad("finished job has no image", "yes", accepted.request_id)
    if flags:
        # Adobe: "the generation does not comply to its full prompt".
        logger.warning(
            "Firefly did not use the whole prompt of %s: %s",
            *(accepted.request_id, flags),
            extra=log.action("prompt_not_used", flags=flags),
        )
    images = tuple(_image(item, accepted) for item in outputs)
    return Answer(request_id=accepted.request_id, images=images, usage=Quantities(images=len(images)))


def _image(item: Any, accepted: Accepted) -> ResultImage:
    image = item.get("image") if isinstance(item, dict) else None
    url = image.get("url") if isinstance(image, dict) else None
    if not (isinstance(url, str) and url):
        raise _bad("finished job lacks the URL of an image", "yes", accepted.request_id)
    seed = item.get("seed")
    return image_at(url, seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None)


def _href(body: Mapping[str, Any], name: str) -> Any:
    links = body.get("links")
    link = links.get(name) if isinstance(links, dict) else None
    return link.get("href") if isinstance(link, dict) else None


def _last(url: Any) -> str:
    """The last part of the URL's path, which is the job's id."""
    try:
        return urlsplit(url).path.rstrip("/").rpartition("/")[2] if isinstance(url, str) else ""
    except ValueError:
        return ""


def _bad(what: str, charged: Charged, request_id: str | None) -> BadAnswer:
    return BadAnswer(f"Firefly's {what}.", provider="firefly", charged=charged, status=200, request_id=request_id)
