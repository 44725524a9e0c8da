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
