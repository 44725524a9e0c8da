"""Pictures drawn while their request still waits, as a real service would make them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

_MOST_PIXELS = 32_000_000
"""Drawn or being drawn at once: some 100 MB of files at most."""
_KEPT_S = 60.0
"""After that, nobody is coming for a picture any more."""


@dataclass
class _Drawing:
    file: asyncio.Future[bytes]
    pixels: int
    begun: float


class Ahead:
    """Nothing is lost with it: whatever is not in here is drawn when it is asked for, and is the same file."""

    def __init__(self) -> None:
        self._drawings: dict[str, _Drawing] = {}

    def begin(self, name: str, pixels: int, draw: Callable[[], bytes]) -> None:
        """Draw this file in a thread, where there is room for it."""
        now = time.monotonic()
        for old in [each for each, known in self._drawings.items() if now - known.begun > _KEPT_S]:
            del self._drawings[old]
        if sum(known.pixels for known in self._drawings.values()) + pixels <= _MOST_PIXELS:
            file = asyncio.get_running_loop().run_in_executor(None, draw)
            self._drawings[name] = _Drawing(file, pixels, now)

    async def take(self, name: str) -> bytes | None:
        """The file, which is then forgotten; None where it was not drawn. Raises what drawing raised."""
        known = self._drawings.pop(name, None)
        return await known.file if known is not None else None

    def clear(self) -> None:
        """Forget every picture."""
        self._drawings.clear()
