"""Asks the checkers a policy names and lets the policy decide."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from .. import log
from ..clock import Clock, utc_now
from ..errors import MissingKey, ProviderError
from .base import Checker, Outcome, Scores
from .decision import decide
from .policy import Policy
from .rules import RulesChecker
from .verdict import Subject, Verdict, image_digest, prompt_digest

_log = log.get("moderation")

_Question = Callable[[Checker], Awaitable[Scores]]


class Moderator:
    """Judges prompts and images under one policy.

    ``checkers`` holds those that are set up, by name; one that the policy names and that is missing there counts as
    not configured, which is no failure. The local rules are always there, as no policy can do without them. Safe to use
    concurrently; the checkers stay the caller's to close.
    """

    def __init__(self, policy: Policy, checkers: Mapping[str, Checker], clock: Clock = utc_now) -> None:
        self.policy = policy
        self._checkers: dict[str, Checker] = {RulesChecker.name: RulesChecker(), **checkers}
        self._clock = clock

    async def prompt(self, text: str, negative: str = "") -> Verdict:
        """The verdict on a prompt and what it wants left out.

        Raises :class:`InvalidInput` when a text is too long to be judged, and :class:`ModerationUnavailable` when a
        checker failed that the policy does not do without.
        """

        async def ask(checker: Checker) -> Scores:
            return await checker.check_text(text, negative)

        return await self._judge("prompt", prompt_digest(text, negative), ask)

    async def image(self, data: bytes, media_type: str) -> Verdict:
        """The verdict on an encoded image; its digest is that of the bytes as given.

        Raises as :meth:`prompt` does; an image no checker could look at is judged by the policy's ``image_unchecked``.
        """

        async def ask(checker: Checker) -> Scores:
            return await checker.check_image(data, media_type)

        return await self._judge("image", image_digest(data), ask)

    async def _judge(self, subject: Subject, digest: str, ask: _Question) -> Verdict:
        verdict = await self._ask_all(subject, digest, ask)
        _log.info(
            "%s %s by %s",
            subject,
            verdict.decision,
            verdict.rule,
            extra=log.action("moderated", digest=digest, decision=verdict.decision, policy=verdict.policy),
        )
        return verdict

    async def _ask_all(self, subject: Subject, digest: str, ask: _Question) -> Verdict:
        names = self.policy.checkers(subject)
        local = [name for name in names if name in self._checkers and self._checkers[name].local]
        outcomes = [await self._outcome(name, subject, ask) for name in local]
        answered = [outcome for outcome in outcomes if outcome.scores is not None]
        verdict = decide(self.policy, subject, digest, answered, self._clock())
        # What is blocked here is shown to no service: that could only add to the scores, and spread the text.
        if verdict.decision == "blocked":
            return verdict
        others = [name for name in names if name not in local]
        outcomes += await _gather([self._outcome(name, subject, ask) for name in others])
        return decide(self.policy, subject, digest, outcomes, self._clock())

    async def _outcome(self, name: str, subject: Subject, ask: _Question) -> Outcome:
        checker = self._checkers.get(name)
        if checker is None or subject not in checker.subjects:
            return Outcome(name, problem="not_configured")
        try:
            return Outcome(name, await ask(checker))
        except MissingKey:
            return Outcome(name, problem="not_configured")
        except ProviderError as error:
            # The code alone: a provider's message may quote what it was asked about.
            _log.warning("%s gave no scores: %s", name, error.code, extra=log.action("checker_failed", checker=name))
            return Outcome(name, problem="failed")


async def _gather(questions: Sequence[Awaitable[Outcome]]) -> list[Outcome]:
    """All answers; where one raises, it does so after the others have ended, so that none is left running."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    outcomes: list[Outcome] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        outcomes.append(answer)
    return outcomes
