"""A server that must not outlive who started it: the standard input is a pipe from there, and ends with it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable

STOP = b"stop\n"
"""What is said on the pipe before it is closed in order. Without it, whoever held the other end is dead.

The same as the supervisor's, whose module is too much for a runner to load at its start; a test holds it.
"""


LINGER_S = 0.3
"""How long an orphaned sandbox goes on, in seconds. Runners that ask it hold the pipe, too, where they can: so it ends
after them. Where they cannot (Windows), this is what they have to finish what they asked."""


def at_end_of_input(stop: Callable[[], None], *, linger_s: float = 0.0) -> None:
    """Call ``stop`` in the running loop once nobody holds the other end of the standard input any more; where nobody
    said :data:`STOP` before, after ``linger_s`` seconds."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        said = b""
        # Not by way of sys.stdin: its lock, held here, would keep the interpreter from ending in order.
        while more := os.read(0, 4096):
            said = (said + more)[-len(STOP) :]
        if said != STOP:
            time.sleep(linger_s)
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name="mintmark-parent", daemon=True).start()
