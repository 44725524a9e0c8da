"""This machine's own Google account, by google-auth's real client for credentials against the sandbox's tokens."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import google.auth.credentials
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mintmark.errors import MissingExtra, ProviderAuth, ProviderDown, ProviderError
from mintmark.providers.google import Google
from mintmark.providers.google_account import AccountCaller
from mintmark.providers.google_place import Place
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import NO_KEY
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import serving


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, plain).decode()


def service_account(folder: Path, pem: str, token_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account's file, named as all of Google's tools look for it."""
    file = folder / "account.json"
    who = {"client_email": "robot@a-project.iam.gserviceaccount.com", "private_key_id": "1", "private_key": pem}
    file.write_text(json.dumps({"type": "service_account", "project_id": "a-project", "token_uri": token_uri, **who}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


async def test_a_service_account_draws_on_vertex_and_asks_for_one_token(
    http: HttpClient, sandbox: Sandbox, truth: Truth, pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_account(tmp_path, pem, f"{sandbox.url}/google/oauth2/token", monkeypatch)
    base = f"{sandbox.url}/google/v1beta1/projects/a-project/locations/global/publishers/google"
    provider = Google(http, Place(base=base, vertex=True, caller=AccountCaller()))
    known = Catalog.load().known("google/gemini-3.1-flash-image")
    options = {"image_size": "512"}
    request = GenerationRequest(task="text-to-image", model=known.name, prompt="a boat", options=options)
    for _ in range(2):
        answer = await provider.ask(provider.prepare(known, request), call_id="c", on_accepted=ignore)
        assert len(answer.images) == 1
    calls = await truth.calls()
    tokens = [call["headers"]["Authorization"] for call in calls]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1
    assert "x-goog-api-key" not in calls[0]["headers"]


async def test_an_account_that_google_does_not_know_is_told_without_its_secrets(
    pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_: web.Request) -> web.Response:
        return web.json_response({"error": "invalid_grant", "error_description": "account not found"}, status=400)

    async with serving(refuses) as url:
        service_account(tmp_path, pem, url, monkeypatch)
        with pytest.raises(ProviderAuth, match="account not found") as caught:
            await AccountCaller().headers()
    assert caught.value.charged == "no"
    assert "PRIVATE" not in repr(caught.value)


async def test_a_token_server_that_is_not_there_costs_nothing(
    pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    service_account(tmp_path, pem, f"http://127.0.0.1:{unused_tcp_port}/token", monkeypatch)
    with pytest.raises(ProviderDown) as caught:
        await AccountCaller().headers()
    assert caught.value.charged == "no"


async def test_without_any_account_it_says_how_to_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ProviderError) as caught:
        await AccountCaller().headers()
    assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.hint


@pytest.mark.parametrize("problem", [PermissionError(13, "not for you"), ValueError("no such format")])
async def test_an_account_that_cannot_be_read_costs_nothing(problem: Exception) -> None:
    def find() -> Any:
        raise problem

    with pytest.raises(ProviderAuth) as caught:
        await AccountCaller(find).headers()
    assert caught.value.charged == "no"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("token", [None, "", "two\r\nlines"])
async def test_a_token_that_is_none_is_never_sent(token: Any) -> None:
    credentials = Counted()
    credentials.refresh = lambda _: setattr(credentials, "token", token)  # type: ignore[method-assign]
    with pytest.raises(ProviderAuth, match="no access token"):
        await AccountCaller(lambda: credentials).headers()


class Counted(google.auth.credentials.Credentials):
    """Credentials that give another token each time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def refresh(self, request: Any) -> None:
        self.asked += 1
        self.token, self.expiry = f"ya29.token-{self.asked}", datetime(2999, 1, 1)  # noqa: DTZ001


async def test_a_token_that_seems_over_by_our_clock_is_sent_all_the_same() -> None:
    credentials = Counted()
    credentials.refresh = lambda _: vars(credentials).update(token="ya29.x", expiry=datetime(1999, 1, 1))  # type: ignore[method-assign]  # noqa: DTZ001
    assert await AccountCaller(lambda: credentials).headers() == {"Authorization": "Bearer ya29.x"}


async def test_a_token_that_google_refuses_is_not_used_again() -> None:
    caller = AccountCaller(Counted)
    first = await caller.headers()
    assert await caller.headers() == first
    caller.refused(first)
    assert await caller.headers() == {"Authorization": "Bearer ya29.token-2"} != first


async def test_a_refused_token_is_renewed_for_the_next_call(http: HttpClient) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.json_response({"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}}, status=401)

    async with serving(handler) as url:
        provider = Google(http, Place(base=url, vertex=True, caller=AccountCaller(Counted)))
        known = Catalog.load().known("google/gemini-3-pro-image")
        request = GenerationRequest(task="text-to-image", model=known.name, prompt="a boat")
        for _ in range(2):
            with pytest.raises(ProviderAuth):
                await provider.ask(provider.prepare(known, request), call_id="c", on_accepted=ignore)
    assert seen == ["Bearer ya29.token-1", "Bearer ya29.token-2"]


def test_without_google_auth_the_extra_is_named(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(MissingExtra) as caught:
        Google.open(http, key=NO_KEY, options={"project": "a-project"})
    assert 'pip install "mintmark[google]"' in caught.value.hint
