"""The form of ``/openai/v1/images/edits``, read part by part: pictures go to the disk as they come."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web
from pydantic import ValidationError

from ...errors import InvalidInput, MalformedRequest, MintmarkError, RequestTooLarge
from ...storage.assets.uploads import Upload
from ..generations.openai_body import OpenAIEdit
from . import problems
from .call import Call
from .routing import Content

MOST_PARTS = 40
MOST_TEXT = 128 * 1024
_CHUNK = 256 * 1024
_WHOLE = ("n", "output_compression", "partial_images")
_FLAG = {"true": True, "false": False}
_BINARY = {"type": "string", "format": "binary"}

CONTENT = Content(
    media_types=("multipart/form-data",),
    schema={
        "type": "object",
        "required": ["image", "prompt"],
        "properties": {
            "image": {**_BINARY, "description": "The picture to change."},
            "mask": {**_BINARY, "description": "Transparent where the picture is to be repainted; as large as it."},
            "prompt": {"type": "string"},
            "model": {"type": "string"},
            "n": {"type": "integer"},
            "size": {"type": "string"},
        },
    },
)


@dataclass
class Form:
    """What came: ``pictures`` by field, each here by now, for the order of this job alone."""

    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    pictures: dict[str, Upload] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def body(self) -> OpenAIEdit:
        """The plain fields. Raises InvalidInput naming each that is wrong."""
        if "image" not in self.pictures:
            raise InvalidInput("image: there is none.", hint="Send the picture as a file.", field="image")
        try:
            return OpenAIEdit.model_validate({name: _typed(name, text) for name, text in self.texts.items()})
        except ValidationError as exc:
            raise problems.invalid(exc, OpenAIEdit) from exc


async def read_form(call: Call[Any, Any]) -> Form:
    """The form. Raises MalformedRequest, InvalidInput, NotAnImage, ImageTooLarge, RequestTooLarge."""
    form = Form()
    try:
        parts = await call.request.multipart()
        for _ in range(MOST_PARTS):
            part = await parts.next()
            if part is None:
                return form
            await _read(call, form, part)
    except (ValueError, AssertionError, web.RequestPayloadError, EOFError) as exc:
        raise MalformedRequest("The form cannot be read.", hint="Send multipart/form-data.") from exc
    raise RequestTooLarge(f"The form has more than {MOST_PARTS} parts.")


async def _read(call: Call[Any, Any], form: Form, part: Any) -> None:
    if not isinstance(part, BodyPartReader) or not part.name:
        raise MalformedRequest("A part of the form has no name.")
    name = part.name.removesuffix("[]")
    if name not in ("image", "mask"):
        form.texts[name] = await _text(name, part)
    elif name in form.pictures:
        raise InvalidInput(
            f"{name}: one picture is taken, and there are several.",
            hint="Make one picture of them, or use a workflow with more pictures.",
            field=name,
            allowed={"max_items": 1},
        )
    else:
        form.pictures[name] = await _picture(call, form.job_id, name, part)


async def _picture(call: Call[Any, Any], job_id: str, name: str, part: BodyPartReader) -> Upload:
    uploads, owner = call.service.uploads, call.caller.key_id or ""
    arriving = await call.block(uploads.begin)
    try:
        while chunk := await part.read_chunk(_CHUNK):
            await call.block(arriving.write, bytes(chunk))
        return await call.intake.pictures.keep(arriving, owner, job_id)
    except MintmarkError as exc:
        exc.data.setdefault("field", name)
        raise
    finally:
        await call.block(arriving.close)


async def _text(name: str, part: BodyPartReader) -> str:
    found = bytearray()
    while chunk := await part.read_chunk(8192):
        found += chunk
        if len(found) > MOST_TEXT:
            raise RequestTooLarge(f"{name[:80]}: it has more than {MOST_TEXT} bytes.", field=name[:80])
    text = found.decode("utf-8")
    if "\0" in text:
        raise InvalidInput(f"{name[:80]}: it holds a NUL character.", field=name[:80])
    return text


def _typed(name: str, text: str) -> Any:
    """A form knows texts alone."""
    if name in _WHOLE and text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10:
        return int(text)
    return _FLAG.get(text.lower(), text) if name == "stream" else text
