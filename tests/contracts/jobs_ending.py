"""What every store of jobs must do, see ``jobs.py``: jobs that come to their end at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mintmark.errors import MintmarkError, StaleLease, WrongState
from mintmark.metering.budgets import Budget
from mintmark.orchestrator.jobs.job import Ending, Job, JobEvent, Lease
from mintmark.orchestrator.jobs.sql_store import Over, SqlJobStore
from mintmark.orchestrator.jobs.states import State, Step
from mintmark.storage.base import Session

from .jobs import FAILED, LANES, SUCCEEDED, JobStores, accepted, claimed, kinds, made, set_aside

CANCELED = Ending(step=Step.CANCELED)


class Heard:
    """What a store told."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.events: list[str] = []

    def outbox(self, db: Session, job: Job, event: JobEvent) -> None:
        self.events.append(f"{event.kind} {job.job_id}")

    def open(self, stores: JobStores) -> SqlJobStore:
        return stores.open(outbox=self.outbox, ended=lambda job: self.ended.append(job.job_id))


def over(lease: Lease, ending: Ending = SUCCEEDED, laid: dict[str, bytes] | None = None) -> Over:
    return Over(lease, ending, laid or {}, "here", None)


def taken_over(stores: JobStores, store: SqlJobStore, job: Job) -> Lease:
    """The lease that somebody lost on this job."""
    [lost] = store.claim("dead", "worker-1", LANES, only=[job.job_id])
    [_] = store.abandoned("me", lambda owner: owner == "dead")
    return lost


def test_jobs_that_end_at_once_end_as_each_would_have_alone(stores: JobStores) -> None:
    heard = Heard()
    store = heard.open(stores)
    stores.budget(1000)
    stores.ledger.set_budget(Budget("api_key", "key-1", "day", 500))
    stores.ledger.set_budget(Budget("user", "mia", "month", 500))
    jobs = [accepted(store, key_id=f"key-{number % 2}", end_user=f"user-{number % 3}") for number in range(6)]
    again, *_ = claimed(store, most=1)
    store.requeue(again, reason="worker_lost")
    leases = {lease.job.job_id: lease for lease in claimed(store)}
    store.cancel(jobs[2].job_id)
    endings = [SUCCEEDED, FAILED, CANCELED, SUCCEEDED, SUCCEEDED, FAILED]
    asked = [over(leases[job.job_id], ending) for job, ending in zip(jobs, endings, strict=True)]
    asked[4] = asked[4]._replace(laid={made().asset: b"pixels"})
    heard.events.clear()
    ended = store._end(asked[::-1])[::-1]
    assert [job.outcome for job in ended] == [each.step for each in endings]
    assert [store.get(job.job_id) for job in jobs] == ended
    assert sorted(heard.ended) == sorted(job.job_id for job in jobs)
    assert sorted(heard.events) == sorted(f"{job.outcome.value} {job.job_id}" for job in ended if job.outcome)
    assert [kinds(store, job.job_id)[-1] for job in ended] == [each.step.value for each in endings]
    assert store.laid("here") == {made().asset: b"pixels"}
    assert set_aside(stores.ledger) == 0
    assert [usage.taken_microusd for usage in stores.ledger.budgets()] == [0, 0, 0]


@pytest.mark.parametrize("wrong", ["stale", "twice", "over"])
def test_of_ends_that_cannot_be_written_together_none_is(stores: JobStores, wrong: str) -> None:
    heard = Heard()
    store = heard.open(stores)
    jobs = [accepted(store) for _ in range(3)]
    bad = taken_over(stores, store, jobs[0]) if wrong == "stale" else claimed(store, most=1)[0]
    good = claimed(store)
    if wrong == "over":
        store.end(bad, FAILED)
    heard.ended.clear()
    heard.events.clear()
    with pytest.raises((StaleLease, WrongState)):
        store._end([*(over(each) for each in good), over(bad), *([over(bad)] if wrong == "twice" else [])])
    assert heard.ended == []
    assert {store.events(each.job.job_id)[-1].kind for each in good} == {"claimed"}
    assert set_aside(stores.ledger) == 10 * (2 if wrong == "over" else 3)


def test_of_many_that_end_at_once_each_that_may_does(stores: JobStores) -> None:
    heard = Heard()
    views = [heard.open(stores), heard.open(stores)]
    stores.budget(1000)
    jobs = [accepted(views[0], key_id=f"key-{number % 3}", end_user=f"user-{number % 4}") for number in range(30)]
    lost = [taken_over(stores, views[0], job) for job in jobs[:3]]
    leases = claimed(views[0])
    assert len(leases) == 27

    def end(number: int) -> State | type[MintmarkError]:
        try:
            return views[number % 2].end((leases + leases[:5] + lost)[number], SUCCEEDED).state
        except MintmarkError as refused:
            return type(refused)

    with ThreadPoolExecutor(24) as threads:
        found = list(threads.map(end, range(35)))
    assert found.count(State.SUCCEEDED) == 27
    assert sorted(each.__name__ for each in found if isinstance(each, type)) == ["StaleLease"] * 3 + ["WrongState"] * 5
    assert sorted(heard.ended) == sorted(lease.job.job_id for lease in leases)
    assert views[0].counts()[State.SUCCEEDED] == 27
    assert set_aside(stores.ledger) == 30
