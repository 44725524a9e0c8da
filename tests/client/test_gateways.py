"""What stands before the service, limits and broken lines are waited for, not told as the end of a job."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from mintmark.client import Client, Output, transport
from mintmark.errors import ServiceUnreachable, UnknownJob, WaitedTooLong, WrongState

from .scripted import BUSY, GATEWAY, NO_JSON, STOPPING, Said, Scripted, events, job

JOB, EVENTS, CANCEL = "/v1/jobs/j", "/v1/jobs/j/events", "/v1/jobs/j/cancel"


@pytest.fixture
async def client(service: Scripted, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(transport, "_MOST_PAUSE_S", 0.01)
    async with Client(service.url) as opened:
        yield opened


@pytest.mark.parametrize("trouble", [GATEWAY, BUSY, STOPPING, NO_JSON], ids=["gateway", "busy", "stopping", "no JSON"])
async def test_waiting_goes_on_over_what_passes(service: Scripted, client: Client, trouble: Said) -> None:
    service.says(EVENTS, trouble, trouble, events("queued", "succeeded"))
    service.says(JOB, trouble, trouble, job())
    assert (await client.wait("j")).status == "succeeded"


async def test_waiting_with_a_time_ends_at_that_time_however_often_it_had_to_ask(
    service: Scripted, client: Client
) -> None:
    service.says(EVENTS, GATEWAY)
    service.says(JOB, GATEWAY)
    began = time.monotonic()
    with pytest.raises(WaitedTooLong):
        await client.wait("j", timeout_s=0.6)
    assert time.monotonic() - began >= 0.6
    assert len(service.heard[JOB]) > transport.TRIES


async def test_waiting_without_a_time_ends_where_nobody_answers_for_long(service: Scripted, client: Client) -> None:
    service.says(EVENTS, GATEWAY)
    service.says(JOB, GATEWAY)
    with pytest.raises(ServiceUnreachable, match="HTTP 502"):
        await client.wait("j")
    assert (len(service.heard[EVENTS]), len(service.heard[JOB])) == (transport.FOLLOWING, transport.TRIES)


async def test_a_stream_that_does_not_come_through_ends(service: Scripted, client: Client) -> None:
    service.says(EVENTS, GATEWAY)
    with pytest.raises(ServiceUnreachable, match="HTTP 502"):
        [update async for update in client.stream("j")]


async def test_a_job_is_waited_for_where_no_stream_comes_through(service: Scripted, client: Client) -> None:
    service.says(EVENTS, NO_JSON)
    service.says(JOB, job("running"), job())
    assert (await client.wait("j")).status == "succeeded"


async def test_an_error_that_does_not_pass_is_told_at_once(service: Scripted, client: Client) -> None:
    unknown = Said(404, b'{"code": "unknown_job", "detail": "There is none."}')
    service.says(EVENTS, unknown)
    service.says(JOB, unknown)
    with pytest.raises(UnknownJob):
        await client.wait("j", timeout_s=30)
    assert (len(service.heard[EVENTS]), len(service.heard[JOB])) == (1, 1)


async def test_when_to_come_again_is_heeded(service: Scripted, client: Client) -> None:
    service.says(JOB, Said(503, headers={"Retry-After": "1"}), job())
    began = time.monotonic()
    await client.job("j")
    assert time.monotonic() - began >= 1


async def test_a_stream_that_broke_in_the_middle_of_an_event_tells_it_once(service: Scripted, client: Client) -> None:
    service.says(EVENTS, events("queued", rest=b'id: 2\nevent: claimed\ndata: {"seq', cut=True))
    service.says(EVENTS, events("claimed", "succeeded", first=2))
    told = [(update.seq, update.kind, update.data) async for update in client.stream("j")]
    assert told == [(1, "queued", {}), (2, "claimed", {}), (3, "succeeded", {})]
    assert service.heard[EVENTS][1][1]["Last-Event-ID"] == "1"


async def test_a_stream_that_just_ends_is_opened_again_while_the_job_is_not_over(
    service: Scripted, client: Client
) -> None:
    service.says(EVENTS, events("queued"), events(), events("succeeded", first=2))
    service.says(JOB, job("queued"))
    assert [update.kind async for update in client.stream("j")] == ["queued", "succeeded"]


async def test_a_stream_from_after_the_last_event_has_none(service: Scripted, client: Client) -> None:
    service.says(EVENTS, events())
    service.says(JOB, job())
    assert [update async for update in client.stream("j", after=9)] == []


async def test_a_file_that_broke_off_is_fetched_again(service: Scripted, client: Client) -> None:
    service.says("/files/x", Said(503), Said(200, b"half", cut=True), BUSY, Said(200, b"half and half"))
    output = Output(image_url=f"{service.url}/files/x", sha256="a" * 64)
    assert await client.download(output) == b"half and half"


async def test_an_answer_that_is_no_json_is_told_as_not_ours(service: Scripted, client: Client) -> None:
    service.says(JOB, NO_JSON)
    with pytest.raises(ServiceUnreachable, match="no JSON"):
        await client.job("j")


async def test_canceling_what_an_earlier_sending_canceled_is_a_success(service: Scripted, client: Client) -> None:
    service.says(CANCEL, Said(409, b'{"code": "wrong_state", "detail": "It is over."}'))
    service.says(JOB, job("canceled"), job("succeeded"))
    assert (await client.cancel("j")).status == "canceled"
    with pytest.raises(WrongState):
        await client.cancel("j")
