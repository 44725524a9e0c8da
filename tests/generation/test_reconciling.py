"""Calls in doubt, in journal and ledger; the provider's part is tested through the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.config import Settings
from mintmark.errors import InvalidInput, UnknownCall
from mintmark.generation.books import LocalBooks, postings
from mintmark.generation.call import Call, NewCall
from mintmark.generation.caller import Caller
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.generation.reconciling import NOT_HERE, NOT_NAMED, ask, decide, doubts, find
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.metering.ledger import Account
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.sandbox import Sandbox

from .lab import open_lab

JOB = "01234567-89ab-4def-8123-456789abcdef"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "worker")
    opened.open_job(JobContext(job_id=JOB, allowance_microusd=100, mode="sandbox"))
    yield opened
    opened.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "house")
    yield opened
    assert opened.problems() == []
    opened.close()


def doubtful(journal: SqliteJournal, call_id: str = "call-1", handle: dict[str, Any] | None = None) -> Call:
    new = NewCall(
        call_id=call_id,
        job_id=JOB,
        key=call_id,
        node_id="1",
        provider="fal",
        model="fal/flux-schnell",
        request_digest="d",
        hold_microusd=10,
    )
    journal.begin(journal.hold(new).call_id)
    if handle:
        journal.move(call_id, "accepted", request_id="r-1", handle=handle)
    return journal.move(call_id, "unknown", reason="the line broke")


def told(journal: SqliteJournal, ledger: SqliteLedger) -> None:
    """What an orchestrator does with a worker's journal."""
    ledger.allow(JOB, 100, Account())
    ledger.post(postings(journal.since(0)))


def test_a_call_in_both_books_is_one_doubt(journal: SqliteJournal, ledger: SqliteLedger) -> None:
    call = doubtful(journal, handle={"url": "u"})
    told(journal, ledger)
    (doubt,) = doubts(ledger, journal)
    assert (doubt.call_id, doubt.microusd, doubt.request_id, doubt.in_ledger) == (call.call_id, 10, "r-1", True)
    assert doubt.why_not is None


def test_one_that_was_never_named_cannot_be_asked(journal: SqliteJournal, ledger: SqliteLedger) -> None:
    doubtful(journal)
    (doubt,) = doubts(ledger, journal)
    assert (doubt.why_not, doubt.in_ledger) == (NOT_NAMED, False)
    assert doubt.since is not None


def test_one_of_another_machine_cannot_be_asked_here(
    journal: SqliteJournal, ledger: SqliteLedger, tmp_path: Path
) -> None:
    doubtful(journal, handle={"url": "u"})
    told(journal, ledger)
    empty = SqliteJournal(tmp_path / "empty")
    (doubt,) = doubts(ledger, empty)
    empty.close()
    assert (doubt.why_not, doubt.call) == (NOT_HERE, None)


@pytest.mark.parametrize(("microusd", "state"), [(7, "settled"), (0, "released")])
def test_a_worker_without_the_ledger_decides_in_its_journal_and_the_ledger_reads_it_there(
    microusd: int, state: str, journal: SqliteJournal, ledger: SqliteLedger, tmp_path: Path
) -> None:
    call = doubtful(journal)
    told(journal, ledger)
    other = SqliteLedger(tmp_path / "other")
    decide(call.call_id, microusd, "asked support", other, journal)
    assert other.lines() == []
    other.close()
    now = journal.call(call.call_id)
    assert now is not None and (now.state, now.charged_microusd) == (state, microusd)
    ledger.post(postings(journal.since(0)))
    assert (ledger.totals().settled_microusd, ledger.totals().unknown_microusd) == (microusd, 0)


def test_the_local_books_take_a_decision_once(journal: SqliteJournal, ledger: SqliteLedger) -> None:
    call = doubtful(journal)
    told(journal, ledger)
    decide(call.call_id, 7, "asked support", ledger, journal, request_id="r-9")
    LocalBooks(ledger, journal, journal.journal_id).catch_up()
    (line,) = ledger.lines()
    assert (line.kind, line.microusd, line.request_id) == ("settled", 7, "r-9")


def test_an_outcome_that_the_journal_has_and_the_ledger_lacks_needs_no_asking(
    journal: SqliteJournal, ledger: SqliteLedger
) -> None:
    call = doubtful(journal)
    told(journal, ledger)
    journal.move(call.call_id, "settled", microusd=8, request_id="r-1", result={})
    (doubt,) = doubts(ledger, journal)
    found = asyncio.run(ask(doubt, Caller(journal=journal, **dict.fromkeys(("catalog", "spool", "provider"))), ledger))
    assert (found.state, found.microusd) == ("settled", 8)
    assert ledger.totals().settled_microusd == 8


def test_a_call_that_is_under_way_cannot_be_decided(journal: SqliteJournal, ledger: SqliteLedger) -> None:
    new = doubtful(journal).model_copy(update={"call_id": "busy", "key": "busy"})
    journal.begin(journal.hold(NewCall.model_validate(new.model_dump(include=set(NewCall.model_fields)))).call_id)
    with pytest.raises(InvalidInput, match="under way"):
        decide("busy", 1, "why", ledger, journal)


def test_a_call_that_is_over_and_in_another_ledger_is_not_decided_in_silence(
    journal: SqliteJournal, ledger: SqliteLedger
) -> None:
    call = doubtful(journal)
    decide(call.call_id, 5, "asked support", ledger, journal)
    with pytest.raises(UnknownCall):
        decide(call.call_id, 6, "asked again", ledger, journal)


def test_ids_may_be_shortened_until_they_mean_several(journal: SqliteJournal, ledger: SqliteLedger) -> None:
    doubtful(journal, "call-1")
    doubtful(journal, "call-2")
    every = doubts(ledger, journal)
    assert len(every) == 2
    with pytest.raises(InvalidInput):
        find(every, "call")
    assert getattr(find(every, "call-2"), "call_id", None) == "call-2"
    assert find(every, "") is find(every, "nobody") is None


def test_a_decision_needs_a_call_and_a_reason(journal: SqliteJournal, ledger: SqliteLedger) -> None:
    with pytest.raises(UnknownCall):
        decide("nobody", 1, "why", ledger, journal)
    call = doubtful(journal)
    with pytest.raises(InvalidInput):
        decide(call.call_id, 1, "  ", ledger, journal)


# -- calls that cannot be resumed ------------------------------------------------------------------------------------


def left_behind(folder: Path, mode: Any, model: str, url: str) -> str:
    """A call that was accepted, of a process that is dead."""
    books = SqliteJournal(folder)
    books.open_job(JobContext(job_id=JOB, allowance_microusd=0, mode=mode, local=True))
    new = NewCall(
        call_id="call-1",
        job_id=JOB,
        key="k",
        node_id="1",
        provider="fal",
        model=model,
        request_digest="d",
        hold_microusd=40_000,
    )
    books.begin(books.hold(new, grow=True).call_id)
    books.move("call-1", "accepted", request_id="r-1", handle=dict.fromkeys(("status_url", "response_url"), url))
    books._db.close()
    books._owner._lock.release()
    return "call-1"


async def resumed(engine: Engine, call_id: str) -> Call:
    await asyncio.wait(list(engine.caller._resuming.values()))
    found = engine.journal.call(call_id)
    assert found is not None
    return found


@pytest.mark.parametrize("microusd", [0, 30_000])
async def test_a_call_whose_provider_lost_its_key_is_a_doubt_and_can_be_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, microusd: int
) -> None:
    monkeypatch.delenv("FAL_KEY", raising=False)
    monkeypatch.setattr("mintmark.generation.engine.Keys.find", lambda self, name: None)
    settings = Settings(data_dir=tmp_path)
    call_id = left_behind(settings.books_dir, "live", "fal/flux-schnell", "https://queue.fal.run/x")
    async with Engine(settings) as engine:
        assert (await resumed(engine, call_id)).state == "unknown"
        (doubt,) = doubts(engine.ledger, engine.journal)
        assert (doubt.call_id, doubt.microusd, doubt.why_not) == (call_id, 40_000, None)
        assert doubt.reason == "missing_key"
        found = await ask(doubt, engine.caller, engine.ledger)
        assert found.state == "unknown" and "No key for fal" in found.why
        decide(call_id, microusd, "its invoice", engine.ledger, engine.journal)
        assert doubts(engine.ledger, engine.journal) == []


async def test_a_call_of_a_model_that_is_gone_is_finished_all_the_same(tmp_path: Path, sandbox: Sandbox) -> None:
    async with open_lab(tmp_path, sandbox) as lab:
        made = await lab.generate(lab.job())
        (call,) = lab.calls()
        folder, handle = lab.engine.settings.books_dir, call.handle
    assert handle is not None
    call_id = left_behind(folder, "sandbox", "fal/renamed-since", handle["status_url"])
    books = SqliteJournal(folder)
    with books._db.transaction() as db:
        db.execute("UPDATE calls SET handle = ? WHERE call_id = ?", (json.dumps(handle), call_id))
    books.close()
    async with open_lab(tmp_path, sandbox) as lab:
        now = await resumed(lab.engine, call_id)
        # Nobody knows its price any more, so it costs what was set aside for it.
        assert (now.state, now.charged_microusd) == ("settled", 40_000)
        assert lab.engine.spool.get((now.result or {})["images"][0]["sha256"] or "") == made.pictures[0].data
