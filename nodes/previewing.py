"""Previews of an image that is still being made, on the node that waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from comfy_api.latest import ComfyAPI

from .. import log
from ..errors import MintmarkError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..providers.previews import Show

logger = log.get("nodes.previews")


def on_node(engine: Engine, job: JobContext, node_id: str) -> Show:
    """Shows previews on this node, those alone that the policy lets be seen: what it would blur, keep for a person or
    block is not seen before either."""

    from ..moderation.verdict import SHOWN

    async def show(data: bytes | None, number: int, of: int) -> None:
        if data is None:
            await _said(number, of + 1, node_id)
            return
        try:
            picture, media_type = await asyncio.to_thread(_opened, data, engine.settings.max_pixels)
            verdict = await engine.moderator(job.policy).image(data, media_type)
        except MintmarkError as exc:
            logger.info("A preview is not shown: %s", exc, extra=log.action("preview_not_shown"))
            return
        if verdict.decision in SHOWN:
            await _said(number, of + 1, node_id, picture)

    return show


async def _said(number: int, of: int, node_id: str, picture: Image | None = None) -> None:
    from .host import ComfyHost, current

    # ComfyUI ends a node that says something after it was interrupted; the call itself must see to its end.
    host = current()
    if host.interrupted():
        return
    try:
        await ComfyAPI().execution.set_progress(number, of, node_id=node_id, preview_image=picture)
    except BaseException as exc:
        # Interrupted just then. Whoever hears of that takes it back, and the call would never hear of it.
        if not (isinstance(host, ComfyHost) and host.interrupted_again(exc)):
            raise


def _opened(data: bytes, max_pixels: int) -> tuple[Image, str]:
    from PIL import Image

    from ..generation.pictures import decode, inspect

    media_type, _, _ = inspect(data, max_pixels=max_pixels, what="The preview")
    return Image.fromarray(decode(data, max_pixels=max_pixels, what="The preview")[..., :3]), media_type
