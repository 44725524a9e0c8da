"""Signed checkpoints show what a chain cannot: a tail that is gone, a log written anew, and who says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mintmark.errors import BadKey, InvalidInput, TargetFailed
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access import audit, checkpointing, checkpoints
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.access.audit_keys import AuditKey, audit_key, public_key
from mintmark.orchestrator.access.audit_report import Report, document, exported, report
from mintmark.orchestrator.access.checkpoint_targets import deliver, file_of
from mintmark.orchestrator.access.checkpoint_task import CheckpointTask
from mintmark.orchestrator.access.checkpoints import Checkpoint
from mintmark.storage.base import Session
from mintmark.tests.orchestrator.databases import Open
from mintmark.tests.orchestrator.ticking import Clock


@pytest.fixture
def key(tmp_path: Path) -> AuditKey:
    return audit_key(None, tmp_path / "home")


@pytest.fixture
def log(access: Access, ledger: SqlLedger, clock: Clock) -> SqlLedger:
    ledger.store.install(checkpointing.PART)
    act(ledger, clock, 5)
    return ledger


def act(ledger: SqlLedger, clock: Clock, times: int = 1) -> None:
    facts = [audit.fact(clock(), "key:a", "key.revoked", f"k{number}", {}) for number in range(times)]
    ledger.store.transact(lambda db: audit.chain(db, facts))


def made(ledger: SqlLedger, key: AuditKey, clock: Clock) -> Checkpoint:
    found = ledger.store.transact(lambda db: checkpointing.make(db, key, clock(), actor="cli"))
    assert found is not None
    return found


def looked(ledger: SqlLedger, given: list[Checkpoint], *keys: AuditKey) -> Report:
    return report(audit.all_rows(ledger.store), given, [each.public for each in keys])


def run(ledger: SqlLedger, *statements: str) -> None:
    def work(db: Session) -> None:
        for each in statements:
            db.run(each)

    ledger.store.transact(work)


def test_a_log_that_agrees_with_its_checkpoints_is_whole(log: SqlLedger, key: AuditKey, clock: Clock) -> None:
    first = made(log, key, clock)
    act(log, clock, 3)
    then = made(log, key, clock)
    found = looked(log, [first, then], key)
    # The key itself is named by a row, ahead of the first checkpoint.
    assert (found.why, first.rows, then.rows, found.rows, found.checkpoints) == ("", 6, 9, 9, 2)
    assert checkpoints.read(first.line()) == first


SWAP = ("UPDATE audit SET seq = 99 WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 3")
DAMAGES = {
    "changed": (("UPDATE audit SET actor = 'key:b' WHERE seq = 3",), 3, "Row 3 is not what it was"),
    "missing": (("DELETE FROM audit WHERE seq = 2",), 3, "Row 2 is missing"),
    "reordered": (
        (*SWAP, "UPDATE audit SET seq = 3 WHERE seq = 99"),
        2,
        "Row 2 is what was row 3: rows were put into another order.",
    ),
    "one gone": (
        ("DELETE FROM audit WHERE seq > 5",),
        6,
        "The tail was cut off: row 6 is missing, which the",
    ),
    "many gone": (("DELETE FROM audit WHERE seq > 2",), 3, "The tail was cut off: rows 3 to 6 are missing"),
    "all gone": (("DELETE FROM audit",), 1, "The tail was cut off: rows 1 to 6 are missing"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_was_done_to_rows_is_named_with_the_first_of_them(
    log: SqlLedger, key: AuditKey, clock: Clock, name: str
) -> None:
    statements, seq, why = DAMAGES[name]
    kept = made(log, key, clock)
    run(log, *statements)
    found = looked(log, [kept], key)
    assert found.why.startswith(why)
    assert found.seq == seq


def test_a_log_that_was_written_anew_from_its_first_row_is_found(log: SqlLedger, key: AuditKey, clock: Clock) -> None:
    kept = made(log, key, clock)
    rows = [dict(row) for row in audit.all_rows(log.store)]
    names = ("at", "actor", "action", "target", "data")
    facts = [audit.Fact(**{name: row[name] for name in names}) for row in rows]
    facts[1] = replace(facts[1], actor="key:nobody")

    def anew(db: Session) -> None:
        db.run("DELETE FROM audit")
        audit.chain(db, facts)

    log.store.transact(anew)
    found = looked(log, [kept], key)
    assert found.broken is None  # the chain itself is right again
    assert "rewritten" in found.why


def other(tmp_path: Path) -> AuditKey:
    return audit_key(None, tmp_path / "elsewhere")


FORGERIES: dict[str, Callable[[Checkpoint, AuditKey], Checkpoint]] = {
    "forged": lambda its, _: replace(its, rows=3),
    "unknown_key": lambda its, their: replace(its, key=their.public).signed(their.sign),
    "other_log": lambda its, _: its,
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_checkpoint_that_is_none_of_this_log_is_told_from_the_others(
    log: SqlLedger, key: AuditKey, clock: Clock, tmp_path: Path, kind: str
) -> None:
    forged = FORGERIES[kind](made(log, key, clock), other(tmp_path))
    if kind == "other_log":
        forged = replace(forged, chain="of somebody else").signed(key.sign)
    [doubt] = looked(log, [forged], key).doubts
    assert (doubt.kind, doubt.seq) == (kind, None)


def test_a_wrong_signature_of_the_right_key_is_forged(log: SqlLedger, key: AuditKey, clock: Clock) -> None:
    kept = made(log, key, clock)
    clock.go(seconds=1)
    for signature in ("", "????", "AAAA", made(log, key, clock).signature):
        [doubt] = looked(log, [replace(kept, signature=signature)], key).doubts
        assert doubt.kind == "forged"


def test_a_new_key_vouches_for_the_ones_before_it(log: SqlLedger, key: AuditKey, clock: Clock, tmp_path: Path) -> None:
    new, newest = other(tmp_path), audit_key(None, tmp_path / "newest")
    kept = [made(log, each, clock) for each in (key, new, newest)]
    assert looked(log, kept, newest).why == ""
    # Who trusts the old one alone is not talked into the new one.
    assert {each.kind for each in looked(log, kept, key).doubts} == {"unknown_key"}
    named = [entry for entry in audit.oldest(log.store) if entry.action == audit.KEY_ACTION]
    assert [entry.target for entry in named] == [key.public, new.public, newest.public]


def test_a_key_that_the_log_alone_names_counts_for_nothing(
    log: SqlLedger, key: AuditKey, clock: Clock, tmp_path: Path
) -> None:
    theirs = other(tmp_path)
    forged = made(log, theirs, clock)
    data = {"chain": forged.chain, "key": key.public, "before": [theirs.public], "signature": forged.signature}
    log.store.transact(lambda db: audit.chain(db, [audit.fact(clock(), "a", audit.KEY_ACTION, key.public, data)]))
    assert [each.kind for each in looked(log, [forged], key).doubts] == ["unknown_key"]


def test_two_services_make_one_checkpoint_of_the_same_hour(place: Open, key: AuditKey, clock: Clock) -> None:
    ledgers = [place(), place()]
    for each in ledgers:
        Access(each.store, now=clock)
        each.store.install(checkpointing.PART)
    act(ledgers[0], clock, 3)
    hour = timedelta(hours=1)

    def make(number: int) -> Checkpoint | None:
        store = ledgers[number % 2].store
        return store.transact(lambda db: checkpointing.make(db, key, clock(), actor="service", every=hour))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(make, range(8)))
    assert len([each for each in found if each is not None]) == 1
    clock.go(seconds=3601)
    assert make(0) is None  # nothing was done meanwhile
    act(ledgers[1], clock)
    assert make(1) is not None


def test_what_cannot_be_told_waits_and_is_told_in_order(
    log: SqlLedger, key: AuditKey, clock: Clock, tmp_path: Path
) -> None:
    target = tmp_path / "kept" / "all.jsonl"
    target.parent.write_text("in the way")
    task = CheckpointTask(log.store, key, str(target), every_s=60, now=clock)
    task.look()
    act(log, clock)
    clock.go(seconds=61)
    task.look()
    target.parent.unlink()
    task.look()
    told = checkpoints.read_all(target.read_text(), "told")
    assert [each.rows for each in told] == [6, 7]
    assert looked(log, told, key).why == ""
    task.look()
    assert len(target.read_text().splitlines()) == 2


async def test_the_service_makes_them_by_itself(log: SqlLedger, key: AuditKey, tmp_path: Path) -> None:
    async with CheckpointTask(log.store, key, str(tmp_path), every_s=0.01):
        while not file_of(str(tmp_path)).exists():
            await asyncio.sleep(0.01)
    assert checkpoints.read_all(file_of(str(tmp_path)).read_text(), "told")[0].rows == 6


def test_an_exported_log_is_checked_without_the_database(log: SqlLedger, key: AuditKey, clock: Clock) -> None:
    kept = made(log, key, clock)
    lines = [json.loads(json.dumps(document(entry))) for entry in audit.oldest(log.store)]
    assert report(exported(lines), [kept], [key.public]).why == ""
    assert "row 6 is missing" in report(exported(lines[:-1]), [kept], [key.public]).why
    lines[2]["actor"] = "nobody"
    assert report(exported(lines), [kept], [key.public]).seq == 3


def test_an_empty_log_has_no_checkpoint(access: Access, ledger: SqlLedger, key: AuditKey, clock: Clock) -> None:
    ledger.store.install(checkpointing.PART)
    assert ledger.store.transact(lambda db: checkpointing.make(db, key, clock(), actor="cli")) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mintmark_audit_checkpoint": 2}', "no", "null", '"a"'])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="none of an audit log"):
        checkpoints.read(text)


def test_a_key_comes_from_a_file_or_from_the_variable_itself(tmp_path: Path, key: AuditKey) -> None:
    path = tmp_path / "home" / "keys" / "audit.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert audit_key(str(path), tmp_path).public == key.public
    assert audit_key(path.read_text(), tmp_path).public == key.public
    assert audit_key(path.read_text().replace("\n", "\\n"), tmp_path).public == key.public
    assert audit_key(None, tmp_path / "home").public == key.public
    assert public_key(key.public) == key.public
    assert "sign=" not in repr(key)


def test_a_key_that_cannot_sign_is_refused_without_being_quoted(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for text in (
        pem.decode(),
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----",
        str(tmp_path / "no"),
    ):
        with pytest.raises(BadKey) as told:
            audit_key(text, tmp_path)
        assert "c2VjcmV0" not in str(told.value)
    for text in ("AAAA", "not base64!", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"):
        with pytest.raises(BadKey):
            public_key(text)


def test_a_url_that_refuses_is_named_by_its_host(tmp_path: Path) -> None:
    with pytest.raises(TargetFailed, match=r"127\.0\.0\.1"):
        deliver("{}", "http://127.0.0.1:9/secret-path")
