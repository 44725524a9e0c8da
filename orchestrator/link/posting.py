"""Prompts over the socket that is open anyway, where the worker takes them there, as a runner does.

How that is said stands in ``docs/worker-link.md``. It is the same post as over HTTP, and so is its answer; what breaks
off is looked up in the same way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import WorkerUnreachable

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

ANSWER_S = 30.0
"""How long a worker may take over a prompt, in seconds."""
MOST = 512 * 1024
"""The longest prompt that goes this way, in characters: a runner's sockets take a megabyte at a time."""
_ASK, _ANSWERED, _FLAGS = "mintmark.prompt", "mintmark.posted", "feature_flags"

Answer = tuple[int, Any]
"""HTTP's status and body."""


class Posts:
    """Of one socket at a time."""

    def __init__(self) -> None:
        self._socket: ClientConnection | None = None
        self._taken = False
        """Whether the worker at its other end takes prompts."""
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    def open(self, socket: ClientConnection) -> None:
        """Another socket is there; whether prompts are taken is told on it."""
        self._socket, self._taken = socket, False

    def close(self) -> None:
        """It broke: what was not answered on it may have arrived or not."""
        self._socket, self._taken = None, False
        for each in self._waiting.values():
            _give_up(each)

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take in what the socket brought; whether it is of no interest to anybody else."""
        kind, data = message.get("type"), message.get("data")
        if kind == _FLAGS and isinstance(data, dict):
            self._taken = data.get("mintmark_posts") is True
        if kind != _ANSWERED or not isinstance(data, dict):
            return False
        waiting = self._waiting.get(str(data.get("prompt_id")))
        if waiting is not None and not waiting.done():
            status = data.get("status")
            waiting.set_result((status if isinstance(status, int) else 500, data.get("answer")))
        return True

    async def post(self, job_id: str, body: Mapping[str, Any]) -> Answer | None:
        """The answer; None where it has to be posted otherwise. Raises WorkerUnreachable: it may have arrived."""
        socket = self._socket
        if socket is None or not self._taken or job_id in self._waiting:
            return None
        text = json.dumps({"type": _ASK, "data": body})
        if len(text) > MOST:
            return None
        self._waiting[job_id] = answer = asyncio.get_running_loop().create_future()
        try:
            return await self._sent(socket, text, answer)
        finally:
            del self._waiting[job_id]

    async def _sent(self, socket: ClientConnection, text: str, answer: asyncio.Future[Answer]) -> Answer:
        from websockets.exceptions import ConnectionClosed

        late = asyncio.get_running_loop().call_later(ANSWER_S, _give_up, answer)
        try:
            await socket.send(text)
            return await answer
        except ConnectionClosed as exc:
            raise _unanswered() from exc
        finally:
            late.cancel()


def _give_up(answer: asyncio.Future[Answer]) -> None:
    if not answer.done():
        answer.set_exception(_unanswered())


def _unanswered() -> WorkerUnreachable:
    return WorkerUnreachable("The worker did not answer a prompt that was posted on its websocket.")
