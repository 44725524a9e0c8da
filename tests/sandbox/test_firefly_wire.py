"""Firefly's stand-in field by field: tokens, uploads, bodies, jobs and their states, blocks, URLs that expire."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from mintmark.sandbox import Sandbox, firefly, firefly_ims

from .conftest import Probe, pixels_of, png_of, white_mask_of

FORM = {
    "grant_type": "client_credentials",
    "client_id": "client-1",
    "client_secret": "secret-1",
    "scope": "openid,AdobeID,session,additional_info,read_organizations,firefly_api,ff_apis",
}
GENERATE, SIMILAR = "v3/images/generate-async", "v3/images/generate-similar-async"
EXPAND, FILL, FIVE = "v3/images/expand-async", "v3/images/fill-async", "v4/images/generate-async"
SMALL = {"width": 1024, "height": 1024}
WAITING = ("pending", "running")


async def token(probe: Probe, **more: str) -> tuple[int, Any]:
    data = urlencode({**FORM, **more})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return await probe.send("POST", "/firefly/ims/token/v3", data=data, headers=headers)


async def keyed(probe: Probe) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await token(probe))[1]['access_token']}", "x-api-key": "client-1"}


async def submit(probe: Probe, path: str, version: str = "", **body: Any) -> tuple[int, Any]:
    headers = {**await keyed(probe), **({"x-model-version": version} if version else {})}
    return await probe.send("POST", f"/firefly/{path}", json=body, headers=headers)


async def upload(probe: Probe, data: bytes, kind: str = "image/png") -> tuple[int, Any]:
    headers = {**await keyed(probe), "Content-Type": kind}
    return await probe.send("POST", "/firefly/v2/storage/image", data=io.BytesIO(data), headers=headers)


async def source(probe: Probe, data: bytes) -> dict[str, Any]:
    status, told = await upload(probe, data)
    assert status == 200, told
    return {"source": {"uploadId": told["images"][0]["id"]}}


async def over(probe: Probe, url: str) -> dict[str, Any]:
    """The job once it is over."""
    headers = await keyed(probe)
    while True:
        status, told = await probe.send("GET", url.removeprefix(probe.url), headers=headers)
        assert status == 200, told
        if told["status"] not in WAITING:
            return dict(told)
        await asyncio.sleep(0)


async def run(probe: Probe, path: str, version: str = "", **body: Any) -> dict[str, Any]:
    status, told = await submit(probe, path, version, **body)
    assert status in (200, 202), told
    return await over(probe, told["statusUrl"] if status == 202 else told["links"]["result"]["href"])


async def fetched(probe: Probe, path: str, version: str = "", **body: Any) -> bytes:
    job = await run(probe, path, version, **body)
    status, data = await probe.fetch(job["result"]["outputs"][0]["image"]["url"])
    assert status == 200
    return data


# -- who asks -------------------------------------------------------------------------------------------------------


async def test_a_token_is_given_for_the_credential(probe: Probe) -> None:
    status, told = await token(probe)
    assert (status, set(told)) == (200, {"access_token", "token_type", "expires_in"})
    assert (told["token_type"], told["expires_in"]) == ("bearer", 86_399)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"client_id": ""}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client"),
        ({"client_secret": "bad-secret"}, "invalid_client"),
        ({"scope": "openid"}, "invalid_scope"),
    ],
)
async def test_a_bad_credential_gets_no_token(probe: Probe, wrong: dict[str, str], error: str) -> None:
    status, told = await token(probe, **wrong)
    assert (status, told["error"]) == (400, error)
    assert set(told) == {"error", "error_description"}


async def test_a_token_is_asked_for_by_a_form(probe: Probe) -> None:
    status, told = await probe.send("POST", "/firefly/ims/token/v3", json=FORM)
    assert (status, told["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"Authorization": ""}, 401, "401010"),
        ({"Authorization": "Bearer made-up"}, 401, "401013"),
        ({"x-api-key": ""}, 403, "403000"),
        ({"x-api-key": "client-2"}, 403, "403003"),
    ],
)
async def test_without_token_and_client_id_nothing_is_served(
    probe: Probe, change: dict[str, str], status: int, code: str
) -> None:
    headers = {**await keyed(probe), **change}
    for method, path in (("POST", GENERATE), ("POST", "v2/storage/image"), ("GET", "epo/v3/status/x")):
        answer = await probe.send(method, f"/firefly/{path}", json={"prompt": "x"}, headers=headers)
        assert (answer[0], answer[1]["error_code"]) == (status, code)
    assert (await probe.bill())["lines"] == []


async def test_a_token_s_time_ends(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firefly_ims, "LIFETIME_S", -1)
    status, told = await submit(probe, GENERATE, prompt="x")
    assert (status, told["error_code"], told["message"]) == (401, "401013", "Oauth token is not valid")


async def test_no_secret_is_in_the_books(probe: Probe) -> None:
    await submit(probe, GENERATE, prompt="x")
    told = str(await probe.calls("any"))
    bearer = (await keyed(probe))["Authorization"].removeprefix("Bearer ").partition(".")[0]
    assert "secret-1" not in told
    assert bearer[:20] not in told
    assert "client-1" not in told


# -- bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "version", "body", "name"),
    [
        (GENERATE, "", {"numVariations": 1}, "prompt"),
        (GENERATE, "", {"prompt": ""}, "prompt"),
        (GENERATE, "", {"prompt": "x" * 1025}, "prompt"),
        (GENERATE, "", {"prompt": "x", "negativePrompt": ""}, "negativePrompt"),
        (GENERATE, "", {"prompt": "x", "numVariations": 5}, "numVariations"),
        (GENERATE, "", {"prompt": "x", "numVariations": 2, "seeds": [1]}, "seeds"),
        (GENERATE, "", {"prompt": "x", "seeds": [1, 1]}, "seeds"),
        (GENERATE, "", {"prompt": "x", "seeds": "1"}, "seeds"),
        (GENERATE, "", {"prompt": "x", "size": {"width": 512, "height": 512}}, "size"),
        (GENERATE, "", {"prompt": "x", "size": {"width": 1024}}, "size"),
        (GENERATE, "image4_standard", {"prompt": "x", "size": SMALL}, "size"),
        (GENERATE, "image5", {"prompt": "x"}, "x-model-version"),
        (GENERATE, "", {"prompt": "x", "contentClass": "film"}, "contentClass"),
        (GENERATE, "", {"prompt": "x", "visualIntensity": 1}, "visualIntensity"),
        (GENERATE, "", {"prompt": "x", "style": {"strength": 0}}, "style"),
        (GENERATE, "", {"prompt": "x", "structure": {"strength": 101}}, "structure"),
        (GENERATE, "", {"prompt": "x", "structure": {"imageReference": {}}}, "structure"),
        (GENERATE, "", {"prompt": "x", "n": 1}, "n"),
        (SIMILAR, "", {"numVariations": 1}, "image"),
        (SIMILAR, "", {"image": {"source": {"url": "https://example.com/a.png"}}}, "image"),
        (SIMILAR, "", {"image": {"source": {"uploadId": "none"}}}, "image"),
        (SIMILAR, "image4_custom", {"image": {}}, "x-model-version"),
        (FILL, "image3", {"image": {}}, "x-model-version"),
        (FIVE, "image3", {"prompt": "x"}, "x-model-version"),
        (FIVE, "image5", {"prompt": "x" * 1501}, "prompt"),
        (FIVE, "image5", {"prompt": "x", "numVariations": 2}, "numVariations"),
        (FIVE, "image5", {"prompt": "x", "aspectRatio": "3:2"}, "aspectRatio"),
        (FIVE, "image5", {"prompt": "x", "size": SMALL}, "size"),
        (FIVE, "image5", {"prompt": "x", "referenceBlobs": [{}, {}]}, "referenceBlobs"),
    ],
)
async def test_a_bad_field_is_told_by_place(
    probe: Probe, path: str, version: str, body: dict[str, Any], name: str
) -> None:
    status, told = await submit(probe, path, version, **body)
    assert (status, told["error_code"]) == (422, "validation_error")
    (problem,) = told["validation_errors"]
    assert (problem["loc"], set(problem)) == (["body", name], {"loc", "msg", "type"})
    assert (await probe.bill())["lines"] == []


async def test_what_goes_with_an_image_is_checked(probe: Probe) -> None:
    image, other, small = [await source(probe, png_of(size=size)) for size in ((1024, 1024), (64, 64), (500, 500))]
    for path, version, body, name in (
        (FILL, "", {"image": image}, "mask"),
        (FILL, "", {"image": image, "mask": other}, "mask"),
        (EXPAND, "", {"image": image, "size": {"width": 4000, "height": 10}}, "size"),
        (EXPAND, "", {"image": image, "size": SMALL, "placement": {"inset": {"left": -1}}}, "placement"),
        (EXPAND, "", {"image": image, "size": SMALL, "placement": {"inset": {"left": 1024}}}, "placement"),
        (EXPAND, "", {"image": image, "size": SMALL, "placement": {"inset": {}}, "mask": image}, "placement"),
        (FIVE, "image5", {"prompt": "x", "referenceBlobs": [small]}, "referenceBlobs"),
    ):
        status, told = await submit(probe, path, version, **body)
        assert (status, told["validation_errors"][0]["loc"]) == (422, ["body", name]), body


async def test_bodies_that_are_none_are_refused(probe: Probe) -> None:
    headers = {**await keyed(probe), "Content-Type": "application/json"}
    for data, code in ((b"{", "bad_request"), (b"[1]", "bad_request"), (b"{}", "empty_input_body")):
        status, told = await probe.send("POST", f"/firefly/{GENERATE}", data=data, headers=headers)
        assert (status, told["error_code"]) == (400, code)
    headers["Content-Type"] = "text/plain"
    status, told = await probe.send("POST", f"/firefly/{GENERATE}", data=b"x", headers=headers)
    assert (status, told["error_code"]) == (415, "invalid_content_type")


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"no image", "image/png", 400, "bad_request"),
        (png_of(), "image/gif", 400, "invalid_content_type"),
        (b"x" * (15 * 2**20 + 1), "image/png", 400, "bad_request"),
        (png_of((255, 0, 0)), "image/png", 451, "input_media_unsafe"),
    ],
)
async def test_an_upload_is_checked(probe: Probe, data: bytes, kind: str, status: int, code: str) -> None:
    answered, told = await upload(probe, data, kind)
    assert (answered, told["error_code"]) == (status, code)


# -- jobs -----------------------------------------------------------------------------------------------------------


async def test_v3_accepts_with_urls_and_v4_with_links(probe: Probe) -> None:
    status, told = await submit(probe, GENERATE, prompt="x", size=SMALL)
    assert (status, set(told)) == (202, {"jobId", "statusUrl", "cancelUrl"})
    assert told["statusUrl"] == f"{probe.url}/firefly/epo/v3/status/{told['jobId']}"
    status, told = await submit(probe, FIVE, "image5", prompt="x")
    assert (status, set(told), set(told["links"])) == (200, {"links", "progress"}, {"cancel", "result"})


async def test_a_job_goes_through_its_states_and_is_charged_at_the_end() -> None:
    async with Sandbox(latency_s=0.6) as slow, aiohttp.ClientSession() as session:
        probe = Probe(slow.url, session)
        told = (await submit(probe, GENERATE, prompt="a boat", size=SMALL, numVariations=2, seeds=[4, 9]))[1]
        headers, words = await keyed(probe), ["pending"]
        assert (await probe.bill())["lines"] == []
        while words[-1] in WAITING:
            await asyncio.sleep(0.01)
            path = told["statusUrl"].removeprefix(probe.url)
            job = (await probe.send("GET", path, headers=headers))[1]
            words.append(job["status"])
        assert list(dict.fromkeys(words)) == ["pending", "running", "succeeded"]
        assert set(job) == {"status", "jobId", "result"}
        assert [one["seed"] for one in job["result"]["outputs"]] == [4, 9]
        assert (job["result"]["size"], job["result"]["contentClass"]) == (SMALL, "photo")
        (line,) = (await probe.bill())["lines"]
        assert (line["request_id"], line["images"], line["usage"]) == (told["jobId"], 2, {"credits": 2})
        assert line["microusd"] == 0, "nobody states a price"


async def test_a_canceled_job_makes_and_costs_nothing() -> None:
    async with Sandbox(latency_s=60) as slow, aiohttp.ClientSession() as session:
        probe = Probe(slow.url, session)
        told = (await submit(probe, GENERATE, prompt="a boat", size=SMALL))[1]
        headers, path = await keyed(probe), told["cancelUrl"].removeprefix(probe.url)
        assert (await probe.send("PUT", path, headers=headers))[0] == 200
        assert (await over(probe, told["statusUrl"]))["status"] == "cancelled"
        assert (await probe.send("PUT", path, headers=headers))[0] == 409
        assert (await probe.bill())["lines"] == []


async def test_an_unknown_job_is_not_found(probe: Probe) -> None:
    for method, what in (("GET", "status"), ("PUT", "cancel")):
        status, _ = await probe.send(method, f"/firefly/epo/v3/{what}/none", headers=await keyed(probe))
        assert status == 404


async def test_a_harmful_prompt_ends_a_v3_job_and_is_refused_by_v4(probe: Probe) -> None:
    job = await run(probe, GENERATE, prompt="gore", size=SMALL)
    assert (job["status"], job["error_code"]) == ("failed", "prompt_unsafe")
    assert job["message"] == "The prompt did not pass content policy checks."
    status, told = await submit(probe, FIVE, "image5", prompt="gore")
    assert (status, told["error_code"]) == (451, "prompt_unsafe")
    assert (await probe.bill())["lines"] == []


async def test_a_harmful_result_ends_its_job(probe: Probe) -> None:
    job = await run(probe, GENERATE, prompt="solid red", size=SMALL)
    assert (job["status"], job["error_code"]) == ("failed", "output_media_unsafe")
    assert (await probe.bill())["lines"] == []


async def test_words_that_are_left_out_are_told(probe: Probe) -> None:
    job = await run(probe, GENERATE, prompt="a bloody mess", size=SMALL)
    assert job["result"]["promptHasDeniedWords"] is True
    assert "promptHasDeniedWords" not in (await run(probe, GENERATE, prompt="a boat", size=SMALL))["result"]


async def test_a_restarted_sandbox_knows_its_jobs(tmp_path: Path) -> None:
    state = tmp_path / "books.jsonl"
    async with aiohttp.ClientSession() as session:
        async with Sandbox(latency_s=0, state=state) as before:
            probe = Probe(before.url, session)
            done = (await run(probe, GENERATE, prompt="a boat", size=SMALL))["jobId"]
        async with Sandbox(latency_s=60, state=state) as killed:
            probe = Probe(killed.url, session)
            image = await source(probe, png_of(size=(64, 64)))
            told = (await submit(probe, EXPAND, image=image, size={"width": 80, "height": 64}))[1]
        async with Sandbox(latency_s=0, state=state) as after:
            probe = Probe(after.url, session)
            for job_id in (done, told["jobId"]):
                job = await over(probe, f"{after.url}/firefly/epo/v3/status/{job_id}")
                assert (await probe.fetch(job["result"]["outputs"][0]["image"]["url"]))[0] == 200
            assert len((await probe.bill())["lines"]) == 2


# -- files and pictures ---------------------------------------------------------------------------------------------


async def test_a_url_works_without_a_key_until_its_time_is_over(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await run(probe, GENERATE, prompt="x", size=SMALL)
    url = job["result"]["outputs"][0]["image"]["url"]
    status, data = await probe.fetch(url)
    assert (status, pixels_of(data).shape) == (200, (1024, 1024, 3))
    later = f"{time.time() + 10_000:.0f}"
    assert (await probe.fetch(url.partition("?")[0] + f"?Expires={later}&Signature=x"))[0] == 403
    assert (await probe.fetch(url.partition("?")[0]))[0] == 403
    monkeypatch.setattr(firefly, "URL_LIFETIME_S", -5.0)
    late = await run(probe, GENERATE, prompt="x", size=SMALL)
    assert (await probe.fetch(late["result"]["outputs"][0]["image"]["url"]))[0] == 403


@pytest.mark.parametrize("old", [False, True])
async def test_white_is_filled_and_black_is_kept(probe: Probe, old: bool) -> None:
    image = await source(probe, png_of(size=(1024, 1024)))
    mask = await source(probe, white_mask_of((1024, 1024), (0, 0, 256, 512)))
    # The mask inside the image is deprecated, and works.
    body = {"image": {**image, "mask": mask["source"]}} if old else {"image": image, "mask": mask}
    changed = (pixels_of(await fetched(probe, FILL, **body, size=SMALL)) != (40, 120, 200)).any(axis=2)
    assert changed[:512, :256].mean() > 0.9
    changed[:512, :256] = False
    assert not changed.any()


async def test_an_expansion_keeps_what_is_within_its_insets(probe: Probe) -> None:
    inset = {"left": 16, "top": 8, "right": 32, "bottom": 0}
    image = await source(probe, png_of())
    body = {"image": image, "size": {"width": 112, "height": 72}, "placement": {"inset": inset}}
    grown = pixels_of(await fetched(probe, EXPAND, **body))
    assert grown.shape == (72, 112, 3)
    assert (grown[8:, 16:80] == (40, 120, 200)).all()
    assert (grown[0, 0] != (40, 120, 200)).any()


async def test_an_edit_keeps_the_size_of_its_image(probe: Probe) -> None:
    blob = {**await source(probe, png_of(size=(640, 512))), "usage": "general"}
    pixels = pixels_of(await fetched(probe, FIVE, "image5", prompt="sun", referenceBlobs=[blob]))
    assert pixels.shape == (512, 640, 3)


async def test_the_same_body_gives_the_same_picture(probe: Probe) -> None:
    first = await fetched(probe, GENERATE, prompt="a boat", size=SMALL, seeds=[1])
    assert first == await fetched(probe, GENERATE, prompt="a boat", size=SMALL, seeds=[1])
    assert first != await fetched(probe, GENERATE, prompt="a boat", size=SMALL, seeds=[2])
