"""Prompts over the socket: the same post as over HTTP, where the worker says that it takes them there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mintmark.errors import WorkerRefused
from mintmark.orchestrator.link import posting
from mintmark.orchestrator.link.client import WorkerLink

from ..fake_comfy import FakeComfy
from .test_client import GRAPH, soon


def taken(comfy: FakeComfy, body: dict[str, Any]) -> tuple[int, Any]:
    comfy.state[body["prompt_id"]] = "pending"
    return 200, {"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}}


@pytest.fixture
async def comfy() -> AsyncIterator[FakeComfy]:
    async with FakeComfy() as running:
        running.on_socket_prompt = taken
        yield running


async def submitted(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    async with link.listen(job_id):
        await soon(lambda: bool(comfy.hellos))
        await soon(lambda: link._socket.posts._taken or comfy.on_socket_prompt is None)
        await link.submit(job_id, GRAPH, {})


async def test_a_prompt_goes_over_the_socket_where_that_is_known(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    await submitted(comfy, link, job_id)
    assert (comfy.posted_on_socket, comfy.posted) == ([job_id], [])


async def test_a_comfyui_is_posted_to_as_ever(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    comfy.on_socket_prompt = None
    await submitted(comfy, link, job_id)
    assert (comfy.posted_on_socket, comfy.posted) == ([], [job_id])


async def test_a_prompt_that_is_too_long_for_a_socket_goes_over_http(
    comfy: FakeComfy, link: WorkerLink, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "MOST", 10)
    await submitted(comfy, link, job_id)
    assert (comfy.posted_on_socket, comfy.posted) == ([], [job_id])


async def test_a_refusal_over_the_socket_is_the_same_error(comfy: FakeComfy, link: WorkerLink, job_id: str) -> None:
    error = {"type": "invalid_prompt", "message": "Cannot do that", "details": ""}
    comfy.on_socket_prompt = lambda fake, body: (400, {"error": error, "node_errors": {}})
    with pytest.raises(WorkerRefused, match="Cannot do that"):
        await submitted(comfy, link, job_id)
    assert comfy.posted == []


async def test_a_socket_that_breaks_after_the_worker_took_the_prompt_does_not_post_it_again(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    def take_and_break(fake: FakeComfy, body: dict[str, Any]) -> None:
        taken(fake, body)

    comfy.on_socket_prompt = take_and_break
    await submitted(comfy, link, job_id)
    assert (comfy.posted_on_socket, comfy.posted) == ([job_id], [])


async def test_a_socket_that_breaks_before_has_it_posted_over_http(
    comfy: FakeComfy, link: WorkerLink, job_id: str
) -> None:
    comfy.on_socket_prompt = lambda fake, body: None
    await submitted(comfy, link, job_id)
    assert (comfy.posted_on_socket, comfy.posted) == ([job_id], [job_id])
