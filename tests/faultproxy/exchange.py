"""One request and its answer, with one fault or none on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from .plan import Plan, Throw
from .wire import Message, closed, read_answer, reset

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
GONE = b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nproxy"


@dataclass
class Exchange:
    """Carries one request over a connection of its own to the worker. ``sent`` is called when it has gone out whole."""

    request: Message
    client: asyncio.StreamWriter
    connect: Connect
    plan: Plan
    throw: Throw
    sent: Callable[[], None]

    async def run(self) -> bool:
        """Whether the client's connection may go on."""
        fault = self.throw.fault or "none"
        act: Callable[[], Awaitable[bool]] = getattr(self, f"_{fault}")
        return await act()

    # -- faults the worker never hears of -------------------------------------------------------------------------

    async def _reset(self) -> bool:
        reset(self.client)
        return False

    async def _close(self) -> bool:
        return False

    async def _error_before(self) -> bool:
        await self._write(GONE % b"503 Service Unavailable")
        return False

    async def _cut_request(self) -> bool:
        _, worker = await self.connect()
        worker.write(self.request.raw[: self._cut(self.request)])
        with suppress(OSError):
            await worker.drain()
        reset(worker)
        reset(self.client)
        return False

    # -- faults after the worker was asked ------------------------------------------------------------------------

    async def _hang_up(self) -> bool:
        _, worker = await self._ask()
        await closed(worker)
        return False

    async def _drop_answer(self) -> bool:
        await self._answer()
        reset(self.client)
        return False

    async def _error_after(self) -> bool:
        await self._answer()
        await self._write(GONE % b"502 Bad Gateway")
        return False

    async def _freeze(self) -> bool:
        await self._answer()
        await asyncio.sleep(self._some(self.plan.stall_s))
        reset(self.client)
        return False

    async def _cut_answer(self) -> bool:
        answer = await self._answer()
        if answer is not None:
            await self._write(answer.raw[: self._cut(answer)])
        return False

    async def _reset_answer(self) -> bool:
        await self._cut_answer()
        reset(self.client)
        return False

    # -- faults that only cost time -------------------------------------------------------------------------------

    async def _none(self) -> bool:
        return await self._pass(await self._answer())

    async def _delay(self) -> bool:
        await asyncio.sleep(self._some(self.plan.delay_s))
        return await self._none()

    async def _half_close(self) -> bool:
        return await self._pass(await self._answer(end=True))

    async def _stall(self) -> bool:
        answer = await self._answer()
        if answer is None:
            return False
        cut = self._cut(answer)
        await self._write(answer.raw[:cut])
        await asyncio.sleep(self._some(self.plan.stall_s))
        await self._write(answer.raw[cut:])
        return _keeps(answer)

    async def _trickle(self) -> bool:
        answer = await self._answer()
        if answer is None:
            return False
        step = max(len(answer.raw) // self.plan.pieces, 1)
        for start in range(0, len(answer.raw), step):
            await self._write(answer.raw[start : start + step])
            await asyncio.sleep(self.plan.delay_s / self.plan.pieces)
        return _keeps(answer)

    async def _stale(self) -> bool:
        await self._pass(await self._answer())
        # Not at once: the client is to put the connection back into its pool and then find it dead.
        await asyncio.sleep(self.throw.dice.choice((0.0, 0.01)))
        return False

    async def _replay(self) -> bool:
        answer = await self._answer()
        await self._answer()
        return await self._pass(answer)

    # -- parts ----------------------------------------------------------------------------------------------------

    async def _ask(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, worker = await self.connect()
        worker.write(self.request.raw)
        await worker.drain()
        self.sent()
        return reader, worker

    async def _answer(self, *, end: bool = False) -> Message | None:
        reader, worker = await self._ask()
        try:
            if end:
                worker.write_eof()
            return await read_answer(reader, self.request.words[0])
        finally:
            await closed(worker)

    async def _pass(self, answer: Message | None) -> bool:
        if answer is None:
            return False
        await self._write(answer.raw)
        return _keeps(answer)

    async def _write(self, data: bytes) -> None:
        self.client.write(data)
        await self.client.drain()

    def _cut(self, message: Message) -> int:
        """Somewhere inside: at least a byte comes and at least one does not."""
        return self.throw.dice.randint(1, max(len(message.raw) - 1, 1))

    def _some(self, most: float) -> float:
        return self.throw.dice.uniform(most / 4, most)


def _keeps(answer: Message) -> bool:
    measured = "content-length" in answer.headers or "transfer-encoding" in answer.headers
    bare = answer.words[1] in ("204", "304")
    return (measured or bare) and answer.headers.get("connection", "").lower() != "close"
