"""Looks of many pictures, and which of them are like one that is asked for. In memory: 40 bytes a picture.

A look is found by counting differing bits with all of them: a million at once take milliseconds, where no index of a
database helps, because as many bits may differ as in every part of a look one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .softbinding import BITS, GREY, LIKE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORDS = BITS // 64
_ROOM = 1024
_CHUNK = 65_536
"""So many looks are compared at a time: what is counted of them stays in the processor's cache."""


class Like(NamedTuple):
    """A picture that is like the one that was asked for. ``bits``: in how many its look differs."""

    name: str
    bits: int


class Looks:
    """Names of pictures by their looks. Not safe for threads that change it at the same time."""

    def __init__(self) -> None:
        import numpy as np

        self._words: NDArray[np.uint64] = np.empty((_ROOM, _WORDS), dtype=np.uint64)
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._names)

    def add(self, found: Iterable[tuple[str, bytes]]) -> None:
        """Pictures with their looks. A name may come again: each of its looks counts."""
        import numpy as np

        pairs = list(found)
        if not pairs:
            return
        start, end = len(self._names), len(self._names) + len(pairs)
        if end > len(self._words):
            grown = np.empty((max(end, 2 * len(self._words)), _WORDS), dtype=np.uint64)
            grown[:start] = self._words[:start]
            self._words = grown
        self._words[start:end] = np.frombuffer(b"".join(look for _, look in pairs), dtype="<u8").reshape(-1, _WORDS)
        self._names += [name for name, _ in pairs]

    def like(self, looks: Sequence[bytes], *, most: int = 20, within: int = LIKE) -> list[Like]:
        """The pictures of which a look differs from one of these in at most ``within`` bits, the likest first."""
        import numpy as np

        if not self._names:
            return []
        asked = np.frombuffer(b"".join(looks), dtype="<u8").reshape(-1, _WORDS)
        best = np.concatenate(
            [_least(self._words[at : min(at + _CHUNK, len(self))], asked) for at in range(0, len(self), _CHUNK)]
        )
        near = np.flatnonzero(best <= within)
        found: dict[str, int] = {}
        for index in near[np.argsort(best[near], kind="stable")]:
            found.setdefault(self._names[index], int(best[index]))
            if len(found) >= most:
                break
        return [Like(name, bits) for name, bits in found.items()]


def _least(words: NDArray[np.uint64], asked: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """In how many bits each of the looks differs from the one among ``asked`` that is likest."""
    import numpy as np

    best = np.full(len(words), BITS, dtype=np.uint16)
    columns = [np.ascontiguousarray(words[:, word]) for word in range(_WORDS)]
    for one in asked:
        differ = _ones(columns[0] ^ one[0]).astype(np.uint16)
        for word in range(1, _WORDS):
            differ += _ones(columns[word] ^ one[word])
        if not one[-1]:  # the last word is that of colours
            differ += GREY
        np.minimum(best, differ, out=best)
    return best


def _ones(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits of each word are set; NumPy 1 has no instruction for it."""
    import numpy as np

    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words), dtype=np.uint8)
    bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1)
    return np.asarray(bits.sum(axis=1), dtype=np.uint8)
