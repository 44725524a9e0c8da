"""What every store of jobs must do, see ``jobs.py``: who is next, leases, ends."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mintmark.errors import BudgetExceeded, QueueFull, StaleLease, UnknownJob, WrongState
from mintmark.orchestrator.jobs.accepting import account
from mintmark.orchestrator.jobs.base import Bounds, Claimer, JobStore
from mintmark.orchestrator.jobs.claiming import Wanted
from mintmark.orchestrator.jobs.job import Ending, Job, Lease, Renewed
from mintmark.orchestrator.jobs.prompts import prompt_ids
from mintmark.orchestrator.jobs.queueing import AGE_S, OWN
from mintmark.orchestrator.jobs.renewing import AT_ONCE, FRESH
from mintmark.orchestrator.jobs.sql_store import LEASE_S
from mintmark.orchestrator.jobs.states import State, Step

from .jobs import (
    FAILED,
    LANES,
    METRICS,
    SUCCEEDED,
    JobStores,
    accepted,
    claimed,
    key,
    kinds,
    made,
    order,
    receipt,
    set_aside,
)


def ids(leases: list[Lease]) -> list[str]:
    return [lease.job.job_id for lease in leases]


# -- who is next ------------------------------------------------------------------------------------------------------


def test_a_claimed_job_runs_for_its_owner_on_its_worker(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    stores.clock.go(seconds=3)
    [lease] = store.claim("me", "worker-1", LANES)
    assert (lease.job.state, lease.job.attempt, lease.job.worker) == (State.RUNNING, 1, "worker-1")
    assert lease.job.started_at == stores.clock.now < lease.expires_at
    assert stores.open().get(job.job_id) == lease.job
    assert store.events(job.job_id)[-1].data == {"attempt": 1, "worker": "worker-1"}
    assert store.claim("me", "worker-1", LANES) == []


def test_an_order_is_claimed_as_it_is_accepted_by_who_has_room(stores: JobStores, store: JobStore) -> None:
    ordered = order()
    came = store.accept(ordered, claimer=Claimer("me", "worker-1", LANES))
    assert came.lease is not None
    assert (came.job.state, came.lease.job.state) == (State.QUEUED, State.RUNNING)
    assert (came.lease.job.job_id, came.lease.job.worker, came.lease.job.attempt) == (ordered.job_id, "worker-1", 1)
    assert stores.open().get(ordered.job_id) == came.lease.job
    assert kinds(store, ordered.job_id) == ["queued", "claimed"]
    assert store.claim("you", "worker-2", LANES) == []
    store.end(came.lease, SUCCEEDED)
    assert set_aside(stores.ledger) == 0


def test_who_accepts_and_claims_gets_what_is_next_and_nothing_of_another_lane(store: JobStore) -> None:
    first = accepted(store)
    second, third = order(), order(lane="gpu")
    came = store.accept(second, claimer=Claimer("me", "worker-1", ["hosted"]))
    assert came.lease is not None and came.lease.job.job_id == first.job_id
    assert store.accept(third, claimer=Claimer("me", "worker-1", ["own"])).lease is None
    assert set(ids(claimed(store))) == {second.job_id, third.job_id}


def test_nothing_is_claimed_with_an_order_that_is_known_refused_or_paused(stores: JobStores) -> None:
    store, claimer = stores.open(bounds=Bounds(queued_per_key=1)), Claimer("me", "worker-1", LANES)
    ordered = order()
    store.pause(paused=True)
    assert store.accept(ordered, key(), claimer=claimer).lease is None
    store.pause(paused=False)
    again = store.accept(order(), key(), claimer=claimer)
    assert (again.replayed, again.lease, again.job.job_id) == (True, None, ordered.job_id)
    with pytest.raises(QueueFull):
        store.accept(order(), claimer=claimer)
    assert ids(claimed(store)) == [ordered.job_id]


def test_a_job_that_begins_as_it_is_accepted_takes_a_turn_of_its_queue(store: JobStore) -> None:
    for number in range(3):
        assert store.accept(order(key_id="busy"), claimer=Claimer("me", f"worker-{number}", LANES)).lease is not None
    assert (store.counts()[State.RUNNING], store.open_jobs("busy")) == (3, 3)
    accepted(store, key_id="busy")
    new = accepted(store, key_id="new")
    accepted(store, key_id="busy")
    assert ids(claimed(store, most=1)) == [new.job_id]


def test_who_accepts_and_claims_does_not_pass_over_a_job_whose_time_has_come(
    stores: JobStores, store: JobStore
) -> None:
    claimer = Claimer("me", "worker-1", LANES)
    later = order(not_before=stores.clock.now + timedelta(seconds=5))
    assert store.accept(later, claimer=claimer).lease is None
    stores.clock.go(seconds=6)
    came = store.accept(order(), claimer=claimer)
    assert came.lease is not None and came.lease.job.job_id == later.job_id


def test_an_order_that_came_too_late_is_not_begun(stores: JobStores, store: JobStore) -> None:
    late = order(deadline=stores.clock.now)
    assert store.accept(late, claimer=Claimer("me", "worker-1", LANES)).lease is None
    assert [job.job_id for job in store.expire()] == [late.job_id]


def test_an_order_that_begins_at_once_supersedes_and_is_paid_as_any_other(stores: JobStores, store: JobStore) -> None:
    claimer = Claimer("me", "worker-1", LANES)
    old = accepted(store, not_before=stores.clock.now + timedelta(hours=1))
    came = store.accept(order(supersedes=old.job_id), claimer=claimer)
    assert came.lease is not None
    assert (store.counts()[State.CANCELED], set_aside(stores.ledger)) == (1, 10)
    stores.budget(15)
    refused = order(metadata={"batch": "x"})
    with pytest.raises(BudgetExceeded):
        store.accept(refused, claimer=claimer)
    assert (store.get(refused.job_id), store.counts()[State.RUNNING]) == (None, 1)


def test_an_order_that_began_and_whose_commit_was_not_heard_of_is_accepted_once(store: JobStore) -> None:
    asked, claimer = order(), Claimer("me", "worker-1", LANES)
    first = store.accept(asked, claimer=claimer)
    again = store.accept(asked, claimer=claimer)
    assert first.lease is not None and again.lease is None
    assert again.job == first.lease.job
    assert kinds(store, asked.job_id) == ["queued", "claimed"]


def test_of_many_who_accept_and_claim_at_once_each_job_is_claimed_once(stores: JobStores) -> None:
    views = [stores.open() for _ in range(4)]

    def come(number: int) -> Lease | None:
        return views[number % 4].accept(order(), claimer=Claimer("me", f"worker-{number}", LANES)).lease

    with ThreadPoolExecutor(8) as threads:
        leases = [lease for lease in threads.map(come, range(24)) if lease is not None]
    found = ids(leases) + ids(claimed(views[0]))
    assert len(found) == len(set(found)) == 24


def test_a_worker_gets_only_jobs_of_its_lanes(store: JobStore) -> None:
    hosted, gpu = accepted(store), accepted(store, lane="gpu")
    assert ids(claimed(store, lanes=["gpu"])) == [gpu.job_id]
    assert ids(claimed(store, lanes=["gpu"])) == []
    assert ids(claimed(store, lanes=["hosted", "gpu"])) == [hosted.job_id]


def test_a_job_whose_calls_are_in_a_journal_goes_on_only_where_that_is(store: JobStore) -> None:
    job = accepted(store, key_id="shop")
    [lease] = claimed(store)
    store.requeue(lease, reason="worker_lost", lane=OWN)
    assert (store.open_jobs("shop"), store.counts()[State.QUEUED], store.counts()[State.RUNNING]) == (1, 1, 0)
    assert claimed(store) == []
    [lease] = claimed(store, lanes=["hosted", OWN])
    assert ids([lease]) == [job.job_id]
    store.requeue(lease, reason="worker_lost")  # once tied, it stays so
    assert claimed(store) == []
    [lease] = claimed(store, lanes=[OWN])
    store.end(lease, SUCCEEDED)
    assert (store.open_jobs("shop"), store.counts()[State.SUCCEEDED]) == (0, 1)


def test_no_job_is_claimed_twice(stores: JobStores) -> None:
    views = [stores.open(), stores.open()]
    jobs = {accepted(views[0], key_id=f"key-{number % 4}").job_id for number in range(60)}

    def work(number: int) -> list[str]:
        found: list[str] = []
        while leases := claimed(views[number % 2], owner=f"owner-{number}", most=1 + number % 3):
            found += ids(leases)
        return found

    with ThreadPoolExecutor(16) as pool:
        found = [job_id for each in pool.map(work, range(16)) for job_id in each]
    # Somebody may look just when the last ones are locked by others.
    found += ids(claimed(views[0]))
    assert len(found) == len(jobs)
    assert set(found) == jobs


def test_workers_that_claim_at_once_get_what_they_would_have_got_one_after_the_other(stores: JobStores) -> None:
    store = stores.open()
    for number in range(12):
        accepted(store, key_id=f"key-{number % 3}", lane="gpu" if number % 4 == 3 else "hosted")
    later = accepted(store, key_id="last")
    wanted = [
        Wanted(Claimer("me", "worker-1", ["hosted"]), 2),
        Wanted(Claimer("you", "worker-2", ["hosted", "gpu"]), 3),
        Wanted(Claimer("me", "worker-3", ["own"]), 1),
        Wanted(Claimer("me", "worker-4", ["hosted"]), 2, only=[later.job_id]),
        Wanted(Claimer("me", "worker-5", ["gpu", "hosted"]), 64),
    ]
    foreseen = [ready.job.job_id for ready in store.peek(["hosted"], most=2)]
    found = store._claim(wanted)  # type: ignore[attr-defined]
    assert ids(found[0]) == foreseen
    assert [len(leases) for leases in found] == [2, 3, 0, 1, 7]
    assert ids(found[3]) == [later.job_id]
    for its, leases in zip(wanted, found, strict=True):
        for lease in leases:
            now = store.get(lease.job.job_id)
            assert now == lease.job and now.worker == its.claimer.worker
            assert store.renew(its.claimer.owner, [now.job_id]).kept == [now.job_id]
            assert store.end(lease, SUCCEEDED).state is State.SUCCEEDED


def test_turns_of_those_who_claim_at_once_are_fair(store: JobStore) -> None:
    for name, count in (("many", 9), ("few", 3)):
        for _ in range(count):
            accepted(store, key_id=name)
    wanted = [Wanted(Claimer("me", f"worker-{number}", LANES), 1) for number in range(6)]
    turns = [lease.job.ordered.key_id for [lease] in store._claim(wanted)]  # type: ignore[attr-defined]
    assert (turns.count("many"), turns.count("few")) == (3, 3)
    accepted(store, key_id="few")
    assert claimed(store, most=1)[0].job.ordered.key_id == "few", "both are owed a turn, and by name it is first"


def test_hundreds_of_jobs_of_one_key_delay_another_key_s_job_by_one_claim(store: JobStore) -> None:
    """``bench/queued_jobs.py`` says the same of a million."""
    store.accept_many([order(key_id="many", allowance_microusd=0) for _ in range(300)])
    claimed(store, most=25)
    single = accepted(store, key_id="single")
    assert single.job_id in ids(claimed(store, most=2))


def test_keys_take_turns_whatever_they_have_waiting(store: JobStore) -> None:
    for name, count in (("a", 6), ("b", 3), ("c", 1)):
        for _ in range(count):
            accepted(store, key_id=name)
    turns = [lease.job.ordered.key_id for lease in claimed(store)]
    assert [set(turns[:3]), set(turns[3:5]), set(turns[5:7])] == [{"a", "b", "c"}, {"a", "b"}, {"a", "b"}]
    assert turns[7:] == ["a", "a", "a"]


def test_nobody_saves_up_turns_by_being_idle(store: JobStore) -> None:
    accepted(store, key_id="idle")
    claimed(store)
    for _ in range(20):
        accepted(store, key_id="busy")
    claimed(store, most=10)
    for _ in range(5):
        accepted(store, key_id="idle")
    turns = [lease.job.ordered.key_id for lease in claimed(store, most=6)]
    assert turns.count("idle") == turns.count("busy") == 3


def test_a_newcomer_waits_for_one_turn_of_each_who_was_there_at_most(store: JobStore) -> None:
    for number in range(15):
        accepted(store, key_id=f"key-{number % 3}")
    claimed(store, most=7)
    single = accepted(store, key_id="new")
    assert single.job_id in ids(claimed(store, most=4))


def test_of_one_key_the_older_job_is_first(stores: JobStores, store: JobStore) -> None:
    jobs = [accepted(store) for _ in range(3)]
    stores.clock.go(seconds=1)
    jobs.append(accepted(store))
    assert ids(claimed(store)) == [job.job_id for job in jobs]


def test_priority_goes_before_age_as_far_as_it_is_worth(stores: JobStores, store: JobStore) -> None:
    old = accepted(store)
    stores.clock.go(seconds=AGE_S * 5)
    urgent, less = accepted(store, priority=6), accepted(store, priority=4)
    late = accepted(store, priority=-1)
    assert ids(claimed(store)) == [job.job_id for job in (urgent, old, less, late)]


def test_a_job_does_not_start_before_its_time(stores: JobStores, store: JobStore) -> None:
    later = accepted(store, not_before=stores.clock.now + timedelta(minutes=5))
    now = accepted(store)
    assert ids(claimed(store)) == [now.job_id]
    stores.clock.go(minutes=5)
    assert ids(claimed(store)) == [later.job_id]


def test_what_waited_for_its_time_waits_from_then_on(stores: JobStores, store: JobStore) -> None:
    later = accepted(store, not_before=stores.clock.now + timedelta(minutes=5))
    stores.clock.go(minutes=4)
    first = accepted(store)
    stores.clock.go(minutes=2)
    last = accepted(store)
    assert ids(claimed(store)) == [first.job_id, later.job_id, last.job_id]


def test_nothing_is_claimed_while_the_store_is_paused(stores: JobStores, store: JobStore) -> None:
    store.pause(paused=True)
    job = accepted(store)
    assert stores.open().is_paused()
    assert claimed(stores.open()) == []
    store.pause(paused=False)
    assert not stores.open().is_paused()
    assert ids(claimed(store)) == [job.job_id]


def test_what_is_too_late_is_not_claimed_and_keeps_nobody_else_from_it(stores: JobStores, store: JobStore) -> None:
    accepted(store, key_id="a", deadline=stores.clock.now + timedelta(seconds=1))
    stores.clock.go(seconds=1)
    other = accepted(store, key_id="b")
    assert ids(claimed(store)) == [other.job_id]


# -- leases -----------------------------------------------------------------------------------------------------------


def test_a_lease_that_is_renewed_does_not_run_out(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    claimed(store)
    for _ in range(5):
        stores.clock.go(seconds=40)
        assert store.renew("me", [job.job_id, "unknown"]) == Renewed([job.job_id], [], ["unknown"])
        assert store.abandoned("other", lambda _: False) == []
    assert store.renew("me", []) == Renewed([], [], [])


def test_of_many_leases_all_are_kept_and_each_that_is_not_is_told(stores: JobStores, store: JobStore) -> None:
    store.accept_many([order(key_id=f"key-{number}", allowance_microusd=0) for number in range(3 * AT_ONCE // 2)])
    held = ids(claimed(store, most=3 * AT_ONCE // 2))
    [other] = claimed(stores.open(), owner="other") if accepted(store) else []
    store.cancel(held[7])
    stores.clock.go(seconds=50)
    renewed = store.renew("me", [*held, other.job.job_id])
    assert (set(renewed.kept), renewed.canceled) == (set(held) - {held[7]}, [held[7]])
    assert renewed.lost == [other.job.job_id]
    stores.clock.go(seconds=50)
    assert ids(stores.open().abandoned("third", lambda _: False)) == [other.job.job_id]


def test_the_lease_of_a_job_that_is_to_stop_is_kept_until_it_has(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    store.cancel(job.job_id)
    for _ in range(5):
        stores.clock.go(seconds=40)
        assert store.renew("me", [job.job_id]).canceled == [job.job_id]
        assert store.abandoned("other", lambda _: False) == []
    assert store.end(lease, Ending(step=Step.CANCELED)).state is State.CANCELED


def test_a_lease_that_is_asked_for_often_holds_for_most_of_its_time(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    claimed(store)
    for _ in range(20):
        stores.clock.go(seconds=1)
        assert store.renew("me", [job.job_id]).kept == [job.job_id]
    stores.clock.go(seconds=LEASE_S * FRESH - 1)
    assert store.abandoned("other", lambda _: False) == []
    stores.clock.go(seconds=LEASE_S * (1 - FRESH) + 1)
    assert ids(store.abandoned("other", lambda _: False)) == [job.job_id]


def test_a_lease_that_ran_out_is_taken_over_and_its_late_words_are_refused(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    [old] = claimed(store)
    stores.clock.go(seconds=61)
    [new] = stores.open().abandoned("other", lambda _: False)
    assert (new.job, new.fence > old.fence, new.expires_at > stores.clock.now) == (old.job, True, True)
    assert store.renew("me", [job.job_id]).lost == [job.job_id]
    for late in (lambda: store.end(old, SUCCEEDED), lambda: store.requeue(old, reason="worker_lost")):
        with pytest.raises(StaleLease):
            late()
    assert store.get(job.job_id) == new.job
    assert store.end(new, SUCCEEDED).state is State.SUCCEEDED
    assert kinds(store, job.job_id) == ["queued", "claimed", "resumed", "succeeded"]


def test_what_a_dead_process_ran_is_taken_over_at_once(store: JobStore) -> None:
    for number in range(3):
        accepted(store)
        claimed(store, owner=f"owner-{number}")
    asked: list[str] = []

    def is_dead(owner: str) -> bool:
        asked.append(owner)
        return owner in ("owner-1", "owner-2")

    taken = store.abandoned("owner-0", is_dead)
    assert [lease.job.seq for lease in taken] == sorted(lease.job.seq for lease in taken)
    assert len(taken) == 2
    assert sorted(asked) == ["owner-1", "owner-2"]
    assert store.abandoned("owner-0", is_dead) == []
    assert set(store.renew("owner-0", ids(taken)).kept) == set(ids(taken))


def test_an_owner_takes_back_what_it_never_heard_of_and_nobody_else_s(store: JobStore) -> None:
    for _ in range(3):
        accepted(store)
    [mine] = claimed(store, most=1)
    [heard] = claimed(store, most=1)
    [other] = claimed(store, owner="you", most=1)
    assert sorted(store.leased("me")) == sorted(ids([mine, heard]))
    [again] = store.abandoned("me", lambda owner: False, strays=ids([mine, other]))
    assert (again.job.job_id, again.fence, again.job.attempt) == (mine.job.job_id, mine.fence + 1, mine.job.attempt)
    with pytest.raises(StaleLease):
        store.end(mine, SUCCEEDED)
    assert {store.end(each, SUCCEEDED).state for each in (again, heard, other)} == {State.SUCCEEDED}


def test_what_is_abandoned_is_taken_over_by_one(stores: JobStores) -> None:
    views = [stores.open(), stores.open()]
    for _ in range(20):
        accepted(views[0])
    claimed(views[0], owner="dead")
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: views[n % 2].abandoned(f"owner-{n}", lambda owner: owner == "dead"), range(8))
        taken = [job_id for leases in found for job_id in ids(leases)]
    assert len(taken) == len(set(taken)) == 20


# -- ends -------------------------------------------------------------------------------------------------------------


def test_an_end_writes_down_all_that_came_of_it(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    stores.clock.go(seconds=2)
    ending = Ending(
        step=Step.SUCCEEDED,
        outputs=(made(0, "a" * 64), made(1, "b" * 64)),
        receipts=(receipt(3), receipt(4)),
        metrics=METRICS,
    )
    ended = store.end(lease, ending)
    assert (ended.state, ended.outcome, ended.ended_at) == (State.SUCCEEDED, Step.SUCCEEDED, stores.clock.now)
    assert (ended.outputs, ended.receipts, ended.metrics) == (ending.outputs, ending.receipts, METRICS)
    assert (ended.cost_microusd, set_aside(stores.ledger)) == (7, 0)
    assert stores.open().get(job.job_id) == ended
    assert kinds(store, job.job_id) == ["queued", "claimed", "succeeded"]


def test_files_that_may_not_be_on_the_disk_are_kept_with_the_end_until_they_are(
    stores: JobStores, store: JobStore
) -> None:
    a, b = "a" * 64, "b" * 64
    for files in ({a: b"\0one", b: b"two"}, {a: b"\0one"}):
        accepted(store)
        [lease] = claimed(store)
        store.end(lease, SUCCEEDED, laid=files, place="here")
    assert stores.open().laid("here") == {a: b"\0one", b: b"two"}
    assert store.laid("elsewhere") == {}
    store.settled("elsewhere", [a])
    store.settled("here", [b])
    assert store.laid("here") == {a: b"\0one"}


def test_files_of_every_place_are_told_to_whoever_has_all_of_them(store: JobStore) -> None:
    a, b = "a" * 64, "b" * 64
    for place, files in (("here", {a: b"one"}), ("elsewhere", {a: b"one", b: b"two"})):
        accepted(store)
        [lease] = claimed(store)
        store.end(lease, SUCCEEDED, laid=files, place=place)
    assert store.laid(None) == {a: b"one", b: b"two"}
    store.settled(None, [a])
    assert (store.laid("here"), store.laid(None)) == ({}, {b: b"two"})


def test_files_of_an_end_that_is_refused_are_not_kept(store: JobStore) -> None:
    accepted(store)
    [lease] = claimed(store)
    store.requeue(lease, reason="worker_lost")
    with pytest.raises(StaleLease):
        store.end(lease, SUCCEEDED, laid={"a" * 64: b"one"}, place="here")
    assert store.laid("here") == {}


def test_files_of_a_job_whose_content_is_deleted_are_kept_nowhere(store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    store.end(lease, SUCCEEDED, laid={made().asset: b"one"}, place="here")
    store.purge(job.job_id)
    assert store.laid("here") == {}


def test_whoever_gets_ready_for_an_end_hears_of_it_a_moment_before(store: JobStore) -> None:
    accepted(store)
    [lease] = claimed(store)
    heard: list[Job] = []
    ended = store.end(lease, SUCCEEDED, early=heard.append)
    assert heard[-1] is ended
    with pytest.raises(WrongState):
        store.end(lease, SUCCEEDED, early=heard.append)
    assert len(heard) == 1


def test_a_failure_is_told_with_its_code(store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    assert store.end(lease, FAILED).failure == FAILED.failure
    assert store.events(job.job_id)[-1].data == {"code": "node_failed"}


def test_a_job_ends_once(stores: JobStores, store: JobStore) -> None:
    accepted(store)
    [lease] = claimed(store)
    ended = store.end(lease, SUCCEEDED)
    events = store.events(ended.job_id)
    for again in (SUCCEEDED, FAILED, Ending(step=Step.CANCELED)):
        with pytest.raises(WrongState):
            store.end(lease, again)
    with pytest.raises(WrongState):
        store.requeue(lease, reason="worker_lost")
    with pytest.raises(WrongState):
        store.cancel(ended.job_id)
    assert (store.get(ended.job_id), store.events(ended.job_id)) == (ended, events)
    assert store.renew("me", [ended.job_id]).lost == [ended.job_id]


def test_of_many_who_end_a_job_at_once_one_does(stores: JobStores) -> None:
    views = [stores.open(), stores.open()]
    job = accepted(views[0])
    [lease] = claimed(views[0])

    def end(number: int) -> bool:
        try:
            views[number % 2].end(lease, (SUCCEEDED, FAILED)[number % 2])
        except WrongState:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(end, range(8))) == 1
    assert len(kinds(views[0], job.job_id)) == 3


def test_another_attempt_has_the_old_place_and_a_new_fence(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    [first] = claimed(store)
    stores.clock.go(seconds=1)
    accepted(store)
    waiting = store.requeue(first, reason="worker_lost")
    assert (waiting.state, waiting.attempt, waiting.worker) == (State.QUEUED, 1, None)
    assert set_aside(stores.ledger) == 20
    [second] = store.claim("me", "worker-2", LANES)
    assert (second.job.job_id, second.job.attempt, second.job.worker) == (job.job_id, 2, "worker-2")
    with pytest.raises(StaleLease):
        store.end(first, SUCCEEDED)
    assert kinds(store, job.job_id) == ["queued", "claimed", "requeued", "claimed"]


def test_another_attempt_may_have_to_wait(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    store.requeue(lease, reason="rate_limited", delay_s=30)
    assert claimed(store) == []
    stores.clock.go(seconds=30)
    assert ids(claimed(store)) == [job.job_id]


def test_a_job_that_waits_is_canceled_at_once(stores: JobStores, store: JobStore) -> None:
    now, later = accepted(store), accepted(store, not_before=stores.clock.now + timedelta(days=1))
    for job in (now, later):
        assert store.cancel(job.job_id, why="by key-1").state is State.CANCELED
        assert store.events(job.job_id)[-1].data == {"why": "by key-1"}
    stores.clock.go(days=2)
    assert (claimed(store), set_aside(stores.ledger), store.open_jobs("key-1")) == ([], 0, 0)


def test_a_job_that_runs_is_asked_to_stop_and_ends_as_whoever_runs_it_says(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    assert stores.open().cancel(job.job_id).state is State.RUNNING
    stores.open().cancel(job.job_id)
    assert store.renew("me", [job.job_id]) == Renewed([], [job.job_id], [])
    assert set_aside(stores.ledger) == 10
    assert store.end(lease, Ending(step=Step.CANCELED, receipts=(receipt(4),))).cost_microusd == 4
    assert kinds(store, job.job_id) == ["queued", "claimed", "cancel_asked", "canceled"]


def test_a_job_that_is_done_before_it_is_stopped_has_succeeded(store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    store.cancel(job.job_id)
    assert store.end(lease, SUCCEEDED).state is State.SUCCEEDED


def test_a_job_that_is_to_stop_gets_no_other_attempt(store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    store.cancel(job.job_id)
    assert store.requeue(lease, reason="worker_lost").state is State.CANCELED
    assert claimed(store) == []


def test_only_a_known_job_is_canceled(store: JobStore) -> None:
    with pytest.raises(UnknownJob):
        store.cancel(str(uuid.uuid4()))


def test_what_waits_past_its_deadline_fails(stores: JobStores, store: JobStore) -> None:
    soon = stores.clock.now + timedelta(seconds=10)
    late = accepted(store, deadline=soon)
    never = accepted(store, deadline=soon, not_before=soon + timedelta(days=1))
    running = accepted(store, deadline=soon, lane="gpu")
    accepted(store)
    claimed(store, lanes=["gpu"])
    assert store.expire() == []
    stores.clock.go(seconds=10)
    ended = store.expire()
    assert {job.job_id for job in ended} == {late.job_id, never.job_id}
    assert {(job.state, job.outcome) for job in ended} == {(State.FAILED, Step.DEADLINE_PASSED)}
    assert all(job.failure and job.failure.code == "deadline_passed" for job in ended)
    assert set_aside(stores.ledger) == 20
    still = store.get(running.job_id)
    assert still is not None
    assert still.state is State.RUNNING
    assert store.expire() == []


def test_a_deadline_holds_for_another_attempt_too(stores: JobStores, store: JobStore) -> None:
    job = accepted(store, deadline=stores.clock.now + timedelta(seconds=10))
    [lease] = claimed(store)
    stores.clock.go(seconds=20)
    assert store.expire() == []
    store.requeue(lease, reason="worker_lost")
    assert claimed(store) == []
    assert [each.job_id for each in store.expire()] == [job.job_id]


def test_each_end_is_told_once_and_only_where_it_came_about(stores: JobStores) -> None:
    told: list[tuple[str, State]] = []

    def ended(job: Job) -> None:
        assert stores.open().get(job.job_id) == job, "it is durable by now"
        told.append((job.job_id, job.state))

    store = stores.open(ended=ended)
    soon = stores.clock.now + timedelta(seconds=10)
    ran, waits, older = accepted(store), accepted(store, priority=-9), accepted(store, priority=-9)
    late = accepted(store, deadline=soon, priority=-9)
    [lease] = claimed(store, most=1)
    store.end(lease, SUCCEEDED)
    with pytest.raises(WrongState):
        store.end(lease, FAILED)
    store.cancel(waits.job_id)
    stores.budget(100)
    refused = order(supersedes=older.job_id, allowance_microusd=1000)
    assert isinstance(store.accept_many([refused])[0], BudgetExceeded)
    with pytest.raises(BudgetExceeded):
        store.accept(refused)
    accepted(store, supersedes=older.job_id)
    stores.clock.go(seconds=11)
    store.expire()
    again = store.accept(order(), ending=SUCCEEDED).job
    assert told == [
        (ran.job_id, State.SUCCEEDED),
        (waits.job_id, State.CANCELED),
        (older.job_id, State.CANCELED),
        (late.job_id, State.FAILED),
        (again.job_id, State.SUCCEEDED),
    ]


def test_it_is_known_since_when_the_oldest_job_waits_that_could_run(stores: JobStores, store: JobStore) -> None:
    assert store.waiting_since() is None
    begun = stores.clock.now
    accepted(store, not_before=begun + timedelta(seconds=60), priority=100)
    assert store.waiting_since() is None
    stores.clock.go(seconds=5)
    accepted(store)
    assert store.waiting_since() == begun + timedelta(seconds=5)
    stores.clock.go(seconds=60)
    [scheduled] = claimed(store, most=1)
    assert store.waiting_since() == begun + timedelta(seconds=5)
    claimed(store, most=1)
    assert store.waiting_since() is None
    store.requeue(scheduled, reason="worker_lost")
    assert store.waiting_since() == begun + timedelta(seconds=60)


def test_an_attempt_that_waits_again_cannot_be_ended_by_who_let_go_of_it(stores: JobStores, store: JobStore) -> None:
    job = accepted(store)
    [lease] = claimed(store)
    store.requeue(lease, reason="worker_lost")
    for late in (lambda: store.end(lease, SUCCEEDED), lambda: store.requeue(lease, reason="worker_lost")):
        with pytest.raises(StaleLease):
            late()
    waiting = store.get(job.job_id)
    assert waiting is not None and waiting.state is State.QUEUED
    assert set_aside(stores.ledger) == 10


@pytest.mark.parametrize("how", ["canceled", "late", "ended"])
def test_no_end_leaves_money_set_aside_for_a_prompt_begun_anew(stores: JobStores, store: JobStore, how: str) -> None:
    deadline = stores.clock.now + timedelta(seconds=100)
    job = accepted(store, deadline=deadline)
    store.requeue(claimed(store)[0], reason="provider_fault")
    [second] = claimed(store)
    [_, anew] = prompt_ids(job.job_id, ["provider_fault"])
    stores.ledger.close_job(job.job_id)
    stores.ledger.allow(anew, 10, account(job.ordered))
    if how == "ended":
        store.end(second, FAILED)
    else:
        store.requeue(second, reason="worker_lost")
        assert set_aside(stores.ledger) == 10
        if how == "canceled":
            store.cancel(job.job_id)
        stores.clock.go(seconds=200)
        store.expire()
    assert set_aside(stores.ledger) == 0
