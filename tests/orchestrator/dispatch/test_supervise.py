"""Processes that are kept alive, by the real command of the sandbox: the quickest that is there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from mintmark.errors import WorkerUnreachable
from mintmark.orchestrator.dispatch.supervise import Program, Supervised

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")


def program(folder: Path, *args: str) -> Program:
    return Program(name="sandbox", args=args or ("sandbox",), folder=folder, env=dict(os.environ))


async def answers(url: str) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"{url}/_sandbox/health") as reply:
                return reply.status == 200
        except aiohttp.ClientError:
            return False


async def test_one_that_is_killed_comes_back_on_its_port_and_ends_with_its_owner(tmp_path: Path) -> None:
    async with Supervised(program(tmp_path)) as kept:
        url, first = kept.url, kept.pid
        assert first is not None and await answers(url)
        os.kill(first, signal.SIGKILL)
        while kept.starts < 2 or not await answers(url):
            await asyncio.sleep(0.05)
        assert (kept.url, kept.pid != first) == (url, True)
    assert not await answers(url)


async def test_its_port_outlives_its_owner(tmp_path: Path) -> None:
    async with Supervised(program(tmp_path)) as kept:
        url = kept.url
    async with Supervised(program(tmp_path)) as kept:
        assert kept.url == url


async def test_one_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(WorkerUnreachable, match="does not start") as raised:
        async with Supervised(program(tmp_path, "no-such-command"), patience_s=0):
            pass
    assert str(tmp_path / "log") in raised.value.hint


async def test_another_port_is_told_where_the_old_one_is_taken(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (tmp_path / "port").write_text(str(port))
    moved: list[str] = []
    async with server, Supervised(program(tmp_path), moved=moved.append) as kept:
        assert moved == [kept.url] and not kept.url.endswith(f":{port}")


async def test_one_that_another_asks_ends_after_it_however_its_owner_ends(tmp_path: Path) -> None:
    kept = Supervised(program(tmp_path / "asked"))
    async with kept:
        asker = Supervised(program(tmp_path / "asker"), asks=kept)
        async with asker:
            asked = kept._process
            assert asked is not None and asked.stdin is not None
            asked.stdin.close()  # as if we were dead: our end is gone, and only the asker holds it
            await asyncio.sleep(1.0)
            assert await answers(kept.url)
        await asked.wait()


async def test_books_that_another_one_has_are_waited_for(tmp_path: Path) -> None:
    books = ("sandbox", "--state", str(tmp_path / "books.jsonl"))
    async with Supervised(program(tmp_path / "first", *books)) as first:
        second = Supervised(program(tmp_path / "second", *books))
        starting = asyncio.ensure_future(second.__aenter__())
        while second.starts < 3:
            assert not starting.done()
            await asyncio.sleep(0.05)
        assert await answers(first.url)
    await starting
    try:
        assert await answers(second.url)
    finally:
        await second.__aexit__(None, None, None)
