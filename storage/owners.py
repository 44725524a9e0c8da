"""Telling a dead process from a slow one, without clocks: the system takes a dead process's lock away."""

from __future__ import annotations

import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from .files import translated


class Owner:
    """This process among those that share a folder. Its ``id`` is new with every start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.id = str(uuid.uuid4())
        # Not by thread: an engine is opened in one thread and closed in another.
        self._lock = FileLock(self._path(self.id), thread_local=False)
        with translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)

    def is_dead(self, owner: str) -> bool:
        """Whether that process is surely gone. Our own id, and one that is alive, are not."""
        if owner == self.id:
            return False
        lock = FileLock(self._path(owner))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        # No start ever takes this id again, so its file is of no use to anybody.
        self._path(owner).unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Give the lock back: from now on this owner counts as dead."""
        self._lock.release()
        self._path(self.id).unlink(missing_ok=True)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}.lock"
