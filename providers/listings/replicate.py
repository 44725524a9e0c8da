"""Replicate: ``GET /v1/models/{owner}/{name}``, which tells neither dates nor prices (replicate.com/docs)."""

from __future__ import annotations

from collections.abc import Iterable

from ..hosts import base_of
from .base import Asking, Listed, Lister, Listing, document


class ReplicateModels(Lister):
    """Our models, one by one: the list of all has everybody's."""

    provider = "replicate"

    async def ask(self, asking: Asking, ids: Iterable[str]) -> Listing:
        base = base_of("https://api.replicate.com/v1", "/replicate/v1", asking.sandbox_url, asking.base_url)
        headers = {"Authorization": f"Bearer {asking.key.reveal()}"}
        models: dict[str, Listed] = {}
        for name in sorted(ids):
            reply = await asking.get(self.provider, f"{base}/models/{name}", headers)
            if reply.status != 404:
                document(self.provider, reply)
                models[name] = Listed()
        return Listing(models=models, is_whole=False)

    def id_of(self, endpoint: str) -> str:
        """Without the version that a run may be pinned to."""
        return endpoint.partition(":")[0]
