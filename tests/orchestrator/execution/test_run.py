"""A job from submission to signed files, with the real runner and the sandbox's real wire in between."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark.clock import utc_now
from mintmark.errors import (
    AllowanceExhausted,
    BudgetExceeded,
    CannotWrite,
    MintmarkError,
    PromptBlocked,
    ProviderBlocked,
    ProviderDown,
    SigningFailed,
    WorkerLost,
    WorkerModeMismatch,
    WorkerUnreachable,
)
from mintmark.generation.context import WorkerHealth
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.execution.local_jobs import JobStore
from mintmark.orchestrator.execution.progress import Progress
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.orchestrator.link.events import FilesArrived, JournalGrew, WorkerEvent
from mintmark.orchestrator.link.protocol import OutputFile
from mintmark.provenance.reading import read
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.reading import parse

from ..conftest import House, text_to_image

OPENAI = "openai/gpt-image-2.6-sunburst"


def nothing_is_held(house: House) -> bool:
    return house.ledger.totals().set_aside_microusd == 0


# -- what a job gives -----------------------------------------------------------------------------------------------


async def test_a_job_gives_a_signed_checked_and_priced_file(house: House) -> None:
    result = await house.run(prompt="a teapot")
    (output,) = result.outputs
    data = Path(output.path).read_bytes()
    assert (result.status, result.worker, result.workflow.name) == ("succeeded", house.runner.url, "text-to-image")
    assert (output.media_type, output.width, output.height) == ("image/png", 256, 256)
    assert output.sha256 == hashlib.sha256(data).hexdigest()
    assert output.verdict["decision"] == "allowed"
    assert set(output.verdict) == {"decision", "categories", "scores", "rule", "policy"}
    assert (output.credential.state, output.credential.issuer) == ("valid", "Mintmark (self-made)")
    credential = read(data)
    assert credential.ai_generated
    assert credential.record is not None
    assert credential.record["job_id"] == result.job_id
    assert {"prepare", "run", "deliver", "total"} == set(result.timings_ms)


# aiohttp's advice about speed, given to whoever sends an image of 1024² whole.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("model", ["fal/flux-schnell", OPENAI])
async def test_bill_ledger_report_and_result_agree_to_the_micro_dollar(house: House, model: str) -> None:
    # OpenAI's models know a few sizes only.
    result = await house.run(prompt="a teapot", model=model, count=2, width=1024, height=1024)
    bill = await house.bill()
    totals = house.ledger.totals()
    assert result.total_microusd == bill["total_microusd"] == totals.settled_microusd > 0
    assert (totals.unknown_microusd, totals.set_aside_microusd) == (0, 0)
    billed = {line["request_id"]: line["microusd"] for line in bill["lines"]}
    assert {receipt.request_id: receipt.microusd for receipt in result.receipts} == billed
    assert {line.request_id: line.microusd for line in house.ledger.lines(job_id=result.job_id)} == billed
    assert {line.workflow for line in house.ledger.lines()} == {"text-to-image@1.1.0"}


async def test_every_picture_of_a_job_gets_a_name_of_its_own(house: House) -> None:
    result = await house.run(count=3)
    assert len({output.path for output in result.outputs}) == len(house.written()) == 3


async def test_what_the_job_does_is_heard_while_it_runs(house: House) -> None:
    heard: list[WorkerEvent] = []
    result = await house.run(heard=heard.append)
    kinds = [event.entry["kind"] for event in heard if isinstance(event, JournalGrew)]
    steps = [kind for kind in kinds if kind in ("held", "asking", "accepted", "settled", "signed")]
    assert steps == ["held", "asking", "accepted", "settled", "signed"]
    assert all(event.entry["job_id"] == result.job_id for event in heard if isinstance(event, JournalGrew))


async def test_two_jobs_at_once_keep_their_money_apart(house: House) -> None:
    async with WorkerLink(house.runner.url, poll_s=0.2) as other:
        first = house.job_runner()
        second = house.job_runner()
        second.link = other
        one, two = await asyncio.gather(
            *(_run(house, runner, seed) for seed, runner in enumerate((first, second), start=1))
        )
    assert one.job_id != two.job_id
    assert not {r.call_id for r in one.receipts} & {r.call_id for r in two.receipts}
    assert house.ledger.totals().settled_microusd == (await house.bill())["total_microusd"]


async def _run(house: House, runner: Any, seed: int) -> Any:
    from mintmark.orchestrator.execution.request import RunRequest

    values = {"width": 256, "height": 256, "seed": seed}
    request = RunRequest(workflow=text_to_image(), values=values, worker_name=house.runner.url, out_dir=house.out)
    return await runner.run(request, lambda event: None)


# -- what ends badly ------------------------------------------------------------------------------------------------


async def ends(house: House, kind: type[MintmarkError], outcome: str = "failed", **asked: Any) -> MintmarkError:
    """Run it, expect this error, and check what holds for every job that ends badly."""
    with pytest.raises(kind) as caught:
        await house.run(**asked)
    assert house.written() == []
    assert nothing_is_held(house)
    states = [row["state"] for row in house.store._db.rows("SELECT state FROM jobs")]
    assert states in ([outcome], [])
    return caught.value


async def test_a_blocked_prompt_asks_nobody_and_costs_nothing(house: House) -> None:
    error = await ends(house, PromptBlocked, prompt="how to build a bomb")
    assert "rules/illicit_violent" in error.message
    assert await house.calls() == []
    assert house.ledger.totals().calls == 0


async def test_a_prompt_the_provider_blocks_costs_nothing(house: House) -> None:
    await house.fail({"provider": "openai", "kind": "policy_input", "path": "images"})
    await ends(house, ProviderBlocked, model=OPENAI, width=1024, height=1024)
    assert (await house.bill())["total_microusd"] == house.ledger.totals().settled_microusd == 0


async def test_an_image_the_provider_withholds_is_settled_as_it_is_billed(house: House) -> None:
    await house.fail({"provider": "fal", "kind": "policy_output"})
    await ends(house, ProviderBlocked)
    bill = await house.bill()
    assert bill["total_microusd"] == house.ledger.totals().settled_microusd > 0


async def test_a_provider_that_is_down_costs_nothing(house: House) -> None:
    await house.fail({"provider": "fal", "kind": "status", "status": 503, "retry_after": 0})
    await ends(house, ProviderDown)
    assert (await house.bill())["lines"] == []
    assert house.ledger.totals().settled_microusd == house.ledger.totals().unknown_microusd == 0


async def test_an_allowance_that_does_not_cover_the_call_stops_it(house: House) -> None:
    error = await ends(house, AllowanceExhausted, settings={"allowance_microusd": 1000})
    assert "fal/flux-schnell" in error.message
    assert await house.calls() == []


async def test_a_budget_that_does_not_cover_the_allowance_stops_the_job_before_the_worker_hears_of_it(
    house: House,
) -> None:
    house.ledger.close()
    house.ledger = SqliteLedger(house.settings.books_dir, budget_microusd=1000)
    await ends(house, BudgetExceeded)
    assert await house.calls(kind="any") == []


async def test_a_live_job_never_runs_on_a_sandbox_worker(house: House) -> None:
    with pytest.raises(WorkerModeMismatch, match="sandbox"):
        await house.run(settings={"sandbox": False})
    assert await house.calls() == []


async def test_an_answer_that_never_came_keeps_its_hold_and_is_not_asked_again(house: House) -> None:
    await house.fail({"provider": "openai", "kind": "drop_after", "path": "images"})
    with pytest.raises(MintmarkError) as caught:
        await house.run(model=OPENAI, width=1024, height=1024)
    assert caught.value.code == "charge_unknown"
    totals = house.ledger.totals()
    assert totals.settled_microusd == totals.set_aside_microusd == 0
    assert totals.unknown_microusd >= (await house.bill())["total_microusd"] > 0
    assert len(await house.calls()) == 1


# -- canceling ------------------------------------------------------------------------------------------------------


async def cancel_when(house: House, reached: Callable[[WorkerEvent], bool], **values: Any) -> None:
    """Run a job and cancel it at the first event of this kind."""
    now = asyncio.Event()
    task = asyncio.create_task(house.run(heard=lambda event: now.set() if reached(event) else None, **values))
    await asyncio.wait_for(now.wait(), 60)
    while not await house.calls():
        # The journal speaks before the provider is asked; a call that never left would cost nothing.
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)


def journal_says(kind: str) -> Callable[[WorkerEvent], bool]:
    return lambda event: isinstance(event, JournalGrew) and event.entry["kind"] == kind


async def test_canceling_stops_the_call_at_the_provider_and_holds_nothing(slow_house: House) -> None:
    house = slow_house
    await cancel_when(house, journal_says("accepted"))
    assert len(await house.calls()) == 1
    (job,) = house.store._db.rows("SELECT job_id, state, error FROM jobs")
    assert job["state"] == "canceled"
    assert house.written() == []
    totals = house.ledger.totals()
    assert (totals.set_aside_microusd, totals.settled_microusd, totals.unknown_microusd) == (0, 0, 0)
    assert (await house.link.report(job["job_id"])).allowance.held_microusd == 0
    assert await house.link.state(job["job_id"]) == "cancelled"
    assert (await house.bill())["lines"] == []


async def test_a_canceled_call_that_cannot_be_called_back_stays_unknown(slow_house: House) -> None:
    house = slow_house
    await cancel_when(house, journal_says("asking"), model=OPENAI, width=1024, height=1024)
    totals = house.ledger.totals()
    assert (totals.set_aside_microusd, totals.settled_microusd) == (0, 0)
    assert totals.unknown_microusd > 0


# -- bringing files home --------------------------------------------------------------------------------------------


class Tampering(WorkerLink):
    """A network that changes one byte of each file."""

    async def fetch(self, file: OutputFile) -> bytes:
        data = bytearray(await super().fetch(file))
        data[len(data) // 2] ^= 1
        return bytes(data)


async def test_a_file_that_was_changed_on_its_way_is_not_delivered(house: House) -> None:
    async with Tampering(house.runner.url, poll_s=0.2) as link:
        house.link = link
        error = await ends(house, SigningFailed)
    assert ".png" in error.message
    assert house.ledger.totals().settled_microusd == (await house.bill())["total_microusd"] > 0


def ending_in_save_image() -> WorkflowVersion:
    """Text to image, saved by ComfyUI's own node: nothing of ours checks or signs it on the worker."""
    document = text_to_image().document()
    graph = document["graph"]
    for node in ("3", "4", "6"):
        del graph[node]
    # What our own node may be told of the file's kind, ComfyUI's does not take.
    document["inputs"] = [each for each in document["inputs"] if all(to["node"] != "5" for to in each["binds"])]
    graph["5"] = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "plain"}}
    document |= {"name": "plain-save", "outputs": [{"name": "images", "title": "I", "node": "5", "kind": "images"}]}
    ours = ["MintmarkModeratePrompt", "MintmarkTextToImage"]
    document["requires"]["nodes"] = sorted([*ours, "SaveImage"])
    document["requires"]["packs"][0]["nodes"] = ours
    return parse(json.dumps(document), "plain-save")


async def test_a_file_without_a_credential_is_checked_and_sealed_before_it_is_delivered(house: House) -> None:
    result = await house.run(ending_in_save_image(), width=256, height=256)
    (output,) = result.outputs
    assert output.credential.state == "valid"
    assert output.verdict["decision"] == "allowed"
    assert read(Path(output.path).read_bytes()).state == "valid"
    assert any(call["path"].endswith("/moderations") for call in await house.calls(kind="moderation"))


async def test_a_folder_that_cannot_be_written_costs_nothing_more_when_it_is_mended(house: House) -> None:
    house.out.write_text("a file where the folder should be")
    with pytest.raises(CannotWrite, match="out"):
        await house.run(seed=5)
    assert nothing_is_held(house)
    house.out.unlink()
    # The process that failed is gone by the time somebody has mended the folder.
    house.store.close()
    house.store = type(house.store)(house.settings.books_dir)
    result = await house.run(seed=5)
    bill = await house.bill()
    assert len(bill["lines"]) == 1
    assert result.total_microusd == house.ledger.totals().settled_microusd == bill["total_microusd"]
    assert len(house.written()) == 1


# -- after a death --------------------------------------------------------------------------------------------------


async def test_a_job_whose_worker_is_gone_stays_open_with_its_money_set_aside(slow_house: House) -> None:
    house = slow_house
    async with WorkerLink(house.runner.url, poll_s=0.05, lost_s=0.3) as link:
        house.link = link
        asked = asyncio.Event()
        reached = journal_says("accepted")
        task = asyncio.create_task(house.run(heard=lambda event: asked.set() if reached(event) else None))
        await asyncio.wait_for(asked.wait(), 60)
        await house.runner.__aexit__()
        with pytest.raises((WorkerLost, WorkerUnreachable)):
            await asyncio.wait_for(task, 60)
    (job,) = house.store._db.rows("SELECT state FROM jobs")
    assert job["state"] == "open"
    # What the worker spent cannot be read now, so all it may have spent stays set aside.
    assert 0 < house.ledger.totals().set_aside_microusd < house.settings.allowance_microusd


async def test_the_money_of_a_job_nobody_took_over_is_booked_when_it_is_abandoned(house: House, tmp_path: Path) -> None:
    house.out.write_text("a file where the folder should be")
    mine, house.ledger = house.ledger, SqliteLedger(tmp_path / "lost")
    with pytest.raises(CannotWrite):
        await house.run(seed=5)
    house.ledger.close()
    house.ledger = mine
    house.out.unlink()
    house.store.close()
    house.store = JobStore(house.settings.books_dir, now=lambda: utc_now() + timedelta(days=2))
    await house.run(seed=6)
    states = sorted(row["state"] for row in house.store._db.rows("SELECT state FROM jobs"))
    assert states == ["abandoned", "succeeded"]
    bill = await house.bill()
    assert len(bill["lines"]) == 2
    assert mine.totals().settled_microusd == bill["total_microusd"]
    assert nothing_is_held(house)


async def test_news_that_cannot_be_read_is_left_for_the_end(house: House) -> None:
    async with Garbling(house.runner.url, poll_s=0.2) as link:
        house.link = link
        result = await house.run()
    assert house.ledger.totals().settled_microusd == result.total_microusd > 0


class Garbling(WorkerLink):
    """A worker of another release, whose journal entries have a form that is not known here."""

    async def follow(self, job_id: str, listening: Any, heard: Callable[[WorkerEvent], None], **known: Any) -> Any:
        heard(JournalGrew({"job_id": job_id, "kind": "something newer"}))
        return await super().follow(job_id, listening, lambda event: None, **known)


# -- what nobody can judge ------------------------------------------------------------------------------------------


class Filming(WorkerLink):
    """A worker whose graph saves a film."""

    async def fetch(self, file: OutputFile) -> bytes:
        return b"\x1a\x45\xdf\xa3 webm"


async def test_a_film_that_was_refused_is_fetched_and_not_paid_again_when_it_is_wanted(house: House) -> None:
    async with Filming(house.runner.url, poll_s=0.2) as link:
        house.link = link
        with pytest.raises(SigningFailed, match=r"video/webm"):
            await house.run(seed=5)
        assert nothing_is_held(house)
        # Another process, later, with the flag.
        house.store.close()
        house.store = JobStore(house.settings.books_dir)
        result = await house.run(seed=5, allow_unchecked=True)
    (output,) = result.outputs
    assert (output.verdict, output.credential.state) == (None, "none")
    assert len((await house.bill())["lines"]) == 1


# -- many on one link -----------------------------------------------------------------------------------------------


async def test_many_jobs_share_one_link_and_each_is_paid_once(house: House) -> None:
    results = await asyncio.gather(*(house.run(seed=seed) for seed in range(10)))
    assert len({result.job_id for result in results}) == len(house.written()) == 10
    bill = await house.bill()
    assert len(bill["lines"]) == 10
    assert house.ledger.totals().settled_microusd == bill["total_microusd"]


class AsComfy(WorkerLink):
    """A worker that counts as a ComfyUI."""

    async def health(self) -> WorkerHealth:
        found = await super().health()
        self.gate.widen(2)
        return found


async def test_a_worker_never_has_more_prompts_than_it_should(slow_house: House) -> None:
    house = slow_house
    async with AsComfy(house.runner.url, poll_s=0.05) as link:
        house.link = link
        tasks = [asyncio.create_task(house.run(seed=seed)) for seed in range(5)]
        while len(await house.calls()) < 2:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        assert house.runner.prompts.remaining == 2
        assert len(await house.calls()) == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert house.runner.prompts.remaining == 0
    assert nothing_is_held(house)


# -- one number for it all ------------------------------------------------------------------------------------------


async def test_progress_rises_to_the_end_and_is_full_only_with_the_files(house: House) -> None:
    progress, seen = Progress(text_to_image().graph), []

    def hear(event: WorkerEvent) -> None:
        seen.append((progress.hear(event), isinstance(event, FilesArrived)))

    await house.run(heard=hear)
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert [arrived for fraction, arrived in seen if fraction == 1] == [True]
    assert len(set(fractions)) > 4
