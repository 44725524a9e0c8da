"""What each vendor is asked for its list, and what is read in the answer: at a server on a real port."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import BadAnswer, MissingKey, ProviderAuth, ProviderDown, ProviderError, UsageError
from mintmark.providers.http import HttpClient
from mintmark.providers.listings.base import Asking, Listed, Listing
from mintmark.providers.listings.checking import LISTERS, check, listers
from mintmark.providers.models import Catalog
from mintmark.providers.secret import NO_KEY, Secret
from mintmark.sandbox import Sandbox

from ..conftest import serving

TODAY = date(2026, 11, 21)
KEY = "key-0123456789abcdef"
Answer = tuple[int, Any]


class Vendor:
    """Gives these answers by path and query, and remembers what was asked."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        self.headers.append(dict(request.headers))
        status, body = self.answers.get(str(request.rel_url), (404, {"error": "not found"}))
        return web.json_response(body, status=status)


async def ask(name: str, vendor: Vendor, http: HttpClient, *ids: str, key: Secret | None = None) -> Listing:
    (lister,) = listers([name])
    async with serving(vendor.answer) as url:
        asking = Asking(http=http, key=Secret(KEY) if key is None else key, sandbox_url=url)
        return await lister.ask(asking, ids)


# -- each vendor ------------------------------------------------------------------------------------------------------


async def test_openai_lists_its_image_models_with_the_day_of_their_end(http: HttpClient) -> None:
    data = [
        {"id": "gpt-image-2", "object": "model", "shutdown_date": None},
        {"id": "gpt-image-1.5", "object": "model", "shutdown_date": "2026-12-01"},
        {"id": "gpt-6.1-sol", "object": "model"},
    ]
    vendor = Vendor({"/openai/v1/models": (200, {"object": "list", "data": data})})
    found = await ask("openai", vendor, http)
    assert found.models == {"gpt-image-2": Listed(), "gpt-image-1.5": Listed(retires_on=date(2026, 12, 1))}
    assert (found.is_whole, found.tells_dates) == (True, True)
    assert vendor.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_google_lists_page_by_page(http: HttpClient) -> None:
    first = {
        "models": [{"name": "models/gemini-3-pro-image"}, {"name": "models/gemini-3.5-flash"}],
        "nextPageToken": "a/b",
    }
    vendor = Vendor(
        {
            "/google/v1beta/models?pageSize=1000": (200, first),
            "/google/v1beta/models?pageSize=1000&pageToken=a/b": (200, {"models": [{"name": "models/imagen-9"}]}),
        }
    )
    found = await ask("google", vendor, http)
    assert set(found.models) == {"gemini-3-pro-image", "imagen-9"}
    assert not found.tells_dates
    assert {headers["x-goog-api-key"] for headers in vendor.headers} == {KEY}


async def test_google_lists_to_a_key_alone(http: HttpClient) -> None:
    with pytest.raises(MissingKey):
        await ask("google", Vendor({}), http, key=NO_KEY)


async def test_bedrock_lists_the_models_of_its_region_with_their_lifecycle(http: HttpClient) -> None:
    ending = {"status": "LEGACY", "endOfLifeTime": "2026-09-30T00:00:00Z"}
    rows = [
        {"modelId": "stability.stable-image-core-v1:1", "modelLifecycle": {"status": "ACTIVE"}},
        {"modelId": "amazon.nova-canvas-v1:0", "modelLifecycle": ending},
        {"modelId": "bare"},
    ]
    vendor = Vendor({"/bedrock/foundation-models?byOutputModality=IMAGE": (200, {"modelSummaries": rows})})
    found = await ask("bedrock", vendor, http)
    assert found.models == {
        "stability.stable-image-core-v1:1": Listed(),
        "amazon.nova-canvas-v1:0": Listed(retires_on=date(2026, 9, 30), is_legacy=True),
        "bare": Listed(),
    }
    assert vendor.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_bedrock_is_asked_with_the_accounts_signature_where_there_is_no_key(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-EXAMPLE-KEY-0123456789")
    vendor = Vendor({"/bedrock/foundation-models?byOutputModality=IMAGE": (200, {"modelSummaries": []})})
    await ask("bedrock", vendor, http, key=NO_KEY)
    signature = vendor.headers[0]["Authorization"]
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-west-2/bedrock/aws4_request" in signature


def test_an_inference_profile_of_bedrock_is_its_model() -> None:
    (lister,) = listers(["bedrock"])
    assert lister.id_of("us.stability.stable-outpaint-v1:0") == "stability.stable-outpaint-v1:0"
    assert lister.id_of("stability.sd3-5-large-v1:0") == "stability.sd3-5-large-v1:0"


async def test_fal_is_asked_for_the_prices_of_our_apps(http: HttpClient) -> None:
    prices = [
        {"endpoint_id": "fal-ai/a", "unit_price": 0.003, "unit": "megapixels", "currency": "USD"},
        {"endpoint_id": "fal-ai/b", "unit_price": 5, "unit": "images", "currency": "EUR"},
        {"endpoint_id": "fal-ai/c", "unit_price": None, "unit": "images", "currency": "USD"},
    ]
    asked = "/fal/api/v1/models/pricing?endpoint_id=fal-ai/a&endpoint_id=fal-ai/b&endpoint_id=fal-ai/c"
    vendor = Vendor({asked: (200, {"prices": prices})})
    found = await ask("fal", vendor, http, "fal-ai/b", "fal-ai/a", "fal-ai/c")
    assert vendor.asked == [asked]
    assert found.models["fal-ai/a"] == Listed(microusd=Decimal(3000), unit="megapixels")
    assert found.models["fal-ai/b"].microusd is None, "another currency cannot be compared"
    assert found.models["fal-ai/c"].microusd is None
    assert not found.is_whole
    assert vendor.headers[0]["Authorization"] == f"Key {KEY}"


async def test_an_app_that_fal_does_not_know_is_found_among_those_that_it_knows(
    sandbox: Sandbox, http: HttpClient
) -> None:
    (lister,) = listers(["fal"])
    asking = Asking(http=http, key=Secret(KEY), sandbox_url=sandbox.url)
    known = ("fal-ai/flux/dev", "fal-ai/flux/schnell", "fal-ai/nano-banana")
    found = await lister.ask(asking, [*known, "fal-ai/gone"])
    assert set(found.models) == set(known)


async def test_no_more_than_fifty_apps_are_asked_for_at_once(http: HttpClient) -> None:
    vendor = Vendor({})
    await ask("fal", vendor, http, *(f"fal-ai/{number}" for number in range(60)))
    assert max(asked.count("endpoint_id=") for asked in vendor.asked) == 50


async def test_replicate_is_asked_for_each_model(http: HttpClient) -> None:
    vendor = Vendor({"/replicate/v1/models/acme/one": (200, {"owner": "acme", "name": "one"})})
    found = await ask("replicate", vendor, http, "acme/two", "acme/one")
    assert found.models == {"acme/one": Listed()}
    assert vendor.asked == ["/replicate/v1/models/acme/one", "/replicate/v1/models/acme/two"]
    (lister,) = listers(["replicate"])
    assert lister.id_of("acme/one:0123abcd") == "acme/one"


# -- what all share ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [lister.provider for lister in LISTERS])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {}, ProviderAuth),
        (403, {}, ProviderAuth),
        (429, {}, ProviderDown),
        (503, {}, ProviderDown),
        (400, {}, BadAnswer),
        (200, [], BadAnswer),
    ],
)
async def test_a_vendor_that_does_not_answer_is_no_drift(
    name: str, status: int, body: Any, error: type[ProviderError], http: HttpClient
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async with serving(answer) as url:
        asking = Asking(http=http, key=Secret(KEY), sandbox_url=url)
        (lister,) = listers([name])
        with pytest.raises(error) as told:
            await lister.ask(asking, ["acme/one"])
    assert told.value.provider == name
    assert KEY not in str(told.value)


@pytest.mark.parametrize("name", ["openai", "google", "bedrock", "fal"])
async def test_a_list_that_is_none_is_said_to_be_none(name: str, http: HttpClient) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"data": "x", "models": 1, "modelSummaries": [1], "prices": None})

    async with serving(answer) as url:
        (lister,) = listers([name])
        with pytest.raises(BadAnswer):
            await lister.ask(Asking(http=http, key=Secret(KEY), sandbox_url=url), ["acme/one"])


async def test_the_catalog_agrees_with_the_sandbox(sandbox: Sandbox, http: HttpClient) -> None:
    def account(_name: str) -> Asking:
        return Asking(http=http, key=Secret(KEY), sandbox_url=sandbox.url)

    checked = await check(Catalog.load(), LISTERS, account, TODAY)
    assert checked.drift == ()
    assert checked.not_asked == ()
    assert checked.asked == tuple(lister.provider for lister in LISTERS)


async def test_an_account_that_is_missing_is_told_and_the_others_are_asked(sandbox: Sandbox, http: HttpClient) -> None:
    def account(name: str) -> Asking:
        if name == "fal":
            raise MissingKey("No key for fal is set.")
        return Asking(http=http, key=Secret(KEY), sandbox_url=sandbox.url)

    checked = await check(Catalog.load(), listers(["fal", "openai"]), account, TODAY)
    assert checked.asked == ("openai",)
    assert [(name, error.code) for name, error in checked.not_asked] == [("fal", "missing_key")]


def test_a_provider_that_lists_nothing_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="stability") as told:
        listers(["openai", "stability"])
    assert "replicate" in told.value.hint
