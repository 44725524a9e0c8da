"""The link to a worker against the ways in which a ComfyUI and the network between are known to fail."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mintmark.errors import (
    Canceled,
    MintmarkError,
    NodeFailed,
    Unauthorized,
    WorkerLost,
    WorkerRefused,
    WorkerUnreachable,
    WorkerWithoutPack,
)
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.orchestrator.link.events import NodeStarted, WorkerEvent
from mintmark.orchestrator.link.protocol import History, OutputFile
from mintmark.orchestrator.link.wire import AT_ONCE

from ..fake_comfy import FakeComfy

HEALTH = {
    "boot_id": "b",
    "kind": "comfyui",
    "pack_version": "0.1.0",
    "mode": "sandbox",
    "policy": "standard",
    "providers": [],
    "prompt_thread_alive": True,
}
GRAPH = {"1": {"class_type": "X", "inputs": {}}}


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with _limit(5):
        while not condition():
            await asyncio.sleep(0.005)


class _limit:  # noqa: N801 - reads as a statement
    """What asyncio.timeout is in newer Pythons, for tests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._timer = asyncio.get_running_loop().call_later(self._seconds, task.cancel)

    async def __aexit__(self, *exc: object) -> None:
        self._timer.cancel()


async def run(link: WorkerLink, job_id: str, heard: list[WorkerEvent] | None = None) -> History:
    """Submit and follow, as a job does."""
    told = heard if heard is not None else []
    async with link.listen() as listening:
        await link.submit(job_id, GRAPH, {})
        return await asyncio.wait_for(link.follow(job_id, listening, told.append), 60)


# -- what the worker is ---------------------------------------------------------------------------------------------


async def test_a_worker_with_the_pack_says_what_it_is(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.health = HEALTH
    assert (await link.health()).kind == "comfyui"


async def test_a_comfyui_without_the_pack_is_told_from_one_with_it(link: WorkerLink, comfy: FakeComfy) -> None:
    with pytest.raises(WorkerWithoutPack) as caught:
        await link.health()
    assert comfy.url in caught.value.message
    assert "custom_nodes" in caught.value.hint


async def test_a_server_that_is_no_comfyui_is_not_taken_for_one(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.speaks_comfy = False
    with pytest.raises(WorkerUnreachable, match="does not speak ComfyUI's protocol"):
        await link.health()


async def test_a_page_for_people_is_no_worker(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.health, comfy.speaks_comfy = "<html>", False
    with pytest.raises(WorkerUnreachable):
        await link.health()


async def test_a_pack_of_another_release_is_named_instead_of_crashing(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.health = {**HEALTH, "kind": "something newer"}
    with pytest.raises(WorkerWithoutPack, match="kind"):
        await link.health()


async def test_nobody_at_the_address_is_unreachable_and_named() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with WorkerLink(url) as link:
        with pytest.raises(WorkerUnreachable, match=url):
            await link.health()


@pytest.mark.parametrize("url", ["worker", "ftp://worker", "http://", "http://[::1", "http://127.0.0.1:99999"])
async def test_what_is_no_address_is_unreachable(url: str) -> None:
    async with WorkerLink(url) as link:
        with pytest.raises(WorkerUnreachable):
            await link.health()


async def test_however_many_requests_wait_a_worker_that_answers_is_seen_to_be_there() -> None:
    hanging, let_go, most = 0, asyncio.Event(), 0

    async def serve(request: web.Request) -> web.Response:
        nonlocal hanging, most
        if request.path == "/mintmark/worker":
            return web.json_response(HEALTH)
        hanging += 1
        most = max(most, hanging)
        await let_go.wait()
        hanging -= 1
        return web.json_response({"status": "pending"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    async with TestServer(app) as server, WorkerLink(str(server.make_url("/"))) as link:
        jobs = [asyncio.create_task(link.state(str(uuid.uuid4()))) for _ in range(300)]
        await soon(lambda: hanging == AT_ONCE)
        assert (await link.health()).boot_id == "b"
        let_go.set()
        assert set(await asyncio.gather(*jobs)) == {"pending"}
        assert most == AT_ONCE, "what waits, waits with us"


async def test_the_token_opens_the_worker_and_a_wrong_one_does_not(comfy: FakeComfy) -> None:
    comfy.health, comfy.token = HEALTH, "right-token"
    async with WorkerLink(comfy.url, token="right-token") as link:
        assert (await link.health()).boot_id == "b"
    async with WorkerLink(comfy.url, token="wrong-token") as link:
        with pytest.raises(Unauthorized) as caught:
            await link.health()
    assert "wrong-token" not in str(caught.value)


class Guarded(FakeComfy):
    """Behind a proxy that wants a name and a password."""

    async def _health(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Basic bWlhOmh1bnRlcjJAaHVudGVyMg==":
            return web.Response(status=401)
        return await super()._health(request)


async def test_a_password_in_the_address_is_sent_and_never_shown() -> None:
    async with Guarded() as comfy:
        comfy.health = HEALTH
        async with WorkerLink(comfy.url.replace("://", "://mia:hunter2%40hunter2@")) as link:
            assert (await link.health()).kind == "comfyui"
            assert link.url == comfy.url
    async with WorkerLink("http://mia:hunter2@127.0.0.1:1", lost_s=0.01) as link:
        with pytest.raises(WorkerUnreachable) as caught:
            await link.health()
    assert "hunter2" not in str(caught.value) and "127.0.0.1:1" in str(caught.value)


# -- submitting -----------------------------------------------------------------------------------------------------


async def test_a_prompt_is_posted_once_however_often_it_is_submitted(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    await link.submit(job_id, GRAPH, {})
    await link.submit(job_id, GRAPH, {})
    comfy.finish(job_id)
    await link.submit(job_id, GRAPH, {})
    assert comfy.posted == [job_id]


async def test_a_5xx_after_the_prompt_was_queued_is_a_success(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    async def queue_and_break(fake: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        fake.finish(body["prompt_id"])
        return web.Response(status=500, text="Internal Server Error")

    comfy.on_prompt = queue_and_break
    assert (await run(link, job_id)).status == "success"
    assert comfy.posted == [job_id]


async def test_a_5xx_before_it_was_queued_is_a_refusal(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    async def fail(fake: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=500, text="out of memory")

    comfy.on_prompt = fail
    with pytest.raises(WorkerRefused, match="HTTP 500"):
        await link.submit(job_id, GRAPH, {})


def dropping(*, queued: bool) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def drop(fake: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if queued:
            fake.state[body["prompt_id"]] = "pending"
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return drop


async def test_a_connection_cut_after_the_post_is_not_posted_again(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.on_prompt = dropping(queued=True)
    await link.submit(job_id, GRAPH, {})
    assert comfy.posted == [job_id]


async def test_a_connection_cut_before_the_worker_took_it_is_an_error(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.on_prompt = dropping(queued=False)
    with pytest.raises(WorkerUnreachable):
        await link.submit(job_id, GRAPH, {})


async def test_a_half_accepted_graph_is_canceled_and_refused(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    async def accept_half(fake: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        fake.state[body["prompt_id"]] = "pending"
        wrong = {"class_type": "Save", "errors": [{"message": "Value not in list", "details": "x"}]}
        return web.json_response({"prompt_id": body["prompt_id"], "node_errors": {"9": wrong}})

    comfy.on_prompt = accept_half
    with pytest.raises(WorkerRefused, match=r"Save \(node 9\)"):
        await link.submit(job_id, GRAPH, {})
    assert comfy.canceled == [job_id]


async def test_a_worker_that_cannot_say_how_a_job_stands_is_not_posted_to(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.jobs_status = 500
    with pytest.raises(WorkerUnreachable, match="HTTP 500"):
        await link.submit(job_id, GRAPH, {})
    assert comfy.posted == []


# -- following ------------------------------------------------------------------------------------------------------


async def test_what_happens_is_heard_and_the_history_tells_the_end(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    heard: list[WorkerEvent] = []
    task = asyncio.create_task(run(link, job_id, heard))
    await soon(lambda: job_id in comfy.posted)
    await comfy.tell("executing", node="1", prompt_id=job_id)
    await comfy.tell("executing", node="9", prompt_id="another")
    await soon(lambda: bool(heard))
    comfy.finish(job_id, ["execution_success", {}])
    await comfy.tell("execution_success", prompt_id=job_id)
    assert (await task).status == "success"
    assert heard[0] == NodeStarted("1")
    assert NodeStarted("9") not in heard


async def test_a_deaf_socket_only_costs_time(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    heard: list[WorkerEvent] = []
    task = asyncio.create_task(run(link, job_id, heard))
    await soon(lambda: job_id in comfy.looked_up)
    comfy.finish(job_id)
    assert (await task).status == "success"
    assert heard == []


async def test_a_socket_that_never_opens_only_costs_time(job_id: str) -> None:
    async with FakeComfy() as comfy, WorkerLink(comfy.url, poll_s=0.02) as link:
        listening = link.listen()
        task = asyncio.create_task(_without_socket(link, listening, job_id))
        await soon(lambda: job_id in comfy.posted)
        comfy.finish(job_id)
        assert (await task).status == "success"


async def _without_socket(link: WorkerLink, listening: Any, job_id: str) -> History:
    # Not entered: as if every attempt to connect failed.
    await link.submit(job_id, GRAPH, {})
    return await link.follow(job_id, listening, lambda event: None)


async def test_a_socket_closed_in_the_middle_is_opened_again_and_goes_on(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    heard: list[WorkerEvent] = []
    task = asyncio.create_task(run(link, job_id, heard))
    await soon(lambda: comfy.sockets_opened == 1 and job_id in comfy.posted)
    await comfy.sockets[0].close()
    await soon(lambda: comfy.sockets_opened == 2)
    assert comfy.sockets[0].closed
    await comfy.tell("executing", node="1", prompt_id=job_id)
    await soon(lambda: bool(heard))
    comfy.finish(job_id)
    assert (await task).status == "success"


async def test_other_peoples_chatter_does_not_hide_the_end(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    comfy.finish(job_id)

    async def chatter() -> None:
        while True:
            await comfy.tell("crystools.monitor", cpu=1)
            await asyncio.sleep(0.001)

    talking = asyncio.create_task(chatter())
    try:
        assert (await asyncio.wait_for(task, 60)).status == "success"
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


async def test_an_end_that_is_told_too_early_is_waited_for(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    await comfy.tell("executing", node=None, prompt_id=job_id)
    await comfy.tell("executing", node=None, prompt_id=job_id)
    before = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > before)
    assert not task.done()
    comfy.finish(job_id)
    assert (await task).status == "success"


async def test_a_worker_that_was_restarted_has_lost_the_job(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    comfy.forget(job_id)
    with pytest.raises(WorkerLost, match="restarted"):
        await task
    assert comfy.posted == [job_id]


async def test_a_job_between_queue_and_history_is_not_lost(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    comfy.forget(job_id)
    seen = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > seen)
    comfy.finish(job_id)
    assert (await task).status == "success"


async def test_a_worker_that_stops_answering_is_lost_after_a_while(job_id: str) -> None:
    comfy = FakeComfy()
    async with comfy:
        link = WorkerLink(comfy.url, poll_s=0.02, lost_s=0.3)
        async with link:
            task = asyncio.create_task(run(link, job_id))
            await soon(lambda: job_id in comfy.looked_up and job_id in comfy.posted)
            await comfy.__aexit__()
            with pytest.raises(WorkerLost, match=r"has not answered for 0\.3 s"):
                await task


async def test_a_worker_that_breaks_for_a_moment_is_waited_for(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    comfy.jobs_status = 503
    before = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > before + 1)
    comfy.jobs_status = 200
    comfy.finish(job_id)
    assert (await task).status == "success"


async def test_the_end_names_the_node_that_failed(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    failed = {
        "exception_type": "torch.OutOfMemoryError",
        "exception_message": "Allocation on device",
        "node_type": "KSampler",
        "node_id": "3",
    }
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    comfy.finish(job_id, ["execution_error", failed])
    found = await task
    assert isinstance(found.error, NodeFailed)
    assert "KSampler (node 3)" in found.error.message


async def test_a_job_stopped_by_somebody_else_is_canceled(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    comfy.finish(job_id, ["execution_interrupted", {"node_id": "1"}])
    assert isinstance((await task).error, Canceled)


# -- files ----------------------------------------------------------------------------------------------------------


async def test_a_file_comes_home_whole(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.files["a b&c.png"] = data = bytes(range(256)) * 5000
    assert await link.fetch(OutputFile("a b&c.png", "", "output", "5", "images")) == data


async def test_a_file_that_is_gone_is_named(link: WorkerLink) -> None:
    with pytest.raises(WorkerLost, match=r"gone\.png"):
        await link.fetch(OutputFile("gone.png", "", "output", "5", "images"))


async def test_a_route_that_fails_without_a_word_of_ours_is_our_error(link: WorkerLink) -> None:
    with pytest.raises(MintmarkError) as caught:
        await link.report("no-such-route")
    assert caught.value.code == "internal_error"
