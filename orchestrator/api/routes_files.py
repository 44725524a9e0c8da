"""Files: pictures that callers bring, what jobs made, and what a credential says of either."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web
from pydantic import Field

from ...clock import utc_now
from ...errors import MintmarkError, UnknownAsset
from ...provenance.formats import EMBEDS
from ...provenance.reading import read as read_credential
from ...provenance.trust import trust_of
from ...storage.assets import serving as kept
from ...storage.assets.base import Span
from ...storage.assets.links import Link, Links
from ...storage.assets.uploads import PREFIX
from . import uploading
from .call import Call, Reply
from .routing import LOCATION, REPLAYED, Answer, Content, Header, NoQuery, Routes
from .shapes import Address, Body, Digest, Query, View

if TYPE_CHECKING:
    from ...storage.assets.base import Asset, AssetStore
    from ...storage.assets.uploads import Upload

routes = Routes("files")

CHUNK = 2**20
"""So much of a file is read and sent at a time, in bytes."""
CHECKED_AT_ONCE = 4
"""Files whose credential is read at the same time: each is in memory meanwhile."""
CHECKS: web.AppKey[asyncio.Semaphore] = web.AppKey("checks", asyncio.Semaphore)
SMALL = 2**16
"""A file of so many bytes is sent with its headers, all at once."""
PICTURES = ("image/png", "image/jpeg", "image/webp")
_FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
    "additionalProperties": False,
}
ETAG = Header("ETag", "The file's name is what it is.")
CACHE = Header("Cache-Control", "As long as the link is good.")
RANGE = Header("Range", "A part of it: `bytes=0-99`.")
IF_NONE_MATCH = Header("If-None-Match", "304 where the caller has it already.")
IF_RANGE = Header("If-Range", "The whole of it where the part is of another file.")


class UploadView(View):
    """A picture of yours. Its ``id`` is what an order names it by."""

    id: str
    sha256: Digest
    media_type: str
    bytes: int
    width: int
    height: int


class UploadByAddress(Body):
    """A picture that is fetched from elsewhere."""

    url: Address


class AssetQuery(Query):
    """What the link says; take it as it was given."""

    expires: str = Field(default="", max_length=20)
    signature: str = Field(default="", max_length=200)
    name: str = Field(default="", max_length=200)
    disposition: str = Field(default="inline", max_length=20)
    thumbnail: str | None = Field(default=None, max_length=5)


class CheckView(View):
    """One answer, and why; ``holds`` is null where there is nothing to ask it of."""

    holds: bool | None
    why: str


class ChecksView(View):
    """The three questions apart: built as C2PA says, unchanged since, and signed by who it says."""

    well_formed: CheckView
    intact: CheckView
    trusted: CheckView


class StampView(View):
    """When a timestamp authority says that the signature was there, and whether that authority is trusted."""

    time: str
    trusted: bool


class AlikeView(View):
    """A file that a job made and that looks like it. ``bits``: in how many of 320 their looks differ."""

    job_id: str
    index: int
    sha256: Digest
    workflow: str
    signed_at: str | None
    issuer: str | None
    bits: int
    words: str


class CredentialReport(View):
    """What a file's content credential says, and whether it holds."""

    state: Literal["trusted", "valid", "invalid", "none"]
    checks: ChecksView
    issuer: str | None
    vouched_by: str | None
    """The trust list that the signer's root is on."""
    timestamp: StampView | None
    ai_generated: bool
    actions: list[dict[str, Any]]
    ingredients: list[dict[str, Any]]
    record: dict[str, Any] | None
    problems: list[dict[str, Any]]
    notes: list[str]
    alike: list[AlikeView] = Field(
        default=[], description="Of a file without a credential: what it looks like a copy of, the likest first."
    )


@routes.post(
    "/v1/uploads",
    "Upload a picture",
    scope="submit",
    body=UploadByAddress,
    content=Content(media_types=(*PICTURES, "application/octet-stream", "multipart/form-data"), form=_FORM),
    answers=(Answer(status=201, description="It is here.", model=UploadView, headers=(LOCATION, REPLAYED)),),
    problems=(410,),
    creates=True,
)
async def upload_picture(call: Call[UploadByAddress | None, NoQuery]) -> Reply:
    """PNG, JPEG or WebP, told by its bytes: as the body, as the one file of a form, or by an address. It is of the key
    that brought it: nobody else can name it, also not by its digest."""
    if call.body is not None:
        address = call.body.url
        return await call.repeats.once(call.idempotency, lambda: _by_address(call, address))
    async with uploading.arrived(call) as arriving:
        digest = await call.block(_digest, arriving.path())

        async def keep() -> Reply:
            return _uploaded(await call.intake.pictures.keep(arriving, call.caller.key_id or ""))

        return await call.repeats.once(call.idempotent(digest), keep)


async def _by_address(call: Call[Any, Any], url: str) -> Reply:
    owner = call.caller.key_id or ""
    brought = await call.intake.pictures.bring({"url": url}, owner)
    found = await call.block(call.service.uploads.find, brought["url"], owner)
    if found is None:
        raise LookupError("an upload that was just brought is not there")
    return _uploaded(found)


def _digest(path: Any) -> str:
    with path.open("rb") as file:
        found = hashlib.sha256()
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _uploaded(upload: Upload) -> Reply:
    view = UploadView(
        id=upload.id,
        sha256=upload.digest,
        media_type=upload.media_type,
        bytes=upload.bytes,
        width=upload.width,
        height=upload.height,
    )
    return Reply(201, view, {"Location": f"/v1/uploads/{upload.digest}"})


@routes.get(
    "/v1/uploads/{digest}",
    "Show an upload",
    scope="read",
    answers=(Answer(status=200, description="It is here.", model=UploadView),),
)
async def show_upload(call: Call[None, NoQuery]) -> Reply:
    """Of the key's own; of others it is not told whether they are there."""
    name = PREFIX + call.path["digest"]
    found = await call.block(call.service.uploads.find, name, call.caller.key_id or "")
    if found is None:
        from ...errors import NotFound

        raise NotFound("You have uploaded no such picture.")
    return Reply(200, _uploaded(found).model)


@routes.delete(
    "/v1/uploads/{digest}",
    "Forget an upload",
    scope="submit",
    answers=(Answer(status=204, description="It is not yours any more."),),
)
async def forget_upload(call: Call[None, NoQuery]) -> Reply:
    """Jobs that were ordered with it keep it; where none was, and nobody else uploaded it, it is deleted."""
    service, digest = call.service, call.path["digest"]
    if await call.block(service.uploads.forget, digest, call.caller.key_id or ""):
        await call.block(service.forget_assets, [digest])
    return Reply(204)


@routes.get(
    "/v1/assets/{digest}",
    "Open a file",
    scope=None,
    query=AssetQuery,
    headers=(RANGE, IF_NONE_MATCH, IF_RANGE),
    answers=(
        Answer(
            status=200,
            description="The file, or its thumbnail.",
            media_type="*/*",
            schema={"type": "string", "format": "binary"},
            headers=(ETAG, CACHE),
        ),
        Answer(
            status=206,
            description="The part that was asked for.",
            media_type="*/*",
            schema={"type": "string", "format": "binary"},
            headers=(ETAG, CACHE),
        ),
        Answer(status=304, description="The caller has it.", headers=(ETAG, CACHE)),
    ),
    problems=(403, 410, 416),
)
async def open_asset(call: Call[None, AssetQuery]) -> Reply | web.StreamResponse:
    """By a link that a job gave; the link is the key to it."""
    service, digest, now = call.service, call.path["digest"], utc_now()
    links = Links(service.link_secrets, "")
    link = links.check(digest, call.request.rel_url.query, now)
    here = service.assets.at_hand(digest)
    try:
        asset, small = (
            _looked_at(service.assets, digest) if here else await call.block(_looked_at, service.assets, digest)
        )
    except UnknownAsset:
        await call.block(service.takedowns.refuse, digest)
        raise
    headers = kept.headers(asset, link, now)
    if kept.not_modified(call.request.headers.get("If-None-Match"), headers["ETag"]):
        return Reply(304, headers={name: headers[name] for name in ("ETag", "Cache-Control")})
    if link.thumbnail:
        return await _thumbnail(call, link, headers)
    if small is not None and "Range" not in call.request.headers:
        return web.Response(body=small, headers=headers)
    return await _file(call, asset, headers)


def _looked_at(assets: AssetStore, digest: str) -> tuple[Asset, bytes | None]:
    """The file, with its bytes where they are few: reading them at once is quicker than coming back for them."""
    if (found := assets.small(digest, SMALL)) is not None:
        return found
    return assets.get(digest), None


async def _thumbnail(call: Call[Any, Any], link: Link, headers: dict[str, str]) -> Reply:
    data = await call.block(call.service.thumbnails.get, link.digest)
    kind = headers.pop("Content-Type")
    return Reply(200, data=data, media_type=kind, headers={**headers, "Accept-Ranges": "none"})


async def _file(call: Call[Any, Any], asset: Asset, headers: dict[str, str]) -> web.StreamResponse:
    given = call.request.headers
    holds = kept.ranges_hold(given.get("If-Range"), headers["ETag"])
    # A part is a thing of GET: HEAD tells of the whole.
    holds = holds and call.request.method == "GET"
    part = kept.byte_range(given.get("Range"), asset.bytes) if holds else None
    span = part or Span(0, asset.bytes)
    if part is not None:
        headers["Content-Range"] = kept.content_range(part, asset.bytes)
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    response.content_length = span.length
    if call.request.method == "HEAD":
        await response.prepare(call.request)
        return response
    first = await call.block(call.service.assets.read, asset.digest, Span(span.start, min(CHUNK, span.length)))
    await response.prepare(call.request)
    await response.write(first)
    for start in range(span.start + CHUNK, span.start + span.length, CHUNK):
        piece = Span(start, min(CHUNK, span.start + span.length - start))
        await response.write(await call.block(call.service.assets.read, asset.digest, piece))
    await response.write_eof()
    return response


@routes.post(
    "/v1/provenance/verify",
    "Check a file's credential",
    scope="read",
    content=Content(media_types=(*PICTURES, *sorted(EMBEDS - set(PICTURES)), "application/octet-stream")),
    answers=(Answer(status=200, description="What it says, and whether it holds.", model=CredentialReport),),
)
async def verify_provenance(call: Call[None, NoQuery]) -> Reply:
    """Nothing of the file is kept. One without a credential is looked up by what it looks like, among the files of the
    key's project; an admin's, among all."""
    anchors = trust_of(call.service.settings)
    async with uploading.arrived(call) as arriving, call.request.app[CHECKS]:
        data = await call.block(arriving.path().read_bytes)
        found = await call.block(read_credential, data, None, anchors)
        alike = await call.block(_alike, call, data) if found.state == "none" else []
    return Reply(200, CredentialReport(**found.as_dict(), alike=alike))


def _alike(call: Call[Any, Any], data: bytes) -> list[AlikeView]:
    try:
        likes = call.service.lookbook.find(data, most=20)
    except MintmarkError:
        return []  # no picture, or one that cannot be unpacked
    own = [each for each in likes if call.caller.is_admin or each.job.ordered.project == call.caller.project]
    return [AlikeView(**each.document()) for each in own[:5]]
