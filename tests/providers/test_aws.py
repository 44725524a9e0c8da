"""Who asks at AWS: where the account comes from, what its signature covers, and what is told where there is none."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import BadSetting, MissingExtra, ProviderAuth, ProviderDown
from mintmark.log import redact
from mintmark.providers.aws import USUAL_REGION, Account, bearer, error_of, region_of
from mintmark.providers.secret import Secret
from mintmark.sandbox.aws import ACCESS_KEY, SECRET_KEY
from mintmark.tests.providers.aws_account import TOKEN, use_account
from mintmark.tests.providers.conftest import serving

URL = "https://bedrock-runtime.us-west-2.amazonaws.com/model/stability.sd3-5-large-v1%3A0/invoke"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


async def signed(body: bytes = b"{}", url: str = URL) -> dict[str, str]:
    sign = Account("bedrock").signer("POST", url, service="bedrock", region="us-west-2")
    return dict(await sign(HEADERS, body))


async def test_a_signature_names_its_account_scope_and_what_it_covers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path)
    made = await signed()
    assert set(made) == {"X-Amz-Date", "Authorization"}
    day = made["X-Amz-Date"][:8]
    assert f"Credential={ACCESS_KEY}/{day}/us-west-2/bedrock/aws4_request" in made["Authorization"]
    assert "SignedHeaders=accept;content-type;host;x-amz-date," in made["Authorization"]
    assert SECRET_KEY not in str(made)


async def test_a_session_s_token_comes_along_signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_account(monkeypatch, tmp_path, session=True)
    made = await signed()
    assert made["X-Amz-Security-Token"] == TOKEN
    assert "x-amz-security-token" in made["Authorization"]


async def test_another_body_or_path_has_another_signature(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_account(monkeypatch, tmp_path)
    made = [await signed(), await signed(b"[]"), await signed(url=URL.replace("%3A", ":"))]
    assert len({one["Authorization"].rpartition("=")[2] for one in made}) == 3


async def test_what_is_secret_of_an_account_is_in_no_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    use_account(monkeypatch, tmp_path, session=True)
    await signed()
    assert SECRET_KEY not in caplog.text
    assert TOKEN not in caplog.text
    assert SECRET_KEY not in redact(f"it is {SECRET_KEY}")
    assert TOKEN not in redact(f"it is {TOKEN}")


@pytest.mark.parametrize("program", ["no-such-program-of-anybody", "echo nonsense"])
async def test_a_credential_program_that_gives_none_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    use_account(monkeypatch, tmp_path, none=True)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(ProviderAuth, match="gives no credentials") as told:
        await signed()
    assert told.value.charged == "no"


async def test_credentials_that_never_come_are_waited_for_once_and_not_for_ever() -> None:
    asked, over = 0, threading.Event()

    class Hanging:
        def get_frozen_credentials(self) -> None:
            nonlocal asked
            asked += 1
            over.wait()

    account = Account("bedrock", patience_s=0.01)
    account._found = Hanging()
    sign = account.signer("POST", URL, service="bedrock", region="us-west-2")
    try:
        ends = await asyncio.gather(*(sign(HEADERS, b"{}") for _ in range(20)), return_exceptions=True)
        late = await asyncio.gather(sign(HEADERS, b"{}"), return_exceptions=True)
    finally:
        over.set()
    assert {(type(end), getattr(end, "charged", "")) for end in ends + late} == {(ProviderDown, "no")}
    assert asked == 1


async def test_no_credentials_anywhere_is_told_with_what_to_try(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path, none=True)
    with pytest.raises(ProviderAuth, match="no AWS credentials") as told:
        await signed()
    assert (told.value.charged, told.value.provider) == ("no", "bedrock")
    assert "aws sts get-caller-identity" in told.value.hint


async def test_credentials_that_cannot_be_had_are_told_by_the_kind_of_trouble(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path, none=True)
    monkeypatch.setenv("AWS_PROFILE", "nobody-of-this-name")
    with pytest.raises(ProviderAuth, match="ProfileNotFound") as told:
        await signed()
    assert told.value.charged == "no"


async def test_a_role_that_may_not_be_assumed_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_account(monkeypatch, tmp_path, none=True)
    (tmp_path / "token").write_text("a-web-identity-token")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/painter")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))

    async def sts(_: web.Request) -> web.Response:
        error = "<Error><Code>AccessDenied</Code><Message>of a-web-identity-token</Message></Error>"
        return web.Response(status=403, text=f"<ErrorResponse>{error}</ErrorResponse>", content_type="text/xml")

    async with serving(sts) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        monkeypatch.setenv("AWS_REGION", "us-west-2")
        with pytest.raises(ProviderAuth) as told:
            await signed()
    assert told.value.charged == "no"
    assert "a-web-identity-token" not in str(told.value)


async def test_credentials_that_have_run_out_and_stay_so_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path, none=True)
    old = {"Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "SessionToken": TOKEN}
    (tmp_path / "old.json").write_text(json.dumps({**old, "Expiration": "2020-01-01T00:00:00Z"}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path / 'old.json'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(ProviderAuth, match="no credentials") as told:
        await signed()
    assert SECRET_KEY not in str(told.value)


def test_without_botocore_the_extra_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as told:
        Account("bedrock")
    assert told.value.hint == "pip install 'mintmark[aws]'"


async def test_a_key_is_a_bearer() -> None:
    assert await bearer(Secret("bedrock-key-0123456789"))(HEADERS, b"") == {
        "Authorization": "Bearer bedrock-key-0123456789"
    }


def test_without_a_region_it_is_the_one_that_has_all_models() -> None:
    assert region_of("bedrock", {}) == USUAL_REGION == "us-west-2"
    assert region_of("bedrock", {"region": "us-gov-west-1"}) == "us-gov-west-1"


@pytest.mark.parametrize("region", ["evil.example/", "us-west-2.evil.example", "us-west", "US-WEST-2", "us-west-2\n"])
def test_what_is_no_region_never_becomes_part_of_a_host(region: str) -> None:
    with pytest.raises(BadSetting, match=r"bedrock\.region"):
        region_of("bedrock", {"region": region})


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        (
            {"x-amzn-errortype": "ValidationException:http://internal/x"},
            {"message": "no"},
            ("ValidationException", "no"),
        ),
        ({}, {"__type": "com.amazon.coral#ThrottlingException"}, ("ThrottlingException", "")),
        ({}, {"code": "X", "Message": "why"}, ("X", "why")),
        ({}, {}, ("", "")),
    ],
)
def test_an_error_is_named_in_a_header_or_the_body(headers: Any, body: Any, told: tuple[str, str]) -> None:
    assert error_of(headers, body) == told
