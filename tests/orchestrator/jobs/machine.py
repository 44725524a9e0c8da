"""Whatever happens to jobs in whatever order, and from two processes: they stand where a plain model says.

The model knows each job's state, when it may begin, and who has its lease; and of the money what open jobs set aside.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mintmark.errors import BudgetExceeded, QueueFull, StaleLease, WrongState
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.jobs.base import Bounds, Filter, Idempotency
from mintmark.orchestrator.jobs.job import Ending, Lease
from mintmark.orchestrator.jobs.queueing import rank
from mintmark.orchestrator.jobs.renewing import FRESH
from mintmark.orchestrator.jobs.sql_store import LEASE_S, SqlJobStore
from mintmark.orchestrator.jobs.states import State, Step, after, allowed
from mintmark.tests.contracts.jobs import order
from mintmark.tests.orchestrator.ticking import Clock

BUDGET, BOUND = 100, 6
OWNERS = ("one", "other")
views = st.integers(0, 1)
keys = st.sampled_from(["a", "b", None])
lanes = st.sampled_from(["hosted", "gpu"])
steps = st.sampled_from([Step.SUCCEEDED, Step.FAILED, Step.CANCELED])


@dataclass
class Known:
    """A job of the model."""

    seq: int
    queue: tuple[str | None, str]
    allowance: int
    rank: int
    begins: datetime
    deadline: datetime | None
    state: State = State.QUEUED
    owner: str | None = None
    until: datetime | None = None
    asked: Step | None = None
    attempt: int = 0


class JobMachine(RuleBasedStateMachine):
    """``opened`` gives a view of a ledger that this run has for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = Clock()
        self.jobs: dict[str, Known] = {}
        self.leases: dict[str, Lease] = {}
        self.late: list[Lease] = []
        self.once: dict[str, str] = {}

    def opened(self) -> SqlLedger:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.ledgers = [self.opened() for _ in range(2)]
        for ledger in self.ledgers:
            self.stack.callback(ledger.close)
        self.ledgers[0].set_budget(Budget("overall", "", "total", BUDGET))
        self.stores = [
            SqlJobStore(ledger, bounds=Bounds(queued_per_key=BOUND), now=self.clock) for ledger in self.ledgers
        ]

    def teardown(self) -> None:
        try:
            if self.jobs:
                assert self.ledgers[0].problems() == []
                kinds = {job_id: [e.kind for e in self.stores[0].events(job_id)] for job_id in self.jobs}
                assert all(
                    kinds[job_id].count("claimed") == known.attempt
                    and sum(kind in _ENDS for kind in kinds[job_id]) == int(known.state.terminal)
                    for job_id, known in self.jobs.items()
                )
        finally:
            self.stack.close()

    # -- what is open -------------------------------------------------------------------------------------------------

    def having(self, *states: State) -> list[str]:
        return sorted((job_id for job_id, each in self.jobs.items() if each.state in states), key=self._seq)

    def _seq(self, job_id: str) -> int:
        return self.jobs[job_id].seq

    def _taken(self) -> int:
        return sum(each.allowance for each in self.jobs.values() if not each.state.terminal)

    def _waiting(self, key: str | None) -> int:
        return sum(each.queue[0] == key for each in self.jobs.values() if each.state is State.QUEUED)

    def _claimable(self, job_id: str) -> bool:
        each, now = self.jobs[job_id], self.clock.now
        return each.state is State.QUEUED and each.begins <= now and (each.deadline is None or each.deadline > now)

    # -- what happens -------------------------------------------------------------------------------------------------

    @rule(
        view=views,
        key=keys,
        lane=lanes,
        allowance=st.integers(0, 40),
        priority=st.integers(-2, 2),
        delay_s=st.sampled_from([0, 0, 0, 30]),
        patience_s=st.sampled_from([None, None, 45]),
        once=st.sampled_from([None, None, "k1", "k2"]),
        newer=st.booleans(),
        data=st.data(),
    )
    def accept(
        self,
        view: int,
        key: str | None,
        lane: Any,
        allowance: int,
        priority: int,
        delay_s: int,
        patience_s: int | None,
        once: str | None,
        newer: bool,
        data: st.DataObject,
    ) -> None:
        now, older = self.clock.now, None
        if newer and (open_now := self.having(State.QUEUED, State.RUNNING)):
            older = data.draw(st.sampled_from(open_now), "older")
        begins = now + timedelta(seconds=delay_s)
        deadline = None if patience_s is None else now + timedelta(seconds=patience_s)
        ordered = order(
            key_id=key,
            lane=lane,
            allowance_microusd=allowance,
            priority=priority,
            not_before=begins if delay_s else None,
            deadline=deadline,
            supersedes=older,
        )
        asked = None if once is None else Idempotency(scope="s", key=once, digest="d")
        known_key = once is not None and once in self.once
        gone = self.jobs[older] if older and self.jobs[older].state is State.QUEUED else None
        taken = self._taken() - (gone.allowance if gone else 0)
        waiting = self._waiting(key) - int(gone is not None and gone.queue[0] == key)
        try:
            came = self.stores[view].accept(ordered, asked)
        except QueueFull:
            assert waiting >= BOUND
            return
        except BudgetExceeded:
            assert taken + allowance > BUDGET
            return
        assert came.replayed == known_key
        if came.replayed and once is not None:
            assert came.job.job_id == self.once[once]
            return
        assert waiting < BOUND
        assert taken + allowance <= BUDGET
        if once is not None:
            self.once[once] = ordered.job_id
        if older is not None:
            self._stop(older, Step.SUPERSEDED)
        self.jobs[ordered.job_id] = Known(
            came.job.seq, (key, lane), allowance, rank(begins, priority), begins, deadline
        )

    def _stop(self, job_id: str, step: Step) -> None:
        each = self.jobs[job_id]
        if each.state is State.QUEUED:
            each.state = State.CANCELED
        else:
            each.asked = each.asked or step

    @rule(view=views, owner=st.sampled_from(OWNERS), lanes=st.sets(lanes, min_size=1), most=st.integers(1, 4))
    def claim(self, view: int, owner: str, lanes: Any, most: int) -> None:
        could = [each for each in self.having(State.QUEUED) if self._claimable(each)]
        could = [each for each in could if self.jobs[each].queue[1] in lanes]
        leases = self.stores[view].claim(owner, "worker", sorted(lanes), most=most)
        assert len(leases) == min(most, len(could))
        for lease in leases:
            each = self.jobs[lease.job.job_id]
            queue = [self.jobs[other] for other in could if self.jobs[other].queue == each.queue]
            assert each is min(queue, key=lambda it: (it.rank, it.seq))
            could.remove(lease.job.job_id)
            each.state, each.owner, each.attempt = State.RUNNING, owner, each.attempt + 1
            each.until = lease.expires_at
            assert lease.job.attempt == each.attempt
            self._leased(lease)

    def _leased(self, lease: Lease) -> None:
        if lease.job.job_id in self.leases:
            self.late.append(self.leases[lease.job.job_id])
        self.leases[lease.job.job_id] = lease

    @rule(view=views, step=steps, data=st.data())
    @precondition(lambda self: self.having(State.RUNNING))
    def end(self, view: int, step: Step, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.having(State.RUNNING)), "job")
        each = self.jobs[job_id]
        ended = self.stores[view].end(self.leases[job_id], Ending(step=step))
        assert ended.outcome is (each.asked if step is Step.CANCELED and each.asked else step)
        each.state = after(State.RUNNING, step)

    @rule(view=views, step=steps, data=st.data())
    @precondition(lambda self: self.late)
    def a_late_word(self, view: int, step: Step, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.late), "lease")
        try:
            self.stores[view].end(lease, Ending(step=step))
        except StaleLease:
            return
        raise AssertionError("a late word was taken")

    @rule(view=views, step=steps, data=st.data())
    @precondition(lambda self: self.having(State.SUCCEEDED, State.FAILED, State.CANCELED))
    def a_second_end(self, view: int, step: Step, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.having(State.SUCCEEDED, State.FAILED, State.CANCELED)), "job")
        for again in (lambda: self.stores[view].cancel(job_id), lambda: self._end(view, job_id, step)):
            try:
                again()
            except WrongState:
                continue
            raise AssertionError("it ended twice")

    def _end(self, view: int, job_id: str, step: Step) -> None:
        if job_id not in self.leases:
            raise WrongState("It never ran.")
        self.stores[view].end(self.leases[job_id], Ending(step=step))

    @rule(view=views, delay_s=st.sampled_from([0, 20]), data=st.data())
    @precondition(lambda self: self.having(State.RUNNING))
    def requeue(self, view: int, delay_s: int, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.having(State.RUNNING)), "job")
        each = self.jobs[job_id]
        job = self.stores[view].requeue(self.leases[job_id], reason="worker_lost", delay_s=delay_s)
        each.state = State.QUEUED if each.asked is None else State.CANCELED
        assert job.state is each.state
        each.begins = self.clock.now + timedelta(seconds=delay_s)

    @rule(view=views, data=st.data())
    @precondition(lambda self: self.having(State.QUEUED, State.RUNNING))
    def cancel(self, view: int, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.having(State.QUEUED, State.RUNNING)), "job")
        self.stores[view].cancel(job_id)
        self._stop(job_id, Step.CANCELED)

    @rule(seconds=st.sampled_from([1, 20, 40]))
    def time_passes(self, seconds: int) -> None:
        self.clock.go(seconds=seconds)

    @rule(view=views, owner=st.sampled_from(OWNERS))
    def renew(self, view: int, owner: str) -> None:
        running = self.having(State.RUNNING)
        renewed = self.stores[view].renew(owner, self.jobs)
        mine = {job_id for job_id in running if self.jobs[job_id].owner == owner}
        assert set(renewed.kept) | set(renewed.canceled) == mine
        assert set(renewed.canceled) == {job_id for job_id in mine if self.jobs[job_id].asked}
        for each in (self.jobs[job_id] for job_id in mine):
            if each.until is not None and each.until < self.clock.now + timedelta(seconds=LEASE_S * FRESH):
                each.until = self.clock.now + timedelta(seconds=LEASE_S)

    @rule(view=views, owner=st.sampled_from(OWNERS), other_is_dead=st.booleans())
    def take_over(self, view: int, owner: str, other_is_dead: bool) -> None:
        now = self.clock.now
        lost = {
            job_id
            for job_id in self.having(State.RUNNING)
            if (self.jobs[job_id].until or now) <= now or (other_is_dead and self.jobs[job_id].owner != owner)
        }
        leases = self.stores[view].abandoned(owner, lambda _: other_is_dead)
        assert {lease.job.job_id for lease in leases} == lost
        for lease in leases:
            each = self.jobs[lease.job.job_id]
            each.owner, each.until = owner, lease.expires_at
            self._leased(lease)

    @rule(view=views)
    def expire(self, view: int) -> None:
        now = self.clock.now
        late = {job_id for job_id in self.having(State.QUEUED) if (self.jobs[job_id].deadline or now) < now}
        late |= {job_id for job_id in self.having(State.QUEUED) if self.jobs[job_id].deadline == now}
        assert {job.job_id for job in self.stores[view].expire()} == late
        for job_id in late:
            self.jobs[job_id].state = State.FAILED

    # -- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def every_job_stands_where_the_model_says(self) -> None:
        if not hasattr(self, "stores"):
            return
        found = {job.job_id: job.state for job in self.stores[0].find(Filter(), limit=1000)}
        assert found == {job_id: each.state for job_id, each in self.jobs.items()}
        assert self.stores[1].counts() == {state: list(found.values()).count(state) for state in State}

    @invariant()
    def what_open_jobs_set_aside_is_what_they_asked_for(self) -> None:
        if hasattr(self, "stores"):
            assert self.ledgers[1].totals().set_aside_microusd == self._taken() <= BUDGET


_ENDS = {step.value for step in Step if allowed(State.RUNNING, step)} - {Step.REQUEUED.value}
