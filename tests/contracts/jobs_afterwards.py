"""What every store of jobs must do, see ``jobs.py``: what it answers, and what is done with jobs that are over."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from mintmark.errors import InvalidInput, UnknownJob, WrongState
from mintmark.orchestrator.jobs.base import Filter, JobStore
from mintmark.orchestrator.jobs.job import Ending, Job
from mintmark.orchestrator.jobs.states import State, Step

from .jobs import FAILED, SUCCEEDED, JobStores, accepted, claimed, kinds, made, order


def succeeded(store: JobStore, *, ending: Ending = SUCCEEDED, **differs: object) -> Job:
    job = accepted(store, **differs)
    [lease] = [each for each in claimed(store) if each.job.job_id == job.job_id]
    return store.end(lease, ending)


def found(store: JobStore, where: Filter) -> list[int]:
    return [job.seq for job in store.find(where)]


# -- answers ----------------------------------------------------------------------------------------------------------


def test_nothing_is_known_of_a_job_that_is_not_there(store: JobStore) -> None:
    unknown = str(uuid.uuid4())
    assert (store.get(unknown), store.events(unknown), store.find(Filter())) == (None, [], [])
    assert set(store.counts().values()) == {0}


def test_lists_are_newest_first_and_go_on_where_they_stopped(store: JobStore) -> None:
    jobs = [accepted(store) for _ in range(5)]
    pages = [store.find(Filter(), limit=2)]
    while page := store.find(Filter(), before=pages[-1][-1].seq, limit=2):
        pages.append(page)
    assert [job for page in pages for job in page] == jobs[::-1]
    assert [len(page) for page in pages] == [2, 2, 1]


def test_lists_are_of_what_was_asked_for(stores: JobStores, store: JobStore) -> None:
    one = accepted(store, key_id="a", workflow="poster", project="p", user="mia", metadata={"n": 1, "tag": "x"}).seq
    stores.clock.go(hours=1)
    noon = stores.clock.now
    two = accepted(store, key_id="a", workflow="icon", project="q", user="tom", metadata={"n": 2, "tag": "x"}).seq
    stores.clock.go(hours=1)
    three = accepted(store, key_id=None, workflow="icon", project="q", user="api", end_user="mia", lane="gpu").seq
    [lease] = claimed(store, lanes=["gpu"])
    store.end(lease, SUCCEEDED)
    assert found(store, Filter(key_id="a")) == [two, one]
    assert found(store, Filter(workflow="icon")) == [three, two]
    assert found(store, Filter(project="q", key_id="a")) == [two]
    assert found(store, Filter(user="mia")) == [three, one]
    assert found(store, Filter(user="mia", workflow="poster", project="p")) == [one]
    assert found(store, Filter(states=[State.SUCCEEDED])) == [three]
    assert found(store, Filter(states=[State.SUCCEEDED, State.QUEUED])) == [three, two, one]
    assert found(store, Filter(states=[])) == []
    assert found(store, Filter(states=[State.QUEUED], workflow="icon")) == [two]
    assert found(store, Filter(since=noon)) == [three, two]
    assert found(store, Filter(until=noon)) == [one]
    assert found(store, Filter(since=noon, until=noon + timedelta(minutes=30), key_id="a")) == [two]
    assert found(store, Filter(since=noon + timedelta(days=1))) == []
    assert found(store, Filter(until=noon - timedelta(days=1))) == []
    assert found(store, Filter(metadata={"tag": "x"})) == [two, one]
    assert found(store, Filter(metadata={"tag": "x", "n": "1"})) == [one]
    assert found(store, Filter(metadata={"tag": "x"}, states=[State.QUEUED], workflow="icon")) == [two]
    assert [job.seq for job in store.find(Filter(metadata={"tag": "x"}), before=two, limit=5)] == [one]


def test_metadata_comes_back_as_it_came_even_where_it_cannot_be_searched_for(store: JobStore) -> None:
    metadata = {"long": "x" * 5000, "deep": {"a": [1]}, "flag": True, "none": None, "ratio": 1.5}
    job = accepted(store, metadata=metadata)
    read = store.get(job.job_id)
    assert read is not None
    assert read.ordered.metadata == metadata
    assert found(store, Filter(metadata={"flag": "true", "ratio": "1.5"})) == [job.seq]


def test_events_are_told_from_where_one_heard_last(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    accepted(store)
    [first] = store.events(job.job_id)
    note = store.note(job.job_id, "progress", {"fraction": 0.5})
    assert (note.at, note.kind, note.data) == (stores.clock.now, "progress", {"fraction": 0.5})
    assert store.events(job.job_id, after=first.seq) == [note]
    assert store.events(job.job_id, after=note.seq) == []
    with pytest.raises(UnknownJob):
        store.note(str(uuid.uuid4()), "progress", {})


def test_an_earlier_result_is_found_by_its_cache_key(store: JobStore) -> None:
    succeeded(store, cache_key="c")
    latest = succeeded(store, cache_key="c")
    succeeded(store, cache_key="c", ending=FAILED)
    accepted(store, cache_key="c")
    assert store.cached("c") == latest
    assert store.cached("d") is None
    store.purge(latest.job_id)
    again = store.cached("c")
    assert again is not None
    assert again.seq < latest.seq


def test_open_jobs_of_a_key_are_those_that_wait_or_run(stores: JobStores, store: JobStore) -> None:
    accepted(store, lane="gpu")
    accepted(store, not_before=stores.clock.now + timedelta(days=1))
    succeeded(store)
    accepted(store, key_id=None)
    assert (store.open_jobs("key-1"), store.open_jobs(None), store.open_jobs("key-2")) == (2, 1, 0)


def test_how_long_a_workflow_takes_is_told_from_its_latest_runs(stores: JobStores, store: JobStore) -> None:
    for took in (5.0, 1.5, 2.5):
        accepted(store)
        stores.clock.go(seconds=100)
        [lease] = claimed(store)
        stores.clock.go(seconds=took)
        store.end(lease, SUCCEEDED)
    succeeded(store, ending=FAILED)
    assert store.seconds("poster", last=2) == [2.5, 1.5]
    assert store.seconds("icon") == []


def test_wanted_is_what_runs_or_could_run_now(stores: JobStores, store: JobStore) -> None:
    accepted(store, not_before=stores.clock.now + timedelta(days=1))
    assert store.wanted() == 0
    succeeded(store)
    accepted(store)
    accepted(store)
    claimed(store)
    assert store.wanted() == 2
    # Nobody looks for work, and so nobody has moved it.
    stores.clock.go(days=2)
    assert store.wanted() == 3


def test_it_is_known_when_it_was_paused(stores: JobStores, store: JobStore) -> None:
    began = stores.clock.now
    for paused, seconds in ((True, 10), (True, 20), (False, 30), (False, 5), (True, 5)):
        store.pause(paused=paused)
        stores.clock.go(seconds=seconds)
    first, second = stores.open().pauses(began)
    assert first == (began, began + timedelta(seconds=30))
    assert second == (began + timedelta(seconds=65), None)
    assert store.pauses(began + timedelta(seconds=40)) == [second]


# -- judging and forgetting -------------------------------------------------------------------------------------------


def test_what_a_person_says_of_an_output_is_kept_with_it(stores: JobStores, store: JobStore) -> None:
    job = succeeded(store, ending=Ending(step=Step.SUCCEEDED, outputs=(made(0), made(1, "b" * 64))))
    for accepted_ in (True, None, False):
        judged = store.judge(job.job_id, 1, accepted=accepted_)
        assert [each.accepted for each in judged.outputs] == [None, accepted_]
    assert stores.open().get(job.job_id) == judged
    assert kinds(store, job.job_id)[-3:] == ["accepted", "unjudged", "rejected"]
    with pytest.raises(InvalidInput):
        store.judge(job.job_id, 2, accepted=True)
    with pytest.raises(UnknownJob):
        store.judge(str(uuid.uuid4()), 0, accepted=True)


def test_what_was_rejected_is_no_earlier_result_until_it_is_accepted(store: JobStore) -> None:
    job = succeeded(store, cache_key="c")
    again = Ending(step=Step.SUCCEEDED, outputs=job.outputs)
    copy = store.accept(order(cache_key="c"), ending=again).job
    store.judge(copy.job_id, 0, accepted=False)
    assert store.cached("c") is None
    late = store.accept(order(cache_key="c"), ending=again).job  # it was looked up a moment before
    assert (late.cached, store.cached("c")) == (True, None)
    store.judge(job.job_id, 0, accepted=False)
    store.judge(job.job_id, 0, accepted=True)
    assert store.cached("c") == store.get(job.job_id)


def test_another_project_s_earlier_result_stays_one(store: JobStore) -> None:
    job, other = succeeded(store, cache_key="c"), succeeded(store, cache_key="d", project="elsewhere")
    store.judge(job.job_id, 0, accepted=False)
    assert (store.cached("c"), store.cached("d")) == (None, other)


def test_who_decided_on_what_outlives_the_words_of_it(store: JobStore) -> None:
    job = succeeded(store)
    store.judge(job.job_id, 0, accepted=False, by="key:k1", reason="six fingers on Ann")
    assert store.events(job.job_id)[-1].data == {"index": 0, "by": "key:k1", "reason": "six fingers on Ann"}
    store.purge(job.job_id, by="key:k2")
    said = [(event.kind, event.data) for event in store.events(job.job_id)[-2:]]
    assert said == [("rejected", {"index": 0, "by": "key:k1"}), ("purged", {"by": "key:k2"})]


def test_purging_forgets_the_content_and_keeps_the_accounting(store: JobStore) -> None:
    whom = {"webhook_url": "https://ann.example/?token=t", "webhook_events": ("progress",), "end_user": "ann"}
    job = succeeded(store, metadata={"customer": "ann"}, images={"init": "f" * 64}, asked={"n": 1}, **whom)
    assert found(store, Filter(user="ann")) == [job.seq]
    assert sorted(store.purge(job.job_id)) == ["a" * 64, "f" * 64]
    assert found(store, Filter(user="ann")) == []
    left = store.get(job.job_id)
    assert left is not None
    assert left.purged
    assert (left.ordered.values, left.ordered.images, left.ordered.metadata, left.outputs) == ({}, {}, {}, ())
    assert (left.ordered.webhook_url, left.ordered.webhook_events, left.ordered.end_user) == (None, (), None)
    assert (left.cost_microusd, left.receipts, left.state) == (job.cost_microusd, job.receipts, State.SUCCEEDED)
    assert (left.ordered.workflow, left.ordered.digest, left.ordered.key_id) == ("poster", "d" * 64, "key-1")
    assert found(store, Filter(metadata={"customer": "ann"})) == []
    assert kinds(store, job.job_id)[-1] == "purged"
    assert store.purge(job.job_id) == []


def test_what_is_to_be_deleted_is_known_until_it_is(stores: JobStores, store: JobStore) -> None:
    job = succeeded(store, images={"init": "f" * 64})
    orphans = sorted(store.purge(job.job_id))
    again = stores.open()  # as if the process had died before it deleted them
    assert again.forgotten() == orphans == ["a" * 64, "f" * 64]
    assert again.forgotten(limit=1) == ["a" * 64]
    again.gone("a" * 64)
    assert store.forgotten() == ["f" * 64]


def test_an_asset_that_another_job_has_is_kept(store: JobStore) -> None:
    one, other = succeeded(store), succeeded(store)
    given = succeeded(store, images={"init": "a" * 64}, ending=FAILED)
    assert [job.seq for job in store.having("a" * 64)] == [given.seq, other.seq, one.seq]
    assert store.purge(one.job_id) == []
    assert store.purge(other.job_id) == []
    assert store.purge(given.job_id) == ["a" * 64]
    assert store.having("a" * 64) == []


def test_only_what_is_over_is_purged(store: JobStore) -> None:
    job = accepted(store)
    with pytest.raises(WrongState):
        store.purge(job.job_id)
    claimed(store)
    with pytest.raises(WrongState):
        store.purge(job.job_id)
    with pytest.raises(UnknownJob):
        store.purge(str(uuid.uuid4()))


def test_a_part_of_the_content_is_forgotten_and_the_rest_stays(store: JobStore) -> None:
    job = succeeded(store, metadata={"customer": "ann"}, images={"init": "f" * 64}, asked={"n": 1}, end_user="ann")
    assert store.purge(job.job_id, ["prompts"]) == []
    left = store.get(job.job_id)
    assert left is not None
    assert (left.purged, left.forgotten) == (False, ("prompts",))
    assert (left.ordered.values, left.ordered.metadata, left.ordered.asked, left.ordered.end_user) == ({}, {}, {}, None)
    assert (left.ordered.images, left.outputs) == ({"init": "f" * 64}, job.outputs)
    assert store.purge(job.job_id, ["prompts", "inputs"]) == ["f" * 64]
    assert [each.job_id for each in store.having("a" * 64)] == [job.job_id]
    assert store.purge(job.job_id) == ["a" * 64]
    left = store.get(job.job_id)
    assert left is not None
    assert (left.purged, left.forgotten, left.outputs) == (True, ("prompts", "inputs", "outputs"), ())


def test_what_a_failure_said_goes_with_the_prompt_it_may_quote(store: JobStore) -> None:
    job = succeeded(store, ending=FAILED)
    assert job.failure is not None
    store.purge(job.job_id, ["prompts"])
    left = store.get(job.job_id)
    assert left is not None
    assert left.failure is not None
    assert (left.failure.code, left.failure.data) == (job.failure.code, {})
    assert left.failure.message != job.failure.message


def test_it_is_written_down_where_else_a_job_is_to_be_forgotten(stores: JobStores, store: JobStore) -> None:
    job = succeeded(store)
    assert store.elsewhere() == []
    store.purge(job.job_id)
    places = {each.place for each in store.elsewhere()}
    assert places == {"", str(job.worker)}
    assert {each.assets for each in store.elsewhere()} == {("a" * 64,)}
    for each in stores.open().elsewhere():
        store.gone_elsewhere(each)
    assert store.elsewhere() == []
