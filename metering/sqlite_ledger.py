"""The ledger in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ..clock import utc_now
from ..storage.base import spelled
from ..storage.database import Database
from ..storage.sqlite_store import DIALECT, SqliteStore
from .ledger_sql import SqlLedger

VERSION = 2
_HERE = Path(__file__).parent


class SqliteLedger(SqlLedger):
    """``folder`` holds ``ledger.sqlite3``; a file of an older version is brought up to date, losing nothing."""

    def __init__(
        self,
        folder: Path,
        *,
        budget_microusd: int | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        database = Database(folder / "ledger.sqlite3", schema(), version=VERSION, upgrades={1: _upgrade_1})
        try:
            super().__init__(SqliteStore(database), budget_microusd=budget_microusd, now=now)
        except BaseException:
            database.close()
            raise


def schema() -> str:
    """The SQL that makes an empty ledger."""
    common = spelled((_HERE / "ledger_v2.sql").read_text(encoding="utf-8"), DIALECT)
    return common + (_HERE / "ledger_sqlite.sql").read_text(encoding="utf-8")


def _upgrade_1(connection: sqlite3.Connection) -> None:
    from .sqlite_upgrade import from_version_1

    from_version_1(connection, schema())
