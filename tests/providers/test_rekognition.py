"""The client of Rekognition: who asks, which refusals are repeated, and what each of them means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import (
    BadAnswer,
    BadSetting,
    ProviderAuth,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
)
from mintmark.providers.http import HttpClient
from mintmark.providers.rekognition import rekognition_client
from mintmark.providers.secret import NO_KEY, Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.providers.aws_account import use_account
from mintmark.tests.providers.conftest import serving

KIND = "application/x-amz-json-1.1"
DETECT = "DetectModerationLabels"


def test_the_region_is_part_of_the_host(http: HttpClient) -> None:
    key = Secret("gateway-key-0123456789")
    client = rekognition_client(http, key=key, options={"region": "eu-west-1"})
    assert client._url == "https://rekognition.eu-west-1.amazonaws.com/"
    assert rekognition_client(http, key=key, sandbox_url="http://x/")._url == "http://x/rekognition/"
    with pytest.raises(BadSetting, match=r"rekognition\.region"):
        rekognition_client(http, key=key, options={"region": "x.example"})


async def test_the_operation_is_a_header_and_the_account_signs(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path)
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.headers, await request.json()))
        return web.Response(body=b'{"ModerationLabels": []}', content_type=KIND)

    async with serving(handler) as url:
        client = rekognition_client(http, key=NO_KEY, sandbox_url=url)
        assert await client.post_json(DETECT, {"Image": {"Bytes": "eA=="}}) == {"ModerationLabels": []}
    ((headers, body),) = seen
    assert body == {"Image": {"Bytes": "eA=="}}
    assert headers["X-Amz-Target"] == f"RekognitionService.{DETECT}"
    assert headers["Content-Type"] == KIND
    assert "/us-west-2/rekognition/aws4_request" in headers["Authorization"]
    assert "content-type;host;x-amz-date;x-amz-target" in headers["Authorization"]


async def test_an_account_that_is_not_known_is_refused(
    http: HttpClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    client = rekognition_client(http, key=NO_KEY, sandbox_url=sandbox.url)
    with pytest.raises(ProviderAuth, match="UnrecognizedClientException") as told:
        await client.post_json(DETECT, {})
    assert told.value.charged == "no"


@pytest.mark.parametrize(
    ("status", "code", "kind", "tries"),
    [
        (400, "InvalidImageFormatException", ProviderRefused, 1),
        (400, "AccessDeniedException", ProviderAuth, 1),
        (400, "ExpiredTokenException", ProviderAuth, 1),
        (400, "ThrottlingException", RateLimited, 3),
        (400, "ProvisionedThroughputExceededException", RateLimited, 3),
        (429, "ThrottlingException", RateLimited, 3),
        (500, "InternalServerError", ProviderDown, 3),
        (503, "ServiceUnavailableException", ProviderDown, 3),
    ],
)
async def test_every_documented_error_has_its_code_and_its_tries(
    http: HttpClient, status: int, code: str, kind: type[ProviderError], tries: int
) -> None:
    seen: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(1)
        body = json.dumps({"__type": code, "Message": "It is so."}).encode()
        return web.Response(body=body, status=status, content_type=KIND)

    async with serving(handler) as url:
        client = rekognition_client(http, key=Secret("gateway-key-0123456789"), sandbox_url=url)
        with pytest.raises(kind) as told:
            await client.post_json(DETECT, {})
    assert type(told.value) is kind
    assert (told.value.charged, told.value.status, told.value.provider) == ("no", status, "rekognition")
    assert len(seen) == tries


async def test_an_answer_that_is_no_json_is_told(http: HttpClient) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async with serving(handler) as url:
        client = rekognition_client(http, key=Secret("gateway-key-0123456789"), sandbox_url=url)
        with pytest.raises(BadAnswer):
            await client.post_json(DETECT, {})
