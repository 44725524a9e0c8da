"""Why a job stands where it stands, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..jobs.job import Job
from ..jobs.states import State
from ..placement.values import Choice
from .placing import Decided


def standing(job: Job, now: datetime, *, paused: bool) -> str:
    """What there is to say of a job that is not to be placed now; empty of one that is."""
    if job.state is State.RUNNING:
        return f"It runs on {job.worker}."
    if job.state is not State.QUEUED:
        return f"It is over: {job.outcome.value if job.outcome else job.state.value}."
    if paused:
        return "The queue is paused: nothing starts until it is resumed."
    if job.ordered.not_before is not None and job.ordered.not_before > now:
        return f"It is not to start before {job.ordered.not_before:%Y-%m-%d %H:%M:%S} UTC."
    return ""


def placed(decided: Decided) -> str:
    """What was decided on a job that waits."""
    before = ""
    if decided.ahead:
        before = f"{decided.ahead} {'job goes' if decided.ahead == 1 else 'jobs go'} first. "
    return before + _placed(decided.choice, decided.against) + _hoped(decided) + _silent(decided)


def _hoped(decided: Decided) -> str:
    if not decided.hope:
        return ""
    return f" It waits for {' or '.join(decided.hope[:5])}, where it may run once that worker gets jobs."


def _silent(decided: Decided) -> str:
    if not decided.silent:
        return ""
    names, has = ", ".join(decided.silent[:5]), "has" if len(decided.silent) == 1 else "have"
    return f" {names} {has} never told what nodes there are, and nothing waits for that any more."


def _placed(choice: Choice, against: Mapping[str, str]) -> str:
    worker = choice.worker
    match choice.reason:
        case "warm":
            return f"{worker} runs it when its turn comes: all models that it loads are in memory there."
        case "cold":
            gone = f", in the place of {', '.join(choice.evicts)}" if choice.evicts else ""
            return f"{worker} runs it when its turn comes: its models have to be loaded there{gone}."
        case "any":
            return f"{worker} runs it when its turn comes: it loads no model, and that worker has room."
        case "waits_for_warm":
            return (
                f"It waits for {choice.waits_for}: its models are in memory there, or are being loaded, and that"
                " is soon enough for all who wait for them."
            )
        case "overtaken":
            return (
                "It waits: its models have to be loaded, and every free worker goes on with jobs whose models it has;"
                " not for longer than some loads take."
            )
        case "all_busy":
            return "It waits: all workers that could run it are busy."
        case "nobody_can":
            told = "; ".join(f"{name}: {why}" for name, why in sorted(against.items())[:5])
            return f"No worker can run it: {told}." if told else "No worker can run it: there is none."
