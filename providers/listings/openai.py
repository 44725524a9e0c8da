"""OpenAI: ``GET /v1/models``, where a model that ends has its ``shutdown_date``, a day or null.

Read on developers.openai.com/api/docs/deprecations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..hosts import base_of
from .base import Asking, Listed, Lister, Listing, day, document, rows

_IMAGE = re.compile(r"(gpt-image|chatgpt-image|dall-e)-")
"""The list holds every model of the account and does not say which make images."""


class OpenAIModels(Lister):
    """The account's list."""

    provider = "openai"

    async def ask(self, asking: Asking, ids: Iterable[str]) -> Listing:
        base = base_of("https://api.openai.com/v1", "/openai/v1", asking.sandbox_url, asking.base_url)
        headers = {"Authorization": f"Bearer {asking.key.reveal()}"}
        found = document(self.provider, await asking.get(self.provider, f"{base}/models", headers))
        models = {
            str(row.get("id")): Listed(retires_on=day(row.get("shutdown_date")))
            for row in rows(self.provider, found, "data")
            if _IMAGE.match(str(row.get("id")))
        }
        return Listing(models=models, is_whole=True, tells_dates=True)
