"""The ledger and the journal of this machine, for commands that look into them or set them right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Settings
    from ..generation.journal import Journal
    from ..metering.acceptance import Decisions
    from ..metering.ledger_sql import SqlLedger


def has_ledger(found: Settings) -> bool:
    """Whether there is one already: opening it makes it."""
    return found.ledger_url is not None or (found.books_dir / "ledger.sqlite3").exists()


@contextmanager
def open_ledger(found: Settings) -> Iterator[SqlLedger]:
    """The ledger that these settings name."""
    from ..metering import opening

    ledger = opening.open_ledger(found)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def open_books(found: Settings) -> Iterator[tuple[SqlLedger, Journal]]:
    """Ledger and journal, the one brought up to date from the other."""
    from ..generation.books import LocalBooks
    from ..generation.sqlite_journal import SqliteJournal

    with open_ledger(found) as ledger:
        journal = SqliteJournal(found.books_dir)
        try:
            LocalBooks(ledger, journal, journal.journal_id).catch_up()
            yield ledger, journal
        finally:
            journal.close()


@contextmanager
def open_decisions(found: Settings) -> Iterator[Decisions]:
    """What people said of images."""
    from ..metering.acceptance import Decisions

    decisions = Decisions(found.books_dir)
    try:
        yield decisions
    finally:
        decisions.close()
