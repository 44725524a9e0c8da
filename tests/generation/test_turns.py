"""A call waits for its turn before it counts as asked, and one that never gets it costs nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mintmark.config import Settings
from mintmark.errors import BadSetting, ProviderDown
from mintmark.generation.engine import Engine
from mintmark.providers.turns import FAILURES
from mintmark.sandbox import Sandbox

from .lab import MINI, SCHNELL, Lab, open_lab


async def test_a_call_that_is_canceled_while_it_waits_is_released_and_was_never_asked(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with open_lab(tmp_path, sandbox, provider_limits={"fal.concurrency": "1"}) as lab:
        async with lab.engine.caller.turn("fal", SCHNELL):
            task = asyncio.ensure_future(lab.generate(lab.by_hand(), SCHNELL))
            while not lab.states():
                await asyncio.sleep(0.002)
            await asyncio.sleep(0.01)
            assert lab.states() == ["held"]
            task.cancel()
            await asyncio.wait([task])
        assert lab.states() == ["released"]
        assert await lab.bill() == []
        await lab.generate(lab.by_hand(), SCHNELL)
        await lab.balanced()


async def test_a_batch_which_may_take_a_day_keeps_nobody_else_from_calling(tmp_path: Path) -> None:
    few = {"openai.concurrency": "1"}
    async with Sandbox(latency_s=30) as slow, open_lab(tmp_path, slow, provider_limits=few) as lab:
        batch = asyncio.ensure_future(lab.generate(lab.job(delivery="batch"), MINI))
        while lab.states() != ["accepted"]:
            await asyncio.sleep(0.002)
        async with lab.engine.caller.turn("openai", MINI):
            assert lab.states() == ["accepted"]
        batch.cancel()
        await asyncio.wait([batch])


async def test_a_model_that_is_left_alone_is_released_and_not_asked(lab: Lab) -> None:
    for _ in range(FAILURES):
        with pytest.raises(ProviderDown):
            async with lab.engine.caller.turn("fal", SCHNELL):
                raise ProviderDown("It is down.", provider="fal", charged="no")
    with pytest.raises(ProviderDown, match="left alone"):
        await lab.generate(lab.by_hand(), SCHNELL)
    assert lab.states() == ["released"]
    assert await lab.bill() == []


async def test_no_engine_is_made_with_a_limit_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"fal\.speed"):
        Engine(Settings(data_dir=tmp_path, sandbox=True, provider_limits={"fal.speed": "3"}))
