"""Pictures that a request names instead of bringing: own uploads, ``data:`` URLs, and URLs that are fetched.

Whatever it was, it is here afterwards: checked by its bytes, named by its digest. It is an upload of the caller's, or
of the order alone that it came with.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from ...errors import InvalidInput, MintmarkError, ReferenceRefused
from ...storage.assets.base import Incoming, is_digest
from ...storage.assets.uploads import PREFIX, Upload, Uploads, of_order
from ..turns import Turns
from .impossible import Impossible, refuse

FETCHED_AT_ONCE = 16
"""Each is in memory while it comes."""
FETCHED_PER_KEY = 4
FETCHES_WAITING = 16
"""Of one key."""
UNPACKED_AT_ONCE = 3
UNPACKED_PER_KEY = 2
ALLOWED = ["upload:<sha256>", "https://…", "data:image/png;base64,…"]


class Fetch(Protocol):
    """Gets what is at a URL, and refuses addresses that nobody outside may reach through us."""

    def __call__(self, url: str, *, max_bytes: int) -> Awaitable[bytes]: ...


class Desk:
    """How many pictures are fetched and unpacked at once, of all and of each key: slow servers and huge pictures of one
    hold up no other. One per process."""

    def __init__(self) -> None:
        self.fetching = Turns(
            FETCHED_AT_ONCE, each=FETCHED_PER_KEY, waiting=FETCHES_WAITING, what="pictures to be fetched"
        )
        self.unpacking = Turns(UNPACKED_AT_ONCE, each=UNPACKED_PER_KEY)


class Pictures:
    """Brings pictures to the assets. ``fetch`` is ``webhooks.targets.fetch``, or None where no URL may be fetched.
    ``own_only`` tells whether, by the house rules, what is elsewhere may not be brought at all. ``desk`` is shared with
    others of the process."""

    def __init__(
        self,
        uploads: Uploads,
        fetch: Fetch | None = None,
        own_only: Callable[[], bool] = bool,
        *,
        desk: Desk | None = None,
    ) -> None:
        self._uploads, self._fetch, self._own_only = uploads, fetch, own_only
        self._desk = desk or Desk()

    async def keep(self, arrived: Incoming, owner: str, job_id: str | None = None) -> Upload:
        """:meth:`Uploads.keep`, in a thread and in the owner's turn: a picture is unpacked, and may be a large one.
        ``job_id``: it comes with the order of this job."""
        async with self._desk.unpacking.one(owner):
            return await asyncio.to_thread(self._uploads.keep, arrived, _whose(owner, job_id))

    async def _add(self, data: bytes, owner: str, job_id: str | None) -> str:
        async with self._desk.unpacking.one(owner):
            return (await asyncio.to_thread(self._uploads.add, data, _whose(owner, job_id))).digest

    async def bring(self, urls: Mapping[str, str], owner: str, job_id: str | None = None) -> dict[str, str]:
        """The digest of each picture, by the field that named it. Each is ``owner``'s own upload, or becomes one; with
        a ``job_id`` it becomes one of that job's order.

        Raises InvalidInput for what is no picture of the owner's, ReferenceRefused, NotAnImage, ImageTooLarge,
        RequestTooLarge, TooManyRequests, and as ``fetch``; with the field in the data.
        """
        found = {}
        for field, url in urls.items():
            try:
                found[field] = await self._one(field, url, owner, job_id)
            except MintmarkError as exc:
                exc.data.setdefault("field", field)
                raise
        return found

    async def _one(self, field: str, url: str, owner: str, job_id: str | None) -> str:
        if is_digest(url.removeprefix(PREFIX)):
            return await asyncio.to_thread(self._own, field, url, owner, job_id)
        if url.startswith("data:"):
            data = _decoded(field, url)
        elif self._fetch is not None and url.startswith(("http://", "https://")):
            if self._own_only():
                raise refused(field)
            async with self._desk.fetching.one(owner):
                return await self._add(await self._fetch(url, max_bytes=self._uploads.most_bytes), owner, job_id)
        else:
            refuse([Impossible(field, "it names no picture", ALLOWED)])
        return await self._add(data, owner, job_id)

    def _own(self, field: str, url: str, owner: str, job_id: str | None) -> str:
        found = self._uploads.find(url, owner) or self._uploads.find(url, _whose(owner, job_id))
        if found is None:
            # The same answer whether somebody else has it or nobody: it must not tell which.
            raise InvalidInput(
                f"{field}: you have uploaded no such picture.",
                hint="Upload it (POST /v1/uploads) with the same key, and use the id of the answer.",
                field=field,
                allowed=ALLOWED,
            )
        return found.digest


def _whose(owner: str, job_id: str | None) -> str:
    return owner if job_id is None else of_order(job_id)


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
