"""The store in PostgreSQL keeps the contract: where it is, what it says when it is not there, how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from threading import Barrier

import pytest

from mintmark.errors import BadSetting, CannotWrite, DatabaseUnreachable, DiskFull, StorageError
from mintmark.storage.base import Session
from mintmark.storage.postgres_store import MOST_CONNECTIONS, Address, PostgresStore
from mintmark.tests.contracts.store import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.store import SCHEMA, Stores, add, numbers
from mintmark.tests.metering.postgres import database


class PostgresStores(Stores):
    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url, self.stack = url, stack

    def open(self) -> PostgresStore:
        return self.stack.enter_context(closing(PostgresStore(self.url, SCHEMA, version=1)))


@pytest.fixture
def url() -> Iterator[str]:
    with database() as found:
        yield found


@pytest.fixture
def stores(url: str) -> Iterator[PostgresStores]:
    with ExitStack() as stack:
        yield PostgresStores(url, stack)


def test_an_address_says_where_and_never_the_password() -> None:
    its = Address.parse("postgresql://mia:p%40ss@db.example:6432/books?schema=s&sslmode=require")
    assert (its.user, its.password, its.host, its.port) == ("mia", "p@ss", "db.example", 6432)
    assert (its.database, its.schema, its.sslmode) == ("books", "s", "require")
    assert "p@ss" not in f"{its} {its!r}"
    assert Address.parse("postgresql:///books?host=/run/postgresql").host == "/run/postgresql"


@pytest.mark.parametrize(
    ("host", "sslmode"),
    [
        ("localhost", "disable"),
        ("127.0.0.1", "disable"),
        ("[::1]", "disable"),
        ("", "disable"),
        ("db.example", "require"),
    ],
)
def test_the_books_do_not_cross_a_network_in_the_clear_unless_somebody_says_so(host: str, sslmode: str) -> None:
    assert Address.parse(f"postgresql://mia:secret@{host}/books").sslmode == sslmode
    assert Address.parse(f"postgresql://mia:secret@{host}/books?sslmode=disable").sslmode == "disable"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://mia:secret@db/books",
        "postgresql://mia:secret@db:port/books",
        "postgresql://mia:secret@db/books?sslmode=perhaps",
        "postgresql://mia:secret@db/books?what=else",
        "postgresql://mia:/secret@db/books",
        "postgresql://mia:1/secret@db/books",
        "postgresql://mia:12?secret=x@db/books",
        "postgresql://mia:12#secret@db/books",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadSetting) as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    pytest.importorskip("pg8000")
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1/books") as caught:
        PostgresStore("postgresql://mia:secret@127.0.0.1:1/books", SCHEMA, version=1)
    assert "secret" not in str(caught.value)


def test_a_broken_connection_is_replaced(store: PostgresStore, url: str) -> None:
    store.transact(add(1))
    pids = [row["pid"] for row in store.read(lambda db: db.run("SELECT pg_backend_pid() AS pid"))]
    with closing(PostgresStore(url, SCHEMA, version=1)) as other:
        other.transact(lambda db: db.run("SELECT pg_terminate_backend(:pid)", pid=pids[0]))
    store.transact(add(2))
    assert numbers(store) == [1, 2]


def test_a_schema_of_another_version_is_refused(store: PostgresStore, url: str) -> None:
    with pytest.raises(CannotWrite):
        PostgresStore(url, SCHEMA, version=2)


def test_a_server_that_was_restarted_is_used_again_at_once(store: PostgresStore, url: str) -> None:
    together = Barrier(MOST_CONNECTIONS)

    def meet(db: Session) -> int:
        together.wait(10)
        return backend(db)

    with ThreadPoolExecutor(MOST_CONNECTIONS) as pool:
        pids = set(pool.map(lambda _: store.read(meet), range(MOST_CONNECTIONS)))
    assert len(pids) == MOST_CONNECTIONS
    with closing(PostgresStore(url, SCHEMA, version=1)) as other:
        for pid in pids:
            other.transact(partial(end, pid))
    store.transact(add(1))
    assert numbers(store) == [1]


def end(pid: int, db: Session) -> None:
    db.run("SELECT pg_terminate_backend(:pid)", pid=pid)


def backend(db: Session) -> int:
    return int(db.run("SELECT pg_backend_pid() AS pid")[0]["pid"])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("53100", DiskFull),
        ("57P01", DatabaseUnreachable),
        ("53300", DatabaseUnreachable),
        ("58030", DatabaseUnreachable),
    ],
)
def test_a_server_in_trouble_is_told_as_that(store: PostgresStore, code: str, error: type[StorageError]) -> None:
    trouble = f"DO $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(error, match="127"):
        store.transact(lambda db: db.script(trouble))
    store.transact(add(1))
    assert numbers(store) == [1]


def test_a_plan_that_is_made_for_an_empty_table_goes_by_its_index(store: PostgresStore) -> None:
    def work(db: Session) -> str:
        db.script("CREATE TABLE things (id INTEGER PRIMARY KEY, due TEXT)")
        db.script("CREATE INDEX things_due ON things (due) WHERE due IS NOT NULL")
        rows = db.run("EXPLAIN SELECT id FROM things WHERE due IS NOT NULL AND due <= 'x' ORDER BY due LIMIT 100")
        return str([row["QUERY PLAN"] for row in rows])

    plan = store.transact(work)
    assert "things_due" in plan and "Seq Scan" not in plan
