"""One way to open a SQLite file, safe for threads and processes."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from mintmark.errors import CannotWrite, DiskFull
from mintmark.storage import database as storage_database
from mintmark.storage.database import Database

SCHEMA = "CREATE TABLE numbers (number INTEGER PRIMARY KEY CHECK (number >= 0))"


@pytest.fixture
def database(tmp_path: Path):
    made = Database(tmp_path / "deep" / "a.sqlite3", SCHEMA)
    yield made
    made.close()


def numbers(database: Database) -> list[int]:
    return [row["number"] for row in database.rows("SELECT number FROM numbers ORDER BY number")]


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as db:
        db.executemany("INSERT INTO numbers VALUES (?)", [(1,), (1,)])
    assert numbers(database) == []
    with database.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (2)")
    assert numbers(database) == [2]


def test_what_is_read_first_is_still_true_when_written(tmp_path: Path) -> None:
    views = [Database(tmp_path / "a.sqlite3", SCHEMA) for _ in range(4)]

    def count_up(number: int) -> None:
        with views[number % 4].transaction() as db:
            most = db.execute("SELECT coalesce(max(number), 0) FROM numbers").fetchone()[0]
            db.execute("INSERT INTO numbers VALUES (?)", (most + 1,))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(count_up, range(64)))
    assert numbers(views[0]) == list(range(1, 65))
    for view in views:
        view.close()


@contextmanager
def writers_in_line(database: Database, count: int) -> Iterator[list[Future[None]]]:
    """So many writers, of whom each writes its own number, and who have all come before the first may begin."""

    def write(number: int) -> None:
        with database.transaction() as db:
            db.execute("INSERT INTO numbers VALUES (?)", (number,))
            if number % 2:
                raise ValueError(number)

    with ThreadPoolExecutor(count) as threads:
        with database._turn:
            written = [threads.submit(write, number) for number in range(count)]
            while database._coming < count:
                threading.Event().wait(0.001)
        yield written


def test_writers_side_by_side_share_a_commit(database: Database) -> None:
    commits: list[str] = []
    database._connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    with writers_in_line(database, 6) as written:
        assert [isinstance(each.exception(30), ValueError) for each in written] == [False, True] * 3
    assert len(commits) == 1


def test_who_fails_takes_nothing_of_the_others_along(database: Database) -> None:
    with writers_in_line(database, 6) as written:
        wait(written)
    assert numbers(database) == [0, 2, 4]


def test_a_commit_that_fails_is_told_to_all_who_share_it(database: Database) -> None:
    database._connection.execute("PRAGMA foreign_keys = ON")
    with database.transaction() as db:
        db.execute("CREATE TABLE kept (number INTEGER REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)")

    def write(number: int) -> None:
        with database.transaction() as db:
            db.execute("INSERT INTO kept VALUES (?)", (number,))

    with ThreadPoolExecutor(4) as threads:
        with database._turn:
            written = [threads.submit(write, number) for number in range(4)]
            while database._coming < 4:
                threading.Event().wait(0.001)
        assert all(isinstance(each.exception(30), sqlite3.IntegrityError) for each in written)
    assert database.rows("SELECT * FROM kept") == []
    with database.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (9)")
    assert numbers(database) == [9]


def test_nobody_reads_what_is_not_committed(database: Database) -> None:
    with database.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (1)")
        assert numbers(database) == []
    assert numbers(database) == [1]


def test_a_part_is_not_left_waiting_by_one_who_came_and_went(database: Database) -> None:
    database._coming += 1  # somebody who was interrupted while it waited for its turn
    with database.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (1)")
    assert numbers(database) == [1]


def test_many_who_make_the_file_at_once_make_it_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: Database(tmp_path / "a.sqlite3", SCHEMA), range(8)))
    assert [numbers(each) for each in made] == [[]] * 8
    for each in made:
        each.close()


@pytest.mark.skipif(os.name == "nt", reason="has other rights")
def test_only_its_owner_reads_what_is_made(database: Database) -> None:
    with database.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (2)")
    made = list(database.path.parent.glob("a.sqlite3*"))
    assert {path.name for path in made} >= {"a.sqlite3", "a.sqlite3-wal"}
    assert {path.stat().st_mode & 0o077 for path in made if not path.name.endswith(".lock")} == {0}


def test_commits_are_durable_and_readers_do_not_wait(database: Database) -> None:
    assert database.rows("PRAGMA synchronous")[0][0] == 2
    assert database.rows("PRAGMA journal_mode")[0][0] == "wal"


def test_a_full_disk_is_told_and_the_next_write_can_work(database: Database) -> None:
    database._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFull, match="deep"), database.transaction() as db:
        db.execute("CREATE TABLE more AS SELECT zeroblob(100000)")
    database._connection.execute("PRAGMA max_page_count = 100000")
    with database.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (3)")
    assert numbers(database) == [3]


def test_a_broken_rule_of_the_schema_is_no_trouble_with_the_file(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as db:
        db.execute("INSERT INTO numbers VALUES (-1)")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    path.write_bytes(b"garbage " * 1000)
    with pytest.raises(CannotWrite, match=r"a\.sqlite3"):
        Database(path, SCHEMA)


def test_a_locked_file_is_told_and_not_waited_for_without_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.storage.database.BUSY_S", 0.05)
    other = Database(database.path, SCHEMA)
    with database.transaction(), pytest.raises(CannotWrite, match="locked"), other.transaction():
        raise AssertionError("nobody may come here")
    other.close()


def test_a_schema_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "a.sqlite3", SCHEMA, version=2).close()
    with pytest.raises(CannotWrite, match="newer"):
        Database(tmp_path / "a.sqlite3", SCHEMA, version=1)


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="file"):
        Database(tmp_path / "file" / "a.sqlite3", SCHEMA)


def test_what_many_commits_wrote_is_copied_into_the_file_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite3"
    with patch.object(storage_database, "CHECKPOINT_EVERY", 5), closing(Database(path, SCHEMA)) as database:
        with database.transaction() as db:
            db.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(10_000)])
        assert path.stat().st_size < 20_000
        for _ in range(1000):
            with database.transaction() as db:
                db.execute("UPDATE numbers SET number = number WHERE number = 1")
            if path.stat().st_size > 20_000:
                break
        assert path.stat().st_size > 20_000
        assert len(numbers(database)) == 10_000


def test_nothing_that_was_deleted_is_left_in_the_file_or_its_log(tmp_path: Path) -> None:
    """Rows that grow, move between pages and go, among others that stay, as jobs do."""
    database = Database(tmp_path / "a.sqlite3", "CREATE TABLE jobs (id INTEGER PRIMARY KEY, body TEXT, more TEXT)")
    rng = random.Random(7)
    for number in range(300):
        secret = f"zebrafinch-{number}-" + "x" * rng.randrange(10, 9000)
        with database.transaction() as db:
            db.execute("INSERT INTO jobs VALUES (?, ?, '')", (number, secret if number % 2 else "kept" * 300))
    for number in range(300):
        with database.transaction() as db:
            db.execute("UPDATE jobs SET more = ? WHERE id = ?", ("y" * rng.randrange(0, 6000), number))
    for number in range(1, 300, 2):
        with database.transaction() as db:
            db.execute(
                "UPDATE jobs SET body = '' WHERE id = ?" if number % 4 == 1 else "DELETE FROM jobs WHERE id = ?",
                (number,),
            )
    assert database.scrub(thorough=True)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"zebrafinch" not in left
    assert b"kept" in left
    database.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="not run: this system does not list open files")
def test_content_stands_in_no_file_but_its_own(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite3", "CREATE TABLE texts (text TEXT)")
    with database.transaction() as db:
        db.executemany("INSERT INTO texts VALUES (?)", [("secret" * 500,) for _ in range(100)])
    with database.transaction() as db:
        db.execute("UPDATE texts SET text = 'another ' || text")
        opened = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
        assert any(each.startswith(str(tmp_path)) for each in opened)
        assert [each for each in opened if "etilqs" in each] == []
    database.close()
