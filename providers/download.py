"""The file behind a result's URL: fetched whole and without the key; what is known of the charge where it cannot be."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import BadAnswer, ProviderDown, ResultLost
from .base import ResultImage
from .http import Failure, Forbidden, HttpClient, TooLarge
from .imagefile import is_whole

_GONE = (403, 404, 410)


async def downloaded(
    http: HttpClient, image: ResultImage, *, allowed: Callable[[str], bool], provider: str, title: str, lifetime: str
) -> bytes:
    """The image's bytes as the provider made them; ``title`` is the provider's name in a sentence, ``lifetime`` half a
    sentence on how long it keeps files.

    Raises ResultLost where the URL has expired or is not ``allowed``, BadAnswer for a file that is no whole image, and
    ProviderDown. The work was done in any of these cases, so it is charged.
    """
    if image.data is not None:
        return image.data
    try:
        reply = await http.download(image.url or "", allowed=allowed)
    except (Forbidden, TooLarge) as failure:
        raise ResultLost(f"{title}'s file is not fetched ({failure}).", provider=provider, charged="yes") from None
    except Failure as failure:
        problem = f"{title}'s file cannot be fetched ({failure})."
        raise ProviderDown(problem, provider=provider, charged="yes") from None
    status = reply.status
    if status in _GONE:
        problem = f"{title}'s file has expired or is gone (it answers {status}); {lifetime}."
        raise ResultLost(problem, provider=provider, charged="yes", status=status)
    if status != 200:
        raise ProviderDown(f"{title}'s file answers {status}.", provider=provider, charged="yes", status=status)
    if not is_whole(reply.body):
        raise BadAnswer(
            f"{title}'s file is broken or no image.", provider=provider, charged="yes", status=200, file=reply.body
        )
    return reply.body
