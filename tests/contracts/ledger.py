"""What every ledger must do: ``metering/ledger.py`` says it, this suite holds an implementation to that.

Use: star-import the tests and give the fixture ``ledgers``, a :class:`Ledgers`.
"""

from __future__ import annotations

import itertools
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import pytest

from mintmark.clock import utc_now
from mintmark.errors import BudgetExceeded
from mintmark.metering.ledger import Account, Ledger, Limits, Posting
from mintmark.metering.ledger_sql import SqlLedger

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
Kind = Literal["settled", "unknown", "released"]


class Ledgers(ABC):
    """One ledger, opened as often as there are processes."""

    @abstractmethod
    def open(self, budget: int | None = None, *, now: Callable[[], datetime] = utc_now) -> SqlLedger:
        """Another process's view of the same ledger; every view is given the same budget."""


class Clock:
    """A time that stands still until it is set."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 30, 23, 59, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def purse(ledgers: Ledgers, clock: Clock) -> SqlLedger:
    """A ledger without a budget of its own."""
    return ledgers.open(now=clock)


def posting(
    job_id: str, kind: Kind = "settled", microusd: int = 10, call_id: str | None = None, **more: Any
) -> Posting:
    facts = {"provider": "fal", "model": "fal/flux-schnell", "request_id": "r-1", "at": NOW, **more}
    amount = 0 if kind == "released" else microusd
    return Posting(call_id=call_id or str(uuid.uuid4()), job_id=job_id, kind=kind, microusd=amount, **facts)


def sums(ledger: Ledger) -> tuple[int, int, int]:
    """(settled, unknown, set aside)."""
    found = ledger.totals()
    return found.settled_microusd, found.unknown_microusd, found.set_aside_microusd


@pytest.fixture
def ledger(ledgers: Ledgers) -> Ledger:
    """A ledger with a budget of 100."""
    return ledgers.open(100)


def test_the_last_micro_dollar_may_be_set_aside_and_not_one_more(ledger: Ledger) -> None:
    ledger.allow("a", 99, Account())
    with pytest.raises(BudgetExceeded) as caught:
        ledger.allow("b", 2, Account())
    assert (caught.value.data["left_microusd"], caught.value.data["asked_microusd"]) == (1, 2)
    ledger.allow("b", 1, Account())
    assert sums(ledger) == (0, 0, 100)


def test_without_a_budget_nothing_is_refused(ledgers: Ledgers) -> None:
    ledger = ledgers.open(None)
    ledger.allow("a", 10**15, Account())
    assert sums(ledger) == (0, 0, 10**15)


def test_a_refused_allowance_leaves_nothing_behind(ledger: Ledger) -> None:
    with pytest.raises(BudgetExceeded):
        ledger.allow("a", 101, Account())
    ledger.allow("a", 100, Account())
    assert sums(ledger) == (0, 0, 100)


def test_allowing_a_job_again_sets_nothing_more_aside(ledger: Ledger) -> None:
    ledger.allow("a", 60, Account())
    ledger.allow("a", 60, Account())
    ledger.allow("a", 90, Account())
    assert sums(ledger) == (0, 0, 60)


def test_what_is_settled_comes_out_of_what_was_set_aside(ledger: Ledger) -> None:
    ledger.allow("a", 60, Account())
    ledger.post([posting("a", microusd=10), posting("a", "unknown", 20), posting("a", "released")])
    assert sums(ledger) == (10, 20, 30)
    assert ledger.totals().taken_microusd == 60


def test_what_is_charged_over_the_allowance_counts_in_full(ledger: Ledger) -> None:
    ledger.allow("a", 60, Account())
    ledger.post([posting("a", microusd=95)])
    assert sums(ledger) == (95, 0, 0)
    with pytest.raises(BudgetExceeded):
        ledger.allow("b", 6, Account())


def test_a_job_is_known_once_money_was_set_aside_for_it(ledger: Ledger) -> None:
    assert not ledger.knows("job")
    ledger.allow("job", 10, Account())
    ledger.allow("by hand", 10, Account(), call_id="call")
    assert ledger.knows("job") and ledger.knows("by hand")
    assert not ledger.knows("call")


def test_closing_a_job_gives_the_rest_back(ledger: Ledger) -> None:
    ledger.allow("a", 100, Account())
    ledger.post([posting("a", microusd=30), posting("a", "unknown", 20)])
    ledger.close_job("a")
    ledger.close_job("a")
    assert sums(ledger) == (30, 20, 0)
    ledger.allow("b", 50, Account())


def test_closing_a_job_does_not_open_it_again(ledger: Ledger) -> None:
    ledger.allow("a", 100, Account())
    ledger.close_job("a")
    ledger.allow("a", 100, Account())
    assert sums(ledger) == (0, 0, 0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("outcome", ["settled", "released"])
def test_facts_count_once_in_any_order(ledger: Ledger, order: tuple[int, ...], outcome: Kind) -> None:
    ledger.allow("a", 60, Account())
    facts = [posting("a", "unknown", 20, "c"), posting("a", outcome, 15, "c"), posting("a", outcome, 15, "c")]
    for index in order:
        ledger.post([facts[index]])
    assert sums(ledger) == ((15, 0, 45) if outcome == "settled" else (0, 0, 60))
    assert len(ledger.lines(job_id="a")) == 1


def test_of_two_outcomes_of_one_call_the_first_stays(ledger: Ledger) -> None:
    ledger.allow("a", 60, Account())
    ledger.post([posting("a", microusd=15, call_id="c"), posting("a", "released", call_id="c")])
    assert sums(ledger) == (15, 0, 45)


def test_money_of_a_job_nobody_allowed_is_not_ignored(ledger: Ledger) -> None:
    ledger.post([posting("stranger", microusd=30)])
    assert sums(ledger) == (30, 0, 0)
    with pytest.raises(BudgetExceeded):
        ledger.allow("a", 71, Account())


def test_an_allowance_that_comes_after_its_first_charge_is_set_aside_all_the_same(ledger: Ledger) -> None:
    ledger.post([posting("a", microusd=30)])
    ledger.allow("a", 100, Account(project="posters"))
    assert sums(ledger) == (30, 0, 70)
    assert ledger.lines()[0].project == "posters"
    with pytest.raises(BudgetExceeded):
        ledger.allow("b", 1, Account())


# -- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "after"), [("settled", (7, 0, 0)), ("released", (0, 0, 0)), ("unknown", (0, 7, 3))])
def test_a_call_s_own_allowance_ends_with_its_outcome(ledger: Ledger, kind: Kind, after: tuple[int, int, int]) -> None:
    ledger.allow("a", 10, Account(), call_id="c")
    ledger.post([posting("a", kind, 7, "c")])
    assert sums(ledger) == after


def test_a_doubt_resolved_later_gives_the_rest_back(ledger: Ledger) -> None:
    ledger.allow("a", 10, Account(), call_id="c")
    ledger.post([posting("a", "unknown", 10, "c")])
    ledger.post([posting("a", "settled", 4, "c")])
    assert sums(ledger) == (4, 0, 0)


def test_calls_of_one_job_by_hand_are_allowed_one_by_one(ledger: Ledger) -> None:
    for call_id in "xyz":
        ledger.allow("a", 30, Account(), call_id=call_id)
    with pytest.raises(BudgetExceeded):
        ledger.allow("a", 30, Account(), call_id="w")
    ledger.post([posting("a", microusd=10, call_id="x")])
    assert sums(ledger) == (10, 0, 60)
    assert {line.call_id for line in ledger.lines(job_id="a")} == {"x"}


# -- reading --------------------------------------------------------------------------------------------------------


def test_lines_tell_who_and_what_newest_first(ledger: Ledger) -> None:
    ledger.allow("a", 50, Account(project="posters", user="mia", workflow="text-to-image@1.0.0"))
    for minute in range(3):
        ledger.post([posting("a", microusd=minute, at=NOW + timedelta(minutes=minute))])
    lines = ledger.lines(limit=2)
    assert [line.microusd for line in lines] == [2, 1]
    assert {(line.project, line.user, line.workflow) for line in lines} == {("posters", "mia", "text-to-image@1.0.0")}
    assert lines[0].at == NOW + timedelta(minutes=2)


def test_lines_of_one_job_are_its_own(ledger: Ledger) -> None:
    ledger.post([posting("a", call_id="x"), posting("b", call_id="y")])
    assert [line.call_id for line in ledger.lines(job_id="b")] == ["y"]
    assert ledger.totals().calls == 2


def test_lines_of_a_model_and_of_a_workflow_are_theirs_in_all_its_versions(ledger: Ledger) -> None:
    for job, workflow in (("a", "poster@1.0.0"), ("b", "poster@1.1.0"), ("c", "poster-large@1.0.0"), ("d", None)):
        ledger.allow(job, 20, Account(workflow=workflow))
        ledger.post([posting(job, call_id=job), posting(job, call_id=f"{job}2", model="fal/flux-dev")])
    told = {line.call_id for line in ledger.lines(model="fal/flux-schnell", workflow="poster")}
    assert told == {"a", "b"}
    assert {line.call_id for line in ledger.lines(workflow="poster@1.1.0")} == {"b", "b2"}
    assert {line.call_id for line in ledger.lines(model="fal/flux-dev")} == {"a2", "b2", "c2", "d2"}
    assert ledger.lines(workflow="post") == []


def test_a_report_on_one_model_counts_nothing_else(ledger: Ledger) -> None:
    ledger.allow("a", 50, Account(workflow="poster@1.0.0"))
    ledger.post([posting("a", microusd=3, images=2), posting("a", microusd=40, model="fal/flux-dev")])
    ledger.post([posting("b", microusd=5, images=1)])
    found = {each.key: (each.images, each.microusd) for each in ledger.report("workflow", model="fal/flux-schnell")}
    assert found == {"poster@1.0.0": (2, 3), "": (1, 5)}
    days = ledger.report("day", model="fal/flux-dev", since=NOW.date(), until=NOW.date())
    assert [(each.key, each.microusd) for each in days] == [("2026-11-21", 40)]


def test_a_page_is_booked_together_with_how_far_it_was_read(ledger: Ledger) -> None:
    assert ledger.cursor("j") == 0
    page = [posting("a", microusd=5, call_id="c")]
    ledger.post_page("j", page, 7)
    ledger.post_page("j", page, 3)
    assert (ledger.cursor("j"), ledger.cursor("other")) == (7, 0)
    assert sums(ledger) == (5, 0, 0)


def test_a_page_that_cannot_be_booked_is_not_counted_as_read(ledger: Ledger) -> None:
    broken = posting("a").model_copy(update={"microusd": -1})
    with pytest.raises(Exception, match=r"(?i)check"):
        ledger.post_page("j", [posting("a", call_id="c"), broken], 9)
    assert ledger.cursor("j") == 0
    assert ledger.lines() == []


def test_what_one_process_books_another_reads(ledgers: Ledgers) -> None:
    one, other = ledgers.open(100), ledgers.open(100)
    one.allow("a", 60, Account())
    with pytest.raises(BudgetExceeded):
        other.allow("b", 41, Account())
    other.post([posting("a", microusd=1)])
    assert sums(one) == sums(other) == (1, 0, 59)


def test_many_threads_on_one_budget_take_all_of_it_and_no_more(ledgers: Ledgers) -> None:
    views = [ledgers.open(330) for _ in range(4)]

    def take(number: int) -> int:
        try:
            views[number % 4].allow(f"job-{number}", 10, Account())
        except BudgetExceeded:
            return 0
        views[number % 4].post([posting(f"job-{number}", microusd=10)])
        return 1

    with ThreadPoolExecutor(64) as threads:
        assert sum(threads.map(take, range(64))) == 33
    assert sums(views[0]) == (330, 0, 0)


# -- the limits of one job and of one day --


def limited(ledger: Ledger, job_id: str, microusd: int, *, run: int | None = None, day: int | None = None) -> None:
    limits = Limits(per_run_microusd=run, per_day_microusd=day)
    call_id = str(uuid.uuid4())
    ledger.allow(job_id, microusd, Account(), call_id=call_id, limits=limits, today=NOW.date())


def test_a_job_takes_no_more_than_its_own_limit(ledgers: Ledgers) -> None:
    ledger = ledgers.open()
    limited(ledger, "a", 6, run=10)
    with pytest.raises(
        BudgetExceeded, match=r"This run: \$0.00 spent, \$0.000006 set aside, \$0.000005 asked"
    ) as caught:
        limited(ledger, "a", 5, run=10)
    assert caught.value.data == {"left_microusd": 4, "asked_microusd": 5}
    limited(ledger, "a", 4, run=10)
    limited(ledger, "b", 10, run=10)
    assert sums(ledger) == (0, 0, 20)


def test_a_day_takes_no_more_than_its_limit_and_another_day_does_not_count(ledgers: Ledgers) -> None:
    ledger = ledgers.open()
    ledger.post([posting("old", microusd=50, at=NOW - timedelta(days=1)), posting("today", microusd=3)])
    limited(ledger, "a", 4, day=10)
    with pytest.raises(BudgetExceeded, match=r"Today \(UTC\): \$0.000003 spent, \$0.000004 set aside"):
        limited(ledger, "b", 4, day=10)
    limited(ledger, "b", 3, day=10)


def test_a_day_is_a_day_of_utc(ledgers: Ledgers) -> None:
    ledger = ledgers.open()
    east = timezone(timedelta(hours=9))
    ledger.post([posting("a", microusd=5, at=datetime(2026, 11, 21, 8, 59, tzinfo=east))])  # the 20th, 23:59 UTC
    ledger.post([posting("a", microusd=7, at=datetime(2026, 11, 22, 8, 59, tzinfo=east))])  # the 21st, 23:59 UTC
    assert ledger.taken(day=NOW.date()).spent_microusd == 7
    assert ledger.taken(day=NOW.date(), but="a").spent_microusd == 0
    assert ledger.taken(job_id="a").spent_microusd == 12


def test_what_is_unknown_counts_against_the_limits_until_it_is_decided(ledgers: Ledgers) -> None:
    ledger = ledgers.open()
    ledger.post([posting("a", "unknown", 8, call_id="c")])
    with pytest.raises(BudgetExceeded):
        limited(ledger, "a", 3, run=10)
    ledger.post([posting("a", "released", call_id="c")])
    limited(ledger, "a", 3, run=10)


def test_what_costs_nothing_is_allowed_beyond_every_limit(ledgers: Ledgers) -> None:
    ledger = ledgers.open()
    ledger.post([posting("a", microusd=50)])
    limited(ledger, "a", 0, run=10, day=10)
    assert ledger.totals().settled_microusd == 50
    assert ledger.totals().set_aside_microusd == 0


def test_a_refusal_by_a_limit_leaves_nothing_behind(ledgers: Ledgers) -> None:
    ledger = ledgers.open()
    with pytest.raises(BudgetExceeded):
        limited(ledger, "a", 11, day=10)
    assert not ledger.knows("a")
    assert sums(ledger) == (0, 0, 0)


def test_many_threads_take_all_of_a_day_and_no_more(ledgers: Ledgers) -> None:
    views = [ledgers.open() for _ in range(4)]

    def take(number: int) -> int:
        try:
            limited(views[number % 4], f"job-{number}", 10, day=330)
        except BudgetExceeded:
            return 0
        return 1

    with ThreadPoolExecutor(64) as threads:
        assert sum(threads.map(take, range(64))) == 33
    assert sums(views[0]) == (0, 0, 330)


def test_of_two_limits_the_lower_one_holds() -> None:
    one, other = Limits(per_run_microusd=5), Limits(per_run_microusd=3, per_day_microusd=9)
    assert one.and_(other) == other.and_(one) == Limits(per_run_microusd=3, per_day_microusd=9)
