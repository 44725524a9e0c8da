"""A batch's odd ends: lines that were never worked on, answers that say nothing, a creation whose answer was lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import BadAnswer, ProviderDown, ProviderError
from mintmark.providers.base import Accepted
from mintmark.providers.http import HttpClient
from mintmark.providers.openai import OpenAI
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.tests.contracts.provider import ignore

from .conftest import KEY, model, serving

CALL = "call-1"
ACCEPTED = Accepted(request_id="batch_1", handle={"batch": "batch_1", "batch_url": "", "call_id": CALL})
MODEL = model("openai/gpt-image-2")


class Vendor:
    """Answers what it was told to; a batch of it is over at once."""

    def __init__(self, **batch: Any) -> None:
        self.batch: Any = {"id": "batch_1", "status": "completed", **batch}
        self.rows: list[Any] = []
        self.created: tuple[int, Any] = (200, {"id": "batch_1", "status": "validating"})
        self.listed: Any = []
        self.posts = 0

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path
        if path.endswith("/content"):
            return web.Response(body=b"".join(json.dumps(row).encode() + b"\n" for row in self.rows))
        if path.endswith("/files"):
            return web.json_response({"id": "file-1"})
        if path.endswith("/cancel"):
            return web.json_response(self.batch)
        if path.endswith("/batches") and request.method == "POST":
            self.posts += 1
            return web.json_response(self.created[1], status=self.created[0])
        return web.json_response({"data": self.listed} if path.endswith("/batches") else self.batch)


def adapter(http: HttpClient, url: str) -> OpenAI:
    return OpenAI.open(http, key=Secret(KEY), base_url=url)


def undone(code: str) -> dict[str, Any]:
    return {"id": "batch_req_1", "custom_id": CALL, "response": None, "error": {"code": code, "message": "Too late."}}


@pytest.mark.parametrize(("status", "code"), [("expired", "batch_expired"), ("cancelled", "batch_cancelled")])
async def test_a_line_that_its_batch_never_came_to_costs_nothing(http: HttpClient, status: str, code: str) -> None:
    vendor = Vendor(status=status, error_file_id="file-err")
    vendor.rows = [undone(code)]
    async with serving(vendor.answer) as url:
        with pytest.raises(ProviderDown, match="was not made") as caught:
            await adapter(http, url).resume(MODEL, ACCEPTED)
    assert (caught.value.charged, caught.value.request_id) == ("no", "batch_1")


@pytest.mark.parametrize("row", [undone("request_timeout"), {"custom_id": CALL}, {"custom_id": CALL, "response": [1]}])
async def test_a_line_that_says_nothing_of_its_work_leaves_the_charge_unknown(http: HttpClient, row: Any) -> None:
    vendor = Vendor(error_file_id="file-err")
    vendor.rows = [row]
    async with serving(vendor.answer) as url:
        with pytest.raises(ProviderError) as caught:
            await adapter(http, url).resume(MODEL, ACCEPTED)
    assert caught.value.charged == "unknown"


async def test_a_batch_that_was_canceled_before_our_line_is_canceled(http: HttpClient) -> None:
    vendor = Vendor(status="cancelled", error_file_id="file-err")
    vendor.rows = [undone("batch_cancelled")]
    async with serving(vendor.answer) as url:
        assert await adapter(http, url).cancel(ACCEPTED)


async def test_one_that_was_canceled_after_our_line_is_not(http: HttpClient) -> None:
    vendor = Vendor(status="cancelled", output_file_id="file-out")
    vendor.rows = [{"custom_id": CALL, "response": {"status_code": 200, "body": {}}}]
    async with serving(vendor.answer) as url:
        assert not await adapter(http, url).cancel(ACCEPTED)


@pytest.mark.parametrize("answer", [(500, {}), (502, {}), (200, {}), (200, {"id": "../files"})])
async def test_a_creation_of_which_the_answer_tells_nothing_is_looked_for(http: HttpClient, answer: Any) -> None:
    vendor = Vendor(status="expired")
    vendor.created = answer
    vendor.listed = ["rubbish", {"id": "batch_0", "metadata": ["rubbish"]}, {"id": "batch_0"}]
    vendor.listed.append({"id": "batch_1", "metadata": {"mintmark_call": CALL}})
    named: list[Accepted] = []

    async def on_accepted(accepted: Accepted) -> None:
        named.append(accepted)

    async with serving(vendor.answer) as url:
        with pytest.raises(ProviderDown, match="expired"):
            await ordered(adapter(http, url), on_accepted)
    assert [accepted.request_id for accepted in named] == ["batch_1"]
    assert vendor.posts == 1


async def test_one_that_is_not_found_either_stays_unknown(http: HttpClient) -> None:
    vendor = Vendor()
    vendor.created = (500, {})
    async with serving(vendor.answer) as url:
        with pytest.raises(ProviderDown) as caught:
            await ordered(adapter(http, url), ignore)
    assert (caught.value.charged, vendor.posts) == ("unknown", 1)


async def test_a_creation_that_is_refused_costs_nothing(http: HttpClient) -> None:
    vendor = Vendor()
    vendor.created = (400, {"error": {"message": "No."}})
    async with serving(vendor.answer) as url:
        with pytest.raises(ProviderError) as caught:
            await ordered(adapter(http, url), ignore)
    assert caught.value.charged == "no"


@pytest.mark.parametrize("batch", [[None], {}, {"status": None}, {"status": ["completed"]}])
async def test_answers_that_are_no_batch_are_given_up_as_trouble_is(http: HttpClient, batch: Any) -> None:
    vendor = Vendor()
    vendor.batch = batch
    async with serving(vendor.answer) as url:
        with pytest.raises(ProviderDown, match="cannot be asked about") as caught:
            await adapter(http, url).resume(MODEL, ACCEPTED)
    assert caught.value.charged == "unknown"
    assert http.clock() < 2 * 3600


async def test_a_handle_that_names_no_batch_is_never_put_into_a_path(http: HttpClient) -> None:
    with pytest.raises(BadAnswer, match="names no batch"):
        await adapter(http, "https://api.example").resume(MODEL, Accepted(request_id="", handle={"batch": "../x"}))


async def ordered(provider: OpenAI, on_accepted: Any) -> None:
    asked = GenerationRequest(task="text-to-image", model=MODEL.name, prompt="a boat", width=256, height=256)
    ready = provider.prepare(MODEL, asked)
    await provider._batches().ask(ready, call_id=CALL, on_accepted=on_accepted)
