"""A job from its submission to its end: one socket for all, restarts that are known for one, workers that hang."""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import WorkerLost
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.orchestrator.link.events import NodeStarted, Preview, WorkerEvent
from mintmark.orchestrator.link.listening import MOST_FRAMES, MOST_WAITING
from mintmark.orchestrator.link.protocol import FEATURE_FLAGS, History
from mintmark.orchestrator.link.slots import RUNNER
from mintmark.orchestrator.link.watchdog import Watchdog

from ..fake_comfy import FakeComfy
from .test_client import GRAPH, HEALTH, soon

JPEG = b"\xff\xd8\xff picture"


async def run(
    link: WorkerLink, job_id: str, heard: list[WorkerEvent] | None = None, boot_id: str | None = None
) -> History:
    told = heard if heard is not None else []
    async with link.listen() as listening:
        await link.submit(job_id, GRAPH, {})
        return await asyncio.wait_for(link.follow(job_id, listening, told.append, boot_id=boot_id), 60)


def frame(job_id: str) -> bytes:
    head = json.dumps({"node_id": "3", "prompt_id": job_id, "image_type": "image/jpeg"}).encode()
    return struct.pack(">II", 4, len(head)) + head + JPEG


# -- one socket -----------------------------------------------------------------------------------------------------


async def test_the_first_word_of_a_socket_asks_for_previews_that_say_whose_they_are(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: bool(comfy.hellos) and job_id in comfy.posted)
    assert comfy.hellos == [FEATURE_FLAGS]
    await comfy.sockets[0].close()
    await soon(lambda: len(comfy.hellos) == 2)
    assert comfy.hellos[1] == FEATURE_FLAGS
    comfy.finish(job_id)
    await task


async def test_previews_come_in_the_same_stream_as_everything_else(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    heard: list[WorkerEvent] = []
    task = asyncio.create_task(run(link, job_id, heard))
    await soon(lambda: job_id in comfy.posted)
    await comfy.show(frame("another"))
    await comfy.tell("executing", node="3", prompt_id=job_id)
    await comfy.show(frame(job_id))
    await soon(lambda: len(heard) >= 2)
    comfy.finish(job_id)
    await task
    assert heard == [NodeStarted("3"), Preview("3", "image/jpeg", JPEG)]


async def test_all_jobs_of_a_link_share_one_socket_and_hear_their_own(comfy: FakeComfy, link: WorkerLink) -> None:
    jobs = [str(uuid.uuid4()) for _ in range(5)]
    heard: dict[str, list[WorkerEvent]] = {job: [] for job in jobs}
    tasks = [asyncio.create_task(run(link, job, heard[job])) for job in jobs]
    await soon(lambda: set(comfy.posted) == set(jobs))
    for number, job in enumerate(jobs):
        await comfy.tell("executing", node=str(number), prompt_id=job)
    await soon(lambda: all(heard.values()))
    for job in jobs:
        comfy.finish(job)
    await asyncio.gather(*tasks)
    assert [heard[job] for job in jobs] == [[NodeStarted(str(number))] for number in range(5)]
    assert (comfy.sockets_opened, comfy.most_at_once) == (1, 1)


async def test_one_job_after_another_never_has_two_sockets_open(comfy: FakeComfy, link: WorkerLink) -> None:
    for _ in range(3):
        listening = link.listen()
        await listening.__aenter__()
        # The last ear leaves and the next one comes before the socket has said its goodbye.
        leaving = asyncio.create_task(listening.__aexit__())
        await asyncio.sleep(0)
        async with link.listen():
            await leaving
    assert comfy.most_at_once == 1


async def test_an_ear_that_is_canceled_while_it_leaves_leaves_no_socket_behind(
    comfy: FakeComfy, link: WorkerLink
) -> None:
    listening = link.listen()
    await listening.__aenter__()
    leaving = asyncio.create_task(listening.__aexit__())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    async with link.listen() as again:
        await soon(lambda: comfy.sockets_opened == 2)
        await comfy.tell("status", status={})
        assert await again.next(5) is not None
    assert comfy.most_at_once == 1
    await soon(lambda: all(each.closed for each in comfy.sockets))


async def test_a_socket_without_a_word_after_the_prompt_was_posted_is_opened_anew(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.deaf = 1
    heard: list[WorkerEvent] = []
    task = asyncio.create_task(run(link, job_id, heard))
    await soon(lambda: comfy.sockets_opened == 2)
    assert comfy.sockets[0].closed
    assert link.deaf_in_a_row == 1
    await comfy.tell("executing", node="1", prompt_id=job_id)
    await soon(lambda: bool(heard))
    assert link.deaf_in_a_row == 0
    comfy.finish(job_id)
    await task
    assert comfy.most_at_once == 1
    assert comfy.posted == [job_id]


async def test_however_many_prompts_it_is_deaf_for_a_socket_counts_once(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.deaf = 1
    ids = [str(uuid.uuid4()) for _ in range(6)]
    tasks = [asyncio.create_task(run(link, each)) for each in ids]
    await soon(lambda: comfy.sockets_opened >= 2)
    for each in ids:
        comfy.finish(each)
    await asyncio.gather(*tasks)
    assert (link.deaf_in_a_row, comfy.sockets_opened) == (1, 2)


async def test_a_socket_that_came_back_after_the_prompt_was_posted_is_not_deaf(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    await comfy.sockets[0].close()
    await soon(lambda: comfy.sockets_opened == 2)
    looks = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > looks + 12)
    assert (link.deaf_in_a_row, comfy.sockets_opened) == (0, 2)
    comfy.finish(job_id)
    await task


async def test_a_socket_that_spoke_after_the_prompt_is_left_alone(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    task = asyncio.create_task(run(link, job_id))
    await soon(lambda: job_id in comfy.posted)
    looks = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > looks + 12)
    assert comfy.sockets_opened == 1
    comfy.finish(job_id)
    await task


async def test_after_a_reconnection_the_job_is_looked_up_at_once(comfy: FakeComfy, job_id: str) -> None:
    async with WorkerLink(comfy.url, poll_s=60.0) as link:
        task = asyncio.create_task(run(link, job_id))
        await soon(lambda: job_id in comfy.posted)
        comfy.finish(job_id)
        await comfy.sockets[0].close()
        assert (await asyncio.wait_for(task, 60)).status == "success"


# -- a restart ------------------------------------------------------------------------------------------------------


async def lost(comfy: FakeComfy, link: WorkerLink, job_id: str, boot_id: str | None) -> WorkerLost:
    task = asyncio.create_task(run(link, job_id, boot_id=boot_id))
    await soon(lambda: job_id in comfy.posted)
    comfy.forget(job_id)
    with pytest.raises(WorkerLost) as caught:
        await task
    return caught.value


async def test_another_boot_id_tells_a_restart_at_once(comfy: FakeComfy, job_id: str) -> None:
    comfy.health = {**HEALTH, "boot_id": "after"}
    async with WorkerLink(comfy.url, poll_s=1.0) as link:
        task = asyncio.create_task(run(link, job_id, boot_id="before"))
        await soon(lambda: job_id in comfy.posted)
        comfy.forget(job_id)
        await comfy.tell("crystools.monitor", cpu=1)
        began = asyncio.get_running_loop().time()
        with pytest.raises(WorkerLost, match="it was restarted") as caught:
            await task
        assert asyncio.get_running_loop().time() - began < 1.9, "one poll, and no second one to be sure"
    assert caught.value.data["restarted"] is True


async def test_a_job_that_is_gone_from_a_worker_that_was_not_restarted_was_taken_out(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.health = HEALTH
    error = await lost(comfy, link, job_id, HEALTH["boot_id"])  # type: ignore[arg-type]
    assert error.data["restarted"] is False
    assert "took it out" in error.message


async def test_without_the_pack_a_restart_is_inferred(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    error = await lost(comfy, link, job_id, "before")
    assert error.data["restarted"] is None
    assert "probably restarted" in error.message


async def test_a_restarted_worker_that_kept_its_queue_still_has_the_job(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.health = {**HEALTH, "boot_id": "after"}
    task = asyncio.create_task(run(link, job_id, boot_id="before"))
    await soon(lambda: job_id in comfy.posted)
    looks = len(comfy.looked_up)
    await soon(lambda: len(comfy.looked_up) > looks + 8)
    comfy.finish(job_id)
    assert (await task).status == "success"


# -- a worker that hangs --------------------------------------------------------------------------------------------


def test_what_changes_or_is_heard_is_not_stuck() -> None:
    dog = Watchdog(10.0, 0.0)
    dog.looked("pending", 9.0)
    dog.looked("in_progress", 18.0)
    dog.heard(27.0)
    dog.looked("in_progress", 36.0)
    assert not dog.stuck(36.9)
    assert dog.stuck(37.0)
    assert dog.quiet_s(37.0) == 10.0


async def test_a_dead_prompt_thread_is_named_while_the_job_waits(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.health = {**HEALTH, "prompt_thread_alive": False}
    with pytest.raises(WorkerLost, match="no longer runs prompts"):
        await run(link, job_id)


async def test_a_job_that_shows_no_progress_is_lost_with_its_node_named(comfy: FakeComfy, job_id: str) -> None:
    async with WorkerLink(comfy.url, poll_s=0.02, stuck_s=0.5) as link:
        task = asyncio.create_task(run(link, job_id))
        await soon(lambda: job_id in comfy.posted)
        comfy.state[job_id] = "in_progress"
        await comfy.tell("executing", node="7", prompt_id=job_id)
        with pytest.raises(WorkerLost, match=r"no progress.*node 7") as caught:
            await task
    assert "MINTMARK_STUCK_S" in caught.value.hint


async def test_a_long_node_that_tells_its_progress_is_not_stuck(comfy: FakeComfy, job_id: str) -> None:
    async with WorkerLink(comfy.url, poll_s=0.02, stuck_s=0.3) as link:
        task = asyncio.create_task(run(link, job_id))
        await soon(lambda: job_id in comfy.posted)
        comfy.state[job_id] = "in_progress"
        for step in range(20):
            await comfy.tell("progress", node="7", value=step, max=20, prompt_id=job_id)
            await asyncio.sleep(0.05)
        assert not task.done()
        comfy.finish(job_id)
        assert (await task).status == "success"


async def test_a_job_that_waits_behind_others_that_come_and_go_is_not_stuck(comfy: FakeComfy, job_id: str) -> None:
    async with WorkerLink(comfy.url, poll_s=0.02, stuck_s=0.5) as link:
        task = asyncio.create_task(run(link, job_id))
        await soon(lambda: job_id in comfy.posted)
        for number in range(12):
            comfy.running = [f"somebody else's {number}"]
            await asyncio.sleep(0.1)
        assert not task.done()
        with pytest.raises(WorkerLost, match="no progress"):
            await task


# -- room -----------------------------------------------------------------------------------------------------------


async def test_a_comfyui_that_has_two_prompts_of_others_is_waited_for(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.others = 2
    waiting = asyncio.create_task(link.wait_for_room(job_id))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    comfy.others = 1
    await asyncio.wait_for(waiting, 60)


async def test_a_job_the_worker_already_has_needs_no_room(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    comfy.others, comfy.state[job_id] = 9, "pending"
    await asyncio.wait_for(link.wait_for_room(job_id), 60)


async def test_a_queue_that_never_moves_is_not_waited_for_for_ever(comfy: FakeComfy, job_id: str) -> None:
    comfy.others = 2
    async with WorkerLink(comfy.url, poll_s=0.02, stuck_s=0.2) as link:
        with pytest.raises(WorkerLost, match="has not moved"):
            await asyncio.wait_for(link.wait_for_room(job_id), 60)


async def test_a_runner_takes_more_at_a_time_than_a_comfyui(comfy: FakeComfy, link: WorkerLink) -> None:
    comfy.health = HEALTH
    await link.health()
    assert link.gate.capacity == 2
    comfy.health = {**HEALTH, "kind": "runner"}
    await link.health()
    assert link.gate.capacity == RUNNER


async def test_what_is_posted_has_no_number_and_no_word_about_the_cache(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    graph: dict[str, Any] = {"1": {"class_type": "X", "inputs": {}, "is_changed": ["mine"]}}
    await link.submit(job_id, graph, {})
    (body,) = comfy.bodies
    assert body["prompt"] == GRAPH
    assert set(body) == {"prompt", "prompt_id", "client_id", "extra_data"}
    assert body["extra_data"] == {}


def preview_of(prompt_id: str) -> bytes:
    about = json.dumps({"node_id": "1", "prompt_id": prompt_id, "image_type": "image/jpeg"}).encode()
    return struct.pack(">II", 4, len(about)) + about + b"jpeg"


async def test_who_listens_to_one_prompt_hears_what_is_about_it_and_frames_without_a_name(link: WorkerLink) -> None:
    ears = link.listen("a"), link.listen("b"), link.listen()
    async with ears[0], ears[1], ears[2]:
        about_a = json.dumps({"type": "executing", "data": {"node": "1", "prompt_id": "a"}})
        for message in (about_a, '{"type": "status", "data": {}}', b"frame", preview_of("a")):
            link._socket._tell(message)
        heard = [[await ear.next(0.01) for _ in range(4)] for ear in ears]
    assert [about_a in each for each in heard] == [True, False, True]
    assert [b"frame" in each for each in heard] == [True, True, True]
    assert [preview_of("a") in each for each in heard] == [True, False, True]
    assert len([each for each in heard[1] if each is not None]) == 1


async def test_a_line_that_is_only_held_open_keeps_nothing(link: WorkerLink) -> None:
    line = link.hold()
    async with line:
        for message in ("{}", b"frame", preview_of("a"), None):
            link._socket._tell(message)
        assert await line.next(0.01) is None and not line._messages


async def test_what_a_job_does_not_read_is_bounded_and_it_looks_itself_up(link: WorkerLink) -> None:
    async with link.listen("a") as ear:
        for _ in range(MOST_FRAMES + 5):
            link._socket._tell(preview_of("a"))
        assert len(ear._messages) == MOST_FRAMES
        assert await ear.next(0.01) == preview_of("a")
        link._socket._tell(preview_of("a"))
        assert len(ear._messages) == MOST_FRAMES
        about_a = json.dumps({"type": "executing", "data": {"node": "1", "prompt_id": "a"}})
        for _ in range(MOST_WAITING - MOST_FRAMES + 2):
            link._socket._tell(about_a)
        assert list(ear._messages) == [None, about_a]


async def test_a_runner_that_ends_with_its_history_is_asked_for_nothing(comfy: FakeComfy, job_id: str) -> None:
    image = {"filename": "a.png", "subfolder": "", "type": "output"}

    async def end_it(comfy: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        entry = {"outputs": {"1": {"images": [image]}}, "status": {"messages": []}}
        whole = {"prompt_id": job_id, "entry": entry, "files": [{**image, "data": "cGljdHVyZQ=="}]}
        started = {"type": "executing", "data": {"node": "1", "prompt_id": job_id}}
        for socket in comfy.sockets:
            await socket.send_json([started, {"type": "mintmark.ended", "data": whole}])
        return web.json_response({"prompt_id": job_id, "number": 1, "node_errors": {}})

    comfy.on_prompt = end_it
    heard: list[WorkerEvent] = []
    async with WorkerLink(comfy.url, poll_s=30.0) as link, link.listen(job_id) as listening:
        await link.submit(job_id, GRAPH, {}, fresh=True)
        history = await asyncio.wait_for(link.follow(job_id, listening, heard.append), 60)
        assert await link.fetch(history.files[0]) == b"picture"
    assert isinstance(heard[0], NodeStarted)
    assert (comfy.looked_up, comfy.viewed) == ([], [])
