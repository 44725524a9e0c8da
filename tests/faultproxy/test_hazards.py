"""Hazards of ComfyUI and of the line to it that need a wire which misbehaves; docs/hazards.md lists them all."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mintmark.errors import WorkerLost, WorkerRefused, WorkerUnreachable
from mintmark.orchestrator.execution.delivery import Delivery
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.orchestrator.link.events import WorkerEvent
from mintmark.orchestrator.link.protocol import History
from mintmark.tests.orchestrator.fake_comfy import FakeComfy, queue_it

from .plan import Plan, Rule
from .proxy import FaultProxy

GRAPH = {"1": {"class_type": "X", "inputs": {}}}


@pytest.fixture
async def comfy() -> AsyncIterator[FakeComfy]:
    async with FakeComfy() as running:
        yield running


@pytest.fixture
async def through(comfy: FakeComfy) -> AsyncIterator[Callable[..., Any]]:
    """Opens a proxy with these rules and a link through it."""
    async with AsyncExitStack() as stack:

        async def opened(*rules: Rule, **plan: Any) -> tuple[FaultProxy, WorkerLink]:
            proxy = await stack.enter_async_context(FaultProxy.before(comfy.url, plan=Plan(rules, **plan)))
            return proxy, await stack.enter_async_context(WorkerLink(proxy.url, poll_s=0.1, lost_s=1.0))

        yield opened


@pytest.fixture
def job_id() -> str:
    return str(uuid.uuid4())


async def soon(condition: Callable[[], Any]) -> None:
    """Wait until it is so, for five seconds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never came so")


async def run(link: WorkerLink, job_id: str, heard: list[WorkerEvent]) -> History:
    async with link.listen() as listening:
        await link.submit(job_id, GRAPH, {})
        return await asyncio.wait_for(link.follow(job_id, listening, heard.append), 60)


# -- submitting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["hang_up", "drop_answer", "error_after", "cut_answer", "freeze"])
async def test_a_prompt_whose_answer_is_lost_is_posted_once(
    fault: str, comfy: FakeComfy, through: Any, job_id: str
) -> None:
    _, link = await through(Rule("POST /prompt", {fault: 1.0}), stall_s=0.1)
    await link.submit(job_id, GRAPH, {})
    assert comfy.posted == [job_id]


async def test_a_prompt_that_is_still_being_validated_when_the_line_breaks_is_not_posted_again(
    comfy: FakeComfy, through: Any, job_id: str
) -> None:
    async def slowly(fake: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.15)
        return await queue_it(fake, request, body)

    comfy.on_prompt = slowly
    _, link = await through(Rule("POST /prompt", {"hang_up": 1.0}))
    await link.submit(job_id, GRAPH, {})
    assert comfy.posted == [job_id]


@pytest.mark.parametrize("fault", ["reset", "close", "error_before", "cut_request"])
async def test_a_prompt_that_never_arrived_is_posted_again(
    fault: str, comfy: FakeComfy, through: Any, job_id: str
) -> None:
    proxy, link = await through(Rule("POST /prompt", {fault: 1.0}))
    task = asyncio.create_task(link.submit(job_id, GRAPH, {}))
    await soon(lambda: proxy.log)
    proxy.plan = Plan()
    await task
    assert comfy.posted == [job_id]


async def test_a_second_post_refused_because_the_first_arrived_is_a_success(
    comfy: FakeComfy, through: Any, job_id: str
) -> None:
    async def once(fake: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(fake.posted) == 1:
            await soon(lambda: len(fake.posted) == 2)  # validated so slowly that the link gives the first one up
            return await queue_it(fake, request, body)
        error = {"type": "duplicate_prompt_id", "message": "This prompt_id was posted before"}
        return web.json_response({"error": error, "node_errors": {}}, status=400)

    comfy.on_prompt = once
    proxy, link = await through(Rule("POST /prompt", {"hang_up": 1.0}))
    task = asyncio.create_task(link.submit(job_id, GRAPH, {}))
    await soon(lambda: comfy.posted)
    proxy.plan = Plan()
    await task
    assert comfy.posted == [job_id, job_id]


async def test_a_line_that_never_comes_back_ends_the_submission(comfy: FakeComfy, through: Any, job_id: str) -> None:
    _, link = await through(Rule("POST /prompt", {"reset": 1.0}))
    with pytest.raises(WorkerUnreachable):
        await asyncio.wait_for(link.submit(job_id, GRAPH, {}), 60)
    assert comfy.posted == []


async def test_a_prompt_over_the_workers_limit_is_a_refusal(comfy: FakeComfy, through: Any, job_id: str) -> None:
    async def too_large(fake: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=413, text="Maximum request body size 104857600 exceeded")

    comfy.on_prompt = too_large
    _, link = await through()
    with pytest.raises(WorkerRefused, match=r"413.*104857600"):
        await link.submit(job_id, GRAPH, {})
    assert comfy.posted == [job_id]


async def test_what_is_sent_names_one_client_and_a_canonical_id_and_no_origin(
    comfy: FakeComfy, through: Any, job_id: str
) -> None:
    proxy, link = await through()
    task = asyncio.create_task(run(link, job_id, []))
    await soon(lambda: job_id in comfy.posted)
    comfy.finish(job_id)
    await task
    assert all("origin" not in each.headers and "sec-fetch-site" not in each.headers for each in proxy.asked)
    (posted,) = [each for each in proxy.asked if each.words[:2] == ("POST", "/prompt")]
    body = json.loads(posted.raw[posted.body_at :])
    (socket,) = [each for each in proxy.asked if each.words[1].startswith("/ws")]
    assert socket.words[1] == f"/ws?clientId={body['client_id']}"
    assert body["prompt_id"] == str(uuid.UUID(job_id))
    assert "number" not in body, "two jobs of one number and id make ComfyUI answer 500 and run both"


# -- following ------------------------------------------------------------------------------------------------------


async def test_a_worker_silenced_by_a_stalled_peer_only_costs_time(comfy: FakeComfy, through: Any, job_id: str) -> None:
    _, link = await through(Rule("GET /ws", {"frame_stall": 1.0}), stall_s=60)
    heard: list[WorkerEvent] = []
    task = asyncio.create_task(run(link, job_id, heard))
    await soon(lambda: job_id in comfy.posted)
    await comfy.tell("executing", node="1", prompt_id=job_id)
    comfy.finish(job_id)
    assert (await task).status == "success"
    assert heard == []


async def test_messages_that_are_lost_doubled_or_swapped_change_nothing(
    comfy: FakeComfy, through: Any, job_id: str
) -> None:
    _, link = await through(Rule("GET /ws", {"frame_drop": 0.3, "frame_double": 0.3, "frame_swap": 0.3}))
    task = asyncio.create_task(run(link, job_id, []))
    await soon(lambda: job_id in comfy.posted)
    for node in ("1", "2", None, "3"):
        await comfy.tell("executing", node=node, prompt_id=job_id)
    before = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > before + 1)
    assert not task.done()
    comfy.finish(job_id)
    assert (await task).status == "success"


async def test_a_socket_that_breaks_at_every_message_only_costs_time(
    comfy: FakeComfy, through: Any, job_id: str
) -> None:
    _, link = await through(Rule("GET /ws", {"frame_cut": 1.0}))
    task = asyncio.create_task(run(link, job_id, []))
    await soon(lambda: comfy.sockets_opened > 2 and job_id in comfy.posted)
    comfy.finish(job_id)
    assert (await task).status == "success"


async def test_somebody_with_our_client_id_takes_our_events_and_nothing_else(
    comfy: FakeComfy, through: Any, job_id: str
) -> None:
    _, link = await through()
    heard: list[WorkerEvent] = []
    task = asyncio.create_task(run(link, job_id, heard))
    await soon(lambda: job_id in comfy.posted)
    url = f"{comfy.url}/ws?clientId={link.client_id}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as thief:
        await thief.receive_json()
        await comfy.tell("executing", node="1", prompt_id=job_id)
        assert (await thief.receive_json())["type"] == "executing"
        comfy.finish(job_id)
        assert (await task).status == "success"
    assert heard == []


def test_no_two_links_share_a_client_id() -> None:
    assert len({WorkerLink("http://127.0.0.1:1").client_id for _ in range(100)}) == 100


async def test_a_frozen_worker_is_lost_after_a_while(comfy: FakeComfy, through: Any, job_id: str) -> None:
    proxy, link = await through(stall_s=0.1)
    task = asyncio.create_task(run(link, job_id, []))
    await soon(lambda: job_id in comfy.posted)
    proxy.plan = Plan((Rule("*", {"freeze": 1.0, "frame_stall": 1.0}),), stall_s=0.1)
    with pytest.raises(WorkerLost, match="has not answered"):
        await task
    assert comfy.posted == [job_id]


async def test_a_dead_prompt_thread_loses_the_job_instead_of_waiting_for_ever(
    comfy: FakeComfy, through: Any, job_id: str
) -> None:
    told = {"boot_id": "b", "kind": "comfyui", "pack_version": "0", "mode": "sandbox", "policy": "standard"}
    comfy.health = {**told, "providers": [], "prompt_thread_alive": False}
    _, link = await through()
    task = asyncio.create_task(run(link, job_id, []))
    await soon(lambda: job_id in comfy.posted)
    comfy.state[job_id] = "in_progress"
    with pytest.raises(WorkerLost, match="restart"):
        await asyncio.wait_for(task, 60)


async def test_a_cancellation_whose_answer_is_lost_is_asked_again(comfy: FakeComfy, through: Any, job_id: str) -> None:
    proxy, link = await through(Rule("POST /api/jobs/{id}/cancel", {"drop_answer": 1.0}))
    await link.submit(job_id, GRAPH, {})
    task = asyncio.create_task(link.cancel(job_id))
    await soon(lambda: proxy.log)
    proxy.plan = Plan()
    await task
    assert set(comfy.canceled) == {job_id}
    assert await link.state(job_id) == "cancelled"


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cut_answer", "reset_answer", "stall", "trickle", "error_after"])
async def test_a_file_cut_on_its_way_comes_home_whole(fault: str, comfy: FakeComfy, through: Any) -> None:
    from mintmark.orchestrator.link.protocol import OutputFile

    comfy.files["it.png"] = data = bytes(range(256)) * 4000
    proxy, link = await through(Rule("GET /view", {fault: 1.0}), stall_s=0.1)
    task = asyncio.create_task(link.fetch(OutputFile("it.png", "", "output", "5", "images")))
    await soon(lambda: proxy.log)
    proxy.plan = Plan()
    assert await task == data


async def test_an_input_is_used_under_the_name_the_worker_gave_it() -> None:
    async def taken(request: web.Request) -> web.Response:
        form = await request.post()
        named = str(form["image"].filename).replace(".png", " (1).png")  # type: ignore[union-attr]
        return web.json_response({"name": named, "subfolder": form["subfolder"], "type": form["type"]})

    app = web.Application()
    app.router.add_post("/upload/image", taken)
    server = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{server.addresses[0][1]}"
    rule = Rule("POST /upload/image", {"drop_answer": 1.0})
    try:
        async with FaultProxy.before(url, plan=Plan((rule,))) as proxy, WorkerLink(proxy.url) as link:
            task = asyncio.create_task(link.upload("cat.png", b"pixels", "image/png"))
            await soon(lambda: proxy.log)
            proxy.plan = Plan()
            assert await task == "mintmark/cat (1).png"
    finally:
        await server.cleanup()


async def test_images_that_only_went_over_the_socket_are_missed_by_name() -> None:
    delivery = Delivery(max_pixels=1, anchors_pem=None, seal=lambda *_: pytest.fail("nothing to seal"))
    nothing: Any = None
    request: Any = SimpleNamespace(workflow=SimpleNamespace(outputs=()), allow_unchecked=False)
    with pytest.raises(WorkerLost, match="without a file") as caught:
        await delivery.deliver(nothing, History("success", ()), nothing, nothing, request, {})
    assert "Sign and Save" in caught.value.hint
