"""The state machine of the job store on both databases."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from mintmark.metering.postgres_ledger import PostgresLedger
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.metering.machine import profile
from mintmark.tests.metering.postgres import database, why_not

from .machine import JobMachine


class OnSqlite(JobMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))

    def opened(self) -> SqliteLedger:
        return SqliteLedger(self.folder, now=self.clock)


class OnPostgres(JobMachine):
    def __init__(self) -> None:
        super().__init__()
        self.url = self.stack.enter_context(database())

    def opened(self) -> PostgresLedger:
        return PostgresLedger(self.url, now=self.clock)


TestSqlite = OnSqlite.TestCase
TestSqlite.settings = profile(40, 40)
TestPostgres = pytest.mark.skipif(why_not() is not None, reason=f"not run: {why_not()}")(OnPostgres.TestCase)
TestPostgres.settings = profile(8, 30)
