"""Allowances a second on both databases, and a report over ten million entries: `python bench/ledger.py [--json PATH]`.

An allowance checks two budgets and writes its entry in one durable transaction; the bare commit beside it inserts one
row with the same durability, through the same driver, in turns. Writers are threads of one process.
MINTMARK_BENCH_ROWS changes how many entries the report is over; MINTMARK_TEST_POSTGRES says where PostgreSQL is.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from mintmark.bench.harness.report import Report, Row, main, measured, not_run, rounds
from mintmark.errors import MintmarkError
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Account, By
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.metering.sqlite_ledger import SqliteLedger

WRITERS = (1, 16)
ROUND_S = 1.0
ROUNDS = 5
WITHIN_S = 15.0
ROWS = int(os.environ.get("MINTMARK_BENCH_ROWS", "10000000"))
REPORT_MOST_S = 2.0
REPORTS: tuple[By, ...] = ("model", "user", "project", "workflow", "day")
POSTGRES = os.environ.get("MINTMARK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
ACCOUNT = Account(project="acme", user="mia", workflow="poster@1.0.0")

Write = Callable[[int], None]
"""One durable write, by the writer of this number."""


def measure(report: Report) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteLedger(Path(folder))) as ledger,
        bare_sqlite(Path(folder) / "bare.sqlite3") as bare,
    ):
        compare(report, "SQLite", ledger, bare)
    try:
        with postgres() as (ledger, bare):
            compare(report, "PostgreSQL", ledger, bare)
    except (MintmarkError, ImportError) as exc:
        report.add(not_run("PostgreSQL", exc))
    with tempfile.TemporaryDirectory() as folder:
        reading(report, Path(folder))


def compare(report: Report, name: str, ledger: SqlLedger, bare: Write) -> None:
    ledger.set_budget(Budget("project", "acme", "month", 10**14))
    ledger.set_budget(Budget("overall", "", "total", 10**15))
    numbers = itertools.count()

    def allow(_: int) -> None:
        ledger.allow(f"job-{next(numbers)}", 10, ACCOUNT)

    for writers in WRITERS:
        ours, theirs = [], []
        for _ in rounds(ROUNDS, WITHIN_S):
            theirs.append(rate(bare, writers))
            ours.append(rate(allow, writers))
        ratios = [mine / base for mine, base in zip(ours, theirs, strict=True)]
        who = f"{name}, {writers} writer{'s' if writers > 1 else ''}"
        report.add(measured(f"{who}: bare commit", theirs, "/s"), measured(f"{who}: allowances", ours, "/s"))
        report.add(measured("   over the bare commit", ratios, "×"))
    if found := ledger.problems():
        report.add(not_run(f"{name}: the books are not even", found))


def rate(write: Write, writers: int) -> float:
    """Writes a second."""
    until = time.perf_counter() + ROUND_S

    def work(number: int) -> int:
        done = 0
        while time.perf_counter() < until:
            write(number)
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(writers) as threads:
        done = sum(threads.map(work, range(writers)))
    return done / (time.perf_counter() - started)


@contextmanager
def bare_sqlite(path: Path) -> Iterator[Write]:
    def opened() -> sqlite3.Connection:
        made = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = FULL")
        return made

    connections = [opened() for _ in range(max(WRITERS))]
    connections[0].execute("CREATE TABLE t (id TEXT PRIMARY KEY, microusd INTEGER)")

    def write(number: int) -> None:
        db = connections[number]
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO t VALUES (?, 10)", (uuid.uuid4().hex,))
        db.execute("COMMIT")

    try:
        yield write
    finally:
        for each in connections:
            each.close()


@contextmanager
def postgres() -> Iterator[tuple[SqlLedger, Write]]:
    """A ledger and a bare table in a schema of their own, dropped afterwards."""
    from mintmark.metering.postgres_ledger import PostgresLedger
    from mintmark.storage.postgres_store import Address, connect

    schema = f"bench_{uuid.uuid4().hex}"
    url = f"{POSTGRES}?schema={schema}"
    ledger = PostgresLedger(url)
    connections = [connect(Address.parse(url)) for _ in range(max(WRITERS))]
    connections[0].run("CREATE TABLE bare (id TEXT PRIMARY KEY, microusd BIGINT)")
    inserts = [each.prepare("INSERT INTO bare VALUES (:id, 10)") for each in connections]

    def write(number: int) -> None:
        db = connections[number]
        db.execute_simple("BEGIN")
        inserts[number].run(id=uuid.uuid4().hex)
        db.execute_simple("COMMIT")

    try:
        yield ledger, write
    finally:
        ledger.close()
        connections[0].run(f"DROP SCHEMA {schema} CASCADE")
        for each in connections:
            each.close()


# -- the report -------------------------------------------------------------------------------------------------------

_FILL = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :last),
facts AS (SELECT i, 'job-' || i AS id,
    date('2025-11-01', '+' || (i % 380) || ' days') || 'T12:00:00.000000+00:00' AS at,
    'project-' || (i / 380 % 5) AS project, 'user-' || (i / 1900 % 20) AS who,
    'fal/model-' || (i / 38000 % 12) AS model FROM n)
"""
_ALLOWANCES = """
INSERT INTO allowances SELECT id, id, project, who, NULL, 'poster@1.0.0', 'funds', 100, 60, 0, at, 1 FROM facts
"""
_CALLS = "INSERT INTO calls SELECT 'c' || id, id, id, 'settled', 60, 'fal', model, id, at, 1, 0 FROM facts"
_MOVES = """
INSERT INTO transfers (at, kind, from_account, to_account, microusd, allowance_id, job_id, call_id, project, user_name,
                       workflow, provider, model, request_id)
SELECT at, kind, giver, taker, amount, id, id, CASE kind WHEN 'settle' THEN 'c' || id END, project, who, 'poster@1.0.0',
       'fal', model, id
FROM facts, (SELECT 'grant' AS kind, 'funds' AS giver, 'allowance:x' AS taker, 100 AS amount
             UNION ALL SELECT 'settle', 'allowance:x', 'spent:fal', 60
             UNION ALL SELECT 'close', 'allowance:x', 'funds', 40)
"""
_DAILY = """
INSERT INTO daily SELECT substr(c.at, 1, 10), project, user_name, '', workflow, provider, model, count(*), 0, 0, 0,
       sum(images), sum(microusd), 0 FROM calls c JOIN allowances a USING (allowance_id) GROUP BY 1, 2, 3, 6, 7
"""


def reading(report: Report, folder: Path) -> None:
    with closing(SqliteLedger(folder)):
        pass
    started = time.perf_counter()
    fill(folder / "ledger.sqlite3", ROWS // 3)
    took = f"filled in {time.perf_counter() - started:.0f} s"
    with closing(SqliteLedger(folder)) as ledger:
        for by in REPORTS:
            report.add(timed(f"report by {by}, {ROWS // 3 * 3:,} entries", partial(ledger.report, by), took))
        report.add(timed("the newest 50 calls", lambda: ledger.lines(limit=50), ""))
        report.add(timed("the sum of everything", ledger.totals, ""))
        report.add(timed("a budget set late, counted from the beginning", lambda: late(ledger), ""))


def late(ledger: SqlLedger) -> None:
    budget = Budget("project", "project-1", "total", 10**14)
    ledger.set_budget(budget)
    ledger.remove_budget(budget)


def timed(name: str, read: Callable[[], object], note: str) -> Row:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        if not read() and name.startswith("report"):
            return not_run(name, "it was empty")
        times.append(time.perf_counter() - started)
    return measured(name, times, "s", most=REPORT_MOST_S, note=note)


def fill(path: Path, jobs: int) -> None:
    """Entries as jobs leave them, written at once: triggers and indexes wait until the end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA journal_mode = OFF")
        later = db.execute("SELECT name, type, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql <> ''")
        dropped = later.fetchall()
        for name, kind, _ in dropped:
            db.execute(f"DROP {kind} {name}")
        for sql in (_ALLOWANCES, _CALLS, _MOVES):
            head, _, select = sql.partition("SELECT")
            db.execute(f"{head.strip()} {_FILL} SELECT {select}", {"first": 0, "last": jobs})
        db.execute(_DAILY)
        for _, _, sql in dropped:
            db.execute(sql)
        db.execute("PRAGMA journal_mode = WAL")


if __name__ == "__main__":
    main("The ledger", measure, __doc__)
