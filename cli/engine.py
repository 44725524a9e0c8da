"""The engine for a command that needs no worker, with a sandbox beside it where the settings ask for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Settings
    from ..generation.engine import Engine


@asynccontextmanager
async def sandbox_for(settings: Settings) -> AsyncIterator[str | None]:
    """The sandbox's URL: the one that is set, or one started for this command; None when live."""
    if not settings.sandbox or settings.sandbox_url:
        yield settings.sandbox_url if settings.sandbox else None
        return
    from ..sandbox.home import home_sandbox

    async with home_sandbox(settings.books_dir) as sandbox:
        yield sandbox.url


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """An engine on this machine's data folder."""
    from .. import __version__
    from ..generation.engine import Engine

    async with sandbox_for(settings) as url, Engine(settings, sandbox_url=url, pack_version=__version__) as engine:
        yield engine
