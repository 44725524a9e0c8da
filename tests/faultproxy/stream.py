"""A websocket on its way through: the worker's messages are late, lost, doubled, swapped or cut, by the dice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from .plan import Plan, Throw
from .wire import Frame, read_frame, reset

SWAP_S = 0.05
"""How long a message that is to change places waits for the one behind it, in seconds."""


@dataclass
class Stream:
    """Relays an open websocket until one side ends. ``throw`` is asked for each message of the worker."""

    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    worker: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    plan: Plan
    throw: Callable[[], Throw]

    def __post_init__(self) -> None:
        # One place: while a message is held up here, nothing is read from the worker.
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue(maxsize=1)

    async def run(self) -> None:
        ways = [asyncio.ensure_future(self._up()), asyncio.ensure_future(self._down())]
        reading = asyncio.ensure_future(self._read())
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*ways, reading):
                task.cancel()
            await asyncio.gather(*ways, reading, return_exceptions=True)

    async def _up(self) -> None:
        reader, writer = self.client[0], self.worker[1]
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def _read(self) -> None:
        while (frame := await _next_frame(self.worker[0])) is not None:
            await self._frames.put(frame)
        await self._frames.put(None)

    async def _down(self) -> None:
        while (frame := await self._frames.get()) is not None:
            if not frame.is_message:
                await self._write(frame.raw)
            elif not await self._message(frame):
                return

    async def _message(self, frame: Frame) -> bool:
        """Pass a message on, or not; whether the stream goes on."""
        thrown = self.throw()
        fault, dice = thrown.fault, thrown.dice
        if fault == "frame_close":
            return False
        if fault == "frame_cut":
            await self._write(frame.raw[: dice.randint(1, len(frame.raw) - 1)])
            reset(self.client[1])
            return False
        if fault == "frame_swap":
            await self._swap(frame)
            return True
        if fault in ("frame_late", "frame_stall"):
            most = self.plan.delay_s if fault == "frame_late" else self.plan.stall_s
            await asyncio.sleep(dice.uniform(most / 4, most))
        await self._write(frame.raw * {"frame_drop": 0, "frame_double": 2}.get(fault or "", 1))
        return True

    async def _swap(self, frame: Frame) -> None:
        try:
            behind = await asyncio.wait_for(self._frames.get(), SWAP_S)
        except asyncio.TimeoutError:
            behind = None
        await self._write((behind.raw if behind else b"") + frame.raw)

    async def _write(self, data: bytes) -> None:
        self.client[1].write(data)
        await self.client[1].drain()


async def _next_frame(reader: asyncio.StreamReader) -> Frame | None:
    try:
        return await read_frame(reader)
    except OSError:
        return None
