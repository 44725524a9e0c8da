"""The files that prompts name. Several may name the same one: what a save node gave is answered again from the cache.

So one prompt's file is deleted with the last prompt that names it, and an answer whose file is gone is no answer.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .paths import Paths, inside

Name = tuple[str, str, str]
"""A file as it is told on the wire: type, subfolder, file name."""


class Named:
    """Which prompts name which files: those that run, and those of the history. Asked from any thread."""

    def __init__(self) -> None:
        self._of: dict[str, set[Name]] = {}
        self._times: Counter[Name] = Counter()
        self._lock = threading.Lock()

    def take(self, prompt_id: str, ui: Mapping[str, Any] | None) -> None:
        """A node of the prompt showed this."""
        for name in files_of(ui):
            with self._lock:
                its = self._of.setdefault(prompt_id, set())
                if name not in its:
                    its.add(name)
                    self._times[name] += 1

    def let_go(self, prompt_id: str) -> None:
        """The prompt names nothing any more."""
        with self._lock:
            for name in self._of.pop(prompt_id, ()):
                self._times[name] -= 1
                if not self._times[name]:
                    del self._times[name]

    def is_named(self, name: Name) -> bool:
        """Whether any prompt names it."""
        return name in self._times


def files_of(ui: Mapping[str, Any] | None) -> Iterator[Name]:
    """The files that a node's ``ui`` names."""
    for items in (ui or {}).values():
        for item in items if isinstance(items, list | tuple) else ():
            if isinstance(item, dict) and isinstance(item.get("filename"), str) and isinstance(item.get("type"), str):
                yield item["type"], str(item.get("subfolder", "")), item["filename"]


def path_of(paths: Paths, name: Name) -> Path | None:
    """Where such a file is; None for what is in none of the runner's folders."""
    root = paths.folder(name[0])
    return None if root is None else inside(root, name[1], name[2])


def is_there(paths: Paths, name: Name) -> bool:
    """Whether there is such a file: somebody may have tidied up, or had a prompt forgotten."""
    path = path_of(paths, name)
    return path is not None and path.exists()
