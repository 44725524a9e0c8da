"""Batches by OpenAI's official client: a file in, a file of answers out, at half the price; kept over a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from mintmark.sandbox import Sandbox

BODY = {"model": "gpt-image-2", "prompt": "a teal boat", "size": "64x64", "quality": "low"}


def line(name: str, **more: Any) -> bytes:
    row = {"custom_id": name, "method": "POST", "url": "/v1/images/generations", "body": {**BODY, **more}}
    return json.dumps(row).encode() + b"\n"


def client(sandbox: Sandbox) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="sk-0123456789", base_url=f"{sandbox.url}/openai/v1", max_retries=0)


async def started(openai: AsyncOpenAI, data: bytes) -> str:
    file = await openai.files.create(file=("in.jsonl", data), purpose="batch")
    batch = await openai.batches.create(
        input_file_id=file.id, endpoint="/v1/images/generations", completion_window="24h", metadata={"mine": "7"}
    )
    return batch.id


async def over(openai: AsyncOpenAI, batch_id: str) -> Any:
    for _ in range(2000):
        batch = await openai.batches.retrieve(batch_id)
        if batch.status in ("completed", "failed", "cancelled"):
            return batch
        await asyncio.sleep(0.01)
    raise AssertionError("it never ended")


async def rows(openai: AsyncOpenAI, file_id: str) -> list[dict[str, Any]]:
    content = await openai.files.content(file_id)
    return [json.loads(text) for text in content.text.splitlines()]


async def bill(sandbox: Sandbox) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox.url}/_sandbox/bill") as reply:
        return (await reply.json())["lines"]


async def test_every_line_is_answered_under_its_own_name_at_half_the_price() -> None:
    async with Sandbox(latency_s=0) as sandbox, client(sandbox) as openai:
        await openai.images.generate(**BODY)
        batch = await over(openai, await started(openai, line("one") + line("two", n=2)))
        assert (batch.status, batch.metadata) == ("completed", {"mine": "7"})
        answers = {row["custom_id"]: row["response"] for row in await rows(openai, batch.output_file_id)}
        assert [len(answers[name]["body"]["data"]) for name in ("one", "two")] == [1, 2]
        lines = await bill(sandbox)
        assert lines[1]["microusd"] * 2 == pytest.approx(lines[0]["microusd"], abs=1)
        assert {each["request_id"] for each in lines[1:]} == {each["request_id"] for each in answers.values()}


async def test_a_line_that_is_refused_stands_in_the_other_file_and_costs_nothing() -> None:
    async with Sandbox(latency_s=0) as sandbox, client(sandbox) as openai:
        batch = await over(openai, await started(openai, line("good") + line("bad", size="63x64")))
        (refused,) = await rows(openai, batch.error_file_id)
        assert (refused["custom_id"], refused["response"]["status_code"]) == ("bad", 400)
        assert len(await rows(openai, batch.output_file_id)) == 1
        assert len(await bill(sandbox)) == 1


async def test_a_batch_that_is_canceled_in_time_costs_nothing() -> None:
    async with Sandbox(latency_s=60) as sandbox, client(sandbox) as openai:
        batch_id = await started(openai, line("one"))
        assert (await openai.batches.cancel(batch_id)).status == "cancelled"
        assert (await openai.batches.retrieve(batch_id)).output_file_id is None
        assert await bill(sandbox) == []


async def test_it_is_found_in_the_list_by_its_metadata() -> None:
    async with Sandbox(latency_s=0) as sandbox, client(sandbox) as openai:
        batch_id = await started(openai, line("one"))
        found = await openai.batches.list(limit=10)
        assert [(each.id, each.metadata) for each in found.data] == [(batch_id, {"mine": "7"})]


async def test_what_is_no_batch_is_refused() -> None:
    async with Sandbox(latency_s=0) as sandbox, client(sandbox) as openai:
        with pytest.raises(BadRequestError, match="JSONL"):
            await started(openai, b"no json\n")
        failed = await over(openai, await started(openai, b"{}\n"))
        assert failed.status == "failed"
        with pytest.raises(NotFoundError):
            await openai.batches.retrieve("batch-nobody")


async def test_a_killed_sandbox_finishes_it_and_bills_it_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with Sandbox(latency_s=0, state=state) as sandbox, client(sandbox) as openai:
        batch_id = await started(openai, line("one"))
        await over(openai, batch_id)
    async with Sandbox(latency_s=0, state=state) as sandbox, client(sandbox) as openai:
        batch = await over(openai, batch_id)
        assert len(await rows(openai, batch.output_file_id)) == 1
        assert len(await bill(sandbox)) == 1
