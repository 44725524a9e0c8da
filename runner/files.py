"""Files out: ``/view``. Nothing outside the runner's folders is read."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import os
from pathlib import Path

from aiohttp import web

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
SMALL = 64 * 1024
_CONDITIONS = ("Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


class Files:
    """The route, over the runner's folders."""

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
        if not any(name in request.headers for name in _CONDITIONS) and (small := _small(path)) is not None:
            return small
        return web.FileResponse(path, headers=_headers(path))

    async def _rendered(self, path: Path, preview: str, channel: str) -> web.Response:
        loop = asyncio.get_running_loop()
        try:
            body, kind = await loop.run_in_executor(None, _render, path, preview, channel)
        except (OSError, ValueError, SyntaxError):
            return web.Response(status=400)
        headers = {"Content-Disposition": _disposition(path), "X-Content-Type-Options": "nosniff"}
        return web.Response(body=body, content_type=kind, headers=headers)


def _small(path: Path) -> web.Response | None:
    """A file that is read in less time than a thread takes to begin, in one piece with its headers, which are those of
    any other file; None for a larger one, and for one that cannot be read."""
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_size > SMALL:
                return None
            data = file.read()
    except OSError:
        return None
    response = web.Response(body=data, headers=_headers(path))
    response.last_modified = stat.st_mtime
    response.etag = f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
    response.headers["Accept-Ranges"] = "bytes"
    return response


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
