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


class Generations:
    """All of them, by id."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.known: dict[str, Generation] = {}

    def start(self, key: str, asked: Asked, parts: Iterable[Part], *, filtered: bool) -> Generation:
        """Begin a generation whose form is in order."""
        started = Generation(uuid.uuid4().hex * 2, key, asked.service.path, list(parts), filtered)
        self._desk.books.keep("stability_started", _kept(started))
        self._begin(started)
        return started

    def take_up(self) -> None:
        """Restore what the books kept from before a restart."""
        billed = {line.request_id for line in self._desk.books.lines if line.provider == PROVIDER}
        for name, value in self._desk.books.kept:
            if name != "stability_started":
                continue
            started = Generation(**{**value, "parts": [_part(part) for part in value["parts"]]})
            if started.generation_id in billed:
                started.done = True
                self.known[started.generation_id] = started
            else:
                self._begin(started)

    def asked(self, started: Generation) -> Asked:
        """What it asked for."""
        return read_form(SERVICES[started.path], started.parts, self._desk.seed)

    async def stop(self) -> None:
        """End every task."""
        tasks = [one.task for one in self.known.values() if one.task is not None and not one.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def clear(self) -> None:
        """Forget every generation."""
        for one in self.known.values():
            if one.task is not None:
                one.task.cancel()
        self.known.clear()

    def _begin(self, started: Generation) -> None:
        self.known[started.generation_id] = started
        name = f"sandbox stability {started.generation_id[:8]}"
        started.task = asyncio.create_task(self._work(started), name=name)

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


def _kept(started: Generation) -> dict[str, Any]:
    parts = [{**vars(part), "data": base64.b64encode(part.data).decode()} for part in started.parts]
    plain = {name: getattr(started, name) for name in ("generation_id", "key", "path", "filtered")}
    return {**plain, "parts": parts}


def _part(kept: dict[str, Any]) -> Part:
    return Part(**{**kept, "data": base64.b64decode(kept["data"])})
