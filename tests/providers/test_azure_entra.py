"""Azure without a key: tokens of Entra ID, who gets them, how long they are kept, and what is told where none comes."""

from __future__ import annotations

import asyncio
import base64
import logging
from datetime import date
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from mintmark.errors import BadAnswer, BadSetting, ProviderAuth, ProviderDown, ProviderError
from mintmark.providers.azure import Azure
from mintmark.providers.azure_entra import entra_tokens
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import NO_KEY
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, picture, serving

OPTIONS = {"tenant_id": "tenant-1", "client_id": "client-1"}
SECRET = "entra-secret-0123456789"
IMAGE = {"data": [{"b64_json": base64.b64encode(picture().data).decode()}]}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)


class Login:
    """Entra ID and a resource behind one URL: tokens are numbered, and only the newest ``good`` ones are taken."""

    def __init__(self, *, refused: int = 0, lifetime_s: float = 3600) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.taken: list[str] = []
        self._refused, self._lifetime_s = refused, lifetime_s

    async def serve(self, request: web.Request) -> web.Response:
        if request.path.endswith("/oauth2/v2.0/token"):
            assert request.path == "/azure/login/tenant-1/oauth2/v2.0/token"
            self.asked.append(parse_qs(await request.text()))
            token = f"token-{len(self.asked)}-of-many"
            return web.json_response({"access_token": token, "expires_in": self._lifetime_s, "token_type": "Bearer"})
        self.taken.append(request.headers["Authorization"])
        if len(self.taken) <= self._refused:
            return web.json_response({"error": {"code": "Unauthorized", "message": "expired"}}, status=401)
        return web.json_response(IMAGE)


def opened(http: HttpClient, url: str) -> Azure:
    return Azure.open(http, key=NO_KEY, sandbox_url=url, options=OPTIONS)


async def ask(provider: Azure) -> None:
    request = GenerationRequest(task="text-to-image", model="azure/gpt-image-2", prompt="a boat", width=64, height=64)
    ready = provider.prepare(Catalog.load().get(request.model, date(2026, 11, 21)), request)
    await provider.ask(ready, call_id="c", on_accepted=ignore)


async def test_a_token_is_asked_for_once_by_the_documented_form_and_shared(http: HttpClient) -> None:
    login = Login()
    async with serving(login.serve) as url:
        provider = opened(http, url)
        await asyncio.gather(*(ask(provider) for _ in range(5)))
    (asked,) = login.asked
    assert asked == {
        "grant_type": ["client_credentials"],
        "client_id": ["client-1"],
        "client_secret": [SECRET],
        "scope": ["https://cognitiveservices.azure.com/.default"],
    }
    assert login.taken == ["Bearer token-1-of-many"] * 5


async def test_a_token_is_renewed_before_it_ends(http: HttpClient, time: FakeTime) -> None:
    login = Login(lifetime_s=3600)
    async with serving(login.serve) as url:
        provider = opened(http, url)
        for after in (0.0, 3200.0, 3301.0):
            time.now = after
            await ask(provider)
    assert [taken[7:14] for taken in login.taken] == ["token-1", "token-1", "token-2"]


async def test_a_token_that_is_no_longer_taken_is_replaced_once(http: HttpClient) -> None:
    login = Login(refused=1)
    async with serving(login.serve) as url:
        await ask(opened(http, url))
    assert [taken[7:14] for taken in login.taken] == ["token-1", "token-2"]


async def test_who_leaves_while_a_new_token_is_fetched_has_asked_for_nothing(http: HttpClient) -> None:
    login, leaving = Login(refused=1), asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        if login.taken and "oauth2" in request.path:
            leaving.set()
            await asyncio.sleep(60)
        return await login.serve(request)

    async with serving(serve) as url:
        task = asyncio.ensure_future(ask(opened(http, url)))
        await leaving.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    known = caught.value.__cause__
    assert isinstance(known, ProviderError)
    assert known.charged == "no"


async def test_who_is_refused_twice_is_told_so(http: HttpClient) -> None:
    login = Login(refused=9)
    async with serving(login.serve) as url:
        with pytest.raises(ProviderAuth) as told:
            await ask(opened(http, url))
    assert len(login.taken) == 2
    assert "role on the resource" in told.value.hint
    assert told.value.charged == "no"


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (401, {"error": "invalid_client", "error_codes": [7000215]}, ProviderAuth, "AADSTS7000215"),
        (400, {"error": "invalid_request", "error_codes": ["x"]}, ProviderAuth, "400"),
        (400, "nonsense", ProviderAuth, "400"),
        (503, {}, ProviderDown, "503"),
        (429, {}, ProviderDown, "429"),
        (200, {"token_type": "Bearer"}, BadAnswer, "no token"),
        (200, {"access_token": "t", "expires_in": 0}, BadAnswer, "no token"),
        (200, {"access_token": "t", "expires_in": "soon"}, BadAnswer, "no token"),
        (200, ["x"], BadAnswer, "no token"),
    ],
)
async def test_without_a_token_nothing_is_asked_and_nothing_is_charged(
    http: HttpClient, status: int, body: Any, kind: type[ProviderError], told: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert "/images/" not in request.path
        return web.json_response(body, status=status)

    async with serving(handler) as url:
        with pytest.raises(kind, match=told) as caught:
            await ask(opened(http, url))
    assert type(caught.value) is kind
    assert caught.value.charged == "no"


async def test_the_sandbox_s_login_gives_tokens_that_its_resource_takes(
    http: HttpClient, sandbox: Sandbox, truth: Truth
) -> None:
    await ask(opened(http, sandbox.url))
    assert len(await truth.bill()) == 1


@pytest.mark.parametrize("fault", ["bad-secret-0123456789", ""])
async def test_a_wrong_or_missing_secret_is_named_and_never_shown(
    http: HttpClient, sandbox: Sandbox, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", fault)
    with pytest.raises((ProviderAuth, BadSetting)) as told:
        await ask(opened(http, sandbox.url))
    shown = f"{told.value!r} {told.value} {told.value.hint} {caplog.text}"
    assert "AZURE_CLIENT_SECRET" in shown
    assert not fault or fault not in shown


def test_what_is_missing_of_the_account_is_named(http: HttpClient) -> None:
    with pytest.raises(BadSetting) as told:
        entra_tokens(http, {}, env={})
    assert told.value.hint == "Set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET."
