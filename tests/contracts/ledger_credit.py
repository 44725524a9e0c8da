"""What every ledger's prepaid credit must do; see ``contracts/ledger.py``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mintmark.errors import BudgetExceeded, CreditExhausted, InvalidInput
from mintmark.metering.ledger import Account
from mintmark.metering.ledger_sql import SqlLedger

from .ledger import Clock, Ledgers, posting, sums
from .ledger_budgets import MIA, TOM, acme, taken


def left(ledger: SqlLedger) -> dict[str, int]:
    return {credit.name: credit.left_microusd for credit in ledger.credit()}


def test_a_prepaid_job_draws_its_allowance_from_the_credit_and_gives_the_rest_back(purse: SqlLedger) -> None:
    purse.top_up("project", "acme", 100, key="t1")
    purse.allow("a", 60, MIA)
    assert left(purse) == {"acme": 40}
    purse.post([posting("a", microusd=10)])
    purse.close_job("a")
    assert left(purse) == {"acme": 90}
    assert sums(purse) == (10, 0, 0)
    assert purse.problems() == []


def test_the_last_of_the_credit_may_be_drawn_and_not_one_more(purse: SqlLedger) -> None:
    purse.top_up("user", "mia", 100, key="t1")
    with pytest.raises(CreditExhausted) as caught:
        purse.allow("a", 101, MIA)
    assert caught.value.data == {"scope": "user", "value": "mia", "left_microusd": 100, "asked_microusd": 101}
    purse.allow("a", 100, MIA)
    purse.allow("b", 1000, TOM)
    assert left(purse) == {"mia": 0}


def test_where_both_prepaid_the_project_pays(purse: SqlLedger) -> None:
    purse.top_up("user", "mia", 100, key="t1")
    purse.top_up("project", "acme", 100, key="t2")
    purse.allow("a", 30, MIA)
    assert left(purse) == {"acme": 70, "mia": 100}


def test_credit_and_budgets_are_one_transaction(purse: SqlLedger) -> None:
    purse.top_up("project", "acme", 100, key="t1")
    purse.set_budget(acme(50))
    with pytest.raises(BudgetExceeded, match="per month"):
        purse.allow("a", 60, MIA)
    assert left(purse) == {"acme": 100}
    purse.set_budget(acme(500))
    with pytest.raises(CreditExhausted):
        purse.allow("a", 101, MIA)
    assert taken(purse) == {"project:acme:month": 0}
    assert not purse.knows("a")


def test_the_same_key_adds_once_and_means_one_thing(purse: SqlLedger) -> None:
    for _ in range(3):
        purse.top_up("project", "acme", 100, key="t1")
    assert left(purse) == {"acme": 100}
    for owner, name, amount in (("project", "acme", 99), ("project", "other", 100), ("user", "acme", 100)):
        with pytest.raises(InvalidInput, match="t1"):
            purse.top_up(owner, name, amount, key="t1")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        purse.refund("project", "acme", 100, key="t1")
    assert purse.problems() == []


@pytest.mark.parametrize(
    ("amount", "key", "name"),
    [(0, "k", "acme"), (-5, "k", "acme"), (2**62, "k", "acme"), (5, " ", "acme"), (5, "k", ""), (5, "k", "\x1b[2J")],
)
def test_a_top_up_of_nothing_is_refused(purse: SqlLedger, amount: int, key: str, name: str) -> None:
    with pytest.raises(InvalidInput):
        purse.top_up("project", name, amount, key=key)
    assert purse.credit() == []


def test_credit_that_has_expired_already_is_refused_and_repeating_an_old_one_is_harmless(
    purse: SqlLedger, clock: Clock
) -> None:
    until = clock.at + timedelta(days=1)
    purse.top_up("project", "acme", 50, key="a day", expires_at=until)
    clock.at += timedelta(days=2)
    purse.top_up("project", "acme", 50, key="a day", expires_at=until)
    with pytest.raises(InvalidInput, match="expired"):
        purse.top_up("project", "acme", 50, key="another", expires_at=until)
    assert left(purse) == {"acme": 0}
    assert purse.problems() == []


def test_what_expires_first_is_used_first_and_what_is_left_of_it_expires(purse: SqlLedger, clock: Clock) -> None:
    purse.top_up("project", "acme", 50, key="for ever")
    purse.top_up("project", "acme", 50, key="a day", expires_at=clock.at + timedelta(days=1))
    purse.allow("a", 20, MIA)
    assert [(lot.lot_id, lot.left_microusd) for lot in purse.credit()[0].lots] == [("a day", 30), ("for ever", 50)]
    clock.at += timedelta(days=2)
    assert left(purse) == {"acme": 50}
    with pytest.raises(CreditExhausted):
        purse.allow("b", 51, MIA)
    purse.allow("b", 50, MIA)
    assert purse.problems() == []


def test_what_comes_back_to_an_expired_lot_expires(purse: SqlLedger, clock: Clock) -> None:
    purse.top_up("project", "acme", 50, key="a day", expires_at=clock.at + timedelta(days=1))
    purse.allow("a", 20, MIA)
    clock.at += timedelta(days=2)
    purse.close_job("a")
    assert left(purse) == {"acme": 0}
    with pytest.raises(CreditExhausted):
        purse.allow("b", 1, MIA)
    assert purse.problems() == []


def test_a_refund_pays_once_and_no_more_than_there_is(purse: SqlLedger) -> None:
    purse.top_up("project", "acme", 100, key="t1")
    purse.allow("a", 60, MIA)
    with pytest.raises(CreditExhausted):
        purse.refund("project", "acme", 41, key="r1")
    for _ in range(2):
        purse.refund("project", "acme", 15, key="r1", reason="moved away")
    assert left(purse) == {"acme": 25}
    with pytest.raises(CreditExhausted):
        purse.refund("user", "nobody", 1, key="r2")
    assert purse.problems() == []


def test_what_a_charge_overran_was_never_prepaid(purse: SqlLedger) -> None:
    purse.top_up("project", "acme", 100, key="t1")
    purse.allow("a", 10, MIA)
    purse.post([posting("a", "unknown", 30, "doubt")])
    assert left(purse) == {"acme": 90}
    purse.close_job("a")
    purse.post([posting("a", "released", call_id="doubt")])
    assert left(purse) == {"acme": 100}
    assert sums(purse) == (0, 0, 0)
    assert purse.problems() == []


def test_a_call_by_hand_of_a_prepaid_user_is_paid_by_call(purse: SqlLedger) -> None:
    purse.top_up("user", "mia", 100, key="t1")
    purse.allow("a", 40, MIA, call_id="c")
    purse.post([posting("a", microusd=30, call_id="c")])
    assert left(purse) == {"mia": 70}
    assert purse.problems() == []


def test_many_threads_draw_all_of_a_credit_and_no_more(ledgers: Ledgers) -> None:
    views = [ledgers.open() for _ in range(4)]
    for number in range(5):
        views[0].top_up("project", "acme", 66, key=f"t{number}")

    def take(number: int) -> int:
        try:
            views[number % 4].allow(f"job-{number // 2}", 10, Account(project="acme"))
        except CreditExhausted:
            return 0
        return 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(take, range(100)))
    assert left(views[0]) == {"acme": 0}
    assert sums(views[0]) == (0, 0, 330)
    assert views[0].problems() == []
