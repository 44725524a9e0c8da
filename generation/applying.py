"""What a verdict does to a file that is about to be signed, beside stopping it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..provenance.actions import Done
from .blurring import alone, bare, blurred_file

if TYPE_CHECKING:
    from ..moderation.verdict import Verdict
    from .context import JobContext
    from .engine import Engine
    from .sealing import Draft


def prompts_of(engine: Engine, job: JobContext) -> tuple[Verdict, ...]:
    """The verdicts on all words of the job: what an image without a record was made of. Blocks."""
    return engine.journal.report(job.job_id).verdicts


def applied(draft: Draft, verdict: Verdict, *, max_pixels: int) -> Draft:
    """The draft as it may be seen: blurred where that was decided and not yet done. Blocks.

    Neither its parent nor what went in may then show what was hidden.
    """
    if verdict.decision != "blurred" or is_blurred(draft):
        return draft
    return replace(
        draft,
        data=blurred_file(draft.data, max_pixels=max_pixels),
        source=draft.source and bare(draft.source),
        opened=draft.opened and alone(draft.opened),
        inputs=tuple(alone(each) for each in draft.inputs),
        edited=True,
        steps=(*draft.steps, blurring(verdict)),
    )


def is_blurred(draft: Draft) -> bool:
    """Whether its pixels are those of a provider's picture that was blurred when it came."""
    return draft.source is not None and draft.source.output.blurred_from is not None and not draft.edited


def blurring(verdict: Verdict) -> Done:
    """The blurring as a credential tells of it."""
    return Done("c2pa.filtered", f"Mintmark: blurred by policy {verdict.policy} (rule {verdict.rule})")


def put_away(engine: Engine, job: JobContext, verdict: Verdict) -> None:
    """Delete the picture that a blurred one was made from, unless the policy keeps it for a reviewer. Blocks."""
    if engine.moderator(job.policy).policy.blurred_originals == "drop":
        engine.spool.drop(verdict.digest)
