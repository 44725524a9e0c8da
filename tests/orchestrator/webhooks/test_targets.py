"""Calling URLs of others: what is connected to is what was checked."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading

import aiohttp
import pytest

from mintmark.errors import ForbiddenTarget, TargetFailed
from mintmark.orchestrator.webhooks.targets import GuardedConnector, Outbound, fetch

from .receiver import Names, closing, never, receiving, saying

MOST = 1000


async def test_a_file_is_fetched_where_it_may_be() -> None:
    async with receiving(saying(200, "data")) as receiver:
        assert await fetch(f"{receiver.url}/a.png?x=1", max_bytes=MOST, allow_private=True) == b"data"
        assert receiver.got[0].path == "/a.png?x=1"
        assert "Cookie" not in receiver.got[0].headers
        with pytest.raises(ForbiddenTarget):
            await fetch(receiver.url, max_bytes=MOST)
        assert len(receiver.got) == 1


THIS_MACHINE = [
    "127.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "2130706433",
    "127.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "１２７.0.0.1",
]


@pytest.mark.parametrize("host", THIS_MACHINE)
async def test_the_connector_alone_refuses_every_spelling_of_this_machine(host: str) -> None:
    """Nobody has checked the URL here, and the system's own resolver is asked."""
    async with (
        receiving() as receiver,
        aiohttp.ClientSession(connector=GuardedConnector()) as session,
    ):
        with pytest.raises((ForbiddenTarget, aiohttp.InvalidURL)):
            await session.get(f"http://{host}:{receiver.port}/")
        assert receiver.got == []


async def test_a_name_for_a_private_address_is_refused_when_it_is_connected_to() -> None:
    names = Names(evil_example=[["127.0.0.1"]], mixed_example=[["8.8.8.8", "10.0.0.1"]])
    async with receiving() as receiver, Outbound(resolver=names) as client:
        for host in ("evil.example", "mixed.example"):
            with pytest.raises(ForbiddenTarget):
                await client.fetch(f"http://{host}:{receiver.port}/", max_bytes=MOST)
        assert names.asked == ["evil.example", "mixed.example"]
        assert receiver.got == []


async def test_a_name_that_changes_its_meaning_is_checked_each_time() -> None:
    names = Names(rebinding_example=[["127.0.0.1"], ["169.254.169.254"]])
    async with receiving() as receiver, Outbound(resolver=names, allow_private=True) as client:
        client._session.connector._use_dns_cache = False  # type: ignore[union-attr]
        url = f"http://rebinding.example:{receiver.port}/"
        assert (await client.fetch(url, max_bytes=MOST)).body == b"thanks"
        with pytest.raises(ForbiddenTarget, match="never called"):
            await client.fetch(url, max_bytes=MOST)
        assert len(receiver.got) == 1


async def test_a_name_is_asked_for_once_and_that_answer_is_connected_to() -> None:
    """A check that asks first, and a connection that asks again, would be given different answers."""
    names = Names(rebinding_example=[["127.0.0.1"], ["169.254.169.254"]])
    async with receiving() as receiver, Outbound(resolver=names, allow_private=True) as client:
        await client.fetch(f"http://rebinding.example:{receiver.port}/", max_bytes=MOST)
        assert names.asked == ["rebinding.example"]


@pytest.mark.parametrize(
    "location", ["http://metadata.example/", "http://169.254.169.254/latest/", "file:///etc/passwd", "//[fe80::1]/"]
)
async def test_each_redirect_is_checked_like_the_first_url(location: str) -> None:
    names = Names(good_example=[["127.0.0.1"]], metadata_example=[["169.254.169.254"]])
    async with (
        receiving(saying(302, Location=location)) as receiver,
        Outbound(resolver=names, allow_private=True) as client,
    ):
        with pytest.raises(ForbiddenTarget):
            await client.fetch(f"http://good.example:{receiver.port}/", max_bytes=MOST)
        assert len(receiver.got) == 1


async def test_a_few_redirects_are_followed_and_not_more() -> None:
    onward = saying(302, Location="next?b=2")
    async with receiving(*[onward] * 3, saying(200, "data"), *[onward] * 9) as receiver:
        assert await fetch(f"{receiver.url}/a/b", max_bytes=MOST, allow_private=True) == b"data"
        assert [each.path for each in receiver.got] == ["/a/b", *["/a/next?b=2"] * 3]
        with pytest.raises(TargetFailed, match="on and on"):
            await fetch(receiver.url, max_bytes=MOST, allow_private=True)
        assert len(receiver.got) == 8


async def test_no_more_is_read_than_may_be() -> None:
    async with receiving(saying(200, "x" * MOST), saying(200, "x" * (MOST + 1)), saying(200, "x" * 10**7)) as receiver:
        assert len(await fetch(receiver.url, max_bytes=MOST, allow_private=True)) == MOST
        for _ in range(2):
            with pytest.raises(TargetFailed, match="more than 1000 bytes"):
                await fetch(receiver.url, max_bytes=MOST, allow_private=True)


async def test_compressed_bytes_are_not_unpacked() -> None:
    async def bomb(_request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(body=gzip.compress(bytes(10**6)), headers={"Content-Encoding": "gzip"})

    async with receiving(bomb) as receiver:
        with pytest.raises(TargetFailed, match="compressed"):
            await fetch(receiver.url, max_bytes=10**5, allow_private=True)


async def test_what_is_not_given_is_told_with_the_host_and_nothing_else_of_the_url() -> None:
    gate = asyncio.Event()
    # A GET whose connection breaks is tried again by the library itself.
    answers = saying(404), closing(), closing(), never(gate)
    async with receiving(*answers) as receiver, Outbound(allow_private=True) as client:
        url = f"{receiver.url}/path-secret?token=secret"
        for words in ("answered 404", "broke off|cannot be reached", "in time|longer"):
            with pytest.raises(TargetFailed, match=words) as caught:
                await client.fetch(url, max_bytes=MOST, timeout_s=0.3)
            assert f"127.0.0.1:{receiver.port}" in str(caught.value)
            assert "secret" not in str(caught.value)
            assert "secret" not in repr(caught.value.__cause__)
        gate.set()


async def test_a_host_that_is_not_there_is_told() -> None:
    async with receiving() as receiver:
        gone = receiver.url
    async with Outbound(resolver=Names(), allow_private=True) as client:
        with pytest.raises(TargetFailed, match="no such host"):
            await client.fetch("http://nowhere.example/", max_bytes=MOST)
        with pytest.raises(TargetFailed, match="cannot be reached"):
            await client.fetch(gone, max_bytes=MOST)


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving(saying(200, "direct")) as receiver:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert await fetch(receiver.url, max_bytes=MOST, allow_private=True) == b"direct"
        assert proxy.got == []


async def test_names_are_asked_for_in_threads_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers late must not hold up what else needs a thread, such as the database."""
    gate, asked = threading.Event(), []
    loop = asyncio.get_running_loop()

    def slow(host: str, *_args: object, **_options: object) -> list[object]:
        asked.append((host, threading.current_thread().name))
        gate.wait(10)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    async with Outbound() as client:
        hosts = [f"h{number}.example" for number in range(12)]
        calls = [asyncio.create_task(client.fetch(f"https://{host}/", max_bytes=MOST)) for host in hosts]
        for _ in range(500):
            if len(asked) < 12:
                await asyncio.sleep(0.01)
        assert await asyncio.gather(*[loop.run_in_executor(None, lambda: 1) for _ in range(8)]) == [1] * 8
        gate.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, TargetFailed) for each in found)
    assert {name.partition("_")[0] for _, name in asked} == {"mintmark-names"}


async def test_many_that_do_not_answer_leave_connections_for_others() -> None:
    gate = asyncio.Event()
    async with (
        receiving(*[never(gate)] * 130) as slow,
        receiving() as quick,
        Outbound(allow_private=True) as client,
    ):
        held = [asyncio.create_task(client.ask("POST", slow.url, most=MOST)) for _ in range(130)]
        await slow.wait(130)
        assert (await client.ask("POST", quick.url, most=MOST, timeout_s=10)).status == 200
        gate.set()
        await asyncio.gather(*held)
