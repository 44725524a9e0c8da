"""What nodes have made, kept by what went in: least recently used out first, bounded by bytes."""

from __future__ import annotations

import dataclasses
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .calling import Answer
from .images import LazyImage

DEFAULT_BYTES = 256 * 1024 * 1024


class OutputCache:
    """Answers by signature. An answer bigger than the whole cache is not kept."""

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self._max = max_bytes
        self._kept: OrderedDict[str, tuple[Answer, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, signature: str) -> Answer | None:
        found = self._kept.get(signature)
        if found is None:
            return None
        self._kept.move_to_end(signature)
        return found[0]

    def put(self, signature: str, answer: Answer) -> None:
        size = size_of([answer.slots, answer.ui])
        self.drop(signature)
        if size > self._max:
            return
        self._kept[signature] = (answer, size)
        self.bytes += size
        while self.bytes > self._max:
            self.drop(next(iter(self._kept)))

    def drop(self, signature: str) -> None:
        _, size = self._kept.pop(signature, (None, 0))
        self.bytes -= size

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0


def size_of(value: Any, depth: int = 8) -> int:
    """About how many bytes a value keeps alive; images, arrays and tensors say it themselves."""
    own = value.kept_bytes if isinstance(value, LazyImage) else getattr(value, "nbytes", None)
    if isinstance(own, int):
        return own + 128
    size = sys.getsizeof(value, 512)
    if depth == 0 or isinstance(value, (str, bytes, bytearray, int, float, bool, type)) or value is None:
        return size
    if isinstance(value, Mapping):
        return size + sum(size_of(each, depth - 1) for pair in value.items() for each in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return size + sum(size_of(each, depth - 1) for each in value)
    if dataclasses.is_dataclass(value):
        return size + sum(size_of(getattr(value, each.name), depth - 1) for each in dataclasses.fields(value))
    return size + sum(size_of(each, depth - 1) for each in getattr(value, "__dict__", {}).values())
