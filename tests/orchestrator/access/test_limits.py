"""What a key and its end users may have at once, ask for and spend."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mintmark.errors import BudgetExceeded, TooManyRequests
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access import jobs, key_book
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.access.caller import Caller
from mintmark.orchestrator.access.keys import KeyLimits
from mintmark.orchestrator.access.velocity import digest_of_user
from mintmark.orchestrator.jobs.job import Job
from mintmark.orchestrator.jobs.states import State
from mintmark.storage.base import Part
from mintmark.tests.orchestrator.databases import Open
from mintmark.tests.orchestrator.made_jobs import event, job, over
from mintmark.tests.orchestrator.ticking import Clock

from .conftest import door


async def caller_of(access: Access, **limits: object) -> Caller:
    _, token = access.keys.create(scopes=["submit"], project="acme", user="mia", limits=KeyLimits(**limits))
    return await access.authenticate(f"Bearer {token}", "203.0.113.9")


def take_in(access: Access, ledger: SqlLedger, key_id: str | None, clock: Clock, **facts: object) -> Job:
    """What the job store does when it accepts a job."""
    made = job(clock(), key_id=key_id, **facts)
    ledger.store.transact(lambda db: access.on_job(db, made, event(made, "queued", clock())))
    return made


def end(access: Access, ledger: SqlLedger, made: Job, clock: Clock, *, cost: int = 0, kind: str = "succeeded") -> None:
    states = {"succeeded": State.SUCCEEDED, "failed": State.FAILED}
    ended = over(made, states.get(kind, State.CANCELED), cost)
    ledger.store.transact(lambda db: access.on_job(db, ended, event(made, kind, clock())))


async def test_headers_tell_what_is_left_and_a_refusal_when_to_come_back(access: Access, clock: Clock) -> None:
    caller = await caller_of(access, requests_per_minute=2, user_requests_per_minute=1)
    assert await access.admit(caller, None) == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "1",
        "RateLimit-Reset": "30",
    }
    await access.admit(caller, "zoe")
    with pytest.raises(TooManyRequests) as caught:
        await access.admit(caller, None)
    assert caught.value.data["retry_after_s"] == 30
    assert caught.value.data["headers"]["Retry-After"] == "30"
    clock.go(seconds=30)
    with pytest.raises(TooManyRequests) as caught:
        await access.admit(caller, "zoe")
    assert caught.value.data["headers"]["RateLimit-Limit"] == "1"
    clock.go(seconds=30)
    await access.admit(caller, "zoe")


async def test_each_line_of_a_batch_can_be_counted_for_its_end_user(access: Access, clock: Clock) -> None:
    caller = await caller_of(access, requests_per_minute=2, user_requests_per_minute=2)
    told = await access.admit_key(caller, "submit")
    assert access.admit_user(caller, None, told) == told
    assert access.admit_user(caller, "zoe", told)["RateLimit-Remaining"] == "1"
    assert access.admit_user(caller, "zoe")["RateLimit-Remaining"] == "0"
    with pytest.raises(TooManyRequests, match="end user") as caught:
        access.admit_user(caller, "zoe")
    assert caught.value.data["headers"]["Retry-After"] == "30"
    # The key itself was asked once.
    assert access.admit_user(caller, "max", told)["RateLimit-Limit"] == "2"
    assert (await access.admit_key(caller))["RateLimit-Remaining"] == "0"


async def test_who_has_no_key_or_no_limits_is_told_nothing(access: Access) -> None:
    assert await access.admit(await access.authenticate(None, "::1"), "zoe", "submit") == {}
    assert await access.admit(await caller_of(access), "zoe", "submit") == {}


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_fifty_at_once_as_many_as_may_are_let_in(place: Open, clock: Clock, processes: int) -> None:
    ledgers = [place() for _ in range(processes)]
    doors = [door(ledger, clock) for ledger in ledgers]
    caller = await caller_of(doors[0], jobs_at_once=10)

    def ask(number: int) -> Job | TooManyRequests:
        which = number % processes
        try:
            return take_in(doors[which], ledgers[which], caller.key_id, clock)
        except TooManyRequests as exc:
            return exc

    with ThreadPoolExecutor(50) as threads:
        found = list(threads.map(ask, range(50)))
    accepted = [each for each in found if isinstance(each, Job)]
    refused = [each.data for each in found if isinstance(each, TooManyRequests)]
    assert (len(accepted), len(refused)) == (10, 40)
    assert {(data["limit"], data["left"], data["retry_after_s"]) for data in refused} == {("jobs_at_once", 0, 5)}
    end(doors[0], ledgers[0], accepted[0], clock)
    assert isinstance(ask(0), Job)
    assert isinstance(ask(1), TooManyRequests)


@pytest.mark.parametrize("kind", ["succeeded", "failed", "canceled", "superseded", "deadline_passed"])
async def test_every_end_makes_room_and_nothing_else_does(
    access: Access, ledger: SqlLedger, clock: Clock, kind: str
) -> None:
    caller = await caller_of(access, jobs_at_once=1)
    made = take_in(access, ledger, caller.key_id, clock)
    for step in ("claimed", "requeued", "claimed", "accepted", "purged"):
        ledger.store.transact(lambda db, step=step: access.on_job(db, made, event(made, step, clock())))
    with pytest.raises(TooManyRequests):
        take_in(access, ledger, caller.key_id, clock)
    end(access, ledger, made, clock, kind=kind)
    end(access, ledger, made, clock, kind=kind)
    take_in(access, ledger, caller.key_id, clock)
    with pytest.raises(TooManyRequests):
        take_in(access, ledger, caller.key_id, clock)


async def test_a_limit_that_is_set_later_counts_the_jobs_that_are_there(
    access: Access, ledger: SqlLedger, clock: Clock
) -> None:
    caller = await caller_of(access)
    for _ in range(3):
        take_in(access, ledger, caller.key_id, clock)
    access.keys.limit(str(caller.key_id), KeyLimits(jobs_at_once=3))
    with pytest.raises(TooManyRequests):
        take_in(access, ledger, caller.key_id, clock)


async def test_end_users_are_counted_each_on_its_own(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    caller = await caller_of(access, user_jobs_at_once=1, jobs_at_once=3)
    for end_user in ("zoe", "max"):
        take_in(access, ledger, caller.key_id, clock, end_user=end_user)
        with pytest.raises(TooManyRequests, match="end user"):
            take_in(access, ledger, caller.key_id, clock, end_user=end_user)
    take_in(access, ledger, caller.key_id, clock)
    with pytest.raises(TooManyRequests, match="The key"):
        take_in(access, ledger, caller.key_id, clock, end_user="new")


async def test_a_refused_job_leaves_nothing_behind(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    caller = await caller_of(access, user_spend_per_day_microusd=1500, jobs_at_once=2)
    take_in(access, ledger, caller.key_id, clock, end_user="zoe")
    with pytest.raises(BudgetExceeded) as caught:
        take_in(access, ledger, caller.key_id, clock, end_user="zoe")
    assert (caught.value.data["left_microusd"], caught.value.data["asked_microusd"]) == (500, 1000)
    take_in(access, ledger, caller.key_id, clock, end_user="max")
    counts = "SELECT count(*) AS n FROM key_jobs"
    assert ledger.store.read(lambda db: db.run(counts))[0]["n"] == 2


async def test_an_end_user_s_day_counts_what_was_spent_and_what_may_be(
    access: Access, ledger: SqlLedger, clock: Clock
) -> None:
    caller = await caller_of(access, user_spend_per_day_microusd=1500)
    made = take_in(access, ledger, caller.key_id, clock, end_user="zoe")
    left = await access.left(caller, "zoe")
    assert left == {"Mintmark-Spend-Limit": "0.001500", "Mintmark-Spend-Remaining": "0.000500"}
    clock.go(days=1)
    # What is given back belongs to the day on which it was taken.
    end(access, ledger, made, clock, cost=300)
    assert (await access.left(caller, "zoe"))["Mintmark-Spend-Remaining"] == "0.001500"
    clock.go(days=-1)
    assert (await access.left(caller, "zoe"))["Mintmark-Spend-Remaining"] == "0.001200"
    take_in(access, ledger, caller.key_id, clock, end_user="zoe")


async def test_fifty_at_once_never_spend_more_than_an_end_user_may(
    access: Access, ledger: SqlLedger, clock: Clock
) -> None:
    caller = await caller_of(access, user_spend_per_day_microusd=7_500)

    def ask(_number: int) -> bool:
        try:
            take_in(access, ledger, caller.key_id, clock, end_user="zoe")
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(50) as threads:
        assert sum(threads.map(ask, range(50))) == 7


async def test_headers_of_an_order_tell_of_jobs_and_of_the_key_s_money(
    access: Access, ledger: SqlLedger, clock: Clock
) -> None:
    caller = await caller_of(access, jobs_at_once=5, spend_per_day_microusd=10_000, user_jobs_at_once=2)
    take_in(access, ledger, caller.key_id, clock, end_user="zoe")
    assert await access.admit(caller, None, "read") == {}
    told = await access.admit(caller, None, "submit")
    assert (told["Mintmark-Jobs-Limit"], told["Mintmark-Jobs-Remaining"]) == ("5", "4")
    assert told["Mintmark-Spend-Remaining"] == "0.010000"
    assert (await access.admit(caller, "zoe", "submit"))["Mintmark-Jobs-Remaining"] == "1"


async def test_jobs_without_a_key_are_not_counted(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    made = take_in(access, ledger, None, clock, end_user="zoe")
    end(access, ledger, made, clock)
    assert ledger.store.read(lambda db: db.run("SELECT count(*) AS n FROM key_jobs"))[0]["n"] == 0


async def test_an_end_user_s_name_is_kept_nowhere(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    caller = await caller_of(access, user_spend_per_day_microusd=1500, user_jobs_at_once=2)
    take_in(access, ledger, caller.key_id, clock, end_user="zoe-of-acme")

    def rows(table: str) -> str:
        return repr([dict(row) for row in ledger.store.read(lambda db: db.run(f"SELECT * FROM {table}"))])

    for table in ("key_jobs", "end_user_spend"):
        assert digest_of_user("zoe-of-acme") in rows(table)
    for table in ("key_jobs", "end_user_spend", "key_orders", "audit_waiting"):
        assert "zoe-of-acme" not in rows(table)


async def test_a_database_of_version_1_goes_on_counting_its_end_users(place: Open, clock: Clock) -> None:
    store = place().store
    store.install(Part("access", key_book.PART.script))
    day = f"{clock():%Y-%m-%d}"
    held = {"key_id": "k", "end_user": "zoe", "day": day}
    store.transact(lambda db: db.run("INSERT INTO key_jobs VALUES ('j', :key_id, :end_user, :day, 700)", **held))
    store.transact(lambda db: db.run("INSERT INTO key_jobs VALUES ('i', :key_id, '', :day, 1)", key_id="k", day=day))
    store.transact(lambda db: db.run("INSERT INTO end_user_spend VALUES (:key_id, :end_user, :day, 700)", **held))
    store.install(key_book.PART)
    assert store.read(lambda db: jobs.spend_of(db, "k", "zoe", day)) == 700
    assert store.read(lambda db: jobs.jobs_of(db, "k", "zoe", 9)) == 1
    assert store.read(lambda db: jobs.jobs_of(db, "k", None, 9)) == 2
    assert "zoe" not in repr([dict(row) for row in store.read(lambda db: db.run("SELECT * FROM key_jobs"))])


async def test_an_end_user_s_days_are_not_kept_for_ever(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    caller = await caller_of(access, user_spend_per_day_microusd=1500)
    end(access, ledger, take_in(access, ledger, caller.key_id, clock, end_user="zoe"), clock, cost=10)

    async def days() -> int:
        await access.tend()
        return ledger.store.read(lambda db: db.run("SELECT count(*) AS n FROM end_user_spend"))[0]["n"]

    clock.go(days=35)
    assert await days() == 1
    clock.go(days=1)
    assert await days() == 0
