"""The delivery of a process that has an engine open: what it judges and signs, it judges and signs with that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...generation.applying import prompts_of
from ...generation.context import JobContext
from ...generation.engine import Engine
from ...generation.sealing import Draft, Sealed, seal, sign_unjudged
from ...moderation.verdict import CARRIED, WORST_LAST, Decision, Verdict
from ...provenance.signing import Signed
from ...provenance.trust import trust_of
from ...workflows.wording import Words
from ..execution.delivery import Delivery


def open_delivery(engine: Engine) -> Delivery:
    """Fetches, checks, and where a worker left that open, judges and signs."""

    async def judge_and_sign(context: JobContext, draft: Draft) -> Sealed:
        await asyncio.to_thread(engine.journal.open_job, context)
        return await seal(engine, context, draft)

    async def sign(draft: Draft) -> Signed:
        return await sign_unjudged(engine, draft)

    async def ask(context: JobContext, said: Sequence[Words]) -> list[Verdict]:
        await asyncio.to_thread(engine.journal.open_job, context)
        return [await engine.judge.text(context, *each) for each in said]

    async def look(context: JobContext, preview: tuple[bytes, str] | None) -> Decision:
        await asyncio.to_thread(engine.journal.open_job, context)
        said = [each for each in await asyncio.to_thread(prompts_of, engine, context) if each.subject == "prompt"]
        worst = max((each.decision for each in said if each.decision in CARRIED), key=WORST_LAST.index, default=None)
        if worst is not None or preview is None:
            return worst or "allowed"
        return (await engine.moderator(context.policy).image(*preview)).decision

    settings, anchors = engine.settings, trust_of(engine.settings)
    return Delivery(
        max_pixels=settings.max_pixels, anchors_pem=anchors, seal=judge_and_sign, sign=sign, ask=ask, look=look
    )
