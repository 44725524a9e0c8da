"""``mintmark webhooks``: what was delivered, sent again, and the secret that signs it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mintmark.clock import utc_now
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.jobs.states import State
from mintmark.orchestrator.webhooks import claiming
from mintmark.orchestrator.webhooks.keeping import Webhooks
from mintmark.orchestrator.webhooks.outbox import outbox
from mintmark.tests.orchestrator.made_jobs import event, job

from .conftest import Cli


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


@pytest.fixture
def dead(home: Path) -> str:
    """The id of a delivery that was given up."""
    at = utc_now()
    made = job(at, State.FAILED, webhook_url="https://mia.example/hook?token=secret")
    ledger = SqliteLedger(home / "data" / "sandbox")
    try:
        store = ledger.store
        Webhooks(store)
        store.transact(lambda db: outbox(db, made, event(made, "failed", at)))
        [due] = store.transact(lambda db: claiming.claim(db, [1], at, "lease"))
        gone = claiming.Tried(at, 12, 410, "It answered 410.", "[red]gone")
        store.transact(lambda db: claiming.mark(db, due, gone))
    finally:
        ledger.close()
    return str(due.row["delivery_id"])


def test_deliveries_are_listed_by_host_with_each_try(cli: Cli, dead: str) -> None:
    [listed] = cli("webhooks", "list", "--state", "dead", "--json").json
    assert (listed["delivery_id"], listed["target"], listed["type"]) == (dead, "mia.example", "job.failed")
    [attempt] = cli("webhooks", "show", dead, "--json").json
    assert (attempt["number"], attempt["status"], attempt["response"]) == (1, 410, "[red]gone")
    assert "mia.example" in cli("webhooks", "list").out
    assert "[red]gone" in cli("webhooks", "show", dead).out
    for words in (("list",), ("list", "--json"), ("show", dead, "--json")):
        assert "secret" not in cli("webhooks", *words).out
    assert cli("webhooks", "list", "--state", "waiting", "--json").json == []


@pytest.mark.parametrize("how", ["id", "since"])
def test_what_was_given_up_is_sent_again(cli: Cli, dead: str, how: str) -> None:
    words = (dead,) if how == "id" else ("--dead-since", "2020-01-01")
    assert cli("webhooks", "replay", *words, "--json").json == {"replayed": 1}
    [listed] = cli("webhooks", "list", "--json").json
    assert listed["state"] == "waiting"


def test_a_secret_is_shown_once(cli: Cli) -> None:
    made = cli("webhooks", "secret", "rotate", "--project", "acme", "--json").json
    assert made["project"] == "acme"
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    assert "whsec_" in cli("webhooks", "secret", "rotate").out
    assert "whsec_" not in cli("webhooks", "list").out + cli("audit", "export").out


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--state", "lost"),
        ("replay",),
        ("replay", "msg_nothing"),
        ("replay", "msg_1", "--dead-since", "2020-01-01"),
        ("replay", "--dead-since", "yesterday"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("webhooks", *words).code == 2
