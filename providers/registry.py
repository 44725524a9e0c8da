"""The adapters there are, in the order in which they are listed to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..discovery import members
from ..errors import UnknownModel
from .azure import Azure
from .azure_content_safety import content_safety_client
from .base import NO_OPTIONS, Provider
from .bedrock import Bedrock
from .bfl import Bfl
from .fal import Fal
from .firefly import Firefly
from .google import Google
from .google_vision import google_vision_client
from .http import HttpClient
from .huggingface import HuggingFace
from .ideogram import Ideogram
from .openai import OpenAI
from .openai_moderations import openai_moderations_client
from .rekognition import rekognition_client
from .replicate import Replicate
from .secret import Secret
from .stability import Stability

ADAPTERS: tuple[Any, ...] = (
    OpenAI,
    Fal,
    Bfl,
    Replicate,
    Stability,
    Bedrock,
    Ideogram,
    HuggingFace,
    Azure,
    Google,
    Firefly,
)
"""To add a provider: write its file, add its class here, and its models to ``catalog/``. Each has ``open``."""


class Service(Protocol):
    """A moderation service that a checker asks (``moderation/base.py`` says how)."""

    async def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object answered to a POST. Raises ProviderError; nothing is ever charged."""


SERVICES: Mapping[str, Callable[..., Service]] = {
    "openai": openai_moderations_client,
    "content-safety": content_safety_client,
    "rekognition": rekognition_client,
    "google-vision": google_vision_client,
}
"""Moderation services by the name that their checker asks for. To add one: write its client, and name it here."""


def open_provider(
    name: str,
    http: HttpClient,
    *,
    key: Secret,
    sandbox_url: str | None = None,
    base_url: str | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
    adapters: Sequence[Any] = ADAPTERS,
) -> Provider:
    """The provider's adapter, bound to its key and to the live API, or to the sandbox at ``sandbox_url``.

    ``base_url`` is another place where the live API is reached: a gateway of the user's own.
    Raises UnknownModel where no adapter has this name, and InternalError naming a malformed member of the list.
    """
    known = _known(adapters)
    if name not in known:
        raise UnknownModel(f"No provider {name!r} can be called here.", hint=f"Providers: {', '.join(known)}.")
    opened: Provider = known[name].open(http, key=key, sandbox_url=sandbox_url, base_url=base_url, options=options)
    return opened


def open_service(
    name: str,
    http: HttpClient,
    *,
    key: Secret,
    sandbox_url: str | None = None,
    base_url: str | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
) -> Service:
    """A client of a moderation service: live, the sandbox's, or behind a gateway. Raises KeyError for one unknown."""
    return SERVICES[name](http, key=key, sandbox_url=sandbox_url, base_url=base_url, options=options)


def names() -> tuple[str, ...]:
    """The providers that can be called."""
    return tuple(_known(ADAPTERS))


def _known(adapters: Sequence[Any]) -> dict[str, Any]:
    return members("provider adapter", adapters, Provider, needs={"resumable": bool, "open": Callable})
