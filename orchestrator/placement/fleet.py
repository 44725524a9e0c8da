"""All workers as values, found quickly by what they hold and by whether they have room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from .against import against
from .values import Seat, Work

CONSIDERED = 16
"""Free workers that a cold job is weighed for; of thousands a few are as good as all (the power of several choices)."""

SPARE = 1 / 32
"""What one of several copies of a file counts while another free worker has one: it is held in reserve, no more."""

Names = dict[str, None]
"""A set in the order in which its members came."""


@dataclass
class Alike:
    """Jobs that load the same and are for the same workers: ``work`` is one of them."""

    work: Work
    jobs: int = 0


class Fleet:
    """The workers, and how much each model file is wanted of late."""

    def __init__(self, seats: Iterable[Seat] = ()) -> None:
        self.seats: dict[str, Seat] = {}
        self._free: Names = {}
        self._free_with: dict[str, Names] = {}
        self._busy_with: dict[str, Names] = {}
        self._filed: dict[str, tuple[bool, tuple[str, ...], int | None]] = {}
        self._memory = 0
        self._untold = 0
        """How many do not tell how much memory they have."""
        self.wanted: Counter[str] = Counter()
        """How often each file was asked for of late."""
        self._waiting: dict[str, dict[frozenset[str], dict[Hashable, Alike]]] = {}
        for seat in seats:
            self.put(seat)

    def put(self, seat: Seat) -> None:
        """A worker is there, or is not as it was."""
        self.remove(seat.name)
        self.seats[seat.name] = seat
        free = seat.up and seat.room > 0
        self._filed[seat.name] = free, tuple(seat.memory), (memory := seat.memory_size if seat.up else 0)
        self._memory += memory or 0
        self._untold += memory is None
        if free:
            self._free[seat.name] = None
        if seat.up:
            with_file = self._free_with if free else self._busy_with
            for file in seat.memory:
                with_file.setdefault(file, {})[seat.name] = None

    def remove(self, name: str) -> None:
        """A worker is gone."""
        self.seats.pop(name, None)
        self._free.pop(name, None)
        free, files, memory = self._filed.pop(name, (False, (), 0))
        self._memory -= memory or 0
        self._untold -= memory is None
        with_file = self._free_with if free else self._busy_with
        for file in files:
            with_file.get(file, {}).pop(name, None)

    def waits(self, work: Work, jobs: int = 1) -> None:
        """So many more jobs like this one wait; fewer, where it is negative."""
        if work.files:
            # Filed under one of them: a worker that has all of them has that one.
            those = self._waiting.setdefault(min(work.files), {}).setdefault(work.files, {})
            those.setdefault(work.demands, Alike(work)).jobs += jobs

    def backlog(self, files: frozenset[str]) -> int:
        """How many jobs wait that load just these."""
        return sum(alike.jobs for alike in self._waiting.get(min(files, default=""), {}).get(files, {}).values())

    def has_work(self, seat: Seat) -> bool:
        """Whether a job waits that this worker would run without loading anything."""
        return any(
            alike.jobs > 0 and not against(alike.work, seat)
            for file in seat.memory
            for files, those in self._waiting.get(file, {}).items()
            if seat.is_warm(files)
            for alike in those.values()
        )

    def free(self) -> Iterator[Seat]:
        """Those with room, the longest free first. While these are gone through nobody is put or removed."""
        return map(self.seats.__getitem__, self._free)

    def free_with(self, files: frozenset[str]) -> Iterator[Seat]:
        """Those with room that have all of these in memory."""
        return self._with(files, self._free_with)

    def busy_with(self, files: frozenset[str]) -> Iterator[Seat]:
        """Those without room that have all of these in memory."""
        return self._with(files, self._busy_with)

    def _with(self, files: frozenset[str], with_file: dict[str, Names]) -> Iterator[Seat]:
        fewest: Names = min((with_file.get(file, {}) for file in files), key=len, default={})
        return (seat for seat in map(self.seats.__getitem__, fewest) if seat.is_warm(files))

    def busy_copies(self, files: frozenset[str]) -> int:
        """How many of those without room hold all of these, at most."""
        return min((len(self._busy_with.get(file, ())) for file in files), default=0)

    def crowding(self, work: Work) -> float:
        """What was wanted of late over what fits into all memories at once, 1 at most, and where that is not known: how
        likely a further copy is to push out what somebody wants. As if all files were as large as this job's."""
        size = sum(work.sizes.values()) / max(1, len(work.files))
        if self._untold or not self._memory or not size:
            return 1.0
        return min(1.0, len(self.wanted) * size / self._memory)

    def copies(self, file: str) -> int:
        """How many workers hold it."""
        return len(self._free_with.get(file, ())) + len(self._busy_with.get(file, ()))

    def loss(self, seat: Seat, work: Work) -> float:
        """How much would be missed of what this job evicts there, with room as it has: what is wanted often, and is
        held by few."""
        return sum(self._missed(file) for file in seat.evicted(work))

    def _missed(self, file: str) -> float:
        share = self.wanted[file] / max(1, self.copies(file))
        return share * SPARE if len(self._free_with.get(file, ())) > 1 else share
