"""What the runners behind Hugging Face's router answer: an image, or the name of a call that goes on, and its end.

Facts: huggingface_hub 2.4.0 (what it reads of each answer) and the runners' own pages. The URLs that a runner gives for
asking again are on its own host and want its own key; through the router the same path is asked with Hugging Face's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from .. import log
from ..errors import BadAnswer, Charged
from .base import ResultImage
from .http import Reply
from .imagefile import is_whole, media_type
from .inline import image_at

_QUEUE = "?_subdomain=queue"
_WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS", "starting", "processing", "created", "pending"})
_FAILED = frozenset({"failed", "canceled", "aborted"})


@dataclass(frozen=True)
class Run:
    """A call that goes on, as last heard of."""

    id: str
    state: Literal["waiting", "done", "failed", "unknown"]
    poll: str = ""
    """Where it is asked about, below the router; with its submission only."""
    result: str = ""
    """Where its result is, if not in the answer that says that it is done."""
    images: tuple[ResultImage, ...] = ()
    error: str = ""


def run_of(route: str, reply: Reply) -> Run | None:
    """The call that an answer of this runner tells of, or None where it names none."""
    try:
        body = reply.json()
    except ValueError:
        return None
    if route == "fal-ai":
        return _fal_run(body)
    if route == "wavespeed":
        inside = body.get("data")
        body = inside if isinstance(inside, dict) else {}
    name, word = body.get("id"), body.get("status")
    if not (isinstance(name, str) and name and isinstance(word, str)):
        return None
    poll = f"replicate/v1/predictions/{name}"
    if route == "wavespeed":
        poll = f"wavespeed{_path(body.get('urls'), 'get')}"
    urls, flags = _urls(body.get("output") or body.get("outputs")), body.get("has_nsfw_contents")
    blackened = isinstance(flags, list) and True in flags
    return Run(
        id=name,
        # A finished prediction that was waited for may say "processing" with its output there.
        state="done" if urls and word == "processing" else _state(word),
        poll=poll,
        images=tuple(image_at(url, blocked=blackened) for url in urls),
        error=log.redact(str(body.get("error") or ""))[:300],
    )


def fal_images(reply: Reply) -> tuple[ResultImage, ...]:
    """The images of a result of fal's. Empty where there are none."""
    try:
        body = reply.json()
    except ValueError:
        return ()
    flags, seed, items = body.get("has_nsfw_concepts"), body.get("seed"), body.get("images")
    flags = flags if isinstance(flags, list) else []
    return tuple(
        image_at(
            item["url"],
            kind=str(item.get("content_type") or ""),
            seed=seed if isinstance(seed, int) else None,
            blocked=index < len(flags) and flags[index] is True,
        )
        for index, item in enumerate(items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(item.get("url"), str)
    )


def image_in(reply: Reply, request_id: str | None, microusd: int | None = None) -> ResultImage:
    """The image that an answer is, or holds as base64. Raises BadAnswer with the charge, where that is known."""
    kind = reply.headers.get("content-type", "")
    data: bytes | None = reply.body if kind.startswith("image/") else _decoded(reply)
    if data is not None and is_whole(data):
        return ResultImage(data=data, media_type=media_type(data) or "")
    if data is None:
        raise no_image("unknown", request_id)
    raise no_image("yes", request_id, microusd, file=data)


def no_image(
    charged: Charged, request_id: str | None, microusd: int | None = None, *, file: bytes | None = None
) -> BadAnswer:
    """An answer of success without an image; ``file`` is what came instead."""
    return BadAnswer(
        "Hugging Face's answer has no whole image.",
        provider="huggingface",
        charged=charged,
        microusd=microusd,
        status=200,
        request_id=request_id,
        file=file,
    )


def seconds_of(reply: Reply) -> float | None:
    """How long hf-inference computed, which is what it charges. (Seen on its other services; not on its page.)"""
    try:
        seconds = float(reply.headers.get("x-compute-time", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 3600 else None


def _state(word: str) -> Literal["waiting", "done", "failed", "unknown"]:
    if word in _WAITING:
        return "waiting"
    if word in _FAILED:
        return "failed"
    return "done" if word in ("COMPLETED", "succeeded", "completed") else "unknown"


def _fal_run(body: Mapping[str, Any]) -> Run | None:
    name, word = body.get("request_id"), body.get("status")
    if not (isinstance(name, str) and name and isinstance(word, str)):
        return None
    result = f"fal-ai{_path(body, 'response_url')}"
    error = body.get("error") or body.get("error_type")
    return Run(
        id=name,
        state="failed" if error else _state(word),
        poll=f"{result}/status{_QUEUE}",
        result=f"{result}{_QUEUE}",
        error=log.redact(str(error or ""))[:300],
    )


def _path(urls: Any, name: str) -> str:
    """The path of a runner's own URL."""
    url = urls.get(name) if isinstance(urls, Mapping) else None
    try:
        return urlsplit(url).path if isinstance(url, str) else ""
    except ValueError:
        return ""


def _urls(output: Any) -> tuple[str, ...]:
    found = output if isinstance(output, list) else [output]
    return tuple(one for one in found if isinstance(one, str) and one)


def _decoded(reply: Reply) -> bytes | None:
    try:
        return base64.b64decode(reply.json()["data"][0]["b64_json"], validate=True)
    except (ValueError, KeyError, TypeError, IndexError):
        return None
