"""``mintmark slo``: whether the service is as fast as it promises, from its own data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .books import open_ledger
from .output import Json, console, emit
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..orchestrator.metrics.slo import Attainment


def slo(
    days: Annotated[float, typer.Option(min=0.001, max=36_500, help="How far back to look.")] = 30.0,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """How many images and webhooks were in time, against what is promised."""
    from ..clock import utc_now
    from ..orchestrator.jobs.sql_store import SqlJobStore
    from ..orchestrator.metrics.slo import measure
    from ..orchestrator.webhooks.outbox import PART

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        jobs = SqlJobStore(ledger)
        ledger.store.install(PART)
        met = measure(jobs, ledger.store, days=days, now=utc_now())
    if as_json:
        emit([_plain(each) for each in met])
        return
    for each in met:
        console().print(_line(each, days))


def _line(each: Attainment, days: float) -> str:
    its = each.objective
    goal = f"{its.share:.0%} of {its.name} under {its.seconds:g} s"
    if each.share is None:
        return f"[dim]–[/] {goal}: nothing to measure in {days:g} days."
    mark = "[green]✓[/]" if each.met else "[red]✗[/]"
    times = f"p50 {_s(each.p50_s)}, p95 {_s(each.p95_s)}, p99 {_s(each.p99_s)}"
    return f"{mark} {goal}: {each.share:.2%} of {each.total} ({times})"


def _s(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"


def _plain(each: Attainment) -> dict[str, Any]:
    its = each.objective
    return {
        "objective": its.name,
        "under_s": its.seconds,
        "goal": its.share,
        "share": each.share,
        "met": each.met,
        "within": each.within,
        "total": each.total,
        "p50_s": each.p50_s,
        "p95_s": each.p95_s,
        "p99_s": each.p99_s,
    }
