"""What a process leaves when it goes, however it goes, is taken up by the next one, and nobody is asked twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mintmark.metering.ledger import Posting
from mintmark.orchestrator.dispatch import dispatcher, upkeep
from mintmark.orchestrator.dispatch.worker import is_own, own_name
from mintmark.orchestrator.jobs.states import State
from mintmark.sandbox import Sandbox
from mintmark.storage.assets.folder import FolderAssets

from ..house import ServiceHouse, service_house


async def asked(house: ServiceHouse) -> None:
    """Wait until a provider was asked."""
    while not await house.calls():
        await asyncio.sleep(0.02)


async def test_a_job_goes_on_elsewhere_where_its_own_runner_is_gone_for_good(tmp_path: Path) -> None:
    async with Sandbox(latency_s=1.5) as sandbox:
        async with service_house(tmp_path, sandbox=sandbox, drain_s=0.05) as house:
            job = await house.submit()
            await asked(house)
        # The runner of the next house has another address, so another name; the journal is the same.
        async with service_house(tmp_path, sandbox=sandbox) as house:
            ended = await house.ended(job.job_id)
            assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)
            assert len(await house.calls()) == 1
            assert ended.cost_microusd == (await house.bill())["total_microusd"]
            assert house.service.ledger.totals().set_aside_microusd == 0


async def test_at_a_stop_the_files_of_jobs_that_just_ended_are_in_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "EXPIRE_EVERY_S", 3600.0)  # whatever comes to its place comes at the stop
    async with service_house(tmp_path) as house:
        its = house.service
        asset = await asyncio.to_thread(its.assets.lay, b"a small picture", later=True)
        assert its.assets.coming() == [asset.digest]
        kept = FolderAssets(Path(its.assets.place.partition(":")[2]))
        assert not kept.exists(asset.digest)
    assert kept.read(asset.digest) == b"a small picture"


async def test_a_lease_of_which_this_process_never_heard_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "ABANDONED_EVERY_S", 0.2)
    async with service_house(tmp_path) as house:
        its = house.service
        its.dispatcher._loops[its.workers[0].name].claims = False  # it gets none otherwise
        job = await house.submit()
        claim = its.jobs.claim
        await asyncio.to_thread(claim, its.dispatcher.owner, its.workers[0].name, ["hosted"])
        ended = await house.ended(job.job_id, 20)
        assert (ended.state, ended.attempt) == (State.SUCCEEDED, 1)
        assert len(await house.calls()) == 1


async def test_what_was_left_on_a_stranger_s_worker_counts_as_unknown_and_keeps_its_money(tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        await house.service.dispatcher.drain(0)  # it claims no more
        job = await house.submit(allowance_microusd=70_000)
        await asyncio.to_thread(house.service.jobs.claim, "elsewhere/dead", "http://gone:8188", ["hosted"])
    async with service_house(tmp_path) as house:
        # The store cannot tell that a process on another machine is dead; its lease runs out instead.
        house.service.dispatcher._is_dead = lambda owner: owner == "elsewhere/dead"  # type: ignore[method-assign]
        await house.service.dispatcher._take_up()
        ended = await house.ended(job.job_id)
        assert ended.state is State.FAILED and ended.failure is not None and ended.failure.code == "worker_lost"
        totals = house.service.ledger.totals()
        assert (totals.unknown_microusd, totals.set_aside_microusd) == (70_000, 0)
        assert [each.state for each in ended.receipts] == ["unknown"]


async def test_late_money_of_a_journal_is_booked_though_nobody_asked_again(tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        job = await house.run()
        lines = house.service.ledger.lines(job_id=job.job_id)
        assert [each.kind for each in lines] == ["settled"]
        again = Posting(**{name: getattr(lines[0], name) for name in Posting.model_fields})
        house.service.ledger.post([again])
        await asyncio.to_thread(house.service.engine.books.catch_up)
        assert house.service.ledger.totals().settled_microusd == (await house.bill())["total_microusd"]


def test_own_runners_keep_their_name_and_nobody_else_has_one_like_it() -> None:
    assert own_name(1, "0123456789abcdef") == "runner-1.01234567"
    names = ("runner-1.01234567", "runner-1.fedcba98", "http://a:8188", None)
    assert [is_own(name, "0123456789abcdef") for name in names] == [True, False, False, False]
