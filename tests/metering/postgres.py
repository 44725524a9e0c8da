"""A PostgreSQL to test against, where there is one: ``MINTMARK_TEST_POSTGRES``, or the one on this machine.

Each test has a schema of its own, dropped at its end.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pytest

URL = os.environ.get("MINTMARK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@lru_cache
def why_not() -> str | None:
    """Why nothing can be tested on PostgreSQL here; None where it can be."""
    try:
        import pg8000.native  # noqa: F401 - only whether it is there
    except ImportError:
        return "pg8000 is not installed"
    try:
        _run("SELECT 1")
    except Exception as exc:
        return f"no PostgreSQL answers ({exc})"
    return None


def _run(sql: str) -> None:
    from mintmark.storage.postgres_store import Address, connect

    connection = connect(Address.parse(URL))
    try:
        connection.run(sql)
    finally:
        connection.close()


@contextmanager
def database() -> Iterator[str]:
    """The URL of an empty place."""
    if (why := why_not()) is not None:
        pytest.skip(f"not run: {why}")
    schema = f"t_{uuid.uuid4().hex}"
    try:
        yield f"{URL}?schema={schema}"
    finally:
        _run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
