"""What every store must do: ``storage/base.py`` says it, this suite holds an implementation to that.

Use: star-import the tests and give the fixture ``stores``, a :class:`Stores`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from mintmark.errors import CannotWrite
from mintmark.storage.base import Part, Session, Store, TryAgain, spelled

SCHEMA = "CREATE TABLE numbers (number BIGINT PRIMARY KEY CHECK (number >= 0))"
TALLY = Part("tally", "CREATE TABLE tally (name TEXT PRIMARY KEY, count BIGINT NOT NULL) {table}")


class Stores(ABC):
    """One database with :data:`SCHEMA` in it, opened as often as there are processes."""

    @abstractmethod
    def open(self) -> Store:
        """Another process's view of the same database."""


@pytest.fixture
def store(stores: Stores) -> Store:
    return stores.open()


class Refused(Exception):
    """What a test's own work raises."""


def add(number: int) -> Callable[[Session], Any]:
    return lambda db: db.run("INSERT INTO numbers VALUES (:number)", number=number)


def numbers(store: Store) -> list[int]:
    return [row["number"] for row in store.read(lambda db: db.run("SELECT number FROM numbers ORDER BY number"))]


def test_what_was_done_is_there_for_everybody(stores: Stores, store: Store) -> None:
    store.transact(add(2))
    assert numbers(store) == numbers(stores.open()) == [2]


def test_the_work_s_result_comes_back_with_named_columns(store: Store) -> None:
    insert = "INSERT INTO numbers VALUES (:number) RETURNING number, number + 1 AS next"
    [row] = store.transact(lambda db: db.run(insert, number=7))
    assert (row["number"], row["next"]) == (7, 8)


def test_one_statement_asks_about_all_of_a_list(store: Store) -> None:
    def sums(db: Session, values: str) -> list[tuple[str, int]]:
        sql = f"SELECT each.value, number FROM {db.each('those')} JOIN numbers ON number = CAST(value AS BIGINT)"
        return [(row["value"], row["number"]) for row in db.run(f"{sql} ORDER BY number", those=values)]

    for number in (2, 3, 5):
        store.transact(add(number))
    assert store.read(lambda db: sums(db, '["5", "2", "7"]')) == [("2", 2), ("5", 5)]
    assert store.read(lambda db: sums(db, "[]")) == []


def test_rows_may_be_asked_for_now_and_had_later(store: Store) -> None:
    def work(db: Session) -> tuple[int, int, int]:
        insert = "INSERT INTO numbers VALUES (:number) RETURNING number"
        first, second = db.ask(insert, number=1), db.ask(insert, number=2)
        db.ask(insert, number=3)
        [last] = db.run("SELECT max(number) AS most FROM numbers")
        return first()[0]["number"], second()[0]["number"], last["most"]

    assert store.transact(work) == (1, 2, 3)
    assert numbers(store) == [1, 2, 3]


def test_what_nobody_waits_for_undoes_all_where_it_goes_wrong(store: Store) -> None:
    def work(db: Session) -> None:
        add(1)(db)
        db.ask("INSERT INTO numbers VALUES (:number) RETURNING number", number=-1)

    def then_more(db: Session) -> None:
        work(db)
        add(2)(db)
        db.run("SELECT number FROM numbers")

    for each in (work, then_more):
        with pytest.raises(Exception, match=r"(?i)check"):
            store.transact(each)
    assert numbers(store) == []


def test_thousands_of_statements_may_be_one_transaction(store: Store) -> None:
    def work(db: Session) -> None:
        for number in range(3000):
            add(number)(db)

    store.transact(work)
    assert numbers(store) == list(range(3000))


def test_work_may_ask_nothing(store: Store) -> None:
    assert (store.transact(lambda db: 7), store.read(lambda db: 8)) == (7, 8)
    store.transact(lambda db: db.alone("nobody"))
    assert numbers(store) == []


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def half(db: Session) -> None:
        add(1)(db)
        add(-1)(db)

    with pytest.raises(Exception, match=r"(?i)check"):
        store.transact(half)
    assert numbers(store) == []
    store.transact(add(2))
    assert numbers(store) == [2]


def test_what_the_work_raises_goes_on_as_it_is_and_undoes_it(store: Store) -> None:
    def refused(db: Session) -> None:
        add(1)(db)
        raise Refused

    with pytest.raises(Refused):
        store.transact(refused)
    assert numbers(store) == []


def test_a_part_that_goes_wrong_is_undone_alone(store: Store) -> None:
    def work(db: Session) -> None:
        with db.part():
            add(1)(db)
            with suppress(Refused), db.part():
                add(2)(db)
                raise Refused
        with suppress(Exception), db.part():
            add(3)(db)
            add(-1)(db)
        add(4)(db)

    store.transact(work)
    assert numbers(store) == [1, 4]


def test_nobody_reads_what_is_not_committed(stores: Stores, store: Store) -> None:
    seen = []

    def work(db: Session) -> None:
        add(1)(db)
        seen.append(numbers(stores.open()))

    store.transact(work)
    assert seen == [[]]
    assert numbers(store) == [1]


def test_a_reader_sees_one_moment(stores: Stores, store: Store) -> None:
    writer = stores.open()

    def look(db: Session) -> tuple[int, int]:
        count = "SELECT count(*) AS n FROM numbers"
        before = db.run(count)[0]["n"]
        writer.transact(add(1))
        return before, db.run(count)[0]["n"]

    assert store.read(look) == (0, 0)
    assert numbers(store) == [1]


def test_a_reader_changes_nothing(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only"):
        store.read(add(1))
    assert numbers(store) == []
    store.transact(add(2))
    assert numbers(store) == [2]


def test_work_that_met_somebody_else_is_done_again_from_its_beginning(store: Store) -> None:
    times: list[int] = []

    def work(db: Session) -> None:
        times.append(1)
        add(len(times))(db)
        if len(times) < 3:
            raise TryAgain

    store.transact(work)
    assert numbers(store) == [3]


def test_work_that_always_meets_somebody_is_not_done_for_ever(store: Store) -> None:
    def work(db: Session) -> None:
        add(1)(db)
        raise TryAgain

    with pytest.raises(TryAgain):
        store.transact(work)
    assert numbers(store) == []


def test_counting_together_loses_nothing(stores: Stores) -> None:
    views = [stores.open(), stores.open()]
    views[0].install(TALLY)
    views[0].transact(lambda db: db.run("INSERT INTO tally VALUES ('all', 0)"))

    def count(turn: int) -> None:
        def one_more(db: Session) -> None:
            [row] = db.run(f"SELECT count FROM tally WHERE name = 'all' {db.for_update}")
            db.run("UPDATE tally SET count = :count WHERE name = 'all'", count=row["count"] + 1)

        views[turn % 2].transact(one_more)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(24)))
    assert views[1].read(lambda db: db.run("SELECT count FROM tally"))[0]["count"] == 24


def test_who_is_alone_is_alone(stores: Stores) -> None:
    views = [stores.open() for _ in range(3)]

    def next_number(view: Store) -> None:
        def work(db: Session) -> None:
            db.alone("numbers")
            [row] = db.run("SELECT coalesce(max(number), 0) AS most FROM numbers")
            add(row["most"] + 1)(db)

        view.transact(work)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(next_number, views * 4))
    assert numbers(views[0]) == list(range(1, 13))


def test_a_part_is_made_once_however_many_ask_for_it(stores: Stores) -> None:
    views = [stores.open() for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda view: view.install(TALLY), views))
    views[0].transact(lambda db: db.run("INSERT INTO tally VALUES ('kept', 1)"))
    views[1].install(TALLY)
    assert [row["name"] for row in views[2].read(lambda db: db.run("SELECT name FROM tally"))] == ["kept"]


def test_an_older_part_is_brought_up_to_date_and_loses_nothing(stores: Stores, store: Store) -> None:
    store.install(TALLY)
    store.transact(lambda db: db.run("INSERT INTO tally VALUES ('kept', 1)"))

    def with_unit(db: Session) -> None:
        db.script("ALTER TABLE tally ADD COLUMN unit TEXT NOT NULL DEFAULT 'piece'")

    newer = Part("tally", "unused", version=2, upgrades={1: with_unit})
    stores.open().install(newer)
    stores.open().install(newer)
    [row] = store.read(lambda db: db.run("SELECT name, unit FROM tally"))
    assert (row["name"], row["unit"]) == ("kept", "piece")


def test_a_part_of_a_newer_release_is_refused_by_name(store: Store) -> None:
    store.install(Part("tally", TALLY.script, version=2))
    with pytest.raises(CannotWrite, match="tally"):
        store.install(TALLY)


def test_every_word_in_braces_has_a_meaning(store: Store) -> None:
    words = ("serial", "table")
    assert set(words) <= store.dialect.keys()
    assert "{" not in spelled(" ".join(f"{{{word}}}" for word in words), store.dialect)


def test_closing_twice_is_harmless(store: Store) -> None:
    store.close()
    store.close()


def test_what_was_deleted_is_cleared_away_and_the_rest_stays(store: Store) -> None:
    for number in (1, 2):
        store.transact(add(number))
    store.transact(lambda db: db.run("DELETE FROM numbers WHERE number = 2"))
    for thorough in (False, True):
        assert store.scrub(["numbers", "never_made"], thorough=thorough)
    assert numbers(store) == [1]
