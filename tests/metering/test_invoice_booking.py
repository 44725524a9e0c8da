"""Invoices on a ledger in SQLite keep the contract."""

from __future__ import annotations

from mintmark.tests.contracts.invoices import *  # noqa: F403 - the contract's tests are this file's

from .test_ledger import ledgers as ledgers
