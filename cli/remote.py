"""Commands that ask the running service: where it is and the key that opens it are the Python client's settings."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..errors import MintmarkError, NotAuthenticated, ServiceUnreachable

_COMMANDS = {"GET /v1/workers": "mintmark worker list"}
"""What a hint of the service's says to ask, and the command that asks it."""
LOOK_S = 5.0
"""How long :func:`look` waits until somebody takes the call."""


def ask(method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
    """The answer's JSON. Raises what the service says is wrong, and ServiceUnreachable."""
    return asyncio.run(_ask(method, path, body, query))


def look(path: str) -> Any:
    """As :func:`ask` with ``GET``, for what is only good to know: asked once, and not again where nobody answers."""
    return asyncio.run(_look(path))


async def _look(path: str) -> Any:
    from .. import config
    from ..client.transport import Transport, told
    from ..config.client import ClientSettings

    found = config.load_section(ClientSettings, config.sources())
    async with (
        Transport(found.url, found.api_key, timeout_s=LOOK_S) as line,
        line.request("GET", path) as answer,
    ):
        return await told(answer)


async def _ask(method: str, path: str, body: Any, query: Mapping[str, str] | None) -> Any:
    from .. import config
    from ..client.transport import Transport
    from ..config.client import ClientSettings

    found = config.load_section(ClientSettings, config.sources())
    # A line that breaks is tried again, and must add nothing twice.
    headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
    async with Transport(found.url, found.api_key) as line:
        try:
            return await line.json(method, path, body, headers=headers, query=query)
        except MintmarkError as exc:
            exc.hint = _advice(exc)
            raise


def _advice(error: MintmarkError) -> str:
    """The error's hint for who asked with a command: what the service advises is for those who write requests."""
    if isinstance(error, NotAuthenticated):
        return "Set MINTMARK_CLIENT_API_KEY to a key of the service's: mintmark apikeys create NAME."
    if isinstance(error, ServiceUnreachable):
        return f"{error.hint} Elsewhere? Set MINTMARK_CLIENT_URL."
    for request, command in _COMMANDS.items():
        error.hint = error.hint.replace(request, command)
    return error.hint


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")
