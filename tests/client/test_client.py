"""The client and a whole service: what a developer does with it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import pytest
from aiohttp import web
from PIL import Image

from mintmark.client import Client, Job, Order, Output, SyncClient
from mintmark.errors import InvalidInput, MintmarkError, ServiceUnreachable, UnknownJob, UnknownWorkflow, WaitedTooLong
from mintmark.orchestrator.jobs.base import Filter
from mintmark.tests.faultproxy.plan import Plan, Rule
from mintmark.tests.faultproxy.proxy import FaultProxy
from mintmark.tests.orchestrator.house import ServiceHouse

SMALL = (64, 64)


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    return out.getvalue()


async def test_a_prompt_becomes_a_signed_image(client: Client) -> None:
    job = await client.wait(await client.generate("a red fox", size=SMALL))
    (output,) = job.outputs
    data = await client.download(output, job=job)
    assert hashlib.sha256(data).hexdigest() == output.sha256
    assert output.credential and output.credential["state"] == "valid"
    assert job.receipts and "data:image/png;base64," in job._repr_html_()


async def test_the_service_may_be_given_time_to_finish(client: Client) -> None:
    job = await client.generate("a red fox", size=SMALL, wait_s=30)
    assert job.status == "succeeded"


async def test_a_workflow_takes_typed_inputs_and_pictures(client: Client) -> None:
    job = await client.submit("edit-image", {"prompt": "make it snow"}, images={"image": picture()})
    assert (await client.wait(job)).outputs


async def test_a_stream_tells_everything_from_the_beginning_to_the_end(client: Client) -> None:
    job = await client.generate("a red fox", size=SMALL)
    kinds = [update.kind async for update in client.stream(job)]
    assert kinds[0] == "queued" and kinds[-1] == "succeeded"
    assert "claimed" in kinds


async def test_a_stream_can_be_taken_up_where_it_was_left(client: Client) -> None:
    job = await client.wait(await client.generate("a red fox", size=SMALL))
    whole = [update async for update in client.stream(job)]
    assert whole[0].seq is not None
    rest = [update async for update in client.stream(job, after=whole[0].seq)]
    assert [update.seq for update in rest] == [update.seq for update in whole[1:]]


async def test_a_wrong_input_is_told_with_its_field(client: Client) -> None:
    with pytest.raises(InvalidInput) as told:
        await client.generate("a red fox", size=(64, -1))
    assert "height" in str(told.value.data["field"])


async def test_what_is_not_there_is_told_by_its_own_error(client: Client) -> None:
    with pytest.raises(UnknownJob):
        await client.job("00000000-0000-4000-8000-000000000000")
    with pytest.raises(UnknownWorkflow):
        await client.submit("no-such-workflow")


async def test_a_batch_answers_each_line_and_one_bad_line_spoils_no_other(client: Client) -> None:
    inputs = {"width": 64, "height": 64}
    orders = [Order(workflow="text-to-image", inputs={"prompt": f"fox {n}", **inputs}) for n in range(3)]
    orders.insert(1, Order(workflow="no-such-workflow"))
    told = [each async for each in client.batch(orders)]
    assert [type(each) is Job for each in told] == [True, False, True, True]
    jobs = [await client.wait(each) for each in told if isinstance(each, Job)]
    assert [job.status for job in jobs] == ["succeeded"] * 3


async def test_lists_go_from_page_to_page(client: Client) -> None:
    made = [(await client.generate(f"fox {n}", size=SMALL)).job_id for n in range(3)]
    found = [job.job_id async for job in client.jobs(limit="2")]
    assert found == list(reversed(made))


async def test_waiting_ends_when_the_caller_says_so_and_the_job_goes_on(house: ServiceHouse, client: Client) -> None:
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    job = await client.generate("a red fox", size=SMALL)
    with pytest.raises(WaitedTooLong):
        await client.wait(job, timeout_s=0.2)
    assert (await client.job(job)).status == "queued"


async def test_a_canceled_job_is_over(house: ServiceHouse, client: Client) -> None:
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    job = await client.cancel(await client.generate("a red fox", size=SMALL))
    assert job.status == "canceled"


async def test_an_answer_that_was_lost_on_the_line_makes_nothing_twice(house: ServiceHouse) -> None:
    plan = Plan((Rule("POST *", {"drop_answer": 0.5, "error_after": 0.3}),))
    async with FaultProxy.before(house.url, seed=3, plan=plan) as proxy, Client(proxy.url) as client:
        jobs = {(await client.generate(f"fox {n}", size=SMALL)).job_id for n in range(8)}
    assert proxy.log, "nothing was lost"
    counts = await asyncio.to_thread(house.service.jobs.counts)
    assert sum(counts.values()) == len(jobs) == 8


async def test_a_proxy_that_does_not_reach_the_service_is_no_fault_of_the_service(house: ServiceHouse) -> None:
    plan = Plan((Rule("*", {"error_after": 1.0}),))
    async with FaultProxy.before(house.url, plan=plan) as line, Client(line.url) as client:
        with pytest.raises(ServiceUnreachable, match="HTTP 502"):
            await client.generate("a red fox", size=SMALL)
    jobs = await asyncio.to_thread(house.service.jobs.find, Filter())
    assert len(jobs) == 1, "sent again under one key, it is made once"


async def test_a_service_that_is_not_there_is_told_with_its_address() -> None:
    async with Client("http://127.0.0.1:9", timeout_s=1) as client:
        with pytest.raises(ServiceUnreachable, match=r"127\.0\.0\.1:9"):
            await client.job("x")


@asynccontextmanager
async def elsewhere(seen: list[str | None]) -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=b"bytes")

    app = web.Application()
    app.router.add_get("/{any:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_the_key_is_never_sent_to_another_host() -> None:
    """A file may lie on a CDN, whose operator has no business with the key."""
    seen: list[str | None] = []
    async with elsewhere(seen) as cdn, Client("http://127.0.0.1:9", api_key="mm_test_secret") as client:
        output = Output(image_url=f"{cdn}/picture.png", sha256="a" * 64)
        assert await client.download(output) == b"bytes"
    assert seen == [None]


async def test_code_that_does_not_await_has_the_same_client(house: ServiceHouse) -> None:
    def use() -> tuple[str, int, list[str]]:
        with SyncClient(house.url) as client:
            job = client.wait(client.generate("a red fox", size=SMALL))
            kinds = [update.kind for update in client.stream(job)]
            return job.status, len(client.download(job.outputs[0])), kinds

    status, size, kinds = await asyncio.to_thread(use)
    assert status == "succeeded" and size > 100 and kinds[-1] == "succeeded"


async def test_a_client_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises((RuntimeError, MintmarkError), match="async with"):
        await Client("http://127.0.0.1:9").job("x")


async def test_a_job_that_was_canceled_can_be_asked_for_again(house: ServiceHouse, client: Client) -> None:
    await asyncio.to_thread(house.service.jobs.pause, paused=True)
    job = await client.cancel(await client.generate("a red fox", size=SMALL))
    await asyncio.to_thread(house.service.jobs.pause, paused=False)
    again = await client.wait(await client.retry(job))
    assert again.job_id != job.job_id and again.status == "succeeded"
