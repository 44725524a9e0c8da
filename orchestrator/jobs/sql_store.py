"""The store of jobs in the ledger's own database, SQLite or PostgreSQL: what must be together is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...clock import Clock, utc_now
from ...errors import MintmarkError
from ...storage.base import Part, Session
from . import accepting, claiming, pausing, peeking, purging, reading, renewing
from . import at_once as beginning
from . import ending as endings
from . import idempotency as known_keys
from . import laid as laying
from .base import Accepted, Beyond, Bounds, Claimer, Filter, Idempotency, JobStore, Outbox, Ready
from .change import Change, PutOff
from .claiming import Wanted
from .counts import Counts
from .job import CONTENTS, Content, Ending, Job, JobEvent, Lease, Ordered, Renewed
from .records import find, locked
from .states import State, Step
from .together import Together

if TYPE_CHECKING:
    from ...metering.ledger_sql import SqlLedger

T = TypeVar("T")

LEASE_S = 60.0
"""How long a lease lasts without being renewed."""
AT_ONCE = 64
"""Claims in one transaction, at most, of all who ask at once; or those of one who asks for more. And ends."""
PART = Part("jobs", Path(__file__).with_name("jobs.sql").read_text(encoding="utf-8"))


class Over(NamedTuple):
    """What :meth:`SqlJobStore.end` is asked."""

    lease: Lease
    ending: Ending
    laid: Mapping[str, bytes]
    place: str
    early: Callable[[Job], None] | None


class SqlJobStore(JobStore):
    """``ledger`` is where money is set aside, and its database that of the jobs; it stays the caller's to close.
    ``lease_s``: how long a lease lasts that is not renewed; ``ended`` is told of each job that ended by this store,
    once that is durable; ``held`` says why nothing of a job may be forgotten."""

    def __init__(
        self,
        ledger: SqlLedger,
        *,
        bounds: Bounds = Bounds(),  # noqa: B008 - it is frozen
        outbox: Outbox | None = None,
        ended: Callable[[Job], None] | None = None,
        held: purging.Held = purging.nobody,
        lease_s: float = LEASE_S,
        now: Clock = utc_now,
    ) -> None:
        self._ledger, self._store = ledger, ledger.store
        self._bounds, self._outbox, self._lease_s, self._now = bounds, outbox, lease_s, now
        self._ended, self._held = ended, held
        self._claims: Together[Wanted, list[Lease]] = Together(self._claim, most=AT_ONCE, size=lambda its: its.most)
        self._ends: Together[Over, Job] = Together(self._end, most=AT_ONCE)
        self._more = False
        """Whether those who claimed last got all that they asked for: then there is mostly more."""
        for part in (PART, known_keys.PART, laying.PART, pausing.PART, purging.PART, purging.ELSEWHERE):
            self._store.install(part)

    @property
    def claims_together(self) -> bool:
        return self._store.one_writer

    def _change(self, db: Session) -> Change:
        counts = Counts(self._bounds.queued_per_key)
        return Change(db, self._now(), self._ledger, self._outbox, counts)

    def _transact(self, work: Callable[[Change], T], written: Callable[[T], None] | None = None) -> T:
        """One transaction in which jobs may come, or come to their end. ``written`` is told before the disk has it."""
        over: list[Job] = []

        def within(db: Session) -> T:
            change = self._change(db)
            result = work(change)
            change.counts.write(db)
            over[:] = change.ended  # what an earlier run of this saw came to nothing
            if written is not None:
                written(result)
            return result

        result = self._store.transact(within)
        if self._ended is not None:
            for job in over:
                self._ended(job)
        return result

    # -- accepting ----------------------------------------------------------------------------------------------------

    def accept(
        self,
        ordered: Ordered,
        idempotency: Idempotency | None = None,
        *,
        ending: Ending | None = None,
        claimer: Claimer | None = None,
        early: Callable[[Lease], None] | None = None,
    ) -> Accepted:
        if claimer is None:
            return self._transact(lambda change: self._accept(change, ordered, idempotency, ending))

        def written(accepted: Accepted) -> None:
            lease = accepted.lease
            its_own = lease is not None and lease.job.job_id == ordered.job_id
            # Where others write as well, all of it may have to be done once more.
            if early is not None and lease is not None and its_own and self._store.one_writer:
                early(lease)

        return self._transact(lambda change: self._accept_and_claim(change, ordered, idempotency, claimer), written)

    def _accept_and_claim(
        self, change: Change, ordered: Ordered, key: Idempotency | None, claimer: Claimer
    ) -> Accepted:
        # Whoever claims locks that first of all; taken later, two could wait for each other.
        change.db.alone(claiming.LOCK)
        if (known := self._kept(change, ordered, key)) is not None:
            return known
        at_once = beginning.begin(change, ordered, self._bounds, claimer, self._lease_s)
        if at_once is not None:
            return at_once
        job = accepting.accept(change, ordered, self._bounds)
        [leases] = claiming.claim(change, [Wanted(claimer, 1)], self._lease_s)
        return Accepted(job, lease=leases[0] if leases else None)

    def _accept(self, change: Change, ordered: Ordered, key: Idempotency | None, ending: Ending | None) -> Accepted:
        known = self._kept(change, ordered, key)
        return known or Accepted(accepting.accept(change, ordered, self._bounds, ending))

    def _kept(self, change: Change, ordered: Ordered, key: Idempotency | None) -> Accepted | None:
        """What the key made before; None where it makes this job now, which is kept with it."""
        if key is None:
            return None
        if (before := self._known(change.db, key)) is not None:
            return Accepted(before, replayed=True)
        known_keys.keep(change.db, key, change.at, job_id=ordered.job_id)
        return None

    def _known(self, db: Session, key: Idempotency) -> Job | None:
        known = known_keys.find(db, key, self._now())
        found = find(db, known.job_id) if known is not None and known.job_id is not None else None
        return None if found is None else found.job

    def accept_many(
        self, orders: Sequence[Ordered], keys: Sequence[Idempotency | None] | None = None
    ) -> list[Job | Exception]:
        given = list(zip(orders, keys or [None] * len(orders), strict=True))

        return self._transact(lambda change: [self._accept_one(change, ordered, key) for ordered, key in given])

    def _accept_one(self, change: Change, ordered: Ordered, key: Idempotency | None) -> Job | Exception:
        try:
            with change.part():
                return self._accept(change, ordered, key, None).job
        except MintmarkError as refused:
            return refused

    def replay(self, idempotency: Idempotency) -> Job | None:
        return self._store.read(lambda db: self._known(db, idempotency))

    # -- running ------------------------------------------------------------------------------------------------------

    def claim(
        self, owner: str, worker: str, lanes: Sequence[str], *, most: int = 1, only: Sequence[str] | None = None
    ) -> list[Lease]:
        return self._claims.ask(Wanted(Claimer(owner, worker, lanes), most, only))

    def _claim(self, wanted: Sequence[Wanted]) -> list[list[Lease]]:
        at, lanes = self._now(), {lane for each in wanted for lane in each.claimer.lanes}
        if not self._more and not self._store.read(lambda db: claiming.is_ready(db, lanes, at)):
            return [[] for _ in wanted]
        found = self._store.transact(lambda db: claiming.claim(self._change(db), wanted, self._lease_s))
        self._more = all(len(leases) == each.most for leases, each in zip(found, wanted, strict=True))
        return found

    def peek(self, lanes: Sequence[str], *, most: int, beyond: Beyond | None = None) -> list[Ready]:
        at = self._now()
        if self._store.read(lambda db: claiming.any_due(db, at)):
            self._store.transact(lambda db: claiming.promote(self._change(db)))
        return self._store.read(lambda db: peeking.peek(db, lanes, most, at, beyond))

    def renew(self, owner: str, job_ids: Iterable[str]) -> Renewed:
        ids = list(job_ids)
        if not ids:
            return Renewed([], [], [])
        return renewing.renew(self._store, owner, ids, self._now(), self._lease_s)

    def leased(self, owner: str) -> list[str]:
        return self._store.read(lambda db: claiming.leased(db, owner))

    def abandoned(self, owner: str, is_dead: Callable[[str], bool], *, strays: Collection[str] = ()) -> list[Lease]:
        at = self._now()
        owners = self._store.read(claiming.owners)
        # Asked outside every transaction: it may look at files.
        dead = [each for each in owners if each != owner and is_dead(each)]
        if not dead and not strays and not self._store.read(lambda db: claiming.any_run_out(db, at)):
            return []
        return self._store.transact(lambda db: claiming.take_over(self._change(db), owner, dead, strays, self._lease_s))

    def end(
        self,
        lease: Lease,
        ending: Ending,
        *,
        laid: Mapping[str, bytes] | None = None,
        place: str = "",
        early: Callable[[Job], None] | None = None,
    ) -> Job:
        over = Over(lease, ending, laid or {}, place, early)
        # Those who take turns share a commit anyway.
        return self._end([over])[0] if self._store.one_writer else self._ends.ask(over)

    def _end(self, those: Sequence[Over]) -> list[Job]:
        def work(change: Change) -> list[Job]:
            if len(those) == 1:
                jobs = [endings.end(change, those[0].lease, those[0].ending)]
            else:
                change = replace(change, put_off=PutOff())
                jobs = endings.end_all(change, [(each.lease, each.ending) for each in those])
            for each in those:
                laying.keep(change.db, each.place, each.laid)
            return jobs

        def written(jobs: list[Job]) -> None:
            for each, job in zip(those, jobs, strict=True):
                if each.early is not None:
                    each.early(job)

        return self._transact(work, written)

    def laid(self, place: str | None) -> dict[str, bytes]:
        return self._store.read(lambda db: laying.kept(db, place))

    def settled(self, place: str | None, assets: Iterable[str]) -> None:
        those = list(assets)
        self._store.transact(lambda db: laying.settled(db, place, those))

    def requeue(
        self, lease: Lease, *, reason: str, delay_s: float = 0.0, lane: str | None = None, counts: bool = True
    ) -> Job:
        return self._transact(
            lambda change: endings.requeue(change, lease, reason=reason, delay_s=delay_s, lane=lane, counts=counts)
        )

    def cancel(self, job_id: str, *, why: str = "canceled") -> Job:
        return self._transact(
            lambda change: endings.cancel(change, locked(change.db, job_id), Step.CANCELED, {"why": why})
        )

    def expire(self) -> list[Job]:
        at = self._now()
        if not self._store.read(lambda db: endings.any_late(db, at)):
            return []
        return self._transact(endings.expire)

    # -- pausing ------------------------------------------------------------------------------------------------------

    def pause(self, *, paused: bool) -> None:
        self._store.transact(lambda db: pausing.pause(db, self._now(), paused=paused))

    def is_paused(self) -> bool:
        return self._store.read(lambda db: bool(db.run("SELECT paused FROM claiming")[0]["paused"]))

    def pauses(self, since: datetime) -> list[pausing.Pause]:
        return self._store.read(lambda db: pausing.pauses(db, since))

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job | None:
        found = self._store.read(lambda db: find(db, job_id))
        return None if found is None else found.job

    def find(self, where: Filter, *, before: int | None = None, limit: int = 50) -> list[Job]:
        return self._store.read(lambda db: reading.listed(db, where, before, limit))

    def events(self, job_id: str, *, after: int = 0) -> list[JobEvent]:
        return self._store.read(lambda db: reading.events(db, job_id, after))

    def cached(self, cache_key: str) -> Job | None:
        return self._store.read(lambda db: reading.cached(db, cache_key))

    def counts(self) -> dict[State, int]:
        return self._store.read(reading.counts)

    def wanted(self) -> int:
        return self._store.read(lambda db: reading.wanted(db, self._now()))

    def waiting_since(self) -> datetime | None:
        return self._store.read(reading.waiting_since)

    def open_jobs(self, key_id: str | None) -> int:
        return self._store.read(lambda db: reading.open_jobs(db, key_id))

    def seconds(self, workflow: str, *, last: int = 20) -> list[float]:
        return self._store.read(lambda db: reading.seconds(db, workflow, last))

    def having(self, asset: str) -> list[Job]:
        return self._store.read(lambda db: reading.having(db, asset))

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def judge(
        self, job_id: str, index: int, *, accepted: bool | None, by: str | None = None, reason: str | None = None
    ) -> Job:
        return self._store.transact(
            lambda db: purging.judge(self._change(db), job_id, index, accepted=accepted, by=by, reason=reason)
        )

    def purge(self, job_id: str, contents: Sequence[Content] = CONTENTS, *, by: str | None = None) -> list[str]:
        return self._store.transact(lambda db: purging.purge(self._change(db), job_id, contents, self._held, by=by))

    def forgotten(self, *, limit: int = 1000) -> list[str]:
        return self._store.read(lambda db: purging.forgotten(db, limit))

    def gone(self, asset: str) -> None:
        self._store.transact(lambda db: purging.gone(db, asset))

    def forget_copies(self, job_id: str, *, cached_only: bool = False) -> None:
        self._store.transact(lambda db: purging.forget_copies(self._change(db), job_id, cached_only=cached_only))

    def elsewhere(self, *, limit: int = 1000) -> list[purging.Elsewhere]:
        return self._store.read(lambda db: purging.elsewhere(db, limit))

    def gone_elsewhere(self, its: purging.Elsewhere) -> None:
        self._store.transact(lambda db: purging.gone_elsewhere(db, its))

    def note(self, job_id: str, kind: str, data: Mapping[str, Any]) -> JobEvent:
        def work(db: Session) -> JobEvent:
            return self._change(db).told(locked(db, job_id).job, kind, data)()

        return self._store.transact(work)

    def forget_keys(self) -> int:
        return self._store.transact(lambda db: known_keys.forget(db, self._now()))
