"""Whatever happens in whatever order, journal and ledger agree and no key is ever asked twice."""

from __future__ import annotations

import contextlib
import random
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from mintmark.errors import AllowanceExhausted, BudgetExceeded, Canceled
from mintmark.generation.books import LocalBooks, postings
from mintmark.generation.call import Call
from mintmark.generation.context import JobContext
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.metering.ledger import Account
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.tests.contracts.journal import context, new_call, numbers

BUDGET = 300
amounts = st.integers(0, 60)


class Money(RuleBasedStateMachine):
    """Two kinds of jobs: granted ones bring their allowance, ones by hand take it from the ledger call by call."""

    held = Bundle("held")
    asked = Bundle("asked")
    doubted = Bundle("doubted")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.jobs: dict[str, JobContext] = {}
        self.closed: set[str] = set()
        self.asks: Counter[tuple[str, int]] = Counter()
        self.forgotten: Counter[str] = Counter()
        self._open()

    def _open(self) -> None:
        folder = Path(self._folder.name)
        self.journal = SqliteJournal(folder)
        self.ledger = SqliteLedger(folder, budget_microusd=BUDGET)
        self.books = LocalBooks(self.ledger, self.journal, self.journal.journal_id)

    @initialize()
    def begin(self) -> None:
        self._add(context(100))
        self._add(context(0, local=True))

    def _add(self, job: JobContext) -> None:
        # Numbered, not random: hypothesis wants the same steps to mean the same each time.
        job = job.model_copy(update={"job_id": str(uuid.UUID(int=len(self.jobs) + 1))})
        if not job.local:
            try:
                self.ledger.allow(job.job_id, job.allowance_microusd, Account())
            except BudgetExceeded:
                return
        self.journal.open_job(job)
        self.jobs[job.job_id] = job

    @rule(allowance=amounts, local=st.booleans())
    def allow(self, allowance: int, local: bool) -> None:
        self._add(context(0 if local else allowance, local=local))

    @rule(target=held, data=st.data(), microusd=amounts, key=st.integers(0, 3))
    def hold(self, data: st.DataObject, microusd: int, key: int) -> Any:
        job = self.jobs[data.draw(st.sampled_from(list(self.jobs)))]
        new = new_call(job, microusd, key=f"{job.job_id}-{key}")
        try:
            call = self.books.hold(new, job)
        except (AllowanceExhausted, BudgetExceeded, Canceled):
            return multiple()
        return call.call_id if call.call_id == new.call_id else multiple()

    def _state(self, call_id: str) -> Call:
        call = self.journal.call(call_id)
        assert call is not None
        return call

    @rule(target=asked, call_id=consumes(held))
    def ask(self, call_id: str) -> Any:
        # Another run of the program may have released it meanwhile.
        if self._state(call_id).state != "held":
            return multiple()
        call = self.journal.begin(call_id)
        self.asks[call.key, self.forgotten[call.key]] += 1
        return call_id

    @rule(call_id=consumes(held))
    def drop(self, call_id: str) -> None:
        held = self._state(call_id).state == "held"
        assert self.journal.drop(call_id, "never asked") is held

    @rule(call_id=asked)
    def accept(self, call_id: str) -> None:
        if self._state(call_id).state == "asking":
            self.journal.move(call_id, "accepted", request_id="r", handle={"u": 1})

    @rule(call_id=consumes(asked), microusd=st.integers(0, 80))
    def settle(self, call_id: str, microusd: int) -> None:
        call = self._state(call_id)
        if call.state in ("asking", "accepted"):
            # A provider that charges more than the hold is another test's: here the budget must hold.
            self.journal.move(call_id, "settled", microusd=min(microusd, call.hold_microusd), request_id="r", result={})

    @rule(call_id=consumes(asked))
    def release(self, call_id: str) -> None:
        call = self._state(call_id)
        if call.state in ("asking", "accepted"):
            self.journal.move(call_id, "released", reason="refused")
            self.asks[call.key, self.forgotten[call.key]] -= 1

    @rule(target=doubted, call_id=consumes(asked))
    def doubt(self, call_id: str) -> Any:
        if self._state(call_id).state not in ("asking", "accepted"):
            return multiple()
        self.journal.move(call_id, "unknown", reason="lost")
        return call_id

    @rule(call_id=consumes(doubted), paid=st.booleans())
    def reconcile(self, call_id: str, paid: bool) -> None:
        call = self._state(call_id)
        if paid:
            self.journal.move(call_id, "settled", microusd=call.hold_microusd, request_id="r", result={})
        else:
            self.journal.move(call_id, "released", reason="reconciled")
            self.asks[call.key, self.forgotten[call.key]] -= 1

    @rule(call_id=doubted)
    def forget(self, call_id: str) -> None:
        call = self._state(call_id)
        if call.state == "unknown":
            self.journal.forget_unknown(call.key)
            self.forgotten[call.key] += 1

    @rule()
    def crash_and_recover(self) -> None:
        """SIGKILL, and another process that starts: what was held is released, what was asked is in doubt."""
        self.journal._db.close()
        self.journal._owner._lock.release()
        self.ledger.close()
        self._open()
        for call in self.journal.adopt_orphans():
            if call.state == "held":
                self.journal.drop(call.call_id, "never asked")
            else:
                self.journal.move(call.call_id, "unknown", reason="died")

    @rule(seed=st.integers(0, 1000))
    def post_again_in_any_order(self, seed: int) -> None:
        found = postings(self.journal.since(0, limit=10_000))
        random.Random(seed).shuffle(found)
        self.ledger.post(found[: seed % (len(found) + 1)])

    @rule(data=st.data())
    def close_job(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(list(self.jobs)))
        open_calls = [
            call for call in self._calls() if call.job_id == job_id and call.state in ("held", "asking", "accepted")
        ]
        if self.jobs[job_id].local or open_calls:
            return
        self.journal.close_job(job_id)
        self.ledger.post(postings(self.journal.since(0, job_id=job_id, limit=10_000)))
        self.ledger.close_job(job_id)
        self.closed.add(job_id)

    @rule()
    def catch_up(self) -> None:
        self.books.catch_up()

    def _calls(self) -> list[Call]:
        ids = [entry.call_id for entry in self.journal.since(0, limit=10_000) if entry.kind == "held"]
        return [self._state(call_id) for call_id in ids if call_id]

    @invariant()
    def granted_is_held_and_settled_and_left(self) -> None:
        every = self._calls()
        for job_id in self.jobs:
            granted, held, settled, left = numbers(self.journal.report(job_id))
            mine = [call for call in every if call.job_id == job_id]
            assert granted == held + settled + left
            assert left >= 0
            assert settled == sum(call.charged_microusd for call in mine)
            assert held == sum(call.hold_microusd for call in mine if call.state not in ("settled", "released"))

    @invariant()
    def the_budget_holds(self) -> None:
        assert self.ledger.totals().taken_microusd <= BUDGET

    @invariant()
    def no_key_is_live_twice_and_none_asked_twice(self) -> None:
        live = Counter(call.key for call in self._calls() if call.state not in ("released", "unknown"))
        assert all(count <= 1 for count in live.values())
        assert all(count <= 1 for count in self.asks.values())

    def teardown(self) -> None:
        """In the end the ledger is the sum of the journal, and nothing is set aside but what open jobs may spend."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._folder.cleanup)
            stack.callback(self.ledger.close)
            stack.callback(self.journal.close)
            self.books.catch_up()
            self.ledger.post(postings(self.journal.since(0, limit=10_000)))
            every = self._calls()
            totals = self.ledger.totals()
            assert totals.settled_microusd == sum(call.charged_microusd for call in every)
            assert totals.unknown_microusd == sum(call.hold_microusd for call in every if call.state == "unknown")
            assert totals.set_aside_microusd == self._aside(every)

    def _aside(self, every: list[Call]) -> int:
        by_hand = sum(
            call.hold_microusd
            for call in every
            if self.jobs[call.job_id].local and call.state in ("held", "asking", "accepted")
        )
        granted = 0
        for job_id, job in self.jobs.items():
            if not job.local and job_id not in self.closed:
                booked = [call for call in every if call.job_id == job_id]
                spent = sum(call.charged_microusd for call in booked)
                doubt = sum(call.hold_microusd for call in booked if call.state == "unknown")
                granted += job.allowance_microusd - spent - doubt
        return by_hand + granted


Money.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestMoney = Money.TestCase
