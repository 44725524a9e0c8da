"""What every ledger's entries, corrections and reports must do; see ``contracts/ledger.py``."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from mintmark.errors import InvalidInput, UnknownCall
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Account, Correction
from mintmark.metering.ledger_sql import SqlLedger

from .ledger import NOW, Ledgers, posting, sums
from .ledger_budgets import MIA, TOM, taken


def force(ledger: SqlLedger, sql: str, **values: Any) -> list[Any]:
    """What the code never does: a statement of one's own."""
    return ledger.store.transact(lambda db: db.run(sql, **values))


ENTRY = """INSERT INTO transfers (at, kind, from_account, to_account, microusd, call_id)
           VALUES ('2026', :kind, :giver, :taker, :amount, :call_id)"""


@pytest.mark.parametrize("second", ["settle", "release"])
def test_the_database_itself_forbids_a_second_outcome_of_a_call(purse: SqlLedger, second: str) -> None:
    purse.allow("a", 10, MIA)
    purse.post([posting("a", microusd=5, call_id="c")])
    with pytest.raises(Exception, match=r"(?i)unique"):
        force(purse, ENTRY, kind=second, giver="funds", taker="spent:fal", amount=5, call_id="c")
    assert sums(purse) == (5, 0, 5)


@pytest.mark.parametrize(
    ("giver", "taker", "amount"),
    [
        ("allowance:a", "spent:fal", 11),
        ("allowance:nobody", "spent:fal", 1),
        ("hold:c", "spent:fal", 1),
        ("credit:user:mia", "payments", 1),
        ("funds", "funds", 1),
        ("funds", "allowance:a", -1),
        ("funds", "allowance:a", 0),
    ],
)
def test_the_database_itself_forbids_an_account_below_zero_and_an_entry_of_nothing(
    purse: SqlLedger, giver: str, taker: str, amount: int
) -> None:
    purse.allow("a", 10, MIA)
    with pytest.raises(Exception, match=r"(?i)check"):
        force(purse, ENTRY, kind="hold", giver=giver, taker=taker, amount=amount, call_id=None)
    assert purse.problems() == []


@pytest.mark.parametrize("sql", ["UPDATE transfers SET microusd = 1 WHERE microusd > 0", "DELETE FROM transfers"])
def test_the_database_itself_keeps_every_entry_as_it_was(purse: SqlLedger, sql: str) -> None:
    purse.allow("a", 10, MIA)
    with pytest.raises(Exception, match="never"):
        force(purse, sql)
    assert purse.problems() == []


def test_each_entry_says_whose_it_is(purse: SqlLedger) -> None:
    account = Account(project="acme", user="mia", workflow="poster@1.0.0", api_key="k1")
    purse.allow("a", 10, account)
    purse.post([posting("a", microusd=7, call_id="c", request_id="r-9")])
    purse.close_job("a")
    rows = [dict(row) for row in force(purse, "SELECT * FROM transfers ORDER BY transfer_id")]
    assert [(row["kind"], row["from_account"], row["to_account"], row["microusd"]) for row in rows] == [
        ("grant", "funds", "allowance:a", 10),
        ("settle", "allowance:a", "spent:fal", 7),
        ("close", "allowance:a", "funds", 3),
    ]
    for row in rows:
        named = row["job_id"], row["project"], row["user_name"], row["workflow"], row["api_key"]
        assert named == ("a", "acme", "mia", "poster@1.0.0", "k1")
    assert (rows[1]["call_id"], rows[1]["model"], rows[1]["request_id"]) == ("c", "fal/flux-schnell", "r-9")


# -- corrections ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "after"), [(0, (0, 0, 0)), (15, (15, 0, 0)), (20, (20, 0, 0)), (25, (25, 0, 0))])
def test_a_doubt_is_resolved_by_hand_with_a_reason(purse: SqlLedger, to: int, after: tuple[int, int, int]) -> None:
    purse.set_budget(Budget("user", "mia", "total", 100))
    purse.allow("a", 60, MIA)
    purse.post([posting("a", "unknown", 20, "c")])
    purse.close_job("a")
    for _ in range(2):
        purse.correct("c", to, reason="asked their support")
    assert sums(purse) == after
    assert set(taken(purse).values()) == {to}
    reasons = force(purse, "SELECT reason FROM transfers WHERE kind IN ('settle', 'release')")
    assert [row["reason"] for row in reasons] == ["asked their support"]
    purse.post([posting("a", microusd=99, call_id="c")])
    assert sums(purse) == after
    assert purse.problems() == []


@pytest.mark.parametrize("to", [0, 5, 30])
@pytest.mark.parametrize("closed", [True, False])
def test_a_charge_is_corrected_to_what_the_invoice_says(purse: SqlLedger, to: int, closed: bool) -> None:
    purse.top_up("project", "acme", 100, key="t1")
    purse.allow("a", 20, MIA)
    purse.post([posting("a", microusd=10, call_id="c")])
    if closed:
        purse.close_job("a")
    purse.correct("c", to, reason="invoice 2026-11")
    purse.correct("c", to, reason="invoice 2026-11")
    assert sums(purse)[:2] == (to, 0)
    assert purse.lines()[0].microusd == to
    assert purse.problems() == []


def test_what_was_released_and_is_on_the_invoice_is_charged(purse: SqlLedger) -> None:
    purse.allow("a", 20, MIA)
    purse.post([posting("a", "released", call_id="c")])
    purse.correct("c", 7, reason="invoice")
    assert (sums(purse)[0], purse.lines()[0].kind) == (7, "settled")
    assert purse.problems() == []


def test_a_correction_needs_a_call_and_a_reason(purse: SqlLedger) -> None:
    with pytest.raises(UnknownCall):
        purse.correct("nobody", 1, reason="x")
    purse.post([posting("a", call_id="c")])
    for amount, reason in ((-1, "x"), (1, " ")):
        with pytest.raises(InvalidInput):
            purse.correct("c", amount, reason=reason)


def test_many_charges_are_corrected_together(purse: SqlLedger) -> None:
    purse.allow("a", 50, MIA)
    purse.post([posting("a", microusd=10, call_id="c"), posting("a", "unknown", 10, "d", request_id=None)])
    purse.correct_all([Correction("d", 4, "invoice, line 3", "r-9"), Correction("c", 12, "invoice, line 2")])
    assert {line.call_id: (line.kind, line.microusd, line.request_id) for line in purse.lines()} == {
        "c": ("settled", 12, "r-1"),
        "d": ("settled", 4, "r-9"),
    }
    assert purse.problems() == []
    purse.correct_all([])


@pytest.mark.parametrize("wrong", [("nobody", 1, "x"), ("d", -1, "x"), ("d", 1, " ")])
def test_where_one_charge_cannot_be_corrected_none_is(purse: SqlLedger, wrong: tuple[str, int, str]) -> None:
    purse.post([posting("a", microusd=10, call_id="c"), posting("a", microusd=10, call_id="d")])
    with pytest.raises((UnknownCall, InvalidInput)):
        purse.correct_all([Correction("c", 3, "invoice"), Correction(*wrong)])
    assert [line.microusd for line in purse.lines()] == [10, 10]
    assert purse.problems() == []


# -- reports --------------------------------------------------------------------------------------------------------


def test_a_report_sums_calls_by_what_is_asked(purse: SqlLedger) -> None:
    purse.allow("a", 100, MIA)
    purse.allow("b", 100, TOM)
    purse.post(
        [
            posting("a", microusd=10, images=2),
            posting("a", "unknown", 5),
            posting("a", "released"),
            posting("b", microusd=30, images=1, model="fal/other", at=NOW + timedelta(days=1)),
            posting("b", microusd=0, images=1, cached=True),
        ]
    )
    by_user = purse.report("user")
    assert [(line.key, line.calls, line.images, line.microusd) for line in by_user] == [
        ("tom", 2, 2, 30),
        ("mia", 3, 2, 10),
    ]
    assert (by_user[1].unknown, by_user[1].unknown_microusd, by_user[1].released, by_user[0].cached) == (1, 5, 1, 1)
    assert [(line.key, line.microusd) for line in purse.report("day")] == [("2026-11-21", 10), ("2026-11-22", 30)]
    assert [line.key for line in purse.report("model", until=date(2026, 11, 21))] == ["fal/flux-schnell"]
    assert [line.key for line in purse.report("model", since=date(2026, 11, 22))] == ["fal/other"]
    assert sum(line.microusd for line in purse.report("provider")) == purse.totals().settled_microusd == 40


def test_a_doubt_leaves_its_day_when_it_is_resolved(purse: SqlLedger) -> None:
    purse.post([posting("a", "unknown", 5, "c")])
    purse.post([posting("a", microusd=4, call_id="c", at=NOW + timedelta(days=3))])
    assert [(line.key, line.unknown, line.microusd) for line in purse.report("day")] == [("2026-11-24", 0, 4)]


def test_lines_of_one_kind_are_listed(purse: SqlLedger) -> None:
    purse.post([posting("a", "unknown", 5, "c"), posting("a", call_id="d")])
    assert [line.call_id for line in purse.lines(kind="unknown")] == ["c"]
    assert [line.call_id for line in purse.lines(kind="settled", job_id="a")] == ["d"]
    assert purse.lines(kind="unknown", job_id="b") == []


def test_lines_of_one_provider_and_of_some_days_are_listed(purse: SqlLedger) -> None:
    midnight = NOW.replace(hour=0)
    times = {"before": midnight - timedelta(microseconds=1), "first": midnight, "second": midnight + timedelta(days=1)}
    purse.post([posting("a", call_id=name, at=at) for name, at in times.items()])
    purse.post([posting("a", call_id="theirs", provider="bfl")])
    day = midnight.date()
    fal = lambda **days: [line.call_id for line in purse.lines(provider="fal", **days)]  # noqa: E731
    assert fal() == ["second", "first", "before"]
    assert fal(since=day, until=day) == ["first"]
    assert fal(since=day) == ["second", "first"]
    assert fal(until=day - timedelta(days=1)) == ["before"]


def test_all_lines_are_listed_where_no_limit_is_said(purse: SqlLedger) -> None:
    purse.post([posting("a") for _ in range(101)])
    assert (len(purse.lines()), len(purse.lines(limit=None))) == (100, 101)


def test_an_opened_ledger_finds_everything_as_it_was(ledgers: Ledgers) -> None:
    first = ledgers.open(100)
    first.allow("a", 60, MIA)
    first.post([posting("a", microusd=10)])
    assert ledgers.open(100).totals() == first.totals()
