"""Previews on their way to whoever follows a job: nobody sees what its policy did not let through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from ... import log
from ...errors import MintmarkError
from ..link.events import Preview

logger = log.get("orchestrator.previews")

LEAST_S = 0.5
"""Between two previews of a job that are judged here, in seconds: each may cost a question to a service."""


class Shows(Protocol):
    """Whether a preview of this job may be shown. ``checked``: its node had the picture judged itself."""

    def __call__(self, data: bytes, media_type: str, *, checked: bool) -> Awaitable[bool]:
        """Raises a MintmarkError where that cannot be told."""


class Showing:
    """Of one attempt: asks about one preview at a time, and always about the newest."""

    def __init__(self, shows: Shows, publish: Callable[[Preview], None]) -> None:
        self._shows = shows
        self._publish = publish
        self._next: tuple[Preview, bool] | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = False

    def take(self, preview: Preview, *, checked: bool) -> None:
        """Show it, if that is allowed and nothing newer comes before anybody could say so."""
        if self._over:
            return
        self._next = preview, checked
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._worked)

    def over(self) -> None:
        """Show nothing any more, nor what has not been judged by now."""
        self._over, self._next = True, None
        if self._task is not None:
            self._task.cancel()

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A preview was not shown", exc_info=error, extra=log.action("preview_defect"))

    async def _work(self) -> None:
        while self._next is not None:
            (preview, checked), self._next = self._next, None
            if await self._may(preview, checked):
                self._publish(preview)
            if not checked:
                await asyncio.sleep(LEAST_S)

    async def _may(self, preview: Preview, checked: bool) -> bool:
        try:
            return await self._shows(preview.data, preview.media_type, checked=checked)
        except MintmarkError as exc:
            logger.info("A preview is not shown: %s", exc.code, extra=log.action("preview_withheld"))
            return False
