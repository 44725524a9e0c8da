"""Whatever happens to a ledger in whatever order, and from however many processes: its books stay even.

A model in plain Python says what must be in it. Two views of one ledger stand for two processes; a crash is a view that
is closed without a word, in the middle of a transaction.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mintmark.errors import BudgetExceeded, CreditExhausted
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Account, Posting
from mintmark.metering.ledger_sql import SqlLedger

LIMITS = {"total": 150, "acme": 100, "mia": 70}
BUDGETS = (
    Budget("overall", "", "total", LIMITS["total"]),
    Budget("project", "acme", "total", LIMITS["acme"], soft_microusd=50),
    Budget("user", "mia", "day", LIMITS["mia"]),
)
ACCOUNTS = (
    Account(project="acme", user="mia"),
    Account(project="acme", user="tom"),
    Account(project="other", user="mia"),
    Account(project="other", user="ann"),
)
PREPAID = "ann"
amounts = st.integers(0, 80)
views = st.integers(0, 1)
jobs = st.integers(0, 15).map(lambda number: f"job-{number}")


class Dies(BaseException):
    """What a process meets that is killed."""


class Machine(RuleBasedStateMachine):
    """``opened`` gives a view of the ledger that this run has for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.now = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
        self.accounts: dict[str, Account] = {}
        self.granted_on: dict[str, str] = {}
        self.calls: dict[str, Posting] = {}
        self.closed: set[str] = set()
        self.overrun = False
        self.paid_in = self.paid_out = self.top_ups = 0

    def opened(self) -> SqlLedger:
        raise NotImplementedError

    def view(self) -> SqlLedger:
        """Another process's view, closed at the end of the run."""
        made = self.opened()
        self.stack.callback(made.close)
        return made

    @initialize()
    def begin(self) -> None:
        self.views = [self.view() for _ in range(2)]
        for budget in BUDGETS:
            self.views[0].set_budget(budget)
        self.views[0].top_up("user", PREPAID, 100, key="first")
        self.paid_in = 100

    @rule(asked=st.lists(st.tuples(views, jobs, amounts, st.sampled_from(ACCOUNTS)), min_size=1, max_size=4))
    def allow(self, asked: list[tuple[int, str, int, Account]]) -> None:
        for each in asked:
            self._allow(*each)

    def _allow(self, view: int, job: str, microusd: int, account: Account) -> None:
        before = self._taken()
        try:
            self.views[view].allow(job, microusd, account)
        except CreditExhausted:
            assert account.user == PREPAID
            assert job not in self.accounts
            assert microusd > self._credit()
            return
        except BudgetExceeded:
            assert job not in self.accounts
            assert any(self._over(budget, account, microusd, before) for budget in BUDGETS)
            return
        if job not in self.accounts:
            assert microusd == 0 or not any(self._over(budget, account, microusd, before) for budget in BUDGETS)
            self.accounts[job] = account

    def _over(self, budget: Budget, account: Account, asked: int, before: dict[str, int]) -> bool:
        whose = {"overall": "", "project": account.project, "user": account.user}[budget.scope]
        assert budget.limit_microusd is not None
        return whose == budget.value and before[budget.id] + asked > budget.limit_microusd

    def _taken(self) -> dict[str, int]:
        return {usage.budget.id: usage.taken_microusd for usage in self.views[0].budgets()}

    def _credit(self) -> int:
        return sum(credit.left_microusd for credit in self.views[0].credit())

    def _posting(self, data: st.DataObject, kind: Any, microusd: int, call: int) -> Posting:
        job = data.draw(st.sampled_from(sorted(self.accounts)))
        return Posting(
            call_id=f"{job}-call-{call}",
            job_id=job,
            kind=kind,
            microusd=0 if kind == "released" else microusd,
            provider="fal",
            model="fal/flux",
            request_id=None,
            at=self.now,
        )

    @precondition(lambda self: self.accounts)
    @rule(
        data=st.data(),
        view=views,
        kind=st.sampled_from(("settled", "released", "unknown")),
        microusd=st.integers(0, 30),
        call=st.integers(0, 3),
    )
    def post(self, data: st.DataObject, view: int, kind: Any, microusd: int, call: int) -> None:
        fact = self._posting(data, kind, microusd, call)
        for _ in range(data.draw(st.integers(1, 2))):
            self.views[view].post([fact])
        self._booked(fact)

    def _booked(self, fact: Posting) -> None:
        known = self.calls.get(fact.call_id)
        if known is None or (known.kind == "unknown" and fact.kind != "unknown"):
            self.calls[fact.call_id] = fact

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), view=views, microusd=st.integers(0, 40))
    def correct(self, data: st.DataObject, view: int, microusd: int) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.calls)))
        call = self.calls[call_id]
        self.views[view].correct(call_id, microusd, reason="the invoice")
        if call.kind == "released" and microusd == 0:
            return
        kind = "released" if call.kind == "unknown" and microusd == 0 else "settled"
        self.calls[call_id] = call.model_copy(update={"kind": kind, "microusd": microusd})

    @precondition(lambda self: self.accounts)
    @rule(data=st.data(), view=views)
    def close(self, data: st.DataObject, view: int) -> None:
        job = data.draw(st.sampled_from(sorted(self.accounts)))
        self.views[view].close_job(job)
        self.closed.add(job)

    @rule(view=views, microusd=st.integers(1, 60), days=st.none() | st.integers(1, 3), again=st.booleans())
    def top_up(self, view: int, microusd: int, days: int | None, again: bool) -> None:
        self.top_ups += 1
        until = None if days is None else self.now + timedelta(days=days)
        for _ in range(1 + again):
            self.views[view].top_up("user", PREPAID, microusd, key=f"t{self.top_ups}", expires_at=until)
        self.paid_in += microusd

    @rule(view=views, microusd=st.integers(1, 60))
    def refund(self, view: int, microusd: int) -> None:
        self.top_ups += 1
        there = self._credit()
        try:
            self.views[view].refund("user", PREPAID, microusd, key=f"t{self.top_ups}")
        except CreditExhausted:
            assert there < microusd
            return
        assert there >= microusd
        self.paid_out += microusd

    @rule(hours=st.integers(1, 40))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(view=views, number=st.integers(0, 2))
    def set_a_budget_again(self, view: int, number: int) -> None:
        self.views[view].remove_budget(BUDGETS[number])
        self.views[view].set_budget(BUDGETS[number])

    @rule(view=views, job=jobs, at=st.integers(1, 12))
    def crash(self, view: int, job: str, at: int) -> None:
        """Killed at the n-th statement of an allowance: nothing of it may be left."""
        victim = self.views[view]
        session, ran = {}, 0

        def dying(db: Any) -> Any:
            real = db.run

            def run(sql: str, **values: Any) -> Any:
                nonlocal ran
                ran += 1
                if ran == at:
                    raise Dies
                return real(sql, **values)

            db.run = run
            return session["work"](db)

        transact = victim.store.transact

        def doomed(work: Any) -> Any:
            session["work"] = work
            return transact(dying)

        known = job in self.accounts
        victim.store.transact = doomed  # type: ignore[method-assign]
        with suppress(Dies, BudgetExceeded):
            victim.allow(job, 5, ACCOUNTS[0])
            if not known:
                self.accounts[job] = ACCOUNTS[0]
        victim.close()
        self.views[view] = self.view()

    @invariant()
    def the_books_are_even(self) -> None:
        if not hasattr(self, "views"):
            return
        assert self.views[0].problems() == []
        totals = self.views[1].totals()
        assert totals.settled_microusd == sum(c.microusd for c in self.calls.values() if c.kind == "settled")
        assert totals.unknown_microusd == sum(c.microusd for c in self.calls.values() if c.kind == "unknown")
        assert totals.calls == len(self.calls)

    @invariant()
    def the_total_is_what_jobs_took(self) -> None:
        if hasattr(self, "views"):
            assert self._taken()["overall::total"] == self.views[1].totals().taken_microusd

    def teardown(self) -> None:
        with self.stack:
            for job in sorted(self.accounts):
                self.views[0].close_job(job)
            assert self.views[0].totals().set_aside_microusd == 0


def profile(examples: int, steps: int, *, shrink: bool = True) -> settings:
    """As many as fit into the time of a test; ``shrink`` looks for the shortest way to a failure."""
    phases = [phase for phase in Phase if shrink or phase in (Phase.explicit, Phase.generate)]
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        phases=phases,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
