"""``mintmark ledger import-invoice`` as a user calls it, on a ledger of real (sandbox) calls."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .conftest import Books, Cli

HEADER = "request_id,at,model,amount,currency"
OPENAI = ("--set", "model=openai/gpt-image-2", "--set", "width=1024", "--set", "height=1024")


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


def made(cli: Cli, *more: str) -> dict[str, Any]:
    """The ledger's line of a new call."""
    cli("run", "text-to-image", "--set", "width=256", "--set", "height=256", *more, "--json")
    return dict(cli("ledger", "list", "--json").json[0])


def row(call: dict[str, Any], amount: str) -> str:
    return f"{call['request_id']},{call['at']},any,{amount},USD"


def invoice(home: Path, *rows: str) -> Path:
    path = home / "invoice.csv"
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def settled(cli: Cli) -> tuple[int, int]:
    told = cli("ledger", "sum", "--json").json
    return told["settled_microusd"], told["unknown_microusd"]


def rows_of(home: Path, book: str, sql: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(home / "data" / "sandbox" / f"{book}.sqlite3")
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def test_what_matches_changes_nothing_however_often_it_is_imported(cli: Cli, books: Books, home: Path) -> None:
    path = invoice(home, row(made(cli), "0.003"))
    before = rows_of(home, "ledger", "SELECT * FROM transfers")
    for _ in range(2):
        told = cli("ledger", "import-invoice", path, "--provider", "fal", "--json").json
        assert (told["imported"], told["matched"], told["differing"], told["missing"]) == (True, 1, [], [])
    assert rows_of(home, "ledger", "SELECT * FROM transfers") == before


def test_what_differs_is_corrected_with_the_invoice_and_line_as_reason(cli: Cli, books: Books, home: Path) -> None:
    one, other = made(cli), made(cli, "--set", "prompt=another")
    path = invoice(home, row(one, "0.002"), row(other, "0.004"))
    told = cli("ledger", "import-invoice", path, "--provider", "fal", "--json").json
    assert {each["call_id"]: each["billed_microusd"] for each in told["differing"]} == {
        one["call_id"]: 2_000,
        other["call_id"]: 4_000,
    }
    assert settled(cli) == (6_000, 0)
    reasons = rows_of(home, "ledger", "SELECT reason FROM transfers WHERE kind = 'adjust' ORDER BY reason")
    assert reasons == [("invoice invoice.csv, line 2",), ("invoice invoice.csv, line 3",)]
    (act,) = cli("audit", "list", "--json").json
    assert (act["action"], act["data"]["corrected"]) == ("invoice.imported", 2)
    again = cli("ledger", "import-invoice", path, "--provider", "fal", "--json").json
    assert (again["matched"], again["differing"]) == (2, [])


def test_a_dry_run_says_the_same_and_changes_nothing(cli: Cli, books: Books, home: Path) -> None:
    path = invoice(home, row(made(cli), "0.002"))
    told = cli("ledger", "import-invoice", path, "--provider", "fal", "--dry-run", "--json").json
    assert (told["imported"], len(told["differing"])) == (False, 1)
    assert settled(cli) == (3_000, 0)


def test_a_file_with_problems_changes_nothing_and_each_is_told_by_its_line(cli: Cli, books: Books, home: Path) -> None:
    one, other = made(cli), made(cli, "--set", "prompt=another")
    bad = row(other, "0.004").replace("USD", "EUR")
    path = invoice(home, row(one, "0.002"), bad, row(one, "0.002"))
    ran = cli("ledger", "import-invoice", path, "--provider", "fal", "--json")
    assert ran.code == 1
    assert [each["line"] for each in ran.json["problems"]] == [3, 4]
    assert not ran.json["imported"]
    assert settled(cli) == (6_000, 0)
    shown = cli("ledger", "import-invoice", path, "--provider", "fal")
    assert "line 3: it is in EUR" in shown.out and "line 4: it repeats line 2" in shown.out
    assert "Nothing was imported" in shown.out
    assert cli("ledger", "import-invoice", path, "--provider", "fal", "--skip-bad").code == 0
    assert settled(cli) == (5_000, 0)


def test_nothing_is_half_imported_where_the_database_breaks_off(
    cli: Cli, books: Books, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mintmark.metering.ledger_calls import Calls

    calls = [made(cli), made(cli, "--set", "prompt=another")]
    path = invoice(home, *(row(each, "0.002") for each in calls))
    real, seen = Calls.correct, []

    def break_off(*args: Any) -> None:
        seen.append(args)
        if len(seen) == 2:
            raise OSError("the disk is gone")
        real(*args)

    monkeypatch.setattr(Calls, "correct", break_off)
    assert cli("ledger", "import-invoice", path, "--provider", "fal").code != 0
    assert len(seen) == 2
    assert settled(cli) == (6_000, 0)


def test_what_the_vendor_billed_and_nobody_asked_for_is_named(cli: Cli, books: Books, home: Path) -> None:
    call = made(cli)
    path = invoice(home, row(call, "0.003"), row({**call, "request_id": "stranger"}, "0.05"))
    told = cli("ledger", "import-invoice", path, "--provider", "fal", "--json").json
    assert [(each["request_id"], each["lines"], each["billed_microusd"]) for each in told["missing"]] == [
        ("stranger", [3], 50_000)
    ]
    assert "stranger" in cli("ledger", "import-invoice", path, "--provider", "fal").out


def doubt(cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A call with a name, of which nothing was heard for too long."""
    monkeypatch.setenv("MINTMARK_PROVIDER_TIMEOUT_S", "0.5")
    books.fail({"provider": "fal", "kind": "status", "status": 503, "method": "GET"})
    made(cli)
    books.fail()
    (found,) = cli("ledger", "unknown", "--json").json
    return dict(found)


def test_an_invoice_ends_a_doubt_in_both_books(
    cli: Cli, books: Books, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doubt(cli, books, monkeypatch)
    path = invoice(home, row({**found, "at": found["since"]}, "0.0029"))
    told = cli("ledger", "import-invoice", path, "--provider", "fal", "--json").json
    assert [each["call_id"] for each in told["decided"]] == [found["call_id"]]
    assert settled(cli) == (2_900, 0)
    assert cli("ledger", "unknown", "--json").json == []
    assert rows_of(home, "journal", "SELECT state, charged FROM calls") == [("settled", 2_900)]


def test_a_complete_invoice_without_it_says_that_it_was_not_charged(
    cli: Cli, books: Books, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doubt(cli, books, monkeypatch)
    path = invoice(home, row({"request_id": "other", "at": found["since"]}, "0.05"))
    told = cli("ledger", "import-invoice", path, "--provider", "fal", "--json").json
    assert [each["call_id"] for each in told["not_billed"]] == [found["call_id"]]
    assert settled(cli) == (0, found["hold_microusd"])
    told = cli("ledger", "import-invoice", path, "--provider", "fal", "--complete", "--json").json
    assert told["not_charged"] == [found["call_id"]]
    assert settled(cli) == (0, 0)
    assert rows_of(home, "journal", "SELECT state FROM calls") == [("released",)]
    ((reason,),) = rows_of(home, "ledger", "SELECT reason FROM transfers WHERE kind = 'release'")
    assert reason == "invoice invoice.csv does not have it"


def test_what_a_killed_import_left_in_doubt_here_the_next_one_ends(
    cli: Cli, books: Books, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mintmark.generation.sqlite_journal import SqliteJournal

    found = doubt(cli, books, monkeypatch)
    path = invoice(home, row({"request_id": "other", "at": found["since"]}, "0.05"))
    command = ("ledger", "import-invoice", path, "--provider", "fal", "--complete", "--json")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqliteJournal, "move", killed)
        with suppress(KeyboardInterrupt):
            cli(*command)
    assert rows_of(home, "ledger", "SELECT kind FROM calls") == [("released",)]
    assert rows_of(home, "journal", "SELECT state FROM calls") == [("unknown",)]
    assert cli(*command).code == 0
    assert rows_of(home, "journal", "SELECT state FROM calls") == [("released",)]
    assert cli("ledger", "unknown", "--json").json == []


def test_what_a_vendor_writes_cannot_steer_the_terminal(cli: Cli, books: Books, home: Path) -> None:
    call = made(cli)
    nasty = "[/red]\x1b[2J"
    path = invoice(home, row({**call, "request_id": nasty}, "0.003"))
    ran = cli("ledger", "import-invoice", path, "--provider", "fal")
    assert ran.code == 0
    assert "\x1b[2J" not in ran.out
    assert "[/red]\\x1b[2J" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("none.csv", "--provider", "fal"), "file_not_found"),
        (("invoice.csv", "--provider", "nobody"), "usage_error"),
        (("invoice.csv", "--provider", "fal", "--skip-bad", "--complete"), "usage_error"),
        (("invoice.csv", "--provider", "fal"), "invalid_input"),
    ],
)
def test_what_cannot_be_read_is_refused(cli: Cli, home: Path, arguments: tuple[str, ...], code: str) -> None:
    (Path.cwd() / "invoice.csv").write_text("what,ever\n1,2\n")
    assert cli("ledger", "import-invoice", *arguments, "--json").error["code"] == code
