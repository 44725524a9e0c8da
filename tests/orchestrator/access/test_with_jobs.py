"""Limits, money, webhooks and audit together with the job store itself: one transaction for all of it."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from mintmark.errors import BudgetExceeded, InvalidInput, TooManyRequests
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access import audit
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.access.keys import KeyLimits
from mintmark.orchestrator.jobs.job import Ending, Made, Ordered
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import State, Step
from mintmark.orchestrator.service.outboxes import all_of
from mintmark.orchestrator.webhooks.keeping import Webhooks
from mintmark.orchestrator.webhooks.outbox import outbox
from mintmark.tests.orchestrator.made_jobs import job
from mintmark.tests.orchestrator.ticking import Clock


@pytest.fixture
def webhooks(ledger: SqlLedger, clock: Clock) -> Webhooks:
    return Webhooks(ledger.store, now=clock)


@pytest.fixture
def jobs(access: Access, webhooks: Webhooks, ledger: SqlLedger, clock: Clock) -> SqlJobStore:
    return SqlJobStore(ledger, outbox=all_of(access.on_job, outbox), now=clock)


def key_of(access: Access, **limits: object) -> str:
    return access.keys.create(scopes=["submit"], project="acme", user="mia", limits=KeyLimits(**limits))[0].key_id


def order(clock: Clock, key_id: str | None, **facts: object) -> Ordered:
    return job(clock(), key_id=key_id, **facts).ordered


def test_of_fifty_at_once_ten_are_accepted_and_only_their_money_is_set_aside(
    access: Access, jobs: SqlJobStore, ledger: SqlLedger, clock: Clock
) -> None:
    key_id = key_of(access, jobs_at_once=10)

    def ask(_number: int) -> bool:
        try:
            jobs.accept(order(clock, key_id))
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(50) as threads:
        assert sum(threads.map(ask, range(50))) == 10
    assert ledger.totals().set_aside_microusd == 10 * 1000
    assert jobs.counts()[State.QUEUED] == 10


def test_a_job_that_ends_makes_room_is_told_of_and_is_chained(
    access: Access, jobs: SqlJobStore, webhooks: Webhooks, ledger: SqlLedger, clock: Clock
) -> None:
    key_id = key_of(access, jobs_at_once=1)
    jobs.accept(ordered := order(clock, key_id, webhook_url="https://mia.example/hook"))
    with pytest.raises(TooManyRequests):
        jobs.accept(order(clock, key_id))
    [lease] = jobs.claim("owner", "worker", ["hosted"])
    jobs.end(lease, Ending(step=Step.SUCCEEDED))
    jobs.accept(order(clock, key_id))
    [delivery] = webhooks.deliveries()
    assert (delivery.job_id, delivery.type) == (ordered.job_id, "job.succeeded")
    ledger.store.transact(audit.chain_waiting)
    acts = [(entry.action, entry.target) for entry in audit.oldest(ledger.store) if entry.target == ordered.job_id]
    assert acts == [("job.accepted", ordered.job_id), ("job.succeeded", ordered.job_id)]
    assert audit.verify(ledger.store) is None


def test_a_newer_run_takes_the_place_of_an_older_one_within_the_limit(
    access: Access, jobs: SqlJobStore, clock: Clock
) -> None:
    key_id = key_of(access, jobs_at_once=1)
    older = jobs.accept(order(clock, key_id)).job
    jobs.accept(order(clock, key_id, supersedes=older.job_id))
    with pytest.raises(TooManyRequests):
        jobs.accept(order(clock, key_id))


def test_a_newer_run_need_not_wait_until_the_older_one_has_stopped(
    access: Access, jobs: SqlJobStore, clock: Clock
) -> None:
    key_id = key_of(access, jobs_at_once=1, user_jobs_at_once=1)
    older = jobs.accept(order(clock, key_id, end_user="zoe")).job
    [lease] = jobs.claim("owner", "worker", ["hosted"])
    for _ in range(3):
        older = jobs.accept(order(clock, key_id, end_user="zoe", supersedes=older.job_id)).job
        with pytest.raises(TooManyRequests):
            jobs.accept(order(clock, key_id))
    assert jobs.renew("owner", [lease.job.job_id]).canceled == [lease.job.job_id]


def test_no_more_than_twice_as_many_are_there_however_fast_one_edits(
    access: Access, jobs: SqlJobStore, clock: Clock
) -> None:
    key_id = key_of(access, jobs_at_once=1)
    first = jobs.accept(order(clock, key_id)).job
    [lease] = jobs.claim("owner", "worker", ["hosted"])
    second = jobs.accept(order(clock, key_id, supersedes=first.job_id)).job
    jobs.claim("owner", "worker-2", ["hosted"])
    with pytest.raises(TooManyRequests):
        jobs.accept(order(clock, key_id, supersedes=second.job_id))
    assert jobs.renew("owner", [second.job_id]).canceled == []
    jobs.end(lease, Ending(step=Step.CANCELED))
    jobs.accept(order(clock, key_id, supersedes=second.job_id))


def test_who_released_what_and_who_forgot_it_is_in_the_log(jobs: SqlJobStore, ledger: SqlLedger, clock: Clock) -> None:
    accepted = jobs.accept(order(clock, None)).job
    [lease] = jobs.claim("owner", "worker", ["hosted"])
    made = Made(index=0, output=None, asset="a" * 64, media_type="image/png", bytes=1)
    jobs.end(lease, Ending(step=Step.SUCCEEDED, outputs=(made,)))
    jobs.judge(accepted.job_id, 0, accepted=True, by="key:mia", reason="harmless")
    jobs.purge(accepted.job_id, by="key:zoe")
    with pytest.raises(InvalidInput):
        jobs.judge(accepted.job_id, 0, accepted=False, by="key:max")
    ledger.store.transact(audit.chain_waiting)
    judged, purged = list(audit.oldest(ledger.store))[-2:]
    assert (judged.actor, judged.action, judged.target) == ("key:mia", "output.accepted", accepted.job_id)
    assert (judged.data["index"], judged.data["sha256"]) == (0, "a" * 64)
    assert judged.data["reason_sha256"] == hashlib.sha256(b"harmless").hexdigest()
    assert (purged.actor, purged.action, purged.target) == ("key:zoe", "job.purged", accepted.job_id)
    assert purged.data == {"contents": ["prompts", "inputs", "outputs"]}


def test_of_a_batch_those_that_are_too_many_are_refused_alone(
    access: Access, jobs: SqlJobStore, ledger: SqlLedger, clock: Clock
) -> None:
    key_id = key_of(access, jobs_at_once=2)
    found = jobs.accept_many([order(clock, key_id) for _ in range(4)])
    assert [isinstance(each, TooManyRequests) for each in found] == [False, False, True, True]
    assert ledger.totals().set_aside_microusd == 2000


def test_a_key_s_daily_spend_is_held_by_the_ledger(access: Access, jobs: SqlJobStore, clock: Clock) -> None:
    key_id = key_of(access, spend_per_day_microusd=2500)
    for _ in range(2):
        jobs.accept(order(clock, key_id))
    with pytest.raises(BudgetExceeded, match="API key"):
        jobs.accept(order(clock, key_id))
    jobs.accept(order(clock, key_of(access)))
    clock.go(days=1)
    jobs.accept(order(clock, key_id))


def test_canceled_jobs_make_room_too(access: Access, jobs: SqlJobStore, clock: Clock) -> None:
    key_id = key_of(access, user_jobs_at_once=1, user_spend_per_day_microusd=1000)
    for _ in range(3):
        accepted = jobs.accept(order(clock, key_id, end_user="zoe")).job
        with pytest.raises(TooManyRequests):
            jobs.accept(order(clock, key_id, end_user="zoe"))
        jobs.cancel(accepted.job_id)
