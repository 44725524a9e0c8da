"""Content is kept as long as its project, its order or the service says, and not a minute less where it is held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import InvalidInput, NotFound, UnknownJob, WrongState
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.access import audit
from mintmark.orchestrator.access.access import Access
from mintmark.orchestrator.access.velocity import digest_of_user
from mintmark.orchestrator.content import holds, rules, selecting
from mintmark.orchestrator.content.rules import Rule
from mintmark.orchestrator.content.selecting import Selection
from mintmark.orchestrator.content.sweeping import Sweeper
from mintmark.orchestrator.jobs.job import Ending, Job, Made
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.storage.base import Part
from mintmark.tests.contracts.jobs import order
from mintmark.tests.orchestrator.databases import KINDS, Open, opened
from mintmark.tests.orchestrator.ticking import Clock

FOREVER = Rule("", None, None, None)


class Place:
    """Jobs with their files, and a sweeper of them."""

    def __init__(self, opener: Open, clock: Clock, default: Rule = FOREVER) -> None:
        self.clock, self.ledger = clock, opener()
        self.store = self.ledger.store
        Access(self.store, now=clock)
        self.jobs = SqlJobStore(self.ledger, held=holds.held, now=clock)
        self.deleted: list[str] = []
        self.scrubbed: list[bool] = []
        """What each was answered."""
        self.sweeper = Sweeper(self.store, self.jobs, default, forget_assets=self.forget, scrub=self.scrub, now=clock)

    def forget(self, digests: Any) -> None:
        self.deleted += list(digests)

    def scrub(self) -> bool:
        """As on a file that somebody is reading, at first."""
        self.scrubbed.append(bool(self.scrubbed))
        return self.scrubbed[-1]

    def ended(self, asset: str = "a", **ordered: Any) -> Job:
        """A job that is over, with one output and one input."""
        self.jobs.accept(order(images={"init": asset.upper() * 64}, **ordered))
        [lease] = self.jobs.claim("me", "worker-1", ["hosted"])
        made = Made(index=0, output="image", asset=asset * 64, media_type="image/png", bytes=1)
        return self.jobs.end(lease, Ending(step=Step.SUCCEEDED, outputs=(made,)))

    def rule(self, project: str, prompts: float | None, inputs: float | None, outputs: float | None) -> None:
        rule = Rule(project, prompts, inputs, outputs)
        self.store.transact(lambda db: rules.put(db, rule, actor="test", at=self.clock()))

    def hold(self, scope: Any, value: str) -> str:
        made = self.store.transact(lambda db: holds.hold(db, scope, value, reason="case", actor="t", at=self.clock()))
        return made.hold_id

    def release(self, hold_id: str) -> None:
        self.store.transact(lambda db: holds.release(db, hold_id, actor="t", at=self.clock()))

    def forgotten(self, job: Job) -> tuple[str, ...]:
        found = self.jobs.get(job.job_id)
        assert found is not None
        return found.forgotten

    def acts(self) -> list[str]:
        return [entry.action for entry in audit.oldest(self.store)]


@pytest.fixture(params=KINDS)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Open, Clock]]:
    clock = Clock()
    with opened(request.param, tmp_path, clock) as found:
        yield found, clock


@pytest.fixture
def place(opener: tuple[Open, Clock]) -> Place:
    return Place(*opener)


def test_each_content_is_kept_as_long_as_its_project_says(place: Place) -> None:
    place.rule("acme", prompts=1, inputs=2, outputs=3)
    job, other = place.ended("a"), place.ended("b", project="other")
    assert place.sweeper.sweep() == []
    found = []
    for _ in range(3):
        place.clock.go(days=1, seconds=31)
        assert place.sweeper.sweep() == [job.job_id]
        found.append((place.forgotten(job), list(place.deleted)))
    assert found == [
        (("prompts",), []),
        (("prompts", "inputs"), ["A" * 64]),
        (("prompts", "inputs", "outputs"), ["A" * 64, "a" * 64]),
    ]
    assert place.forgotten(other) == ()
    left = place.jobs.get(job.job_id)
    assert left is not None and left.purged


def test_zero_is_not_kept_beyond_the_end_and_outputs_can_be_fetched_for_a_while(place: Place) -> None:
    place.rule("acme", 0, 0, 0)
    job = place.ended()
    place.clock.go(seconds=31)
    place.sweeper.sweep()
    assert place.forgotten(job) == ("prompts", "inputs")
    place.clock.go(minutes=15)
    place.sweeper.sweep()
    assert place.forgotten(job) == ("prompts", "inputs", "outputs")


def test_without_a_rule_the_service_s_own_setting_holds_and_an_order_s_before_all(opener: tuple[Open, Clock]) -> None:
    place = Place(*opener, Rule("", 5, 5, 5))
    place.rule("kept", None, None, None)
    own, usual, kept = place.ended("a", retention_days=2.0), place.ended("b"), place.ended("c", project="kept")
    place.clock.go(days=2)
    assert place.sweeper.sweep() == [own.job_id]
    place.clock.go(days=3, seconds=31)
    assert place.sweeper.sweep() == [usual.job_id]
    assert place.sweeper.sweep() == []
    place.clock.go(days=5000)
    assert place.sweeper.sweep() == []
    assert place.forgotten(kept) == ()
    place.store.transact(lambda db: rules.drop(db, "kept", actor="t", at=place.clock()))
    assert place.sweeper.sweep() == [kept.job_id]


def test_a_shorter_rule_holds_for_what_is_over_already(place: Place) -> None:
    place.rule("acme", 100, None, None)
    job = place.ended()
    place.clock.go(days=10)
    assert place.sweeper.sweep() == []
    place.rule("acme", 5, None, None)
    assert place.sweeper.sweep() == [job.job_id]
    place.rule("acme", 5, 5, None)
    assert place.sweeper.sweep() == [job.job_id]
    assert place.forgotten(job) == ("prompts", "inputs")


def test_more_jobs_than_are_looked_at_at_once_are_all_seen_to(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mintmark.orchestrator.content.due.AT_ONCE", 3)
    place.rule("acme", 1, 1, 1)
    jobs = [place.ended() for _ in range(10)]  # all in the same moment
    place.clock.go(days=2)
    assert sorted(place.sweeper.sweep()) == sorted(job.job_id for job in jobs)
    assert {place.forgotten(job) for job in jobs} == {("prompts", "inputs", "outputs")}


HOLDS = {"project": "acme", "user": "mia", "job": ""}


@pytest.mark.parametrize("scope", HOLDS)
def test_what_is_held_is_kept_until_the_hold_is_released(opener: tuple[Open, Clock], scope: str) -> None:
    place = Place(*opener, Rule("", 1, 1, 1))
    job, own = place.ended("a"), place.ended("b", retention_days=1.0)
    free = place.ended("c", project="other", user="bob")
    ids = [place.hold(scope, HOLDS[scope] or each.job_id) for each in (job, own)]
    place.clock.go(days=2)
    assert place.sweeper.sweep() == [free.job_id]
    with pytest.raises(WrongState, match="legal hold"):
        place.jobs.purge(job.job_id)
    place.clock.go(days=100)
    assert place.sweeper.sweep() == []
    assert (place.forgotten(job), place.forgotten(own)) == ((), ())
    for each in ids:
        place.release(each)
    assert set(place.sweeper.sweep()) == {job.job_id, own.job_id}
    assert (place.forgotten(job), place.forgotten(own)) == (("prompts", "inputs", "outputs"),) * 2


def test_a_hold_on_an_end_user_is_on_the_jobs_that_were_for_him(place: Place) -> None:
    job = place.ended(end_user="ann")
    place.hold("user", "ann")
    with pytest.raises(WrongState):
        place.jobs.purge(job.job_id)


def test_holds_and_rules_are_checked_and_stand_in_the_audit_log(place: Place) -> None:
    held = place.hold("project", "acme")
    place.release(held)
    place.rule("acme", 1, 2, 0)
    place.store.transact(lambda db: rules.drop(db, "acme", actor="t", at=place.clock()))
    assert place.acts() == ["hold.placed", "hold.released", "retention.set", "retention.dropped"]
    with pytest.raises(WrongState):
        place.release(held)
    with pytest.raises(NotFound):
        place.release("none")
    for wrong in (("team", "acme"), ("project", " ")):
        with pytest.raises(InvalidInput):
            place.hold(*wrong)
    for days in (-1, float("nan"), float("inf"), 40_000):
        with pytest.raises(InvalidInput):
            place.rule("acme", days, None, None)


def purged(place: Place, which: Selection, *, dry_run: bool = False) -> selecting.Purge:
    facts: dict[str, Any] = {"actor": "test", "at": place.clock(), "forget_assets": place.forget}
    return selecting.purge(place.store, place.jobs, which, dry_run=dry_run, **facts)


def test_a_purge_is_told_before_it_is_done_and_skips_what_is_held_and_says_so(place: Place) -> None:
    jobs = [place.ended(each) for each in "abc"]
    others = place.ended("d", project="other")
    waiting = place.jobs.accept(order()).job
    place.hold("job", jobs[0].job_id)
    told = purged(place, Selection(project="acme"), dry_run=True)
    assert [place.forgotten(job) for job in jobs] == [(), (), ()]
    assert place.acts() == ["hold.placed"]
    done = purged(place, Selection(project="acme"))
    assert done == told
    assert set(done.purged) == {jobs[1].job_id, jobs[2].job_id}
    assert list(done.held) == [jobs[0].job_id]
    assert "case" in done.held[jobs[0].job_id]
    assert done.running == [waiting.job_id]
    assert place.forgotten(others) == ()
    assert sorted(place.deleted) == ["B" * 64, "C" * 64, "b" * 64, "c" * 64]
    assert purged(place, Selection(project="acme")).purged == []
    entry = list(audit.oldest(place.store))[1]
    assert (entry.action, entry.data["purged"], entry.data["held"]) == ("purge", 2, [jobs[0].job_id])


def test_whom_a_purge_or_a_hold_was_of_is_not_in_the_audit_log(place: Place) -> None:
    place.ended("a", end_user="zoe-of-acme")
    hold_id = place.hold("user", "zoe-of-acme")
    assert purged(place, Selection(user="zoe-of-acme")).held
    place.release(hold_id)
    assert purged(place, Selection(user="zoe-of-acme")).purged
    entries = list(audit.oldest(place.store))
    digest = digest_of_user("zoe-of-acme")
    assert [entry.data.get("user_sha256") for entry in entries if entry.action == "purge"] == [digest] * 2
    assert [entry.data["value_sha256"] for entry in entries if entry.action == "hold.placed"] == [digest]
    assert "zoe-of-acme" not in repr(entries)
    [released] = place.store.read(holds.holds)
    assert (released.scope, released.value) == ("user", digest)


def test_a_database_of_version_1_is_brought_up_to_date(opener: tuple[Open, Clock]) -> None:
    store = opener[0]().store
    old = re.sub(r"(undone_at   TEXT),\n    content[^\n]*", r"\1", holds.PART.script)
    assert old != holds.PART.script
    store.install(Part("content", old))
    at = "2026-11-21T06:00:00.000000+00:00"
    held = "INSERT INTO legal_holds VALUES (:id, 'user', 'zoe', 'a case', 'test', :at, :released)"
    store.transact(lambda db: db.run(held, id="over", at=at, released=at))
    store.transact(lambda db: db.run(held, id="on", at=at, released=None))
    taken = "INSERT INTO takedowns VALUES ('t', 'a', '', 'withheld', 'a case', 'test', :at, NULL)"
    store.transact(lambda db: db.run(taken, at=at))
    store.install(holds.PART)
    values = {each.hold_id: each.value for each in store.read(holds.holds)}
    assert values == {"over": digest_of_user("zoe"), "on": "zoe"}
    [row] = store.read(lambda db: db.run("SELECT content FROM takedowns"))
    assert row["content"] == ""


def test_a_purge_is_of_jobs_of_a_user_and_of_an_age(place: Place) -> None:
    old = place.ended("a", user="bob")
    place.clock.go(days=10)
    new = place.ended("b", end_user="bob", user="mia")
    week = place.clock() - timedelta(days=7)
    assert purged(place, Selection(user="bob", before=week), dry_run=True).purged == [old.job_id]
    assert purged(place, Selection(before=week), dry_run=True).purged == [old.job_id]
    assert purged(place, Selection(jobs=(new.job_id,), contents=("prompts",))).purged == [new.job_id]
    assert place.forgotten(new) == ("prompts",)
    assert purged(place, Selection(jobs=(new.job_id,), contents=("prompts",))).purged == []
    with pytest.raises(InvalidInput, match="names jobs"):
        purged(place, Selection())
    with pytest.raises(UnknownJob):
        purged(place, Selection(jobs=("none",)))


def test_at_night_what_deleting_leaves_behind_is_cleared_away_until_that_was_possible(place: Place) -> None:
    place.ended(retention_days=0.1)
    place.clock.go(hours=10)  # in the evening
    place.sweeper.sweep()
    assert place.scrubbed == []
    place.clock.go(hours=6)
    for _ in range(4):
        place.sweeper.sweep()
        place.clock.go(hours=1)
    assert place.scrubbed == [False, True]
    place.clock.go(days=3)  # in which nothing was deleted
    place.sweeper.sweep()
    assert place.scrubbed == [False, True]


def test_old_uploads_are_forgotten_with_the_rest(place: Place) -> None:
    old = [["a"], [], ["b"]]
    facts: dict[str, Any] = {"forget_assets": place.forget, "scrub": place.scrub, "now": place.clock}
    sweeper = Sweeper(place.store, place.jobs, FOREVER, forget_uploads=lambda: old.pop(0), **facts)
    for _ in range(3):
        sweeper.sweep()
    assert place.deleted == ["a", "b"]


def test_a_ledger_is_whole_after_all_of_it(place: Place) -> None:
    ledger: SqlLedger = place.ledger
    place.ended()
    purged(place, Selection(project="acme"))
    assert ledger.problems() == []
