"""Pictures of an image that is still being made: from the adapter that hears of them to whoever listens, if anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .. import log

logger = log.get("providers.previews")
Show = Callable[[bytes | None, int, int], Awaitable[None]]
"""Takes a preview's file, its number from 1, and how many there will be; None tells only how far the work is."""

_listener: ContextVar[Show | None] = ContextVar("mintmark_previews", default=None)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """While this lasts, previews of the calls made here go to ``show``."""
    token = _listener.set(show)
    try:
        yield
    finally:
        _listener.reset(token)


def is_heard() -> bool:
    """Whether anybody listens here: making a preview may take time."""
    return _listener.get() is not None


async def tell(data: bytes | None, number: int, of: int) -> None:
    """Show a preview to whoever listens. A failure there is none of the call's, which may be paid for by now."""
    if (show := _listener.get()) is None:
        return
    try:
        await show(data, number, of)
    except Exception:
        logger.exception("A preview could not be shown", extra=log.action("preview_failed"))
