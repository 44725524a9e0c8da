"""Making a file that may be delivered: it has a verdict and a credential, or it is not made."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..moderation.verdict import Verdict
from ..provenance.manifest import ImageFacts, Ingredient, Origin
from ..provenance.png import with_text
from .context import JobContext
from .engine import Engine
from .pictures import inspect
from .record import Record
from .service import Picture
from .sqlite_journal import utc_now

PNG = "image/png"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A PNG that is not signed yet, and where its pixels come from."""

    png: bytes = field(repr=False)
    title: str
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """PNG text chunks (``prompt``, ``workflow``); they are written first, because the credential covers them."""
    record: Record | None = None
    source: Picture | None = None
    """The provider's picture it was made from."""
    edited: bool = False
    """Whether pixels differ from ``source``."""
    origin: Origin = "local_ai"
    """What to say of pixels that have no record."""


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


async def seal(engine: Engine, job: JobContext, draft: Draft) -> Sealed:
    """Judge where no verdict of ours covers these pixels, sign, and check.

    Raises OutputBlocked, ModerationUnavailable, SigningFailed: in each case there is no file.
    """
    verdict = _known_verdict(draft) or await engine.judge.image(job, draft.png, PNG)
    if verdict.decision == "blocked":
        raise verdict.error()
    return await asyncio.to_thread(_sign, engine, draft, verdict)


def _known_verdict(draft: Draft) -> Verdict | None:
    if draft.record is None or draft.source is None or draft.edited:
        return None
    digest = draft.source.output.sha256
    return next((each for each in draft.record.verdicts if each.digest == digest), None)


def _sign(engine: Engine, draft: Draft, verdict: Verdict) -> Sealed:
    unsigned = with_text(draft.png, draft.texts)
    data = engine.signer.sign(unsigned, PNG, _facts(draft, verdict))
    _, width, height = inspect(data, max_pixels=engine.settings.max_pixels)
    return Sealed(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=PNG,
        width=width,
        height=height,
        verdict=verdict,
        issuer=engine.signer.identity.issuer,
    )


def _facts(draft: Draft, verdict: Verdict) -> ImageFacts:
    record, source = draft.record, draft.source
    if record is None or source is None:
        known: dict[str, Any] = {"verdict": {"decision": verdict.decision, "rule": verdict.rule}}
        public = record.public() if record else known
        return ImageFacts(
            title=draft.title, media_type=PNG, origin=draft.origin, record=public, when=utc_now(), edited=draft.edited
        )
    parent = Ingredient(title=f"{record.model} result", media_type=source.output.media_type, data=source.data)
    return ImageFacts(
        title=draft.title,
        media_type=PNG,
        origin="provider",
        record=record.public(),
        when=utc_now(),
        provider=record.provider,
        model=record.model,
        model_version=record.model_version or "",
        parent=parent,
        edited=draft.edited,
    )
