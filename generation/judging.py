"""Verdicts of a job: asked for once, written to its journal, and reused wherever the same thing is judged again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..clock import utc_now
from ..moderation.frames import may_move
from ..moderation.moderator import Moderator
from ..moderation.verdict import Verdict, image_digest, prompt_digest
from .context import JobContext
from .journal import Journal
from .pictures import MEDIA_TYPES, shown_as

AVIF = MEDIA_TYPES["AVIF"]
MOST_PIXELS = 100_000_000
"""The largest AVIF that is unpacked to be looked at; what gives images here has its own limit, by setting."""


@dataclass(frozen=True)
class Judge:
    """``moderators`` gives the moderator of a policy by its reference."""

    journal: Journal
    moderators: Callable[[str], Moderator]

    async def text(self, job: JobContext, text: str, negative: str = "") -> Verdict:
        """The verdict on a prompt; without any words it is "allowed", and nobody is asked.

        Raises ModerationUnavailable where the policy wants that.
        """
        moderator = self.moderators(job.policy)

        async def ask() -> Verdict:
            worded = bool(text.strip() or negative.strip())
            return await moderator.prompt(text, negative) if worded else _nothing_said(moderator, text, negative)

        return await self._judge(job, moderator, prompt_digest(text, negative), ask)

    async def image(self, job: JobContext, data: bytes, media_type: str) -> Verdict:
        """The verdict on an image. Raises ModerationUnavailable where the policy wants that."""
        moderator = self.moderators(job.policy)

        async def ask() -> Verdict:
            # Few services take an AVIF; of one that moves they are given its frames.
            if media_type != AVIF or may_move(data):
                return await moderator.image(data, media_type)
            shown = await asyncio.to_thread(shown_as, data, media_type, max_pixels=MOST_PIXELS)
            return (await moderator.image(*shown)).model_copy(update={"digest": image_digest(data)})

        return await self._judge(job, moderator, image_digest(data), ask)

    async def _judge(
        self, job: JobContext, moderator: Moderator, digest: str, ask: Callable[[], Awaitable[Verdict]]
    ) -> Verdict:
        known = await asyncio.to_thread(self.journal.verdict, job.job_id, digest, moderator.policy.ref)
        if known is not None:
            return known
        verdict = await ask()
        await asyncio.to_thread(self.journal.note, job.job_id, "verdict", verdict.model_dump(mode="json"))
        return verdict


def _nothing_said(moderator: Moderator, text: str, negative: str) -> Verdict:
    """Of a task that needs no words, such as an upscaling."""
    return Verdict(
        decision="allowed",
        subject="prompt",
        digest=prompt_digest(text, negative),
        checker="none",
        policy=moderator.policy.ref,
        explanation="There is no prompt to check.",
        at=utc_now(),
    )
