"""What every store of jobs must do: ``orchestrator/jobs/base.py`` says it, this suite holds an implementation to that.

Here: taking jobs in. ``jobs_running.py`` and ``jobs_afterwards.py`` are the rest.

Use: star-import the tests and give the fixture ``stores``, a :class:`JobStores`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from mintmark.errors import BudgetExceeded, IdempotencyMismatch, QueueFull, UnknownJob
from mintmark.generation.context import Receipt
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Ledger
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.jobs.base import Accepted, Bounds, Claimer, Filter, Idempotency, JobStore, Outbox
from mintmark.orchestrator.jobs.job import Ending, Failure, Job, JobEvent, Lane, Lease, Made, Metrics, Ordered
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import State, Step
from mintmark.storage.base import Session
from mintmark.tests.orchestrator.databases import Open, opened
from mintmark.tests.orchestrator.ticking import Clock

LANES: tuple[Lane, ...] = ("hosted", "gpu")


class JobStores:
    """One store of jobs, opened as often as there are processes, all with the same clock."""

    def __init__(self, opener: Open, clock: Clock) -> None:
        self._open, self.clock = opener, clock
        self.ledger: SqlLedger = opener()

    def open(
        self,
        *,
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
        outbox: Outbox | None = None,
        ended: Callable[[Job], None] | None = None,
    ) -> SqlJobStore:
        """Another process's view of it."""
        return SqlJobStore(self._open(), bounds=bounds, outbox=outbox, ended=ended, now=self.clock)

    def budget(self, microusd: int) -> None:
        """What all jobs may take from now on."""
        self.ledger.set_budget(Budget("overall", "", "total", microusd))


def stores_of(kind: str, folder: Path) -> Iterator[JobStores]:
    """For the fixture; every test ends with even books and true counts."""
    clock = Clock()
    with cast(AbstractContextManager[Open], opened(kind, folder, clock)) as opener:
        made = JobStores(opener, clock)
        yield made
        assert made.ledger.problems() == []
        assert counted(made.open()) == made.open().counts()


def counted(store: JobStore) -> dict[State, int]:
    """The states of all jobs, one by one."""
    found = [job.state for job in store.find(Filter(), limit=20_000)]
    return {state: found.count(state) for state in State}


@pytest.fixture
def store(stores: JobStores) -> JobStore:
    return stores.open()


def order(**differs: Any) -> Ordered:
    """A small order of one key."""
    facts = {
        "job_id": str(uuid.uuid4()),
        "key_id": "key-1",
        "project": "acme",
        "user": "mia",
        "workflow": "poster",
        "version": "1.0.0",
        "digest": "d" * 64,
        "lane": "hosted",
        "values": {"prompt": "a red fox", "seed": 7, "negative": None},
        "allowance_microusd": 10,
    }
    return Ordered(**{**facts, **differs})


def made(index: int = 0, asset: str = "a" * 64) -> Made:
    return Made(index=index, output="image", asset=asset, media_type="image/png", width=64, height=64, bytes=100)


def receipt(microusd: int = 4) -> Receipt:
    return Receipt(
        call_id="c", provider="fal", model="fal/flux-schnell", request_id="r", microusd=microusd, state="settled"
    )


METRICS = Metrics(latency_ms=40, queue_ms=10, run_ms=20, post_ms=10, steps=4)
SUCCEEDED = Ending(step=Step.SUCCEEDED, outputs=(made(),), receipts=(receipt(),), metrics=METRICS)
FAILED = Ending(step=Step.FAILED, failure=Failure(code="node_failed", message="It broke.", node="7"))


def claimed(store: JobStore, *, owner: str = "me", lanes: Sequence[str] = LANES, most: int = 100) -> list[Lease]:
    return store.claim(owner, "worker-1", lanes, most=most)


def accepted(store: JobStore, **differs: Any) -> Job:
    return store.accept(order(**differs)).job


def kinds(store: JobStore, job_id: str) -> list[str]:
    return [event.kind for event in store.events(job_id)]


def set_aside(ledger: Ledger) -> int:
    return ledger.totals().set_aside_microusd


def key(name: str = "k", digest: str = "1") -> Idempotency:
    return Idempotency(scope="key-1 POST /v1/workflows", key=name, digest=digest)


# -- accepting --------------------------------------------------------------------------------------------------------


def test_a_job_that_was_accepted_is_there_for_everybody_as_it_was_ordered(stores: JobStores, store: JobStore) -> None:
    asked = order(metadata={"deep": {"list": [1, None, "x"]}}, images={"init": "f" * 64}, webhook_events=("progress",))
    job = store.accept(asked).job
    assert (job.ordered, job.state, job.submitted_at) == (asked, State.QUEUED, stores.clock.now)
    assert stores.open().get(asked.job_id) == job
    assert kinds(store, asked.job_id) == ["queued"]
    assert set_aside(stores.ledger) == 10


def test_who_pays_is_who_ordered(stores: JobStores, store: JobStore) -> None:
    stores.ledger.set_budget(Budget("api_key", "key-1", "total", 15))
    stores.ledger.set_budget(Budget("workflow", "poster@1.0.0", "total", 25))
    accepted(store)
    with pytest.raises(BudgetExceeded):
        accepted(store)
    accepted(store, key_id="key-2")
    with pytest.raises(BudgetExceeded):
        accepted(store, key_id="key-3")


def test_an_order_beyond_the_budget_leaves_nothing_behind(stores: JobStores, store: JobStore) -> None:
    stores.budget(9)
    refused = order(metadata={"batch": "x"})
    with pytest.raises(BudgetExceeded):
        store.accept(refused, key())
    assert store.get(refused.job_id) is None
    assert store.find(Filter(metadata={"batch": "x"})) == []
    assert store.events(refused.job_id) == []
    assert (store.open_jobs("key-1"), set_aside(stores.ledger), claimed(store)) == (0, 0, [])
    stores.budget(10)
    assert store.accept(refused, key()) == Accepted(store.get(refused.job_id))


def test_the_lease_may_be_told_before_the_disk_has_it_and_never_where_there_is_none(
    stores: JobStores, store: JobStore
) -> None:
    heard: list[Lease] = []
    claimer = Claimer("me", "worker-1", LANES)
    first = store.accept(order(), key(), claimer=claimer, early=heard.append)
    assert heard in ([], [first.lease])  # where others write as well, nothing is sure before it is there
    heard.clear()
    store.accept(order(), key(), claimer=claimer, early=heard.append)  # replayed
    stores.budget(10)
    with pytest.raises(BudgetExceeded):
        store.accept(order(), claimer=claimer, early=heard.append)
    assert heard == []


def test_of_fifty_who_order_at_once_as_many_are_accepted_as_the_budget_pays(stores: JobStores) -> None:
    stores.budget(100)
    views = [stores.open(), stores.open()]

    def one(number: int) -> bool:
        try:
            accepted(views[number % 2], key_id=f"key-{number % 3}")
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(one, range(50))) == 10
    assert set_aside(stores.ledger) == 100


def test_an_order_whose_commit_was_not_heard_of_is_accepted_once(stores: JobStores, store: JobStore) -> None:
    asked = order()
    job = store.accept(asked).job
    assert store.accept(asked).job == job  # the same transaction, from its beginning
    assert store.accept_many([asked]) == [job]
    assert kinds(store, job.job_id) == ["queued"]
    assert (store.counts()[State.QUEUED], set_aside(stores.ledger)) == (1, 10)


def test_the_same_key_with_the_same_body_is_the_same_job(stores: JobStores, store: JobStore) -> None:
    first = store.accept(order(), key())
    assert not first.replayed
    assert store.replay(key()) == first.job
    again = stores.open().accept(order(), key())
    assert (again.job, again.replayed) == (first.job, True)
    assert set_aside(stores.ledger) == 10


def test_a_replayed_job_is_told_as_it_stands_now(store: JobStore) -> None:
    store.accept(order(), key())
    [lease] = claimed(store)
    ended = store.end(lease, SUCCEEDED)
    assert store.accept(order(), key()) == Accepted(ended, replayed=True)


def test_the_same_key_with_another_body_is_refused(store: JobStore) -> None:
    store.accept(order(), key())
    with pytest.raises(IdempotencyMismatch):
        store.accept(order(), key(digest="2"))
    with pytest.raises(IdempotencyMismatch):
        store.replay(key(digest="2"))
    assert not store.accept(order(), key(name="another", digest="2")).replayed


def test_a_key_is_known_for_seven_days(stores: JobStores, store: JobStore) -> None:
    first = store.accept(order(), key())
    stores.clock.go(days=6, hours=23)
    assert store.forget_keys() == 0
    assert store.replay(key()) == first.job
    stores.clock.go(hours=1)
    assert store.replay(key()) is None
    second = store.accept(order(), key(digest="2"))
    assert not second.replayed
    stores.clock.go(days=7)
    assert (store.forget_keys(), store.forget_keys()) == (1, 0)


def test_fifty_who_use_one_key_at_once_make_one_job(stores: JobStores) -> None:
    views = [stores.open(), stores.open()]
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda number: views[number % 2].accept(order(), key()), range(50)))
    assert len({each.job.job_id for each in found}) == 1
    assert [each.replayed for each in found].count(False) == 1
    assert set_aside(stores.ledger) == 10


def test_a_full_queue_of_a_key_refuses_and_sets_nothing_aside(stores: JobStores) -> None:
    store = stores.open(bounds=Bounds(queued_per_key=2))
    accepted(store)
    accepted(store, lane="gpu")
    with pytest.raises(QueueFull) as caught:
        accepted(store)
    assert caught.value.data["retry_after_s"] > 0
    assert set_aside(stores.ledger) == 20
    accepted(store, key_id="key-2")
    claimed(store, most=1)
    accepted(store)


def test_a_full_queue_takes_back_what_it_gave(stores: JobStores) -> None:
    store = stores.open(bounds=Bounds(queued_per_key=1))
    accepted(store)
    [lease] = claimed(store)
    accepted(store)
    assert store.requeue(lease, reason="worker_lost").state is State.QUEUED
    assert store.open_jobs("key-1") == 2
    with pytest.raises(QueueFull):
        accepted(store)


def test_of_many_who_order_at_once_as_many_wait_as_may(stores: JobStores) -> None:
    views = [stores.open(bounds=Bounds(queued_per_key=7)) for _ in range(2)]

    def one(number: int) -> bool:
        try:
            accepted(views[number % 2])
        except QueueFull:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(32))) == 7


def test_many_orders_do_not_overfill_a_queue(stores: JobStores) -> None:
    store = stores.open(bounds=Bounds(queued_per_key=3))
    found = store.accept_many([order(lane=lane) for lane in ("hosted", "gpu", "hosted", "gpu", "hosted")])
    assert [isinstance(each, QueueFull) for each in found] == [False, False, False, True, True]
    assert set_aside(stores.ledger) == 30


def test_a_full_house_refuses_everybody(stores: JobStores) -> None:
    store = stores.open(bounds=Bounds(queued_overall=2))
    accepted(store, key_id="key-1")
    accepted(store, key_id="key-2", not_before=stores.clock.now + timedelta(days=1))
    with pytest.raises(QueueFull):
        accepted(store, key_id="key-3")


def test_of_many_orders_each_is_taken_or_refused_for_itself(stores: JobStores, store: JobStore) -> None:
    stores.budget(25)
    orders = [order(), order(allowance_microusd=99), order(), order(), order(allowance_microusd=5)]
    found = store.accept_many(orders)
    assert [isinstance(each, BudgetExceeded) for each in found] == [False, True, False, True, False]
    jobs = [each for each in found if isinstance(each, Job)]
    assert [job.job_id for job in jobs] == [orders[0].job_id, orders[2].job_id, orders[4].job_id]
    assert [store.get(each.job_id) is not None for each in orders] == [True, False, True, False, True]
    assert store.open_jobs("key-1") == 3


def test_of_many_orders_each_may_have_a_key_of_its_own(store: JobStore) -> None:
    first, _ = store.accept_many([order(), order()], [key("line-1"), None])
    again, other, wrong = store.accept_many([order()] * 3, [key("line-1"), key("line-2"), key("line-1", digest="2")])
    assert again == first
    assert other != first
    assert isinstance(wrong, IdempotencyMismatch)


def test_an_earlier_result_given_again_needs_no_turn_and_no_money(stores: JobStores, store: JobStore) -> None:
    stores.budget(0)
    job = store.accept(order(cache_key="c"), key(), ending=Ending(step=Step.SUCCEEDED, outputs=(made(),))).job
    assert (job.state, job.cached, job.cost_microusd, job.outputs) == (State.SUCCEEDED, True, 0, (made(),))
    assert kinds(store, job.job_id) == ["queued", "succeeded"]
    assert (claimed(store), set_aside(stores.ledger)) == ([], 0)
    assert store.get(job.job_id) == job


# -- superseding ------------------------------------------------------------------------------------------------------


def test_a_newer_run_takes_the_place_and_the_money_of_one_that_waits(stores: JobStores, store: JobStore) -> None:
    stores.budget(10)
    older = accepted(store)
    newer = accepted(store, supersedes=older.job_id)
    gone = store.get(older.job_id)
    assert gone is not None
    assert (gone.state, gone.outcome) == (State.CANCELED, Step.SUPERSEDED)
    assert store.events(older.job_id)[-1].data == {"by": newer.job_id}
    assert [lease.job.job_id for lease in claimed(store)] == [newer.job_id]


def test_a_newer_run_has_one_that_runs_stopped_and_waits_for_its_money(stores: JobStores, store: JobStore) -> None:
    stores.budget(10)
    older = accepted(store)
    [lease] = claimed(store)
    with pytest.raises(BudgetExceeded):
        accepted(store, supersedes=older.job_id)
    assert store.renew("me", [older.job_id]).canceled == []
    stores.budget(20)
    accepted(store, supersedes=older.job_id)
    assert store.renew("me", [older.job_id]).canceled == [older.job_id]
    assert store.end(lease, Ending(step=Step.CANCELED)).outcome is Step.SUPERSEDED


def test_superseding_what_is_over_changes_nothing_of_it(store: JobStore) -> None:
    older = accepted(store)
    [lease] = claimed(store)
    ended = store.end(lease, SUCCEEDED)
    accepted(store, supersedes=older.job_id)
    assert store.get(older.job_id) == ended


def test_a_run_that_nobody_knows_cannot_be_superseded(store: JobStore) -> None:
    with pytest.raises(UnknownJob):
        accepted(store, supersedes=str(uuid.uuid4()))
    assert store.find(Filter()) == []


# -- what goes along with it ------------------------------------------------------------------------------------------


def test_what_is_to_be_delivered_is_written_with_the_event_or_not_at_all(stores: JobStores) -> None:
    told: list[tuple[str, State]] = []

    def outbox(db: Session, job: Job, event: JobEvent) -> None:
        [row] = db.run("SELECT state FROM jobs WHERE job_id = :job_id", job_id=job.job_id)
        assert row["state"] == job.state.value
        if job.ordered.user == "broken":
            raise QueueFull("The outbox is full.")
        told.append((event.kind, job.state))

    store = stores.open(outbox=outbox)
    accepted(store)
    [lease] = claimed(store)
    store.end(lease, FAILED)
    assert told == [("queued", State.QUEUED), ("claimed", State.RUNNING), ("failed", State.FAILED)]
    with pytest.raises(QueueFull):
        accepted(store, user="broken")
    assert store.counts()[State.QUEUED] == 0
    assert set_aside(stores.ledger) == 0
