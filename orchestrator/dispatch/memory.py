"""What a worker has in memory, by what it told last and by what it was given since. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .needs import ASSUMED_SIZE

ASSUMED_MEMORY = 24 * 2**30
"""Of a worker that does not tell how much it has, in bytes."""

STALE_S = 2.5
"""How old a reading may be that a worker gives: it hands each out again for a while."""


class Memory:
    """One worker's."""

    def __init__(self) -> None:
        self._loaded: dict[str, int] = {}
        self._told_at = float("-inf")
        self._tells: set[str] = set()
        self._boot_id: str | None = None
        self._held_at: dict[str, float] = {}
        """When a job with this file was there last."""

    def used(self, sizes: Mapping[str, int], memory_size: int) -> None:
        """A job with these files began or ended. What is used the least recently goes when there is no room for all;
        ``memory_size`` 0: not known."""
        for file, size in sizes.items():
            self._loaded.pop(file, None)
            self._loaded[file] = size or ASSUMED_SIZE
        room = memory_size or ASSUMED_MEMORY
        while sum(self._loaded.values()) > room and len(self._loaded) > len(sizes):
            del self._loaded[next(iter(self._loaded))]

    def drop(self, files: frozenset[str]) -> None:
        """These were not loaded, after all."""
        for file in files:
            self._loaded.pop(file, None)

    def told(
        self,
        boot_id: str,
        models: Mapping[str, int],
        at: float,
        *,
        all_of_them: bool,
        held: frozenset[str],
        now: float,
    ) -> None:
        """What the worker said of itself at that time, with sizes. ``held``: files of jobs that are there ``now``, that
        it may be loading. A process that was started again has nothing of what the one before had."""
        self._held_at.update(dict.fromkeys(held, now))
        if boot_id != self._boot_id:
            self._loaded, self._boot_id, self._held_at = {}, boot_id, dict.fromkeys(held, now)
        elif at <= self._told_at:
            return
        self._told_at = at
        self._tells.update(models)
        # What a job that is there, or was a moment ago, has loaded since that reading, or will have.
        self._held_at = {file: when for file, when in self._held_at.items() if when > at - STALE_S}
        lacking = self._tells.difference(models)
        if all_of_them:
            # Of some files, such as LoRAs, no worker ever tells: that they are not among these says nothing.
            self.drop(frozenset(lacking - self._held_at.keys()))
        if lacking & self._held_at.keys() & self._loaded.keys():
            return  # a reading of before that: what it names beside that may have had to go
        news = {file: size for file, size in models.items() if file not in self._loaded}
        self._loaded = {**news, **self._loaded}

    @property
    def files(self) -> dict[str, int]:
        """What is there, and its sizes, the least recently used first."""
        return dict(self._loaded)
