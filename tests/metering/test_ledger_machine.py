"""The state machine on both databases."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from mintmark.metering.postgres_ledger import PostgresLedger
from mintmark.metering.sqlite_ledger import SqliteLedger

from .machine import Machine, profile
from .postgres import database, why_not


class OnSqlite(Machine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))

    def opened(self) -> SqliteLedger:
        return SqliteLedger(self.folder, now=lambda: self.now)


class OnPostgres(Machine):
    def __init__(self) -> None:
        super().__init__()
        self.url = self.stack.enter_context(database())

    def opened(self) -> PostgresLedger:
        return PostgresLedger(self.url, now=lambda: self.now)


TestSqlite = OnSqlite.TestCase
TestSqlite.settings = profile(40, 40)
TestPostgres = pytest.mark.skipif(why_not() is not None, reason=f"not run: {why_not()}")(OnPostgres.TestCase)
TestPostgres.settings = profile(10, 30)
