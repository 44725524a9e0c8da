"""Calls by day and by what reports ask for: sums that are written with the calls, at the end of a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ledger import Account

if TYPE_CHECKING:
    from ..storage.base import Row, Session

_KEY = ("day", "project", "user_name", "api_key", "workflow", "provider", "model")
_DAY = ("calls", "unknown", "released", "cached", "images", "microusd", "unknown_microusd")
_DAILY = f"""
INSERT INTO daily (day, project, user_name, api_key, workflow, provider, model, {", ".join(_DAY)})
VALUES (:day, :project, :user_name, :api_key, :workflow, :provider, :model, {", ".join(f":{each}" for each in _DAY)})
ON CONFLICT (day, project, user_name, api_key, workflow, provider, model) DO UPDATE SET
{", ".join(f"{each} = daily.{each} + excluded.{each}" for each in _DAY)}
"""  # noqa: S608 - constants of this file


class Days:
    """The changes of one transaction. Many share a row, so each is written once, in one fixed order."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], dict[str, int]] = {}

    def count(self, account: Account, call: Row, sign: int) -> None:
        """Put a call into its day, or (``sign`` -1) take it out before it is written anew."""
        kind = call["kind"]
        key = (
            call["at"][:10],
            account.project,
            account.user,
            account.api_key or "",
            account.workflow or "",
            call["provider"],
            call["model"],
        )
        sums = self._sums.setdefault(key, dict.fromkeys(_DAY, 0))
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

    def write(self, db: Session) -> None:
        """Add the changes to what stands there."""
        for key in sorted(self._sums):
            if any(self._sums[key].values()):
                db.run(_DAILY, **dict(zip(_KEY, key, strict=True)), **self._sums[key])
