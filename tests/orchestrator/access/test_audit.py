"""The audit log shows whether it was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

from mintmark.errors import InvalidWorkflow
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access import audit
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.jobs.job import Failure, Made
from mintmark.orchestrator.jobs.states import State
from mintmark.storage.base import Session
from mintmark.tests.orchestrator.databases import Open
from mintmark.tests.orchestrator.made_jobs import event, job, over
from mintmark.tests.orchestrator.ticking import Clock

from .conftest import door
from .test_limits import end, take_in

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)


@pytest.fixture
def five(access: Access, ledger: SqlLedger) -> SqlLedger:
    facts = [audit.fact(NOW, "key:a", "key.revoked", f"k{number}", {"n": number}) for number in range(1, 6)]
    ledger.store.transact(lambda db: audit.chain(db, facts))
    return ledger


def change(*statements: str) -> Callable[[Session], None]:
    def work(db: Session) -> None:
        for statement in statements:
            db.run(statement)

    return work


def test_rows_that_nobody_touched_are_whole(five: SqlLedger) -> None:
    assert audit.verify(five.store) is None
    entries = list(audit.oldest(five.store))
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0].prev == audit.START
    assert [entry.prev for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert (entries[2].at, entries[2].actor, entries[2].target, entries[2].data) == (NOW, "key:a", "k3", {"n": 3})


def test_an_empty_log_is_whole(access: Access, ledger: SqlLedger) -> None:
    assert audit.verify(ledger.store) is None


SWAP = (
    "UPDATE audit SET seq = 99 WHERE seq = 2",
    "UPDATE audit SET seq = 2 WHERE seq = 3",
    "UPDATE audit SET seq = 3 WHERE seq = 99",
)


@pytest.mark.parametrize(
    ("statements", "seq"),
    [
        (["UPDATE audit SET data = '{\"n\":4}' WHERE seq = 3"], 3),
        (["UPDATE audit SET actor = 'key:b' WHERE seq = 1"], 1),
        (["UPDATE audit SET at = '2026-11-20T00:00:00.000000+00:00' WHERE seq = 5"], 5),
        (["UPDATE audit SET hash = prev WHERE seq = 4"], 4),
        (["DELETE FROM audit WHERE seq = 2"], 3),
        (["DELETE FROM audit WHERE seq = 1"], 2),
        (SWAP, 2),
    ],
)
def test_the_first_bad_row_is_named(five: SqlLedger, statements: list[str], seq: int) -> None:
    five.store.transact(change(*statements))
    found = audit.verify(five.store)
    assert found is not None
    assert found.seq == seq


def test_a_row_written_anew_with_a_right_hash_breaks_the_chain_behind_it(five: SqlLedger) -> None:
    def forge(db: Session) -> None:
        rows = db.run("SELECT prev FROM audit WHERE seq = 3")
        its = audit.fact(NOW, "key:a", "key.created", "k3", {"n": 3})
        db.run(
            "UPDATE audit SET action = :action, hash = :hash WHERE seq = 3",
            action=its.action,
            hash=audit.hash_of(3, its, rows[0]["prev"]),
        )

    five.store.transact(forge)
    found = audit.verify(five.store)
    assert found is not None
    assert (found.seq, "does not follow" in found.why) == (4, True)


def test_many_writers_make_one_chain(place: Open, clock: Clock) -> None:
    ledgers = [place(), place()]
    doors = [door(ledger, clock) for ledger in ledgers]

    def write(number: int) -> None:
        ledger = ledgers[number % 2]
        if number % 3:
            take_in(doors[number % 2], ledger, None, clock)
            ledger.store.transact(audit.chain_waiting)
        else:
            ledger.store.transact(lambda db: audit.chain(db, [audit.fact(NOW, "a", "b", "c", {})]))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(36)))
    assert audit.verify(ledgers[0].store) is None
    assert len(list(audit.oldest(ledgers[1].store))) == 36


async def test_a_job_s_acceptance_and_end_are_chained_without_its_content(
    access: Access, ledger: SqlLedger, clock: Clock
) -> None:
    made = take_in(access, ledger, None, clock, values={"prompt": "a secret fox"}, metadata={"order": "12-secret"})
    files = [Made(index=0, output="image", asset="f" * 64, media_type="image/png", bytes=3, verdict=VERDICT)]
    ended = over(made, State.SUCCEEDED, 700).model_copy(update={"outputs": tuple(files)})
    ledger.store.transact(lambda db: access.on_job(db, ended, event(made, "succeeded", clock())))
    assert await access.audited() == []
    await access.tend()
    after, before = await access.audited()
    assert (before.action, before.actor, before.target) == ("job.accepted", "local", made.job_id)
    assert before.data["workflow"] == "text-to-image@1.0.0"
    assert len(before.data["parameters"]) == 64
    assert after.action == "job.succeeded"
    asked = {name: before.data[name] for name in ("project", "user", "workflow", "digest", "parameters")}
    assert after.data == {
        **asked,
        "state": "succeeded",
        "code": None,
        "cost_microusd": 700,
        "outputs": [{"sha256": "f" * 64, "decision": "allowed", "policy": "standard@1", "rule": None}],
    }
    assert "secret" not in json.dumps([before.data, after.data])
    assert audit.verify(ledger.store) is None


VERDICT = {"decision": "allowed", "policy": "standard@1", "explanation": "a secret fox"}


async def test_a_failure_is_told_by_its_code(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    made = job(clock(), key_id="k")
    failed = over(made, State.FAILED).model_copy(update={"failure": Failure(code="prompt_blocked", message="a fox")})
    ledger.store.transact(lambda db: access.on_job(db, failed, event(made, "failed", clock())))
    await access.tend()
    [entry] = await access.audited()
    assert (entry.actor, entry.data["code"]) == ("key:k", "prompt_blocked")
    assert "fox" not in json.dumps(entry.data)


def test_facts_that_wait_are_chained_in_their_order_however_many(
    access: Access, ledger: SqlLedger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "BATCH", 4)
    jobs = [take_in(access, ledger, None, clock) for _ in range(10)]
    access._tending.write()
    assert [entry.target for entry in audit.oldest(ledger.store)] == [made.job_id for made in jobs]
    assert audit.verify(ledger.store) is None


async def test_acts_are_there_at_once_and_read_a_page_at_a_time(access: Access) -> None:
    for number in range(5):
        await access.audit("key:a", "workflow.published", f"w{number}", {"digest": "d"})
    first = await access.audited(limit=2)
    then = await access.audited(before=first[-1].seq, limit=2)
    assert [entry.target for entry in [*first, *then]] == ["w4", "w3", "w2", "w1"]


async def test_what_is_no_json_is_no_fact(access: Access) -> None:
    with pytest.raises(InvalidWorkflow):
        await access.audit("a", "b", "c", {"at": NOW})


def test_every_act_on_keys_is_an_entry(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    key, _ = access.keys.create(scopes=["read"], project="p", user="u", actor="key:admin")
    access.keys.rotate(key.key_id)
    access.keys.limit(key.key_id, key.limits)
    access.keys.hold(key.key_id, held=True)
    access.keys.hold(key.key_id, held=False)
    for _ in range(2):
        access.keys.revoke(key.key_id)
    entries = list(audit.oldest(ledger.store))
    acts = ["created", "rotated", "limited", "held", "released", "revoked"]
    assert [entry.action for entry in entries] == [f"key.{act}" for act in acts]
    assert {entry.target for entry in entries} == {key.key_id}
    assert entries[0].actor == "key:admin"


def test_a_refused_job_leaves_no_entry(access: Access, ledger: SqlLedger, clock: Clock) -> None:
    def refused(db: Session) -> None:
        made = job(clock())
        access.on_job(db, made, event(made, "queued", clock()))
        raise KeyError

    with pytest.raises(KeyError):
        ledger.store.transact(refused)
    assert not ledger.store.read(audit.waits)
    end(access, ledger, job(clock()), clock)
    assert ledger.store.read(audit.waits)
