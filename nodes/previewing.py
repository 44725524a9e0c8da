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
    """Shows previews on this node, those alone that the policy allows: nobody sees what was not checked."""

    async def show(data: bytes | None, number: int, of: int) -> None:
        from .host import current

        if data is None:
            if not current().interrupted():
                await ComfyAPI().execution.set_progress(number, of + 1, node_id=node_id)
            return
        try:
            picture, media_type = await asyncio.to_thread(_opened, data, engine.settings.max_pixels)
            verdict = await engine.moderator(job.policy).image(data, media_type)
        except MintmarkError as exc:
            logger.info("A preview is not shown: %s", exc, extra=log.action("preview_not_shown"))
            return
        # ComfyUI ends a node that says something after it was interrupted; the call itself must see to its end.
        if verdict.decision == "allowed" and not current().interrupted():
            await ComfyAPI().execution.set_progress(number, of + 1, node_id=node_id, preview_image=picture)

    return show


def _opened(data: bytes, max_pixels: int) -> tuple[Image, str]:
    from PIL import Image

    from ..generation.pictures import decode, inspect

    media_type, _, _ = inspect(data, max_pixels=max_pixels, what="The preview")
    return Image.fromarray(decode(data, max_pixels=max_pixels, what="The preview")[..., :3]), media_type
