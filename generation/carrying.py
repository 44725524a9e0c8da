"""Verdicts on words travel with what is made of them: into records, and into journals of jobs that had it cached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..moderation.verdict import CARRIED, Verdict
from .journal import Journal

if TYPE_CHECKING:
    from .service import Generated


def asking(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Those on words that ask something of whatever is made of these, each once."""
    found = {_key(each): each for each in verdicts if each.subject == "prompt" and each.decision in CARRIED}
    return tuple(found.values())


def joined(made: Generated, said: Iterable[Verdict]) -> Generated:
    """The result whose record also has the verdicts on the words that its inputs were made of."""
    known = {_key(each) for each in made.record.verdicts}
    more = [each for each in asking(said) if _key(each) not in known]
    if not more:
        return made
    record = made.record.model_copy(update={"verdicts": (*made.record.verdicts, *more)})
    return replace(made, record=record)


def note(journal: Journal, job_id: str, verdicts: Iterable[Verdict]) -> None:
    """Write down the verdicts that the job got with results from a worker's cache, where it has none of its own.
    Blocks."""
    for verdict in verdicts:
        if journal.verdict(job_id, verdict.digest, verdict.policy) is None:
            journal.note(job_id, "verdict", verdict.model_dump(mode="json"))


def _key(verdict: Verdict) -> tuple[str, str]:
    return verdict.digest, verdict.policy
