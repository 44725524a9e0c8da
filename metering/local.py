"""What images cost that were made on a GPU of one's own, or on one rented by the hour. Pure.

The orchestrator measures the time in which nodes that need a model and make no call were at work on the worker, for one
job: from when each was heard to begin until it was heard to end, and what overlaps counts once. What our own nodes
sample (``local/…`` models, Local Sample) is a call like a hosted one and has its own entry, with the time that
the device worked on it; it is never measured twice. Waiting in the queue, waiting for providers, moderating and signing
are in neither; nor is an idle hour: that is what the utilisation of ``mintmark cost breakeven`` is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import InvalidInput
from .breakeven import MICRO, OwnedHour

PROVIDER = "local"
"""Whose calls these are in the ledger, beside those of hosted providers."""

_SECONDS = Decimal(3600)
_PARTS = {
    "capital": ("capital", True),
    "months": ("lifetime_months", False),
    "watts": ("watts", False),
    "kwh": ("kilowatt_hour", True),
    "days": ("operations_days", False),
    "day_rate": ("day_rate", True),
}
"""Of MINTMARK_GPU_HOUR_USD: which part of an owned hour each is, and whether it is money."""


def hour_microusd(parts: Mapping[str, float]) -> Decimal:
    """Cost of a GPU hour: ``{"hour": 1.2}`` as it is rented, or what it is built from where it is owned.

    Raises InvalidInput for parts that no hour is built from.
    """
    if "hour" in parts and len(parts) == 1:
        return Decimal(str(parts["hour"])) * MICRO
    if unknown := sorted(set(parts) - set(_PARTS)):
        raise InvalidInput(f"MINTMARK_GPU_HOUR_USD: {', '.join(unknown)} is no part of an hour's cost.", hint=_HINT)
    if not {"capital", "months"} <= set(parts):
        raise InvalidInput("MINTMARK_GPU_HOUR_USD: capital and months are needed.", hint=_HINT)
    values = {
        field_name: Decimal(str(parts[name])) * (MICRO if money else 1)
        for name, (field_name, money) in _PARTS.items()
        if name in parts
    }
    return OwnedHour(**values).cost()


_HINT = "A number, or: " + ",".join(f"{name}=…" for name in _PARTS)


def charge(seconds: float, hour: Decimal) -> int:
    """What so many seconds of a GPU cost, in micro-dollars."""
    return round(Decimal(str(max(0.0, seconds))) * hour / _SECONDS)


def seconds_of(microusd: int, hour: Decimal) -> float | None:
    """How many seconds of a GPU this was at that price of an hour; None where an hour costs nothing."""
    return round(float(microusd * _SECONDS / hour), 1) if hour else None


def worked(seconds: float) -> str:
    """In words, as the ledger keeps it beside the charge."""
    return f"{seconds:.3f} GPU seconds"


@dataclass
class BusyTime:
    """For how long any of some nodes was at work. Times are seconds on one clock, and may be told twice."""

    seconds: float = 0.0
    _running: set[str] = field(default_factory=set)
    _since: float = 0.0

    def begin(self, node: str, at: float) -> None:
        """The node began, unless it had already."""
        if not self._running:
            self._since = at
        self._running.add(node)

    def end(self, node: str, at: float) -> None:
        """The node is done."""
        if node in self._running:
            self._running.discard(node)
            if not self._running:
                self.seconds += max(0.0, at - self._since)

    def end_all(self, at: float) -> None:
        """Nothing is at work any more."""
        for node in tuple(self._running):
            self.end(node, at)
