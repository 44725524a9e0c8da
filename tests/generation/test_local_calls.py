"""Images that this machine makes itself, through the same service as hosted ones: record, receipt, books."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mintmark import config
from mintmark.errors import (
    AllowanceExhausted,
    FileMissing,
    InternalError,
    InvalidInput,
    PromptBlocked,
    ProviderDown,
    UnknownModel,
    UnsupportedTask,
)
from mintmark.generation.books import postings
from mintmark.generation.call import Call
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.generation.local_models import LocalModels
from mintmark.metering.trailing import trailing
from mintmark.providers.local_model import NOT_PRICED
from mintmark.providers.request import GenerationRequest

from .own_device import FLUX, TURBO, XL, Device

HOUR = {"hour": 3.6}
"""A tenth of a cent a second."""


@asynccontextmanager
async def open_engine(folder: Path, device: Device | None, **changes: Any) -> AsyncIterator[Engine]:
    changes = {"gpu_hour": HOUR, **changes}
    settings = config.load({}, data_dir=folder).with_(sandbox=False, **changes)
    async with Engine(settings, maker=device) as engine:
        yield engine


def job_of(engine: Engine, *, allowance: int = 0, job_id: str | None = None, **more: Any) -> JobContext:
    job = JobContext(
        job_id=job_id or str(uuid.uuid4()),
        allowance_microusd=allowance,
        mode="live",
        local=not allowance,
        **more,
    )
    engine.journal.open_job(job)
    return job


def asked(model: str = XL, **more: Any) -> GenerationRequest:
    plain = {"task": "text-to-image", "prompt": "a red lighthouse", "width": 64, "height": 64}
    return GenerationRequest.model_validate({**plain, "model": model, **more})


def calls(engine: Engine, job: JobContext) -> list[Call]:
    ids = [entry.call_id for entry in engine.journal.since(0, job_id=job.job_id) if entry.kind == "held"]
    return [call for each in ids if each and (call := engine.journal.call(each))]


async def test_an_image_made_here_has_the_record_and_receipt_of_a_hosted_one(tmp_path: Path) -> None:
    device = Device(step_seconds=0.1)
    async with open_engine(tmp_path, device) as engine:
        job = job_of(engine)
        options = {"steps": 10, "loras": [{"name": "brand.safetensors", "weight": 0.8}]}
        made = await engine.service.generate(asked(seed=7, count=2, options=options), job, "1")
        record = made.record
        assert (record.provider, record.model, record.family) == ("local", XL, "local")
        assert record.model_version == f"sha256:{hashlib.sha256(XL[6:].encode()).hexdigest()[:16]}"
        assert (record.seed.asked, record.seed.sent) == ("7", "7")
        assert record.parameters["loras"] == [{"name": "brand.safetensors", "weight": 0.8}]
        assert {"steps": 10, "guidance": 7.5, "width": 64, "count": 2}.items() <= record.parameters.items()
        subjects = [verdict.subject for verdict in record.verdicts]
        assert subjects == ["prompt", "image", "image"]
        (receipt,) = record.receipts
        assert (receipt.provider, receipt.model, receipt.state, receipt.request_id) == ("local", XL, "settled", None)
        assert receipt.microusd == 2000  # two images of ten steps of 0.1 s
        assert receipt.price_source == "2.000 GPU seconds at $3.60 an hour (MINTMARK_GPU_HOUR_USD)"


async def test_the_ledger_has_it_by_model_with_its_images_and_gpu_seconds(tmp_path: Path) -> None:
    async with open_engine(tmp_path, Device(step_seconds=0.5)) as engine:
        for model in (XL, TURBO):
            await engine.service.generate(asked(model, count=2), job_of(engine), "1")
        engine.books.catch_up()
        spent = {each.key: each for each in engine.ledger.report("model")}
        assert {name: (each.images, each.microusd) for name, each in spent.items()} == {
            XL: (2, 30_000),
            TURBO: (2, 4000),
        }
        told = {each.model: each.reason for each in postings(engine.journal.since(0)) if each.kind == "settled"}
        assert told == {XL: "30.000 GPU seconds", TURBO: "4.000 GPU seconds"}
        month = trailing(engine.ledger.report("provider", since=date(2000, 1, 1)))
        assert (month.images, month.local_images, month.local_microusd) == (0, 4, 34_000)
        assert engine.ledger.totals().set_aside_microusd == 0


async def test_without_a_price_of_an_hour_it_costs_nothing_and_its_receipt_says_why(tmp_path: Path) -> None:
    async with open_engine(tmp_path, Device(), gpu_hour={}) as engine:
        made = await engine.service.generate(asked(), job_of(engine), "1")
        (receipt,) = made.record.receipts
        assert (receipt.microusd, receipt.state) == (0, "settled")
        assert receipt.price_source == f"3.000 GPU seconds, {NOT_PRICED}"


async def test_a_granted_job_pays_for_it_out_of_its_allowance(tmp_path: Path) -> None:
    async with open_engine(tmp_path, Device()) as engine:
        rich, poor = job_of(engine, allowance=5_000_000), job_of(engine, allowance=100)
        await engine.service.generate(asked(), rich, "1")
        money = engine.journal.report(rich.job_id).allowance
        assert (money.held_microusd, money.settled_microusd) == (0, 3000)
        with pytest.raises(AllowanceExhausted):
            await engine.service.generate(asked(), poor, "1")


@pytest.mark.parametrize(
    "error",
    [
        ProviderDown("It is unclear.", charged="unknown"),
        InvalidInput("brand.safetensors is for another family."),
        InternalError("A defect."),
        RuntimeError("CUDA error"),
    ],
)
async def test_what_fails_here_costs_nothing_whatever_it_was(tmp_path: Path, error: Exception) -> None:
    async with open_engine(tmp_path, Device(error=error)) as engine:
        job = job_of(engine)
        with pytest.raises(type(error), match=str(error)[:10]):
            await engine.service.generate(asked(), job, "1")
        assert [call.state for call in calls(engine, job)] == ["released"]
        engine.books.catch_up()
        totals = engine.ledger.totals()
        assert (totals.set_aside_microusd, totals.unknown_microusd, totals.settled_microusd) == (0, 0, 0)


async def test_what_is_stopped_releases_its_hold(tmp_path: Path) -> None:
    device = Device(holds=True)
    async with open_engine(tmp_path, device) as engine:
        job = job_of(engine)
        task = asyncio.create_task(engine.service.generate(asked(), job, "1"))
        await device.began.wait()
        assert [call.state for call in calls(engine, job)] == ["asking"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [call.state for call in calls(engine, job)] == ["released"]
        engine.books.catch_up()
        assert engine.ledger.totals().set_aside_microusd == 0


@pytest.mark.parametrize("there", [True, False])
async def test_a_call_that_a_dead_process_left_is_released_and_made_again(tmp_path: Path, there: bool) -> None:
    """Also by a process that samples nothing itself: nobody bills it, whoever looks."""
    device = Device(holds=True)
    async with open_engine(tmp_path, device) as engine:
        job = job_of(engine)
        task = asyncio.create_task(engine.service.generate(asked(), job, "1"))
        await device.began.wait()
        journal: Any = engine.journal
        (left,) = calls(engine, job)
        # As after a kill: the system gives the lock back, and the call stays as it was written last.
        journal._owner._lock.release()
        async with open_engine(tmp_path, Device() if there else None) as next_one:
            assert [call.state for call in calls(next_one, job)] == ["released"]
            if there:
                made = await next_one.service.generate(asked(), job, "1")
                assert [each.state for each in made.record.receipts] == ["settled"]
                assert left.call_id not in {each.call_id for each in made.record.receipts}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_same_question_of_the_same_job_is_answered_from_its_journal(tmp_path: Path) -> None:
    device = Device()
    async with open_engine(tmp_path, device) as engine:
        job = job_of(engine)
        first, second = [await engine.service.generate(asked(seed=3), job, "1") for _ in range(2)]
        assert len(device.orders) == 1
        assert [each.data for each in first.pictures] == [each.data for each in second.pictures]


async def test_the_policy_holds_here_too(tmp_path: Path) -> None:
    device = Device()
    async with open_engine(tmp_path, device, house_rules=_house(tmp_path)) as engine:
        with pytest.raises(PromptBlocked):
            await engine.service.generate(asked(prompt="a forbiddenword"), job_of(engine), "1")
        assert device.orders == []


def _house(folder: Path) -> Path:
    path = folder / "house.json"
    path.write_text('{"block": {"terms": ["forbiddenword"]}}')
    return path


async def test_what_is_not_here_is_said_before_anything_is_held(tmp_path: Path) -> None:
    async with open_engine(tmp_path, Device()) as engine:
        job = job_of(engine)
        with pytest.raises(FileMissing, match="turbu"):
            await engine.service.generate(asked("local/turbu.safetensors"), job, "1")
        with pytest.raises(UnsupportedTask, match="control"):
            await engine.service.generate(asked(FLUX, task="control"), job, "1")
        assert calls(engine, job) == []


async def test_a_process_that_samples_nothing_says_who_does(tmp_path: Path) -> None:
    async with open_engine(tmp_path, None) as engine:
        with pytest.raises(UnknownModel, match="worker"):
            await engine.service.generate(asked(), job_of(engine), "1")


def test_a_checkpoint_is_known_without_an_engine() -> None:
    model = LocalModels(Device(measured={XL: 0.25}), HOUR).known(XL)
    assert model.step_s == 0.25
    assert model.price is not None
    assert model.price.source == "MINTMARK_GPU_HOUR_USD"
