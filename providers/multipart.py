"""A ``multipart/form-data`` body (RFC 7578) as bytes.

Written out here because the shape of the parts is part of a vendor's wire: plain fields carry no content type, exactly
as the official clients send them, which aiohttp's own form would add.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Part:
    """One field of a form; with a ``filename`` it is a file."""

    name: str
    data: bytes = field(repr=False)
    filename: str | None = None
    media_type: str | None = None


def encode(parts: Iterable[Part], boundary: str | None = None) -> tuple[str, bytes]:
    """The content type (with its boundary) and the body."""
    boundary = boundary or uuid.uuid4().hex
    chunks: list[bytes] = []
    for part in parts:
        chunks += [f"--{boundary}\r\n".encode(), _head(part), part.data, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(chunks)


def _head(part: Part) -> bytes:
    head = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename is not None:
        head += f'; filename="{_quoted(part.filename)}"'
    if part.media_type is not None:
        head += f"\r\nContent-Type: {part.media_type}"
    return f"{head}\r\n\r\n".encode()


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
