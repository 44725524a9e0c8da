"""One worker as the dispatcher sees it: its line, what it last said of itself, and what it can run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Literal

from ... import __version__
from ...config import Mode
from ...errors import MintmarkError, WorkerLost, WorkerRefused, WorkerUnreachable, WorkerWithoutPack
from ...generation.context import WorkerHealth
from ...workflows.format import WorkflowVersion
from ...workflows.object_info import ObjectInfo
from ..execution.preparing import check_mode
from ..fleet.bounds import ANSWER_S
from ..fleet.canary import Trial
from ..fleet.capabilities import Capabilities
from ..fleet.entries import Entry, Reason
from ..fleet.skew import COMFYUI, OURS, Pin, is_ours, pins_of, skew
from ..jobs.job import Lane, Ordered
from ..jobs.queueing import LARGE
from ..jobs.queueing import OWN as OWN_LANE
from ..link.base import Link
from ..link.waiting import within
from ..metrics.meters import WorkerState
from . import passing
from .care import Care
from .fitness import Fitness
from .needs import Needs, choices_of
from .outcomes import UNFIT

LANES: dict[str, tuple[Lane, ...]] = {"runner": ("hosted",), "comfyui": ("gpu", "hosted")}
"""What each kind of worker can run; a runner has no device."""

State = Literal["starting", "up", "down", "refused"]
"""``refused``: it answers, and may not be used: without the pack, or in the other mode."""

Source = Literal["own", "settings", "added"]
"""Who says that it is a worker: the service, which started it; its settings; or the registry."""

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

    def __init__(self, name: str, link: Link, *, shared: bool = False, source: Source | None = None) -> None:
        self.name = name
        self.link = link
        self.shared = shared
        self.source: Source = source or ("own" if shared else "settings")
        self.care = Care(name)
        self.entry: Entry | None = None
        """What the registry has of it."""
        self.capabilities: Capabilities | None = None
        self.state: State = "starting"
        self.health: WorkerHealth | None = None
        self.problem: MintmarkError | None = None
        self.seen_at: float | None = None
        """When it last answered; on the monotonic clock."""
        self.running = 0
        self.object_info: ObjectInfo = {}
        """What it says of all its nodes."""
        self.trial: Trial | None = None
        """While it is tried, because it was changed."""
        self.changed = False
        """Whether its files are other ones than when it was asked for its nodes."""
        self.fitness = Fitness()
        """Which jobs those nodes run."""
        self.choices: frozenset[str] = frozenset()
        """The model files that those nodes let choose."""
        self._boot_id: str | None = None
        self._since = time.monotonic()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """What it can run; nothing before it has said what it is."""
        return LANES[self.health.kind] if self.health else ()

    def claims(self, others: Sequence[Worker]) -> tuple[str, ...]:
        """The lanes that it takes jobs from: with those that go on only in this journal, where it shares it, and those
        that need much memory, where none of the ``others`` that are there has more."""
        own = (OWN_LANE,) if self.shared and self.lanes else ()
        largest = self.memory > 0 and not self.smaller(others)
        return (*self.lanes, *own, *((LARGE,) if largest else ()))

    def smaller(self, others: Sequence[Worker]) -> bool:
        """Whether one of the others is there and has more memory."""
        return any(each.state == "up" and each.memory > self.memory for each in others)

    @property
    def capacity(self) -> int:
        """How many jobs it is given at a time."""
        return self.link.gate.capacity

    @property
    def allowed(self) -> int:
        """How many it may have now: none where it is drained or in quarantine, one on probation."""
        return self.care.standing.allowed(self.capacity)

    @property
    def why(self) -> str:
        """Why it gets no jobs now, or fewer than it could, in words; empty where it gets all that it can."""
        if self.state != "up":
            return self.problem.message if self.problem else "has not answered yet"
        return "is drained" if self.care.standing.draining else self.care.standing.why

    def obey(self, entry: Entry | None) -> None:
        """Stand as the registry says; None where it has nothing of this worker."""
        self.entry = entry
        self.care.standing.take(entry)
        percent = entry.canary if entry else None
        if percent != (self.trial.percent if self.trial else None):
            self.trial = None if percent is None else Trial(percent)

    @property
    def hour_microusd(self) -> int | None:
        """What an hour of it costs, where the registry knows that."""
        return self.entry.hour_microusd if self.entry else None

    @property
    def versions(self) -> dict[str, str | None]:
        """Of the packs of which it tells them."""
        return {
            OURS: self.health.pack_version if self.health else None,
            COMFYUI: self.capabilities.comfyui_version if self.capabilities else None,
        }

    def has_other_files(self) -> None:
        """It was given a model file: it is asked anew what it has, and what its nodes let choose."""
        self.changed, self.capabilities = True, None

    def check_place(self, ordered: Ordered) -> None:
        """The last look before anything is sent. Raises WorkerRefused where the job says that it runs elsewhere."""
        if not self.is_where(ordered):
            wanted = [*([f"region {ordered.region}"] if ordered.region else []), *ordered.labels]
            raise WorkerRefused(
                f"The job runs on workers with {', '.join(wanted)} alone, and {self.name} is none.",
                hint="Add or describe such a worker: mintmark worker add.",
                fault=UNFIT,
            )

    def is_where(self, ordered: Ordered) -> bool:
        """Whether it stands where the job says."""
        entry = self.entry
        labels = entry.labels if entry else frozenset()
        return ordered.region in (None, entry.region if entry else None) and labels.issuperset(ordered.labels)

    def takes(self, ordered: Ordered, pins: Iterable[Pin]) -> bool:
        """Whether it is there, gets jobs, and is what and where the job says."""
        there = self.state == "up" and self.allowed > 0 and ordered.lane in self.lanes
        return there and self.is_where(ordered) and not skew(pins, self.versions)

    @property
    def is_away(self) -> bool:
        """Whether it gets no jobs now, for whichever reason, and may again."""
        return self.state in ("starting", "down") or not self.allowed

    @property
    def told_news(self) -> bool:
        """Whether it has told what it has, and the registry, which is to remember that, does not know it."""
        known = self.entry.told_at is not None if self.entry else self.source != "settings"
        return self._boot_id is not None and self.source != "own" and not known

    @property
    def is_silent(self) -> bool:
        """Whether nobody ever heard what it has, for so long that nothing waits for it any more. What the service
        starts itself is waited for."""
        told = self._boot_id is not None or (self.entry is not None and self.entry.told_at is not None)
        return not told and self.source != "own" and time.monotonic() - self._since >= passing.UNTOLD_S

    @property
    def samples(self) -> bool:
        """Whether it is there, and a runner that has a device to compute on."""
        devices = self.health.devices if self.health and self.lanes == ("hosted",) else ()
        return self.state == "up" and any(each.type != "cpu" for each in devices)

    def might_run(self, ordered: Ordered, needs: Needs, listed: frozenset[str]) -> bool:
        """Whether it runs the job once it is there and gets jobs, for all that it has told by now. ``listed``: those of
        the job's model files that some worker lets choose."""
        if self.state == "refused" or not self.is_where(ordered) or ordered.lane not in (self.lanes or (ordered.lane,)):
            return False
        if not self.object_info:
            return not self.is_silent and not self.fitness.against(needs, ordered)
        has_all = needs.classes <= self.object_info.keys() and listed <= self.choices
        return has_all and not skew(needs.pins, self.versions) and not self.fitness.against(needs, ordered)

    def check_pins(self, workflow: WorkflowVersion) -> None:
        """Raises WorkerRefused where the workflow pins other versions than it has."""
        if told := skew(pins_of(workflow), self.versions):
            raise WorkerRefused(
                f"{workflow.label} does not fit {self.name}: {'; '.join(told)}.",
                hint="Install what it pins there, or choose another worker.",
                fault=UNFIT,
            )

    def told(self, *, draining: bool) -> WorkerState:
        """How it stands, for those who watch the service. One that cannot be used now is ``lost``."""
        stands = "draining" if draining else self.care.standing.told
        usable = stands if stands != "up" else "busy" if self.running else "ready"
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
        used, before = self.state == "up", self._boot_id
        try:
            await self._look(mode)
        except MintmarkError as exc:
            self.problem = exc
            self.state = "down" if exc.code in ("worker_unreachable", "worker_lost") else "refused"
            reason: Reason | None = exc.data.get("fault") or ("unreachable" if self.state == "down" else None)
            # One that was never there is no worker that died.
            if reason is not None and (used or reason != "unreachable"):
                self.care.looked_ill(reason)
            return False
        self.state, self.problem = "up", None
        self.seen_at = time.monotonic()
        if used and before != self._boot_id:
            # It died and was started again between two looks.
            self.care.looked_ill("unreachable")
        self.care.looked_well()
        return True

    async def _look(self, mode: Mode) -> None:
        health = await self._health()
        check_mode(health, self.link.url, mode)
        if not is_ours(health.pack_version, __version__):
            raise WorkerWithoutPack(
                f"The Mintmark nodes of the worker at {self.link.url} are {health.pack_version}, and this is"
                f" {__version__}.",
                hint="Install the same major version on both sides and restart the worker.",
                fault="version",
            )
        if health.prompt_thread_alive is False:
            raise WorkerLost(
                f"The worker at {self.link.url} no longer runs prompts; restart it.", fault="prompt_thread"
            )
        if health.boot_id != self._boot_id or self.changed:
            # Another process than before may have other nodes, and choices are of the files that there are.
            self.changed = False
            self.object_info, self._boot_id = await self.link.object_infos(), health.boot_id
            self.fitness, self.choices = Fitness(self.object_info), choices_of(self.object_info)
        self.health = health

    async def _health(self) -> WorkerHealth:
        try:
            return await within(self.link.health(), ANSWER_S)
        except asyncio.TimeoutError:
            raise WorkerUnreachable(
                f"The worker at {self.link.url} has not answered for {ANSWER_S:g} s.", hint="Does it hang?"
            ) from None
