"""What placing knows of a job and of a worker, and what it answers. Times are seconds; sizes are bytes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Lane = Literal["hosted", "gpu"]
Reason = Literal["warm", "cold", "any", "waits_for_warm", "overtaken", "all_busy", "nobody_can"]
"""``warm``: what it loads is in memory there. ``cold``: it has to be loaded. ``any``: it loads nothing.
``waits_for_warm``: others have it in memory, or load it, and they are enough for all who wait for it. ``overtaken``:
every free worker goes on with jobs whose models it has. ``all_busy``: those who could have no room.
``nobody_can``: no worker could run it, however long it waited."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job that may start now."""

    job_id: str
    lane: Lane = "gpu"
    classes: frozenset[str] = frozenset()
    """The node classes of its graph."""
    files: frozenset[str] = frozenset()
    """The model files that its graph loads: its affinity."""
    listed: frozenset[str] = frozenset()
    """Those of them that some worker lets choose: others cannot run it. What none lists may be named in other ways."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Of those files, where known."""
    vram: int = 0
    """What it needs at least, where known: its largest file, or what it ran out of memory with."""
    load_s: float = 0.0
    """How long loading all of its files takes."""
    run_s: float = 0.0
    """How long it runs once they are in memory, as its like did."""
    passed_over_s: float = 0.0
    """Since its turn came and it was passed over; 0 where it never was."""
    slack_s: float | None = None
    """What is left of its deadline once it has run; None without one."""
    region: str | None = None
    labels: frozenset[str] = frozenset()
    """What its worker has to be labelled with."""
    pins: tuple[tuple[str, str], ...] = ()
    """Packs that its workflow pins, each with the range of versions that will do."""
    avoid: frozenset[str] = frozenset()
    """Workers that have failed it: it goes to one of them only where no other could run it."""
    absent: frozenset[str] = frozenset()
    """Workers that did not come for it when it was theirs."""
    shape: Hashable = None
    """What of its workflow and values a node could mind about, where some worker does; see :attr:`Seat.unfit`."""

    @property
    def demands(self) -> Hashable:
        """What decides on who can run it: those of which this is the same are for the same workers."""
        its = self.lane, self.classes, self.listed, self.vram, self.region, self.labels, self.pins
        return *its, self.avoid, self.shape


@dataclass(kw_only=True)
class Seat:
    """A worker as it stands."""

    name: str
    lanes: frozenset[str] = frozenset({"gpu"})
    classes: frozenset[str] | None = None
    """The node classes it has; None: not asked yet, which rules nothing out."""
    choices: frozenset[str] | None = None
    """The model files that its nodes let choose; None: not asked yet."""
    vram: int | None = None
    memory: dict[str, int] = field(default_factory=dict)
    """Files in memory and their sizes, the least recently used first."""
    memory_size: int | None = None
    """How much of that it can hold; None: not known, and then nothing is thought to be evicted."""
    room: int = 1
    """How many more jobs it takes now."""
    free_at: float = 0.0
    """When it takes another one, on the clock of whoever places, what it has yet to load included; of no meaning where
    there is room."""
    running: int = 0
    region: str | None = None
    labels: frozenset[str] = frozenset()
    versions: Mapping[str, str | None] = field(default_factory=dict)
    """Of its packs, by name, as far as it tells them."""
    unfit: Mapping[Hashable, str] = field(default_factory=dict)
    """The shapes of jobs that its nodes were found not to run, and why."""
    up: bool = True

    def is_warm(self, files: frozenset[str]) -> bool:
        """Whether all of these are in memory."""
        return files <= self.memory.keys()

    def with_work(self, work: Work) -> Seat:
        """The same once it has this job too."""
        kept = {file: size for file, size in self.memory.items() if file not in {*self.evicted(work), *work.files}}
        loaded = {file: work.sizes.get(file, 0) for file in work.files}
        return replace(self, memory={**kept, **loaded}, room=self.room - 1, running=self.running + 1)

    def evicted(self, work: Work) -> list[str]:
        """What would have to go for this job's files: the least recently used first."""
        if self.memory_size is None:
            return []
        need = sum(work.sizes.get(file, 0) for file in work.files if file not in self.memory)
        spare, gone = self.memory_size - sum(self.memory.values()), []
        for file, size in self.memory.items():
            if spare >= need:
                break
            if file not in work.files:
                spare += size
                gone.append(file)
        return gone


@dataclass(frozen=True, kw_only=True)
class Choice:
    """``worker`` runs it now; None: nobody does yet, and ``reason`` says why."""

    worker: str | None
    reason: Reason
    waits_for: str | None = None
    """The warm worker that is waited for."""
    evicts: tuple[str, ...] = ()
    against: Mapping[str, str] = field(default_factory=dict)
    """Why a worker cannot run it at all, by name; told where nobody can."""
