"""Allowances within one transaction: locked, opened, filled, given back; and the entries that do it.

An allowance is locked before anything of it is read, so all that concerns one allowance happens in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .accounts import FUNDS, allowance_account
from .ledger import Account, Posting
from .ledger_usage import Counter, Counters

if TYPE_CHECKING:
    from ..storage.base import Row, Session

_ALLOWANCE = """
SELECT allowance_id, job_id, project, user_name, api_key, workflow, source, granted, taken, overrun, at, closed,
       (SELECT balance FROM balances WHERE account = 'allowance:' || allowance_id) AS balance
FROM allowances WHERE allowance_id = :allowance_id
"""
_OPEN = """
INSERT INTO allowances (allowance_id, job_id, project, user_name, api_key, workflow, source, granted, taken,
                        overrun, at)
VALUES (:allowance_id, :job_id, :project, :user_name, :api_key, :workflow, :source, :granted, :taken, 0, :at)
ON CONFLICT (allowance_id) DO NOTHING RETURNING allowance_id
"""
_SAVE = """
UPDATE allowances SET project = :project, user_name = :user_name, api_key = :api_key, workflow = :workflow,
       source = :source, granted = :granted, taken = :taken, overrun = :overrun, at = :at, closed = :closed
WHERE allowance_id = :allowance_id
"""
_MOVE = """
INSERT INTO transfers (at, kind, from_account, to_account, microusd, allowance_id, job_id, call_id, project, user_name,
                       api_key, workflow, provider, model, request_id, reason)
VALUES (:at, :kind, :giver, :taker, :microusd, :allowance_id, :job_id, :call_id, :project, :user_name,
        :api_key, :workflow, :provider, :model, :request_id, :reason)
"""


class Allowance:
    """An allowance that this transaction has locked. ``balance`` is what is left in it."""

    def __init__(
        self,
        allowance_id: str,
        job_id: str,
        account: Account,
        *,
        source: str,
        granted: int | None,
        taken: int,
        overrun: int,
        at: str,
        closed: bool,
        balance: int,
        counters: list[Counter],
    ) -> None:
        self.allowance_id, self.job_id, self.account = allowance_id, job_id, account
        self.source, self.granted, self.taken, self.overrun = source, granted, taken, overrun
        self.at, self.closed, self.balance, self.counters = at, closed, balance, counters
        self.changed = False

    @property
    def name(self) -> str:
        return allowance_account(self.allowance_id)

    def owner(self) -> dict[str, Any]:
        """Its account, by the columns' names."""
        its = self.account
        return {
            "project": its.project,
            "user_name": its.user,
            "api_key": its.api_key,
            "workflow": its.workflow,
        }


class Allowances:
    """``at``: when it is booked; ``counters``: what budgets the changes count against."""

    def __init__(self, db: Session, at: str, counters: Counters) -> None:
        self.db, self.at, self.counters = db, at, counters
        self._open: dict[str, Allowance] = {}

    def find(self, allowance_id: str) -> Allowance | None:
        """The allowance, locked; None where there is none."""
        if known := self._open.get(allowance_id):
            return known
        found = self.find_all([allowance_id])
        return found[0] if found else None

    def find_all(self, allowance_ids: Iterable[str]) -> list[Allowance]:
        """Those that there are, locked in one order. None of them was asked for before."""
        asked = [self._ask(each) for each in sorted(allowance_ids)]
        found = [_allowance(rows[0]) for rows in (each() for each in asked) if rows]
        counted = [self.counters.ask(self.db, each.account, each.at) for each in found]
        for each, counters in zip(found, counted, strict=True):
            each.counters = counters()
            self._open[each.allowance_id] = each
        return found

    def _ask(self, allowance_id: str) -> Callable[[], list[Row]]:
        if self.db.for_update:
            # Its balance is to be read after the lock was had, so it takes a statement of its own.
            lock = f"SELECT 1 FROM allowances WHERE allowance_id = :allowance_id{self.db.for_update}"  # noqa: S608
            self.db.ask(lock, allowance_id=allowance_id)
        return self.db.ask(_ALLOWANCE, allowance_id=allowance_id)

    def open(self, allowance_id: str, job_id: str, account: Account) -> Allowance:
        """The allowance, locked; where there is none, one of nothing."""
        if known := self.find(allowance_id):
            return known
        # Another process may be faster.
        return self.start(allowance_id, job_id, account) or self.open(allowance_id, job_id, account)

    def start(
        self, allowance_id: str, job_id: str, account: Account, granted: int | None = None, source: str = FUNDS
    ) -> Allowance | None:
        """A new allowance with so much in it; None where there is one of this id already."""
        microusd = granted or 0
        # Budgets are asked before it is there: a row they make now counts what was there before.
        counters = self.counters.of(self.db, account, self.at)
        made = Allowance(
            allowance_id,
            job_id,
            account,
            source=source,
            granted=granted,
            taken=microusd,
            overrun=0,
            at=self.at,
            closed=False,
            balance=microusd,
            counters=counters,
        )
        values = {**made.owner(), "allowance_id": allowance_id, "job_id": job_id, "at": self.at}
        if not self.db.run(_OPEN, source=source, granted=granted, taken=microusd, **values):
            return None
        self.move("grant", source, made.name, microusd, made)
        self.counters.add(counters, microusd)
        self._open[allowance_id] = made
        return made

    def assign(self, allowance: Allowance, account: Account) -> None:
        """Have other budgets count it, and what it took already, from now on."""
        self.counters.add(allowance.counters, -allowance.taken)
        allowance.account, allowance.at, allowance.changed = account, self.at, True
        allowance.counters = self.counters.of(self.db, account, self.at)
        self.counters.add(allowance.counters, allowance.taken)

    def grant(self, allowance: Allowance, microusd: int, source: str) -> None:
        """Set ``microusd`` aside in it; what it has spent without is part of that."""
        allowance.granted, allowance.source, allowance.changed = microusd, source, True
        more = max(0, microusd - allowance.taken)
        self.move("grant", source, allowance.name, more, allowance)
        allowance.balance += more
        self._taken(allowance, more)

    def overrun(self, kind: str, allowance: Allowance, taker: str, microusd: int, posting: Posting) -> None:
        """Move what was never set aside: it counts against the same budgets."""
        self.move(kind, FUNDS, taker, microusd, allowance, posting)
        allowance.overrun += microusd
        self._taken(allowance, microusd)

    def _taken(self, allowance: Allowance, microusd: int) -> None:
        allowance.taken += microusd
        allowance.changed = True
        self.counters.add(allowance.counters, microusd)

    def close(self, allowance: Allowance) -> None:
        """Give back what is left in it. Harmless to repeat."""
        if allowance.closed:
            return
        allowance.closed = allowance.changed = True
        left, allowance.balance = allowance.balance, 0
        self.give_back(allowance, allowance.name, left, "close")

    def give_back(
        self, allowance: Allowance, giver: str, microusd: int, kind: str, posting: Posting | None = None
    ) -> None:
        """To where the allowance came from: first what it overran, which was never prepaid."""
        ours = microusd if allowance.source == FUNDS else min(microusd, allowance.overrun)
        if theirs := microusd - ours:
            from . import ledger_credit

            ledger_credit.put_back(self.db, allowance.source, allowance.allowance_id, theirs)
            self.move(kind, giver, allowance.source, theirs, allowance, posting)
            kind = "return" if kind == "release" else kind
        if ours:
            self.move(kind, giver, FUNDS, ours, allowance, posting)
        allowance.overrun -= min(microusd, allowance.overrun)
        self._taken(allowance, -microusd)

    def move(
        self, kind: str, giver: str, taker: str, microusd: int, allowance: Allowance, posting: Posting | None = None
    ) -> None:
        """One entry. Nothing is written of a movement of nothing, but that a call was settled or released."""
        if microusd == 0 and kind not in ("settle", "release"):
            return
        self.db.run(
            _MOVE,
            at=self.at,
            kind=kind,
            giver=giver,
            taker=taker,
            microusd=microusd,
            allowance_id=allowance.allowance_id,
            job_id=allowance.job_id,
            call_id=posting.call_id if posting else None,
            provider=posting.provider if posting else None,
            model=posting.model if posting else None,
            request_id=posting.request_id if posting else None,
            reason=posting.reason if posting else None,
            **allowance.owner(),
        )

    def save(self) -> None:
        """Write down those that were changed."""
        for allowance in self._open.values():
            if allowance.changed:
                self._save(allowance)

    def _save(self, its: Allowance) -> None:
        self.db.run(
            _SAVE,
            allowance_id=its.allowance_id,
            source=its.source,
            granted=its.granted,
            taken=its.taken,
            overrun=its.overrun,
            at=its.at,
            closed=int(its.closed),
            **its.owner(),
        )


def _allowance(row: Row) -> Allowance:
    account = Account(project=row["project"], user=row["user_name"], workflow=row["workflow"], api_key=row["api_key"])
    return Allowance(
        row["allowance_id"],
        row["job_id"],
        account,
        source=row["source"],
        granted=row["granted"],
        taken=row["taken"],
        overrun=row["overrun"],
        at=row["at"],
        closed=bool(row["closed"]),
        balance=row["balance"] or 0,
        counters=[],
    )
