"""A process that ends while its jobs go on: what was accepted is left to the next one, and nothing is asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.sandbox import Sandbox

from .lab import SCHNELL, Lab, open_lab

QUEUED = [SCHNELL, "bfl/flux-2-pro"]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


async def canceled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def goes_on(folder: Path, sandbox: Sandbox, job: Any, model: str = SCHNELL) -> None:
    """The next process has the image, for which the provider was asked once."""
    async with open_lab(folder, sandbox) as lab:
        lab.engine.journal.open_job(job)
        made = await lab.generate(job, model)
        assert len(made.pictures) == 1
        assert await lab.asked() == len(await lab.bill()) == 1
        assert lab.states() == ["settled"]
        await lab.balanced()


@pytest.mark.parametrize("model", QUEUED)
async def test_a_call_that_was_accepted_goes_on_though_its_process_ends(tmp_path: Path, model: str) -> None:
    async with Sandbox(latency_s=0.3) as sandbox:
        async with open_lab(tmp_path, sandbox) as lab:
            job = lab.job()
            task = asyncio.ensure_future(lab.generate(job, model))
            await until(lambda: "accepted" in lab.states())
            await lab.engine.caller.leave(by_hand=False)
            await canceled(task)
            assert lab.states() == ["accepted"]
        await goes_on(tmp_path, sandbox, job, model)


class Held:
    """An HTTP client to which fal's answers come once ``let_go`` is set."""

    def __init__(self, lab: Lab) -> None:
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        self._real = lab.engine._http._once
        lab.engine._http._once = self._once  # type: ignore[method-assign]

    async def _once(self, *values: Any, **named: Any) -> Any:
        reply = await self._real(*values, **named)
        if any("/fal/" in str(each) for each in values):
            self.asked.set()
            await self.let_go.wait()
        return reply


async def test_what_is_just_being_asked_gets_its_name_before_the_process_ends(tmp_path: Path) -> None:
    async with Sandbox(latency_s=0.3) as sandbox:
        async with open_lab(tmp_path, sandbox) as lab:
            held, job = Held(lab), lab.job()
            task = asyncio.ensure_future(lab.generate(job))
            await until(lambda: "asking" in lab.states())
            await held.asked.wait()
            leaving = asyncio.ensure_future(lab.engine.caller.leave(by_hand=False))
            done, _ = await asyncio.wait({leaving}, timeout=0.05)
            assert not done, "the answer is on its way"
            held.let_go.set()
            await leaving
            await canceled(task)
            assert lab.states() == ["accepted"]
        await goes_on(tmp_path, sandbox, job)


async def test_a_process_that_ends_asks_nothing_more(tmp_path: Path) -> None:
    async with Sandbox(latency_s=0) as sandbox:
        async with open_lab(tmp_path, sandbox) as lab:
            job = lab.job()
            await lab.engine.caller.leave(by_hand=False)
            with pytest.raises(asyncio.CancelledError):
                await lab.generate(job)
            assert lab.states() == ["released"]
            assert await lab.asked() == 0
        async with open_lab(tmp_path, sandbox) as lab:
            lab.engine.journal.open_job(job)
            await lab.generate(job)
            assert lab.states() == ["released", "settled"]
            assert await lab.asked() == 1


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_graph_run_by_hand_is_left_only_where_it_is_run_again(tmp_path: Path, by_hand: bool) -> None:
    async with Sandbox(latency_s=30) as sandbox, open_lab(tmp_path, sandbox) as lab:
        task = asyncio.ensure_future(lab.generate(lab.by_hand()))
        await until(lambda: "accepted" in lab.states())
        await lab.engine.caller.leave(by_hand=by_hand)
        await canceled(task)
        assert lab.states() == ["accepted" if by_hand else "released"]
        assert await lab.bill() == []


async def test_what_is_resumed_for_a_dead_process_is_left_too_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async with Sandbox(latency_s=0.5) as sandbox:
        async with open_lab(tmp_path, sandbox) as lab:
            job = lab.job()
            task = asyncio.ensure_future(lab.generate(job))
            await until(lambda: "accepted" in lab.states())
            await lab.engine.caller.leave(by_hand=False)
            await canceled(task)
        async with open_lab(tmp_path, sandbox) as lab:
            assert lab.engine.caller._resuming
            await lab.engine.caller.leave(by_hand=False)
        async with open_lab(tmp_path, sandbox) as lab:
            assert lab.states() == ["accepted"]
        await goes_on(tmp_path, sandbox, job)
