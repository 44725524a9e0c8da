"""Pictures that a request names instead of bringing: own uploads, ``data:`` URLs, and URLs that are fetched.

Whatever it was, it is an upload of the caller's afterwards: checked by its bytes, named by its digest.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from ...errors import InvalidInput, MintmarkError, ReferenceRefused
from ...storage.assets.base import is_digest
from ...storage.assets.uploads import PREFIX, Uploads
from .impossible import Impossible, refuse

FETCHED_AT_ONCE = 8
ALLOWED = ["upload:<sha256>", "https://…", "data:image/png;base64,…"]


class Fetch(Protocol):
    """Gets what is at a URL, and refuses addresses that nobody outside may reach through us."""

    def __call__(self, url: str, *, max_bytes: int) -> Awaitable[bytes]: ...


class Pictures:
    """Brings pictures to the assets. ``fetch`` is ``webhooks.targets.fetch``, or None where no URL may be fetched.
    ``own_only`` tells whether, by the house rules, what is elsewhere may not be brought at all."""

    def __init__(self, uploads: Uploads, fetch: Fetch | None = None, own_only: Callable[[], bool] = bool) -> None:
        self._uploads, self._fetch, self._own_only = uploads, fetch, own_only
        self._fetching = asyncio.Semaphore(FETCHED_AT_ONCE)

    async def bring(self, urls: Mapping[str, str], owner: str) -> dict[str, str]:
        """The digest of each picture, by the field that named it. Each is ``owner``'s own upload, or becomes one.

        Raises InvalidInput for what is no picture of the owner's, ReferenceRefused, NotAnImage, ImageTooLarge,
        RequestTooLarge, and as ``fetch``; with the field in the data.
        """
        found = {}
        for field, url in urls.items():
            try:
                found[field] = await self._one(field, url, owner)
            except MintmarkError as exc:
                exc.data.setdefault("field", field)
                raise
        return found

    async def _one(self, field: str, url: str, owner: str) -> str:
        if is_digest(url.removeprefix(PREFIX)):
            return await asyncio.to_thread(self._own, field, url, owner)
        if url.startswith("data:"):
            data = _decoded(field, url)
        elif self._fetch is not None and url.startswith(("http://", "https://")):
            if self._own_only():
                raise refused(field)
            # Each is in memory while it comes.
            async with self._fetching:
                data = await self._fetch(url, max_bytes=self._uploads.most_bytes)
                return (await asyncio.to_thread(self._uploads.add, data, owner)).digest
        else:
            refuse([Impossible(field, "it names no picture", ALLOWED)])
        return (await asyncio.to_thread(self._uploads.add, data, owner)).digest

    def _own(self, field: str, url: str, owner: str) -> str:
        found = self._uploads.find(url, owner)
        if found is None:
            # The same answer whether somebody else has it or nobody: it must not tell which.
            raise InvalidInput(
                f"{field}: you have uploaded no such picture.",
                hint="Upload it (POST /v1/uploads) with the same key, and use the id of the answer.",
                field=field,
                allowed=ALLOWED,
            )
        return found.digest


def refused(field: str) -> ReferenceRefused:
    """A picture of a run that the house rules do not take."""
    return ReferenceRefused(
        f"{field}: only pictures that were uploaded with this key are taken here.",
        hint="Upload it (POST /v1/uploads) with the same key, and use the id of the answer.",
        field=field,
        allowed=["upload:<sha256>", "data:image/png;base64,…"],
    )


def _decoded(field: str, url: str) -> bytes:
    try:
        return base64.b64decode(url.partition(";base64,")[2], validate=True)
    except (binascii.Error, ValueError):
        refuse([Impossible(field, "the data: URL is not base64", ALLOWED)])
