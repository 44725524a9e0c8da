"""Statements go to PostgreSQL together, and a connection that was left in the middle of an answer is not used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from mintmark.errors import DatabaseUnreachable
from mintmark.storage.base import Session
from mintmark.storage.postgres_pipeline import MOST, Pipeline
from mintmark.storage.postgres_store import PostgresStore
from mintmark.tests.contracts.store import SCHEMA, add, numbers
from mintmark.tests.metering.postgres import database


@pytest.fixture
def store() -> Iterator[PostgresStore]:
    with database() as url, closing(PostgresStore(url, SCHEMA, version=1)) as store:
        for work in (changing, asking):
            store.transact(work)  # statements are prepared, which takes a way of its own
        store.transact(lambda db: db.run("DELETE FROM numbers"))
        store.read(asking)
        yield store


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch, store: PostgresStore) -> list[list[str]]:
    """What went to the server at once, each time."""
    found: list[list[str]] = []
    send = Pipeline._send

    def counting(self: Pipeline) -> None:
        if self._unsent:
            found.append([each.context.statement.split()[0] for each in self._unsent])
        send(self)

    monkeypatch.setattr(Pipeline, "_send", counting)
    return found


def changing(db: Session) -> None:
    db.alone("numbers")
    add(1)(db)
    add(2)(db)


def asking(db: Session) -> int:
    return int(db.run("SELECT count(*) AS n FROM numbers")[0]["n"])


def both(db: Session) -> int:
    changing(db)
    return asking(db)


def test_what_nobody_waits_for_goes_there_in_one_piece(store: PostgresStore, pieces: list[list[str]]) -> None:
    store.transact(changing)
    assert pieces == [["BEGIN", "SELECT", "INSERT", "INSERT", "COMMIT"]]


def test_whoever_reads_waits_once(store: PostgresStore, pieces: list[list[str]]) -> None:
    store.transact(changing)
    pieces.clear()
    assert [store.read(asking), store.read(asking)] == [2, 2]
    assert pieces == [["BEGIN", "SELECT"], ["COMMIT"], ["BEGIN", "SELECT"], ["COMMIT"]]


def test_what_is_written_is_there_for_who_reads_next(store: PostgresStore, pieces: list[list[str]]) -> None:
    assert store.transact(both) == 2
    assert pieces == [["BEGIN", "SELECT", "INSERT", "INSERT", "SELECT"], ["COMMIT"]]


def test_whoever_asks_nothing_or_gives_up_at_once_sends_nothing(store: PostgresStore, pieces: list[list[str]]) -> None:
    def gives_up(db: Session) -> None:
        changing(db)
        raise KeyError

    store.transact(lambda db: None)
    with pytest.raises(KeyError):
        store.transact(gives_up)
    assert pieces == []
    assert numbers(store) == []


def test_no_more_go_unanswered_than_the_network_keeps_answers_of(store: PostgresStore, pieces: list[list[str]]) -> None:
    store.transact(lambda db: [add(number)(db) for number in range(3 * MOST)])
    assert max(map(len, pieces)) == MOST
    assert len(pieces) == 4


def once(does: Callable[[], Any], then: Callable[..., Any]) -> Callable[..., Any]:
    """Does this the first time, and from then on what was done before."""
    done: list[bool] = []

    def either(*given: Any) -> Any:
        if done:
            return then(*given)
        done.append(True)
        return does()

    return either


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_connection_that_was_left_while_it_answered_is_not_used_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = store.read(backend)
    monkeypatch.setattr(Pipeline, "_bytes", once(interrupt, Pipeline._bytes))
    with pytest.raises(KeyboardInterrupt):
        store.transact(changing)
    assert store.read(backend) != pid


def test_a_connection_that_was_left_before_its_answer_is_used_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = store.read(backend)
    store.read(asking)
    monkeypatch.setattr(Pipeline, "_read", once(interrupt, Pipeline._read))
    with pytest.raises(KeyboardInterrupt):
        store.transact(both)
    assert numbers(store) == []
    assert store.read(backend) == pid


def backend(db: Session) -> int:
    return int(db.run("SELECT pg_backend_pid() AS pid")[0]["pid"])


def test_a_server_that_hangs_up_on_everybody_is_told(store: PostgresStore) -> None:
    with pytest.raises(DatabaseUnreachable, match="broke"):
        store.transact(lambda db: db.run("SELECT pg_terminate_backend(pg_backend_pid())"))
    store.transact(changing)
    assert numbers(store) == [1, 2]
