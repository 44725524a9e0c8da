"""How a vendor is asked for what it publishes of an app; nothing of this is ever charged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ...errors import BadAnswer, UnknownModel
from ..http import MIB, Failure, HttpClient
from ..refusals import Vendor
from .published import Published

_LARGEST = 16 * MIB


@runtime_checkable
class Publisher(Protocol):
    """An adapter whose vendor has apps beside those of the catalog."""

    async def published(self, app: str) -> Published:
        """What the vendor publishes of an app of this id.

        Raises UnknownModel where there is none, and ProviderError where it cannot be asked.
        """


async def document(
    http: HttpClient, url: str, headers: Mapping[str, str], *, vendor: Vendor, app: str
) -> dict[str, Any]:
    """The JSON document at the URL. Raises UnknownModel, ProviderAuth, ProviderDown and BadAnswer."""
    try:
        reply = await http.send("GET", url, headers=headers, max_bytes=_LARGEST, repeat="idempotent")
    except Failure as failure:
        raise vendor.unreached(failure, "no") from None
    if reply.status in (400, 404, 422):
        raise unknown(vendor, app)
    if reply.status != 200:
        problem = vendor.refused(reply, "it does not tell what the app takes")
        problem.charged = "no"
        raise problem
    try:
        return reply.json()
    except ValueError:
        raise BadAnswer(
            f"{vendor.title}'s document of {app} is no JSON.", provider=vendor.provider, charged="no"
        ) from None


def unknown(vendor: Vendor, app: str) -> UnknownModel:
    """There is no such app, or nobody says what it takes."""
    return UnknownModel(
        f"{vendor.title} publishes no inputs of an app {app!r}.",
        hint="Copy its id from its page; see also: mintmark models list",
    )
