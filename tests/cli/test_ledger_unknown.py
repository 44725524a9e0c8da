"""``mintmark ledger unknown``, ``ask`` and ``reconcile``, on calls that really went wrong."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from .conftest import Books, Cli

OPENAI = ("--set", "model=openai/gpt-image-2", "--set", "width=1024", "--set", "height=1024")
FAL = ("--set", "width=256", "--set", "height=256")


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


def lose(cli: Cli, books: Books) -> dict[str, Any]:
    """A call that was billed, whose answer was lost, and that its provider never named."""
    books.fail({"provider": "openai", "kind": "drop_after", "path": "images"})
    assert cli("run", "text-to-image", *OPENAI, "--json").error["code"] == "charge_unknown"
    books.fail()
    (doubt,) = cli("ledger", "unknown", "--json").json
    return dict(doubt)


def stall(cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A call that its provider named, and of which nothing was heard for too long."""
    monkeypatch.setenv("MINTMARK_PROVIDER_TIMEOUT_S", "0.5")
    books.fail({"provider": "fal", "kind": "status", "status": 503, "method": "GET"})
    assert cli("run", "text-to-image", *FAL, "--json").error["code"] == "charge_unknown"
    books.fail()
    monkeypatch.delenv("MINTMARK_PROVIDER_TIMEOUT_S")
    (doubt,) = cli("ledger", "unknown", "--json").json
    return dict(doubt)


def entry(home: Path, call_id: str, kind: str) -> dict[str, Any]:
    with sqlite3.connect(home / "data" / "sandbox" / "journal.sqlite3") as db:
        found = db.execute("SELECT data FROM entries WHERE call_id = ? AND kind = ?", (call_id, kind)).fetchall()
    db.close()
    ((data,),) = found
    return dict(json.loads(data))


def reasons(home: Path, call_id: str) -> set[str]:
    with sqlite3.connect(home / "data" / "sandbox" / "ledger.sqlite3") as db:
        rows = db.execute("SELECT kind, reason FROM transfers WHERE call_id = ?", (call_id,)).fetchall()
    db.close()
    return {f"{kind}: {reason}" for kind, reason in rows if reason}


def sums(cli: Cli) -> tuple[int, int]:
    told = cli("ledger", "sum", "--json").json
    return told["settled_microusd"], told["unknown_microusd"]


def test_where_nothing_is_in_doubt_that_is_said(cli: Cli, books: Books) -> None:
    assert cli("ledger", "unknown").out.strip() == "No sandbox call is in doubt."
    assert cli("ledger", "unknown", "--json").json == []
    assert cli("ledger", "ask").code == 0


def test_a_call_in_doubt_is_listed_with_its_age_and_its_hold(cli: Cli, books: Books) -> None:
    doubt = lose(cli, books)
    assert doubt["model"] == "openai/gpt-image-2"
    assert doubt["hold_microusd"] >= books.billed > 0
    assert 0 <= doubt["age_s"] < 600
    assert not doubt["can_be_asked"] and doubt["in_ledger"]
    assert sums(cli) == (0, doubt["hold_microusd"])
    shown = cli("ledger", "unknown").out
    assert doubt["call_id"][:8] in shown and "0 min" in shown and "reconcile" in shown


def test_one_that_was_never_named_cannot_be_asked(cli: Cli, books: Books) -> None:
    doubt = lose(cli, books)
    ran = cli("ledger", "ask", "--json")
    assert ran.code == 1
    (told,) = ran.json
    assert (told["call_id"], told["state"]) == (doubt["call_id"], "unknown")
    assert "never named it" in told["why"]
    assert sums(cli) == (0, doubt["hold_microusd"])


def test_its_provider_is_asked_and_both_books_end_up_right(
    cli: Cli, books: Books, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = stall(cli, books, monkeypatch)
    assert doubt["can_be_asked"]
    (told,) = cli("ledger", "ask", doubt["call_id"][:8], "--json").json
    assert (told["state"], told["microusd"]) == ("settled", books.billed)
    assert sums(cli) == (books.billed, 0)
    assert cli("ledger", "unknown", "--json").json == []
    assert entry(home, doubt["call_id"], "settled")["microusd"] == books.billed
    assert "settle: fal was asked" in reasons(home, doubt["call_id"])
    assert len([call for call in books.calls if call.get("billed_microusd", 1)]) >= 1


def test_a_provider_that_does_not_answer_leaves_the_doubt(
    cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = stall(cli, books, monkeypatch)
    books.fail({"provider": "fal", "kind": "status", "status": 503, "method": "GET"})
    monkeypatch.setenv("MINTMARK_PROVIDER_TIMEOUT_S", "0.5")
    ran = cli("ledger", "ask")
    assert ran.code == 1
    assert "still unknown" in ran.out
    assert sums(cli) == (0, doubt["hold_microusd"])


@pytest.mark.parametrize("charged", [True, False])
def test_by_hand_it_is_decided_with_a_reason_in_both_books(cli: Cli, books: Books, home: Path, charged: bool) -> None:
    doubt = lose(cli, books)
    how = ("--charged", "$0.005") if charged else ("--not-charged",)
    ran = cli("ledger", "reconcile", doubt["call_id"][:8], *how, "--reason", "seen in the console", "--json")
    assert ran.json["was_unknown"]
    assert sums(cli) == (5_000 if charged else 0, 0)
    kind, said = ("settled", "settle") if charged else ("released", "release")
    assert entry(home, doubt["call_id"], kind)["reason"] == "seen in the console (by local)"
    assert f"{said}: seen in the console (by local)" in reasons(home, doubt["call_id"])
    assert cli("ledger", "unknown", "--json").json == []
    (act,) = cli("audit", "list", "--json").json
    assert (act["action"], act["target"], act["data"]["by"]) == ("call.reconciled", doubt["call_id"], "local")


def test_what_was_decided_wrongly_is_corrected_by_its_whole_id(cli: Cli, books: Books, home: Path) -> None:
    doubt = lose(cli, books)
    cli("ledger", "reconcile", doubt["call_id"], "--not-charged", "--reason", "so they said")
    again = ("--charged", "0.005", "--reason", "the invoice has it", "--json")
    assert cli("ledger", "reconcile", doubt["call_id"][:8], *again).error["code"] == "unknown_call"
    assert not cli("ledger", "reconcile", doubt["call_id"], *again).json["was_unknown"]
    assert sums(cli) == (5_000, 0)
    assert "adjust: the invoice has it (by local)" in reasons(home, doubt["call_id"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("reconcile", "nobody", "--charged", "0.01", "--reason", "x"), "unknown_call"),
        (("ask", "nobody"), "unknown_call"),
        (("reconcile", "nobody", "--reason", "x"), "usage_error"),
        (("reconcile", "nobody", "--charged", "1", "--not-charged", "--reason", "x"), "usage_error"),
        (("reconcile", "nobody", "--charged", "0", "--reason", "x"), "usage_error"),
        (("reconcile", "nobody", "--charged", "much", "--reason", "x"), "usage_error"),
        (("reconcile", "nobody", "--charged", "-1", "--reason", "x"), "usage_error"),
        (("reconcile", "nobody", "--charged", "1", "--reason", " "), "invalid_input"),
    ],
)
def test_what_cannot_be_decided_is_refused(cli: Cli, books: Books, arguments: tuple[str, ...], code: str) -> None:
    assert cli("ledger", *arguments, "--json").error["code"] == code
