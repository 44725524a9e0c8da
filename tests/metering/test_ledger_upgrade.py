"""A ledger of version 1 is brought up to date and loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mintmark.metering.ledger import Totals
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.contracts.ledger import posting

OLD = Path(__file__).with_name("ledger_v1.sql").read_text(encoding="utf-8")
NOON = "2026-11-21T12:00:00Z"


def old_ledger(folder: Path) -> Path:
    """Made by the schema that version 1 had: a granted job, one by hand, an overrun, a stranger's charge."""
    file = folder / "ledger.sqlite3"
    with closing(sqlite3.connect(file)) as db:
        db.executescript(f"{OLD}; PRAGMA journal_mode = WAL; PRAGMA user_version = 1;")
        db.executemany(
            "INSERT INTO allowances VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                ("job", "job", "acme", "mia", "poster@1.0.0", 100, 0),
                ("over", "over", "acme", "mia", None, 10, 1),
                ("hand-1", "by hand", "default", "local", None, 40, 1),
                ("hand-2", "by hand", "default", "local", None, 40, 0),
                ("stranger", "stranger", "default", "local", None, 0, 0),
            ],
        )
        db.executemany(
            "INSERT INTO postings VALUES (?, ?, ?, ?, 'fal', 'fal/flux-schnell', ?, ?)",
            [
                ("a", "settled", "job", 30, "r-1", NOON),
                ("b", "unknown", "job", 20, None, NOON),
                ("c", "unknown", "job", 20, None, NOON),
                ("c", "settled", "job", 15, "r-2", NOON),
                ("d", "settled", "over", 25, "r-3", NOON),
                ("hand-1", "settled", "hand-1", 33, "r-4", NOON),
                ("e", "released", "stranger", 0, None, NOON),
                ("f", "settled", "stranger", 7, None, NOON),
            ],
        )
        db.execute("INSERT INTO cursors VALUES ('journal', 42)")
        db.commit()
        settled, unknown, calls = db.execute(
            "SELECT sum(CASE kind WHEN 'settled' THEN microusd END), sum(CASE kind WHEN 'unknown' THEN microusd END), "
            "count(*) FROM calls"
        ).fetchone()
        assert (settled, unknown, calls) == (30 + 15 + 25 + 33 + 7, 20, 7)
        assert db.execute("SELECT sum(set_aside) FROM open_allowances").fetchone() == (100 - 65 + 40,)
    return folder


def test_an_old_ledger_says_what_it_said(tmp_path: Path) -> None:
    old_ledger(tmp_path)
    for _ in range(2):
        with closing(SqliteLedger(tmp_path)) as ledger:
            assert ledger.totals() == Totals(settled_microusd=110, unknown_microusd=20, set_aside_microusd=75, calls=7)
            assert ledger.cursor("journal") == 42
            lines = {line.call_id: line for line in ledger.lines()}
            assert {name: line.kind for name, line in lines.items()} == {
                **dict.fromkeys(("a", "c", "d", "hand-1", "f"), "settled"),
                "b": "unknown",
                "e": "released",
            }
            assert (lines["c"].microusd, lines["c"].request_id, lines["c"].job_id) == (15, "r-2", "job")
            assert (lines["a"].project, lines["a"].user, lines["a"].workflow) == ("acme", "mia", "poster@1.0.0")
            assert ledger.problems() == []


def test_an_old_ledger_goes_on(tmp_path: Path) -> None:
    old_ledger(tmp_path)
    with closing(SqliteLedger(tmp_path, budget_microusd=205)) as ledger:
        ledger.post([posting("job", microusd=20, call_id="b"), posting("by hand", microusd=1, call_id="hand-2")])
        ledger.close_job("job")
        assert ledger.totals().taken_microusd == 110 + 20 + 1
        assert ledger.problems() == []


def test_an_upgrade_that_breaks_off_leaves_the_old_ledger(tmp_path: Path, monkeypatch) -> None:
    old_ledger(tmp_path)
    before = (tmp_path / "ledger.sqlite3").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("mintmark.metering.sqlite_upgrade._book", lambda _: 1 / 0)
        try:
            SqliteLedger(tmp_path)
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError("the upgrade was not tried")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as db:
        assert db.execute("SELECT count(*) FROM postings").fetchone() == (8,)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert before
    with closing(SqliteLedger(tmp_path)) as ledger:
        assert ledger.totals().calls == 7
