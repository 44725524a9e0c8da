"""What the Python client can be told: where the service is, and the key that opens it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import kinds
from .section import Section, always, setting


@dataclass(frozen=True, kw_only=True)
class ClientSettings(Section):
    """How :class:`mintmark.Client` reaches the service, where the caller does not say."""

    table: ClassVar[str] = "client"

    url: str = setting(
        "MINTMARK_CLIENT_URL",
        "The service that `mintmark.Client` talks to.",
        "http://127.0.0.1:8199",
        kinds.URL,
        steers=True,
    )
    api_key: str | None = setting(
        "MINTMARK_CLIENT_API_KEY", "The API key that `mintmark.Client` sends.", None, kinds.TEXT, secret=always
    )


SECTION = ClientSettings
