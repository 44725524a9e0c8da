"""Work that computes for seconds: in which thread it is done, and how it is stopped, in both kinds of host."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from mintmark.errors import OutOfMemory
from mintmark.nodes import host
from mintmark.nodes.host_computing import computed, is_unwanted

IN_TIME_S = 20.0
_told: ContextVar[str] = ContextVar("told", default="nothing")


class Interrupted(Exception):
    """What this host raises in an interrupted node."""


class Comfy(host.ComfyHost):
    """ComfyUI's host without ComfyUI: its server's loop in another thread, and its flag."""

    def __init__(self) -> None:
        self.own = asyncio.new_event_loop()
        self.flag = threading.Event()
        self._thread = threading.Thread(target=self.own.run_forever, name="server")
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.own

    def interrupted(self) -> bool:
        return self.flag.is_set()

    def stop_node(self) -> None:
        if self.flag.is_set():
            self.flag.clear()
            raise Interrupted

    def close(self) -> None:
        self.own.call_soon_threadsafe(self.own.stop)
        self._thread.join(IN_TIME_S)
        self.own.close()


@pytest.fixture
def comfy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Comfy]:
    made = Comfy()
    monkeypatch.setattr(host, "_host", made)
    monkeypatch.setattr(host, "POLL_S", 0.01)
    yield made
    made.close()


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def steps(comfy: Comfy | None, until: int, seen: list[int]) -> Callable[[], str]:
    """Work of a thousand steps, of which one sets the flag."""

    def work() -> str:
        for number in range(1000):
            host.stop_if_asked()
            seen.append(number)
            if number == until and comfy is not None:
                comfy.flag.set()
        return "all of it"

    return work


# -- in ComfyUI -------------------------------------------------------------------------------------------------------


async def test_work_for_a_node_is_done_in_the_nodes_own_thread_while_the_server_goes_on(comfy: Comfy) -> None:
    async def call() -> tuple[threading.Thread, threading.Thread, bool]:
        served = threading.Event()

        def work() -> tuple[threading.Thread, bool]:
            comfy.loop.call_soon_threadsafe(served.set)
            return threading.current_thread(), served.wait(IN_TIME_S)

        there, answers = await comfy.compute(work)
        return threading.current_thread(), there, answers

    server, there, answers = await host.run(call())
    assert server.name == "server"
    assert there is threading.current_thread()
    assert answers


async def test_work_knows_what_its_caller_knows(comfy: Comfy) -> None:
    async def call() -> str:
        _told.set("the executing node")
        return await comfy.compute(_told.get)

    assert await host.run(call()) == "the executing node"


async def test_an_interruption_ends_the_work_at_its_next_step_and_the_node_in_comfyuis_way(comfy: Comfy) -> None:
    seen: list[int] = []
    cleaned = threading.Event()

    async def call() -> str:
        try:
            return await comfy.compute(steps(comfy, 7, seen))
        except asyncio.CancelledError:
            cleaned.set()  # where a hold would be released
            raise

    with pytest.raises(Interrupted):
        await host.run(call())
    assert seen == list(range(8))
    assert cleaned.is_set()


async def test_a_node_that_computes_by_itself_is_interrupted_in_comfyuis_way_too(comfy: Comfy) -> None:
    seen: list[int] = []
    with pytest.raises(Interrupted):
        await comfy.compute(steps(comfy, 3, seen))
    assert seen == [0, 1, 2, 3]


async def test_a_node_that_computes_by_itself_does_so_in_its_thread(comfy: Comfy) -> None:
    assert await comfy.compute(threading.current_thread) is threading.current_thread()


async def test_the_servers_own_work_stalls_neither_the_server_nor_a_node(comfy: Comfy) -> None:
    there = asyncio.run_coroutine_threadsafe(comfy.compute(threading.current_thread), comfy.loop)
    found = await asyncio.wrap_future(there)
    assert found is not threading.current_thread() and found.name != "server"


async def test_what_the_work_raises_comes_to_its_caller(comfy: Comfy) -> None:
    def work() -> None:
        raise OutOfMemory("It does not fit.")

    async def call() -> None:
        await comfy.compute(work)

    with pytest.raises(OutOfMemory):
        await host.run(call())


async def test_the_loop_of_a_node_that_is_over_is_not_remembered(comfy: Comfy) -> None:
    async def nothing() -> None: ...

    async def one_node() -> None:
        await host.run(nothing())

    await asyncio.to_thread(asyncio.run, one_node())
    await host.run(nothing())
    assert await comfy.compute(threading.current_thread) is threading.current_thread()


# -- in a thread of its own, as in the runner -------------------------------------------------------------------------


async def test_canceling_ends_the_work_at_its_next_step_and_waits_for_that(thread: ThreadPoolExecutor) -> None:
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        while not is_unwanted():
            pass
        over.set()

    task = asyncio.create_task(computed(work, thread.submit))
    assert await asyncio.to_thread(begun.wait, IN_TIME_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert over.is_set(), "its memory is free by then"


async def test_canceling_again_does_not_leave_it_behind(thread: ThreadPoolExecutor) -> None:
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go_on.wait(IN_TIME_S)
        over.set()

    task = asyncio.create_task(computed(work, thread.submit))
    assert await asyncio.to_thread(begun.wait, IN_TIME_S)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert over.is_set()


async def test_what_is_canceled_before_its_turn_is_never_done(thread: ThreadPoolExecutor) -> None:
    go_on, done = threading.Event(), list[str]()
    first = asyncio.create_task(computed(lambda: go_on.wait(IN_TIME_S), thread.submit))
    second = asyncio.create_task(computed(lambda: done.append("second"), thread.submit))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not first.done(), "it did not wait for its turn either"
    go_on.set()
    assert await first
    await asyncio.get_running_loop().run_in_executor(thread, lambda: None)
    assert done == []


async def test_nobody_is_unwanted_outside(thread: ThreadPoolExecutor) -> None:
    assert not is_unwanted()
    assert await computed(is_unwanted, thread.submit) is False


async def test_gradients_are_off(thread: ThreadPoolExecutor) -> None:
    torch: Any = pytest.importorskip("torch", reason="not run: needs the extra local")
    assert await computed(torch.is_grad_enabled, thread.submit) is False
