"""The adapters there are, in the order in which they are listed to people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..discovery import members
from ..errors import UnknownModel
from .base import Provider
from .bfl import Bfl
from .fal import Fal
from .http import HttpClient
from .openai import OpenAI
from .openai_moderations import ModerationsClient, openai_moderations_client
from .replicate import Replicate
from .secret import Secret
from .stability import Stability

ADAPTERS: tuple[Any, ...] = (OpenAI, Fal, Bfl, Replicate, Stability)
"""To add a provider: write its file, add its class here, and its models to ``catalog/``. Each has ``open``."""


def open_provider(
    name: str,
    http: HttpClient,
    *,
    key: Secret,
    sandbox_url: str | None = None,
    base_url: str | None = None,
    adapters: Sequence[Any] = ADAPTERS,
) -> Provider:
    """The provider's adapter, bound to its key and to the live API, or to the sandbox at ``sandbox_url``.

    ``base_url`` is another place where the live API is reached: a gateway of the user's own.
    Raises UnknownModel where no adapter has this name, and InternalError naming a malformed member of the list.
    """
    known = _known(adapters)
    if name not in known:
        raise UnknownModel(f"No provider {name!r} can be called here.", hint=f"Providers: {', '.join(known)}.")
    opened: Provider = known[name].open(http, key=key, sandbox_url=sandbox_url, base_url=base_url)
    return opened


def open_moderations(
    http: HttpClient, *, key: Secret, sandbox_url: str | None = None, base_url: str | None = None
) -> ModerationsClient:
    """A client for OpenAI's moderations: live, the sandbox's, or behind a gateway."""
    return openai_moderations_client(http, key=key, sandbox_url=sandbox_url, base_url=base_url)


def names() -> tuple[str, ...]:
    """The providers that can be called."""
    return tuple(_known(ADAPTERS))


def _known(adapters: Sequence[Any]) -> dict[str, Any]:
    return members("provider adapter", adapters, Provider, needs={"resumable": bool, "open": Callable})
