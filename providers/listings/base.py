"""What a vendor's list of models is, and how it is asked for: free questions, put with the account's own key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from ...errors import BadAnswer, ProviderAuth, ProviderDown
from ..http import MIB, Failure, HttpClient, Reply, Sign
from ..secret import Secret

NO_HEADERS: Mapping[str, str] = {}
_LARGEST = 16 * MIB
_REFUSED = (401, 403)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a vendor says of one of its models; None: it does not say."""

    retires_on: date | None = None
    is_legacy: bool = False
    microusd: Decimal | None = None
    unit: str = ""
    """What the price is for, in the vendor's word: ``images``, ``megapixels``."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A vendor's models by its own ids."""

    models: Mapping[str, Listed]
    is_whole: bool
    """All its image models are in it: one that we have and it has not is gone, one that we have not is new. Otherwise
    the vendor was asked for ours alone."""
    tells_dates: bool = False
    """Whether a model without a date of its end surely has none."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """An account at a vendor, or at the sandbox. The key goes to the vendor's own address alone."""

    http: HttpClient
    key: Secret
    """Empty where this machine's own account is to be used."""
    sandbox_url: str | None = None
    base_url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    async def get(
        self, provider: str, url: str, headers: Mapping[str, str] = NO_HEADERS, *, sign: Sign | None = None
    ) -> Reply:
        """The answer, whatever its status but those below. Raises ProviderAuth and ProviderDown."""
        try:
            reply = await self.http.send(
                "GET", url, headers=headers, max_bytes=_LARGEST, repeat="idempotent", sign=sign
            )
        except Failure as exc:
            raise ProviderDown(f"{provider} could not be asked: {exc}.", provider=provider, charged="no") from exc
        if reply.status in _REFUSED:
            raise ProviderAuth(
                f"{provider} does not let this key list models (status {reply.status}).",
                hint=f"Check the key: mintmark keys list; set another one: mintmark keys set {provider}",
                provider=provider,
                charged="no",
            )
        if reply.status == 429 or reply.status >= 500:
            raise ProviderDown(
                f"{provider} does not list its models at the moment (status {reply.status}).",
                hint="Try again later.",
                provider=provider,
                charged="no",
            )
        return reply


class Lister(ABC):
    """How one vendor is asked. Stateless."""

    provider: ClassVar[str]

    @abstractmethod
    async def ask(self, asking: Asking, ids: Iterable[str]) -> Listing:
        """What the vendor lists; ``ids`` are ours, for one that must be asked for each.

        Raises ProviderError where it cannot be asked.
        """

    def id_of(self, endpoint: str) -> str:
        """The id under which the vendor lists what the catalog's ``endpoint`` names."""
        return endpoint


def document(provider: str, reply: Reply) -> dict[str, Any]:
    """The answer's JSON. Raises BadAnswer for any other answer."""
    try:
        if reply.status == 200:
            return reply.json()
    except ValueError:
        pass
    raise BadAnswer(
        f"{provider} answered the question for its models with something else (status {reply.status}).",
        provider=provider,
        charged="no",
    )


def rows(provider: str, found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of objects in an answer. Raises BadAnswer where there is none."""
    listed = found.get(name)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadAnswer(f"{provider}'s list of models has no {name!r}.", provider=provider, charged="no")
    return listed


def day(value: Any) -> date | None:
    """A date as vendors write it: ISO 8601, with or without a time. None for anything else."""
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        return None
