"""Far more than usual."""

from __future__ import annotations

import logging

import pytest

from mintmark.errors import TooManyRequests
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.access.caller import Caller
from mintmark.orchestrator.access.velocity import MOST_USERS, Pace, Velocity, hour_of, too_fast, user_of
from mintmark.tests.orchestrator.databases import Open
from mintmark.tests.orchestrator.ticking import Clock

from .conftest import door
from .test_limits import caller_of, take_in


async def order(access: Access, ledger: SqlLedger, caller: Caller, clock: Clock, times: int) -> None:
    for _ in range(times):
        take_in(access, ledger, caller.key_id, clock)
    await access.tend()


async def a_usual_week(access: Access, ledger: SqlLedger, caller: Caller, clock: Clock) -> None:
    """Two jobs an hour, for 24 hours."""
    for _ in range(24):
        await order(access, ledger, caller, clock, 2)
        clock.go(hours=1)


@pytest.mark.parametrize(
    ("pace", "fast"),
    [
        (Pace("h", 1000, None), False),
        (Pace("h", 20, 0.1), False),
        (Pace("h", 21, 0.1), True),
        (Pace("h", 300, 100.0), False),
        (Pace("h", 301, 100.0), True),
    ],
)
def test_it_takes_a_usual_rate_and_more_than_a_few(pace: Pace, fast: bool) -> None:
    assert too_fast(pace, 3) is fast


async def test_a_flagged_key_goes_on_and_is_told_of_once_an_hour(
    access: Access, ledger: SqlLedger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    caller = await caller_of(access, velocity=5)
    await a_usual_week(access, ledger, caller, clock)
    await order(access, ledger, caller, clock, 20)
    await access.admit(caller, None, "submit")
    assert caplog.records == []
    await order(access, ledger, caller, clock, 1)
    for _ in range(3):
        await access.admit(caller, None, "submit")
    assert [record.action for record in caplog.records] == ["key_flagged"]
    [flagged] = [entry for entry in await access.audited() if entry.action == "key.flagged"]
    assert (flagged.actor, flagged.target) == ("velocity", caller.key_id)
    assert "21 jobs in the hour 2026-11-22T12, usually 2.0" in flagged.data["why"]


async def test_a_held_key_orders_nothing_until_it_is_released(
    access: Access, ledger: SqlLedger, clock: Clock, place: Open
) -> None:
    caller = await caller_of(access, velocity=5, velocity_action="hold")
    await a_usual_week(access, ledger, caller, clock)
    await order(access, ledger, caller, clock, 30)
    with pytest.raises(TooManyRequests, match="far more than usual"):
        await access.admit(caller, None, "submit")
    assert await access.admit(caller, None, "read") == {}
    key = access.keys.get(str(caller.key_id))
    assert key.held_at == clock()
    # Another process holds it, too, and so does this one in the next hour.
    clock.go(hours=1)
    for each in (access, door(place(), clock)):
        again = Caller(key.key_id, key.scopes, key.project, key.user, key.limits, held=True)
        with pytest.raises(TooManyRequests):
            await each.admit(again, None, "submit")
    released = access.keys.hold(key.key_id, held=False, actor="key:admin")
    assert released.held_at is None
    await access.admit(caller, None, "submit")
    assert [entry.action for entry in await access.audited()][:2] == ["key.released", "key.held"]


async def test_processes_count_together(place: Open, clock: Clock) -> None:
    ledgers = [place(), place()]
    one, other = [door(ledger, clock) for ledger in ledgers]
    caller = await caller_of(one, velocity=5, velocity_action="hold")
    await a_usual_week(one, ledgers[0], caller, clock)
    await order(other, ledgers[1], caller, clock, 20)
    await one.admit(caller, None, "submit")
    await order(one, ledgers[0], caller, clock, 1)
    with pytest.raises(TooManyRequests):
        await one.admit(caller, None, "submit")


async def order_for(access: Access, ledger: SqlLedger, caller: Caller, clock: Clock, times: int, user: str) -> None:
    for _ in range(times):
        take_in(access, ledger, caller.key_id, clock, end_user=user)
    await access.tend()


async def test_an_end_user_beyond_its_pace_is_refused_for_that_hour_and_nobody_else(
    access: Access, ledger: SqlLedger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caller = await caller_of(access, user_velocity=5, velocity_action="hold")
    for _ in range(24):
        for user in ("zoe", "max"):
            await order_for(access, ledger, caller, clock, 2, user)
        clock.go(hours=1)
    await order_for(access, ledger, caller, clock, 20, "zoe")
    access.admit_user(caller, "zoe")
    await order_for(access, ledger, caller, clock, 1, "zoe")
    for _ in range(2):
        with pytest.raises(TooManyRequests, match="end user") as caught:
            access.admit_user(caller, "zoe")
    assert (caught.value.data["limit"], caught.value.data["retry_after_s"]) == ("user_velocity", 3600)
    access.admit_user(caller, "max")
    await access.admit(caller, None, "submit")
    assert [record.action for record in caplog.records if record.levelname == "WARNING"] == ["end_user_flagged"]
    await access.tend()
    [held] = [entry for entry in await access.audited() if entry.actor == "velocity"]
    assert (held.action, "zoe" in str(held)) == ("end_user.held", False)
    clock.go(hours=1)
    access.admit_user(caller, "zoe")


async def test_an_end_user_is_flagged_and_goes_on(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    caller = await caller_of(access, user_velocity=5)
    await order_for(access, ledger, caller, clock, 1, "zoe")
    clock.go(hours=25)
    await order_for(access, ledger, caller, clock, 30, "zoe")
    access.admit_user(caller, "zoe")
    await access.tend()
    assert [entry.action for entry in await access.audited() if entry.actor == "velocity"] == ["end_user.flagged"]


def test_however_many_end_users_come_few_are_in_memory() -> None:
    velocity, clock = Velocity(), Clock()
    for number in range(3 * MOST_USERS):
        velocity.count(user_of("k", str(number)), clock())
    velocity.count("k", clock())
    counted = velocity.due()
    assert (len(counted), counted["k", hour_of(clock())]) == (MOST_USERS + 1, 1)
    velocity.learned({user_of("k", str(number)): Pace("2026-11-21T12", 30, 1.0) for number in range(9)})
    velocity.learned({"k": Pace("2026-11-21T13", 1, None)})
    assert list(velocity._known) == ["k"]


async def test_a_young_key_has_no_usual_rate(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    caller = await caller_of(access, velocity=2, velocity_action="hold")
    await order(access, ledger, caller, clock, 2)
    clock.go(hours=23)
    await order(access, ledger, caller, clock, 100)
    await access.admit(caller, None, "submit")


async def test_what_is_older_than_a_week_is_forgotten(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    caller = await caller_of(access, velocity=2)
    await order(access, ledger, caller, clock, 1)
    clock.go(days=9)
    await order(access, ledger, caller, clock, 1)
    hours = ledger.store.read(lambda db: db.run("SELECT hour FROM key_orders"))
    assert [row["hour"] for row in hours] == ["2026-11-30T12"]
