"""A job that is begun while its order is on its way to the disk.

To wait for the disk takes longer than all else before a prompt is posted. So the run begins beside that, and goes as
far as nobody would miss it if the order came to nothing: the prompt is prepared, and posted where it asks nobody for
anything. All else waits until the job is there for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..execution.attempt import Attempt


class Undone(Exception):
    """The order could not be taken in after all."""


class Order:
    """Of one job, whose order is ``durable`` already, or will be."""

    def __init__(self, *, durable: bool = True) -> None:
        self._durable: bool | None = durable or None
        self._told = asyncio.Event()
        self._then: list[Callable[[], object]] = []

    @property
    def open(self) -> bool:
        """Whether that is not known yet."""
        return self._durable is None

    def settle(self, *, durable: bool) -> None:
        """From now on it is known."""
        self._durable = durable
        self._told.set()
        for each in self._then if durable else ():
            each()

    def then(self, call: Callable[[], object]) -> None:
        """Call this once it is durable: now, where it is."""
        if self._durable:
            call()
        elif self._durable is None:
            self._then.append(call)

    async def durable(self) -> None:
        """Wait until it is on the disk. Raises Undone where it never will be."""
        if self._durable is None:
            await self._told.wait()
        if not self._durable:
            raise Undone


def may_be_early(attempt: Attempt) -> bool:
    """Whether a prompt may be posted before its order is durable: it asks nobody, and a runner forgets it again. In a
    ComfyUI its files would stay, of which nobody would know."""
    return attempt.kept and attempt.known is not None and attempt.known.kind == "runner"
