"""The delivery of a process that has an engine open: what it judges and signs, it judges and signs with that."""

from __future__ import annotations

import asyncio

from ...generation.context import JobContext
from ...generation.engine import Engine
from ...generation.sealing import PNG, Draft, Sealed, seal, sign_unjudged
from ...provenance.keys import trust_anchors
from ...provenance.sniffing import media_type as sniff
from ..execution.delivery import Delivery


def open_delivery(engine: Engine) -> Delivery:
    """Fetches, checks, and where a worker left that open, judges and signs."""

    async def judge_and_sign(context: JobContext, data: bytes, name: str) -> Sealed:
        await asyncio.to_thread(engine.journal.open_job, context)
        return await seal(engine, context, Draft(data=data, title=name, media_type=sniff(data) or PNG))

    async def sign(data: bytes, media_type: str, name: str) -> bytes:
        return await sign_unjudged(engine, Draft(data=data, title=name, media_type=media_type))

    settings = engine.settings
    return Delivery(max_pixels=settings.max_pixels, anchors_pem=trust_anchors(settings), seal=judge_and_sign, sign=sign)
