"""Quarantine, pauses that grow, probation, and free again; by a clock that is set."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mintmark.orchestrator.fleet.bounds import FIRST_PAUSE_S, FORGIVEN_S, LAST_PAUSE_S, LINE_PAUSE_S, PROBATION_S
from mintmark.orchestrator.fleet.entries import REASONS, Entry
from mintmark.orchestrator.fleet.standing import Standing, pause_s

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def entry(state: str = "up", **more: object) -> Entry:
    return Entry(name="w", url=None, state=state, added_at=NOON, added_by="x", **more)  # type: ignore[arg-type]


def test_a_worker_without_faults_gets_all_that_it_can_have() -> None:
    stands = Standing()
    assert (stands.told, stands.allowed(64), stands.why) == ("up", 64, "")
    assert not stands.answered(NOON) and not stands.succeeded()


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_fault_ends_in_quarantine_probation_and_freedom(reason: str) -> None:
    stands = Standing()
    assert stands.strike(reason, NOON)  # type: ignore[arg-type]
    assert (stands.told, stands.allowed(64), stands.why) == ("quarantined", 0, REASONS[reason])  # type: ignore[index]
    assert not stands.succeeded()  # a job that ran before
    over = after(pause_s(stands.reason, stands.strikes))  # type: ignore[arg-type]
    if over > NOON:
        assert not stands.answered(over - timedelta(seconds=1))
    assert stands.answered(over) and not stands.answered(over)
    assert (stands.told, stands.allowed(64)) == ("probation", 1)
    assert stands.succeeded()
    assert (stands.told, stands.allowed(64)) == ("up", 64)


def test_each_fault_in_a_row_costs_twice_the_pause_up_to_a_bound() -> None:
    stands, at, pauses = Standing(), NOON, []
    for _ in range(9):
        assert stands.strike("memory", at)
        assert stands.until is not None
        pauses.append((stands.until - at).total_seconds())
        at = stands.until
        assert stands.answered(at)
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LAST_PAUSE_S


def test_a_worker_that_was_well_for_long_begins_anew() -> None:
    stands = Standing()
    for _ in range(2):
        stands.strike("disk", NOON)
        stands.answered(after(10_000))
        stands.succeeded()
    assert stands.strikes == 2 and stands.until is not None
    stands.strike("disk", stands.until + timedelta(seconds=FORGIVEN_S + 1))
    assert stands.strikes == 1


def test_one_that_was_started_again_is_on_probation_as_soon_as_it_answers_the_first_time() -> None:
    stands = Standing()
    stands.strike("unreachable", NOON)
    assert stands.answered(NOON)
    stands.strike("unreachable", NOON)
    assert not stands.answered(NOON) and stands.answered(after(LINE_PAUSE_S))


def test_one_that_is_in_quarantine_is_not_struck_for_the_same_again() -> None:
    stands = Standing()
    assert stands.strike("prompt_thread", NOON)
    assert not stands.strike("prompt_thread", after(1)) and not stands.strike("unreachable", after(1))
    assert (stands.strikes, stands.reason) == (1, "prompt_thread")
    assert stands.strike("disk", after(2))


def test_a_long_job_on_probation_sets_it_free_before_it_ends() -> None:
    stands = Standing()
    stands.strike("unreachable", NOON)
    stands.answered(NOON)
    assert not stands.ran(PROBATION_S - 1, after(PROBATION_S))
    assert not stands.ran(PROBATION_S + 100, after(PROBATION_S - 1))  # it ran before, too
    assert stands.ran(PROBATION_S, after(PROBATION_S))


def test_who_is_pardoned_is_free_and_begins_anew() -> None:
    stands = Standing()
    for reason in ("memory", "unreachable"):
        stands.strike(reason, NOON)  # type: ignore[arg-type]
        stands.pardon()
        assert (stands.told, stands.untold, stands.strikes) == ("up", False, 0)


def test_what_the_registry_says_is_done() -> None:
    stands = Standing()
    stands.take(entry("draining"))
    assert (stands.told, stands.allowed(2)) == ("draining", 0)
    stands.take(entry())
    assert stands.told == "up"
    stands.take(entry("quarantined", reason="slow", until=after(30), strikes=3, struck_at=NOON))
    assert (stands.told, stands.reason, stands.strikes, stands.untold) == ("quarantined", "slow", 3, False)
    stands.take(None)
    assert stands.told == "up"


def test_a_probation_is_not_taken_back_by_what_the_registry_had_before() -> None:
    stands, held = Standing(), entry("quarantined", reason="slow", until=after(30), strikes=1, struck_at=NOON)
    stands.take(held)
    assert stands.answered(after(30))
    stands.take(held)
    assert stands.told == "probation"


def test_only_what_is_a_fault_of_the_worker_is_told_to_others() -> None:
    stands = Standing()
    stands.strike("unreachable", NOON)
    assert not stands.untold
    stands.take(entry())
    assert stands.told == "quarantined"  # what only this process has met stays
    other = Standing()
    other.strike("memory", NOON)
    assert other.untold
    told = other.entry("w", NOON)
    assert (told.state, told.reason, told.until, told.strikes) == ("quarantined", "memory", other.until, 1)
    other.take(entry())
    assert other.told == "quarantined"  # it has not been told yet
    other.untold = False
    other.answered(after(1000))
    other.succeeded()
    assert other.untold and other.entry("w", NOON).state == "up"
