"""One worker as the dispatcher sees it: its line, what it last said of itself, and what it can run."""

from __future__ import annotations

import time
from typing import Literal

from ...config import Mode
from ...errors import MintmarkError, WorkerLost
from ...generation.context import WorkerHealth
from ...workflows.object_info import ObjectInfo
from ..execution.preparing import Fitting, check_mode
from ..jobs.job import Lane
from ..link.base import Link
from ..metrics.meters import WorkerState

LANES: dict[str, tuple[Lane, ...]] = {"runner": ("hosted",), "comfyui": ("gpu", "hosted")}
"""What each kind of worker can run; a runner has no device."""

State = Literal["starting", "up", "down", "refused"]
"""``refused``: it answers, and may not be used: without the pack, or in the other mode."""


OWN = "runner-"


def own_name(number: int, journal_id: str) -> str:
    """What the store calls a runner that a service started: it is of one data folder, and keeps its name there."""
    return f"{OWN}{number}.{journal_id[:8]}"


def is_own(name: str | None, journal_id: str) -> bool:
    """Whether this is the name of an own runner of the service with this journal. Others have another journal's mark,
    or are named by their URL."""
    return name is not None and name.startswith(OWN) and name.endswith(f".{journal_id[:8]}")


class Worker:
    """``name`` stands in the store's attempts, so it must be the same after a restart. ``shared``: it writes into this
    data folder's journal, as the own runners do."""

    def __init__(self, name: str, link: Link, *, shared: bool = False) -> None:
        self.name = name
        self.link = link
        self.shared = shared
        self.state: State = "starting"
        self.health: WorkerHealth | None = None
        self.problem: MintmarkError | None = None
        self.seen_at: float | None = None
        """When it last answered; on the monotonic clock."""
        self.running = 0
        self.object_info: ObjectInfo = {}
        """What it says of all its nodes."""
        self.fitting: Fitting = {}
        """The workflows that were found to fit those nodes."""
        self._boot_id: str | None = None

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """What it can run; nothing before it has said what it is."""
        return LANES[self.health.kind] if self.health else ()

    @property
    def capacity(self) -> int:
        """How many jobs it is given at a time."""
        return self.link.gate.capacity

    def told(self, *, draining: bool) -> WorkerState:
        """How it stands, for those who watch the service. One that cannot be used now is ``lost``."""
        usable = "draining" if draining else "busy" if self.running else "ready"
        return WorkerState(
            name=self.name,
            state=usable if self.state == "up" else "lost",
            running=self.running,
            capacity=self.capacity,
            health=self.health if self.state == "up" else None,
        )

    @property
    def memory(self) -> int:
        """Bytes of its largest device; 0 where it does not tell."""
        devices = self.health.devices if self.health else ()
        return max((each.vram_total or 0 for each in devices), default=0)

    async def look(self, mode: Mode) -> bool:
        """Ask how it is; whether it can be used."""
        try:
            health = await self.link.health()
            check_mode(health, self.link.url, mode)
            if health.prompt_thread_alive is False:
                raise WorkerLost(f"The worker at {self.link.url} no longer runs prompts; restart it.")
            if health.boot_id != self._boot_id:
                # Another process than before may have other nodes.
                self.object_info, self._boot_id = await self.link.object_infos(), health.boot_id
                self.fitting = {}
        except MintmarkError as exc:
            self.problem = exc
            self.state = "down" if exc.code in ("worker_unreachable", "worker_lost") else "refused"
            return False
        self.health, self.state, self.problem = health, "up", None
        self.seen_at = time.monotonic()
        return True
