"""A proxy that breaks things between a client and an HTTP and websocket server, in the same way for the same seed.

It stands on a port of its own and works on bytes: no client or server knows that it is there. What it did is in
``proxy.log``, for the message of a test that fails because of it::

    async with FaultProxy("127.0.0.1", 8188, seed=7, plan=Plan((Rule("*", {"drop_answer": 0.1}),))) as proxy:
        async with WorkerLink(proxy.url) as link: ...
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from typing_extensions import Self

from .exchange import Exchange
from .plan import EXCHANGE_FAULTS, FRAME_FAULTS, Plan, Throw, Thrower, key_of
from .stream import Stream
from .wire import MAX_HEAD, Message, closed, read_answer, read_request, reset, without_compression


@dataclass(frozen=True)
class Done:
    """One fault that was done: to which request, the how-manieth of all that passed, and which."""

    number: int
    key: str
    fault: str


class FaultProxy:
    """Between a client and ``target_host:target_port``. ``plan`` may be replaced while it runs."""

    def __init__(self, target_host: str, target_port: int, *, seed: int = 0, plan: Plan | None = None) -> None:
        self.seed = seed
        self.plan = plan or Plan()
        self.url = ""
        self.log: list[Done] = []
        self.asked: list[Message] = []
        """Every request that went out to the target whole, a replayed one twice."""
        self._target = (target_host, target_port)
        self._thrower = Thrower(seed)
        self._passed = 0
        self._sockets = 0
        self._open: set[asyncio.Task[None]] = set()

    @classmethod
    def before(cls, url: str, *, seed: int = 0, plan: Plan | None = None) -> FaultProxy:
        """A proxy before the server at ``url``."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 80, seed=seed, plan=plan)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    def told(self) -> str:
        """The log for people: the seed, how often each fault struck, then the last of them."""
        counts = ", ".join(
            f"{fault} {count}" for fault, count in Counter(each.fault for each in self.log).most_common()
        )
        last = "\n".join(f"  {each.number}: {each.key}: {each.fault}" for each in self.log[-40:])
        return f"seed {self.seed}, {self._passed} requests and messages, {counts or 'no faults'}\n{last}"

    # -- a connection ---------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            # The worker or the client broke off by itself: the other side is to see it too.
            reset(writer)
        except asyncio.CancelledError:
            reset(writer)
            raise
        finally:
            await closed(writer)
            self._open.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Carry one request; whether another may follow."""
        request = await read_request(reader)
        if request is None:
            return False
        key = key_of(request.words[0], request.words[1])
        thrown = self._thrower.throw(self.plan, key, EXCHANGE_FAULTS)
        self._note(key, thrown.fault)
        upgrade = request.headers.get("upgrade", "").lower() == "websocket"
        if upgrade and thrown.fault is None:
            await self._socket(key, request, reader, writer)
            return False
        sent = self.asked.append
        return await Exchange(request, writer, self._connect, self.plan, thrown, lambda: sent(request)).run()

    async def _socket(
        self, key: str, request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._sockets += 1
        stream = f" #{self._sockets}"
        worker = await self._connect()
        try:
            worker[1].write(without_compression(request))
            self.asked.append(request)
            answer = await read_answer(worker[0], "GET")
            if answer is None:
                return
            writer.write(answer.raw)
            if answer.words[1] != "101":
                return

            def throw() -> Throw:
                thrown = self._thrower.throw(self.plan, key, FRAME_FAULTS, stream)
                self._note(f"{key}{stream}", thrown.fault)
                return thrown

            await Stream((reader, writer), worker, self.plan, throw).run()
        finally:
            await closed(worker[1])

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._target, limit=MAX_HEAD)

    def _note(self, key: str, fault: str | None) -> None:
        self._passed += 1
        if fault is not None:
            self.log.append(Done(self._passed, key, fault))
