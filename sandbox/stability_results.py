"""Stability's asynchronous generations: started, kept, fetched again and again.

What was started is kept in the books, so a killed sandbox that comes back knows every generation: billed ones are done,
the others are taken up again.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .entries import Entries
from .exchange import Desk, Part
from .stability_request import Asked, read_form
from .stability_services import SERVICES

PROVIDER = "stability"


@dataclass
class Generation:
    """One that was started. ``key`` is a digest: only the same key may fetch the result."""

    generation_id: str
    key: str
    path: str
    parts: list[Part]
    filtered: bool = False
    done: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Generations(Entries[Generation]):
    """All of them, by id."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, PROVIDER, "stability_started")

    def start(self, key: str, asked: Asked, parts: Iterable[Part], *, filtered: bool) -> Generation:
        """Begin a generation whose form is in order."""
        started = Generation(uuid.uuid4().hex * 2, key, asked.service.path, list(parts), filtered)
        self._keep(_plain(started))
        self._begin(started.generation_id, started, self._work(started))
        return started

    def take_up(self) -> None:
        """Restore what the books kept from before a restart."""
        billed = self._billed()
        for value in self._kept():
            started = Generation(**{**value, "parts": [_part(part) for part in value["parts"]]})
            if started.generation_id in billed:
                started.done = True
                self.all[started.generation_id] = started
            else:
                self._begin(started.generation_id, started, self._work(started))

    def asked(self, started: Generation) -> Asked:
        """What it asked for."""
        return read_form(SERVICES[started.path], started.parts, self._desk.seed)

    async def _work(self, started: Generation) -> None:
        await asyncio.sleep(self._desk.latency_s)
        asked = await asyncio.to_thread(self.asked, started)
        # No await from here on: it is billed and done at once.
        charge(self._desk, asked, started.generation_id)
        started.done = True


def charge(desk: Desk, asked: Asked, request_id: str) -> None:
    """One line of the bill."""
    desk.books.charge(
        provider=PROVIDER,
        model=asked.fields.get("model", asked.service.path),
        request_id=request_id,
        client_request_id=None,
        microusd=asked.microusd,
        images=1,
        usage={"credits": asked.credits},
    )


def _plain(started: Generation) -> dict[str, Any]:
    parts = [{**vars(part), "data": base64.b64encode(part.data).decode()} for part in started.parts]
    plain = {name: getattr(started, name) for name in ("generation_id", "key", "path", "filtered")}
    return {**plain, "parts": parts}


def _part(kept: dict[str, Any]) -> Part:
    return Part(**{**kept, "data": base64.b64decode(kept["data"])})
