"""Waiting for a job on a worker: what is heard hurries, the worker's books decide, and nothing waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import log
from ...errors import MintmarkError, WorkerLost, WorkerUnreachable
from .events import Ended, NodeStarted, WorkerEvent
from .protocol import History, Stream
from .watchdog import Watchdog

if TYPE_CHECKING:
    from .client import WorkerLink
    from .listening import Listening

logger = log.get("orchestrator.following")

QUIET_LOOKS = 5
"""Every so many looks at a job of which nothing is heard, the worker itself is looked at."""
PATIENT = 4
"""While the socket brings what it should, the time between two looks is doubled, up to so many times as long: what it
brings hurries the job, and where there are many jobs each look takes their time."""
DEAF_LOOKS = 5
"""A worker tells everybody how long its queue is as soon as it takes a prompt: a socket without that is deaf."""


@dataclass(frozen=True)
class Pace:
    """How often to look and how long to wait, in seconds."""

    poll_s: float
    lost_s: float
    stuck_s: float


class Following:
    """One job from its submission to its end; ``boot_id`` is the worker's when it took the job, where that is known.

    ``posted`` is when the prompt was posted, on the loop's clock; None where it was not posted now.
    """

    def __init__(
        self,
        link: WorkerLink,
        job_id: str,
        listening: Listening,
        heard: Callable[[WorkerEvent], None],
        pace: Pace,
        *,
        boot_id: str | None = None,
        posted: float | None = None,
    ) -> None:
        self._link = link
        self._job_id = job_id
        self._listening = listening
        self._tell = heard
        self._pace = pace
        self._boot_id = boot_id
        self._posted = posted
        self._now = asyncio.get_running_loop().time
        self._answered = self._looked = self._opened = self._now()
        self._stream = Stream(job_id)
        self._watchdog = Watchdog(pace.stuck_s, self._now())
        self._pause_s = pace.poll_s
        self._quiet_looks = self._deaf_looks = 0
        self._node: str | None = None

    async def end(self) -> History:
        """How the job ended. Raises WorkerLost where the worker forgot it, is stuck or was silent for too long."""
        while True:
            message = await self._listening.next(self._pause_s)
            event = self._stream.read(message) if message is not None else None
            if event is not None:
                self._take(event)
            ended = isinstance(event, Ended)
            if isinstance(event, Ended) and event.history is not None:
                return event.history  # the worker's books, told with the word that they are closed
            # Others' messages may come without a pause (monitors broadcast), so the time decides as well.
            if message is not None and not ended and self._now() - self._looked < self._pause_s:
                continue
            heard = self._listening.heard_since(self._looked)
            self._pause_s = min(self._pause_s * 2, PATIENT * self._pace.poll_s) if heard else self._pace.poll_s
            self._looked = self._now()
            try:
                history = await self._look(ended=ended)
            except WorkerUnreachable:
                await self._wait_out()
                continue
            if history is not None:
                return history
            self._answered = self._now()

    def _take(self, event: WorkerEvent) -> None:
        self._watchdog.heard(self._now())
        self._quiet_looks = 0
        if isinstance(event, NodeStarted):
            self._node = event.node
        self._tell(event)

    async def _look(self, *, ended: bool) -> History | None:
        history = await self._link.history(self._job_id)
        if history is not None or ended:
            return history
        state = await self._link.state(self._job_id)
        if state is None:
            return await self._missing()
        await self._check_worker(state)
        return None

    async def _wait_out(self) -> None:
        if self._now() - self._answered >= self._pace.lost_s:
            raise WorkerLost(
                f"The worker at {self._link.url} has not answered for {self._pace.lost_s:g} s.",
                silent_s=self._pace.lost_s,
            ) from None
        await asyncio.sleep(self._pace.poll_s)

    # -- a job that is nowhere --------------------------------------------------------------------------------------

    async def _missing(self) -> History | None:
        """The history of a job that was nowhere for a moment: between leaving the queue and entering the history.

        Raises WorkerLost where it is nowhere to be found. ``data["restarted"]`` says what is known of the cause.
        """
        restarted = await self._restarted()
        if not restarted:
            # Without another boot id this may be that moment, so it is looked up twice.
            await asyncio.sleep(self._pace.poll_s)
        history = await self._link.history(self._job_id)
        if history is not None or await self._link.state(self._job_id) is not None:
            return history
        why = {
            True: "it was restarted",
            False: "somebody took it out of its queue or history",
            None: "it was probably restarted",
        }
        raise WorkerLost(
            f"The worker at {self._link.url} no longer knows the job; {why[restarted]}.", restarted=restarted
        )

    async def _restarted(self) -> bool | None:
        """Whether this is another process than the one that took the job; None where that cannot be told.

        Without the pack there is no boot id, and a restart can only be inferred from the job being gone.
        """
        if self._boot_id is None:
            return None
        try:
            return (await self._link.health()).boot_id != self._boot_id
        except WorkerUnreachable:
            raise
        except MintmarkError:
            return None

    # -- a worker that does nothing ---------------------------------------------------------------------------------

    async def _check_worker(self, state: str) -> None:
        await self._check_ears()
        self._quiet_looks += 1
        if self._quiet_looks % QUIET_LOOKS == 0:
            await self._check_thread()
            # For a job that waits, another one's coming and going is movement too.
            running = await self._link.running() if state == "pending" else ()
            self._watchdog.looked((state, running), self._now())
        if self._watchdog.stuck(self._now()):
            at = f" (at node {self._node})" if self._node else ""
            raise WorkerLost(
                f"The worker at {self._link.url} has shown no progress of the job for {self._pace.stuck_s:g} s{at}.",
                hint="Restart it if it hangs; raise MINTMARK_STUCK_S if its nodes take that long.",
            )

    async def _check_thread(self) -> None:
        """Raises WorkerLost where the pack on the worker says that nothing runs prompts any more.

        ComfyUI's prompt thread dies of a SystemExit in a node; its job then runs for ever, while HTTP stays healthy.
        """
        try:
            health = await self._link.health()
        except WorkerUnreachable:
            raise
        except MintmarkError:
            return
        if health.prompt_thread_alive is False:
            raise WorkerLost(f"The worker at {self._link.url} no longer runs prompts; restart it.")

    async def _check_ears(self) -> None:
        """Open a socket anew that brings nothing: not even the queue's length after a prompt, or no word for long."""
        now, long_s = self._now(), self._pace.stuck_s / 4
        posted = self._posted
        deaf = self._listening.is_deaf(posted) if posted is not None else None
        self._deaf_looks += 1
        # By looks, too: where we were held up ourselves, what came meanwhile has not been read yet.
        soon = posted is not None and now - posted < DEAF_LOOKS * self._pace.poll_s
        if deaf and (soon or self._deaf_looks <= DEAF_LOOKS):
            return
        silent = now - self._opened >= long_s and not self._listening.heard_since(now - long_s)
        if deaf is not None:
            self._listening.brought(nothing=deaf)
        self._posted = None
        if deaf or silent:
            self._opened = now
            logger.info("The worker's websocket is silent; opening another", extra=log.action("socket_deaf"))
            await self._listening.reopen()
