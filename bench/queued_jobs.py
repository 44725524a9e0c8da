"""A job in, out and over while a million others wait: `python bench/queued_jobs.py [--json PATH]`.

Times are of one caller, through the whole store: money set aside, events, the durable commit. The first rows are of an
empty queue; what a bare commit costs beside each is what the disk takes. Waiting jobs belong to a hundred keys, and are
written as the store would have, only all at once.
MINTMARK_BENCH_JOBS changes how many wait; MINTMARK_TEST_POSTGRES says where PostgreSQL is.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from mintmark.bench.harness.filling import fill_postgres, fill_sqlite, order
from mintmark.bench.harness.report import Report, Row, main, not_run
from mintmark.errors import MintmarkError
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.jobs.base import Bounds, Filter
from mintmark.orchestrator.jobs.job import Ending
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import State, Step

T = TypeVar("T")
ROWS = int(os.environ.get("MINTMARK_BENCH_JOBS", "1000000"))
POSTGRES = os.environ.get("MINTMARK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
ROUNDS = 1000
WITHIN_S = 60.0
SUBMIT_MOST_MS, CLAIM_MOST_MS, RSS_MOST_MB = 20.0, 10.0, 20.0


def measure(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(SqliteLedger(Path(folder))) as ledger:
        compare(report, "SQLite", ledger, lambda: fill_sqlite(Path(folder) / "ledger.sqlite3", ROWS))
    try:
        with postgres() as (ledger, url):
            compare(report, "PostgreSQL", ledger, lambda: fill_postgres(url, ROWS))
    except (MintmarkError, ImportError) as exc:
        report.add(not_run("PostgreSQL", exc))


def compare(report: Report, name: str, ledger: SqlLedger, fill: Callable[[], None]) -> None:
    store = SqlJobStore(ledger, bounds=Bounds(queued_per_key=None, queued_overall=None))
    ledger.store.transact(lambda db: db.script("CREATE TABLE bare (id TEXT PRIMARY KEY)"))
    empty = times(report, f"{name}, nobody waits", store, ledger, judged=False)
    fill()
    before = rss_mb()
    full = times(report, f"{name}, {ROWS:,} wait", store, ledger, judged=True)
    for act in ("submit", "claim", "end"):
        report.add(Row(name=f"   {act} over an empty queue, median", value=full[act] / empty[act], unit="×"))
    report.add(Row(name="   growth of memory meanwhile", value=rss_mb() - before, unit="MB", most=RSS_MOST_MB))
    report.add(*reading(store))
    report.add(*fairness(store))


# -- jobs in, out and over --------------------------------------------------------------------------------------------


def times(report: Report, name: str, store: SqlJobStore, ledger: SqlLedger, *, judged: bool) -> dict[str, float]:
    """The medians, in milliseconds."""
    acts: dict[str, list[float]] = {"bare commit": [], "submit": [], "claim": [], "end": []}
    until = time.monotonic() + WITHIN_S
    for number in range(ROUNDS):
        if time.monotonic() > until:
            break
        timed(acts["bare commit"], lambda: run(ledger, "INSERT INTO bare VALUES (:id)", id=uuid.uuid4().hex))
        ordered = order(str(uuid.uuid4()), f"key-{number % 100}")
        timed(acts["submit"], lambda: store.accept(ordered))  # noqa: B023 - called at once
        [lease] = timed(acts["claim"], lambda: store.claim("bench", "worker", ("hosted",)))
        timed(acts["end"], lambda: store.end(lease, Ending(step=Step.SUCCEEDED)))  # noqa: B023
    goals = {"submit": SUBMIT_MOST_MS, "claim": CLAIM_MOST_MS} if judged else {}
    for act, found in acts.items():
        found.sort()
        report.add(Row(name=f"{name}: {act}, median", value=found[len(found) // 2], unit="ms", note=f"of {len(found)}"))
        report.add(Row(name="   p99", value=found[len(found) * 99 // 100], unit="ms", most=goals.get(act)))
    return {act: found[len(found) // 2] for act, found in acts.items()}


def timed(into: list[float], act: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = act()
    into.append((time.perf_counter() - started) * 1000)
    return result


def reading(store: SqlJobStore) -> Iterator[Row]:
    for name, read in (
        ("newest 50", lambda: store.find(Filter())),
        ("newest 50 of a key that wait", lambda: store.find(Filter(key_id="key-7", states=[State.QUEUED]))),
        ("those that succeeded", lambda: store.find(Filter(states=[State.SUCCEEDED]))),
        ("by metadata", lambda: store.find(Filter(metadata={"batch": "b-77"}))),
        ("how many stand where", store.counts),
    ):
        found: list[float] = []
        for _ in range(5):
            timed(found, read)
        yield Row(name=f"   {name}", value=sorted(found)[2], unit="ms")


def fairness(store: SqlJobStore) -> Iterator[Row]:
    """A job of a new key, while all others wait: how many are claimed before it."""
    store.accept(order(single := str(uuid.uuid4()), "single"))
    claims = 0
    while store.claim("bench", "worker", ("hosted",))[0].job.job_id != single:
        claims += 1
    yield Row(name="   claims before a new key's job, of 100 keys", value=claims, most=100)


# -- databases ---------------------------------------------------------------------------------------------------------


def run(ledger: SqlLedger, sql: str, **values: object) -> None:
    ledger.store.transact(lambda db: db.run(sql, **values))


@contextmanager
def postgres() -> Iterator[tuple[SqlLedger, str]]:
    """A ledger in a schema of its own, and the URL of that; both are gone afterwards."""
    from mintmark.metering.postgres_ledger import PostgresLedger
    from mintmark.storage.postgres_store import Address, connect

    schema = f"bench_{uuid.uuid4().hex}"
    try:
        with closing(PostgresLedger(url := f"{POSTGRES}?schema={schema}")) as ledger:
            yield ledger, url
    finally:
        connection = connect(Address.parse(POSTGRES))
        connection.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.close()


def rss_mb() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main("A queue of a million jobs", measure, __doc__)
