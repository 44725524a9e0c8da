"""What an image answer of Stability says: the bytes, the seed, and whether its filter withheld the image."""

from __future__ import annotations

from ..errors import BadAnswer
from ..metering.prices import Quantities
from .base import Answer, ResultImage
from .http import Reply
from .imagefile import is_whole, media_type

_SUCCESS, _FILTERED = "SUCCESS", "CONTENT_FILTERED"


def answer_of(reply: Reply, request_id: str | None) -> Answer:
    """The answer that came with status 200. Raises BadAnswer.

    ``CONTENT_FILTERED`` is documented as a "successful generation" that was blurred, and credits as taken "per
    successful generation": so it counts as charged. What is blurred is no result, and is not kept.
    """
    reason = reply.headers.get("finish-reason")
    if reason == _FILTERED:
        image = ResultImage(seed=_seed(reply), blocked=True)
    elif reason in (_SUCCESS, None) and is_whole(reply.body):
        image = ResultImage(data=reply.body, media_type=media_type(reply.body) or "", seed=_seed(reply))
    else:
        raise BadAnswer(
            "Stability's answer lacks a whole image.",
            provider="stability",
            charged="yes" if reason == _SUCCESS else "unknown",
            status=reply.status,
            request_id=request_id,
            file=reply.body or None,
        )
    return Answer(request_id=request_id, images=(image,), usage=Quantities(images=1))


def _seed(reply: Reply) -> int | None:
    """The seed that was used, also where Stability chose it."""
    text = reply.headers.get("seed", "")
    return int(text) if text.isascii() and text.isdigit() else None
