"""Keys as they were read a moment ago, so that a request costs no question to the database."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import key_book
from .keys import Key

if TYPE_CHECKING:
    from ...storage.base import Store

LIFE_S = 3.0
"""How long a key that another process changed may go on as it was."""
_MOST = 10_000
"""Ids that are no keys are remembered too; so many of both."""


class KeyCache:
    """``ticks``: seconds of a clock that only goes forward."""

    def __init__(self, store: Store, ticks: Callable[[], float]) -> None:
        self._store, self._ticks = store, ticks
        self._keys: OrderedDict[str, tuple[Key | None, float]] = OrderedDict()
        self._any: tuple[bool, float] = (False, float("-inf"))
        self._changes = 0

    async def get(self, key_id: str) -> Key | None:
        """The key as it is, or was up to :data:`LIFE_S` ago."""
        if (found := self._keys.get(key_id)) is not None and self._ticks() < found[1]:
            return found[0]
        changes, until = self._changes, self._ticks() + LIFE_S
        key = await asyncio.to_thread(self._store.read, lambda db: key_book.get(db, key_id))
        # What was changed here while it was read is read again.
        if changes == self._changes:
            self._keys[key_id] = key, until
            while len(self._keys) > _MOST:
                self._keys.popitem(last=False)
        return key

    async def any_key(self) -> bool:
        """Whether there is, or ever was, a key."""
        found, until = self._any
        # Keys are never deleted, so once there is one that stays true.
        if not found and self._ticks() >= until:
            found = await asyncio.to_thread(self._store.read, key_book.any_key)
            self._any = found, self._ticks() + LIFE_S
        return found

    def forget(self, key_id: str) -> None:
        """Read the key anew when it is next asked for. May be called from any thread."""
        self._changes += 1
        self._keys.pop(key_id, None)
        if not self._any[0]:
            self._any = False, float("-inf")
