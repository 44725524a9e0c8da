"""Blocking calls out of the event loop: as many transactions that come at once share one commit of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from aiohttp import web
from typing_extensions import ParamSpec

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Calls go to the service's threads: those of the event loop are few on a small machine."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    async def __call__(self, call: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        """What the call gives, made in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *values, **named))


THREADS: web.AppKey[Threads] = web.AppKey("threads", Threads)
