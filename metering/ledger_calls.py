"""Calls within one transaction: what became of them is booked, once, and may be corrected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import UnknownCall
from .accounts import hold_account, spent_account
from .ledger import Account, Correction, Posting
from .ledger_allowances import Allowance, Allowances
from .ledger_days import Days
from .periods import stamp

if TYPE_CHECKING:
    from ..storage.base import Row

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


class Calls:
    """``allowances``: what pays for them; ``days``: where they are counted."""

    def __init__(self, allowances: Allowances, days: Days) -> None:
        self.db, self.allowances, self.days = allowances.db, allowances, days

    def post(self, postings: Iterable[Posting]) -> None:
        """Book them, each once."""
        given = list(postings)
        named = [(self._allowance_of(each), each) for each in given]
        for allowance_id, posting in sorted(named, key=lambda each: each[0]):
            self.allowances.open(allowance_id, posting.job_id, Account())
        for allowance_id, posting in named:
            self._post(self.allowances.open(allowance_id, posting.job_id, Account()), posting)

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
            self.days.count(allowance.account, known, -1)
        if posting.kind == "unknown":
            self._hold(allowance, posting, posting.microusd)
        elif posting.kind == "settled":
            self._settle(allowance, posting, held)
        else:
            self._release(allowance, posting, held)
        self._write(allowance, posting, new=known is None)
        if posting.kind != "unknown" and allowance.allowance_id == posting.call_id:
            self.allowances.close(allowance)

    def call(self, call_id: str) -> Row | None:
        """The call as it stands."""
        rows = self.db.run(_CALL, call_id=call_id)
        return rows[0] if rows else None

    def _write(self, allowance: Allowance, posting: Posting, *, new: bool) -> None:
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
        self.days.count(allowance.account, facts, +1)

    def _hold(self, allowance: Allowance, posting: Posting, microusd: int) -> None:
        """Put so much more into the call's hold: from its allowance, and what that does not cover as an overrun."""
        hold, covered = hold_account(posting.call_id), min(microusd, allowance.balance)
        self.allowances.move("hold", allowance.name, hold, covered, allowance, posting)
        allowance.balance -= covered
        self.allowances.overrun("overrun", allowance, hold, microusd - covered, posting)

    def _settle(self, allowance: Allowance, posting: Posting, held: int) -> None:
        charge, spent = posting.microusd, spent_account(posting.provider)
        if not held:
            if charge > allowance.balance:
                more = charge - allowance.balance
                self.allowances.overrun("overrun", allowance, allowance.name, more, posting)
                allowance.balance += more
            self.allowances.move("settle", allowance.name, spent, charge, allowance, posting)
            allowance.balance -= charge
            return
        hold = hold_account(posting.call_id)
        if charge > held:
            self._hold(allowance, posting, charge - held)
        self.allowances.move("settle", hold, spent, charge, allowance, posting)
        self._from_hold(allowance, posting, "return", max(0, held - charge))

    def _release(self, allowance: Allowance, posting: Posting, held: int) -> None:
        if held:
            self._from_hold(allowance, posting, "release", held)
        else:
            self.allowances.move("release", hold_account(posting.call_id), allowance.name, 0, allowance, posting)

    def _from_hold(self, allowance: Allowance, posting: Posting, kind: str, microusd: int) -> None:
        """Back into the allowance, as far as it had that much; where that is over, back to where it came from."""
        hold, ours = hold_account(posting.call_id), min(microusd, allowance.overrun)
        if allowance.closed or ours == microusd:
            self.allowances.give_back(allowance, hold, microusd, kind, posting)
            return
        self.allowances.give_back(allowance, hold, ours, "return", posting)
        self.allowances.move(kind, hold, allowance.name, microusd - ours, allowance, posting)
        allowance.balance += microusd - ours

    def _charge(self, allowance: Allowance, posting: Posting, before: int) -> None:
        """Correct what a call that is over was charged."""
        more, spent = posting.microusd - before, spent_account(posting.provider)
        if more > 0:
            self.allowances.overrun("adjust", allowance, spent, more, posting)
        else:
            self.allowances.give_back(allowance, spent, -more, "adjust", posting)

    def assign(self, allowance: Allowance, account: Account) -> None:
        """Book it, and what it paid already, on another account from now on."""
        if account == allowance.account:
            return
        paid = self.db.run(_CALLS, job_id=allowance.job_id, allowance_id=allowance.allowance_id)
        for call in paid:
            self.days.count(allowance.account, call, -1)
        self.allowances.assign(allowance, account)
        for call in paid:
            self.days.count(allowance.account, call, +1)

    def correct(self, its: Correction) -> None:
        """Bring a call to this charge, whatever it stands at. Raises UnknownCall."""
        call = self.call(its.call_id)
        allowance = self.allowances.find(call["allowance_id"]) if call else None
        # Once more, now that nobody else can change it.
        call = self.call(its.call_id)
        if call is None or allowance is None:
            raise UnknownCall(f"The ledger has no call {its.call_id}.", hint="See: mintmark ledger list --json")
        facts = {**dict(call), "cached": bool(call["cached"]), "reason": its.reason, "microusd": its.microusd}
        facts["request_id"] = its.request_id or call["request_id"]
        facts = {key: facts[key] for key in Posting.model_fields}
        if call["kind"] == "unknown":
            kind = "settled" if its.microusd else "released"
            self.post([Posting.model_validate({**facts, "kind": kind})])
        elif its.microusd != call["microusd"]:
            posting = Posting.model_validate({**facts, "kind": "settled"})
            self.days.count(allowance.account, call, -1)
            self._charge(allowance, posting, call["microusd"])
            self._write(allowance, posting, new=False)
