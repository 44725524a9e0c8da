"""The ledger in a PostgreSQL database, for many machines that grant from the same budgets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ..clock import utc_now
from ..storage.base import spelled
from ..storage.postgres_store import DIALECT, PostgresStore
from .ledger_sql import SqlLedger

VERSION = 2
_HERE = Path(__file__).parent


class PostgresLedger(SqlLedger):
    """``url``: see :class:`storage.postgres_store.Address`. Its schema is made where there is none."""

    def __init__(self, url: str, *, budget_microusd: int | None = None, now: Callable[[], datetime] = utc_now) -> None:
        store = PostgresStore(url, schema(), version=VERSION)
        try:
            super().__init__(store, budget_microusd=budget_microusd, now=now)
        except BaseException:
            store.close()
            raise


def schema() -> str:
    """The SQL that makes an empty ledger."""
    common = spelled((_HERE / "ledger_v2.sql").read_text(encoding="utf-8"), DIALECT)
    return common + (_HERE / "ledger_postgres.sql").read_text(encoding="utf-8")
