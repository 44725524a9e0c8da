"""How often Python looks for garbage that only it can find: its own pace is made for programs that import little."""

from __future__ import annotations

import atexit
import gc

STARTING = 200_000
"""Objects made in between two looks, in a command. A start makes more than that which all stay, and is soon over."""
SERVING = 50_000
"""The same in a server: a thousand calls in flight make many objects that live as long as the call."""


def starting() -> None:
    """For a command. Looking through all that was just imported, again and again, took a third of a short one's time.

    Nor does anybody need it taken apart when everything is closed and the process ends.
    """
    gc.set_threshold(STARTING)
    atexit.register(gc.freeze)


def serving() -> None:
    """For a server that is up: what it has loaded stays, so nobody looks through it again."""
    gc.freeze()
    gc.set_threshold(SERVING)
