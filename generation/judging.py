"""Verdicts of a job: asked for once, written to its journal, and reused wherever the same thing is judged again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..moderation.moderator import Moderator
from ..moderation.verdict import Verdict, image_digest, prompt_digest
from .context import JobContext
from .journal import Journal


@dataclass(frozen=True)
class Judge:
    """``moderators`` gives the moderator of a policy by its reference."""

    journal: Journal
    moderators: Callable[[str], Moderator]

    async def text(self, job: JobContext, text: str, negative: str = "") -> Verdict:
        """The verdict on a prompt. Raises ModerationUnavailable where the policy wants that."""
        moderator = self.moderators(job.policy)
        return await self._judge(
            job, moderator, prompt_digest(text, negative), lambda: moderator.prompt(text, negative)
        )

    async def image(self, job: JobContext, data: bytes, media_type: str) -> Verdict:
        """The verdict on an image. Raises ModerationUnavailable where the policy wants that."""
        moderator = self.moderators(job.policy)
        return await self._judge(job, moderator, image_digest(data), lambda: moderator.image(data, media_type))

    async def _judge(
        self, job: JobContext, moderator: Moderator, digest: str, ask: Callable[[], Awaitable[Verdict]]
    ) -> Verdict:
        known = await asyncio.to_thread(self.journal.verdict, job.job_id, digest, moderator.policy.ref)
        if known is not None:
            return known
        verdict = await ask()
        await asyncio.to_thread(self.journal.note, job.job_id, "verdict", verdict.model_dump(mode="json"))
        return verdict
