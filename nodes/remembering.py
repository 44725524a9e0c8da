"""What hosted nodes gave of late, for a save node whose artist connected the image and not the record."""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..generation.service import Generated

NODES, EACH = 1_000, 16
"""Node ids that are kept, and results of each."""


class Remembered:
    """Results by node id, newest first, as long as somebody else keeps them: a worker's cache keeps a node's outputs
    together, so while there is an image of one, there is its record."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, deque[weakref.ref[Generated]]] = OrderedDict()

    def add(self, node_id: str, made: Generated) -> None:
        """A node gave this."""
        self._made.setdefault(node_id, deque(maxlen=EACH)).appendleft(weakref.ref(made))
        self._made.move_to_end(node_id)
        while len(self._made) > NODES:
            self._made.popitem(last=False)

    def of(self, node_id: str) -> Iterator[Generated]:
        """What this node gave."""
        for reference in tuple(self._made.get(node_id, ())):
            if (made := reference()) is not None:
                yield made
