"""One database of each kind, opened as often as there are processes: for what has to hold on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mintmark.clock import utc_now
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.metering.postgres_ledger import PostgresLedger
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.metering.postgres import database

KINDS = ("sqlite", "postgres")
Open = Callable[[], SqlLedger]


@contextmanager
def opened(kind: str, folder: Path, now: Callable[[], datetime] = utc_now) -> Iterator[Open]:
    """What opens the database, each time as another process would; all are closed at the end."""
    made: list[SqlLedger] = []

    def keep(ledger: SqlLedger) -> SqlLedger:
        made.append(ledger)
        return ledger

    try:
        if kind == "sqlite":
            yield lambda: keep(SqliteLedger(folder, now=now))
        else:
            with database() as url:
                try:
                    yield lambda: keep(PostgresLedger(url, now=now))
                finally:
                    _close(made)
    finally:
        _close(made)


def _close(ledgers: list[SqlLedger]) -> None:
    while ledgers:
        ledgers.pop().close()
