"""``mintmark apikeys``: keys are made, shown once, limited and ended; what runs knows of it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from mintmark.errors import NotAuthenticated
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.access.caller import Caller

from .conftest import Cli


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


def authenticated(home: Path, token: str) -> Caller:
    """Whom a service on the same data would take the token for."""
    ledger = SqliteLedger(home / "data" / "sandbox")
    try:
        return asyncio.run(Access(ledger.store, mode="sandbox").authenticate(f"Bearer {token}", "203.0.113.9"))
    finally:
        ledger.close()


def test_a_key_opens_the_service_and_is_never_shown_again(cli: Cli, home: Path) -> None:
    made = cli("apikeys", "create", "web shop", "--project", "acme", "--scope", "read", "--scope", "review", "--json")
    token = made.json["token"]
    assert re.fullmatch(r"mm_test_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}", token)
    caller = authenticated(home, token)
    assert (caller.key_id, caller.project, caller.user) == (made.json["key_id"], "acme", "local")
    assert caller.scopes == {"read", "review"}
    for words in (("list",), ("list", "--json")):
        told = cli("apikeys", *words)
        assert made.json["key_id"] in told.out
        assert token[-43:] not in told.out + told.err


def test_the_token_stands_on_a_line_of_its_own(cli: Cli, home: Path) -> None:
    lines = cli("apikeys", "create", "web").out.splitlines()
    assert authenticated(home, lines[-1].strip()).scopes == {"submit", "read"}


def test_a_key_is_rotated_limited_and_revoked(cli: Cli, home: Path) -> None:
    made = cli("apikeys", "create", "--json", "--jobs-at-once", "2").json
    rotated = cli("apikeys", "rotate", made["key_id"], "--grace-h", "0", "--json").json
    with pytest.raises(NotAuthenticated):
        authenticated(home, made["token"])
    assert authenticated(home, rotated["token"]).limits.jobs_at_once == 2
    limits = ("--spend-per-day", "2.50", "--velocity", "5", "--velocity-action", "hold")
    limited = cli("apikeys", "limit", made["key_id"], *limits, "--json").json["limits"]
    assert limited == {"spend_per_day_microusd": 2_500_000, "velocity": 5, "velocity_action": "hold"}
    [budget] = cli("budget", "list", "--json").json
    assert (budget["scope"], budget["value"], budget["limit_microusd"]) == ("api_key", made["key_id"], 2_500_000)
    assert cli("apikeys", "release", made["key_id"]).code == 0
    assert "valid" in cli("apikeys", "list").out
    assert cli("apikeys", "revoke", made["key_id"]).code == 0
    assert "revoked" in cli("apikeys", "list").out
    with pytest.raises(NotAuthenticated):
        authenticated(home, rotated["token"])
    acts = [entry["action"] for entry in cli("audit", "list", "--json").json]
    assert acts == ["key.revoked", "key.limited", "key.rotated", "key.created"]


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--scope", "root"),
        ("create", "--project", ""),
        ("create", "--expires", "soon"),
        ("create", "--expires", "2001-01-01"),
        ("create", "--jobs-at-once", "0"),
        ("create", "--spend-per-day", "0"),
        ("create", "--spend-per-day", "lots"),
        ("create", "--velocity", "-1"),
        ("create", "--velocity", "2", "--velocity-action", "shout"),
        ("rotate", "nobody"),
        ("revoke", "nobody"),
        ("limit", "nobody"),
        ("release", "nobody"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("apikeys", *words).code == 2
    assert cli("apikeys", "list", "--json").json == []
    assert cli("budget", "list", "--json").json == []


def test_names_are_shown_as_they_are(cli: Cli) -> None:
    for name in ("[/x]", "[red]y", "a'; --"):
        assert cli("apikeys", "create", name).code == 0
        assert name in cli("apikeys", "list").out
