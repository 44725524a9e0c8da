"""Fetching what a provider's answer names: only from public addresses, whatever a name means at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult

from ..addresses import check_address
from .urls import is_loopback


class PublicConnector(aiohttp.TCPConnector):
    """Connects to public addresses, to hosts that are ``exempt`` (the user's own gateways), and to a sandbox that is
    asked for as this very machine. Raises ForbiddenTarget otherwise."""

    def __init__(self, *, exempt: frozenset[str] = frozenset(), **options: Any) -> None:
        super().__init__(**options)
        self._exempt = exempt

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Any] | None = None) -> list[ResolveResult]:
        # What this returns is what is connected to: a name cannot mean another address a moment later.
        found = await super()._resolve_host(host, port, traces)
        if host not in self._exempt and not is_loopback(host):
            for each in found:
                check_address(each["host"])
        return found
