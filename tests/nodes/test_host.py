"""Waiting for hosted work from a thread of its own, as ComfyUI runs nodes: interruption, failure, late clean-up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from mintmark.errors import Canceled, ProviderDown
from mintmark.nodes import host

IN_TIME_S = 5.0


class Interrupted(Exception):
    """What this host raises in an interrupted node."""


class TwoLoops:
    """A host as ComfyUI is one: its server's loop runs in another thread than the nodes do."""

    kind = "comfyui"

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.flag = threading.Event()
        self._thread = threading.Thread(target=self.loop.run_forever, name="server")
        self._thread.start()

    def interrupted(self) -> bool:
        return self.flag.is_set()

    def stop_node(self) -> None:
        if self.flag.is_set():
            self.flag.clear()  # as ComfyUI does: only the first node that looks is told
            raise Interrupted

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(IN_TIME_S)
        self.loop.close()


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoLoops]:
    made = TwoLoops()
    monkeypatch.setattr(host, "_host", made)
    monkeypatch.setattr(host, "POLL_S", 0.01)
    yield made
    made.close()


class Work:
    """Work that waits until it is let go, and tells how it ended."""

    def __init__(self, clean_up: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        self.started = threading.Event()
        self.canceled = threading.Event()
        self.cleaned = threading.Event()
        self._clean_up = clean_up

    async def __call__(self) -> str:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.canceled.set()
            if self._clean_up:
                await self._clean_up()
            self.cleaned.set()
            raise
        return "never"


async def begun(work: Work) -> None:
    assert await asyncio.to_thread(work.started.wait, IN_TIME_S)


async def test_work_runs_in_the_hosts_loop_and_its_result_comes_back(two: TwoLoops) -> None:
    async def which() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert await host.run(which()) is two.loop


async def test_an_error_comes_back_as_it_was(two: TwoLoops) -> None:
    async def fail() -> None:
        raise ProviderDown("It is down.", provider="fal", charged="no")

    with pytest.raises(ProviderDown):
        await host.run(fail())


async def test_an_interruption_cancels_the_work_and_waits_for_its_cleaning_up(two: TwoLoops) -> None:
    async def slowly() -> None:
        await asyncio.sleep(0.05)

    work = Work(slowly)
    node = asyncio.create_task(host.run(work()))
    await begun(work)
    two.flag.set()
    with pytest.raises(Interrupted):
        await node
    assert work.cleaned.is_set()


async def test_control_comes_back_though_cleaning_up_hangs(two: TwoLoops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "CLEAN_UP_S", 0.05)
    let_go = asyncio.Event()
    work = Work(let_go.wait)  # type: ignore[arg-type]
    node = asyncio.create_task(host.run(work()))
    await begun(work)
    two.flag.set()
    with pytest.raises(Interrupted):
        await node
    assert work.canceled.is_set()
    assert not work.cleaned.is_set()
    two.loop.call_soon_threadsafe(let_go.set)
    assert await asyncio.to_thread(work.cleaned.wait, IN_TIME_S), "it still ends what it began"


async def test_a_node_that_is_canceled_with_its_prompt_takes_its_work_along(two: TwoLoops) -> None:
    async def slowly() -> None:
        await asyncio.sleep(0.05)

    work = Work(slowly)
    node = asyncio.create_task(host.run(work()))
    await begun(work)
    node.cancel()
    with pytest.raises(asyncio.CancelledError):
        await node
    assert work.cleaned.is_set()


async def test_work_that_was_done_all_the_same_is_not_thrown_away(two: TwoLoops) -> None:
    started = threading.Event()

    async def stubborn() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "paid for"
        return "never"

    node = asyncio.create_task(host.run(stubborn()))
    assert await asyncio.to_thread(started.wait, IN_TIME_S)
    two.flag.set()
    assert await node == "paid for"
    assert two.interrupted(), "the host ends the prompt before its next node"


async def test_work_that_fails_while_it_is_stopped_counts_as_interrupted(two: TwoLoops) -> None:
    async def fail() -> None:
        raise ProviderDown("It is down.", provider="fal", charged="no")

    work = Work(fail)
    node = asyncio.create_task(host.run(work()))
    await begun(work)
    two.flag.set()
    with pytest.raises(Interrupted):
        await node


async def test_work_canceled_by_nobody_here_is_an_error_with_a_code(two: TwoLoops) -> None:
    async def gone() -> None:
        raise asyncio.CancelledError

    with pytest.raises(Canceled):
        await host.run(gone())


@pytest.mark.parametrize("body", [{}, {"prompt": None}, {"prompt": [1]}, {"prompt": {"1": 2}}])
def test_what_is_no_graph_is_left_to_comfyui(body: dict[str, Any]) -> None:
    assert host.without_is_changed(dict(body)) == body
