"""A key is tried where its calls would go."""

from __future__ import annotations

import pytest
from aiohttp import web

from mintmark.providers.http import HttpClient
from mintmark.providers.keytest import PROBES, try_key
from mintmark.providers.secret import Secret
from mintmark.tests.providers.conftest import serving

KEY = "some-key-0123456789abcdef"


@pytest.mark.parametrize(
    ("provider", "below", "asked"),
    [
        ("bfl", "", "/v1/credits"),
        ("bfl", "/", "/v1/credits"),
        ("bfl", "/v1", "/v1/credits"),
        ("bfl", "/gate/bfl/", "/gate/bfl/credits"),
        ("openai", "/v1", "/v1/models"),
        ("replicate", "/v1/", "/v1/account"),
        ("stability", "", "/v1/user/balance"),
        ("ideogram", "", "/models"),
        ("google", "", "/v1beta/models"),
        ("google", "/gate/v1", "/gate/v1/models"),
    ],
)
async def test_a_base_url_of_one_s_own_is_asked_as_the_calls_would_be(
    http: HttpClient, provider: str, below: str, asked: str
) -> None:
    seen: list[tuple[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers[PROBES[provider].header]))
        return web.json_response({"credits": 12.5})

    async with serving(handler) as url:
        found = await try_key(provider, http, key=Secret(KEY), base_url=url + below)
    assert seen == [(asked, PROBES[provider].scheme + KEY)]
    assert found.outcome == "works"


async def test_a_gateway_that_cannot_be_asked_is_not(http: HttpClient) -> None:
    found = await try_key("fal", http, key=Secret(KEY), base_url="http://127.0.0.1:9")
    assert found.outcome == "unclear"
    assert "first image" in found.message
