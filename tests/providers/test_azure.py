"""Azure's wire where it differs from OpenAI's: a resource's place, its deployments, its refusals, FLUX and its bill."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import (
    BadAnswer,
    BadSetting,
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    RateLimited,
    UnsupportedTask,
)
from mintmark.metering.prices import charge, quote
from mintmark.providers.azure import Azure
from mintmark.providers.azure_place import API_VERSION, Resource
from mintmark.providers.base import Accepted, Answer, Prepared
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, half_mask, picture, serving

TODAY = date(2026, 11, 21)
KEY = "azure-key-0123456789"
HOME = "https://contoso.openai.azure.com"
GOOD_IMAGE = base64.b64encode(picture().data).decode()
USAGE = {"input_tokens": 5, "input_tokens_details": {"text_tokens": 2, "image_tokens": 3}, "output_tokens": 9}
LIVE = [model.name for model in Catalog.load().list(provider="azure", today=TODAY)]


def opened(http: HttpClient, url: str | None = None, **options: str) -> Azure:
    """The adapter with these facts of the account; at ``url`` of a sandbox where one is given."""
    return Azure.open(http, key=Secret(KEY), sandbox_url=url, options={"endpoint": HOME, **options})


def prepared(provider: Azure, name: str = "azure/gpt-image-2", **asked: Any) -> Prepared:
    given = {"task": "text-to-image", "model": name, "prompt": "a boat", "width": 1024, "height": 1024, **asked}
    return provider.prepare(Catalog.load().get(name, TODAY), GenerationRequest.model_validate(given))


async def ask(
    http: HttpClient, body: Any, status: int = 200, model: str = "azure/gpt-image-2", **headers: str
) -> Answer:
    """One call to a server that gives this answer."""

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers={"apim-request-id": "req-1", **headers})

    async with serving(handler) as url:
        provider = opened(http, url)
        return await provider.ask(prepared(provider, model), call_id="c", on_accepted=ignore)


def error(code: str | None, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


# -- where it is and what it is called ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "model", "task", "url"),
    [
        ({}, "gpt-image-2", "text-to-image", f"{HOME}/openai/v1/images/generations"),
        (
            {"api_version": "2025-04-01-preview"},
            "gpt-image-2",
            "text-to-image",
            f"{HOME}/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview",
        ),
        (
            {"api_version": "2025-04-01-preview", "deployment.gpt-image-2": "my dep/1"},
            "gpt-image-2",
            "inpaint",
            f"{HOME}/openai/deployments/my%20dep%2F1/images/edits?api-version=2025-04-01-preview",
        ),
        (
            {},
            "flux-1.1-pro",
            "text-to-image",
            f"{HOME}/openai/deployments/FLUX-1.1-pro/images/generations?api-version={API_VERSION}",
        ),
        (
            {"deployment.flux-kontext-pro": "ctx"},
            "flux-kontext-pro",
            "edit",
            f"{HOME}/openai/deployments/ctx/images/edits?api-version={API_VERSION}",
        ),
        (
            {"api_version": "2025-04-01-preview"},
            "flux-2-pro",
            "edit",
            "https://contoso.services.ai.azure.com/providers/blackforestlabs/v1/flux-2-pro?api-version=preview",
        ),
    ],
)
def test_each_model_is_asked_where_its_form_says(
    http: HttpClient, options: dict[str, str], model: str, task: str, url: str
) -> None:
    provider = Azure.open(http, key=Secret(KEY), options={"endpoint": HOME, **options})
    images = {} if task == "text-to-image" else {"images": (picture(1024, 1024),)}
    masks = {"mask": half_mask(1024, 1024)} if task == "inpaint" else {}
    ready = prepared(provider, f"azure/{model}", task=task, **images, **masks)
    assert provider._url(ready.path) == url


@pytest.mark.parametrize(
    ("place", "base"),
    [
        ("https://contoso.openai.azure.com/", HOME),
        ("https://contoso.openai.azure.com/openai/v1/", HOME),
        ("https://contoso.services.ai.azure.com/api/projects/one", "https://contoso.services.ai.azure.com"),
        ("https://gateway.example/azure/", "https://gateway.example/azure"),
        ("https://gateway.example/azure/openai/v1", "https://gateway.example/azure"),
    ],
)
def test_an_endpoint_may_be_copied_from_the_portal_as_it_stands_there(place: str, base: str) -> None:
    assert Resource.of({"endpoint": place}, None, None).base == base
    assert Resource.of({"endpoint": "https://other.example"}, None, place).base == base, "a gateway wins"


def test_flux_2_is_served_by_another_host_of_the_resource_and_by_a_gateway_of_its_own() -> None:
    path = "providers/blackforestlabs/v1/flux-2-pro"
    for host in ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"):
        place = Resource.of({"endpoint": f"https://contoso.{host}"}, None, None)
        assert place.url(path) == f"https://contoso.services.ai.azure.com/{path}"
    assert Resource("https://gateway.example/azure").url(path) == f"https://gateway.example/azure/{path}"


def test_without_an_endpoint_it_is_said_how_to_name_it(http: HttpClient) -> None:
    with pytest.raises(BadSetting) as told:
        Azure.open(http, key=Secret(KEY))
    assert "azure.endpoint" in told.value.message
    assert "AZURE_OPENAI_ENDPOINT" in told.value.hint


async def test_a_deployment_that_is_not_there_is_told_with_the_setting_that_names_it(
    http: HttpClient, sandbox: Sandbox
) -> None:
    provider = opened(http, sandbox.url, **{"deployment.gpt-image-2": "gone-1"})
    with pytest.raises(ProviderRefused, match="deployment for this resource does not exist") as told:
        await provider.ask(prepared(provider), call_id="c", on_accepted=ignore)
    assert "azure.deployment.<model>=<name>" in told.value.hint
    assert told.value.charged == "no"


async def test_the_call_carries_our_own_id(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    provider = opened(http, sandbox.url)
    await provider.ask(prepared(provider, width=64, height=64), call_id="call-1", on_accepted=ignore)
    assert [line["client_request_id"] for line in await truth.bill()] == ["call-1"]


# -- refusals -------------------------------------------------------------------------------------------------------

FILTERED = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_results": {
        "hate": {"filtered": False, "severity": "safe"},
        "self_harm": {"filtered": False, "severity": "low"},
        "sexual": {"filtered": True, "severity": "high"},
        "jailbreak": {"filtered": True, "detected": True},
    },
}
BLOCKED_RESOURCE = "Your resource has been temporarily blocked because we detected behavior that may violate our policy"


@pytest.mark.parametrize(
    ("body", "status", "kind", "charged", "told"),
    [
        (error("contentFilter", "Your task failed"), 400, ProviderBlocked, "no", "Your task failed"),
        (error("content_policy_violation", "rejected"), 400, ProviderBlocked, "no", "content policy"),
        (error("moderation_blocked", "rejected"), 400, ProviderBlocked, "no", "content policy"),
        (error("content_filter", "rejected"), 400, ProviderBlocked, "no", "content policy"),
        (error(None, "no", type="image_generation_user_error"), 400, ProviderBlocked, "no", "content policy"),
        (error("BadRequest", inner_error=FILTERED), 400, ProviderBlocked, "no", "sexual: high, filtered"),
        (error("BadRequest", innererror=FILTERED), 400, ProviderBlocked, "no", "jailbreak: detected, filtered"),
        (error("content_policy_violation", inner_error=FILTERED), 400, ProviderBlocked, "no", "self_harm: low"),
        (error("invalid_value", "size", type="image_generation_user_error"), 400, ProviderRefused, "no", "size"),
        (error("unknown_parameter", "Unknown: 'x'."), 400, ProviderRefused, "no", "'x'"),
        (error("404", "Resource not found"), 404, ProviderRefused, "no", "not found"),
        (error("401", f"Access denied for {KEY}"), 401, ProviderAuth, "no", "key"),
        (error("403", "Access denied due to Virtual Network/Firewall rules."), 403, ProviderAuth, "no", "key"),
        (error("Forbidden", BLOCKED_RESOURCE), 403, ProviderDown, "no", "whatever the prompt"),
        (error("429", "call rate limit"), 429, RateLimited, "no", "rate limit"),
        (error("insufficient_quota"), 429, ProviderAuth, "no", "credit"),
        (error("InternalServerError"), 500, ProviderDown, "unknown", "500"),
        (error("ServiceUnavailable"), 503, ProviderDown, "no", "503"),
        (error("Timeout", "The operation was timeout."), 408, ProviderDown, "unknown", "408"),
        ("not an object", 400, ProviderRefused, "no", "no reason"),
        ({"error": {"inner_error": "x", "code": 7, "message": None}}, 400, ProviderRefused, "no", "no reason"),
    ],
)
async def test_each_error_of_azure_has_its_meaning(
    http: HttpClient, body: Any, status: int, kind: type[Exception], charged: str, told: str
) -> None:
    with pytest.raises(kind) as caught:
        await ask(http, body, status)
    found = caught.value
    assert type(found) is kind
    assert told in str(found)
    assert KEY not in str(found)
    assert (found.charged, found.request_id, found.status) == (charged, "req-1", status)  # type: ignore[attr-defined]


async def test_the_filter_s_words_are_kept_as_they_are(http: HttpClient) -> None:
    with pytest.raises(ProviderBlocked) as told:
        await ask(http, error("content_policy_violation", "Rejected.", inner_error=FILTERED), 400)
    words = "Rejected. (self_harm: low; sexual: high, filtered; jailbreak: detected, filtered)"
    assert told.value.message == f"Azure's content policy blocked it: {words}"


async def test_a_blocked_resource_is_an_outage_and_not_the_prompt_s_fault(
    http: HttpClient, sandbox: Sandbox, truth: Truth
) -> None:
    provider = Azure.open(http, key=Secret("blocked-0123456789"), sandbox_url=sandbox.url)
    with pytest.raises(ProviderDown, match="temporarily blocked") as told:
        await provider.ask(prepared(provider), call_id="c", on_accepted=ignore)
    assert told.value.charged == "no"
    assert "Change the prompt" not in told.value.hint
    assert len(await truth.calls()) == 1


@pytest.mark.parametrize(("headers", "waited"), [({"retry-after-ms": "1500"}, 1.5), ({"Retry-After": "7"}, 7.0)])
async def test_a_rate_limit_is_waited_out_as_long_as_azure_says(
    http: HttpClient, time: FakeTime, headers: Mapping[str, str], waited: float
) -> None:
    answers = [web.json_response(error("429"), status=429, headers=headers)]

    async def handler(_: web.Request) -> web.Response:
        return answers.pop() if answers else web.json_response({"data": [{"b64_json": GOOD_IMAGE}], "usage": USAGE})

    async with serving(handler) as url:
        provider = opened(http, url)
        await provider.ask(prepared(provider), call_id="c", on_accepted=ignore)
    assert sum(time.slept) == pytest.approx(waited + 0.5)


# -- answers --------------------------------------------------------------------------------------------------------


async def test_of_several_images_the_withheld_ones_are_marked(http: HttpClient) -> None:
    stopped = {"error": {"code": "contentFilter", "message": "Generated image was filtered."}}
    answer = await ask(http, {"data": [{"b64_json": GOOD_IMAGE}, stopped], "usage": USAGE})
    assert [image.blocked for image in answer.images] == [False, True]
    assert answer.usage.images == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([{"error": {"code": "contentFilter", "message": "Generated image was filtered."}}], "image was filtered"),
        ([FILTERED], "sexual: high, filtered"),
        ([{"b64_json": "", "prompt_filter_results": FILTERED["content_filter_results"]}], "sexual: high"),
    ],
)
@pytest.mark.parametrize("model", ["azure/gpt-image-2", "azure/flux-2-pro"])
async def test_a_200_without_any_image_is_a_block_where_the_filter_says_so(
    http: HttpClient, data: Any, words: str, model: str
) -> None:
    with pytest.raises(ProviderBlocked, match=words) as told:
        await ask(http, {"data": data}, model=model)
    assert (told.value.charged, told.value.status, told.value.request_id) == ("unknown", 200, "req-1")


@pytest.mark.parametrize("code", ["contentFilter", "boom"])
async def test_an_error_inside_a_200_is_told_as_what_it_is(http: HttpClient, code: str) -> None:
    kind, charged = (ProviderBlocked, "no") if code == "contentFilter" else (ProviderRefused, "unknown")
    with pytest.raises(kind) as told:
        await ask(http, {"created": 1, **error(code, "Generated image was filtered.")})
    assert told.value.charged == charged


@pytest.mark.parametrize("model", ["azure/gpt-image-2", "azure/flux-2-pro", "azure/flux-1.1-pro"])
@pytest.mark.parametrize(
    "body", [{"data": []}, {"data": [{"b64_json": GOOD_IMAGE[:-8]}]}, {"data": "x"}, {"data": [7]}, []]
)
async def test_an_answer_without_a_whole_image_is_a_bad_answer(http: HttpClient, body: Any, model: str) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(http, body, model=model)
    assert (told.value.charged, told.value.provider) == ("unknown", "azure")


async def test_a_broken_picture_of_flux_2_was_paid_where_its_megapixels_are_told(http: HttpClient) -> None:
    body = {"data": [{"b64_json": GOOD_IMAGE[:-8]}], "request_meta": {"output_mp": 1.0}}
    with pytest.raises(BadAnswer) as told:
        await ask(http, body, model="azure/flux-2-flex")
    assert told.value.charged == "yes"


async def test_a_file_of_flux_2_that_only_looks_like_a_picture_is_a_bad_answer(http: HttpClient) -> None:
    # With its beginning and its end, and nothing that can be read between them.
    data = picture().data
    rubbish = base64.b64encode(data[:8] + b"rubbish" + data[-12:]).decode()
    with pytest.raises(BadAnswer) as told:
        await ask(http, {"data": [{"b64_json": rubbish}]}, model="azure/flux-2-flex")
    assert told.value.charged == "unknown"


# -- FLUX -----------------------------------------------------------------------------------------------------------


def test_flux_2_is_asked_in_its_maker_s_words(http: HttpClient) -> None:
    images = (picture(), picture(32, 32))
    provider = opened(http, **{"deployment.flux-2-flex": "my-flex"})
    options = {"steps": 20, "guidance": 3.5, "safety_tolerance": 1}
    ready = prepared(
        provider, "azure/flux-2-flex", task="edit", images=images, width=512, height=256, seed=7, options=options
    )
    assert ready.fields == {
        "model": "my-flex",
        "prompt": "a boat",
        "output_format": "png",
        **options,
        "seed": 7,
        "input_image": base64.b64encode(images[0].data).decode(),
        "input_image_2": base64.b64encode(images[1].data).decode(),
        "width": 512,
        "height": 256,
        "n": 1,
    }
    assert not ready.files


def test_what_a_flux_cannot_do_is_refused_before_it_is_asked(http: HttpClient) -> None:
    provider = opened(http)
    with pytest.raises(UnsupportedTask, match="text-to-image"):
        prepared(provider, "azure/flux-1.1-pro", task="edit", images=(picture(),))
    with pytest.raises(InvalidInput, match="at most 1"):
        prepared(provider, "azure/flux-2-pro", count=2)
    with pytest.raises(InvalidInput, match="1000x1000"):
        prepared(provider, "azure/flux-kontext-pro", width=1000, height=1000)


@pytest.mark.parametrize(
    ("meta", "microusd"), [({"input_mp": 0.39, "output_mp": 1.0}, 69_500), (None, None), (7, None)]
)
async def test_flux_2_is_charged_by_what_azure_counted_else_by_the_picture_itself(
    http: HttpClient, meta: Any, microusd: int | None
) -> None:
    answer = await ask(http, {"data": [{"b64_json": GOOD_IMAGE}], "request_meta": meta}, model="azure/flux-2-flex")
    price = Catalog.load().get("azure/flux-2-flex", TODAY).price
    assert price is not None
    of_picture = round(50_000 * 64 * 64 / 1024**2)
    assert charge(price, answer.usage, {}) == (microusd or of_picture)


@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize("version", ["", "2025-04-01-preview"])
async def test_every_live_model_makes_and_edits_and_its_bill_is_what_we_settle(
    http: HttpClient, sandbox: Sandbox, truth: Truth, name: str, version: str
) -> None:
    provider = opened(http, sandbox.url, api_version=version)
    model = Catalog.load().get(name, TODAY)
    assert model.price is not None
    for task in model.tasks:
        images = {} if task == "text-to-image" else {"images": (picture(1024, 1024),)}
        more: dict[str, Any] = {"mask": half_mask(1024, 1024)} if task == "inpaint" else {}
        more |= {"margins": {"right": 16}, "width": None, "height": None} if task == "outpaint" else {}
        ready = prepared(provider, name, task=task, options={}, **images, **more)
        heard: list[Accepted] = []

        async def on_accepted(accepted: Accepted) -> None:
            heard.append(accepted)  # noqa: B023 - awaited within this turn

        answer = await provider.ask(ready, call_id="c", on_accepted=on_accepted)
        line = (await truth.bill())[-1]
        settled = answer.charge_microusd
        settled = charge(model.price, answer.usage, ready.parameters) if settled is None else settled
        assert settled == line["microusd"] > 0
        assert quote(model.price, ready.quantities, ready.parameters).at_most_microusd >= settled
        assert [one.request_id for one in heard] == [answer.request_id] == [line["request_id"]]
        assert await provider.fetch(answer.images[0])
