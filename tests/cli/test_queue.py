"""``mintmark queue``: paused and resumed from the command line, with the act in the audit log."""

from __future__ import annotations

import pytest

from .conftest import Cli


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


def test_the_queue_stays_paused_until_it_is_resumed(cli: Cli) -> None:
    assert cli("queue", "show", "--json").json == {"paused": False, "queued": 0, "running": 0}
    assert cli("queue", "pause", "--json").json["paused"] is True
    assert cli("queue", "show", "--json").json["paused"] is True
    assert "mintmark queue resume" in cli("queue", "show").out
    assert cli("queue", "resume", "--json").json["paused"] is False


def test_pausing_is_an_act_that_is_written_down(cli: Cli) -> None:
    cli("queue", "pause")
    cli("queue", "resume")
    listed = cli("audit", "list", "--json").json
    assert [entry["action"] for entry in listed] == ["queue.resumed", "queue.paused"]
