"""``mintmark audit``: the log is shown, exported, and checked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Cli


@pytest.fixture(autouse=True)
def acts(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them."""
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    for name in ("a", "b", "c"):
        cli("apikeys", "create", name)


def test_the_log_is_listed_and_exported(cli: Cli) -> None:
    listed = cli("audit", "list", "--limit", "2", "--json").json
    assert [entry["seq"] for entry in listed] == [3, 2]
    assert "key.created" in cli("audit", "list").out
    exported = [json.loads(line) for line in cli("audit", "export", "--after", "1").out.splitlines()]
    assert exported == [*reversed(listed)]


def test_a_whole_log_is_said_to_be(cli: Cli) -> None:
    told = cli("audit", "verify", "--json")
    assert (told.code, told.json["whole"], told.json["rows"], told.json["broken"]) == (0, True, 3, None)
    assert cli("audit", "verify").code == 0


def test_a_changed_row_is_named(cli: Cli, home: Path) -> None:
    with closing(sqlite3.connect(home / "data" / "sandbox" / "ledger.sqlite3")) as database:
        database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
        database.commit()
    told = cli("audit", "verify", "--json")
    assert (told.code, told.json["broken"]["seq"]) == (1, 2)
    assert "Row 2 is not what it was" in cli("audit", "verify").out


def test_a_tail_that_is_gone_shows_against_a_checkpoint_that_was_kept(cli: Cli, home: Path, tmp_path: Path) -> None:
    made = cli("audit", "checkpoint", "--to", str(tmp_path / "kept.jsonl")).json
    assert made["rows"] == 4
    database = home / "data" / "sandbox" / "ledger.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DELETE FROM audit WHERE seq > 2")
        connection.execute("DELETE FROM audit_checkpoints")
        connection.commit()
    (home / "data" / "sandbox" / "audit-checkpoints.jsonl").unlink()
    # Whoever could do this to the database is not seen there; what was kept elsewhere tells.
    assert cli("audit", "verify").code == 0
    told = cli("audit", "verify", "--checkpoint", str(tmp_path / "kept.jsonl"), "--json")
    assert (told.code, told.json["broken"]["seq"]) == (1, 3)
    assert "rows 3 to 4 are missing" in told.json["broken"]["why"]


def test_an_export_is_checked_elsewhere_with_the_public_key_alone(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, log = tmp_path / "kept.jsonl", tmp_path / "log.jsonl"
    cli("audit", "checkpoint", "--to", str(kept))
    public = cli("audit", "key").out.strip()
    log.write_text(cli("audit", "export").out)
    monkeypatch.setenv("MINTMARK_DATA_DIR", str(tmp_path / "nowhere"))
    checked = ("audit", "verify", "--file", str(log), "--checkpoint", str(kept), "--json")
    assert cli(*checked, "--key", public).json["checkpoints"] == 1
    assert cli(*checked).json["doubts"][0]["kind"] == "unknown_key"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([lines[0], *lines[2:]]))
    assert cli(*checked, "--key", public).json["broken"] == {
        "seq": 3,
        "why": "Row 2 is missing; the next one there is 3.",
    }


def test_an_export_names_the_first_bad_row_and_is_whole_all_the_same(cli: Cli, home: Path) -> None:
    with closing(sqlite3.connect(home / "data" / "sandbox" / "ledger.sqlite3")) as database:
        database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
        database.commit()
    told = cli("audit", "export")
    assert (told.code, len(told.out.splitlines())) == (1, 3)
    assert "Row 2" in told.err
