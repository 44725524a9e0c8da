"""Questions to the store. Each is answered from an index, however many jobs there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ...metering.periods import stamp
from .job import Job, JobEvent
from .queueing import CHOSEN, LANES, LARGE, OWN, queue_id
from .records import COLUMNS, event_of, job_of
from .states import State

if TYPE_CHECKING:
    from ...storage.base import Session
    from .base import Filter

_ETERNITY = 2**62
_ASTRAY = timedelta(minutes=10)
"""By how much the order of acceptance and the order of times may differ: between clocks, and in long transactions."""
_MOST_HAVING = 100

_EVENTS = """
SELECT seq, at, kind, data FROM job_events
WHERE job_seq = (SELECT seq FROM jobs WHERE job_id = :job_id) AND seq > :after ORDER BY seq
"""
_CACHED = f"""
SELECT {COLUMNS} FROM jobs WHERE cache_key = :cache_key AND state = 'succeeded' AND purged = 0 ORDER BY seq DESC LIMIT 1
"""  # noqa: S608 - our own words
_COUNTS = """
SELECT CAST(coalesce(sum(waiting), 0) AS BIGINT) AS queued, CAST(coalesce(sum(running), 0) AS BIGINT) AS running,
       CAST(coalesce(sum(succeeded), 0) AS BIGINT) AS succeeded, CAST(coalesce(sum(failed), 0) AS BIGINT) AS failed,
       CAST(coalesce(sum(canceled), 0) AS BIGINT) AS canceled
FROM queues
"""
# What is due is ready once somebody looks for work: where there is no worker, nobody does.
_WANTED = """
SELECT CAST(coalesce(sum(running + ready), 0) AS BIGINT)
       + (SELECT count(*) FROM jobs WHERE due IS NOT NULL AND due <= :at) AS jobs
FROM queues
"""
_OPEN = "SELECT waiting + running AS jobs FROM queues WHERE queue_id = :queue_id"
_OLDEST = f"SELECT {COLUMNS} FROM jobs WHERE state = 'queued' AND ready = 1 ORDER BY seq LIMIT 1"  # noqa: S608
_TIMES = """
SELECT started_at, ended_at FROM jobs WHERE workflow = :workflow AND state = 'succeeded' AND started_at IS NOT NULL
ORDER BY ended_at DESC LIMIT :last
"""
_HAVING = f"""
SELECT {COLUMNS} FROM jobs WHERE seq IN (SELECT job_seq FROM job_assets WHERE asset = :asset)
ORDER BY seq DESC LIMIT {_MOST_HAVING}
"""  # noqa: S608
_ENDED_WELL = """
SELECT seq, job_seq FROM job_events WHERE seq > :after AND kind = 'succeeded' ORDER BY seq LIMIT :most
"""
_BY_SEQ = f"SELECT {COLUMNS} FROM jobs WHERE seq = :seq"  # noqa: S608
_LAST_EVENT = "SELECT coalesce(max(seq), 0) AS seq FROM job_events"


def ended_well(db: Session, after: int, most: int) -> list[tuple[int, Job]]:
    """Jobs that succeeded, each with the number of that event; events behind ``after``, in order."""
    found = db.run(_ENDED_WELL, after=after, most=most)
    return [(int(row["seq"]), job_of(db.run(_BY_SEQ, seq=row["job_seq"])[0])) for row in found]


def last_event(db: Session) -> int:
    """The highest number of an event."""
    return int(db.run(_LAST_EVENT)[0]["seq"])


def events(db: Session, job_id: str, after: int) -> list[JobEvent]:
    """See :meth:`.base.JobStore.events`."""
    return [event_of(row, job_id) for row in db.run(_EVENTS, job_id=job_id, after=after)]


def cached(db: Session, cache_key: str) -> Job | None:
    """See :meth:`.base.JobStore.cached`."""
    rows = db.run(_CACHED, cache_key=cache_key)
    return job_of(rows[0]) if rows else None


def counts(db: Session) -> dict[State, int]:
    """See :meth:`.base.JobStore.counts`."""
    [row] = db.run(_COUNTS)
    return {state: int(row[state.value]) for state in State}


def wanted(db: Session, at: datetime) -> int:
    """See :meth:`.base.JobStore.wanted`."""
    return int(db.run(_WANTED, at=stamp(at))[0]["jobs"])


def waiting_since(db: Session) -> datetime | None:
    """See :meth:`.base.JobStore.waiting_since`."""
    rows = db.run(_OLDEST)
    if not rows:
        return None
    return job_of(rows[0]).due_at


def open_jobs(db: Session, key_id: str | None) -> int:
    """See :meth:`.base.JobStore.open_jobs`."""
    lanes = (*LANES, OWN, LARGE, CHOSEN)
    return sum(row["jobs"] for lane in lanes for row in db.run(_OPEN, queue_id=queue_id(lane, key_id)))


def seconds(db: Session, workflow: str, last: int) -> list[float]:
    """See :meth:`.base.JobStore.seconds`."""
    parse = datetime.fromisoformat
    rows = db.run(_TIMES, workflow=workflow, last=last)
    return [(parse(row["ended_at"]) - parse(row["started_at"])).total_seconds() for row in rows]


def having(db: Session, asset: str) -> list[Job]:
    """See :meth:`.base.JobStore.having`."""
    return [job_of(row) for row in db.run(_HAVING, asset=asset)]


def listed(db: Session, where: Filter, before: int | None, limit: int) -> list[Job]:
    """See :meth:`.base.JobStore.find`."""
    question = _Question(before)
    for name, value in where.metadata.items():
        question.metadata(name, value)
    # The first decides by which index; the likely smallest is first.
    for column, asked in (
        ("key_id", where.key_id),
        ("user_name", where.user),
        ("workflow", where.workflow),
        ("project", where.project),
    ):
        if asked is not None:
            question.equal(column, asked)
    if where.states is not None:
        question.states(where.states)
    question.between(where.since, where.until)
    return [job_of(row) for row in question.ask(db, limit)]


class _Question:
    """A SELECT that is put together. Only one condition is written so that an index can serve it: a database that
    knows nothing of how often each value occurs would choose badly among several."""

    def __init__(self, before: int | None) -> None:
        self._tables = ["jobs"]
        self._conditions = ["jobs.seq < :before"]
        self._values: dict[str, Any] = {"before": _ETERNITY if before is None else before}
        self._led = False

    def metadata(self, name: str, value: str) -> None:
        number = len(self._tables)
        table = f"m{number}"
        self._tables.append(f"job_metadata {table}")
        self._conditions += [
            f"{table}.name = :name_{number}",
            f"{table}.value = :value_{number}",
            f"{table}.job_seq = jobs.seq",
            f"{table}.job_seq < :before",
        ]
        self._values |= {f"name_{number}": name, f"value_{number}": value}
        self._led = True

    def equal(self, column: str, value: str) -> None:
        self._conditions.append(f"{self._followed(column)} = :{column}")
        self._values[column] = value

    def states(self, states: Any) -> None:
        names = sorted({State(each).value for each in states})
        # Given as words: there are five, and a list of values would make as many statements.
        words = ", ".join(f"'{name}'" for name in names) or "''"
        column = self._followed("state") if len(names) == 1 else "jobs.state || ''"
        self._conditions.append(f"{column} IN ({words})")

    def between(self, since: datetime | None, until: datetime | None) -> None:
        """Times narrow the numbers first, because lists are in the order of the numbers."""
        edge = "(SELECT seq FROM jobs WHERE submitted_at {} ORDER BY submitted_at {} LIMIT 1)"
        if since is not None:
            self._conditions += [
                "jobs.submitted_at || '' >= :since",
                f"jobs.seq >= coalesce({edge.format('>= :early', '')}, {_ETERNITY})",
            ]
            self._values |= {"since": stamp(since), "early": stamp(since - _ASTRAY)}
        if until is not None:
            self._conditions += [
                "jobs.submitted_at || '' < :until",
                f"jobs.seq <= coalesce({edge.format('< :late', 'DESC')}, 0)",
            ]
            self._values |= {"until": stamp(until), "late": stamp(until + _ASTRAY)}

    def _followed(self, column: str) -> str:
        """The first column leads to an index; those after it are looked at, row by row."""
        if self._led:
            return f"jobs.{column} || ''"
        self._led = True
        return f"jobs.{column}"

    def ask(self, db: Session, limit: int) -> list[Any]:
        # A table of metadata stands first: a CROSS JOIN is done in the order in which it is written.
        tables = " CROSS JOIN ".join([*self._tables[1:], self._tables[0]])
        order = "m1.job_seq" if len(self._tables) > 1 else "jobs.seq"
        columns = ", ".join(f"jobs.{column}" for column in COLUMNS.split(", "))
        sql = (
            f"SELECT {columns} FROM {tables} WHERE {' AND '.join(self._conditions)} "  # noqa: S608 - values are not in it
            f"ORDER BY {order} DESC LIMIT :limit"
        )
        return db.run(sql, limit=limit, **self._values)
