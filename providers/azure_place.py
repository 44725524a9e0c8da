"""Where a resource of Azure is, and what it calls its models.

A resource has one name and several hosts: ``<name>.openai.azure.com``, ``<name>.cognitiveservices.azure.com`` and
``<name>.services.ai.azure.com``. OpenAI's API is served on each of them, Black Forest Labs' own on the last alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..errors import BadSetting
from .model import Model

API_VERSION = "2025-04-01-preview"
"""Of the deployment form where none is set: the first with GPT image models, and the one FLUX is documented with."""
SANDBOX_PREFIX = "/azure"

_SUFFIXES = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_FOUNDRY = ".services.ai.azure.com"
_FAMILY = "deployment."
_BY_DEPLOYMENT = "deployments/"
_OWN_API = "providers/"


@dataclass(frozen=True)
class Resource:
    """``base`` is its origin, or the whole URL of a gateway before it. Without ``api_version`` OpenAI's API is asked in
    its v1 form, which has no versions and names the deployment in the body."""

    base: str
    api_version: str = ""
    deployments: Mapping[str, str] | None = None
    """By model (the part of our name after the slash), where the account calls the deployment otherwise."""

    @classmethod
    def of(cls, options: Mapping[str, str], sandbox_url: str | None, base_url: str | None) -> Resource:
        """The sandbox's, the one behind the user's gateway, or the one at ``endpoint``. Raises BadSetting for none."""
        place = f"{sandbox_url.rstrip('/')}{SANDBOX_PREFIX}" if sandbox_url else base_url or options.get("endpoint", "")
        if not place:
            raise BadSetting(
                "Azure's resource is not known: azure.endpoint is not set.",
                hint="Set AZURE_OPENAI_ENDPOINT, or MINTMARK_PROVIDER_OPTIONS=azure.endpoint=https://….openai.azure.com",
            )
        names = {key[len(_FAMILY) :]: name for key, name in options.items() if key.startswith(_FAMILY)}
        return cls(_origin(place), options.get("api_version", ""), names)

    def deployment(self, model: Model) -> str:
        """What the resource calls its deployment of this model."""
        own = next(iter(model.endpoint.values())).removeprefix(_BY_DEPLOYMENT)
        named = (self.deployments or {}).get(model.name.partition("/")[2])
        return named or model.wire.get("model", own)

    def images_path(self, model: Model, operation: str) -> str:
        """The path of OpenAI's API for the model; ``operation`` is ``images/generations`` or ``images/edits``."""
        if not self.api_version and not _needs_deployment(model):
            return f"openai/v1/{operation}"
        name = quote(self.deployment(model), safe="")
        return f"openai/deployments/{name}/{operation}?api-version={quote(self.api_version or API_VERSION)}"

    def url(self, path: str) -> str:
        """The URL of a path, on the host that serves it."""
        if not path.startswith(_OWN_API):
            return f"{self.base}/{path}"
        host = urlsplit(self.base).hostname or ""
        suffix = next((one for one in _SUFFIXES if host.endswith(one)), None)
        return f"{self.base.replace(suffix, _FOUNDRY) if suffix else self.base}/{path}"


def has_own_api(model: Model) -> bool:
    """Whether the model is served by its maker's own API instead of OpenAI's."""
    return next(iter(model.endpoint.values())).startswith(_OWN_API)


def is_v1(path: str) -> bool:
    """Whether a path is of the v1 form, which the plain OpenAI client asks."""
    return path.startswith("openai/v1/")


def _needs_deployment(model: Model) -> bool:
    return next(iter(model.endpoint.values())).startswith(_BY_DEPLOYMENT)


def _origin(place: str) -> str:
    """What paths are put behind: of Azure's own hosts the origin, since portals also show URLs with a path."""
    parts = urlsplit(place)
    if (parts.hostname or "").endswith(_SUFFIXES):
        return f"{parts.scheme}://{parts.netloc}"
    return re.sub(r"/openai(/v1)?$", "", place.rstrip("/"))
