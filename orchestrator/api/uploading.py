"""A picture that comes in, straight to the disk and never more of it than may come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from ...errors import MalformedRequest, RequestTooLarge

if TYPE_CHECKING:
    from ...storage.assets.base import Incoming
    from .call import Call

CHUNK = 2**18


@asynccontextmanager
async def arrived(call: Call[Any, Any]) -> AsyncIterator[Incoming]:
    """The body, or the one file of a form, complete on the disk; gone afterwards where it was not kept.

    Raises RequestTooLarge and MalformedRequest.
    """
    uploads, request = call.service.uploads, call.request
    if (request.content_length or 0) > uploads.most_bytes + 2**16:
        allowed = {"max_bytes": uploads.most_bytes}
        raise RequestTooLarge(f"A picture may have {uploads.most_bytes} bytes.", allowed=allowed)
    arriving = await call.block(uploads.begin)
    try:
        async for chunk in _chunks(request):
            await call.block(arriving.write, chunk)
        yield arriving
    finally:
        await call.block(arriving.close)


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    if request.content_type != "multipart/form-data":
        async for chunk in request.content.iter_chunked(CHUNK):
            yield chunk
        return
    try:
        async for chunk in _file_of_form(request):
            yield chunk
    except (ValueError, AssertionError, EOFError) as exc:
        raise MalformedRequest("The form cannot be read.", hint="Send multipart/form-data with its boundary.") from exc


async def _file_of_form(request: web.Request) -> AsyncIterator[bytes]:
    form = await request.multipart()
    part = await form.next()
    if not isinstance(part, BodyPartReader) or part.filename is None or part.name != "file":
        raise MalformedRequest("The form has no file.", hint="Send the picture as its one field, `file`.", field="file")
    while chunk := await part.read_chunk(CHUNK):
        yield chunk
    if await form.next() is not None:
        raise MalformedRequest("The form has more than the file.", hint="Send the picture as its one field, `file`.")
