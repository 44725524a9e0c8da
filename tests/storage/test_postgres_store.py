"""The PostgreSQL store: where it is, what it says when it is not there, how it goes on where a connection broke."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mintmark.errors import BadSetting, CannotWrite, DatabaseUnreachable
from mintmark.storage.postgres_store import Address, PostgresStore
from mintmark.storage.sessions import Session, TryAgain
from mintmark.tests.metering.postgres import database

SCHEMA = "CREATE TABLE numbers (number BIGINT PRIMARY KEY CHECK (number >= 0))"


@pytest.fixture
def url() -> Iterator[str]:
    with database() as found:
        yield found


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url, SCHEMA, version=1)) as made:
        yield made


def add(number: int) -> Any:
    return lambda db: db.run("INSERT INTO numbers VALUES (:number)", number=number)


def numbers(store: PostgresStore) -> list[int]:
    return [row["number"] for row in store.read(lambda db: db.run("SELECT number FROM numbers ORDER BY number"))]


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


def test_a_transaction_is_all_or_nothing(store: PostgresStore) -> None:
    def half(db: Session) -> None:
        add(1)(db)
        add(-1)(db)

    with pytest.raises(Exception, match="check"):
        store.transact(half)
    assert numbers(store) == []
    store.transact(add(2))
    assert numbers(store) == [2]


def test_a_broken_connection_is_replaced(store: PostgresStore, url: str) -> None:
    store.transact(add(1))
    pids = [row["pid"] for row in store.read(lambda db: db.run("SELECT pg_backend_pid() AS pid"))]
    with closing(PostgresStore(url, SCHEMA, version=1)) as other:
        other.transact(lambda db: db.run("SELECT pg_terminate_backend(:pid)", pid=pids[0]))
    store.transact(add(2))
    assert numbers(store) == [1, 2]


def test_work_that_met_somebody_else_is_done_again(store: PostgresStore) -> None:
    times: list[int] = []

    def work(db: Session) -> None:
        times.append(1)
        add(len(times))(db)
        if len(times) < 3:
            raise TryAgain

    store.transact(work)
    assert numbers(store) == [3]


def test_a_reader_sees_one_moment_and_writes_nothing(store: PostgresStore) -> None:
    with pytest.raises(Exception, match="read-only"):
        store.read(add(1))
    assert numbers(store) == []


def test_a_schema_of_another_version_is_refused(store: PostgresStore, url: str) -> None:
    with pytest.raises(CannotWrite):
        PostgresStore(url, SCHEMA, version=2)
