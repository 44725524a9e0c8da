"""What was heard of a job's hosted calls while its worker lived; all there is when its journal is gone. Pure."""

from __future__ import annotations

from ...generation.call import Entry
from ...metering.ledger import Posting
from ...metering.local import PROVIDER

_OVER = ("settled", "released", "unknown")


class Hearsay:
    """The last word on each call. Entries may come twice and in any order; their numbers order them."""

    def __init__(self) -> None:
        self._last: dict[str, Entry] = {}

    def take(self, entry: Entry) -> None:
        """One entry of the worker's journal. What moves no call is passed over."""
        if entry.call_id is None or entry.kind not in (*_OVER, "asking", "accepted"):
            return
        known = self._last.get(entry.call_id)
        if known is None or known.seq < entry.seq:
            self._last[entry.call_id] = entry

    @property
    def nothing(self) -> bool:
        """Whether no call was heard of."""
        return not self._last

    def doubtful(self) -> list[Posting]:
        """The calls that were asked and whose end nobody will learn: each counts as unknown, with its whole hold. Those
        that the worker made itself ended with it, and nobody bills them."""
        return [
            Posting(
                call_id=call_id,
                job_id=entry.job_id,
                kind="unknown",
                microusd=int(entry.data.get("hold_microusd", 0)),
                provider=str(entry.data.get("provider")),
                model=str(entry.data.get("model")),
                request_id=entry.data.get("request_id"),
                at=entry.at,
            )
            for call_id, entry in self._last.items()
            if entry.kind not in _OVER and entry.data.get("provider") != PROVIDER
        ]
