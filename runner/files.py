"""Files in and out: ``/view`` and ``/upload/image``. Nothing outside the runner's folders is read or written."""

from __future__ import annotations

import asyncio
import hashlib
import io
import mimetypes
import os
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from .paths import Paths, inside

DANGEROUS = {
    "text/html",
    "text/html-sandboxed",
    "application/xhtml+xml",
    "text/javascript",
    "text/css",
    "image/svg+xml",
}
"""Types a browser would run; they are sent as plain bytes to download."""


class Files:
    """The two routes, over the runner's folders."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    async def view(self, request: web.Request) -> web.StreamResponse:
        """Send one file, or its preview (``preview=webp;90``) or a part of its channels (``channel=rgb|a``)."""
        query = request.query
        name = query.get("filename")
        if not name:
            return web.Response(status=404)
        root = self._paths.folder(query.get("type", "output"))
        if root is None or name[0] == "/" or ".." in name:
            return web.Response(status=400)
        path = inside(root, query.get("subfolder", ""), Path(name).name)
        if path is None:
            return web.Response(status=403)
        if not path.is_file():
            return web.Response(status=404)
        if "preview" in query or query.get("channel", "rgba") != "rgba":
            return await self._rendered(path, query.get("preview", ""), query.get("channel", "rgba"))
        return web.FileResponse(path, headers=_headers(path))

    async def _rendered(self, path: Path, preview: str, channel: str) -> web.Response:
        loop = asyncio.get_running_loop()
        try:
            body, kind = await loop.run_in_executor(None, _render, path, preview, channel)
        except (OSError, ValueError, SyntaxError):
            return web.Response(status=400)
        headers = {"Content-Disposition": _disposition(path), "X-Content-Type-Options": "nosniff"}
        return web.Response(body=body, content_type=kind, headers=headers)

    async def upload(self, request: web.Request) -> web.Response:
        """Keep an uploaded file. The same bytes under the same name are not kept twice; others get a new name."""
        try:
            form = await _read_form(request)
        except (ValueError, AssertionError):
            return web.Response(status=400)
        root = self._paths.folder(form.get("type") or "input")
        name = Path(form.get("filename", "")).name
        if root is None or "image" not in form or not name or name != form["filename"] or name in (".", ".."):
            return web.Response(status=400)
        folder = inside(root, form.get("subfolder", ""))
        if folder is None or inside(folder, name) is None:
            return web.Response(status=400)
        overwrite = form.get("overwrite") in ("true", "1")
        loop = asyncio.get_running_loop()
        kept = await loop.run_in_executor(None, _keep, folder, name, form["image"], overwrite)
        shown = {"name": kept, "subfolder": form.get("subfolder", ""), "type": form.get("type") or "input"}
        return web.json_response(shown)


def _disposition(path: Path) -> str:
    # A quote or a line break in a file's name would end the header early.
    plain = path.name.replace('"', "'").replace("\r", "").replace("\n", "")
    return f'filename="{plain}"'


def _headers(path: Path) -> dict[str, str]:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"X-Content-Type-Options": "nosniff", "Content-Type": kind, "Content-Disposition": _disposition(path)}
    if kind in DANGEROUS:
        headers["Content-Type"] = "application/octet-stream"
        headers["Content-Disposition"] = f"attachment; {_disposition(path)}"
    return headers


def _render(path: Path, preview: str, channel: str) -> tuple[bytes, str]:
    from PIL import Image

    with Image.open(path) as opened:
        picture: Image.Image = opened.convert("RGBA")
    if channel == "rgb":
        picture = picture.convert("RGB")
    elif channel == "a":
        alpha = picture.getchannel("A")
        picture = Image.new("RGBA", picture.size)
        picture.putalpha(alpha)
    kind, _, quality = preview.partition(";")
    buffer = io.BytesIO()
    if not preview:
        picture.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue(), "image/png"
    kind = kind if kind in ("webp", "jpeg") else "webp"
    flat = picture.convert("RGB") if kind == "jpeg" or channel == "rgb" else picture
    flat.save(buffer, kind.upper(), quality=int(quality) if quality.isdigit() else 90)
    return buffer.getvalue(), f"image/{kind}"


async def _read_form(request: web.Request) -> dict[str, Any]:
    """The multipart fields; the file under ``image`` as bytes, with its name under ``filename``."""
    found: dict[str, Any] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise ValueError("nested multipart")  # noqa: TRY004
        if part.name == "image":
            found["image"] = await _read_bounded(part, request.client_max_size)
            found["filename"] = part.filename or ""
        elif part.name:
            found[part.name] = (await _read_bounded(part, 64 * 1024)).decode()
    return found


async def _read_bounded(part: BodyPartReader, limit: int) -> bytes:
    """A part's bytes.

    Raises:
        HTTPRequestEntityTooLarge: it is longer than the limit.
    """
    taken = bytearray()
    while chunk := await part.read_chunk(256 * 1024):
        taken += chunk
        if len(taken) > limit:
            raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(taken))
    return bytes(taken)


def _keep(folder: Path, name: str, data: bytes, overwrite: bool) -> str:
    """Write the bytes whole or not at all; returns the name they are kept under."""
    folder.mkdir(parents=True, exist_ok=True)
    stem, suffix = Path(name).stem, Path(name).suffix
    digest, kept, count = hashlib.sha256(data).digest(), name, 1
    while not overwrite and (folder / kept).exists():
        if hashlib.sha256((folder / kept).read_bytes()).digest() == digest:
            return kept
        kept, count = f"{stem} ({count}){suffix}", count + 1
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".upload-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(draft).chmod(0o644)
        Path(draft).replace(folder / kept)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
    return kept
