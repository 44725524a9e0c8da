"""Taking a prompt in: checked, claimed, queued. Over HTTP it is ``POST /prompt``; a client that takes packs may send
the same over its socket, which for a small picture saves a good part of what it costs.

Over the socket the body stands in ``{"type": "mintmark.prompt", "data": {…}}``, and the answer comes as
``{"type": "mintmark.posted", "data": {"prompt_id": …, "status": …, "answer": {…}}}``: HTTP's status and body.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .. import log
from ..errors import StorageError
from .bodies import Refused, extra_data_of, graph_of, number_of, prompt_id_of, refused
from .checks import problem
from .prompts import Prompts
from .registry import Registry
from .socket import Peer
from .validate import validate

logger = log.get("runner")

ASKED, ANSWERED = "mintmark.prompt", "mintmark.posted"
_START = f'{{"type": "{ASKED}"'
Answered = tuple[int, dict[str, Any]]
"""HTTP's status and what stands in the body."""


class Posting:
    """Whoever posts, and by whichever way, meets the same rules."""

    def __init__(self, registry: Registry, prompts: Prompts) -> None:
        self._registry, self._prompts = registry, prompts
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, body: dict[str, Any]) -> Answered:
        """Validate and queue a graph.

        Where ComfyUI answers 500 with plain text (a body or graph of the wrong shape) this answers 400 with an error of
        the usual shape, and a repeated id is refused with ``duplicate_prompt_id`` where ComfyUI runs it again.
        """
        try:
            prompt_id, graph, number = prompt_id_of(body), graph_of(body), number_of(body)
        except Refused as wrong:
            return 400, refused(wrong.error)
        if self._prompts.closed:
            return 503, refused(problem("shutting_down", "The runner is stopping", "Post to another worker"))
        if not self._prompts.claim(prompt_id):
            return 400, refused(problem("duplicate_prompt_id", "This prompt_id was posted before", prompt_id))
        accepted = False
        try:
            targets = body.get("partial_execution_targets")
            verdict = await validate(graph, self._registry, targets if isinstance(targets, list) else None)
            if verdict.error is not None:
                return 400, refused(verdict.error, verdict.node_errors)
            number = self._prompts.next_number(front=bool(body.get("front"))) if number is None else number
            await self._prompts.put(number, prompt_id, graph, extra_data_of(body), verdict.outputs)
            accepted = True
        except StorageError as error:
            return 503, refused(problem(error.code, error.message, error.hint))
        finally:
            if not accepted:
                self._prompts.release(prompt_id)
        return 200, {"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors}

    def heard(self, peer: Peer, text: str) -> None:
        """A message of a socket. What is no prompt is left alone, as ComfyUI leaves all that it does not know."""
        if not peer.packs or not text.startswith(_START):
            return
        try:
            body = json.loads(text).get("data")
        except (ValueError, RecursionError):
            return
        if isinstance(body, dict):
            # Its socket may close meanwhile; then it is answered to nobody, and runs all the same.
            task = asyncio.create_task(self._answer(peer, body), name="runner:posted")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what came over sockets and is not answered yet."""
        await asyncio.gather(*self._tasks)

    async def _answer(self, peer: Peer, body: dict[str, Any]) -> None:
        try:
            status, answer = await self.take(body)
        # Around one message of one connection, as the HTTP server has it around one request.
        except Exception:
            logger.exception("a posted prompt met a defect", extra=log.action("post_defect"))
            status, answer = 500, refused(problem("internal_error", "The runner failed to take the prompt", ""))
        told = {"prompt_id": body.get("prompt_id"), "status": status, "answer": answer}
        # What was taken may be told with the first that comes of it; a refusal is all that there will be.
        peer.push(json.dumps({"type": ANSWERED, "data": told}), urgent=status != 200)
