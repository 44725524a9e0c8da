"""Bedrock: ``ListFoundationModels`` of the control plane, ``bedrock.<region>`` (botocore's model of it, 1.44.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..aws import Account, bearer, region_of
from ..hosts import base_of
from .base import Asking, Listed, Lister, Listing, day, document, rows

_PROFILE = re.compile(r"^(us|eu|apac|global)\.")
"""What an inference profile's id has before the model's."""


class FoundationModels(Lister):
    """What the account's region has."""

    provider = "bedrock"

    async def ask(self, asking: Asking, ids: Iterable[str]) -> Listing:
        region = region_of(self.provider, asking.options)
        live = f"https://bedrock.{region}.amazonaws.com"
        # A gateway of the user's own stands before the runtime, which is another host than this one.
        url = f"{base_of(live, '/bedrock', asking.sandbox_url, None)}/foundation-models?byOutputModality=IMAGE"
        if asking.key:
            sign = bearer(asking.key)
        else:
            sign = Account(self.provider).signer("GET", url, service="bedrock", region=region)
        found = document(self.provider, await asking.get(self.provider, url, sign=sign))
        models = {
            str(row.get("modelId")): _listed(row.get("modelLifecycle"))
            for row in rows(self.provider, found, "modelSummaries")
        }
        return Listing(models=models, is_whole=True)

    def id_of(self, endpoint: str) -> str:
        """Without the place of an inference profile, which is no model of its own."""
        return _PROFILE.sub("", endpoint)


def _listed(lifecycle: Any) -> Listed:
    told = lifecycle if isinstance(lifecycle, dict) else {}
    return Listed(retires_on=day(told.get("endOfLifeTime")), is_legacy=told.get("status") == "LEGACY")
