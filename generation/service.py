"""The service every hosted call goes through: check, price, hold, write down, ask, settle, check again, record.

Nothing here knows a vendor's wire, a database or ComfyUI. What must hold, whatever dies in between:

- Nothing is asked before the journal says that it is about to be, and money is set aside for it.
- A call whose outcome is not surely a failure is never asked again (``on_unknown: strict``).
- Whatever was charged is settled, also where the image is then blocked, damaged or lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from .. import log
from ..clock import utc_now
from ..config import Settings
from ..errors import (
    BadAnswer,
    ChargeUnknown,
    ImageTooLarge,
    MintmarkError,
    NotAnImage,
    ProviderBlocked,
    StorageError,
    UnsupportedTask,
)
from ..metering.prices import quote
from ..moderation.verdict import Verdict, carried
from ..providers.base import Prepared, Provider
from ..providers.local_name import is_local
from ..providers.model import Model
from ..providers.models import Catalog
from ..providers.request import Delivery, GenerationRequest
from ..providers.retiring import warning_of
from ..storage.spool import Spool
from .apps import Apps, is_app
from .blurring import blurred_picture
from .books import LocalBooks
from .call import DELIVERY, Call, NewCall, call_key
from .caller import Caller
from .context import JobContext
from .gathering import Failed, Hopeless, Part, Slot, each_or_why, missing, slots
from .journal import Journal
from .judging import Judge
from .local_models import LocalModels
from .pictures import describe
from .record import Output, Record
from .recording import Facts, recorded, seed_of
from .results import Asked, Image
from .source import Source
from .surely import surely
from .wording import words_of

logger = log.get("generation")
Ask = Callable[[Call], Awaitable[Asked]]
"""Makes a call that was held."""
FILTERED = "the provider's own filter withheld it."


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One delivered image: the provider's own bytes, untouched (or, by policy, blurred), and their facts."""

    data: bytes = field(repr=False)
    output: Output
    original: bytes | None = field(default=None, repr=False)
    """Where policy had it blurred: what the provider sent, without its credential. For credentials, not for eyes."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What a generation gives: pictures in the order they were asked for, and how they were made."""

    pictures: tuple[Picture, ...]
    record: Record
    sources: tuple[Source, ...] = ()
    """Files that were fed to the model, with their own credentials: the results' credentials name them."""


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What may be seen of what was made."""

    pictures: tuple[Picture, ...]
    verdicts: list[Verdict]
    """On all that were made, but for those that no checker could look at."""
    withheld: int
    notes: tuple[str, ...]
    """Which images are missing, and why."""


@dataclass(frozen=True, kw_only=True)
class GenerationService:
    """Its parts are given to it; it opens and closes nothing."""

    settings: Settings
    catalog: Catalog
    journal: Journal
    books: LocalBooks
    caller: Caller
    spool: Spool
    judge: Judge
    pack_version: str
    apps: Apps | None = None
    """Where apps that are in no catalog are learned; None: they are unknown."""
    own: LocalModels | None = None
    """The checkpoints of this machine; None: there are none."""
    now: Callable[[], datetime] = utc_now

    async def generate(
        self, request: GenerationRequest, job: JobContext, node_id: str, *, more: Sequence[GenerationRequest] = ()
    ) -> Generated:
        """Make the images of ``request`` for ``job``; of ``more``, too, which differ from it in images and mask alone.

        All of it is held before the first call is asked. What comes back is in order; where a part of it cannot be
        had, the rest comes all the same, and the record says what is missing and why. Where nothing is left, raises
        the first reason.

        Raises PromptBlocked and OutputBlocked, UnknownModel, ModelRetired, PriceUnknown, UnsupportedTask, InvalidInput,
        AllowanceExhausted, BudgetExceeded, and ProviderError with what is known of the charge.
        """
        started = time.monotonic()
        model = (await self._model(request)).by(job.delivery, request.task)
        provider = self.caller.provider(model.provider)
        asked = (request, *more)
        several = [(each, of) for of, whole in enumerate(asked) for each in split(whole, model.max_count)]
        # Images may have to be converted for the vendor, which takes a while; words alone do not.
        prepare = partial(self._prepared, provider, model, [each for each, _ in several], job.delivery)
        ready = await asyncio.to_thread(prepare) if request.images else prepare()
        parts = [Part(request=each, prepared=one, of=of) for (each, of), one in zip(several, ready, strict=True)]
        verdicts = [await self._moderate_prompt(model, request, job)]
        calls = await self._calls(provider, parts, job, node_id)
        given = await self._deliver(slots(parts, calls), job, model, verdicts)
        facts = Facts(
            asked=asked,
            model=model,
            prepared=ready[0],
            calls=calls,
            outputs=tuple(picture.output for picture in given.pictures),
            verdicts=[*verdicts, *given.verdicts],
            withheld=given.withheld,
            notes=given.notes,
            job=job,
            node_id=node_id,
            made_at=self.now(),
            elapsed_ms=round((time.monotonic() - started) * 1000),
            pack_version=self.pack_version,
        )
        return Generated(pictures=given.pictures, record=await asyncio.to_thread(recorded, facts, self.journal))

    async def _model(self, request: GenerationRequest) -> Model:
        if self.own is not None and is_local(request.model):
            self.catalog.learn(await self.own.model(request.model))
        elif self.apps is not None and is_app(request.model):
            self.catalog.learn(await self.apps.model(request.model))
        model = self.catalog.get(request.model, self.now().date())
        if request.task not in model.tasks:
            raise UnsupportedTask(
                f"{model.name} cannot do {request.task}; it can do {', '.join(model.tasks)}.",
                hint="Choose another model: mintmark models list --task " + request.task,
            )
        if warning := warning_of(model, self.now().date()):
            logger.warning("%s", warning, extra=log.action("model_retires", model=model.name))
        return model

    def _prepared(
        self, provider: Provider, model: Model, parts: list[GenerationRequest], delivery: Delivery
    ) -> list[Prepared]:
        """Raises ImageTooLarge where it is known that a result could not be taken in: it would be paid in vain."""
        ready = [_delivered(provider.prepare(model, part), delivery) for part in parts]
        limit = self.settings.max_pixels
        most = max(each.quantities.megapixels or 0 for each in ready)
        if most * 1_000_000 > limit:
            raise ImageTooLarge(
                f"The result would have {most:.1f} megapixels, more than {limit / 1_000_000:g}.",
                hint="Ask for a smaller one, or raise MINTMARK_MAX_PIXELS.",
            )
        return ready

    async def _moderate_prompt(self, model: Model, request: GenerationRequest, job: JobContext) -> Verdict:
        verdict = await self.judge.text(job, words_of(model, request), request.negative_prompt)
        if verdict.decision == "blocked":
            raise verdict.error()
        return verdict

    async def _calls(
        self, provider: Provider, parts: list[Part], job: JobContext, node_id: str
    ) -> list[Asked | Failed]:
        """All calls of a request. All are held before the first is asked: a half of what was wanted is paid in vain."""
        news = [self._new(part, job, node_id, index) for index, part in enumerate(parts)]
        hopeless = Hopeless()
        with self.caller.making(news):
            try:
                held = [await surely(self.books.hold, new, job) for new in news]
                ended = await each_or_why(
                    self._tried(provider, part, job, new, call, hopeless)
                    for part, new, call in zip(parts, news, held, strict=True)
                )
            except BaseException:
                await surely(self._give_back, news)
                raise
            calls = [
                Failed(call_id=call.call_id, error=end) if isinstance(end, MintmarkError) else end
                for call, end in zip(held, ended, strict=True)
            ]
            if lost := [new for new, call in zip(news, calls, strict=True) if isinstance(call, Failed)]:
                await surely(self._give_back, lost)
            return calls

    def _new(self, part: Part, job: JobContext, node_id: str, index: int) -> NewCall:
        ready, digest = part.prepared, part.request.digest()
        return NewCall(
            call_id=str(uuid.uuid4()),
            job_id=job.job_id,
            key=call_key(job.job_id, node_id, digest, index),
            node_id=node_id,
            provider=ready.model.provider,
            model=part.request.model,
            request_digest=digest,
            parameters=ready.parameters,
            hold_microusd=self._price(ready),
        )

    async def _tried(
        self, provider: Provider, part: Part, job: JobContext, new: NewCall, call: Call, hopeless: Hopeless
    ) -> Asked:
        ask = partial(self.caller.ask, provider, part.prepared, hopeless=partial(hopeless.why, part))
        try:
            return await self._call(provider, ask, job, new, call)
        except MintmarkError as exc:
            hopeless.learn(part, exc)
            raise

    async def _call(self, provider: Provider, ask: Ask, job: JobContext, new: NewCall, call: Call) -> Asked:
        try:
            return await self._outcome(provider, ask, job, new, call)
        except ChargeUnknown:
            if job.on_unknown == "strict":
                raise
        # The policy is to deliver even if that may mean paying twice; the doubtful call keeps its hold.
        logger.warning("A call to %s may have been charged; asking again", new.model, extra=log.action("ask_again"))
        again = new.model_copy(update={"call_id": str(uuid.uuid4())})
        with self.caller.making([again]):
            try:
                await surely(self.journal.forget_unknown, new.key)
                return await self._outcome(provider, ask, job, again, await surely(self.books.hold, again, job))
            except BaseException:
                await surely(self._give_back, [again])
                raise

    async def _outcome(self, provider: Provider, ask: Ask, job: JobContext, new: NewCall, call: Call) -> Asked:
        """Ask what was held; where an earlier attempt is alive, or a twin is at it, wait for that one instead."""
        while call.call_id != new.call_id:
            if (asked := await self.caller.join(provider, call)) is not None:
                return asked
            call = await surely(self.books.hold, new, job)
        return await ask(call)

    def _price(self, prepared: Prepared) -> int:
        price = self.catalog.price_of(prepared.model, allow_unknown=self.settings.allow_unknown_price)
        return quote(price, prepared.quantities, prepared.parameters).at_most_microusd if price else 0

    def _give_back(self, news: Iterable[NewCall]) -> None:
        """Release what was held and never asked."""
        for new in news:
            try:
                self.journal.drop(new.call_id, "never asked")
            except StorageError as exc:
                # It stays held until the next start, which releases it; the error that led here matters more.
                logger.warning("Call %s stays held: %s", new.call_id, exc, extra=log.action("drop_failed"))

    async def _deliver(self, every: list[Slot], job: JobContext, model: Model, prompts: Sequence[Verdict]) -> Delivered:
        """The pictures that may be seen, and what is said of the others. Raises where there are none."""
        taken = await asyncio.to_thread(lambda: {slot.number: self._picture(slot) for slot in every})
        found = {number: one for number, one in taken.items() if isinstance(one, Picture)}
        own = await each_or_why(self.judge.image(job, p.data, p.output.media_type) for p in found.values())
        ends = dict(zip(found, own, strict=True))
        judged = {number: carried(prompts, end) for number, end in ends.items() if isinstance(end, Verdict)}
        show = partial(self._shown, [(found[number], verdict) for number, verdict in judged.items()])
        blurs = any(verdict.decision == "blurred" for verdict in judged.values())
        shown = await asyncio.to_thread(show) if blurs else show()
        why = {number: one for number, one in (taken | ends).items() if isinstance(one, MintmarkError)}
        why |= {number: verdict.error() for number, verdict in judged.items() if verdict.decision == "blocked"}
        if not shown:
            raise next(iter(why.values()), None) or _filtered(model)
        reasons = {number: FILTERED for number, one in taken.items() if one is None}
        reasons |= {number: error.message for number, error in why.items()}
        return Delivered(
            pictures=tuple(shown),
            verdicts=list(judged.values()),
            withheld=len(every) - len(shown),
            notes=missing(len(every), sorted(reasons.items())),
        )

    def _shown(self, judged: list[tuple[Picture, Verdict]]) -> list[Picture]:
        """What may go on, as it may be seen. Blocks where something is blurred."""
        limit = self.settings.max_pixels
        return [
            blurred_picture(picture, max_pixels=limit) if verdict.decision == "blurred" else picture
            for picture, verdict in judged
            if verdict.decision != "blocked"
        ]

    def _picture(self, slot: Slot) -> Picture | MintmarkError | None:
        """The image with its facts; why there is none; None where the provider withheld it. Blocks."""
        if not isinstance(slot.image, Image):
            return slot.image
        try:
            output = describe(slot.image.data, max_pixels=self.settings.max_pixels)
        except (NotAnImage, ImageTooLarge) as exc:
            kept = self.spool.place(hashlib.sha256(slot.image.data).hexdigest())
            return BadAnswer(
                f"The provider sent an image that cannot be used: {exc.message}",
                hint=f"It was charged, and is kept for a week: {kept}. {exc.hint}".strip(),
                charged="yes",
            )
        seed = seed_of(slot.part.request, slot.part.prepared, slot.seed)
        return Picture(data=slot.image.data, output=output.model_copy(update={"seed": seed}))


def _filtered(model: Model) -> ProviderBlocked:
    return ProviderBlocked(
        f"{model.name} made an image and its own filter withheld it.",
        hint="Change the prompt. The provider charges for it all the same.",
        provider=model.provider,
        charged="yes",
    )


def _delivered(prepared: Prepared, delivery: Delivery) -> Prepared:
    """The call by this delivery, which is told with its parameters: its price goes by it, wherever it is settled."""
    if delivery == "now":
        return prepared
    return replace(prepared, delivery=delivery, parameters={**prepared.parameters, DELIVERY: delivery})


def split(request: GenerationRequest, at_most: int) -> list[GenerationRequest]:
    """The request as calls of at most so many images. Later calls count their seed up, so that images differ."""
    parts: list[GenerationRequest] = []
    made = 0
    while made < request.count:
        count = min(at_most, request.count - made)
        seed = None if request.seed is None else (request.seed + made) % 2**64
        parts.append(request.model_copy(update={"count": count, "seed": seed}))
        made += count
    return parts
