"""Leaving while a paid request is on its way: what it started is written down, and nothing is asked for nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import ProviderError, RateLimited, StorageError
from mintmark.metering.prices import Quantities
from mintmark.providers import submission
from mintmark.providers.base import Accepted, Answer, Provider, ResultImage
from mintmark.providers.bfl import Bfl
from mintmark.providers.fal import Fal
from mintmark.providers.firefly import Firefly
from mintmark.providers.http import HttpClient
from mintmark.providers.ideogram import Ideogram
from mintmark.providers.models import Catalog
from mintmark.providers.openai import OpenAI
from mintmark.providers.replicate import Replicate
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.providers.stability import Stability
from mintmark.providers.submission import Answered, Submission, watching
from mintmark.tests.providers.conftest import FakeTime, client, picture, serving

KEY = "any-0123456789:key-0123456789"
QUEUED: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "bfl": (Bfl, "bfl/flux-2-pro", {}),
    "fal": (Fal, "fal/flux-schnell", {}),
    "firefly": (Firefly, "firefly/image3", {}),
    "replicate": (Replicate, "replicate/flux-1.1-pro", {}),
    "stability": (Stability, "stability/upscale-creative", {"task": "upscale", "images": (picture(128, 96),)}),
}
"""Each names a call before its image is made."""
SYNC: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "stability at once": (Stability, "stability/sd3.5-large", {}),
    "openai": (OpenAI, "openai/gpt-image-2", {}),
    "ideogram": (Ideogram, "ideogram/v3", {}),
}
"""Answers with the image itself."""


@dataclass
class Vendor:
    """Answers the paid POST when ``answer`` is set; what else comes (a cancellation, a poll) at once."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[tuple[str, str]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        if request.path.endswith("/token/v3"):
            # Not what is paid for: Adobe gives tokens first.
            return web.json_response({"access_token": "eyJ-0123456789", "expires_in": 86_399})
        self.seen.append((request.method, request.path))
        base = f"http://{request.host}{request.path}/c-1"
        if request.method == "POST" and not request.path.endswith("/cancel"):
            self.asked.set()
            await self.answer.wait()
            return web.json_response(
                {
                    "id": "c-1",
                    "request_id": "c-1",
                    "status": "starting",
                    "polling_url": base,
                    **dict.fromkeys(("status_url", "response_url"), base),
                    "cancel_url": f"{base}/cancel",
                    "jobId": "c-1",
                    "statusUrl": base,
                    "cancelUrl": f"{base}/cancel",
                    "urls": {"get": base, "cancel": f"{base}/cancel"},
                },
                status=self.status,
                headers=self.headers,
            )
        return web.json_response({"id": "c-1", "status": "canceled", "error": "was canceled"})

    @property
    def paid(self) -> int:
        return sum(method == "POST" and not path.endswith("/cancel") for method, path in self.seen)

    @property
    def canceled(self) -> bool:
        return any(path.endswith("/cancel") for _, path in self.seen)


class Stopped(FakeTime):
    """A clock at which every pause is without end."""

    def __init__(self) -> None:
        super().__init__()
        self.pausing = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pausing.set()
        await asyncio.Event().wait()


@dataclass
class Asking:
    """A call under way."""

    vendor: Vendor
    task: asyncio.Task[Any]
    heard: list[str]
    refuses: list[Exception]

    async def ended(self) -> BaseException | None:
        """What the cancellation says became of the call."""
        # On the same task: that is where a caller sees it.
        return await self.task  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def asking(http: HttpClient, case: tuple[Any, str, dict[str, Any]], vendor: Vendor) -> AsyncIterator[Asking]:
    adapter, name, more = case
    heard: list[str] = []
    refuses: list[Exception] = []

    async def on_accepted(accepted: Accepted) -> None:
        heard.append(accepted.request_id)
        if refuses:
            raise refuses[0]

    async def until_canceled(provider: Provider) -> BaseException | None:
        model = Catalog.load().known(name)
        asked = {"task": "text-to-image", "model": name, "prompt": "a boat", **more}
        prepared = provider.prepare(model, GenerationRequest.model_validate(asked))
        try:
            await provider.ask(prepared, call_id="c", on_accepted=on_accepted)
        except asyncio.CancelledError as canceled:
            return canceled.__cause__
        raise AssertionError("it was not canceled")

    async with serving(vendor.serve) as url:
        provider = adapter.open(http, key=Secret(KEY), sandbox_url=url)
        task = asyncio.create_task(until_canceled(provider))
        try:
            yield Asking(vendor, task, heard, refuses)
        finally:
            vendor.answer.set()
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.parametrize("case", QUEUED.values(), ids=QUEUED)
async def test_what_a_canceled_submission_started_is_written_down_and_stopped(http: HttpClient, case: Any) -> None:
    async with asking(http, case, Vendor()) as call:
        await call.vendor.asked.wait()
        call.task.cancel()
        await asyncio.sleep(0)
        call.vendor.answer.set()
        assert await call.ended() is None
        assert call.heard == ["c-1"]
        assert call.vendor.paid == 1
        assert call.vendor.canceled == (case[0] in (Fal, Firefly, Replicate)), "where the vendor can"


@pytest.mark.parametrize("retry_after", [{"Retry-After": "20"}, {}], ids=["told when", "not told"])
@pytest.mark.parametrize("case", [*QUEUED.values(), *SYNC.values()], ids=[*QUEUED, *SYNC])
async def test_what_waits_to_be_asked_again_is_not_asked_for_nobody(case: Any, retry_after: dict[str, str]) -> None:
    time, vendor = Stopped(), Vendor(429, retry_after)
    vendor.answer.set()
    async with client(time) as http, asking(http, case, vendor) as call:
        await time.pausing.wait()
        call.task.cancel()
        cause = await call.ended()
        assert isinstance(cause, ProviderError)
        assert cause.charged == "no"
        assert (vendor.paid, call.heard) == (1, [])


@pytest.mark.parametrize("case", QUEUED.values(), ids=QUEUED)
async def test_a_refusal_that_comes_while_leaving_is_believed_and_not_asked_again(http: HttpClient, case: Any) -> None:
    async with asking(http, case, Vendor(429, {"Retry-After": "1"})) as call:
        await call.vendor.asked.wait()
        call.task.cancel()
        await asyncio.sleep(0)
        call.vendor.answer.set()
        cause = await call.ended()
        assert isinstance(cause, RateLimited)
        assert cause.charged == "no"
        assert (call.vendor.paid, call.heard) == (1, [])


@pytest.mark.parametrize("case", QUEUED.values(), ids=QUEUED)
async def test_an_answer_that_does_not_come_is_not_waited_for_long(
    http: HttpClient, case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asyncio.wait

    async def impatient(tasks: Any, *, timeout: float | None = None, **more: Any) -> Any:
        assert timeout in (None, submission.PATIENCE_S)
        return await real(tasks, timeout=None if timeout is None else 0.01, **more)

    async with asking(http, case, Vendor()) as call:
        await call.vendor.asked.wait()
        monkeypatch.setattr(submission.asyncio, "wait", impatient)
        call.task.cancel()
        assert await call.ended() is None, "nobody knows what became of it"
        monkeypatch.undo()
        assert call.heard == []


@pytest.mark.parametrize("case", SYNC.values(), ids=SYNC)
async def test_an_image_that_is_made_at_once_is_not_waited_for(http: HttpClient, case: Any) -> None:
    async with asking(http, case, Vendor()) as call:
        await call.vendor.asked.wait()
        call.task.cancel()
        assert await call.ended() is None
        assert not call.vendor.answer.is_set()


async def test_who_is_canceled_twice_leaves_at_once(http: HttpClient) -> None:
    async with asking(http, QUEUED["bfl"], Vendor()) as call:
        await call.vendor.asked.wait()
        call.task.cancel()
        await asyncio.sleep(0.01)
        call.task.cancel()
        assert await call.ended() is None
        assert not call.vendor.answer.is_set()
        assert call.heard == []


async def test_a_journal_that_cannot_write_keeps_nobody_from_leaving(http: HttpClient) -> None:
    async with asking(http, QUEUED["bfl"], Vendor()) as call:
        call.refuses.append(StorageError("The disk is full."))
        await call.vendor.asked.wait()
        call.task.cancel()
        await asyncio.sleep(0)
        call.vendor.answer.set()
        assert await call.ended() is None
        assert call.heard == ["c-1"]


# -- answers that are here -------------------------------------------------------------------------------------------


ANSWER = Answer(request_id="r-1", images=(ResultImage(data=b"x"),), usage=Quantities())


async def at_once(heard: Callable[[Accepted], Awaitable[None]], work: Awaitable[Answer]) -> BaseException | None:
    """Makes such a call; what its cancellation says became of it, and None where it was not canceled."""

    async def made() -> Answer:
        return await work

    made_by = Submission()
    made_by.asked = True
    try:
        await made_by.at_once(made(), provider="acme", on_accepted=heard)
    except asyncio.CancelledError as canceled:
        return canceled.__cause__
    return None


async def test_an_answer_that_is_here_when_we_are_canceled_is_handed_on() -> None:
    writing = asyncio.Event()

    async def on_accepted(accepted: Accepted) -> None:
        assert accepted == Accepted(request_id="r-1", handle={})
        writing.set()
        await asyncio.sleep(60)

    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(at_once(on_accepted, answer))
    answer.set_result(ANSWER)
    await writing.wait()
    task.cancel()
    cause = await task
    assert isinstance(cause, Answered) and cause.answer is ANSWER


async def test_an_answer_that_came_in_the_moment_of_the_cancellation_is_handed_on() -> None:
    async def on_accepted(_: Accepted) -> None:
        raise AssertionError("it was canceled before")

    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(at_once(on_accepted, answer))
    await asyncio.sleep(0.01)
    answer.set_result(ANSWER)
    await asyncio.sleep(0)
    task.cancel()
    cause = await task
    assert isinstance(cause, Answered) and cause.answer is ANSWER


async def test_a_reply_that_is_being_read_is_read_to_its_end() -> None:
    sent = Submission()
    reading = asyncio.Event()

    async def work() -> Answer:
        sent.asked = sent.replied = True
        reading.set()
        await asyncio.sleep(0.05)
        return ANSWER

    async def make() -> BaseException | None:
        try:
            await sent.at_once(work(), provider="acme", on_accepted=ignore)
        except asyncio.CancelledError as canceled:
            return canceled.__cause__
        return None

    task = asyncio.create_task(make())
    await reading.wait()
    task.cancel()
    assert isinstance(await task, Answered)


async def ignore(_: Accepted) -> None:
    """An ``on_accepted`` that writes nothing down."""


def test_who_watches_knows_whether_anything_may_have_left() -> None:
    with watching() as watch:
        assert not watch.may_have_left
        first, second = Submission(), Submission()
        assert not watch.may_have_left
        second.asked = True
        assert watch.may_have_left
    later = Submission()
    later.asked, second.asked = True, False
    assert not watch.may_have_left
    assert not first.asked
