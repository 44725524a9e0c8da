"""Making a file that may be delivered: it has a verdict and a credential, or it is not made."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..clock import utc_now
from ..moderation.verdict import Verdict, carried
from ..provenance.actions import Done, Ingredient, Origin
from ..provenance.manifest import ImageFacts
from ..provenance.signing import Signed
from ..provenance.softbinding import look
from ..provenance.texts import with_texts
from .applying import applied, blurring, prompts_of, put_away
from .context import JobContext
from .engine import Engine
from .pictures import inspect
from .record import Record
from .service import Picture
from .source import Source

PNG = "image/png"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A file that is not signed yet, and where its content comes from."""

    data: bytes = field(repr=False)
    title: str
    media_type: str = PNG
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The graph (``prompt``, ``workflow``); written into the file first, because the credential covers it."""
    record: Record | None = None
    source: Picture | None = None
    """The provider's picture it was made from."""
    edited: bool = False
    """Whether pixels differ from ``source``."""
    origin: Origin = "local_ai"
    """What to say of pixels that have no record."""
    opened: Source | None = None
    """The file that pixels without a record came from."""
    inputs: tuple[Source, ...] = ()
    """Files that were fed to the model."""
    prompts: tuple[Verdict, ...] = ()
    """Verdicts on the words that it was made of, beside those that this process gave itself."""
    steps: tuple[Done, ...] = ()
    """What was done to the pixels since they were opened or made, where the graph tells."""
    tool: str = ""
    """The class of the node that made pixels which have no record."""
    model: str = ""
    """The file of the model it made them with."""
    choices: tuple[Mapping[str, str], ...] = ()
    """Which branches of its graph were taken, by which policy, and why."""


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A file that may be delivered."""

    data: bytes = field(repr=False)
    sha256: str
    media_type: str
    width: int
    height: int
    verdict: Verdict
    issuer: str
    note: str = ""
    """What its credential lacks of what was wanted, such as a timestamp; empty where nothing is missing."""


async def seal(engine: Engine, job: JobContext, draft: Draft) -> Sealed:
    """Judge where no verdict of ours covers these pixels, sign, and check.

    What was decided of the job's prompts counts for what was made of them; what is to be blurred is.
    Raises OutputBlocked, ModerationUnavailable, SigningFailed: in each case there is no file.
    """
    verdict = _known_verdict(draft) or await engine.judge.image(job, draft.data, draft.media_type)
    said = await asyncio.to_thread(prompts_of, engine, job) if draft.record is None else draft.record.verdicts
    verdict = carried((*draft.prompts, *said), verdict)
    if verdict.decision == "blocked":
        raise verdict.error()
    if verdict.decision == "blurred":
        draft = await asyncio.to_thread(applied, draft, verdict, max_pixels=engine.settings.max_pixels)
    sealed = await engine.at_signing(_sign, engine, job, draft, verdict)
    if verdict.decision == "blurred":
        await asyncio.to_thread(put_away, engine, job, verdict)
    return sealed


async def sign_unjudged(engine: Engine, draft: Draft) -> Signed:
    """Sign what no policy can judge, such as a video: within the file where its kind takes a credential in, else beside
    it. Its credential holds no verdict. Raises SigningFailed."""

    def sign() -> Signed:
        facts = _by_policy(engine, _plain_facts(draft, draft.record.public() if draft.record else {}))
        return engine.signer.whichever(draft.data, draft.media_type, facts)

    return await engine.at_signing(sign)


def _known_verdict(draft: Draft) -> Verdict | None:
    if draft.record is None or draft.source is None or draft.edited:
        return None
    digest = draft.source.output.blurred_from or draft.source.output.sha256
    return next((each for each in draft.record.verdicts if each.digest == digest), None)


def _sign(engine: Engine, job: JobContext, draft: Draft, verdict: Verdict) -> Sealed:
    unsigned = with_texts(draft.data, draft.media_type, draft.texts)
    facts = _by_policy(engine, _about(engine, job, draft, verdict))
    if engine.settings.soft_binding:
        facts = replace(facts, look=look(draft.data, max_pixels=engine.settings.max_pixels))
    data, _, note = engine.signer.embed(unsigned, draft.media_type, facts)
    _, width, height = inspect(data, max_pixels=engine.settings.max_pixels)
    return Sealed(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=draft.media_type,
        width=width,
        height=height,
        verdict=verdict,
        issuer=engine.signer.identity.issuer,
        note=note,
    )


def _by_policy(engine: Engine, facts: ImageFacts) -> ImageFacts:
    """The facts, with what the settings say of every file."""
    return replace(facts, training=engine.settings.training_mining)


def _about(engine: Engine, job: JobContext, draft: Draft, verdict: Verdict) -> ImageFacts:
    """The facts, and of an image without a record what it takes to make it again."""
    facts = facts_of(draft, verdict)
    if draft.choices:
        facts = replace(facts, record={**facts.record, "choices": [dict(each) for each in draft.choices]})
    if draft.record is not None:
        return facts
    models = {draft.model, *(step.model for step in draft.steps)} - {""}
    known: dict[str, Any] = {"mode": job.mode, "pack_version": engine.pack_version}
    known |= {"workflow": job.workflow.model_dump()} if job.workflow else {}
    known |= {"models": sorted(models)} if models else {}
    return replace(facts, record={**known, **facts.record})


def facts_of(draft: Draft, verdict: Verdict) -> ImageFacts:
    """What the credential of a draft says, once this verdict is given."""
    record, source = draft.record, draft.source
    if record is None or source is None:
        known: dict[str, Any] = {"verdict": {"decision": verdict.decision, "rule": verdict.rule}}
        return _plain_facts(draft, record.public() if record else known)
    data = source.data if source.original is None else source.original
    # What was sampled here was created here: nobody sent a file that it would have been opened from.
    here = record.family == "local"
    parent = None if here else Ingredient(f"{record.model} result", source.output.media_type, data)
    hidden = source.output.blurred_from
    softened = tuple(blurring(each) for each in record.verdicts if each.digest == hidden)
    return ImageFacts(
        title=draft.title,
        media_type=draft.media_type,
        origin="local_ai" if here else "provider",
        record=_with_sources(record.public(source.output), draft),
        when=utc_now(),
        provider=record.provider,
        model=record.model,
        model_version=record.model_version or "",
        parent=parent,
        inputs=tuple(each.ingredient() for each in draft.inputs),
        edited=draft.edited,
        steps=(*softened, *draft.steps),
    )


def _plain_facts(draft: Draft, record: dict[str, Any]) -> ImageFacts:
    """Of what no provider made."""
    return ImageFacts(
        title=draft.title,
        media_type=draft.media_type,
        origin=draft.origin,
        record=_with_sources(record, draft),
        when=utc_now(),
        parent=draft.opened.ingredient() if draft.opened else None,
        inputs=tuple(each.ingredient() for each in draft.inputs),
        edited=draft.edited,
        steps=draft.steps,
        tool=draft.tool,
        model=draft.model,
    )


def _with_sources(record: dict[str, Any], draft: Draft) -> dict[str, Any]:
    sources = [each.as_dict() for each in (*([draft.opened] if draft.opened else []), *draft.inputs)]
    return {**record, "sources": sources} if sources else record
