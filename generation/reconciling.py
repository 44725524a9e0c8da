"""Calls in doubt: who they are, asking their providers what became of them, and deciding them by hand.

A call in doubt stands in the journal of the machine that made it, and as a hold in the ledger that granted its money.
Both may be here, or only one. Whatever is decided is written in the journal first, then in the ledger with its reason;
where it is decided differently later, the first outcome stays in the journal and the ledger is corrected.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .. import log
from ..errors import InvalidInput, MintmarkError, UnknownCall
from ..metering.ledger import Ledger, Line
from ..metering.prices import usd
from .books import posting
from .call import Call
from .caller import Caller
from .journal import PAGE, Journal

logger = log.get("generation.reconciling")

MOST = 100_000
"""Calls in doubt that are looked at."""
NOT_NAMED = "the provider never named it, so it cannot be asked; reconcile it by hand or by its invoice"
NOT_HERE = "it was made on another machine; ask there, or reconcile it by hand or by an invoice"


@dataclass(frozen=True)
class Doubt:
    """A call that may have been charged ``microusd``."""

    call_id: str
    job_id: str
    provider: str
    model: str
    request_id: str | None
    microusd: int
    since: datetime | None
    """When it became unknown."""
    in_ledger: bool
    """Whether its money was granted by the ledger here."""
    call: Call | None
    """As this machine's journal has it; None where it was made elsewhere, or is decided there."""
    reason: str | None = None
    """Why it is in doubt, in the journal's word: an error's code, mostly. None where it was made elsewhere."""

    @property
    def why_not(self) -> str | None:
        """Why its provider cannot be asked from here; None where it can."""
        if self.call is None:
            return NOT_HERE
        return None if self.call.handle or self.call.over else NOT_NAMED


@dataclass(frozen=True)
class Found:
    """What came of asking. ``state`` is ``unknown`` where nothing did, and then ``why`` says the reason."""

    doubt: Doubt
    state: Literal["settled", "released", "unknown"]
    microusd: int
    why: str


def doubts(ledger: Ledger, journal: Journal) -> list[Doubt]:
    """All calls in doubt that this machine knows of, the oldest first."""
    calls = {call.call_id: call for call in journal.unknown()}
    lines = {line.call_id: line for line in ledger.lines(kind="unknown", limit=MOST)}
    found = [
        _of_line(line, calls.get(call_id) or _decided(journal, call_id), journal) for call_id, line in lines.items()
    ]
    found += [_of_call(call, journal) for call_id, call in calls.items() if call_id not in lines]
    return sorted(found, key=lambda each: each.since.timestamp() if each.since else 0.0)


def find(every: Iterable[Doubt], name: str) -> Doubt | None:
    """The one with this id, or whose id begins so. Raises InvalidInput where several do."""
    found = [each for each in every if each.call_id.startswith(name)] if name else []
    if len(found) > 1:
        raise InvalidInput(f"{len(found)} calls in doubt begin with {name!r}.", hint="Give more of the id.")
    return found[0] if found else None


async def ask(doubt: Doubt, caller: Caller, ledger: Ledger) -> Found:
    """Ask the provider what became of the call, wait for its answer, and write that down.

    A result that was paid for is brought home into the spool, where the same job finds it.
    """
    call = doubt.call
    if call is None or doubt.why_not is not None:
        return Found(doubt, "unknown", doubt.microusd, doubt.why_not or NOT_HERE)
    why = "as the journal has it" if call.over else f"{call.provider} was asked"
    if call.state == "unknown":
        try:
            await caller.join(caller.provider(call.provider), call)
        except MintmarkError as exc:
            # Also where it is decided now, and its images cannot be fetched any more.
            why = exc.message
    now = caller.journal.call(call.call_id) or call
    if now.state not in ("settled", "released"):
        return Found(doubt, "unknown", doubt.microusd, why)
    if doubt.in_ledger:
        ledger.correct(now.call_id, now.charged_microusd, reason=why, request_id=now.request_id)
    state: Literal["settled", "released"] = "settled" if now.state == "settled" else "released"
    return Found(doubt, state, now.charged_microusd, why)


def decide(
    call_id: str, microusd: int, reason: str, ledger: Ledger, journal: Journal, *, request_id: str | None = None
) -> None:
    """Write down that the call was charged this much, or with 0 that it was not charged.

    Raises UnknownCall where neither journal nor ledger has it, and InvalidInput without a reason, and for a call that
    is still under way.
    """
    if not reason.strip():
        raise InvalidInput("--reason: say why, for whoever reads the books later.")
    call = journal.call(call_id)
    if call is not None and not call.over and call.state != "unknown":
        raise InvalidInput(f"Call {call_id} is still under way.", hint="Wait for it; after a crash, run anything once.")
    doubtful = call is not None and call.state == "unknown"
    if call is not None and doubtful:
        if microusd:
            facts: dict[str, Any] = {"microusd": microusd, "request_id": request_id or call.request_id, "result": {}}
            journal.move(call_id, "settled", reason=reason, **facts)
        else:
            journal.move(call_id, "released", reason=reason, request_id=request_id or call.request_id)
    try:
        ledger.correct(call_id, microusd, reason=reason, request_id=request_id)
    except UnknownCall:
        if not doubtful:
            raise
        # Another machine's ledger granted its money, and reads it in this journal.
        logger.info("Call %s is in another ledger", call_id, extra=log.action("reconciled", call_id=call_id))
    else:
        logger.info("Call %s: %s, %s", call_id, usd(microusd), reason, extra=log.action("reconciled", call_id=call_id))


def _decided(journal: Journal, call_id: str) -> Call | None:
    """The call where the journal knows its outcome and the ledger does not yet."""
    call = journal.call(call_id)
    return call if call is not None and call.over else None


def _of_line(line: Line, call: Call | None, journal: Journal) -> Doubt:
    return Doubt(
        call_id=line.call_id,
        job_id=line.job_id,
        provider=line.provider,
        model=line.model,
        request_id=line.request_id or (call.request_id if call else None),
        microusd=line.microusd,
        since=line.at,
        in_ledger=True,
        call=call,
        reason=_began(call, journal)[1] if call else None,
    )


def _of_call(call: Call, journal: Journal) -> Doubt:
    since, reason = _began(call, journal)
    return Doubt(
        call_id=call.call_id,
        job_id=call.job_id,
        provider=call.provider,
        model=call.model,
        request_id=call.request_id,
        microusd=call.hold_microusd,
        since=since,
        in_ledger=False,
        call=call,
        reason=reason,
    )


def _began(call: Call, journal: Journal) -> tuple[datetime | None, str | None]:
    """When the call became unknown, and why."""
    seq = 0
    while entries := journal.since(seq, job_id=call.job_id):
        for entry in entries:
            if entry.call_id == call.call_id and entry.kind == "unknown" and posting(entry) is not None:
                return entry.at, entry.data.get("reason")
        if len(entries) < PAGE:
            break
        seq = entries[-1].seq
    return None, None
