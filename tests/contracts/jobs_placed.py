"""What every store of jobs must do, see ``jobs.py``: look at who is next, and claim these and no others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mintmark.errors import StaleLease
from mintmark.orchestrator.jobs.base import JobStore
from mintmark.orchestrator.jobs.job import Lease
from mintmark.orchestrator.jobs.queueing import CHOSEN, LARGE
from mintmark.orchestrator.jobs.states import State

from .jobs import LANES, SUCCEEDED, JobStores, accepted, claimed, kinds


def peeked(store: JobStore, lanes: tuple[str, ...] = LANES, most: int = 100) -> list[str]:
    return [ready.job.job_id for ready in store.peek(lanes, most=most)]


def ids(leases: list[Lease]) -> list[str]:
    return [lease.job.job_id for lease in leases]


def test_what_is_peeked_is_what_is_claimed_then_in_the_same_order(store: JobStore) -> None:
    for number in range(12):
        accepted(store, key_id=f"key-{number % 3 or 1}", lane=LANES[number % 2], priority=number % 4)
    accepted(store, key_id="late")
    claimed(store, most=2)
    accepted(store, key_id=None)
    for most in (1, 5, 100):
        assert peeked(store, most=most) == peeked(store)[:most]
    assert peeked(store) == ids(claimed(store))
    assert peeked(store) == []


def test_a_look_changes_nothing_and_tells_lane_and_time(stores: JobStores, store: JobStore) -> None:
    began = stores.clock.now
    job = accepted(store, lane="gpu")
    later = accepted(store, lane="gpu", not_before=began + timedelta(minutes=5))
    accepted(store, lane="hosted")
    stores.clock.go(minutes=6)
    first, second = store.peek(["gpu"], most=9)
    assert (first.job, first.lane, first.since) == (job, "gpu", began)
    assert (second.job.job_id, second.since) == (later.job_id, began + timedelta(minutes=5))
    assert kinds(store, job.job_id) == ["queued"] and store.counts()[State.QUEUED] == 3


def test_what_may_not_be_claimed_is_not_peeked(stores: JobStores, store: JobStore) -> None:
    accepted(store, not_before=stores.clock.now + timedelta(minutes=5))
    late = accepted(store, deadline=stores.clock.now + timedelta(seconds=1))
    assert peeked(store) == [late.job_id]
    stores.clock.go(seconds=2)
    assert peeked(store) == []
    job = accepted(store)
    store.pause(paused=True)
    assert peeked(store) == [] and store.claim("me", "w", LANES, only=[job.job_id]) == []


def test_the_jobs_that_are_named_are_claimed_and_no_others(stores: JobStores, store: JobStore) -> None:
    first, second, third = accepted(store), accepted(store), accepted(store)
    leases = store.claim("me", "worker-2", LANES, most=9, only=[third.job_id, second.job_id, "no-such-job"])
    assert ids(leases) == [third.job_id, second.job_id]
    assert (leases[0].job.attempt, leases[0].job.worker, leases[0].job.state) == (1, "worker-2", State.RUNNING)
    assert kinds(store, third.job_id) == ["queued", "claimed"]
    assert peeked(stores.open()) == [first.job_id]
    store.end(leases[0], SUCCEEDED)
    again = store.requeue(leases[1], reason="busy")
    assert again.state is State.QUEUED and peeked(store) == [first.job_id, second.job_id]


def test_no_more_are_claimed_than_there_is_room_for(store: JobStore) -> None:
    jobs = [accepted(store).job_id for _ in range(3)]
    assert ids(store.claim("me", "w", LANES, most=2, only=jobs)) == jobs[:2]


def test_a_job_of_another_lane_or_that_somebody_has_is_not_claimed(store: JobStore) -> None:
    hosted, gpu = accepted(store), accepted(store, lane="gpu")
    [lease] = store.claim("me", "w", ["hosted"], most=9, only=[gpu.job_id, hosted.job_id])
    assert lease.job.job_id == hosted.job_id
    assert store.claim("you", "v", LANES, most=9, only=[hosted.job_id]) == []
    store.requeue(lease, reason="memory", lane=LARGE)
    assert peeked(store) == [gpu.job_id]
    assert [ready.lane for ready in store.peek(["gpu", LARGE], most=9)] == ["gpu", LARGE]


def test_a_claim_of_these_begins_an_attempt_whose_older_fence_is_refused(store: JobStore) -> None:
    job = accepted(store)
    [old] = store.claim("me", "w", LANES, only=[job.job_id])
    store.requeue(old, reason="lost")
    [new] = store.claim("you", "v", LANES, only=[job.job_id])
    assert (new.job.attempt, new.fence > old.fence) == (2, True)
    with pytest.raises(StaleLease):
        store.end(old, SUCCEEDED)


def test_a_queue_that_is_passed_over_keeps_its_turns(store: JobStore) -> None:
    patient = [accepted(store, key_id="patient").job_id for _ in range(4)]
    eager = [accepted(store, key_id="eager").job_id for _ in range(6)]
    assert ids(store.claim("me", "w", LANES, most=9, only=eager[:4])) == eager[:4]
    assert ids(claimed(store, most=4)) == patient
    assert ids(claimed(store)) == eager[4:]


def test_claiming_whoever_is_next_by_name_is_claiming(stores: JobStores, store: JobStore) -> None:
    for number in range(8):
        accepted(store, key_id=f"key-{number % 2}")
    expected = peeked(store)
    found = []
    while waiting := peeked(store):
        found += ids(store.claim("me", "w", LANES, only=waiting[:1]))
    assert found == expected


def test_of_many_who_name_the_same_jobs_each_job_is_claimed_once(stores: JobStores) -> None:
    views = [stores.open() for _ in range(4)]
    jobs = [accepted(views[0], key_id=f"key-{number % 3}").job_id for number in range(20)]

    def take(number: int) -> list[str]:
        return ids(views[number % 4].claim("me", f"w-{number}", LANES, most=7, only=jobs[number : number + 7]))

    with ThreadPoolExecutor(8) as threads:
        found = [job_id for taken in threads.map(take, range(20)) for job_id in taken]
    assert sorted(found) == sorted(jobs)


def test_what_is_behind_is_peeked_in_parts_and_as_much_of_each_queue(store: JobStore) -> None:
    mine = [accepted(store, key_id="mine").job_id for _ in range(5)]
    theirs = [accepted(store, key_id="theirs").job_id for _ in range(2)]
    found: list[str] = []
    beyond: dict[str, tuple[int, int]] = {}
    for _ in range(4):
        part = store.peek(LANES, most=2, beyond=beyond)
        found += [ready.job.job_id for ready in part]
        beyond |= {ready.queue_id: ready.place for ready in part}
        if len(found) == 4:
            assert set(found) == {*mine[:2], *theirs}
    assert sorted(found) == sorted([*mine, *theirs])


def test_what_waits_for_want_of_a_worker_hides_nothing_of_another_queue(store: JobStore) -> None:
    for _ in range(6):
        accepted(store, key_id="stuck")
    for _ in range(30):
        [lease] = store.claim("me", "w", LANES, only=[accepted(store, key_id="busy").job_id])
        store.end(lease, SUCCEEDED)
    last = accepted(store, key_id="busy").job_id
    assert last not in peeked(store, most=4), "whoever was passed over keeps its turns"
    assert last in [ready.job.job_id for ready in store.peek(LANES, most=4, beyond={})]


def test_an_attempt_that_did_nothing_does_not_count(store: JobStore) -> None:
    job = accepted(store)
    [first] = claimed(store)
    waiting = store.requeue(first, reason="given_back", counts=False)
    assert (waiting.attempt, waiting.state) == (0, State.QUEUED)
    [second] = claimed(store)
    assert (second.job.attempt, second.fence) == (1, first.fence + 1)
    with pytest.raises(StaleLease):
        store.end(first, SUCCEEDED)
    assert store.end(second, SUCCEEDED).attempt == 1
    assert kinds(store, job.job_id) == ["queued", "claimed", "requeued", "claimed", "succeeded"]


def test_a_job_that_says_where_it_may_run_waits_among_the_chosen_and_counts(store: JobStore) -> None:
    there = accepted(store, region="eu")
    labelled = accepted(store, lane="gpu", labels=("a100",))
    assert peeked(store) == [] and claimed(store) == []
    assert [(ready.job.job_id, ready.lane) for ready in store.peek([CHOSEN], most=9)] == [
        (there.job_id, CHOSEN),
        (labelled.job_id, CHOSEN),
    ]
    assert store.open_jobs(there.ordered.key_id) == 2
    assert ids(store.claim("me", "w", [CHOSEN], only=[labelled.job_id])) == [labelled.job_id]
