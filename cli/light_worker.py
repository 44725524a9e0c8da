"""A runner with the node pack in it, on this process's settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
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
    """Start the light worker in this process and stop it in order; its other settings are :class:`Runner`'s.

    A stop is no end of its jobs: they go on in the next process, or on another worker. So first nothing new is asked
    and what was just asked gets its name; then prompts are interrupted, and leave their calls to whoever takes them up;
    then what they needed is closed.
    """
    from ..nodes import worker
    from ..runner import DEFAULT_PROMPTS, Runner

    worker.configure(settings)
    folder = base_dir or settings.books_dir / "runner"
    at_once = max_prompts or DEFAULT_PROMPTS
    made = Runner(
        port=port,
        host=host,
        base_dir=folder,
        db=db,
        max_prompts=at_once,
        torch=torch,
        models_dir=settings.models_dir,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lambda: worker.current().close())
        runner = await stack.enter_async_context(made)
        try:
            yield runner
        finally:
            runner.leave()
            # Those of a graph run by hand are run again only where they are kept; else nobody would want their calls.
            await worker.current().leave(by_hand=db is not None)
