"""OpenAI's image answers, from a request that is in order: drawn, encoded, as one body or as a stream of events."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

from . import picture
from .brush import Canvas
from .faults import Kind
from .openai_request import Asked


class Weather(Protocol):
    """Whether a fault is met: a request's exchange knows, and a batch's line meets none."""

    def meets(self, kind: Kind) -> bool: ...


class Calm:
    """No fault at all."""

    def meets(self, kind: Kind) -> bool:
        """Never."""
        return False


def drawn(asked: Asked, seed: int) -> list[Canvas]:
    """The pictures that are asked for; ``seed`` is the sandbox's own, as a request has none."""
    width, height = asked.size
    made: list[Canvas] = []
    for index in range(asked.n):
        if asked.sources:
            canvas = picture.edit(asked.sources, asked.prompt, width, height, seed, index, asked.where)
        else:
            canvas = picture.draw(asked.prompt, width, height, seed, index)
        made.append(picture.cut_out(canvas) if asked.background == "transparent" else canvas)
    return made


def body_of(weather: Weather, asked: Asked, canvases: list[Canvas], usage: dict[str, Any] | None, event: str) -> bytes:
    """The whole answer: JSON, or server-sent events where a stream is asked for (each named ``event`` and what it is).

    Without ``usage`` it tells of none.
    """
    make = _events if asked.stream else _images
    return make(weather, asked, canvases, {"usage": usage} if usage else {}, event)


async def paced(events: bytes, latency_s: float) -> AsyncIterator[bytes]:
    """The events one by one, the last of them after the latency."""
    every = events.split(b"\n\n")[:-1]
    for event in every:
        await asyncio.sleep(latency_s / len(every))
        yield event + b"\n\n"


def _images(weather: Weather, asked: Asked, canvases: list[Canvas], usage: dict[str, Any], _event: str) -> bytes:
    data = [{"b64_json": _encoded(weather, asked, canvas)} for canvas in canvases]
    return json.dumps({"created": int(time.time()), **_told(asked), "data": data, **usage}).encode()


def _events(weather: Weather, asked: Asked, canvases: list[Canvas], usage: dict[str, Any], event: str) -> bytes:
    """Server-sent events: partial images (in ever smaller squares), then one completed event an image."""
    created = int(time.time())
    found: list[dict[str, Any]] = []
    for index in range(asked.partial_images):
        rough = _encoded(weather, asked, picture.coarse(canvases[0], 12 << index))
        found.append({"type": f"{event}.partial_image", "b64_json": rough, "partial_image_index": index})
    for canvas in canvases:
        image = _encoded(weather, asked, canvas)
        found.append({"type": f"{event}.completed", "b64_json": image, **usage})
    told = {"created_at": created, **_told(asked)}
    return b"".join(f"event: {one['type']}\ndata: {json.dumps({**one, **told})}\n\n".encode() for one in found)


def _encoded(weather: Weather, asked: Asked, canvas: Canvas) -> str:
    data = picture.pack(canvas, asked.output_format, asked.compression)
    if weather.meets("corrupt_image"):
        data = picture.corrupted(data)
    return base64.b64encode(data).decode()


def _told(asked: Asked) -> dict[str, Any]:
    """What every answer repeats of the request, as it was understood."""
    told: dict[str, Any] = {
        "background": asked.background,
        "output_format": asked.output_format,
        "quality": asked.quality,
        "size": f"{asked.size[0]}x{asked.size[1]}",
    }
    if asked.safety_identifier:
        told["safety_identifier"] = asked.safety_identifier
    return told
