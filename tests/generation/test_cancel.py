"""A job may be stopped at any moment. Then nothing is left open, and the books are still the provider's."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import AllowanceExhausted
from mintmark.generation import caller
from mintmark.generation.surely import surely
from mintmark.sandbox import Sandbox

from .lab import MINI, ONE_BY_ONE, SCHNELL, Lab, open_lab

FLUX, PRO = "bfl/flux-2-pro", "replicate/flux-1.1-pro"
"""Of a provider that cannot stop what it has begun, and of one that holds its answer back."""
WRITES = ("hold", "begin", "move", "note", "store", "drop", "forget_unknown")


class Stopper:
    """Cancels a task at the n-th moment: before or after each write of the journal, and at each request sent."""

    def __init__(self, lab: Lab, at: int) -> None:
        self.lab, self.at, self.seen = lab, at, 0
        self.loop = asyncio.get_running_loop()
        self.task: asyncio.Task[Any] | None = None
        for name in WRITES:
            setattr(lab.engine.journal, name, partial(self._write, getattr(lab.engine.journal, name)))
        self._send = lab.engine._http._once
        lab.engine._http._once = self._once  # type: ignore[method-assign]

    def moment(self) -> None:
        self.seen += 1
        if self.seen == self.at and self.task is not None:
            self.loop.call_soon_threadsafe(self.task.cancel)

    def _write(self, method: Callable[..., Any], *values: Any, **named: Any) -> Any:
        self.moment()
        # A moment for the loop, so that the cancellation is there while the write is under way.
        threading.Event().wait(0.002)
        try:
            return method(*values, **named)
        finally:
            self.moment()

    async def _once(self, *values: Any, **named: Any) -> Any:
        self.moment()
        await asyncio.sleep(0)
        try:
            return await self._send(*values, **named)
        finally:
            self.moment()

    async def run(self, work: Any) -> bool:
        """Whether it was stopped."""
        self.task = asyncio.ensure_future(work)
        await asyncio.wait([self.task])
        return self.task.cancelled()


@pytest.mark.parametrize(("model", "count"), [(SCHNELL, 1), (MINI, 1), (ONE_BY_ONE, 2), (FLUX, 1), (PRO, 1)])
async def test_wherever_it_is_stopped_the_books_are_even(tmp_path: Path, model: str, count: int) -> None:
    stopped, at = 0, 1
    async with Sandbox(latency_s=0.01) as sandbox:
        while True:
            async with open_lab(tmp_path / str(at), sandbox) as lab:
                job = lab.by_hand()
                stopper = Stopper(lab, at)
                canceled = await stopper.run(lab.generate(job, model, count=count, seed=at))
                assert set(lab.states()) <= {"settled", "released", "unknown"}, f"moment {at}: {lab.states()}"
                # A submission's answer is awaited, so its call has a name to ask by; only one that is the image is not.
                assert model == MINI or "unknown" not in lab.states(), f"moment {at}"
                await check_books(lab)
                if not canceled and stopper.seen < at:
                    break
                stopped += canceled
            at += 1
    assert stopped > 10


async def check_books(lab: Lab) -> None:
    """Of a sandbox that others use too: our calls are settled at what was billed, and nothing stays set aside."""
    lab.engine.books.catch_up()
    totals = lab.engine.ledger.totals()
    billed = {line["request_id"]: line["microusd"] for line in await lab.bill()}
    ours = lab.calls()
    assert totals.settled_microusd == sum(billed[call.request_id or ""] for call in ours if call.state == "settled")
    assert totals.unknown_microusd == sum(call.hold_microusd for call in ours if call.state == "unknown")
    assert totals.set_aside_microusd == 0
    for call in ours:
        if call.state == "released":
            assert call.request_id not in billed, "released, and billed"
    named = {line["client_request_id"] for line in await lab.bill()}
    assert {call.call_id for call in ours if call.state == "released"}.isdisjoint(named)


async def test_a_stopped_job_that_runs_again_asks_nothing_twice(tmp_path: Path) -> None:
    async with Sandbox(latency_s=0.05) as sandbox, open_lab(tmp_path, sandbox) as lab:
        job = lab.job()
        task = asyncio.ensure_future(lab.generate(job))
        while "accepted" not in lab.states():
            await asyncio.sleep(0.002)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        made = await lab.generate(job)
        assert len(made.pictures) == 1
        await lab.balanced()
        assert len(await lab.bill()) == 1


async def test_a_call_too_late_to_stop_is_settled_and_not_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox(latency_s=0) as sandbox, open_lab(tmp_path, sandbox) as lab:
        provider: Any = lab.engine.provider("fal")
        waiting = asyncio.Event()
        real = provider._wait

        async def forever(accepted: Any, *_: Any) -> Any:
            await asyncio.sleep(0.05)
            monkeypatch.setattr(provider, "_wait", real)
            waiting.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(provider, "_wait", forever)
        job = lab.job()
        task = asyncio.ensure_future(lab.generate(job))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lab.states() == ["settled"]
        settled, unknown = await lab.balanced()
        assert settled > unknown == 0
        assert len((await lab.generate(job)).pictures) == 1
        assert await lab.asked() == 1


@asynccontextmanager
async def canceled_early(folder: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    """A call that its provider goes on with, and whose canceling job has waited long enough."""
    monkeypatch.setattr(caller, "CANCEL_PATIENCE_S", 0.0)
    async with open_lab(folder, sandbox) as lab:
        skip = lab.engine._http.sleep

        async def sleep(seconds: float) -> None:
            """On a quick machine all the patience there is would be over before the provider is done."""
            await skip(seconds)
            await asyncio.sleep(0.002)

        monkeypatch.setattr(lab.engine._http, "sleep", sleep)
        task = asyncio.ensure_future(lab.generate(lab.by_hand(), FLUX))
        while "accepted" not in lab.states():
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lab.states() == ["accepted"], "nothing was decided yet, and control is back"
        yield lab


async def test_a_call_that_cannot_be_stopped_is_learned_of_behind_its_canceled_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox(latency_s=0.3) as sandbox, canceled_early(tmp_path, sandbox, monkeypatch) as lab:
        (call,) = lab.calls()
        provider = lab.engine.provider("bfl")
        assert await lab.engine.caller.join(provider, call) is not None, "who wants it after all waits for it"
        assert lab.states() == ["settled"]
        await check_books(lab)
        assert await lab.asked() == 1
        assert not lab.engine.caller._resuming


async def test_a_process_that_ends_does_not_wait_for_it_and_the_next_one_learns_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox(latency_s=0.3) as sandbox:
        async with canceled_early(tmp_path, sandbox, monkeypatch) as lab:
            pass
        async with open_lab(tmp_path, sandbox) as lab:
            while "accepted" in lab.states():
                await asyncio.sleep(0.002)
            assert lab.states() == ["settled"]
            await check_books(lab)
            assert await lab.asked() == 1


async def test_a_job_stopped_while_its_call_waits_to_be_asked_again_owes_nothing(tmp_path: Path) -> None:
    async with Sandbox(latency_s=0) as sandbox, open_lab(tmp_path, sandbox) as lab:
        fault = {"provider": "bfl", "kind": "status", "status": 429, "retry_after": 20, "method": "POST"}
        await lab.fail(fault)
        pausing = asyncio.Event()

        async def sleep(_: float) -> None:
            pausing.set()
            await asyncio.Event().wait()

        lab.engine._http.sleep = sleep
        task = asyncio.ensure_future(lab.generate(lab.by_hand(), FLUX))
        await pausing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lab.states() == ["released"]
        await check_books(lab)


@pytest.mark.parametrize(
    "model",
    [MINI, "google/gemini-3.1-flash-image", "stability/core", "ideogram/v3", "bedrock/sd3.5-large"],
)
async def test_an_answer_that_is_here_is_settled_whoever_is_canceled(lab: Lab, model: str) -> None:
    writing, loop, journal = asyncio.Event(), asyncio.get_running_loop(), lab.engine.journal
    real = journal.move

    def slow(call_id: str, state: Any, **facts: Any) -> Any:
        done = real(call_id, state, **facts)
        if state == "accepted":
            loop.call_soon_threadsafe(writing.set)
            threading.Event().wait(0.02)
        return done

    journal.move = slow  # type: ignore[method-assign]
    size = {} if model.startswith("ideogram") else {"width": 1024, "height": 1024}
    task = asyncio.ensure_future(lab.generate(lab.by_hand(), model, **{"width": None, "height": None, **size}))
    task.add_done_callback(lambda _: writing.set())
    await writing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lab.states() == ["settled"]
    assert (await lab.balanced())[0] > 0


# -- twins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [SCHNELL, MINI])
async def test_twins_in_one_process_ask_once_and_both_get_the_image(lab: Lab, model: str) -> None:
    job = lab.job()
    made = await asyncio.gather(*(lab.generate(job, model) for _ in range(5)))
    assert len({each.pictures[0].data for each in made}) == 1
    assert await lab.asked() == 1
    await lab.balanced()


@pytest.mark.parametrize("model", [SCHNELL, MINI])
async def test_twins_in_two_processes_ask_once_and_both_get_the_image(tmp_path: Path, model: str) -> None:
    async with (
        Sandbox(latency_s=0.05) as sandbox,
        open_lab(tmp_path, sandbox) as one,
        open_lab(tmp_path, sandbox) as two,
    ):
        job = one.job()
        made = await asyncio.gather(*(lab.generate(job, model) for lab in (one, two, one, two)))
        assert len({each.pictures[0].data for each in made}) == 1
        assert await one.asked() == 1
        await one.balanced()


async def test_the_twin_of_a_refused_call_asks_for_itself(lab: Lab) -> None:
    job = lab.job()
    await lab.fail({"provider": "fal", "kind": "status", "status": 400, "method": "POST", "path": "flux", "count": 1})
    made = await asyncio.gather(*(lab.generate(job) for _ in range(2)), return_exceptions=True)
    assert sorted(isinstance(each, BaseException) for each in made) == [False, True]
    assert sorted(lab.states()) == ["released", "settled"]
    await lab.balanced()


async def test_a_job_s_nodes_at_once_never_overspend_it(lab: Lab) -> None:
    job = lab.job(3000 * 5)
    made = await asyncio.gather(*(lab.generate(job, node=str(node)) for node in range(12)), return_exceptions=True)
    assert sum(isinstance(each, AllowanceExhausted) for each in made) == 7
    assert await lab.balanced() == (15_000, 0)


# -- waiting to the end ---------------------------------------------------------------------------------------------


async def test_a_write_is_over_before_its_cancellation_goes_on() -> None:
    begun, done = threading.Event(), []

    def write() -> str:
        begun.set()
        threading.Event().wait(0.05)
        done.append(True)
        return "written"

    task = asyncio.ensure_future(surely(write))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


async def test_what_a_canceled_write_raised_is_not_lost() -> None:
    begun = threading.Event()

    def write() -> None:
        begun.set()
        threading.Event().wait(0.02)
        raise OSError("no room")

    task = asyncio.ensure_future(surely(write))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    chain: BaseException | None = caught.value
    # Python 3.10 raises a cancellation of its own with ours as its context; later ones hand ours on.
    while chain is not None and not isinstance(chain, OSError):
        chain = chain.__cause__ or chain.__context__
    assert isinstance(chain, OSError)


async def test_without_a_cancellation_results_and_errors_come_as_they_are() -> None:
    assert await surely(int, "7") == 7
    with pytest.raises(ValueError):
        await surely(int, "seven")
