"""The journal in a SQLite file, shared by all processes of a machine that use the same data folder."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import log
from ..clock import utc_now
from ..errors import AllowanceExhausted, Canceled, InternalError, InvalidInput, UnknownJob
from ..metering.prices import usd
from ..moderation.verdict import Verdict
from ..storage.database import Database
from ..storage.owners import Owner
from .call import Call, Entry, Kind, NewCall, State, check_step
from .context import NOT_STORED, Allowance, JobContext, JobReport, receipt_of
from .forgetting import Forgotten, forget
from .journal import PAGE, Journal, Within, taken

logger = log.get("generation.journal")

_SCHEMA = Path(__file__).with_name("journal.sql")
OPENED = 1024
"""Jobs of which this process remembers that it has opened them."""
_OPEN = "('held', 'asking', 'accepted')"
_HELD = f"CASE WHEN state IN {_OPEN} OR state = 'unknown' THEN hold ELSE 0 END"


class SqliteJournal(Journal):
    """``folder`` holds the file ``journal.sqlite3`` and the locks of the processes that use it."""

    def __init__(
        self, folder: Path, *, now: Callable[[], datetime] = utc_now, listener: Callable[[Entry], None] | None = None
    ) -> None:
        self._now = now
        self._listener = listener or (lambda entry: None)
        self._db = Database(folder / "journal.sqlite3", _SCHEMA.read_text(encoding="utf-8"))
        self._owner = Owner(folder / "owners")
        self._fresh: list[Entry] = []
        self._opened: OrderedDict[str, str] = OrderedDict()
        self.journal_id = self._identity()

    @property
    def owner(self) -> str:
        return self._owner.id

    # -- jobs ---------------------------------------------------------------------------------------------------

    def open_job(self, context: JobContext) -> None:
        stored = context.model_dump_json(exclude=set(NOT_STORED))
        # A context never changes, so what this process has written or found once needs no second look.
        if self._opened.get(context.job_id) == stored:
            return
        with self._db.transaction() as db:
            row = db.execute("SELECT context FROM jobs WHERE job_id = ?", (context.job_id,)).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO jobs (job_id, context, granted) VALUES (?, ?, ?)",
                    (context.job_id, stored, context.allowance_microusd),
                )
            elif row["context"] != stored:
                raise InvalidInput(
                    f"Job {context.job_id} is already known here with another context.", hint="Use a new job id."
                )
        self._opened[context.job_id] = stored
        while len(self._opened) > OPENED:
            self._opened.popitem(last=False)

    def job(self, job_id: str) -> JobContext | None:
        row = self._db.row("SELECT context FROM jobs WHERE job_id = ?", job_id)
        return JobContext.model_validate_json(row["context"]) if row else None

    # -- calls --------------------------------------------------------------------------------------------------

    def hold(self, call: NewCall, *, grow: bool = False, within: Within | None = None) -> Call:
        with self._writing() as db:
            known = db.execute(
                "SELECT * FROM calls WHERE key = ? AND state != 'released' AND NOT forgotten", (call.key,)
            ).fetchone()
            if known:
                return _call(known)
            self._check_allowance(db, call, grow=grow, within=within)
            attempt = db.execute("SELECT count(*) FROM calls WHERE key = ?", (call.key,)).fetchone()[0] + 1
            db.execute(
                "INSERT INTO calls (call_id, job_id, key, attempt, node_id, provider, model, request_digest, "
                "parameters, owner, state, hold) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'held', ?)",
                (
                    *(call.call_id, call.job_id, call.key, attempt, call.node_id, call.provider, call.model),
                    *(call.request_digest, json.dumps(call.parameters), self._owner.id, call.hold_microusd),
                ),
            )
            facts = call.model_dump(include={"node_id", "provider", "model", "request_digest"})
            self._append(db, call.job_id, "held", {**facts, "microusd": call.hold_microusd}, call.call_id)
            return self._get(db, call.call_id)

    def _check_allowance(self, db: sqlite3.Connection, call: NewCall, *, grow: bool, within: Within | None) -> None:
        allowance, closed = self._allowance(db, call.job_id)
        if closed:
            raise Canceled(f"Job {call.job_id} is closed; nothing more may be asked for it.")
        if within is not None:
            within.check(taken(allowance), call.hold_microusd)
        lacking = call.hold_microusd - allowance.left_microusd
        if grow and lacking > 0:
            db.execute("UPDATE jobs SET granted = granted + ? WHERE job_id = ?", (lacking, call.job_id))
        # What costs nothing is never refused, also where a provider charged more than was granted.
        elif lacking > 0 and call.hold_microusd > 0:
            raise AllowanceExhausted(
                f"The job may still spend {usd(max(0, allowance.left_microusd))} of {usd(allowance.granted_microusd)}, "
                f"and {call.model} asks for {usd(call.hold_microusd)}.",
                hint="Raise the allowance (MINTMARK_ALLOWANCE_USD), choose a cheaper model or ask for fewer images.",
                left_microusd=allowance.left_microusd,
                asked_microusd=call.hold_microusd,
            )

    def begin(self, call_id: str) -> Call:
        with self._writing() as db:
            before = self._get(db, call_id)
            # Not "harmless where it already is": of two who hold the same call, only one may ask it.
            check_step(call_id, before.state, "asking")
            return self._step(db, before, "asking", {})

    def drop(self, call_id: str, reason: str) -> bool:
        with self._writing() as db:
            row = db.execute("SELECT * FROM calls WHERE call_id = ? AND state = 'held'", (call_id,)).fetchone()
            if row is None:
                return False
            self._step(db, _call(row), "released", {"reason": reason})
            return True

    def move(self, call_id: str, state: State, **facts: Any) -> Call:
        if state == "asking":
            raise InternalError("A call is taken to asking by begin() alone.")
        with self._writing() as db:
            before = self._get(db, call_id)
            if before.state == state:
                return before
            check_step(call_id, before.state, state)
            return self._step(db, before, state, facts)

    def _step(self, db: sqlite3.Connection, before: Call, state: State, facts: dict[str, Any]) -> Call:
        columns: dict[str, Any] = {"state": state, "owner": self._owner.id}
        if facts.get("request_id") is not None:
            columns["request_id"] = facts["request_id"]
        if state == "accepted":
            columns["handle"] = json.dumps(facts["handle"])
        if state == "settled":
            columns |= {"charged": facts["microusd"], "result": json.dumps(facts.get("result", {}))}
        _update(db, before.call_id, columns)
        data = {**facts, "provider": before.provider, "model": before.model, "hold_microusd": before.hold_microusd}
        # A failure often has no id of its own; the one the provider gave when it accepted the call still names it.
        data["request_id"] = facts.get("request_id") or before.request_id
        self._append(db, before.job_id, state, data, before.call_id)
        return self._get(db, before.call_id)

    def forget_unknown(self, key: str) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE calls SET forgotten = 1 WHERE key = ? AND state = 'unknown'", (key,))

    def store(self, call_id: str, url: str, sha256: str | None) -> Call:
        with self._writing() as db:
            call = self._get(db, call_id)
            result = dict(call.result or {})
            result["images"] = [
                {**image, "sha256": sha256} if image["url"] == url else image for image in result.get("images", [])
            ]
            _update(db, call_id, {"result": json.dumps(result)})
            self._append(db, call.job_id, "stored", {"sha256": sha256}, call_id)
            return self._get(db, call_id)

    def verdict(self, job_id: str, digest: str, policy: str) -> Verdict | None:
        row = self._db.row(
            "SELECT data FROM entries WHERE job_id = ? AND kind = 'verdict' "
            "AND json_extract(data, '$.digest') = ? AND json_extract(data, '$.policy') = ? ORDER BY seq LIMIT 1",
            *(job_id, digest, policy),
        )
        return Verdict.model_validate_json(row["data"]) if row else None

    def job_of(self, sha256: str) -> str | None:
        row = self._db.row(
            "SELECT job_id FROM entries WHERE kind = 'signed' AND json_extract(data, '$.sha256') = ? "
            "ORDER BY seq DESC LIMIT 1",
            sha256,
        )
        return str(row["job_id"]) if row else None

    def call(self, call_id: str) -> Call | None:
        row = self._db.row("SELECT * FROM calls WHERE call_id = ?", call_id)
        return _call(row) if row else None

    def unknown(self) -> list[Call]:
        return [_call(row) for row in self._db.rows("SELECT * FROM calls WHERE state = 'unknown'")]

    # -- facts and reports --------------------------------------------------------------------------------------

    def note(self, job_id: str, kind: Kind, data: dict[str, Any], call_id: str | None = None) -> Entry:
        with self._writing() as db:
            return self._append(db, job_id, kind, data, call_id)

    def since(self, seq: int, *, job_id: str | None = None, limit: int = PAGE) -> list[Entry]:
        rows = self._db.rows(
            "SELECT * FROM entries WHERE seq > ? AND (? IS NULL OR job_id = ?) ORDER BY seq LIMIT ?",
            *(seq, job_id, job_id, limit),
        )
        return [_entry(row) for row in rows]

    def report(self, job_id: str) -> JobReport:
        with self._db.transaction() as db:
            allowance, closed = self._allowance(db, job_id)
            calls = db.execute(
                "SELECT calls.* FROM calls JOIN entries USING (call_id) WHERE calls.job_id = ? "
                "AND entries.kind = 'held' ORDER BY seq",
                (job_id,),
            )
            receipts = [receipt for row in calls if (receipt := receipt_of(_call(row)))]
            facts = [
                _entry(row)
                for row in db.execute(
                    "SELECT * FROM entries WHERE job_id = ? AND kind IN ('verdict', 'signed', 'failed') ORDER BY seq",
                    (job_id,),
                )
            ]
        return JobReport(
            job_id=job_id,
            open=not closed,
            allowance=allowance,
            receipts=tuple(receipts),
            verdicts=tuple(Verdict.model_validate(fact.data) for fact in facts if fact.kind == "verdict"),
            signed=tuple(fact.data for fact in facts if fact.kind == "signed"),
            failures=tuple(fact.data for fact in facts if fact.kind == "failed"),
        )

    def close_job(self, job_id: str) -> JobReport:
        with self._db.transaction() as db:
            db.execute("UPDATE jobs SET closed = 1 WHERE job_id = ?", (job_id,))
        return self.report(job_id)

    def calls_of(self, job_id: str) -> list[Call]:
        return [_call(row) for row in self._db.rows("SELECT * FROM calls WHERE job_id = ?", job_id)]

    def forget(self, job_id: str) -> Forgotten:
        with self._db.transaction() as db:
            return forget(db, job_id)

    def scrub(self, *, thorough: bool = False) -> bool:
        return self._db.scrub(thorough=thorough)

    # -- after a crash ------------------------------------------------------------------------------------------

    def adopt_orphans(self) -> list[Call]:
        owners = [row["owner"] for row in self._db.rows(f"SELECT DISTINCT owner FROM calls WHERE state IN {_OPEN}")]
        dead = [owner for owner in owners if self._owner.is_dead(owner)]
        adopted: list[Call] = []
        for owner in dead:
            # The claim is the UPDATE itself: of two processes that see the same dead owner, one gets the rows.
            with self._db.transaction() as db:
                rows = db.execute(
                    f"UPDATE calls SET owner = ? WHERE owner = ? AND state IN {_OPEN} RETURNING *",
                    (self._owner.id, owner),
                ).fetchall()
                adopted += [_call(row) for row in rows]
        return adopted

    def close(self) -> None:
        self._db.close()
        self._owner.close()

    # -- inside -------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction whose entries the listener hears of once they are durable."""
        with self._db.transaction() as db:
            self._fresh.clear()
            yield db
            fresh = list(self._fresh)
        for entry in fresh:
            try:
                self._listener(entry)
            except Exception:
                # What is written is written: whoever wrote it must not take a deaf listener for a failed write.
                logger.exception("Telling of entry %d failed", entry.seq, extra=log.action("listener_failed"))

    def _identity(self) -> str:
        with self._db.transaction() as db:
            row = db.execute("SELECT journal_id FROM identity").fetchone()
            if row:
                return str(row["journal_id"])
            made = str(uuid.uuid4())
            db.execute("INSERT INTO identity VALUES (?)", (made,))
            return made

    def _allowance(self, db: sqlite3.Connection, job_id: str) -> tuple[Allowance, bool]:
        job = db.execute("SELECT granted, closed FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        if job is None:
            raise _unknown_job(job_id)
        sums = db.execute(
            f"SELECT coalesce(sum({_HELD}), 0) AS held, coalesce(sum(charged), 0) AS settled FROM calls "
            "WHERE job_id = ?",
            (job_id,),
        ).fetchone()
        allowance = Allowance(
            granted_microusd=job["granted"], held_microusd=sums["held"], settled_microusd=sums["settled"]
        )
        return allowance, bool(job["closed"])

    def _get(self, db: sqlite3.Connection, call_id: str) -> Call:
        row = db.execute("SELECT * FROM calls WHERE call_id = ?", (call_id,)).fetchone()
        if row is None:
            raise UnknownJob(f"No call {call_id} in this journal.")
        return _call(row)

    def _append(
        self, db: sqlite3.Connection, job_id: str, kind: Kind, data: dict[str, Any], call_id: str | None
    ) -> Entry:
        at = self._now()
        done = db.execute(
            "INSERT INTO entries (job_id, call_id, kind, at, data) VALUES (?, ?, ?, ?, ?)",
            (job_id, call_id, kind, at.isoformat(), json.dumps(data)),
        )
        entry = Entry(seq=done.lastrowid or 0, job_id=job_id, call_id=call_id, kind=kind, at=at, data=data)
        self._fresh.append(entry)
        return entry


def _update(db: sqlite3.Connection, call_id: str, columns: dict[str, Any]) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE calls SET {names} WHERE call_id = ?", (*columns.values(), call_id))


def _call(row: sqlite3.Row) -> Call:
    plain = dict(row)
    plain.pop("forgotten")
    plain |= {"hold_microusd": plain.pop("hold"), "charged_microusd": plain.pop("charged")}
    plain |= {name: json.loads(plain[name]) if plain[name] else None for name in ("handle", "result", "parameters")}
    return Call.model_validate(plain)


def _entry(row: sqlite3.Row) -> Entry:
    return Entry.model_validate({**dict(row), "data": json.loads(row["data"])})


def _unknown_job(job_id: str) -> UnknownJob:
    return UnknownJob(f"Job {job_id} is not known here.", hint="Send its context first.")
