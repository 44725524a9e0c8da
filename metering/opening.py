"""The ledger that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Settings
    from .ledger_sql import SqlLedger


def open_ledger(settings: Settings) -> SqlLedger:
    """The SQLite file in the data folder, or the database of MINTMARK_LEDGER_URL.

    The sandbox's play money is always in its own file, never in a database that keeps real money. Raises CannotWrite,
    DatabaseUnreachable, BadSetting and MissingExtra.
    """
    if settings.ledger_url is None or settings.sandbox:
        from .sqlite_ledger import SqliteLedger

        return SqliteLedger(settings.books_dir, budget_microusd=settings.budget_microusd)
    from .postgres_ledger import PostgresLedger

    return PostgresLedger(settings.ledger_url, budget_microusd=settings.budget_microusd)
