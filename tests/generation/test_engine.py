"""The engine takes itself apart as it was put together, and starts by mending what a dead one left."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mintmark.config import Settings
from mintmark.errors import CannotWrite, MissingKey, UnknownPolicy
from mintmark.generation.books import account_of, posting, postings
from mintmark.generation.engine import Engine
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.journal import at, context, new_call, step

from .conftest import SqliteJournals
from .lab import MINI, Lab, open_lab


async def test_an_engine_that_cannot_open_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "ledger.sqlite3").write_bytes(b"garbage " * 1000)
    with pytest.raises(CannotWrite, match="ledger"):
        async with Engine(Settings(data_dir=tmp_path, sandbox=True)):
            raise AssertionError("nobody may come here")
    assert list((tmp_path / "sandbox" / "owners").iterdir()) == []


async def test_a_closed_engine_leaves_no_owner_behind(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox) as lab:
        await lab.generate(lab.job())
    assert list((tmp_path / "sandbox" / "owners").iterdir()) == []


async def test_play_money_is_kept_apart_and_no_real_key_is_sent(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox) as lab:
        await lab.generate(lab.job(), MINI)
    assert (tmp_path / "sandbox" / "journal.sqlite3").exists()
    assert not (tmp_path / "journal.sqlite3").exists()


async def test_without_a_key_a_live_provider_is_missing_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAL_KEY", raising=False)
    monkeypatch.setattr("mintmark.generation.engine.Keys.find", lambda self, name: None)
    async with Engine(Settings(data_dir=tmp_path)) as engine:
        with pytest.raises(MissingKey, match="fal"):
            engine.provider("fal")


async def test_an_unknown_policy_is_refused(lab: Lab) -> None:
    with pytest.raises(UnknownPolicy):
        lab.engine.moderator("no-such-policy")


async def test_all_threads_share_one_signer(lab: Lab) -> None:
    with ThreadPoolExecutor(8) as threads:
        signers = list(threads.map(lambda _: lab.engine.signer, range(8)))
    assert len({id(signer) for signer in signers}) == 1


async def test_at_the_start_what_a_dead_process_left_is_decided_and_booked(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox) as lab:
        job = lab.by_hand()
    dead = SqliteJournals(tmp_path / "sandbox")
    journal = dead.open()
    for state in ("held", "asking"):
        call = journal.hold(new_call(job, 10), grow=True)
        if state == "asking":
            journal.begin(call.call_id)
    dead.die(journal)
    async with open_lab(tmp_path, sandbox) as lab:
        assert lab.states() == ["released", "unknown"]
        assert lab.engine.ledger.totals().unknown_microusd == 10


async def test_what_a_granted_job_of_a_dead_submitter_spent_is_booked_at_the_next_start(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with open_lab(tmp_path, sandbox) as lab:
        ours, strangers = lab.job(), lab.job()
        lab.engine.ledger.allow(ours.job_id, ours.allowance_microusd, account_of(ours))
        await lab.generate(ours)
        await lab.generate(strangers)
    async with open_lab(tmp_path, sandbox) as lab:
        assert [line.job_id for line in lab.engine.ledger.lines()] == [ours.job_id]


async def test_what_is_resumed_in_the_background_is_booked_before_the_end(tmp_path: Path) -> None:
    # It takes longer than an engine needs to open, on a loaded machine, too; and its first asker looks away meanwhile.
    async with Sandbox(latency_s=2.0) as sandbox, open_lab(tmp_path, sandbox) as lab:
        looks_again = asyncio.Event()

        async def look_away(_: float) -> None:
            await looks_again.wait()

        lab.engine._http.sleep = look_away
        job = lab.by_hand()
        task = asyncio.ensure_future(lab.generate(job))
        while "accepted" not in lab.states():
            await asyncio.sleep(0.002)
        # As if killed: the rest of this process never happens, as far as the journal can tell.
        journal = lab.engine.journal
        journal._owner._lock.release()
        async with open_lab(tmp_path, sandbox) as other:
            assert other.states() == ["accepted"]
        assert journal.call(lab.calls()[0].call_id).state == "settled"  # type: ignore[union-attr]
        assert lab.engine.ledger.totals().settled_microusd == 3000
        looks_again.set()
        made = await task
        assert len(made.pictures) == 1
        assert len(await lab.bill()) == 1


# -- from journal to ledger -----------------------------------------------------------------------------------------


def test_only_outcomes_are_posted_and_a_doubt_at_its_hold(journals: SqliteJournals) -> None:
    journal: SqliteJournal = journals.open()
    job = context()
    journal.open_job(job)
    call = at(journal, job, "accepted", microusd=10)
    step(journal, call.call_id, "unknown")
    journal.note(job.job_id, "signed", {"file": "a.png"}, call.call_id)
    step(journal, call.call_id, "settled", 4)
    found = postings(journal.since(0))
    assert [(each.kind, each.microusd, each.request_id) for each in found] == [
        ("unknown", 10, "r-1"),
        ("settled", 4, "r-1"),
    ]
    assert posting(journal.since(0)[0]) is None
