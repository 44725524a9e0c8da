"""What every journal must do: ``generation/journal.py`` says it, this suite holds an implementation to that.

Use: star-import the tests and give the fixture ``journals``, a :class:`Journals`.
"""

from __future__ import annotations

import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest

from mintmark.errors import (
    AllowanceExhausted,
    BudgetExceeded,
    Canceled,
    InternalError,
    InvalidInput,
    MintmarkError,
    UnknownJob,
)
from mintmark.generation.call import Call, Entry, NewCall, State
from mintmark.generation.context import JobContext, JobReport
from mintmark.generation.journal import Journal, Within
from mintmark.metering.ledger import Limits, Taken
from mintmark.moderation.verdict import Verdict

PATHS: dict[State, tuple[State, ...]] = {
    "held": (),
    "asking": ("asking",),
    "accepted": ("asking", "accepted"),
    "settled": ("asking", "settled"),
    "released": ("asking", "released"),
    "unknown": ("asking", "unknown"),
}
"""How a call gets to a state."""


class Journals(ABC):
    """One journal, opened as often as there are processes."""

    @abstractmethod
    def open(self, listener: Callable[[Entry], None] | None = None) -> Journal:
        """Another process's view of the same journal."""

    @abstractmethod
    def die(self, journal: Journal) -> None:
        """What SIGKILL does to the process behind it."""


def context(allowance: int = 100, **more: Any) -> JobContext:
    return JobContext(job_id=str(uuid.uuid4()), allowance_microusd=allowance, mode="sandbox", **more)


def new_call(job: JobContext, microusd: int = 10, key: str | None = None, **more: Any) -> NewCall:
    facts = {"node_id": "7", "provider": "fal", "model": "fal/flux-schnell", "request_digest": "0" * 64, **more}
    call_id = str(uuid.uuid4())
    return NewCall(call_id=call_id, job_id=job.job_id, key=key or call_id, hold_microusd=microusd, **facts)


def step(journal: Journal, call_id: str, state: State, microusd: int = 7) -> Call:
    if state == "asking":
        return journal.begin(call_id)
    facts: dict[State, dict[str, Any]] = {
        "accepted": {"request_id": "r-1", "handle": {"url": "u"}},
        "settled": {"microusd": microusd, "request_id": "r-1", "result": {"images": []}},
    }
    return journal.move(call_id, state, **facts.get(state, {"reason": "because"}))


def at(journal: Journal, job: JobContext, state: State, *, microusd: int = 10, key: str | None = None) -> Call:
    """A new call of the job, taken to this state."""
    call = journal.hold(new_call(job, microusd, key))
    for each in PATHS[state]:
        call = step(journal, call.call_id, each)
    return call


def numbers(report: JobReport) -> tuple[int, int, int, int]:
    """(granted, held, settled, left) of the job."""
    money = report.allowance
    return money.granted_microusd, money.held_microusd, money.settled_microusd, money.left_microusd


def verdict(digest: str = "a" * 64, policy: str = "standard@1.0.0") -> Verdict:
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return Verdict(
        decision="allowed",
        subject="image",
        digest=digest,
        checker="rules",
        policy=policy,
        explanation="Fine.",
        at=moment,
    )


@pytest.fixture
def journal(journals: Journals) -> Journal:
    return journals.open()


@pytest.fixture
def job(journal: Journal) -> JobContext:
    """An open job that may spend 100."""
    found = context()
    journal.open_job(found)
    return found


# -- jobs -----------------------------------------------------------------------------------------------------------


def test_a_job_that_nobody_opened_has_nothing_to_spend(journal: Journal) -> None:
    unknown = context()
    assert journal.job(unknown.job_id) is None
    with pytest.raises(UnknownJob):
        journal.hold(new_call(unknown))
    with pytest.raises(UnknownJob):
        journal.report(unknown.job_id)


def test_opening_a_job_again_grants_nothing_more(journal: Journal, job: JobContext) -> None:
    journal.hold(new_call(job, 60))
    journal.open_job(job)
    assert numbers(journal.report(job.job_id)) == (100, 60, 0, 40)


def test_another_context_for_a_known_job_is_refused(journal: Journal, job: JobContext) -> None:
    with pytest.raises(InvalidInput, match=job.job_id):
        journal.open_job(job.model_copy(update={"allowance_microusd": 10_000}))
    assert numbers(journal.report(job.job_id))[0] == 100


def test_a_token_is_never_stored(journal: Journal, job: JobContext) -> None:
    renewed = JobContext.model_validate({**job.model_dump(), "token": "a-secret-token"})
    journal.open_job(renewed)
    assert journal.job(job.job_id) == job


# -- holding --------------------------------------------------------------------------------------------------------


def test_a_hold_is_written_with_what_is_about_to_be_asked(journal: Journal, job: JobContext) -> None:
    new = new_call(job, 30, parameters={"quality": "low"})
    call = journal.hold(new)
    assert (call.state, call.attempt, call.owner) == ("held", 1, journal.owner)
    assert journal.call(new.call_id) == call
    assert NewCall.model_validate(call.model_dump(include=set(NewCall.model_fields))) == new
    (entry,) = journal.since(0)
    assert (entry.kind, entry.call_id, entry.data["microusd"]) == ("held", new.call_id, 30)


def test_the_last_micro_dollar_may_be_held_and_not_one_more(journal: Journal, job: JobContext) -> None:
    journal.hold(new_call(job, 99))
    with pytest.raises(AllowanceExhausted) as caught:
        journal.hold(new_call(job, 2))
    assert caught.value.data == {"left_microusd": 1, "asked_microusd": 2}
    journal.hold(new_call(job, 1))
    assert numbers(journal.report(job.job_id)) == (100, 100, 0, 0)


def test_limits_are_held_with_what_the_job_itself_and_others_have_taken(journal: Journal, job: JobContext) -> None:
    step(journal, journal.hold(new_call(job, 10)).call_id, "asking")
    run = Within(Limits(per_run_microusd=30), Taken(spent_microusd=50))
    with pytest.raises(BudgetExceeded, match="This run: "):
        journal.hold(new_call(job, 21), within=run)
    journal.hold(new_call(job, 20), within=run)
    day = Within(Limits(per_day_microusd=100), Taken(spent_microusd=50, set_aside_microusd=10))
    with pytest.raises(BudgetExceeded) as caught:
        journal.hold(new_call(job, 11), within=day)
    assert caught.value.data == {"left_microusd": 10, "asked_microusd": 11}
    journal.hold(new_call(job, 10), within=day)
    journal.hold(new_call(job, 0), within=day)
    assert numbers(journal.report(job.job_id)) == (100, 40, 0, 60)


def test_of_several_holds_at_once_as_many_stay_within_a_limit_as_fit(journals: Journals) -> None:
    views = [journals.open() for _ in range(6)]
    job = context()
    views[0].open_job(job)
    start = threading.Barrier(len(views))

    def try_it(journal: Journal) -> int:
        start.wait()
        try:
            journal.hold(new_call(job, 30), within=Within(Limits(per_run_microusd=70), Taken()))
        except BudgetExceeded:
            return 0
        return 1

    with ThreadPoolExecutor(len(views)) as threads:
        assert sum(threads.map(try_it, views)) == 2


def test_a_refused_hold_leaves_nothing_behind(journal: Journal, job: JobContext) -> None:
    new = new_call(job, 101)
    with pytest.raises(AllowanceExhausted):
        journal.hold(new)
    assert journal.call(new.call_id) is None
    assert journal.since(0) == []


def test_what_costs_nothing_may_be_held_also_where_more_was_charged_than_granted(
    journal: Journal, job: JobContext
) -> None:
    call = at(journal, job, "asking", microusd=100)
    step(journal, call.call_id, "settled", 130)
    assert numbers(journal.report(job.job_id)) == (100, 0, 130, -30)
    assert journal.hold(new_call(job, 0)).state == "held"
    with pytest.raises(AllowanceExhausted):
        journal.hold(new_call(job, 1))


def test_the_same_key_is_never_held_twice(journal: Journal, job: JobContext) -> None:
    first = journal.hold(new_call(job, 10, key="k"))
    for state in ("asking", "accepted", "unknown", "settled"):
        step(journal, first.call_id, state)
        again = journal.hold(new_call(job, 10, key="k"))
        assert (again.call_id, again.state) == (first.call_id, state)
    assert len({entry.call_id for entry in journal.since(0)}) == 1


def test_a_released_key_may_be_held_again_as_the_next_attempt(journal: Journal, job: JobContext) -> None:
    at(journal, job, "released", key="k")
    assert journal.hold(new_call(job, 10, key="k")).attempt == 2


def test_a_known_call_is_found_also_where_nothing_is_left(journal: Journal, job: JobContext) -> None:
    first = at(journal, job, "settled", microusd=100, key="k")
    assert journal.hold(new_call(job, 100, key="k")).call_id == first.call_id


def test_growing_grants_exactly_what_is_lacking(journal: Journal, job: JobContext) -> None:
    journal.hold(new_call(job, 90), grow=True)
    assert numbers(journal.report(job.job_id)) == (100, 90, 0, 10)
    journal.hold(new_call(job, 30, key="k"), grow=True)
    assert numbers(journal.report(job.job_id)) == (120, 120, 0, 0)
    journal.hold(new_call(job, 30, key="k"), grow=True)
    assert numbers(journal.report(job.job_id)) == (120, 120, 0, 0)


def test_forgetting_an_unknown_call_lets_the_key_be_asked_again_and_keeps_its_hold(
    journal: Journal, job: JobContext
) -> None:
    doubtful = at(journal, job, "unknown", key="k")
    journal.forget_unknown("k")
    again = journal.hold(new_call(job, 10, key="k"))
    assert again.call_id != doubtful.call_id
    assert numbers(journal.report(job.job_id)) == (100, 20, 0, 80)


def test_a_signed_file_leads_to_its_job(journal: Journal, job: JobContext) -> None:
    journal.note(job.job_id, "signed", {"sha256": "a" * 64})
    journal.note(job.job_id, "failed", {"sha256": "b" * 64})
    assert journal.job_of("a" * 64) == job.job_id
    assert journal.job_of("b" * 64) is None


def test_the_calls_in_doubt_are_told_until_they_are_decided(journal: Journal, job: JobContext) -> None:
    doubts = [at(journal, job, "unknown"), at(journal, job, "unknown")]
    at(journal, job, "settled")
    at(journal, job, "accepted")
    assert {call.call_id for call in journal.unknown()} == {call.call_id for call in doubts}
    step(journal, doubts[0].call_id, "released")
    assert [call.call_id for call in journal.unknown()] == [doubts[1].call_id]


@pytest.mark.parametrize("state", ["held", "asking", "accepted", "settled"])
def test_only_an_unknown_call_can_be_forgotten(journal: Journal, job: JobContext, state: State) -> None:
    call = at(journal, job, state, key="k")
    journal.forget_unknown("k")
    assert journal.hold(new_call(job, key="k")).call_id == call.call_id


# -- steps ----------------------------------------------------------------------------------------------------------

ALLOWED: set[tuple[State, State]] = {
    ("held", "released"),
    ("held", "settled"),
    ("asking", "accepted"),
    ("asking", "settled"),
    ("asking", "released"),
    ("asking", "unknown"),
    ("accepted", "settled"),
    ("accepted", "released"),
    ("accepted", "unknown"),
    ("unknown", "settled"),
    ("unknown", "released"),
}


@pytest.mark.parametrize("then", ["accepted", "settled", "released", "unknown"])
@pytest.mark.parametrize("now", list(PATHS))
def test_a_call_moves_only_as_its_life_allows(journal: Journal, job: JobContext, now: State, then: State) -> None:
    call = at(journal, job, now)
    before = journal.since(0)
    if (now, then) in ALLOWED:
        assert step(journal, call.call_id, then).state == then
        assert [entry.kind for entry in journal.since(before[-1].seq)] == [then]
    elif now == then:
        assert step(journal, call.call_id, then, 99) == call
        assert journal.since(0) == before
    else:
        with pytest.raises(InternalError, match=f"{now} to {then}"):
            step(journal, call.call_id, then)
        assert journal.call(call.call_id) == call
        assert journal.since(0) == before


@pytest.mark.parametrize("now", [state for state in PATHS if state != "held"])
def test_a_call_is_begun_once(journal: Journal, job: JobContext, now: State) -> None:
    call = at(journal, job, now)
    with pytest.raises(InternalError):
        journal.begin(call.call_id)
    assert journal.call(call.call_id) == call


def test_moving_cannot_begin_a_call(journal: Journal, job: JobContext) -> None:
    call = journal.hold(new_call(job))
    with pytest.raises(InternalError):
        journal.move(call.call_id, "asking")
    assert journal.call(call.call_id) == call


@pytest.mark.parametrize("now", list(PATHS))
def test_only_what_was_never_asked_is_dropped(journal: Journal, job: JobContext, now: State) -> None:
    call = at(journal, job, now)
    assert journal.drop(call.call_id, "changed my mind") is (now == "held")
    found = journal.call(call.call_id)
    assert found is not None
    assert found.state == ("released" if now == "held" else now)
    assert journal.drop(str(uuid.uuid4()), "never was") is False


@pytest.mark.parametrize(
    ("state", "money"),
    [
        ("held", (100, 10, 0, 90)),
        ("asking", (100, 10, 0, 90)),
        ("accepted", (100, 10, 0, 90)),
        ("settled", (100, 0, 7, 93)),
        ("released", (100, 0, 0, 100)),
        ("unknown", (100, 10, 0, 90)),
    ],
)
def test_granted_is_held_and_settled_and_left(
    journal: Journal, job: JobContext, state: State, money: tuple[int, int, int, int]
) -> None:
    at(journal, job, state)
    assert numbers(journal.report(job.job_id)) == money


def test_a_request_id_once_known_is_told_by_every_later_entry(journal: Journal, job: JobContext) -> None:
    call = at(journal, job, "accepted")
    journal.move(call.call_id, "unknown", reason="lost", request_id=None)
    assert journal.since(0)[-1].data["request_id"] == "r-1"


def test_an_image_that_was_stored_is_found_by_its_url(journal: Journal, job: JobContext) -> None:
    call = at(journal, job, "asking")
    images = [{"url": "a", "sha256": None}, {"url": "b", "sha256": None}]
    journal.move(call.call_id, "settled", microusd=1, request_id="r", result={"images": images})
    stored = journal.store(call.call_id, "b", "f" * 64)
    assert stored.result == {"images": [images[0], {"url": "b", "sha256": "f" * 64}]}
    assert journal.call(call.call_id) == stored


# -- facts and reports ----------------------------------------------------------------------------------------------


def test_a_verdict_is_found_by_job_digest_and_policy(journal: Journal, job: JobContext) -> None:
    told = verdict()
    journal.note(job.job_id, "verdict", told.model_dump(mode="json"))
    assert journal.verdict(job.job_id, told.digest, told.policy) == told
    assert journal.verdict(job.job_id, told.digest, "standard@2.0.0") is None
    assert journal.verdict(job.job_id, "b" * 64, told.policy) is None
    assert journal.verdict(context().job_id, told.digest, told.policy) is None


def test_a_report_tells_receipts_in_the_order_of_holding(journal: Journal, job: JobContext) -> None:
    calls = [at(journal, job, state) for state in ("asking", "unknown", "held", "released")]
    step(journal, calls[0].call_id, "settled", 4)
    receipts = journal.report(job.job_id).receipts
    assert [(each.call_id, each.state, each.microusd) for each in receipts] == [
        (calls[0].call_id, "settled", 4),
        (calls[1].call_id, "unknown", 10),
    ]


def test_a_report_tells_verdicts_signed_files_and_failures(journal: Journal, job: JobContext) -> None:
    told = verdict()
    journal.note(job.job_id, "verdict", told.model_dump(mode="json"))
    journal.note(job.job_id, "signed", {"file": "a.png"})
    journal.note(job.job_id, "failed", {"code": "disk_full"})
    report = journal.report(job.job_id)
    assert (report.verdicts, report.signed, report.failures) == (
        (told,),
        ({"file": "a.png"},),
        ({"code": "disk_full"},),
    )


def test_a_closed_job_holds_nothing_more_but_finishes_what_it_began(journal: Journal, job: JobContext) -> None:
    call = at(journal, job, "asking", key="k")
    assert journal.close_job(job.job_id).open is False
    with pytest.raises(Canceled, match=job.job_id):
        journal.hold(new_call(job))
    step(journal, call.call_id, "settled")
    assert journal.hold(new_call(job, key="k")).state == "settled"
    assert numbers(journal.close_job(job.job_id)) == (100, 0, 7, 93)


def test_a_reader_who_asks_since_misses_nothing(journal: Journal, job: JobContext) -> None:
    other = context()
    journal.open_job(other)
    for each in (job, other, job):
        at(journal, each, "settled")
    every = journal.since(0)
    read: list[Entry] = []
    while page := journal.since(read[-1].seq if read else 0, limit=2):
        read += page
    assert read == every
    assert [entry.seq for entry in every] == sorted({entry.seq for entry in every})
    assert journal.since(0, job_id=other.job_id) == [entry for entry in every if entry.job_id == other.job_id]


def test_a_listener_hears_each_entry_once_it_can_be_read(journals: Journals) -> None:
    heard: list[Entry] = []
    reader = journals.open()

    def listen(entry: Entry) -> None:
        assert entry in reader.since(entry.seq - 1)
        heard.append(entry)

    journal = journals.open(listen)
    job = context()
    journal.open_job(job)
    at(journal, job, "settled")
    assert heard == journal.since(0)


def test_a_listener_that_fails_spoils_no_write(journals: Journals) -> None:
    def deaf(entry: Entry) -> None:
        raise RuntimeError("the loop is closed")

    journal = journals.open(deaf)
    job = context()
    journal.open_job(job)
    assert at(journal, job, "settled").state == "settled"


# -- several processes ----------------------------------------------------------------------------------------------


def test_what_a_dead_process_left_is_adopted_exactly_once(
    journals: Journals, journal: Journal, job: JobContext
) -> None:
    dead = journals.open()
    left = {at(dead, job, state).call_id: state for state in PATHS}
    journals.die(dead)
    others = [journal, journals.open()]
    with ThreadPoolExecutor(2) as threads:
        adopted = [call for calls in threads.map(lambda each: each.adopt_orphans(), others) for call in calls]
    assert sorted(call.call_id for call in adopted) == sorted(
        call_id for call_id, state in left.items() if state in ("held", "asking", "accepted")
    )
    assert {call.owner for call in adopted} <= {each.owner for each in others}
    assert [each.adopt_orphans() for each in others] == [[], []]


def test_what_a_living_process_holds_is_left_alone(journals: Journals, journal: Journal, job: JobContext) -> None:
    alive = journals.open()
    at(alive, job, "accepted")
    at(journal, job, "asking")
    assert journal.adopt_orphans() == []
    assert alive.adopt_orphans() == []


def test_all_processes_share_one_journal(journals: Journals, journal: Journal, job: JobContext) -> None:
    call = at(journal, job, "accepted")
    other = journals.open()
    assert other.call(call.call_id) == call
    assert other.since(0) == journal.since(0)
    assert other.owner != journal.owner


def _spend(journal: Journal, job: JobContext, microusd: int, times: int) -> int:
    spent = 0
    for _ in range(times):
        try:
            call = journal.hold(new_call(job, microusd))
        except AllowanceExhausted:
            continue
        spent += 1
        step(journal, call.call_id, "asking")
        step(journal, call.call_id, "settled", microusd)
    return spent


def test_many_threads_on_one_allowance_spend_all_of_it_and_no_more(journals: Journals) -> None:
    views = [journals.open() for _ in range(4)]
    job = context(330)
    views[0].open_job(job)
    with ThreadPoolExecutor(64) as threads:
        spent = sum(threads.map(lambda number: _spend(views[number % 4], job, 10, 1), range(64)))
    assert spent == 33
    assert numbers(views[0].report(job.job_id)) == (330, 0, 330, 0)


def test_of_many_who_hold_one_key_at_once_one_may_ask(journals: Journals) -> None:
    views = [journals.open() for _ in range(8)]
    job = context()
    views[0].open_job(job)
    start = threading.Barrier(len(views))

    def try_it(journal: Journal) -> int:
        start.wait()
        call = journal.hold(new_call(job, key="k"))
        try:
            journal.begin(call.call_id)
        except MintmarkError:
            return 0
        return 1

    with ThreadPoolExecutor(len(views)) as threads:
        assert sum(threads.map(try_it, views)) == 1
    assert numbers(views[0].report(job.job_id)) == (100, 10, 0, 90)
