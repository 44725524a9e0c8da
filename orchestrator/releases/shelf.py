"""The library's versions, read from their files now and then instead of for every job."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...errors import UnknownWorkflow
from ...workflows.format import WorkflowVersion
from ...workflows.library import Library

FRESH_S = 1.0
"""So long what was read of a folder holds; a file that is added is found after that."""


class Shelf:
    """A :class:`Library` remembered for a second."""

    def __init__(self, library: Library, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._library, self._monotonic = library, monotonic
        self._read_at = -FRESH_S
        self._names: list[str] | None = None
        self._versions: dict[str, list[str]] = {}
        self._documents: dict[tuple[str, str], WorkflowVersion] = {}

    def names(self) -> list[str]:
        """All names, sorted."""
        self._refresh()
        if self._names is None:
            self._names = self._library.names()
        return self._names

    def versions(self, name: str) -> list[str]:
        """The versions of a workflow, oldest first; none where there is no such workflow."""
        self._refresh()
        if name not in self._versions:
            try:
                self._versions[name] = self._library.versions(name)
            except UnknownWorkflow:
                # Not kept: names that nobody has must not fill the memory.
                return []
        return self._versions[name]

    def get(self, name: str, version: str) -> WorkflowVersion | None:
        """The version, or None. Raises InvalidWorkflow for a file that is broken."""
        if version not in self.versions(name):
            return None
        found = self._documents.get((name, version))
        if found is None:
            found = self._documents[name, version] = self._library.resolve(f"{name}@{version}")
        return found

    def at_hand(self, name: str, version: str) -> WorkflowVersion | None:
        """The version where it was read a moment ago; nothing is read for it."""
        fresh = self._monotonic() - self._read_at < FRESH_S
        return self._documents.get((name, version)) if fresh else None

    def forget(self) -> None:
        """Read the folders again."""
        self._read_at = -FRESH_S

    def _refresh(self) -> None:
        now = self._monotonic()
        if now - self._read_at >= FRESH_S:
            self._read_at, self._names, self._versions, self._documents = now, None, {}, {}
