"""Asks the checkers a policy names and lets the policy decide; then the house rules have their say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from .. import log
from ..clock import Clock, utc_now
from ..errors import MintmarkError, MissingKey, ModerationUnavailable, ProviderError
from . import explain
from .base import Checker, Outcome, Scores
from .decision import decide
from .frames import frames_of, may_move, worst_of
from .house import NO_HOUSE, House, merged
from .policy import Policy
from .rules import RulesChecker
from .verdict import Shadow, Subject, Verdict, image_digest, prompt_digest

_log = log.get("moderation")

_Question = Callable[[Checker], Awaitable[Scores]]
Alike = Callable[[bytes, Collection[str]], bool]
"""Whether an encoded image looks like one of these looks."""


@dataclass(frozen=True)
class Examined:
    """A verdict and what led to it, for who wants it explained."""

    verdict: Verdict
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class _Subject:
    """What is judged, as far as deciding needs it."""

    kind: Subject
    digest: str
    stopped: str | None
    """The rule of the house by which it is stopped unasked."""
    let_through: bool
    """Whether the house lets it through."""


class Moderator:
    """Judges prompts and images under one policy, and one set of house rules.

    ``checkers`` holds those that are set up, by name; one that the policy names and that is missing there counts as
    not configured, which is no failure. The local rules are always there, as no policy can do without them. ``shadow``
    is a policy on trial: its decision stands in the verdict beside the real one. Safe to use concurrently; the checkers
    stay the caller's to close.
    """

    house: House
    """The house rules it holds."""

    def __init__(
        self,
        policy: Policy,
        checkers: Mapping[str, Checker],
        clock: Clock = utc_now,
        *,
        house: House = NO_HOUSE,
        shadow: Policy | None = None,
        alike: Alike = lambda _data, _looks: False,
    ) -> None:
        self.policy = policy
        self._checkers: dict[str, Checker] = {RulesChecker.name: RulesChecker(), **checkers}
        self._clock = clock
        self.house = house
        self._shadow = shadow if shadow is not None and shadow != policy else None
        self._alike = alike

    @property
    def set_up(self) -> frozenset[str]:
        """The checkers that can be asked here."""
        return frozenset(self._checkers)

    async def prompt(self, text: str, negative: str = "") -> Verdict:
        """The verdict on a prompt and what it wants left out.

        Raises :class:`InvalidInput` when a text is too long to be judged, and :class:`ModerationUnavailable` when a
        checker failed that the policy does not do without.
        """
        return (await self.examine_prompt(text, negative)).verdict

    async def image(self, data: bytes, media_type: str) -> Verdict:
        """The verdict on an encoded image; its digest is that of the bytes as given.

        Raises as :meth:`prompt` does; an image no checker could look at is judged by the policy's ``image_unchecked``.
        """
        return (await self.examine_image(data, media_type)).verdict

    async def examine_prompt(self, text: str, negative: str = "") -> Examined:
        """As :meth:`prompt`, with what each checker said."""
        unread = self.house.unread(text)

        async def ask(checker: Checker) -> Scores:
            found = await checker.check_text(text, negative)
            if checker.name != RulesChecker.name or unread == text:
                return found
            return merged(found, await checker.check_text(unread, negative))

        digest = prompt_digest(text, negative)
        stopped, passes = self.house.stopped_text(text, digest), digest in self.house.allow.prompts
        return await self._judge(_Subject("prompt", digest, stopped, passes), ask)

    async def examine_image(self, data: bytes, media_type: str) -> Examined:
        """As :meth:`image`, with what each checker said: of a moving image, the worst of its frames."""
        moves = may_move(data)
        frames = await asyncio.to_thread(frames_of, data, media_type) if moves else frames_of(data, media_type)

        async def ask(checker: Checker) -> Scores:
            return worst_of([await checker.check_image(*frame) for frame in frames.shown])

        looked = bool(self.house.block.looks or self.house.allow.looks)
        known = partial(self._known, image_digest(data), [frame for frame, _ in frames.shown])
        found = await self._judge(await asyncio.to_thread(known) if looked else known(), ask)
        if not frames.told:
            return found
        told = found.verdict.model_copy(update={"explanation": found.verdict.explanation + frames.told})
        return replace(found, verdict=told)

    def _known(self, digest: str, frames: Sequence[bytes]) -> _Subject:
        """What the house rules know of an image: one frame stops it, and all of them let it through. Blocks where they
        list looks."""
        house = self.house
        stopped = house.stopped_image(digest, lambda looks: any(self._alike(frame, looks) for frame in frames))
        passes = house.lets_through("image", digest, lambda looks: all(self._alike(frame, looks) for frame in frames))
        return _Subject("image", digest, stopped, not stopped and passes)

    async def _judge(self, subject: _Subject, ask: _Question) -> Examined:
        found = self._stopped(subject) if subject.stopped else await self._ask_all(subject, ask)
        verdict = found.verdict
        _log.info(
            "%s %s by %s",
            subject.kind,
            verdict.decision,
            verdict.rule,
            extra=log.action("moderated", digest=subject.digest, decision=verdict.decision, policy=verdict.policy),
        )
        return found

    def _stopped(self, subject: _Subject) -> Examined:
        """Nobody is asked about what the house rules stop: that could only spread it."""
        verdict = Verdict(
            decision="blocked",
            subject=subject.kind,
            digest=subject.digest,
            rule=subject.stopped or "",
            checker="house",
            policy=self.policy.ref,
            explanation=explain.house(subject.kind),
            at=self._clock(),
        )
        return Examined(verdict, ())

    async def _ask_all(self, subject: _Subject, ask: _Question) -> Examined:
        names = self.policy.checkers(subject.kind)
        more = self._shadow.checkers(subject.kind) if self._shadow else ()
        every = list(dict.fromkeys((*names, *more)))
        local = [name for name in every if name in self._checkers and self._checkers[name].local]
        known = {name: await self._outcome(name, subject.kind, ask, name in names) for name in local}
        answered = [known[name] for name in local if name in names and known[name].scores is not None]
        verdict = decide(self.policy, subject.kind, subject.digest, answered, self._clock())
        # What is blocked here is shown to no service: that could only add to the scores, and spread the text.
        if verdict.decision != "blocked":
            others = [name for name in every if name not in local]
            asked = await _gather([self._outcome(name, subject.kind, ask, name in names) for name in others])
            known.update(zip(others, asked, strict=True))
            verdict = decide(self.policy, subject.kind, subject.digest, _of(known, names), self._clock())
        shadow = self._overshadowed(subject, [known[name] for name in more if name in known])
        if subject.let_through:
            verdict = self.house.lifted(verdict)
        return Examined(verdict.model_copy(update={"shadow": shadow}), tuple(_of(known, names)))

    def _overshadowed(self, subject: _Subject, outcomes: Sequence[Outcome]) -> Shadow | None:
        """What the policy on trial makes of the same answers. It never gets in the way of the real one."""
        if self._shadow is None:
            return None
        try:
            would = decide(self._shadow, subject.kind, subject.digest, outcomes, self._clock())
        except ModerationUnavailable as exc:
            rule = f"unavailable/{exc.data.get('checker', 'all')}"
            return Shadow(policy=self._shadow.ref, decision="blocked", rule=rule)
        if subject.let_through:
            would = self.house.lifted(would)
        return Shadow(policy=would.policy, decision=would.decision, rule=would.rule, categories=would.categories)

    async def _outcome(self, name: str, subject: Subject, ask: _Question, needed: bool) -> Outcome:
        """``needed``: the real policy asks it, too; what only a policy on trial asks may fail in any way."""
        checker = self._checkers.get(name)
        if checker is None or subject not in checker.subjects:
            return Outcome(name, problem="not_configured")
        try:
            return Outcome(name, await ask(checker))
        except MissingKey:
            return Outcome(name, problem="not_configured")
        except MintmarkError as error:
            if needed and not isinstance(error, ProviderError):
                raise
            # The code alone: a provider's message may quote what it was asked about.
            _log.warning("%s gave no scores: %s", name, error.code, extra=log.action("checker_failed", checker=name))
            return Outcome(name, problem="failed")


def _of(known: Mapping[str, Outcome], names: Sequence[str]) -> list[Outcome]:
    return [known[name] for name in names if name in known]


async def _gather(questions: Sequence[Awaitable[Outcome]]) -> list[Outcome]:
    """All answers; where one raises, it does so after the others have ended, so that none is left running."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    outcomes: list[Outcome] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        outcomes.append(answer)
    return outcomes
