"""What was decided of a job's words, and what that means for its files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from ...generation.context import JobContext, JobReport
from ...moderation.verdict import CARRIED, WORST_LAST, Verdict, carried
from ...workflows.wording import Words

Read = Callable[[JobContext, Sequence[Words]], Awaitable[Sequence[Verdict]]]
"""Judges prompts, each with what it wants left out, by the job's policy."""


async def read(words: Sequence[Words], context: JobContext, ask: Read | None) -> tuple[Verdict, ...]:
    """The verdicts on what a plain graph's text encoders are given: no node of ours sees it.

    Raises PromptBlocked, and ModerationUnavailable where the policy wants that.
    """
    found = tuple(await ask(context, words)) if ask is not None and words else ()
    for verdict in found:
        if verdict.decision == "blocked":
            raise verdict.error()
    return found


def having(report: JobReport, said: Iterable[Verdict]) -> JobReport:
    """The worker's report, with what was decided here of words that it did not look at."""
    return report.model_copy(update={"verdicts": (*report.verdicts, *said)})


def of_file(report: JobReport, told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A file's verdict, as a worker told it, with what its job's words ask of it."""
    if told is None:
        return None
    return carried(report.verdicts, Verdict.model_validate(told)).model_dump(mode="json")


def of_unjudged(report: JobReport) -> dict[str, Any] | None:
    """The verdict on a file that nobody can judge: what was decided of its words. It cannot be blurred, so a person
    looks at it."""
    asking = [each for each in report.verdicts if each.subject == "prompt" and each.decision in CARRIED]
    if not asking:
        return None
    worst = max(asking, key=lambda verdict: WORST_LAST.index(verdict.decision))
    return worst.model_copy(update={"decision": "review"}).model_dump(mode="json")
