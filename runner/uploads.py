"""Files in: ``/upload/image`` and ``/upload/mask``. Nothing outside the runner's folders is written."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from .paths import Paths, inside


@dataclass(frozen=True)
class Upload:
    """What was sent, with a place for it that is inside the folders."""

    folder: Path
    name: str
    data: bytes
    overwrite: bool
    subfolder: str
    kind: str
    original: str

    def told(self, kept: str) -> dict[str, str]:
        return {"name": kept, "subfolder": self.subfolder, "type": self.kind}


class Uploads:
    """The two routes, over the runner's folders. What is wrong with an upload is answered with 400."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    async def image(self, request: web.Request) -> web.Response:
        """Keep an uploaded file. The same bytes under the same name are not kept twice; others get a new name."""
        upload = await self._upload(request)
        if upload is None:
            return web.Response(status=400)
        kept = await _in_thread(_keep, upload, upload.data)
        return web.json_response(upload.told(kept))

    async def mask(self, request: web.Request) -> web.Response:
        """Keep the picture that ``original_ref`` names with the alpha of the uploaded one, as a new PNG.

        A reference that leads nowhere is refused, where ComfyUI answers 200 and writes nothing.
        """
        upload = await self._upload(request)
        original = self._original(upload.original) if upload is not None else None
        if upload is None or original is None:
            return web.Response(status=400)
        try:
            data = await _in_thread(masked, original, upload.data)
        except (OSError, ValueError, SyntaxError):
            return web.Response(status=400)
        kept = await _in_thread(_keep, upload, data)
        return web.json_response(upload.told(kept))

    async def _upload(self, request: web.Request) -> Upload | None:
        """The upload in a form, or None where there is none that may be kept."""
        try:
            form = await _read_form(request)
        except (ValueError, AssertionError):
            return None
        kind, subfolder = form.get("type") or "input", form.get("subfolder", "")
        root, name = self._paths.folder(kind), Path(form.get("filename", "")).name
        if root is None or "image" not in form or not name or name != form["filename"] or name in (".", ".."):
            return None
        folder = inside(root, subfolder)
        if folder is None or inside(folder, name) is None:
            return None
        overwrite = form.get("overwrite") in ("true", "1")
        return Upload(folder, name, form["image"], overwrite, subfolder, kind, form.get("original_ref", ""))

    def _original(self, reference: str) -> Path | None:
        """The file of a reference ``{filename, subfolder, type}``; as in ComfyUI its type is output unless told."""
        try:
            told = json.loads(reference)
        except ValueError:
            return None
        if not isinstance(told, dict):
            return None
        name, subfolder, kind = (told.get(each) or "" for each in ("filename", "subfolder", "type"))
        root = self._paths.folder(kind or "output") if isinstance(kind, str) else None
        if root is None or not name or not isinstance(name, str) or not isinstance(subfolder, str):
            return None
        path = inside(root, subfolder, name)
        return path if path is not None and path.is_file() else None


async def _in_thread(work: Any, *values: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work, *values)


def masked(original: Path, mask: bytes) -> bytes:
    """The picture with the mask's alpha, as a PNG with the text that was in the picture.

    Raises:
        OSError, ValueError, SyntaxError: one of the two is no picture, or their sizes differ.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    with Image.open(original) as opened:
        texts = {name: value for name, value in opened.info.items() if isinstance(value, str)}
        picture = opened.convert("RGBA")
    with Image.open(io.BytesIO(mask)) as opened:
        picture.putalpha(opened.convert("RGBA").getchannel("A"))
    info = PngInfo()
    for name, value in texts.items():
        info.add_text(name, value)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue()


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


def _keep(upload: Upload, data: bytes) -> str:
    """Write the bytes whole or not at all; returns the name they are kept under."""
    folder, name = upload.folder, upload.name
    folder.mkdir(parents=True, exist_ok=True)
    stem, suffix = Path(name).stem, Path(name).suffix
    digest, kept, count = hashlib.sha256(data).digest(), name, 1
    while not upload.overwrite and (folder / kept).exists():
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
