"""Azure's stand-in, field by field: both forms, the block shapes, FLUX, the login and Content Safety."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .conftest import Probe, png_of

KEY = {"api-key": "test-key"}
GOOD = {"model": "gpt-image-2", "prompt": "a boat", "size": "64x64"}
FLUX = {"model": "FLUX.2-pro", "prompt": "a boat", "width": 64, "height": 64, "n": 1}
V1 = "/azure/openai/v1/images/generations"
VERSION = "api-version=2025-04-01-preview"
LOGIN = "/azure/login/tenant-1/oauth2/v2.0/token"
CLIENT = {
    "grant_type": "client_credentials",
    "client_id": "client-1",
    "client_secret": "secret-1",
    "scope": "https://cognitiveservices.azure.com/.default",
}


async def post(probe: Probe, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    return await probe.send("POST", path, json=body, headers=headers or KEY)


def by(deployment: str, query: str = VERSION) -> str:
    return f"/azure/openai/deployments/{deployment}/images/generations?{query}"


def flux(model: str, query: str = "api-version=preview") -> str:
    return f"/azure/providers/blackforestlabs/v1/{model}?{query}"


async def test_both_forms_make_the_same_picture_for_the_same_price(probe: Probe) -> None:
    status, first = await post(probe, V1, GOOD)
    assert status == 200
    _, second = await post(probe, by("gpt-image-2"), {**GOOD, "model": "whatever"})
    assert first["data"] == second["data"]
    lines = (await probe.bill())["lines"]
    assert [(line["provider"], line["model"]) for line in lines] == [("azure", "gpt-image-2")] * 2
    assert lines[0]["microusd"] == lines[1]["microusd"] > 0


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (by("gone-1"), 404, "DeploymentNotFound"),
        (by("dall-e-3"), 404, "DeploymentNotFound"),
        (by("gpt-image-2", ""), 404, "404"),
        ("/azure/openai/deployments/gpt-image-2/images/variations?x=1", 404, "404"),
    ],
)
async def test_what_the_resource_does_not_have_is_not_found(probe: Probe, path: str, status: int, code: str) -> None:
    found, body = await post(probe, path, GOOD)
    assert (found, body["error"]["code"]) == (status, code)
    assert (await probe.bill())["lines"] == []


async def test_a_deployment_is_of_the_model_whose_name_is_within_its_own(probe: Probe) -> None:
    for name in ("eu-gpt-image-2.5-flare", "my-FLUX-1.1-pro", "pictures"):
        status, body = await post(probe, by(name), {**GOOD, "model": name, "size": "1024x1024"})
        assert status == 200, body
    models = [line["model"] for line in (await probe.bill())["lines"]]
    assert models == ["gpt-image-2.5-flare", "FLUX-1.1-pro", "gpt-image-2"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "401"),
        ({"api-key": "bad-key"}, 401, "401"),
        ({"Authorization": "Bearer bad-key"}, 401, "401"),
        ({"Authorization": "Bearer eyJhbGciOi.x.y"}, 401, "Unauthorized"),
        ({"api-key": "blocked-key"}, 403, "Forbidden"),
        ({"api-key": "a-key"}, 200, None),
        ({"Authorization": "Bearer a-key"}, 200, None),
    ],
)
async def test_who_asks_is_checked(probe: Probe, headers: dict[str, str], status: int, code: str | None) -> None:
    found, body = await probe.send("POST", V1, json=GOOD, headers=headers)
    assert (found, body.get("error", {}).get("code")) == (status, code)


async def test_a_harmful_prompt_is_blocked_with_each_filter_s_finding(probe: Probe) -> None:
    for path in (V1, flux("flux-2-pro")):
        status, body = await post(probe, path, {**(GOOD if path == V1 else FLUX), "prompt": "gore"})
        assert (status, body["error"]["code"]) == (400, "content_policy_violation")
        inner = body["error"]["inner_error"]
        assert inner["code"] == "ResponsibleAIPolicyViolation"
        assert inner["content_filter_results"]["violence"] == {"filtered": True, "severity": "high"}
        assert inner["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}
    assert [call["outcome"] for call in await probe.calls()] == ["blocked", "blocked"]
    assert (await probe.bill())["lines"] == []


@pytest.mark.parametrize("kind", ["policy_input", "policy_output"])
async def test_the_older_form_of_a_block_is_there_too(probe: Probe, kind: str) -> None:
    await probe.fail({"provider": "azure", "kind": kind})
    status, body = await post(probe, V1, GOOD)
    assert (status, set(body["error"]), body["error"]["code"]) == (400, {"code", "message"}, "contentFilter")
    assert ("Generated image" in body["error"]["message"]) == (kind == "policy_output")


async def test_flux_2_may_withhold_its_picture_with_status_200(probe: Probe) -> None:
    await probe.fail({"provider": "azure", "kind": "policy_output"})
    status, body = await post(probe, flux("flux-2-pro"), FLUX)
    assert status == 200
    assert "b64_json" not in body["data"][0]
    assert body["data"][0]["content_filter_results"]["sexual"]["filtered"] is True


@pytest.mark.parametrize(
    ("path", "change", "status"),
    [
        (flux("flux-2-max"), {}, 404),
        (flux("flux-2-pro", ""), {}, 404),
        (flux("flux-2-pro"), {"n": None}, 400),
        (flux("flux-2-pro"), {"n": 2}, 400),
        (flux("flux-2-pro"), {"model": ""}, 500),
        (flux("flux-2-pro"), {"model": "no-such"}, 404),
        (flux("flux-2-pro"), {"width": 9999, "height": 9999}, 400),
        (flux("flux-2-flex"), {"steps": 99}, 400),
    ],
)
async def test_a_wrong_request_for_flux_2_is_refused(
    probe: Probe, path: str, change: dict[str, Any], status: int
) -> None:
    found, body = await post(probe, path, {**FLUX, **change})
    assert found == status
    assert body["error"]["message"]
    assert (await probe.bill())["lines"] == []


async def test_flux_2_tells_its_megapixels_and_is_billed_by_them_where_its_price_is_so(probe: Probe) -> None:
    source = base64.b64encode(png_of(size=(512, 512))).decode()
    asked = {**FLUX, "width": 1024, "height": 1024, "input_image": source}
    for model, microusd in (("flux-2-pro", 40_000), ("flux-2-flex", 62_500)):
        _, body = await post(probe, flux(model), asked)
        assert body["request_meta"] == {"input_mp": 0.25, "output_mp": 1.0}
        assert (await probe.bill())["lines"][-1]["microusd"] == microusd


@pytest.mark.parametrize(
    ("path", "change", "status", "code"),
    [
        (LOGIN, {}, 200, None),
        (LOGIN, {"client_secret": "bad-one"}, 401, 7000215),
        (LOGIN, {"client_secret": ""}, 400, 900144),
        (LOGIN, {"grant_type": "password"}, 400, 70003),
        (LOGIN, {"scope": "openid"}, 400, 1002012),
        (LOGIN.replace("tenant-1", "no-tenant"), {}, 400, 90002),
    ],
)
async def test_the_login_answers_as_entra_id_does(
    probe: Probe, path: str, change: dict[str, str], status: int, code: int | None
) -> None:
    found, body = await probe.send("POST", path, data={**CLIENT, **change})
    assert (found, body.get("error_codes")) == (status, None if code is None else [code])
    if status == 200:
        assert body["expires_in"] == 3599
        bearer = f"{body['token_type']} {body['access_token']}"
        assert (await post(probe, V1, GOOD, Authorization=bearer))[0] == 200
        assert (await post(probe, V1, GOOD, Authorization=f"{bearer[:-4]}0000"))[0] == 401
    assert "secret-1" not in str(await probe.calls("any"))


# -- Content Safety -------------------------------------------------------------------------------------------------


def analyze(what: str, version: str = "2024-09-01") -> str:
    return f"/azure/contentsafety/{what}:analyze?api-version={version}"


async def severities(probe: Probe, what: str, **body: Any) -> dict[str, int]:
    status, told = await probe.send("POST", analyze(what), json=body, headers={"Ocp-Apim-Subscription-Key": "test-key"})
    assert status == 200, told
    return {one["category"]: one["severity"] for one in told["categoriesAnalysis"]}


async def test_a_text_has_severities_in_four_or_in_eight_levels(probe: Probe) -> None:
    safe = {"Hate": 0, "SelfHarm": 0, "Sexual": 0, "Violence": 0}
    assert await severities(probe, "text", text="a boat") == safe
    assert await severities(probe, "text", text="a murder") == {**safe, "Violence": 4}
    assert await severities(probe, "text", text="a murder", outputType="EightSeverityLevels") == {**safe, "Violence": 5}
    assert await severities(probe, "text", text="gore", categories=["Violence"]) == {"Violence": 6}


async def test_an_image_has_four_levels(probe: Probe) -> None:
    def image(**more: Any) -> dict[str, str]:
        return {"content": base64.b64encode(png_of(**more)).decode()}

    assert (await severities(probe, "image", image=image()))["Violence"] == 0
    assert (await severities(probe, "image", image=image(colour=(255, 0, 0))))["Violence"] == 6
    for wrong in ({}, {"content": "%%"}, image(size=(49, 64))):
        status, body = await post(probe, analyze("image"), {"image": wrong})
        assert (status, body["error"]["code"]) == (400, "InvalidRequestBody")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (analyze("text", "2020-01-01"), {"text": "a"}, 404),
        (analyze("text"), {"text": ""}, 400),
        (analyze("text"), {"text": "x" * 10_001}, 400),
        (analyze("text"), {"text": "x" * 10_000}, 200),
        (analyze("text"), {"text": "a", "categories": ["Other"]}, 400),
        (analyze("image"), {"image": {"content": "x"}, "outputType": "EightSeverityLevels"}, 400),
        (analyze("text"), ["no object"], 400),
    ],
)
async def test_what_content_safety_does_not_take_is_refused(probe: Probe, path: str, body: Any, status: int) -> None:
    assert (await post(probe, path, body))[0] == status
    assert len(await probe.calls("moderation")) == 1
