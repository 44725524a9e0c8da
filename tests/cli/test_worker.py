"""``mintmark worker`` against a running service."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.cli import worker
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.tests.orchestrator.api.stand_in import open_house

from .conftest import Cli


class Served:
    """A service's API in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="service")
        self._thread.start()
        assert self._ready.wait(60)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        async with open_house(self._folder) as house:
            self.service, self.url = house.service, house.url
            self._ready.set()
            await self._stop.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)


@pytest.fixture
def served(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    running = Served(tmp_path / "service")
    monkeypatch.setenv("MINTMARK_CLIENT_URL", running.url)
    yield running
    running.close()


def test_a_worker_goes_through_its_life(cli: Cli, served: Served) -> None:
    assert "mintmark worker add" in cli("worker", "list").out
    more = ("--name", "one", "--label", "a100", "--label", "spot", "--region", "eu", "--hour-usd", "1.20")
    made = cli("worker", "add", "gpu-1:8188", *more, "--json").json
    told = {name: made[name] for name in ("name", "url", "labels", "region", "hour_microusd")}
    assert told == {
        "name": "one",
        "url": "http://gpu-1:8188",
        "labels": ["a100", "spot"],
        "region": "eu",
        "hour_microusd": 1_200_000,
    }
    [listed] = cli("worker", "list", "--json").json
    assert (listed["name"], listed["models"], listed["node_classes"]) == ("one", {}, [])
    shown = cli("worker", "list").out
    assert "one" in shown and "has not answered yet" in shown
    assert "$1.2" in cli("worker", "show", "one").out
    served.service.fleet.heard("one", new=False)
    refused = cli("worker", "remove", "one", "--json")
    assert (refused.code, refused.error["code"]) == (2, "wrong_state")
    assert "mintmark worker drain one" in refused.error["hint"]
    assert cli("worker", "drain", "one", "--json").json["standing"] == "draining"
    assert "draining" in cli("worker", "list").out
    assert cli("worker", "resume", "one", "--json").json["standing"] == "up"
    cli("worker", "drain", "one")
    assert "no worker any more" in cli("worker", "remove", "one").out
    assert cli("worker", "list", "--json").json == []


def test_a_worker_that_does_not_answer_is_told_when_it_is_added_and_removed_at_once(
    cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ANSWERS_S", 0)
    told = cli("worker", "add", "http://gpu-l:8188", "--name", "misspelled").out
    assert "✓ misspelled is a worker from now on." in told
    assert "It does not answer yet. It gets jobs as soon as it does." in told
    assert "mintmark worker remove misspelled" in told
    assert "no worker any more" in cli("worker", "remove", "misspelled").out


@pytest.mark.parametrize("words", [("show",), ("drain",), ("try",)])
def test_a_hint_names_the_command_and_no_request(cli: Cli, served: Served, words: tuple[str, ...]) -> None:
    assert cli("worker", *words, "nobody", "--json").error["hint"] == "mintmark worker list lists them."


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("add", "ftp://gpu-1"), "url"),
        (("add", "http://169.254.169.254"), "url"),
        (("add", "http://gpu-1:8188", "--name", "Two Words"), "name"),
        (("add", "http://gpu-1:8188", "--label", "two words"), "labels"),
        (("add", "http://gpu-1:8188", "--hour-usd", "much"), "hour-usd"),
        (("drain", "nobody"), "nobody"),
        (("logs", "nobody"), "nobody"),
    ],
)
def test_what_cannot_be_is_told_by_its_name(cli: Cli, served: Served, args: tuple[str, ...], says: str) -> None:
    refused = cli("worker", *args, "--json")
    assert refused.code == 2 and says in refused.error["message"]


def test_a_worker_whose_name_is_a_url_can_be_named(cli: Cli, served: Served) -> None:
    url = "http://127.0.0.1:9"
    served.service.dispatcher.workers.append(Worker(url, WorkerLink(url)))
    assert cli("worker", "drain", url, "--json").json["standing"] == "draining"
    assert url in cli("worker", "show", url).out


def test_logs_are_shown_where_they_are_here(cli: Cli, served: Served, tmp_path: Path) -> None:
    cli("worker", "add", "http://gpu-1:8188", "--name", "one")
    refused = cli("worker", "logs", "one", "--json")
    assert (refused.code, refused.error["code"]) == (2, "wrong_state")
    log = tmp_path / "log"
    log.write_text("first\n[red]second[/]\n")
    service: Any = served.service
    service.worker_log = lambda name: log
    assert cli("worker", "logs", "one", "--lines", "1").out == "[red]second[/]\n"


def test_where_keys_are_needed_it_is_said_where_the_command_takes_its_own(cli: Cli, served: Served) -> None:
    access: Any = served.service.access
    access.keys.create(scopes=["admin"], project="default", user="local")
    refused = cli("worker", "list", "--json")
    assert (refused.code, refused.error["code"]) == (1, "not_authenticated")
    assert "MINTMARK_CLIENT_API_KEY" in refused.error["hint"]


def test_without_a_service_that_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_CLIENT_URL", "http://127.0.0.1:9")
    refused = cli("worker", "list", "--json")
    assert (refused.code, refused.error["code"]) == (1, "service_unreachable")
    assert refused.error["hint"].endswith("Elsewhere? Set MINTMARK_CLIENT_URL.")
