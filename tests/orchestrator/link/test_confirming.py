"""What a runner is told of prompts that were posted early: in one go, until it has heard it, and at no job's cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from mintmark.orchestrator.link import confirming
from mintmark.orchestrator.link.client import WorkerLink


class Told:
    """A worker that hears confirmations, and answers with these statuses, the last of them for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.heard: list[list[str]] = []
        self.url = ""

    async def confirm(self, request: web.Request) -> web.Response:
        self.heard.append(json.loads(await request.read())["prompt_ids"])
        return web.Response(status=self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    async def until(self, *heard: list[str]) -> None:
        for _ in range(1000):
            if self.heard == list(heard):
                return
            await asyncio.sleep(0.01)
        assert self.heard == list(heard)


@pytest.fixture
async def told(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Told]:
    monkeypatch.setattr(confirming, "EVERY_S", 0.05)
    made, app = Told(), web.Application()
    app.router.add_post("/mintmark/confirm", made.confirm)
    server = web.AppRunner(app, access_log=None)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{server.addresses[0][1]}"
    yield made
    await server.cleanup()


async def test_they_go_together_and_once(told: Told) -> None:
    async with WorkerLink(told.url) as link:
        for each in ("a", "b"):
            link.confirm(each)
        await told.until(["a", "b"])
        link.confirm("c")
        await told.until(["a", "b"], ["c"])
    assert told.heard == [["a", "b"], ["c"]]


async def test_they_are_told_again_until_they_are_heard(told: Told) -> None:
    told.statuses = [503, 200]
    async with WorkerLink(told.url) as link:
        link.confirm("a")
        await told.until(["a"], ["a"])
        link.move("http://127.0.0.1:1")
        link.confirm("b")
        await asyncio.sleep(0.2)
        link.move(told.url)
        await told.until(["a"], ["a"], ["b"])


async def test_a_runner_that_does_not_know_the_word_is_not_told_again(told: Told) -> None:
    told.statuses = [404]
    async with WorkerLink(told.url) as link:
        link.confirm("a")
        await told.until(["a"])
        await asyncio.sleep(0.2)
    assert told.heard == [["a"]]


async def test_a_link_that_is_closed_tells_what_is_left_where_somebody_hears_it(told: Told) -> None:
    async with WorkerLink(told.url) as link:
        link.confirm("a")
    assert told.heard == [["a"]]
    async with WorkerLink("http://127.0.0.1:1") as link:
        link.confirm("b")


async def test_what_is_kept_for_a_runner_that_does_not_answer_is_bounded(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming, "MOST", 3)
    told.statuses = [503, 200]
    async with WorkerLink(told.url) as link:
        for each in "abcde":
            link.confirm(each)
        await told.until(["c", "d", "e"], ["c", "d", "e"])
