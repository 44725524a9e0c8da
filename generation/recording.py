"""The record of a generation that is over: what was asked, what came of it, what it cost and who judged it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..moderation.verdict import Verdict
from ..providers.base import Prepared
from ..providers.model import Model
from ..providers.request import GenerationRequest
from ..providers.retiring import warning_of
from .context import JobContext, receipt_of
from .gathering import Failed
from .journal import Journal
from .record import Output, Record, Seed
from .results import Asked

_SHOWN = ("width", "height", "count", "strength", "margins", "control", "scale")
"""What of a request stands among its record's parameters."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a generation was asked, and what came of it. ``asked`` differ in their images and mask alone."""

    asked: tuple[GenerationRequest, ...]
    model: Model
    prepared: Prepared
    calls: Sequence[Asked | Failed]
    outputs: tuple[Output, ...]
    verdicts: Sequence[Verdict]
    withheld: int
    notes: tuple[str, ...]
    """Which images are missing, and why."""
    job: JobContext
    node_id: str
    made_at: datetime
    elapsed_ms: int
    pack_version: str


def recorded(facts: Facts, journal: Journal) -> Record:
    """The record of these facts, with what the journal knows of the calls' money. Blocks."""
    request, job = facts.asked[0], facts.job
    settled = [journal.call(asked.call_id) for asked in facts.calls]
    versions = [asked.model_version for asked in facts.calls if isinstance(asked, Asked)]
    return Record(
        job_id=job.job_id,
        node_id=facts.node_id,
        task=request.task,
        provider=facts.model.provider,
        model=facts.model.name,
        model_version=versions[0],
        family=facts.model.family,
        prompt_sha256=_sha256(request.prompt),
        prompt=request.prompt if job.keep_prompt else None,
        negative_prompt_sha256=_sha256(request.negative_prompt) if request.negative_prompt else None,
        seed=Seed(asked=_text(request.seed), sent=_text(facts.prepared.seed)),
        parameters=_shown(facts.prepared, request),
        ignored=facts.prepared.ignored,
        inputs=tuple(dict.fromkeys(image.sha256 for each in facts.asked for image in each.images)),
        request_digest=_digest(facts.asked),
        outputs=facts.outputs,
        withheld=facts.withheld,
        receipts=tuple(receipt for call in settled if call and (receipt := receipt_of(call))),
        verdicts=tuple(facts.verdicts),
        policy=facts.verdicts[0].policy,
        workflow=job.workflow,
        warnings=_warnings(facts),
        mode=job.mode,
        made_at=facts.made_at,
        provider_ms=facts.elapsed_ms,
        pack_version=facts.pack_version,
    )


def _warnings(facts: Facts) -> tuple[str, ...]:
    ending = warning_of(facts.model, facts.made_at.date())
    notes = [note for asked in facts.calls if isinstance(asked, Asked) for note in asked.notes]
    return tuple(dict.fromkeys([*([ending] if ending else []), *facts.notes, *notes]))


def seed_of(request: GenerationRequest, prepared: Prepared, used: int | None) -> Seed:
    """The seed of one image: as it was asked for and sent with its call, and what it was made with."""
    return Seed(asked=_text(request.seed), sent=_text(prepared.seed), used=_text(used))


def _shown(prepared: Prepared, request: GenerationRequest) -> dict[str, Any]:
    shown = [name for name in _SHOWN if name not in prepared.ignored]
    plain = request.model_dump(mode="json", include=set(shown), exclude_none=True)
    return {**{name: plain[name] for name in shown if name in plain}, **prepared.parameters}


def _digest(asked: Sequence[GenerationRequest]) -> str:
    """Of one request its own, of several that of their digests, one a line."""
    every = [each.digest() for each in asked]
    return every[0] if len(every) == 1 else _sha256("\n".join(every))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(seed: int | None) -> str | None:
    return None if seed is None else str(seed)
