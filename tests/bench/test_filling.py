"""A queue that was filled at once is as one that was filled job by job."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.bench.harness.filling import KEYS, TABLES, fill_postgres, fill_sqlite
from mintmark.orchestrator.jobs.base import Filter
from mintmark.orchestrator.jobs.job import Ending, Job
from mintmark.orchestrator.jobs.states import State, Step
from mintmark.storage.base import Store
from mintmark.storage.postgres_store import PostgresStore
from mintmark.tests.contracts.jobs import JobStores, stores_of

ROWS = KEYS + 50
OWN = frozenset({"seq", "job_seq", "rank", "at", "submitted_at", "transfer_id"})
"""What every job has a value of its own of."""
_SCHEMA = {
    "SqliteStore": "SELECT type || ' ' || name || ' ' || tbl_name AS its FROM sqlite_master ORDER BY 1",
    "PostgresStore": """
SELECT indexdef AS its FROM pg_indexes WHERE schemaname = current_schema()
UNION SELECT tgname || ' ' || CAST(tgenabled AS TEXT) FROM pg_trigger
WHERE tgrelid = to_regclass('transfers') ORDER BY 1
""",
}


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobStores]:
    yield from stores_of(request.param, tmp_path)


def filled(store: Store) -> None:
    if isinstance(store, PostgresStore):
        its = store.address
        place = f"?schema={its.schema}" + (f"&host={its.host}" if its.host.startswith("/") else "")
        host = "localhost" if its.host.startswith("/") else its.host
        password = f":{its.password}" if its.password else ""
        fill_postgres(f"postgresql://{its.user}{password}@{host}:{its.port}/{its.database}{place}", ROWS)
    else:
        fill_sqlite(store.database.path, ROWS)  # type: ignore[attr-defined]


def schema(store: Store) -> list[str]:
    return [row["its"] for row in store.read(lambda db: db.run(_SCHEMA[type(store).__name__]))]


def rows(store: Store, job: Job) -> dict[str, list[dict[str, Any]]]:
    """All that the database has of a job, its id called JOB."""
    where = {"jobs": "job_id = :id", "balances": "account = 'allowance:' || :id"}
    by_seq, by_id = "job_seq = (SELECT seq FROM jobs WHERE job_id = :id)", "job_id = :id"
    found = {}
    for table in TABLES:
        its = where.get(table, by_seq if table.startswith("job_") else by_id)
        sql = f"SELECT * FROM {table} WHERE {its}"
        read = store.read(lambda db: db.run(sql, id=job.job_id))  # noqa: B023 - called at once
        found[table] = [
            {name: str(row[name]).replace(job.job_id, "JOB") for name in row.keys() if name not in OWN}  # noqa: SIM118
            for row in read
        ]
    return found


def test_rows_are_those_that_accepting_writes_and_nothing_else_has_changed(stores: JobStores) -> None:
    store, database = stores.open(), stores.ledger.store
    before = schema(database)
    filled(database)
    assert schema(database) == before
    waiting = store.find(Filter(), limit=2 * ROWS)
    assert len(waiting) == store.counts()[State.QUEUED] == ROWS
    assert len({job.ordered.key_id for job in waiting}) == KEYS
    job = waiting[7]
    again = store.accept(job.ordered.model_copy(update={"job_id": str(uuid.uuid4())})).job
    assert rows(database, job) == rows(database, again)


def test_what_was_filled_can_be_run_and_more_can_wait(stores: JobStores) -> None:
    store = stores.open()
    filled(stores.ledger.store)
    leases = store.claim("me", "worker", ["hosted"], most=ROWS)
    assert len({lease.job.job_id for lease in leases}) == ROWS
    for lease in leases[:3]:
        store.end(lease, Ending(step=Step.SUCCEEDED))
    assert store.counts()[State.SUCCEEDED] == 3
