"""Kills at random, by a seed: whoever is killed, when, and how long it has been up by then."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from .house import House

Blow = Callable[[], Awaitable[bool]]
"""Does something bad; whether there was anybody to do it to."""
PAUSE_S = (2.0, 6.0)
"""Between two blows."""
EARLY = 0.25
"""How often a blow does not wait until the service takes jobs again: so starts are cut off, too."""


class Storm:
    """``blows`` by name, each as likely as the others: :func:`kills` are a service's own, and whoever has more machines
    adds theirs. ``dealt`` counts them."""

    def __init__(self, house: House, chance: random.Random, blows: Mapping[str, Blow]) -> None:
        self.dealt: Counter[str] = Counter()
        self._house, self._chance, self._blows = house, chance, dict(blows)

    async def rage(self, seconds: float) -> None:
        """Until that time is over. A machine may be so busy that a service is not up before its next blow comes: mostly
        it is waited for, and given a moment to get on with its jobs, because one that never runs proves nothing."""
        until = time.monotonic() + seconds
        while True:
            if self._chance.random() >= EARLY:
                with suppress(TimeoutError, asyncio.TimeoutError):
                    await asyncio.wait_for(self._house.ready(), max(until - time.monotonic(), 0.1))
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))
            if time.monotonic() >= until:
                return
            name = self._chance.choice(sorted(self._blows))
            if await self._blows[name]():
                self.dealt[name] += 1


def kills(house: House, chance: random.Random) -> dict[str, Blow]:
    """SIGKILL for the service, which is started again a moment later, and for one of its own runners, which it starts
    again itself."""

    async def service() -> bool:
        await asyncio.to_thread(house.kill_service)
        await asyncio.sleep(chance.uniform(0, 1))
        house.start()
        return True

    async def runner() -> bool:
        return house.kill_runner()

    return {"service": service, "runner": runner}
