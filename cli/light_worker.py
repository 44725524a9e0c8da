"""A runner with the node pack in it, on this process's settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Settings
    from ..runner import Runner


@asynccontextmanager
async def open_runner(
    settings: Settings,
    *,
    port: int,
    host: str = "127.0.0.1",
    base_dir: Path | None = None,
    db: Path | None = None,
    max_prompts: int | None = None,
    torch: bool | None = None,
) -> AsyncIterator[Runner]:
    """Start the light worker in this process and stop it in order; its other settings are :class:`Runner`'s."""
    from ..nodes import worker
    from ..runner import DEFAULT_PROMPTS, Runner

    worker.configure(settings)
    folder = base_dir or settings.books_dir / "runner"
    at_once = max_prompts or DEFAULT_PROMPTS
    async with Runner(port=port, host=host, base_dir=folder, db=db, max_prompts=at_once, torch=torch) as runner:
        try:
            yield runner
        finally:
            runner.leave()
            # Before the prompts: interrupted, they would cancel their calls, which would then be asked once more. So
            # the calls stay with their providers, and the next start takes them up.
            await worker.current().close()
