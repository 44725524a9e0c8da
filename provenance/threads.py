"""The threads that sign: their own, few, and last in line for a core.

Their own, since who waits for a timestamp authority or a key service must not keep others from a thread. Few, and last
in line, since signing is work for a core, and the loop that serves everybody has to be awake at once: on a machine
whose cores are all busy that is what keeps its delay to what the machine itself adds (``bench/signing.py``).
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = max(1, (os.cpu_count() or 2) - 1)
"""Files signed at the same time: a core is left to the loop."""
WAITING = 32
"""The same where most of the time is waiting for somebody else: a timestamp authority, a key service."""
_BEHIND, _LEAST = 10, 19
"""How far behind the rest of the process, and how far behind all others anything can be (see ``nice``)."""


def signing_threads(*, waits: bool = False) -> ThreadPoolExecutor:
    """The threads; ``waits`` says whether somebody else is asked for each file. None is started before it is needed."""
    most = WAITING if waits else AT_ONCE
    return ThreadPoolExecutor(most, thread_name_prefix="mintmark-sign", initializer=_step_back)


def _step_back() -> None:
    # Of a single thread only on Linux; elsewhere this would hold for the whole process.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, os.getpid())
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(_LEAST, own + _BEHIND))
