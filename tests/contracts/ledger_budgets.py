"""What every ledger's budgets must do; see ``contracts/ledger.py``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mintmark.errors import BudgetExceeded, InvalidInput
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Account
from mintmark.metering.ledger_sql import SqlLedger

from .ledger import Clock, Ledgers, posting

MIA, TOM = Account(project="acme", user="mia"), Account(project="acme", user="tom")


def acme(limit: int | None = 100, period: str = "month", **more: int) -> Budget:
    return Budget("project", "acme", period, limit, **more)  # type: ignore[arg-type]


def taken(ledger: SqlLedger) -> dict[str, int]:
    return {usage.budget.id: usage.taken_microusd for usage in ledger.budgets()}


def test_a_budget_gives_all_it_has_and_not_one_more(purse: SqlLedger) -> None:
    purse.set_budget(acme(100))
    purse.allow("a", 99, MIA)
    with pytest.raises(BudgetExceeded) as caught:
        purse.allow("b", 2, TOM)
    assert caught.value.data == {
        "scope": "project",
        "value": "acme",
        "period": "month",
        "period_start": "2026-11-01",
        "left_microusd": 1,
        "asked_microusd": 2,
    }
    assert "project acme, per month" in str(caught.value)
    purse.allow("b", 1, TOM)
    purse.allow("c", 5, Account(project="other"))
    assert purse.problems() == []


@pytest.mark.parametrize(
    "budget",
    [
        Budget("user", "mia", "day", 10),
        Budget("project", "acme", "month", 10),
        Budget("api_key", "k1", "total", 10),
        Budget("workflow", "poster", "total", 10),
        Budget("workflow", "poster@1.0.0", "total", 10),
        Budget("overall", "", "day", 10),
    ],
    ids=lambda budget: budget.id,
)
def test_each_scope_holds_those_it_names(purse: SqlLedger, budget: Budget) -> None:
    its = Account(project="acme", user="mia", workflow="poster@1.0.0", api_key="k1")
    purse.set_budget(budget)
    purse.allow("a", 10, its)
    with pytest.raises(BudgetExceeded):
        purse.allow("b", 1, its)
    if budget.scope != "overall":
        purse.allow("c", 1000, Account(project="x", user="y", workflow="poster-2@1.0.0", api_key="z"))
    assert purse.problems() == []


def test_a_workflow_s_budget_and_its_count_are_of_the_same_jobs_whatever_the_names(purse: SqlLedger) -> None:
    for name in ("a", "a@b", "a@b@c", "flow@"):
        purse.set_budget(Budget("workflow", name, "total", 100))
    purse.allow("one", 7, Account(workflow="a@b@c"))
    purse.allow("two", 5, Account(workflow="flow"))
    assert taken(purse) == {"workflow:a:total": 7, "workflow:a@b:total": 0, "workflow:a@b@c:total": 7} | {
        "workflow:flow@:total": 0
    }
    assert purse.problems() == []


@pytest.mark.parametrize("asked", [-1, 2**62])
def test_an_amount_that_is_no_money_is_not_set_aside(purse: SqlLedger, asked: int) -> None:
    with pytest.raises(InvalidInput):
        purse.allow("a", asked, MIA)
    assert not purse.knows("a")


def test_a_job_takes_from_all_its_budgets_or_from_none(purse: SqlLedger) -> None:
    purse.set_budget(acme(100))
    purse.set_budget(Budget("user", "mia", "day", 10))
    purse.set_budget(Budget("overall", "", "total", 1000))
    with pytest.raises(BudgetExceeded, match="user mia, per day"):
        purse.allow("a", 11, MIA)
    assert set(taken(purse).values()) == {0}
    purse.allow("a", 10, MIA)
    assert set(taken(purse).values()) == {10}


def test_what_costs_nothing_is_never_refused(purse: SqlLedger) -> None:
    purse.set_budget(acme(0))
    purse.allow("a", 0, MIA)
    assert purse.knows("a")


def test_what_is_not_spent_goes_back_to_every_budget(purse: SqlLedger) -> None:
    purse.set_budget(acme(100))
    purse.set_budget(Budget("user", "mia", "day", 100))
    purse.allow("a", 60, MIA)
    purse.post([posting("a", microusd=10), posting("a", "unknown", 20, "doubt"), posting("a", "released")])
    assert set(taken(purse).values()) == {60}
    purse.close_job("a")
    assert set(taken(purse).values()) == {30}
    purse.post([posting("a", "released", call_id="doubt")])
    assert set(taken(purse).values()) == {10}
    assert purse.problems() == []


def test_what_is_charged_beyond_the_allowance_counts_against_every_budget(purse: SqlLedger) -> None:
    purse.set_budget(acme(100))
    purse.allow("a", 10, MIA)
    purse.post([posting("a", microusd=95)])
    assert taken(purse) == {"project:acme:month": 95}
    with pytest.raises(BudgetExceeded):
        purse.allow("b", 6, MIA)
    assert purse.problems() == []


def test_a_new_day_and_month_begin_at_midnight_utc(purse: SqlLedger, clock: Clock) -> None:
    for period in ("day", "month", "total"):
        purse.set_budget(acme(100 if period != "total" else 1000, period))
    purse.allow("a", 100, MIA)
    clock.at += timedelta(minutes=1)
    assert taken(purse) == {"project:acme:day": 0, "project:acme:month": 0, "project:acme:total": 100}
    purse.allow("b", 100, MIA)
    clock.at += timedelta(days=1)
    with pytest.raises(BudgetExceeded, match="per month"):
        purse.allow("c", 1, MIA)
    assert purse.problems() == []


def test_a_charge_belongs_to_the_period_in_which_its_allowance_was_granted(purse: SqlLedger, clock: Clock) -> None:
    purse.set_budget(acme(100, "day"))
    purse.allow("a", 100, MIA)
    clock.at += timedelta(minutes=1)
    purse.post([posting("a", microusd=120, at=clock.at)])
    purse.close_job("a")
    assert taken(purse) == {"project:acme:day": 0}
    purse.allow("b", 100, MIA)
    assert purse.problems() == []


def test_a_budget_set_late_counts_what_was_taken_before(purse: SqlLedger) -> None:
    purse.allow("a", 60, MIA)
    purse.post([posting("stranger", microusd=7)])
    purse.set_budget(acme(100))
    purse.set_budget(Budget("overall", "", "month", 100))
    assert taken(purse) == {"project:acme:month": 60, "overall::month": 67}
    with pytest.raises(BudgetExceeded):
        purse.allow("b", 41, MIA)
    purse.allow("b", 33, MIA)


def test_a_budget_set_again_keeps_its_count(purse: SqlLedger) -> None:
    purse.set_budget(acme(100))
    purse.allow("a", 60, MIA)
    purse.set_budget(acme(50))
    with pytest.raises(BudgetExceeded) as caught:
        purse.allow("b", 1, MIA)
    assert caught.value.data["left_microusd"] == -10
    purse.set_budget(acme(61))
    purse.allow("b", 1, MIA)
    assert taken(purse) == {"project:acme:month": 61}


def test_a_removed_budget_holds_nobody(purse: SqlLedger) -> None:
    purse.set_budget(acme(1))
    assert purse.remove_budget(acme(1))
    assert not purse.remove_budget(acme(1))
    purse.allow("a", 100, MIA)
    assert purse.budgets() == []


def test_the_soft_limit_warns_once_a_period_and_lets_through_its_grace(
    purse: SqlLedger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    purse.set_budget(acme(100, "day", soft_microusd=80, grace_microusd=10))
    with caplog.at_level(logging.WARNING, "mintmark.metering.ledger"):
        purse.allow("a", 80, MIA)
        assert caplog.messages == []
        purse.allow("b", 5, MIA)
        purse.allow("c", 5, MIA)
        assert caplog.messages == ["Budget project:acme:day has passed its soft limit."]
        with pytest.raises(BudgetExceeded) as caught:
            purse.allow("d", 1, MIA)
        assert caught.value.data["left_microusd"] == 0
        clock.at += timedelta(minutes=1)
        purse.allow("e", 81, MIA)
    assert len(caplog.messages) == 2
    assert [usage.left_microusd for usage in purse.budgets()] == [9]


def test_a_soft_limit_alone_refuses_nobody(purse: SqlLedger) -> None:
    purse.set_budget(acme(None, soft_microusd=10))
    purse.allow("a", 1000, MIA)
    assert purse.budgets()[0].left_microusd is None


def test_the_hard_limit_ends_what_grace_would_let_through(purse: SqlLedger) -> None:
    purse.set_budget(acme(100, soft_microusd=95, grace_microusd=50))
    with pytest.raises(BudgetExceeded):
        purse.allow("a", 101, MIA)
    purse.allow("a", 100, MIA)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Budget("project", "", "day", 1),
        lambda: Budget("overall", "acme", "day", 1),
        lambda: Budget("team", "acme", "day", 1),  # type: ignore[arg-type]
        lambda: Budget("project", "acme", "year", 1),  # type: ignore[arg-type]
        lambda: Budget("project", "acme", "day"),
        lambda: Budget("project", "acme", "day", -1),
        lambda: Budget("project", "acme", "day", 10, soft_microusd=11),
        lambda: Budget("project", "acme", "day", 10, grace_microusd=1),
        lambda: Budget("project", "acme", "day", 10**16),
    ],
)
def test_a_budget_that_contradicts_itself_is_refused(broken: Callable[[], Budget]) -> None:
    with pytest.raises(InvalidInput):
        broken()


def test_an_allowance_that_comes_after_its_first_charge_moves_to_its_own_budgets(purse: SqlLedger) -> None:
    purse.set_budget(acme(100))
    purse.set_budget(Budget("project", "default", "month", 100))
    purse.post([posting("a", microusd=30)])
    assert taken(purse) == {"project:acme:month": 0, "project:default:month": 30}
    purse.allow("a", 50, MIA)
    assert taken(purse) == {"project:acme:month": 50, "project:default:month": 0}
    assert purse.problems() == []


def test_many_threads_on_three_budgets_take_what_fits_and_no_more(ledgers: Ledgers) -> None:
    views = [ledgers.open() for _ in range(4)]
    views[0].set_budget(acme(330))
    views[0].set_budget(Budget("user", "mia", "day", 110))
    views[0].set_budget(Budget("overall", "", "total", 400))

    def take(number: int) -> int:
        view, account = views[number % 4], (MIA, TOM)[number % 2]
        try:
            view.allow(f"job-{number}", 10, account)
        except BudgetExceeded:
            return 0
        view.post([posting(f"job-{number}", microusd=10)])
        view.close_job(f"job-{number}")
        return 1

    with ThreadPoolExecutor(16) as threads:
        got = list(threads.map(take, range(80)))
    assert sum(got) == 33
    assert sum(got[0::2]) <= 11
    assert views[0].problems() == []


def test_a_budget_set_among_many_threads_misses_nothing(ledgers: Ledgers) -> None:
    views = [ledgers.open() for _ in range(4)]

    def work(number: int) -> None:
        if number % 10 == 5:
            views[number % 4].set_budget(acme(10**9, ("day", "month", "total")[number % 3]))
        views[number % 4].allow(f"job-{number}", 10, MIA)
        views[number % 4].post([posting(f"job-{number}", microusd=12)])

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(60)))
    assert set(taken(views[0]).values()) == {720}
    assert views[0].problems() == []
