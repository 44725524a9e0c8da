"""fal: ``GET /v1/models/pricing?endpoint_id=…``, an app's price for this account.

It takes 1 to 50 ids, and answers 404 where it does not know one of them (fal.ai/docs/platform-apis/v1/models/pricing).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from ..hosts import base_of
from .base import Asking, Listed, Lister, Listing, document, rows

_MOST = 50


class FalPricing(Lister):
    """The prices of our apps. What other apps there are is not asked: there are thousands."""

    provider = "fal"

    async def ask(self, asking: Asking, ids: Iterable[str]) -> Listing:
        names, models = sorted(ids), dict[str, Listed]()
        for start in range(0, len(names), _MOST):
            models |= await self._priced(asking, names[start : start + _MOST])
        return Listing(models=models, is_whole=False)

    async def _priced(self, asking: Asking, names: Sequence[str]) -> dict[str, Listed]:
        # A gateway of the user's own stands before the queue, which is another host than this API's.
        base = base_of("https://api.fal.ai/v1", "/fal/api/v1", asking.sandbox_url, None)
        headers = {"Authorization": f"Key {asking.key.reveal()}"}
        query = urlencode([("endpoint_id", name) for name in names])
        reply = await asking.get(self.provider, f"{base}/models/pricing?{query}", headers)
        if reply.status == 404:
            # It does not say which one it does not know: the half that has it is found by asking for each.
            half = len(names) // 2
            parts = [part for part in (names[:half], names[half:]) if part] if half else []
            return {name: listed for part in parts for name, listed in (await self._priced(asking, part)).items()}
        found = rows(self.provider, document(self.provider, reply), "prices")
        return {str(row.get("endpoint_id")): _listed(row) for row in found}


def _listed(row: dict[str, Any]) -> Listed:
    try:
        price = Decimal(str(row.get("unit_price"))) * 1_000_000
    except InvalidOperation:
        return Listed()
    # Another currency than ours cannot be compared.
    known = price if price.is_finite() and row.get("currency", "USD") == "USD" else None
    return Listed(microusd=known, unit=str(row.get("unit", "")))
