"""Firefly's wire where it differs from the contract: tokens, uploads, both forms of acceptance, the ends of jobs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from mintmark.errors import (
    BadAnswer,
    BadSetting,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ResultLost,
)
from mintmark.providers.base import Accepted, Answer, Prepared, ResultImage
from mintmark.providers.firefly import BASE_URL, Firefly
from mintmark.providers.firefly_ims import IMS_URL, SCOPE
from mintmark.providers.http import HttpClient, Timeouts
from mintmark.providers.registry import open_provider
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.sandbox import firefly as twin
from mintmark.sandbox import firefly_ims as twin_ims
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, client, left_alone, model, picture, serving

KEY = "p8e-0123456789abcdef"
OPTIONS = {"client_id": "client-1"}
SQUARE = picture(1024, 1024)
FILE = "https://pre-signed-firefly-prod.s3-accelerate.amazonaws.com/images/a?X-Amz-Signature=b"
DONE = {"status": "succeeded", "jobId": "j-1", "result": {"outputs": [{"seed": 7, "image": {"url": FILE}}]}}
EXPIRED = (401, {"error_code": "401013", "message": "Oauth token is not valid"})
UNSAFE = "The prompt did not pass content policy checks."

Answered = tuple[int, dict[str, Any]]


class Adobe:
    """Adobe, saying what a test wants it to say. ``jobs`` are the answers of the status URL, the last one for ever."""

    def __init__(self, *jobs: dict[str, Any] | Answered, submit: list[Answered] | None = None, **more: Any) -> None:
        self.jobs = [job if isinstance(job, tuple) else (200, job) for job in jobs]
        self.submits = submit or []
        self.token: Answered = more.get("token", (200, {}))
        self.upload: Answered = more.get("upload", (200, {"images": [{"id": "u-1"}]}))
        self.accepted: dict[str, Any] | None = more.get("accepted")
        self.canceled: Answered = more.get("canceled", (200, {}))
        self.tokens = 0
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path, dict(request.headers), await request.read()))
        status, body = self._said(request)
        return web.json_response(body, status=status)

    def asked(self, what: str) -> list[tuple[dict[str, str], bytes]]:
        """Headers and body of the requests to a path with this word."""
        return [(headers, body) for _, path, headers, body in self.seen if what in path]

    def _said(self, request: web.Request) -> Answered:
        if request.path.endswith("/ims/token/v3"):
            self.tokens += 1
            status, body = self.token
            given = {"access_token": f"eyJ-0123456789-{self.tokens}", "token_type": "bearer", "expires_in": 86_399}
            return status, body or given
        if request.path.endswith("/storage/image"):
            return self.upload
        if "/status/" in request.path:
            return self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]
        if "/cancel/" in request.path:
            return self.canceled
        if self.submits:
            return self.submits.pop(0)
        base = f"http://{request.host}/firefly/epo/v3"
        urls = {"statusUrl": f"{base}/status/j-1", "cancelUrl": f"{base}/cancel/j-1"}
        return 202, self.accepted if self.accepted is not None else {"jobId": "j-1", **urls}


def prepared(http: HttpClient, name: str = "image3", **asked: Any) -> Prepared:
    known = model(f"firefly/{name}")
    given: dict[str, Any] = {"task": known.tasks[0], "model": known.name, "prompt": "a boat", **asked}
    if given["task"] != "text-to-image":
        given.setdefault("images", (SQUARE,))
    return opened(http, "http://127.0.0.1:9").prepare(known, GenerationRequest.model_validate(given))


def opened(http: HttpClient, url: str) -> Firefly:
    return Firefly.open(http, key=Secret(KEY), sandbox_url=url, options=OPTIONS)


async def ask(adobe: Adobe, http: HttpClient, name: str = "image3", **asked: Any) -> Answer:
    async with serving(adobe.answer) as url:
        return await opened(http, url).ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)


# -- who asks -------------------------------------------------------------------------------------------------------


def test_a_client_id_is_needed_but_in_the_sandbox(http: HttpClient) -> None:
    with pytest.raises(BadSetting) as told:
        open_provider("firefly", http, key=Secret(KEY))
    assert "FIREFLY_SERVICES_CLIENT_ID" in told.value.hint
    assert isinstance(open_provider("firefly", http, key=Secret(KEY), sandbox_url="http://127.0.0.1:1"), Firefly)
    assert isinstance(open_provider("firefly", http, key=Secret(KEY), options=OPTIONS), Firefly)


async def test_a_token_is_bought_once_with_the_form_that_adobe_documents(http: HttpClient) -> None:
    adobe = Adobe(DONE)
    async with serving(adobe.answer) as url:
        firefly = opened(http, url)
        for _ in range(2):
            await firefly.ask(prepared(http), call_id="c", on_accepted=ignore)
    ((headers, body),) = adobe.asked("/ims/token/v3")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client-1"],
        "client_secret": [KEY],
        "scope": ["openid,AdobeID,session,additional_info,read_organizations,firefly_api,ff_apis"],
    }
    assert "Authorization" not in headers
    for headers, _ in adobe.asked("/images/") + adobe.asked("/status/"):
        assert (headers["Authorization"], headers["x-api-key"]) == ("Bearer eyJ-0123456789-1", "client-1")


def test_live_tokens_come_from_adobe_also_behind_a_gateway(http: HttpClient) -> None:
    assert IMS_URL == "https://ims-na1.adobelogin.com/ims"
    assert SCOPE.endswith("firefly_api,ff_apis")
    live = Firefly.open(http, key=Secret(KEY), options=OPTIONS)
    own = Firefly.open(http, key=Secret(KEY), options=OPTIONS, base_url="https://gate.example/firefly/")
    assert (live._hosts.base, own._hosts.base) == (BASE_URL, "https://gate.example/firefly")
    assert own._hosts.is_api("https://firefly-epo855230.adobe.io/v3/status/j")


async def test_a_token_is_renewed_before_its_end(http: HttpClient, time: FakeTime) -> None:
    adobe = Adobe(DONE)
    async with serving(adobe.answer) as url:
        firefly = opened(http, url)
        for moment, tokens in ((0.0, 1), (86_000.0, 1), (86_399 - 299, 2)):
            time.now = moment
            await firefly.ask(prepared(http), call_id="c", on_accepted=ignore)
            assert adobe.tokens == tokens


async def test_a_token_that_is_not_taken_any_more_is_renewed_once(http: HttpClient) -> None:
    adobe = Adobe(EXPIRED, DONE, submit=[EXPIRED])
    answer = await ask(adobe, http)
    assert answer.request_id == "j-1"
    assert adobe.tokens == 3
    used = [headers["Authorization"] for headers, _ in adobe.asked("/images/") + adobe.asked("/status/")]
    assert used == [
        "Bearer eyJ-0123456789-1",
        "Bearer eyJ-0123456789-2",
        "Bearer eyJ-0123456789-2",
        "Bearer eyJ-0123456789-3",
    ]


async def test_a_second_token_that_is_not_taken_either_is_told(http: HttpClient) -> None:
    adobe = Adobe(DONE, submit=[EXPIRED, EXPIRED])
    with pytest.raises(ProviderAuth) as told:
        await ask(adobe, http)
    assert (told.value.charged, adobe.tokens, len(adobe.asked("/images/"))) == ("no", 2, 2)


async def test_an_upload_renews_its_token_too(http: HttpClient, sandbox: Sandbox, monkeypatch: Any) -> None:
    firefly = opened(http, sandbox.url)
    monkeypatch.setattr(twin_ims, "LIFETIME_S", -5.0)
    with pytest.raises(BadAnswer, match="holds no token"):
        await firefly.ask(prepared(http), call_id="c", on_accepted=ignore)
    monkeypatch.setattr(twin_ims, "LIFETIME_S", 1000)
    await firefly._tokens.get()
    monkeypatch.setattr(twin_ims, "_SIGNS", b"another")
    asked = prepared(http, "image5", task="edit")
    assert len((await firefly.ask(asked, call_id="c", on_accepted=ignore)).images) == 1


@pytest.mark.parametrize(
    ("token", "kind", "told"),
    [
        ((400, {"error": "invalid_client", "error_description": f"bad {KEY}"}), ProviderAuth, "invalid_client"),
        ((401, {"error": 7}), ProviderAuth, "401"),
        ((403, {"x": 1}), ProviderAuth, "403"),
        ((500, {"x": 1}), ProviderDown, "500"),
        ((429, {"x": 1}), ProviderDown, "429"),
        ((200, {"access_token": ""}), BadAnswer, "no token"),
        ((200, {"access_token": "x", "expires_in": "soon"}), BadAnswer, "no token"),
        ((200, {"access_token": "x", "expires_in": 0}), BadAnswer, "no token"),
    ],
)
async def test_without_a_token_nothing_is_asked_or_charged(
    http: HttpClient, token: Answered, kind: type[ProviderError], told: str
) -> None:
    adobe = Adobe(DONE, token=token)
    with pytest.raises(kind, match=told) as caught:
        await ask(adobe, http)
    assert type(caught.value) is kind
    assert (caught.value.charged, caught.value.provider) == ("no", "firefly")
    assert KEY not in str(caught.value)
    assert adobe.asked("/images/") == []


async def test_a_job_goes_on_while_no_token_is_to_be_had(http: HttpClient, time: FakeTime) -> None:
    adobe = Adobe(DONE)
    async with serving(adobe.answer) as url:
        firefly = opened(http, url)
        accepted = await left_alone(firefly, prepared(http))
        adobe.token = (500, {"x": 1})
        time.now = 100_000.0
        with pytest.raises(ProviderDown) as told:
            await firefly.resume(model("firefly/image3"), accepted)
    assert (told.value.charged, told.value.request_id) == ("unknown", "j-1")


async def test_the_token_is_told_nowhere(http: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    adobe = Adobe({"status": "failed", "error_code": "runtime_error", "message": "eyJ-0123456789-1 failed"})
    async with serving(adobe.answer) as url:
        firefly = opened(http, url)
        with pytest.raises(ProviderDown) as told:
            await firefly.ask(prepared(http), call_id="c", on_accepted=ignore)
        shown = repr(firefly) + repr(vars(firefly)) + repr(vars(firefly._tokens))
    assert "eyJ-0123456789-1" not in shown + caplog.text + str(told.value)


# -- requests -------------------------------------------------------------------------------------------------------


async def test_an_image_is_uploaded_as_it_is_and_named_by_its_id(http: HttpClient) -> None:
    adobe = Adobe(DONE)
    await ask(adobe, http, "image3", task="control", control="edges")
    ((headers, body),) = adobe.asked("/v2/storage/image")
    assert (headers["Content-Type"], body) == ("image/png", SQUARE.data)
    ((headers, sent),) = adobe.asked("/v3/images/generate-async")
    assert headers["x-model-version"] == "image3"
    assert json.loads(sent)["structure"]["imageReference"] == {"source": {"uploadId": "u-1"}}


async def test_an_operation_without_versions_names_none(http: HttpClient) -> None:
    adobe = Adobe(DONE)
    await ask(adobe, http, "fill", mask=SQUARE)
    ((headers, _),) = adobe.asked("/v3/images/fill-async")
    assert "x-model-version" not in {name.lower() for name in headers}


@pytest.mark.parametrize(
    ("upload", "kind", "told"),
    [
        ((451, {"error_code": "input_media_unsafe", "message": "The image did not pass."}), ProviderBlocked, "pass"),
        ((400, {"error_code": "bad_request", "message": "too large"}), ProviderRefused, "too large"),
        ((403, {"error_code": "403003", "message": "Api Key is invalid"}), ProviderAuth, "FIREFLY_SERVICES_CLIENT_ID"),
        ((500, {"error_code": "x"}), ProviderDown, "500"),
        ((200, {"images": []}), BadAnswer, "names no image"),
        ((200, {"images": [{"id": 7}]}), BadAnswer, "names no image"),
    ],
)  # fmt: skip
async def test_an_upload_that_fails_costs_nothing(
    http: HttpClient, upload: Answered, kind: type[ProviderError], told: str
) -> None:
    adobe = Adobe(DONE, upload=upload)
    with pytest.raises(kind) as caught:
        await ask(adobe, http, "image5", task="edit")
    assert type(caught.value) is kind
    assert caught.value.charged == "no"
    assert told in str(caught.value)
    assert adobe.asked("/generate-async") == []


# -- acceptance -----------------------------------------------------------------------------------------------------


async def test_v4_accepts_with_links(http: HttpClient) -> None:
    adobe = Adobe(DONE)
    async with serving(adobe.answer) as url:
        status, cancel = (f"{url}/firefly/v3/{what}/job-abc123" for what in ("status", "cancel"))
        adobe.submits = [(200, {"links": {"cancel": {"href": cancel}, "result": {"href": status}}, "progress": 0})]
        accepted = await left_alone(opened(http, url), prepared(http, "image5"))
    assert accepted.request_id == "job-abc123"
    assert accepted.handle == {"statusUrl": status, "cancelUrl": cancel}


@pytest.mark.parametrize(
    "accepted",
    [
        {},
        {"jobId": "j-1"},
        {"jobId": 7, "statusUrl": f"{BASE_URL}/v3/status/j", "cancelUrl": f"{BASE_URL}/v3/cancel/j"},
        {"links": {"result": {"href": 7}}},
        {"links": []},
    ],
)
async def test_an_acceptance_that_names_no_job_may_have_started_one(http: HttpClient, accepted: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(Adobe(DONE, accepted=accepted), http)
    assert told.value.charged == "unknown"


async def test_a_status_url_on_a_foreign_host_is_refused_and_sees_no_token(http: HttpClient) -> None:
    foreign = Adobe(DONE)
    async with serving(foreign.answer) as evil:
        for name in ("statusUrl", "cancelUrl"):
            urls = {"statusUrl": f"{BASE_URL}/v3/status/j", "cancelUrl": f"{BASE_URL}/v3/cancel/j"}
            adobe = Adobe(DONE, accepted={"jobId": "j-1", **urls, name: f"{evil}/v3/status/j-1"})
            with pytest.raises(BadAnswer, match="not on hosts of its own") as told:
                await ask(adobe, http)
            assert (told.value.charged, told.value.request_id) == ("unknown", "j-1")
    assert foreign.seen == []


@pytest.mark.parametrize(
    ("url", "api", "media"),
    [
        (f"{BASE_URL}/v3/status/j", True, True),
        ("https://firefly-epo855230.adobe.io/v3/status/j", True, True),
        ("https://clio-assets.adobe.com/clio/x", False, True),
        (FILE, False, True),
        ("http://firefly-api.adobe.io/v3/status/j", False, False),
        ("https://adobe.io.evil.example/", False, False),
        ("https://notadobe.io/", False, False),
        ("http://169.254.169.254/", False, False),
    ],
)
def test_the_token_travels_to_adobe_alone(http: HttpClient, url: str, api: bool, media: bool) -> None:
    hosts = Firefly.open(http, key=Secret(KEY), options=OPTIONS)._hosts
    assert (hosts.is_api(url), hosts.is_media(url)) == (api, media)


@pytest.mark.parametrize(
    ("reply", "kind", "charged", "told"),
    [
        ((400, {"error_code": "bad_request", "message": "no body"}), ProviderRefused, "no", "no body"),
        ((401, {"error_code": "access_error", "message": "no"}), ProviderAuth, "no", "access_error"),
        ((403, {"error_code": "access_error", "message": "no"}), ProviderAuth, "no", "client secret"),
        ((404, {"error_code": "not_found"}), ProviderRefused, "no", "not_found"),
        ((408, {"error_code": "timeout_error", "message": "slow"}), ProviderDown, "unknown", "408"),
        ((415, {"error_code": "invalid_content_type"}), ProviderRefused, "no", "invalid_content_type"),
        (
            (
                422,
                {
                    "error_code": "validation_error",
                    "validation_errors": [{"loc": ["body", "numVariations"], "msg": "at most 1", "type": "x"}],
                },
            ),
            *(ProviderRefused, "no", "numVariations: at most 1"),
        ),
        ((422, {"error_code": "cai_assertion_violation_error", "message": "assert"}), ProviderRefused, "no", "assert"),
        ((422, {"error_code": "prompt_unsafe", "message": UNSAFE}), ProviderBlocked, "no", UNSAFE),
        ((429, {"error_code": "rate_limited"}), RateLimited, "no", "rate"),
        ((451, {"error_code": "prompt_unsafe", "message": UNSAFE}), ProviderBlocked, "no", UNSAFE),
        ((451, {"error_code": "prompt_entity_denied", "message": "a name"}), ProviderBlocked, "no", "a name"),
        ((499, {"error_code": "x"}), ProviderDown, "unknown", "499"),
        ((500, {"error_code": "runtime_error", "message": "oops"}), ProviderDown, "unknown", "oops"),
        ((501, {"error_code": "not_implemented"}), ProviderDown, "unknown", "not_implemented"),
        ((503, {"error_code": "model_not_loaded"}), ProviderDown, "no", "503"),
    ],
)  # fmt: skip
async def test_each_refusal_of_firefly_has_its_meaning(
    http: HttpClient, reply: Answered, kind: type[ProviderError], charged: str, told: str
) -> None:
    with pytest.raises(kind) as caught:
        await ask(Adobe(DONE, submit=[reply] * 9), http)
    assert type(caught.value) is kind
    assert caught.value.charged == charged
    assert told in str(caught.value)


async def test_an_exhausted_quota_is_a_lack_of_credit(http: HttpClient) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "/token/" in request.path:
            return web.json_response({"access_token": "eyJ-0123456789-1", "expires_in": 86_399})
        headers = {"x-access-error": "quota_exhausted"}
        return web.json_response({"error_code": "access_error"}, status=403, headers=headers)

    async with serving(handler) as url:
        with pytest.raises(ProviderAuth, match="lack of credit"):
            await opened(http, url).ask(prepared(http), call_id="c", on_accepted=ignore)


# -- jobs -----------------------------------------------------------------------------------------------------------


async def test_a_job_is_asked_until_it_is_over(http: HttpClient, time: FakeTime) -> None:
    words = ("pending", "running", "something_new", "running")
    adobe = Adobe(*({"status": word, "jobId": "j-1"} for word in words), DONE)
    answer = await ask(adobe, http)
    assert [(image.url, image.seed) for image in answer.images] == [(FILE, 7)]
    assert (answer.request_id, answer.usage.images) == ("j-1", 1)
    assert len(adobe.asked("/status/")) == 5
    assert max(time.slept) <= 1.0, "Adobe: for example, check once every second"


@pytest.mark.parametrize(
    ("job", "kind", "charged", "told"),
    [
        ({"status": "failed", "error_code": "prompt_unsafe", "message": UNSAFE}, ProviderBlocked, "no", UNSAFE),
        ({"status": "failed", "error_code": "input_media_unsafe"}, ProviderBlocked, "no", "input_media_unsafe"),
        ({"status": "failed", "error_code": "output_media_unsafe", "message": "is"}, ProviderBlocked, "unknown", "is"),
        ({"status": "failed", "error_code": "validation_error", "message": "size"}, ProviderRefused, "no", "size"),
        ({"status": "failed", "error_code": "runtime_error", "message": "oops"}, ProviderDown, "unknown", "oops"),
        ({"status": "timeout", "error_code": "timeout_error"}, ProviderDown, "unknown", "timeout"),
        ({"status": "cancelled"}, ProviderDown, "unknown", "canceled"),
        ({"status": "canceled"}, ProviderDown, "unknown", "canceled"),
        ((403, {"error_code": "output_media_unsafe", "message": "seen"}), ProviderBlocked, "unknown", "seen"),
        ((404, {"error_code": "not_found"}), ResultLost, "unknown", "any more"),
        ((422, {"error_code": "validation_error"}), ProviderDown, "unknown", "422"),
        ((200, {"jobId": "j-1"}), BadAnswer, "unknown", "no job"),
        ({"status": "succeeded", "result": {"outputs": []}}, BadAnswer, "yes", "no image"),
        ({"status": "succeeded"}, BadAnswer, "yes", "no image"),
        ({"status": "succeeded", "result": {"outputs": [{"seed": 1}]}}, BadAnswer, "yes", "URL"),
        (
            {"status": "succeeded", "result": {"outputs": [], "promptHasDeniedWords": True}},
            *(ProviderBlocked, "unknown", "promptHasDeniedWords"),
        ),
    ],
)  # fmt: skip
async def test_each_end_of_a_job_has_its_meaning(
    http: HttpClient, job: dict[str, Any] | Answered, kind: type[ProviderError], charged: str, told: str
) -> None:
    with pytest.raises(kind) as caught:
        await ask(Adobe(job), http)
    assert type(caught.value) is kind
    assert (caught.value.charged, caught.value.request_id) == (charged, "j-1")
    assert told in str(caught.value)


async def test_words_that_were_left_out_of_the_prompt_are_logged(
    http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    result = {**DONE["result"], "promptHasDeniedWords": True, "promptHasBlockedArtists": False}  # type: ignore[dict-item]
    answer = await ask(Adobe({**DONE, "result": result}), http)
    assert len(answer.images) == 1
    (record,) = [one for one in caplog.records if getattr(one, "action", "") == "prompt_not_used"]
    assert "promptHasDeniedWords" in record.getMessage()


async def test_a_job_that_takes_too_long_is_canceled(time: FakeTime) -> None:
    adobe = Adobe({"status": "running", "jobId": "j-1"})
    async with client(time, timeouts=Timeouts(total_s=20)) as http:
        with pytest.raises(ProviderDown, match="did not finish within 20 s") as told:
            await ask(adobe, http)
    assert told.value.charged == "unknown"
    assert len(adobe.asked("/cancel/")) == 1


@pytest.mark.parametrize(
    ("job", "canceled", "gone"),
    [
        ({"status": "cancelled"}, (200, {}), True),
        ({"status": "cancel_pending"}, (200, {}), False),
        (DONE, (409, {"error_code": "conflict"}), False),
        ((500, {}), (200, {}), False),
    ],
)
async def test_only_a_job_that_says_so_is_canceled(
    http: HttpClient, job: dict[str, Any] | Answered, canceled: Answered, gone: bool
) -> None:
    adobe = Adobe(job, canceled=canceled)
    async with serving(adobe.answer) as url:
        urls = {f"{what}Url": f"{url}/firefly/v3/{what}/j-1" for what in ("status", "cancel")}
        assert await opened(http, url).cancel(Accepted(request_id="j-1", handle=urls)) is gone
    assert [method for method, path, *_ in adobe.seen if "/cancel/" in path] == ["PUT"]


# -- files ----------------------------------------------------------------------------------------------------------


async def test_a_file_is_downloaded_without_key_and_token(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    firefly = opened(http, sandbox.url)
    answer = await firefly.ask(prepared(http), call_id="c", on_accepted=ignore)
    await firefly.fetch(answer.images[0])
    (download,) = await truth.calls("media")
    assert not {"authorization", "x-api-key"} & {name.lower() for name in download["headers"]}


async def test_a_file_whose_time_is_over_is_lost_though_it_was_made(
    http: HttpClient, sandbox: Sandbox, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twin, "URL_LIFETIME_S", -5.0)
    firefly = opened(http, sandbox.url)
    answer = await firefly.ask(prepared(http), call_id="c", on_accepted=ignore)
    with pytest.raises(ResultLost, match="an hour") as told:
        await firefly.fetch(answer.images[0])
    assert told.value.charged == "yes"
    assert len(await truth.bill()) == 1


@pytest.mark.parametrize(("status", "kind"), [(404, ResultLost), (500, ProviderDown)])
async def test_a_file_that_cannot_be_had_was_made(http: HttpClient, status: int, kind: type[ProviderError]) -> None:
    handler: Callable[[web.Request], Any]

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(handler) as url:
        with pytest.raises(kind) as told:
            await opened(http, url).fetch(ResultImage(url=f"{url}/firefly/store/x"))
    assert told.value.charged == "yes"
