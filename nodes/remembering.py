"""What hosted nodes gave of late, for a save node whose artist connected the image and not the record."""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.service import Generated

KEYS, EACH = 20_000, 32
"""Jobs' nodes that are kept, and results of each."""
_Key = tuple[str, ...]


class Remembered:
    """Results by job and node, newest first, as long as somebody else keeps them: a worker's cache keeps a node's
    outputs together, so while there is an image of one, there is its record.

    Many jobs run at once, and their graphs call their nodes alike: what another project was given is never found.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[_Key, deque[weakref.ref[Generated]]] = OrderedDict()

    def add(self, job: JobContext, node_id: str, made: Generated) -> None:
        """A node of this job gave this."""
        for key in _keys(job, node_id):
            self._made.setdefault(key, deque(maxlen=EACH)).appendleft(weakref.ref(made))
            self._made.move_to_end(key)
        while len(self._made) > KEYS:
            self._made.popitem(last=False)

    def of(self, job: JobContext, node_id: str) -> list[Generated]:
        """What this node gave in this job; where it was not run, what it may have from the worker's cache: results of
        earlier jobs within the same project, policy and mode."""
        own, cached = _keys(job, node_id)
        return self._alive(own) or self._alive(cached)

    def _alive(self, key: _Key) -> list[Generated]:
        several = (reference() for reference in tuple(self._made.get(key, ())))
        return [made for made in several if made is not None]


def _keys(job: JobContext, node_id: str) -> tuple[_Key, _Key]:
    return (job.job_id, node_id), (job.project, job.policy, job.mode, node_id)
