"""One transaction's bookings: entries at once, sums at its end.

An allowance is locked before anything of it is read, so all that concerns one allowance happens in a row; rows that
many allowances share (budgets, days) are written last, in one fixed order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .accounts import FUNDS, allowance_account, hold_account, spent_account
from .ledger import Account, Posting
from .ledger_usage import LOCK, Counter, Counters
from .periods import stamp

if TYPE_CHECKING:
    from ..storage.sessions import Row, Session

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
_COLUMNS = "call_id, allowance_id, job_id, kind, microusd, provider, model, request_id, at, images, cached"
_CALL = f"SELECT {_COLUMNS} FROM calls WHERE call_id = :call_id"  # noqa: S608 - constants of this file
_CALLS = f"SELECT {_COLUMNS} FROM calls WHERE job_id = :job_id AND allowance_id = :allowance_id"  # noqa: S608
_NEW_CALL = """
INSERT INTO calls (call_id, allowance_id, job_id, kind, microusd, provider, model, request_id, at, images, cached)
VALUES (:call_id, :allowance_id, :job_id, :kind, :microusd, :provider, :model, :request_id, :at, :images, :cached)
"""
_CALL_IS = """
UPDATE calls SET kind = :kind, microusd = :microusd, request_id = :request_id, at = :at, images = :images,
       cached = :cached WHERE call_id = :call_id
"""
_DAY = ("calls", "unknown", "released", "cached", "images", "microusd", "unknown_microusd")
_DAILY = f"""
INSERT INTO daily (day, project, user_name, api_key, workflow, provider, model, {", ".join(_DAY)})
VALUES (:day, :project, :user_name, :api_key, :workflow, :provider, :model, {", ".join(f":{each}" for each in _DAY)})
ON CONFLICT (day, project, user_name, api_key, workflow, provider, model) DO UPDATE SET
{", ".join(f"{each} = daily.{each} + excluded.{each}" for each in _DAY)}
"""  # noqa: S608 - constants of this file


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


class Batch:
    """``at``: when it is booked; ``counters``: what budgets the changes count against."""

    def __init__(self, db: Session, at: str, counters: Counters) -> None:
        self.db, self.at, self.counters = db, at, counters
        self._open: dict[str, Allowance] = {}
        self._days: dict[tuple[str, ...], dict[str, int]] = {}
        db.share(LOCK)

    # -- allowances ---------------------------------------------------------------------------------------------------

    def find(self, allowance_id: str) -> Allowance | None:
        """The allowance, locked; None where there is none."""
        if known := self._open.get(allowance_id):
            return known
        if self.db.for_update:
            # Its balance is to be read after the lock was had, so it takes a statement of its own.
            lock = f"SELECT 1 FROM allowances WHERE allowance_id = :allowance_id{self.db.for_update}"  # noqa: S608
            self.db.run(lock, allowance_id=allowance_id)
        rows = self.db.run(_ALLOWANCE, allowance_id=allowance_id)
        if not rows:
            return None
        found = _allowance(rows[0])
        found.counters = self.counters.of(self.db, found.account, found.at)
        self._open[allowance_id] = found
        return found

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
        """Book it, and what it paid already, on another account from now on."""
        if account == allowance.account:
            return
        calls = self.db.run(_CALLS, job_id=allowance.job_id, allowance_id=allowance.allowance_id)
        for call in calls:
            self._count(allowance, call, -1)
        self.counters.add(allowance.counters, -allowance.taken)
        allowance.account, allowance.at, allowance.changed = account, self.at, True
        allowance.counters = self.counters.of(self.db, account, self.at)
        self.counters.add(allowance.counters, allowance.taken)
        for call in calls:
            self._count(allowance, call, +1)

    def grant(self, allowance: Allowance, microusd: int, source: str) -> None:
        """Set ``microusd`` aside in it; what it has spent without is part of that."""
        allowance.granted, allowance.source, allowance.changed = microusd, source, True
        more = max(0, microusd - allowance.taken)
        self._into(allowance, "grant", source, more)

    def _into(
        self, allowance: Allowance, kind: str, source: str, microusd: int, posting: Posting | None = None
    ) -> None:
        self.move(kind, source, allowance.name, microusd, allowance, posting)
        allowance.balance += microusd
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

    # -- calls --------------------------------------------------------------------------------------------------------

    def post(self, postings: Iterable[Posting]) -> None:
        """Book them, each once."""
        given = list(postings)
        named = [(self._allowance_of(each), each) for each in given]
        for allowance_id, posting in sorted(named, key=lambda each: each[0]):
            self.open(allowance_id, posting.job_id, Account())
        for allowance_id, posting in named:
            self._post(self.open(allowance_id, posting.job_id, Account()), posting)

    def _allowance_of(self, posting: Posting) -> str:
        """The call's own allowance, where it has one, or its job's."""
        sql = """SELECT allowance_id FROM calls WHERE call_id = :call_id
                 UNION ALL SELECT allowance_id FROM allowances WHERE allowance_id = :call_id"""
        rows = self.db.run(sql, call_id=posting.call_id)
        return str(rows[0]["allowance_id"]) if rows else posting.job_id

    def _post(self, allowance: Allowance, posting: Posting) -> None:
        known = self.call(posting.call_id)
        if known is not None and (known["kind"] != "unknown" or posting.kind == "unknown"):
            return
        held = 0
        if known is not None:
            held = known["microusd"]
            self._count(allowance, known, -1)
        if posting.kind == "unknown":
            self._hold(allowance, posting, posting.microusd)
        elif posting.kind == "settled":
            self._settle(allowance, posting, held)
        else:
            self._release(allowance, posting, held)
        self.write(allowance, posting, new=known is None)
        if posting.kind != "unknown" and allowance.allowance_id == posting.call_id:
            self.close(allowance)

    def call(self, call_id: str) -> Row | None:
        """The call as it stands."""
        rows = self.db.run(_CALL, call_id=call_id)
        return rows[0] if rows else None

    def write(self, allowance: Allowance, posting: Posting, *, new: bool) -> None:
        """The call as the posting says it stands now."""
        facts = {
            "call_id": posting.call_id,
            "kind": posting.kind,
            "microusd": posting.microusd,
            "request_id": posting.request_id,
            "at": stamp(posting.at),
            "images": posting.images,
            "cached": int(posting.cached),
            "provider": posting.provider,
            "model": posting.model,
        }
        fixed = {"allowance_id": allowance.allowance_id, "job_id": posting.job_id}
        if new:
            self.db.run(_NEW_CALL, **facts, **fixed)
        else:
            self.db.run(_CALL_IS, **{k: v for k, v in facts.items() if k not in ("provider", "model")})
        self._count(allowance, facts, +1)

    def _hold(self, allowance: Allowance, posting: Posting, microusd: int) -> None:
        """Put so much more into the call's hold: from its allowance, and what that does not cover as an overrun."""
        hold, covered = hold_account(posting.call_id), min(microusd, allowance.balance)
        self.move("hold", allowance.name, hold, covered, allowance, posting)
        allowance.balance -= covered
        self._overrun(allowance, hold, microusd - covered, posting)

    def _overrun(self, allowance: Allowance, taker: str, microusd: int, posting: Posting) -> None:
        self.move("overrun", FUNDS, taker, microusd, allowance, posting)
        allowance.overrun += microusd
        self._taken(allowance, microusd)

    def _settle(self, allowance: Allowance, posting: Posting, held: int) -> None:
        charge, spent = posting.microusd, spent_account(posting.provider)
        if not held:
            if charge > allowance.balance:
                more = charge - allowance.balance
                self._overrun(allowance, allowance.name, more, posting)
                allowance.balance += more
            self.move("settle", allowance.name, spent, charge, allowance, posting)
            allowance.balance -= charge
            return
        hold = hold_account(posting.call_id)
        if charge > held:
            self._hold(allowance, posting, charge - held)
        self.move("settle", hold, spent, charge, allowance, posting)
        self._from_hold(allowance, posting, "return", max(0, held - charge))

    def _release(self, allowance: Allowance, posting: Posting, held: int) -> None:
        if held:
            self._from_hold(allowance, posting, "release", held)
        else:
            self.move("release", hold_account(posting.call_id), allowance.name, 0, allowance, posting)

    def _from_hold(self, allowance: Allowance, posting: Posting, kind: str, microusd: int) -> None:
        """Back into the allowance, as far as it had that much; where that is over, back to where it came from."""
        hold, ours = hold_account(posting.call_id), min(microusd, allowance.overrun)
        if allowance.closed or ours == microusd:
            self.give_back(allowance, hold, microusd, kind, posting)
            return
        self.give_back(allowance, hold, ours, "return", posting)
        self.move(kind, hold, allowance.name, microusd - ours, allowance, posting)
        allowance.balance += microusd - ours

    def charge(self, allowance: Allowance, posting: Posting, before: int) -> None:
        """Correct what a call that is over was charged."""
        more, spent = posting.microusd - before, spent_account(posting.provider)
        if more > 0:
            self.move("adjust", FUNDS, spent, more, allowance, posting)
            allowance.overrun += more
            self._taken(allowance, more)
        else:
            self.give_back(allowance, spent, -more, "adjust", posting)

    # -- entries and sums ---------------------------------------------------------------------------------------------

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

    def uncount(self, allowance: Allowance, call: Row) -> None:
        """Take a call out of its day, before it is written anew."""
        self._count(allowance, call, -1)

    def _count(self, allowance: Allowance, call: Row, sign: int) -> None:
        its, kind = allowance.account, call["kind"]
        key = (
            call["at"][:10],
            its.project,
            its.user,
            its.api_key or "",
            its.workflow or "",
            call["provider"],
            call["model"],
        )
        sums = self._days.setdefault(key, dict.fromkeys(_DAY, 0))
        doubt = kind == "unknown"
        one = {
            "calls": 1,
            "unknown": int(doubt),
            "released": int(kind == "released"),
            "cached": int(bool(call["cached"])),
            "images": call["images"],
            "microusd": 0 if doubt else call["microusd"],
            "unknown_microusd": call["microusd"] if doubt else 0,
        }
        for name, value in one.items():
            sums[name] += sign * value

    def finish(self, *, refuse: bool = False) -> list[str]:
        """Write the sums. With ``refuse`` raises BudgetExceeded. Returns budgets that passed their soft limits."""
        for allowance in self._open.values():
            if allowance.changed:
                self._save(allowance)
        passed = self.counters.apply(self.db, self.at, refuse=refuse)
        names = ("day", "project", "user_name", "api_key", "workflow", "provider", "model")
        for key in sorted(self._days):
            if any(self._days[key].values()):
                self.db.run(_DAILY, **dict(zip(names, key, strict=True)), **self._days[key])
        return passed

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
