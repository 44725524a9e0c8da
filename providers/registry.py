"""The adapters there are, in the order in which they are listed to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InternalError, UnknownModel
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
    known = by_name(adapters)
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
    return tuple(by_name(ADAPTERS))


def by_name(adapters: Sequence[Any]) -> dict[str, Any]:
    """The adapters by name. Raises InternalError naming the first member that is no adapter."""
    found: dict[str, Any] = {}
    for adapter in adapters:
        if (problem := _problem(adapter, found)) is not None:
            raise InternalError(f"The provider adapter {getattr(adapter, '__qualname__', adapter)!r} {problem}.")
        found[adapter.name] = adapter
    return found


def _problem(adapter: Any, others: dict[str, Any]) -> str | None:
    if not (isinstance(adapter, type) and issubclass(adapter, Provider)):
        return "is no class derived from Provider"
    name = getattr(adapter, "name", None)
    if not isinstance(name, str) or not name:
        return "has no name"
    if name in others:
        return f"has the name {name!r}, which another one has"
    if not isinstance(getattr(adapter, "resumable", None), bool):
        return "does not say whether it is resumable"
    if missing := getattr(adapter, "__abstractmethods__", None):
        return f"lacks {', '.join(sorted(missing))}"
    return None if callable(getattr(adapter, "open", None)) else "has no open()"
