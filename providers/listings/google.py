"""Google: ``GET /v1beta/models`` of the Gemini API (ai.google.dev/api/models). It tells which there are, and no dates.

Vertex lists other models by project and place; what a catalog row names is the same id in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from ...errors import MissingKey
from ..google_place import GEMINI_URL, GEMINI_VERSION, under
from .base import Asking, Listed, Lister, Listing, document, rows

_MOST = "1000"
"""A page's models, at most."""
_MOST_PAGES = 20


class GeminiModels(Lister):
    """The Gemini API's list, page by page."""

    provider = "google"

    async def ask(self, asking: Asking, ids: Iterable[str]) -> Listing:
        if not asking.key:
            raise MissingKey("The Gemini API lists models to a key alone.", hint="mintmark keys set google")
        base = under(GEMINI_URL, GEMINI_VERSION, asking.sandbox_url, asking.base_url)
        headers, models, token = {"x-goog-api-key": asking.key.reveal()}, dict[str, Listed](), ""
        for _ in range(_MOST_PAGES):
            query = urlencode({"pageSize": _MOST, **({"pageToken": token} if token else {})})
            found = document(self.provider, await asking.get(self.provider, f"{base}/models?{query}", headers))
            names = (str(row.get("name")).removeprefix("models/") for row in rows(self.provider, found, "models"))
            models |= {name: Listed() for name in names if "image" in name}
            token = str(found.get("nextPageToken") or "")
            if not token:
                break
        return Listing(models=models, is_whole=True)
