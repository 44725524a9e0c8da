"""A result is fetched from public addresses only, whatever its host's name means by then."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from mintmark.errors import ForbiddenTarget
from mintmark.providers.guarding import PublicConnector
from mintmark.providers.http import Forbidden
from mintmark.tests.providers.conftest import FakeTime, client, serving


class Names(AbstractResolver):
    """Every name means this address."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self.address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.fixture
async def connector() -> AsyncIterator[PublicConnector]:
    made = PublicConnector(exempt=frozenset({"gateway.example"}), resolver=Names("10.0.0.7"))
    yield made
    await made.close()


async def test_a_name_that_means_a_private_address_is_not_connected_to(connector: PublicConnector) -> None:
    with pytest.raises(ForbiddenTarget):
        await connector._resolve_host("delivery.vendor.example", 443)


async def test_the_user_s_own_gateway_may_be_private(connector: PublicConnector) -> None:
    assert [each["host"] for each in await connector._resolve_host("gateway.example", 443)] == ["10.0.0.7"]


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"])
async def test_neither_is_any_other_address_that_is_not_public(address: str) -> None:
    made = PublicConnector(resolver=Names(address))
    try:
        with pytest.raises(ForbiddenTarget):
            await made._resolve_host("delivery.vendor.example", 443)
    finally:
        await made.close()


async def test_a_download_that_is_sent_to_such_a_name_ends_there(time: FakeTime, monkeypatch: Any) -> None:
    """The first stop is a sandbox on this machine; it redirects to a name of the vendor's that means an inner host."""

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://inner.vendor.example/secret"})

    async def inner(self: Any, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        address = "10.0.0.7" if host == "inner.vendor.example" else host
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    monkeypatch.setattr("aiohttp.TCPConnector._resolve_host", inner)
    async with serving(redirect) as url, client(time) as http:
        with pytest.raises(Forbidden, match="not public"):
            await http.download(url, allowed=lambda each: True)
