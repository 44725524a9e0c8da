"""Prepaid credit: whose it is, and how it stands. Pure; the ledger keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from .accounts import Owner


@dataclass(frozen=True)
class Lot:
    """One top-up, in micro-dollars. ``lot_id`` is the idempotency key it came with."""

    lot_id: str
    at: str
    expires_at: str | None
    microusd: int
    left_microusd: int


@dataclass(frozen=True)
class Credit:
    """An owner's prepaid credit: what is left, by lots, the one that is used first at the top."""

    owner: Owner
    name: str
    lots: tuple[Lot, ...]

    @property
    def left_microusd(self) -> int:
        return sum(lot.left_microusd for lot in self.lots)
