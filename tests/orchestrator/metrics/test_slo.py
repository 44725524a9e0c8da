"""Promises of speed, measured on the service's own data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mintmark.metering.periods import stamp
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.jobs.job import Ending, Made, Metrics, Ordered
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.orchestrator.metrics.slo import IMAGES, attainment, measure, percentile
from mintmark.orchestrator.webhooks.outbox import PART
from mintmark.tests.orchestrator.ticking import Clock

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    with closing(SqliteLedger(tmp_path, now=lambda: NOW)) as made:
        made.store.install(PART)
        yield made


@pytest.fixture
def jobs(ledger: SqliteLedger) -> SqlJobStore:
    return SqlJobStore(ledger, now=lambda: NOW)


def run(jobs: SqlJobStore, number: int, latency_ms: int, side: int, **more: Any) -> None:
    job_id = f"00000000-0000-4000-8000-{number:012d}"
    jobs.accept(
        Ordered(
            job_id=job_id, project="p", user="u", workflow="w", version="1.0.0", digest="d", lane="hosted",
            allowance_microusd=0, **more,
        )
    )  # fmt: skip
    lease = jobs.claim("me", "worker", ("hosted",))[0]
    made = Made(index=0, output=None, asset="a" * 64, media_type="image/png", width=side, height=64, bytes=1)
    times = Metrics(latency_ms=latency_ms, queue_ms=0, run_ms=latency_ms, post_ms=0)
    jobs.end(lease, Ending(step=Step.SUCCEEDED, outputs=(made,), metrics=times))


def deliver(
    ledger: SqliteLedger, name: str, seconds: float | None, state: str, *, begun: timedelta = timedelta()
) -> None:
    at = NOW - timedelta(hours=1)
    ended = None if seconds is None else stamp(at + timedelta(seconds=seconds))
    ledger.store.transact(
        lambda db: db.run(
            "INSERT INTO webhook_deliveries (delivery_id, type, at, project, url, target, state, attempts, earlier, "
            "begun_at, next_at, ended_at) VALUES (:name, 't', :at, 'p', 'u', 't', :state, 1, 0, :begun, :at, :ended)",
            name=name,
            at=stamp(at),
            begun=stamp(at + begun),
            state=state,
            ended=ended,
        )
    )


def test_images_count_where_their_longest_side_is_small(ledger: SqliteLedger, jobs: SqlJobStore) -> None:
    for number, (latency_ms, side) in enumerate([(1000, 512), (4999, 64), (5000, 512), (9000, 1024)]):
        run(jobs, number, latency_ms, side)
    images, _ = measure(jobs, ledger.store, days=1, now=NOW)
    assert (images.within, images.total, images.met) == (2, 3, False)


def test_a_webhook_that_waits_or_was_given_up_is_late(ledger: SqliteLedger, jobs: SqlJobStore) -> None:
    deliver(ledger, "fast", 1.5, "delivered")
    deliver(ledger, "slow", 11.0, "delivered")
    deliver(ledger, "dead", 24 * 3600.0, "dead")
    deliver(ledger, "waiting", None, "waiting")
    _, webhooks = measure(jobs, ledger.store, days=1, now=NOW)
    assert (webhooks.within, webhooks.total) == (1, 4)


def test_a_target_that_is_refused_and_what_is_sent_again_by_hand_are_no_delay(
    ledger: SqliteLedger, jobs: SqlJobStore
) -> None:
    deliver(ledger, "forbidden", 0.1, "dead")
    deliver(ledger, "gone", 3600.0, "dead")
    for state, seconds in (("delivered", 40.0), ("dead", 25 * 3600.0), ("waiting", None)):
        deliver(ledger, f"again {state}", seconds, state, begun=timedelta(seconds=30))
    deliver(ledger, "fast", 1.5, "delivered")
    _, webhooks = measure(jobs, ledger.store, days=1, now=NOW)
    assert (webhooks.within, webhooks.total) == (1, 1)


def test_what_is_to_take_a_day_is_not_slow(ledger: SqliteLedger, jobs: SqlJobStore) -> None:
    run(jobs, 1, 9_000_000, 64, delivery="batch")
    assert measure(jobs, ledger.store, days=1, now=NOW)[0].total == 0


def test_what_was_waited_while_the_service_was_paused_does_not_count(ledger: SqliteLedger) -> None:
    clock = Clock()
    jobs = SqlJobStore(ledger, now=clock)
    jobs.pause(paused=True)
    ordered = Ordered(
        job_id="00000000-0000-4000-8000-000000000001", project="p", user="u", workflow="w", version="1.0.0",
        digest="d", lane="hosted", allowance_microusd=0,
    )  # fmt: skip
    jobs.accept(ordered)
    clock.go(seconds=60)
    jobs.pause(paused=False)
    clock.go(seconds=1)
    [lease] = jobs.claim("me", "worker", ("hosted",))
    made = Made(index=0, output=None, asset="a" * 64, media_type="image/png", width=64, height=64, bytes=1)
    times = Metrics(latency_ms=62_000, queue_ms=61_000, run_ms=1000, post_ms=0)
    jobs.end(lease, Ending(step=Step.SUCCEEDED, outputs=(made,), metrics=times))
    images, _ = measure(jobs, ledger.store, days=1, now=clock())
    assert (images.p99_s, images.met) == (2.0, True)


def test_what_is_older_does_not_count(ledger: SqliteLedger, jobs: SqlJobStore) -> None:
    run(jobs, 1, 9000, 64)
    deliver(ledger, "slow", 11.0, "delivered")
    later = NOW + timedelta(days=3)
    assert [each.total for each in measure(jobs, ledger.store, days=2, now=later)] == [0, 0]


def test_of_nothing_there_is_neither_a_share_nor_a_verdict() -> None:
    nothing = attainment(IMAGES, [])
    assert (nothing.share, nothing.met, nothing.p50_s) == (None, None, None)


def test_the_goal_is_met_at_exactly_its_share() -> None:
    assert attainment(IMAGES, [1.0] * 99 + [6.0]).met is True
    assert attainment(IMAGES, [1.0] * 98 + [6.0] * 2).met is False


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
