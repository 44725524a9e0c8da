"""OpenAI's image answers as a stream of server-sent events: previews first, then the image with its usage.

Wire facts: the official SDK 3.52.0 (``image_generation.*`` and ``image_edit.*`` events, ``partial_image`` and
``completed``) and OpenAI's guide: each preview costs 100 output tokens.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from .http import parsed
from .imagefile import is_whole
from .previews import tell

TOKENS = 100
"""Output tokens of one preview."""


class Events:
    """Events out of the bytes of a stream, however it was cut into chunks."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, chunk: bytes) -> list[dict[str, Any]]:
        """The events that are complete with this chunk."""
        *whole, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        return [event for block in whole if (event := _event(block)) is not None]


def previewing(count: int) -> Callable[[bytes], Awaitable[None]]:
    """What to do with each chunk of a stream of ``count`` previews."""
    events = Events()

    async def on_chunk(chunk: bytes) -> None:
        for event in events.add(chunk):
            if str(event.get("type")).endswith(".partial_image"):
                index = event.get("partial_image_index")
                if (data := _file(event)) and isinstance(index, int):
                    await tell(data, index + 1, count)

    return on_chunk


def gathered(body: bytes) -> dict[str, Any]:
    """The whole stream as the body that the same call without one has: ``data``, ``usage``, ``error``."""
    found: dict[str, Any] = {"data": []}
    for event in Events().add(body + b"\n\n"):
        if str(event.get("type")).endswith(".completed"):
            found["data"].append({"b64_json": event.get("b64_json")})
            found["usage"] = event.get("usage")
        elif isinstance(event.get("error"), dict):
            found["error"] = event["error"]
    return found


def _event(block: bytes) -> dict[str, Any] | None:
    lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
    try:
        event = parsed(b"\n".join(lines))
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _file(event: dict[str, Any]) -> bytes:
    text = event.get("b64_json")
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
    return data if is_whole(data) else b""
