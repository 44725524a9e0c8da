"""A job that can wait a day: its calls go by batch, at the batch's price, and outlive the process that asked."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from mintmark.errors import ProviderBlocked, ProviderDown, UnsupportedTask
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.moderation import policies
from mintmark.sandbox import Sandbox

from .lab import MINI, SCHNELL, Lab, open_lab

STANDARD = json.loads((Path(policies.__file__).parent / "standard.json").read_text("utf-8"))


async def test_a_batch_costs_half_of_what_the_same_image_costs_now(lab: Lab) -> None:
    await lab.generate(lab.job(), MINI)
    made = await lab.generate(lab.job(delivery="batch"), MINI)
    now, batch = lab.calls()
    assert len(made.pictures) == 1
    assert batch.charged_microusd == pytest.approx(now.charged_microusd / 2, abs=1)
    assert batch.hold_microusd == pytest.approx(now.hold_microusd / 2, abs=1)
    await lab.balanced()


async def test_several_images_are_one_line_and_each_is_delivered(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    skip = lab.engine._http.sleep

    async def sleep(seconds: float) -> None:
        # A day of looks is over in a second on a fast machine, and three pictures are not drawn in that.
        await skip(seconds)
        await asyncio.sleep(0.002)

    monkeypatch.setattr(lab.engine._http, "sleep", sleep)
    made = await lab.generate(lab.job(delivery="batch"), MINI, count=3)
    assert len(made.pictures) == 3
    assert len(await lab.bill()) == 1
    await lab.balanced()


async def test_a_model_without_batches_says_so_before_anything_is_held(lab: Lab) -> None:
    with pytest.raises(UnsupportedTask, match="no delivery by batch"):
        await lab.generate(lab.job(delivery="batch"), SCHNELL)
    assert lab.calls() == []


async def test_a_batch_that_the_vendor_s_policy_blocks_costs_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    policy = tmp_path / "lax.json"
    policy.write_text(json.dumps({**STANDARD, "name": "lax", "prompt_checkers": ["rules"]}))
    async with open_lab(tmp_path / "data", sandbox, policy=str(policy)) as lab:
        with pytest.raises(ProviderBlocked):
            await lab.generate(
                lab.job(delivery="batch", policy=str(policy)),
                MINI,
                prompt="a massacre, 18th century oil painting, museum",
            )
        assert lab.states() == ["released"]
        assert await lab.bill() == []


async def test_a_creation_whose_answer_is_lost_is_found_by_our_own_id(lab: Lab) -> None:
    await lab.fail({"provider": "openai", "kind": "drop_after", "path": "/batches", "method": "POST", "count": 1})
    made = await lab.generate(lab.job(delivery="batch"), MINI)
    assert len(made.pictures) == 1
    assert len(await lab.bill()) == 1
    await lab.balanced()


async def test_a_creation_that_never_arrived_is_unknown_and_not_made_again(lab: Lab) -> None:
    await lab.fail({"provider": "openai", "kind": "drop_before", "path": "/batches", "method": "POST", "count": 1})
    with pytest.raises(Exception, match="charge_unknown"):
        await lab.generate(lab.job(delivery="batch"), MINI)
    assert lab.states() == ["unknown"]
    assert await lab.bill() == []


async def test_trouble_on_the_way_is_waited_out(lab: Lab) -> None:
    await lab.fail(
        {"provider": "openai", "kind": "status", "status": 503, "path": "/batches", "method": "GET", "count": 9}
    )
    await lab.generate(lab.job(delivery="batch"), MINI)
    await lab.balanced()


async def test_a_file_that_cannot_be_uploaded_costs_nothing(lab: Lab) -> None:
    await lab.fail({"provider": "openai", "kind": "status", "status": 500, "path": "/files"})
    with pytest.raises(ProviderDown):
        await lab.generate(lab.job(delivery="batch"), MINI)
    assert lab.states() == ["released"]


async def test_a_batch_that_is_canceled_in_time_costs_nothing(tmp_path: Path) -> None:
    async with Sandbox(latency_s=30) as sandbox, open_lab(tmp_path, sandbox) as lab:
        task = asyncio.ensure_future(lab.generate(lab.job(delivery="batch"), MINI))
        while lab.states() != ["accepted"]:
            await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait([task])
        while lab.states() == ["accepted"]:
            await asyncio.sleep(0.002)
        assert lab.states() == ["released"]
        assert await lab.bill() == []


async def test_a_process_that_ends_leaves_a_batch_that_it_took_up_to_the_next_one(tmp_path: Path) -> None:
    async with Sandbox(latency_s=30) as sandbox, open_lab(tmp_path / "died", sandbox) as first:
        task = asyncio.ensure_future(first.generate(first.job(delivery="batch"), MINI))
        while first.states() != ["accepted"]:
            await asyncio.sleep(0.002)
        # A copy has the journal of a process that is no more.
        shutil.copytree(tmp_path / "died", tmp_path / "heir")
        async with open_lab(tmp_path / "heir", sandbox) as heir:
            assert heir.states() == ["accepted"]
            while not heir.engine._providers:
                await asyncio.sleep(0.002)
        journal = SqliteJournal(heir.engine.settings.books_dir)
        kinds = [entry.kind for entry in journal.since(0)]
        journal.close()
        key = {"Authorization": "Bearer sandbox-key"}
        async with first.session.get(f"{sandbox.url}/openai/v1/batches", headers=key) as reply:
            batches = (await reply.json())["data"]
        assert kinds[-1] == "accepted"
        assert [batch["status"] for batch in batches] in (["validating"], ["in_progress"])
        task.cancel()
        await asyncio.wait([task])
