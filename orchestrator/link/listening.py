"""The websocket of one client id, shared by all jobs of a link: of two on one id, ComfyUI makes the newer one deaf."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from typing_extensions import Self

from ... import log
from .frames import whose
from .posting import Posts
from .protocol import FEATURE_FLAGS, Message, prompt_of, unpacked
from .waiting import Signal
from .wire import MAX_FILE

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

logger = log.get("orchestrator.listening")

CONNECT_S = 5.0
"""How long a job waits for the socket to open before it goes on without, in seconds."""
CLOSE_S = 0.5
"""How long a goodbye may take, in seconds: a stalled worker does not answer it."""
PING_S = 20.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 5.0
"""Between closing a socket and opening the next, in seconds; doubled each time that fails."""
MOST_WAITING = 4096
"""Messages that may wait for a job to read them. It is told that some are lost then, and looks itself up."""
MOST_FRAMES = 16
"""Frames that may wait; what comes then is let go of, since a picture to look at is worth nothing late."""
_PROMPT = re.compile(r'"prompt_id"\s*:\s*"([^"\\]*)"')
"""The prompts that a text names."""


class Socket:
    """One socket at a time, opened with the first listener and closed with the last. Reconnects by itself."""

    def __init__(self, url: str, client_id: str) -> None:
        self._client_id = client_id
        self.move(url)
        self._listeners: set[Listening] = set()
        self._of: dict[str | None, set[Listening]] = {}
        """The same by the prompt that they listen to; None: to all."""
        self._reader: asyncio.Task[None] | None = None
        self._stopping = False
        self._lock = asyncio.Lock()
        self._connected = asyncio.Event()
        self._open: ClientConnection | None = None
        self.heard_at = float("-inf")
        """When the last message came, whoever it was for; on the loop's clock."""
        self.deaf_in_a_row = 0
        """How many connections, one after the other, brought nothing though a prompt was posted while they were open,
        not even how long the queue is."""
        self.posts = Posts()
        self._opened_at = float("inf")
        self._is_deaf = False
        """Whether what is open has been counted as deaf."""

    def move(self, url: str) -> None:
        """The next socket is opened there."""
        scheme, _, rest = url.partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws?clientId={self._client_id}"

    async def add(self, listener: Listening) -> None:
        self._listeners.add(listener)
        self._of.setdefault(listener.prompt_id, set()).add(listener)
        async with self._lock:
            if self._stopping:
                await self._stopped()
            if self._reader is None:
                self._reader = asyncio.create_task(self._read(), name="worker websocket")
        if self._connected.is_set():
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._connected.wait(), CONNECT_S)

    async def remove(self, listener: Listening) -> None:
        self._listeners.discard(listener)
        self._forget(listener)
        async with self._lock:
            if self._reader is not None and not self._listeners:
                # Remembered: whoever waits here may be canceled, and the next one must not open a second socket.
                self._stopping = True
                self._reader.cancel()
                await self._stopped()

    def _forget(self, listener: Listening) -> None:
        there = self._of.get(listener.prompt_id, set())
        there.discard(listener)
        if not there:
            self._of.pop(listener.prompt_id, None)

    async def _stopped(self) -> None:
        """Wait until the reader has closed its socket."""
        if self._reader is not None:
            await asyncio.wait([self._reader])
            if not self._reader.cancelled() and (error := self._reader.exception()) is not None:
                logger.error("Reading the worker's websocket failed: %s", error, extra=log.action("socket_failed"))
        self._connected.clear()
        self._reader, self._stopping = None, False

    async def reopen(self) -> None:
        """Close what is open; the reader opens the next one once that is done."""
        if self._open is not None:
            await self._open.close()

    async def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed, InvalidHandshake

        delay = FIRST_PAUSE_S
        while True:
            try:
                await self._read_one()
                delay = FIRST_PAUSE_S
            except ConnectionClosed as exc:
                delay = FIRST_PAUSE_S
                logger.debug("The worker's websocket broke: %s", exc, extra=log.action("socket_lost"))
            except (OSError, InvalidHandshake, asyncio.TimeoutError) as exc:
                logger.debug("The worker's websocket does not open: %s", exc, extra=log.action("socket_refused"))
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_PAUSE_S)

    async def _read_one(self) -> None:
        """One connection from hello to its end. It is closed before this returns, so before the next one opens."""
        from websockets.asyncio.client import connect

        opening = connect(self._url, max_size=MAX_FILE, ping_interval=PING_S, close_timeout=CLOSE_S, proxy=None)
        async with opening as socket:
            await socket.send(json.dumps(FEATURE_FLAGS))
            self._open, self._opened_at, self._is_deaf = socket, asyncio.get_running_loop().time(), False
            self.posts.open(socket)
            again = self._connected.is_set()
            self._connected.set()
            if again:
                # What was told meanwhile is gone for good: each job looks itself up.
                self._tell(None)
            try:
                async for message in socket:
                    self.heard_at = asyncio.get_running_loop().time()
                    if self.deaf_in_a_row and isinstance(message, str) and "prompt_id" in message:
                        self.deaf_in_a_row = 0  # no mere greeting
                    self._tell(message)
            finally:
                self._open = None
                self.posts.close()

    def is_deaf(self, posted: float) -> bool | None:
        """Whether what was open when a prompt was posted has brought nothing since. None where another is open by now,
        or none, as when the worker was away: it may have missed something, and that says nothing."""
        if self._open is None or self._opened_at > posted:
            return None
        return self.heard_at < posted

    def brought(self, *, nothing: bool) -> None:
        """What was heard since a prompt was posted. However many prompts a connection is deaf for, it is one."""
        if not nothing:
            self.deaf_in_a_row = 0
        elif not self._is_deaf:
            self._is_deaf = True
            self.deaf_in_a_row += 1

    def _tell(self, message: str | bytes | None) -> None:
        """Give it to whom it is for: a break to all, a text or frame to those of the prompts that it names.

        A thousand jobs on one socket would look through everybody's messages otherwise. A frame that names none goes to
        all: only such a worker sends any as has few prompts at a time.
        """
        if message is None or (isinstance(message, bytes) and (prompt_id := whose(message)) is None):
            for listener in self._listeners:
                listener.put(message)
        elif isinstance(message, bytes):
            self._tell_those(message, (None, prompt_id))
        elif (pack := unpacked(message)) is not None:
            for each in pack:
                if not self.posts.hear(each):
                    self._tell_those(each, (None, prompt_of(each)))
        else:
            self._tell_those(message, (None, *_PROMPT.findall(message)))

    def _tell_those(self, message: Message, prompt_ids: Iterable[str | None]) -> None:
        for prompt_id in set(prompt_ids):
            for listener in self._of.get(prompt_id, ()):
                listener.put(message)


class Listening:
    """One job's ear on the link's socket. Enter it before the prompt is posted, or the first events are missed.

    With a ``prompt_id`` it hears what speaks of this prompt alone, and frames that do not say whose they are.
    """

    def __init__(self, socket: Socket, prompt_id: str | None = None) -> None:
        self._socket = socket
        self.prompt_id = prompt_id
        self._messages: deque[Message | None] = deque()
        self._frames = 0
        """How many of them are frames."""
        self._come = Signal()

    async def __aenter__(self) -> Self:
        await self._socket.add(self)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._socket.remove(self)

    async def next(self, timeout_s: float) -> Message | None:
        """The next message. None: nothing came for that long, or the socket was opened anew; the books know more."""
        if not self._messages:
            self._come.clear()
            if not await self._come.wait(timeout_s):
                return None
        message = self._messages.popleft()
        self._frames -= isinstance(message, bytes)
        return message

    def put(self, message: Message | None) -> None:
        is_frame = isinstance(message, bytes)
        if is_frame and self._frames >= MOST_FRAMES:
            return
        if len(self._messages) >= MOST_WAITING:
            self._messages.clear()
            self._frames, is_frame, message = 0, False, None
        self._frames += is_frame
        self._messages.append(message)
        self._come.set()

    def heard_since(self, moment: float) -> bool:
        """Whether the socket brought anything at all since then; on the loop's clock."""
        return self._socket.heard_at >= moment

    def is_deaf(self, posted: float) -> bool | None:
        """Whether the socket has brought nothing since a prompt was posted; None where that cannot be told."""
        return self._socket.is_deaf(posted)

    def brought(self, *, nothing: bool) -> None:
        """What was heard since a prompt was posted."""
        self._socket.brought(nothing=nothing)

    async def reopen(self) -> None:
        """For a socket that seems deaf: close it and open another."""
        await self._socket.reopen()


class Held(Listening):
    """Holds the socket open, and keeps nothing of what it brings."""

    def put(self, message: Message | None) -> None:
        pass
