"""Whatever is created once though it is asked for twice, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from mintmark.errors import IdempotencyMismatch
from mintmark.orchestrator.jobs.base import Idempotency
from mintmark.orchestrator.jobs.idempotency import PART, Known, find, forget, keep
from mintmark.storage.base import Part, Session, Store
from mintmark.tests.orchestrator.databases import KINDS, opened
from mintmark.tests.orchestrator.ticking import Clock

ASKED = Idempotency(scope="key-1 POST /v1/keys", key="k", digest="1")
THINGS = Part("things", "CREATE TABLE things (name TEXT NOT NULL)")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as opener:
        made = opener().store
        made.install(PART)
        made.install(THINGS)
        yield made


def create(store: Store, clock: Clock, asked: Idempotency = ASKED, answer: str = "made") -> Known:
    """Make a thing as a request handler would; what the first one was answered."""

    def work(db: Session) -> Known:
        if (known := find(db, asked, clock.now)) is not None:
            return known
        keep(db, asked, clock.now, status=201, answer=answer)
        db.run("INSERT INTO things (name) VALUES (:name)", name=answer)
        return Known(None, 201, answer)

    return store.transact(work)


def things(store: Store) -> list[str]:
    return [row["name"] for row in store.read(lambda db: db.run("SELECT name FROM things ORDER BY name"))]


def test_the_first_answer_is_given_again(store: Store, clock: Clock) -> None:
    assert create(store, clock) == create(store, clock, answer="another") == Known(None, 201, "made")
    assert things(store) == ["made"]


def test_another_body_or_another_caller_is_another_thing(store: Store, clock: Clock) -> None:
    create(store, clock)
    with pytest.raises(IdempotencyMismatch):
        create(store, clock, Idempotency(scope=ASKED.scope, key="k", digest="2"))
    create(store, clock, Idempotency(scope="key-2 POST /v1/keys", key="k", digest="2"), "theirs")
    assert things(store) == ["made", "theirs"]


def test_of_many_at_once_one_makes_it(store: Store, clock: Clock) -> None:
    together = Barrier(8)

    def one(number: int) -> Known:
        together.wait()
        return create(store, clock, answer=f"made by {number}")

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(one, range(8)))
    assert [each.answer for each in found] == things(store)


def test_after_seven_days_it_is_another_request(store: Store, clock: Clock) -> None:
    create(store, clock)
    clock.go(days=7)
    assert create(store, clock, Idempotency(scope=ASKED.scope, key="k", digest="2"), "later").answer == "later"
    assert store.transact(lambda db: forget(db, clock.now)) == 0
    clock.go(days=7)
    assert store.transact(lambda db: forget(db, clock.now)) == 1
