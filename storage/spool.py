"""Results of hosted calls kept by digest until their job is over, so that a crash never costs a paid image."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from .files import translated, write_atomic


class Spool:
    """A folder of files named by the SHA-256 of their content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep the bytes; durable when this returns. Returns their digest. Raises DiskFull or CannotWrite."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if self.get(digest) is None:
            write_atomic(path, data, mode=0o600)
        else:
            # As young as a new one, so that pruning does not take it away from who relies on it now.
            with translated(path):
                os.utime(path)
        return digest

    def get(self, digest: str) -> bytes | None:
        """The bytes of this digest, or None where they are gone or no longer what they were."""
        try:
            data = self._path(digest).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def place(self, digest: str) -> str:
        """Where the file of this digest is, below the folder that the spool is in: fit to be told to anybody."""
        return self._path(digest).relative_to(self._folder.parent).as_posix()

    def drop(self, digest: str) -> None:
        """Delete what has this digest, where it is here. What cannot be removed is pruned later."""
        with suppress(OSError):
            self._path(digest).unlink()

    def prune(self, *, older_than_s: float, now: float) -> int:
        """Remove what is older (by file time, seconds since the epoch); returns how many files went."""
        removed = 0
        for path in self._folder.glob("*/*") if self._folder.exists() else ():
            # Another process may prune too, and a file that cannot be removed is no reason not to start.
            with suppress(OSError):
                if now - path.stat().st_mtime > older_than_s:
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest
