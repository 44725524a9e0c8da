"""The store of jobs: this file is the contract, ``tests/contracts/jobs.py`` its test, on SQLite and on PostgreSQL.

The database is the truth; whatever is told besides (in process, over NATS) only makes things faster. What must hold:

- A job is accepted in one transaction: its row, its first event, its allowance in the ledger, its idempotency key.
  Either its id is given out and it is there, or nothing of it is.
- A job ends once. Its last state, its outputs, its receipts, the rest of its allowance given back, its event and its
  webhook deliveries are one transaction. A second ending is refused (WrongState) and changes nothing.
- What is written for an attempt names its fence; a late word of an older attempt is refused (StaleLease).
- Each transition is an event row, written in the same transaction. Events are never changed; a purge takes out what
  people said in them.
- :meth:`JobStore.claim` is fair: queues (one for each key and lane) take turns by how much they were served, so ten
  thousand jobs of one key delay another key's single job by at most one claim; within a queue the highest priority
  goes first, and waiting raises it. It costs the same with a million queued jobs as with ten.
- Bounded: a queue that is full refuses (QueueFull), before money is set aside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ...storage.base import Session
from .job import CONTENTS, Content, Ending, Job, JobEvent, Lease, Ordered, Renewed
from .pausing import Pause
from .purging import Elsewhere
from .states import State


@dataclass(frozen=True, kw_only=True)
class Idempotency:
    """A caller's ``Idempotency-Key``. ``scope``: who called what (key id and route); kept for seven days."""

    scope: str
    key: str
    digest: str
    """SHA-256 of the canonical body: the same key with another one is refused (IdempotencyMismatch)."""


@dataclass(frozen=True)
class Claimer:
    """Who has room for one more job: ``worker``, for ``owner``, of these lanes."""

    owner: str
    worker: str
    lanes: Sequence[str]


@dataclass(frozen=True)
class Ready:
    """A job that may be claimed now, as :meth:`JobStore.peek` found it."""

    job: Job
    lane: str
    """Where it waits: its own lane, or one of :mod:`.queueing`'s that not every worker takes."""
    queue_id: str = ""
    place: tuple[int, int] = (0, 0)
    """Where in its queue it is: what is behind has a greater one."""

    @property
    def since(self) -> datetime:
        """When it might have begun at the earliest."""
        return max(self.job.submitted_at, self.job.ordered.not_before or self.job.submitted_at)


Beyond = Mapping[str, tuple[int, int]]
"""Places in queues, by queue."""


@dataclass(frozen=True)
class Accepted:
    """What came of an order. ``replayed``: the idempotency key was known, and this is the job it made then."""

    job: Job
    replayed: bool = False
    lease: Lease | None = None
    """What was claimed with it: mostly this job, else one whose turn was before."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How many jobs may wait. None: no limit."""

    queued_per_key: int | None = 100_000
    queued_overall: int | None = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which jobs a list is of; None: any. ``user`` is the end user where there is one. ``metadata``: each name has that
    value; values of up to 200 characters are found, numbers and flags as JSON writes them."""

    states: Sequence[State] | None = None
    workflow: str | None = None
    key_id: str | None = None
    project: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None


class Outbox(Protocol):
    """Writes, in the transaction of a job's event, what is to be delivered because of it."""

    def __call__(self, db: Session, job: Job, event: JobEvent) -> None:
        """Called within the transaction, with the job as it is after the event."""


class JobStore(ABC):
    """See the module's text for what must hold. All methods block: call them from a thread."""

    @property
    @abstractmethod
    def claims_together(self) -> bool:
        """Whether several who accept and claim at once do not wait for each other's commits."""

    # -- accepting ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def accept(
        self,
        ordered: Ordered,
        idempotency: Idempotency | None = None,
        *,
        ending: Ending | None = None,
        claimer: Claimer | None = None,
        early: Callable[[Lease], None] | None = None,
    ) -> Accepted:
        """Take a job in: see the module's text.

        ``early`` may be told of the lease on this very job when all is written and only the disk is waited for. What
        is begun then is to be undone where this raises.

        ``supersedes`` cancels that job in the same transaction, before money is set aside for this one: a queued one
        is over at once, so its own money can pay for this one. A running one is asked to stop as by :meth:`cancel`;
        its money comes back when it has stopped, because until then it may be spent.

        With ``ending`` the job is over at once, and is told as ``cached``: an earlier job's result is given again. No
        queue and no money is asked.

        With ``claimer`` the job that is next then is claimed for them in the same transaction, as by :meth:`claim`.
        Raises QueueFull, BudgetExceeded, IdempotencyMismatch.
        """

    @abstractmethod
    def accept_many(
        self, orders: Sequence[Ordered], keys: Sequence[Idempotency | None] | None = None
    ) -> list[Job | Exception]:
        """Take many in, in one transaction; one that is refused has its error in its place, the others are taken.
        Each may have an idempotency key of its own; a replayed job is not the one that was ordered now."""

    @abstractmethod
    def replay(self, idempotency: Idempotency) -> Job | None:
        """The job that this key made, None where it is not known. Raises IdempotencyMismatch."""

    # -- running ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def claim(
        self, owner: str, worker: str, lanes: Sequence[str], *, most: int = 1, only: Sequence[str] | None = None
    ) -> list[Lease]:
        """Up to ``most`` due jobs, the fairest first; each begins an attempt on ``worker``, leased to ``owner``.

        With ``only`` these jobs, in this order, as far as they are still ready and of these lanes. Each takes a turn of
        its queue; queues that are passed over for it keep theirs.
        """

    @abstractmethod
    def peek(self, lanes: Sequence[str], *, most: int, beyond: Beyond | None = None) -> list[Ready]:
        """The jobs that :meth:`claim` would give in these lanes, in its order. Nobody is kept from claiming them.

        With ``beyond`` those behind: of each queue what comes after the place that this names, or all of one that it
        does not name; as many of each, so that what waits in one for want of a worker hides nothing of another."""

    @abstractmethod
    def renew(self, owner: str, job_ids: Iterable[str]) -> Renewed:
        """Keep these leases, and learn which of the jobs are to be stopped, and which are not this owner's any more.

        A lease that is kept holds for three quarters of its time at least, from now on: one that was given or renewed
        a moment ago is not written again, so this may be asked often."""

    @abstractmethod
    def leased(self, owner: str) -> list[str]:
        """The jobs whose leases this owner has."""

    @abstractmethod
    def abandoned(self, owner: str, is_dead: Callable[[str], bool], *, strays: Collection[str] = ()) -> list[Lease]:
        """Running jobs whose owner is dead or whose lease ran out, each leased anew to ``owner``, who calls this; and
        of its own the ``strays``, of which it never heard: the answer to a commit was lost.

        The attempt stays the same and so does the worker: whether the prompt ran is found out there. The fence grows.
        """

    @abstractmethod
    def end(
        self,
        lease: Lease,
        ending: Ending,
        *,
        laid: Mapping[str, bytes] | None = None,
        place: str = "",
        early: Callable[[Job], None] | None = None,
    ) -> Job:
        """Write down how the attempt ended, all in one transaction. Raises StaleLease and WrongState.

        ``early`` is told of the job when all is written and only the disk is waited for: nobody may be told yet.

        ``laid`` are files of it, by digest, that may not be durable yet in ``place``: they are kept with it, until they
        are named by :meth:`settled`, or no job has them any more.
        """

    @abstractmethod
    def laid(self, place: str | None) -> dict[str, bytes]:
        """The files, by digest, that are still kept for this place, or for any: after a power failure they may be
        missing there."""

    @abstractmethod
    def settled(self, place: str | None, assets: Iterable[str]) -> None:
        """These files are durable in their place; None: they need not be kept for any."""

    @abstractmethod
    def requeue(
        self, lease: Lease, *, reason: str, delay_s: float = 0.0, lane: str | None = None, counts: bool = True
    ) -> Job:
        """Another attempt is worth it: the job waits again, at its old place, ``delay_s`` from now at the earliest;
        from now on in this ``lane`` where one is given: one of :mod:`.queueing`'s that not every worker takes. An
        attempt that surely did nothing does not count where ``counts`` is false: the next one has its number.
        Where it was canceled meanwhile, it ends instead. Raises StaleLease and WrongState."""

    @abstractmethod
    def cancel(self, job_id: str, *, why: str = "canceled") -> Job:
        """A queued job is over at once. Of a running one this is written down as asked (``canceled`` in
        :meth:`renew`'s answer, and an event ``cancel_asked``): whoever runs it stops it and ends it as CANCELED; where
        another attempt would have begun, it ends instead. Of one that is over nothing changes: raises WrongState.
        Raises UnknownJob."""

    @abstractmethod
    def expire(self) -> list[Job]:
        """Fail queued jobs whose deadline has passed: a thousand at most, so call it until it gives none."""

    # -- pausing ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def pause(self, *, paused: bool) -> None:
        """Claim nothing more until resumed. Jobs are still accepted."""

    @abstractmethod
    def is_paused(self) -> bool:
        """Whether claiming is paused."""

    @abstractmethod
    def pauses(self, since: datetime) -> list[Pause]:
        """When it was paused since then, the earliest first; known for a hundred days."""

    # -- reading ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, job_id: str) -> Job | None:
        """The job, or None."""

    @abstractmethod
    def find(self, where: Filter, *, before: int | None = None, limit: int = 50) -> list[Job]:
        """Newest first, those with ``seq`` below ``before``."""

    @abstractmethod
    def events(self, job_id: str, *, after: int = 0) -> list[JobEvent]:
        """The job's events with a higher ``seq``, in order."""

    @abstractmethod
    def cached(self, cache_key: str) -> Job | None:
        """The latest job that succeeded with this cache key and whose content is still kept."""

    @abstractmethod
    def counts(self) -> dict[State, int]:
        """How many jobs stand where."""

    @abstractmethod
    def wanted(self) -> int:
        """How many jobs run or could run now: none that is not due."""

    @abstractmethod
    def waiting_since(self) -> datetime | None:
        """Since when the oldest job waits of those that could run now; None where none does. A job that was ordered for
        later waits since then."""

    @abstractmethod
    def open_jobs(self, key_id: str | None) -> int:
        """How many jobs of this key wait or run."""

    @abstractmethod
    def seconds(self, workflow: str, *, last: int = 20) -> list[float]:
        """How long the latest runs of this workflow took from claim to end: what an ETA is made of."""

    # -- afterwards ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def judge(
        self, job_id: str, index: int, *, accepted: bool | None, by: str | None = None, reason: str | None = None
    ) -> Job:
        """Note what a person says of an output, ``by`` whom and why. What is rejected is no earlier result any more,
        and may be one again once it is accepted. Raises UnknownJob, InvalidInput."""

    @abstractmethod
    def purge(self, job_id: str, contents: Sequence[Content] = CONTENTS, *, by: str | None = None) -> list[str]:
        """Forget the content of a job that is over and keep its accounting: ``prompts`` are values, metadata, what was
        said of it, whom to tell, for whom it was; ``inputs`` its images; ``outputs`` what it made. Who accepted or
        rejected which output is kept, without their words.

        Gives the digests of assets that no other job has: they are to be deleted, and then :meth:`gone`. Raises
        UnknownJob, WrongState, the latter also where the job is held (see ``held`` of the store).
        """

    @abstractmethod
    def forgotten(self, *, limit: int = 1000) -> list[str]:
        """Digests that :meth:`purge` gave and that are not :meth:`gone`: who was to delete them may have died."""

    @abstractmethod
    def gone(self, asset: str) -> None:
        """A file that was to be deleted is, or has become somebody's again."""

    @abstractmethod
    def forget_copies(self, job_id: str, *, cached_only: bool = False) -> None:
        """Have forgotten what workers and journals have of the job beside its files here, and never give its result
        again for another order; with ``cached_only`` just the latter. What the job is stays. Raises UnknownJob."""

    @abstractmethod
    def elsewhere(self, *, limit: int = 1000) -> list[Elsewhere]:
        """What is forgotten here and still to be forgotten in other places, the latest last."""

    @abstractmethod
    def gone_elsewhere(self, its: Elsewhere) -> None:
        """It is forgotten there, too."""

    @abstractmethod
    def note(self, job_id: str, kind: str, data: Mapping[str, Any]) -> JobEvent:
        """Add an event that is no transition. Raises UnknownJob."""

    @abstractmethod
    def having(self, asset: str) -> list[Job]:
        """The jobs that made this asset or were given it, newest first; a hundred at most."""

    @abstractmethod
    def forget_keys(self) -> int:
        """Delete idempotency keys that were kept for their seven days; how many. Call it once in a while."""
