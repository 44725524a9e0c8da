"""Invoices on a ledger in PostgreSQL keep the contract."""

from __future__ import annotations

from mintmark.tests.contracts.invoices import *  # noqa: F403 - the contract's tests are this file's

from .test_ledger_postgres import ledgers as ledgers
