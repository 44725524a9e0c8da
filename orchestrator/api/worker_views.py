"""A worker as the API tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ..fleet.capabilities import packs_of
from .naming import mark, named
from .shapes import View

if TYPE_CHECKING:
    from ..dispatch.worker import Worker
    from ..fleet.entries import Entry


class DeviceView(View):
    """A device that a worker computes on."""

    name: str
    type: str
    vram_total: int | None
    vram_free: int | None
    load: float | None


class WorkerView(View):
    """A worker."""

    name: str = Field(description="What it is called; one that has no name is called by its address, or by a mark.")
    url: str | None = Field(description="Where it is; for admins alone.")
    source: Literal["own", "settings", "added"] = Field(
        description="A runner of the service, named by its settings, or added while it runs."
    )
    state: Literal["starting", "up", "down", "refused"] = Field(description="Whether it answers, and may be used.")
    standing: Literal["up", "draining", "quarantined", "probation"] = Field(
        description="Whether it gets jobs: as many as it can have, none, none for a while, or one at a time."
    )
    why: str = Field(description="Why it gets none or fewer; empty where it gets all that it can.")
    until: datetime | None = Field(description="In quarantine at least until then.")
    kind: str | None
    lanes: list[str]
    capacity: int
    running: int
    mode: str | None
    pack_version: str | None
    providers: list[str]
    devices: list[DeviceView]
    models_in_memory: list[str]
    problem: str | None
    labels: list[str]
    region: str | None
    hour_microusd: int | None = Field(description="What an hour of it costs, in micro-dollars.")
    added_at: datetime | None
    warm: list[str] = Field(description="Model files of its own that it loads while it is idle.")
    canary: int | None = Field(description="It is tried with so many percent of the jobs that it could have.")
    boot_id: str | None = Field(description="Of the process that answers; another one after a restart.")


class WorkerDetail(WorkerView):
    """A worker with all that it has."""

    comfyui_version: str | None
    system: str | None = Field(description="Its operating system.")
    packs: list[str] = Field(description="The folders of the node packs that its nodes come from.")
    node_classes: list[str]
    models: dict[str, dict[str, int | None]] = Field(
        description="Model files by folder, with their sizes in bytes where it tells them."
    )


class Copy(View):
    """A model file on a worker."""

    name: str = Field(description="The worker's.")
    state: str
    folders: list[str] = Field(description="Those of its model folders that have it; empty where only memory does.")
    bytes: int | None
    in_memory: bool = Field(description="As it tells, or, where it does not, by what it last ran.")


class ModelFile(View):
    """Where a model file is."""

    file: str
    workers: list[Copy]


class TrialView(View):
    """Whether a worker has run what it was to."""

    name: str
    ready: bool
    problem: str | None = Field(description="Why it is not.")
    seconds: float


class Fetching(View):
    """How far a download is."""

    worker: str
    folder: str
    name: str
    state: Literal["loading", "there", "failed"]
    bytes: int
    total: int | None
    problem: str | None


class Workers(View):
    """All of them."""

    workers: list[WorkerView]


class WorkerLog(View):
    """The end of a worker's log."""

    name: str
    lines: list[str]


def worker_view(worker: Worker) -> WorkerView:
    """One that this service uses."""
    health, stands, entry = worker.health, worker.care.standing, worker.entry
    added = entry if entry is not None and entry.url is not None else None
    return WorkerView(
        name=worker.name,
        url=worker.link.url,
        source=worker.source,
        state=worker.state,
        standing=stands.told,
        why=worker.why,
        until=stands.until if stands.told == "quarantined" else None,
        kind=health.kind if health else None,
        lanes=list(worker.lanes),
        capacity=worker.capacity,
        running=worker.running,
        mode=health.mode if health else None,
        pack_version=health.pack_version if health else None,
        providers=list(health.providers) if health else [],
        devices=[DeviceView(**device.model_dump()) for device in health.devices] if health else [],
        models_in_memory=list(health.models_in_memory) if health else [],
        problem=worker.problem.message if worker.problem else None,
        labels=sorted(entry.labels) if entry else [],
        region=entry.region if entry else None,
        hour_microusd=entry.hour_microusd if entry else None,
        added_at=added.added_at if added else None,
        warm=list(entry.warm) if entry else [],
        canary=entry.canary if entry else None,
        boot_id=health.boot_id if health else None,
    )


def entry_view(entry: Entry) -> WorkerView:
    """One that was added just now, and that nobody has asked anything yet."""
    return WorkerView(
        name=entry.name,
        url=str(entry.url),
        source="added",
        state="starting",
        standing=entry.state,
        why="has not answered yet",
        until=entry.until,
        kind=None,
        lanes=[],
        capacity=0,
        running=0,
        mode=None,
        pack_version=None,
        providers=[],
        devices=[],
        models_in_memory=[],
        problem=None,
        labels=sorted(entry.labels),
        region=entry.region,
        hour_microusd=entry.hour_microusd,
        added_at=entry.added_at,
        warm=list(entry.warm),
        canary=entry.canary,
        boot_id=None,
    )


def without_address(view: WorkerView) -> WorkerView:
    """The same for those who order jobs and run no workers: their addresses lead into the house."""
    name, told = mark(view.name), {}
    for field in ("why", "problem"):
        text: str | None = getattr(view, field)
        told[field] = text and named(text, name)
    return view.model_copy(update={**told, "name": name, "url": None})


def detail(view: WorkerView, worker: Worker | None) -> WorkerDetail:
    """The same with all that it has."""
    info = worker.object_info if worker else {}
    told = worker.capabilities if worker else None
    return WorkerDetail(
        **view.model_dump(),
        comfyui_version=told.comfyui_version if told else None,
        system=told.system if told else None,
        packs=packs_of(info),
        node_classes=sorted(info),
        models={folder: dict(files) for folder, files in told.folders.items()} if told else {},
    )


def copy_of(worker: Worker, file: str, memory: Mapping[str, int]) -> Copy | None:
    """A model file, named without its folder, on a worker; None where it is not."""
    folders = worker.capabilities.folders if worker.capabilities else {}
    found = [
        (folder, size)
        for folder, files in folders.items()
        for name, size in files.items()
        if file in (name, name.replace("\\", "/").rpartition("/")[2])
    ]
    told = worker.health.models_in_memory if worker.health and worker.state == "up" else ()
    in_memory = file in told or (file in memory and worker.state == "up")
    if not found and not in_memory:
        return None
    size = next((size for _, size in found if size is not None), None)
    folders_of = list(dict.fromkeys(folder for folder, _ in found))
    return Copy(name=worker.name, state=worker.state, folders=folders_of, bytes=size, in_memory=in_memory)


def fetching_view(worker: str, folder: str, name: str, told: Mapping[str, Any]) -> Fetching:
    """What a worker says of a download."""
    error = told.get("error")
    return Fetching(
        worker=worker,
        folder=folder,
        name=name,
        state=told["state"],
        bytes=int(told.get("bytes") or 0),
        total=told.get("total"),
        problem=str(error.get("message")) if isinstance(error, dict) else None,
    )
