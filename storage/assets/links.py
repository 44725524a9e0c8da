"""Links to files that anybody may open who has them, until they expire: signed, so that nobody makes one but us.

A signature covers everything the link says: which file, under which name, shown or downloaded, whole or small, until
when. So a link that was changed anywhere is none of ours.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal
from urllib.parse import quote, urlencode

from ...errors import LinkExpired, LinkForged
from .base import is_digest

Disposition = Literal["inline", "attachment"]
PATH = "/v1/assets/"
MOST_NAME = 200
_FIELDS = frozenset({"name", "disposition", "thumbnail", "expires", "signature"})
_PURPOSE = "mintmark.asset.v1"


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a link says, its signature checked."""

    digest: str
    name: str
    """What the file is to be called where it is saved; made safe by :func:`.serving.disposition`."""
    disposition: Disposition = "inline"
    thumbnail: bool = False
    expires_at: datetime


class Links:
    """Makes and checks links. ``secrets``: the first signs, all of them are good (see :mod:`.secret`)."""

    def __init__(self, secrets: Sequence[bytes], base_url: str) -> None:
        """``base_url``: where the world reaches the assets: the service itself, or a CDN before it."""
        self._secrets = tuple(secrets)
        self._base = base_url.rstrip("/")

    def __repr__(self) -> str:
        return f"Links({self._base!r})"

    def url(
        self,
        digest: str,
        *,
        expires_at: datetime,
        name: str = "",
        thumbnail: bool = False,
        disposition: Disposition = "inline",
    ) -> str:
        """A link to the file, good until ``expires_at`` (whole seconds)."""
        link = Link(
            digest=digest,
            name=name[:MOST_NAME],
            disposition=disposition,
            thumbnail=thumbnail,
            expires_at=datetime.fromtimestamp(math.floor(expires_at.timestamp()), timezone.utc),
        )
        said = _said(link)
        query = {**said, "signature": _signature(self._secrets[0], digest, said)}
        return f"{self._base}{PATH}{quote(digest, safe='')}?{urlencode(query)}"

    def check(self, digest: str, query: Mapping[str, str], now: datetime) -> Link:
        """What the link says. Raises LinkForged for one that is not as we made it, LinkExpired for one that is over."""
        link = _read(digest, query)
        said, given = _said(link), query["signature"].encode("utf-8", "replace")
        if not any(hmac.compare_digest(_signature(one, digest, said).encode(), given) for one in self._secrets):
            raise _forged()
        if link.expires_at <= now:
            raise LinkExpired(
                f"The link was good until {link.expires_at.isoformat()}.", hint="Ask for the job again for a new one."
            )
        return link


def steady_expiry(now: datetime, life: timedelta) -> datetime:
    """When a link that is made now expires: after ``life`` at least, and at most a quarter longer.

    It moves in steps, so that who asks for a job again gets the same link, which his cache already knows.
    """
    step = max(1.0, life.total_seconds() / 4)
    return datetime.fromtimestamp(math.ceil((now + life).timestamp() / step) * step, timezone.utc)


def _said(link: Link) -> dict[str, str]:
    """The link's query but for its signature; what is as usual is left out."""
    said = {"expires": str(int(link.expires_at.timestamp()))}
    if link.name:
        said["name"] = link.name
    if link.disposition != "inline":
        said["disposition"] = link.disposition
    if link.thumbnail:
        said["thumbnail"] = "1"
    return said


def _signature(secret: bytes, digest: str, said: Mapping[str, str]) -> str:
    # As JSON, so that no two different links are the same text.
    text = json.dumps([_PURPOSE, digest, *sorted(said.items())])
    return hmac.digest(secret, text.encode(), "sha256").hex()


def _read(digest: str, query: Mapping[str, str]) -> Link:
    disposition, expires = query.get("disposition", "inline"), query.get("expires", "")
    # A name that stands twice (a multidict has it) could be read otherwise elsewhere.
    plain = {"signature"} <= set(query) <= _FIELDS and len(query) == len(set(query))
    if not (plain and query.get("thumbnail", "1") == "1" and is_digest(digest)):
        raise _forged()
    if disposition not in ("inline", "attachment"):
        raise _forged()
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 11):
        raise _forged()
    return Link(
        digest=digest,
        name=query.get("name", ""),
        disposition="attachment" if disposition == "attachment" else "inline",
        thumbnail="thumbnail" in query,
        expires_at=datetime.fromtimestamp(int(expires), timezone.utc),
    )


def _forged() -> LinkForged:
    return LinkForged("This link is not one of ours, or it was changed.", hint="Use it as the job gave it.")
