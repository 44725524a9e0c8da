"""A worker as placing sees it: what it says of itself and how it stands, as values."""

from __future__ import annotations

from collections.abc import Mapping

from ..placement.values import Seat
from .worker import Worker

UNKNOWN = 0
"""The size of a file in memory whose worker does not tell sizes."""


def seat_of(
    worker: Worker, *, free_at: float = 0.0, claimed: int = 0, inferred: Mapping[str, int] | None = None
) -> Seat:
    """``free_at``: when it takes another job, on the clock of whoever places. ``claimed``: jobs on their way to it.
    ``inferred``: what it must have in memory by what it last ran, the least recently used first, for a worker that does
    not tell all of it itself."""
    entry, stands = worker.entry, worker.care.standing
    return Seat(
        name=worker.name,
        lanes=frozenset(worker.lanes),
        classes=frozenset(worker.object_info) or None,
        choices=worker.choices if worker.object_info else None,
        vram=worker.memory or None,
        memory=_memory(worker, inferred or {}),
        room=max(worker.allowed - worker.running - claimed, 0),
        free_at=free_at,
        running=worker.running,
        region=entry.region if entry else None,
        labels=entry.labels if entry else frozenset(),
        versions=worker.versions,
        unfit=worker.fitness.unfit,
        up=worker.state == "up" and stands.told in ("up", "probation"),
    )


def _memory(worker: Worker, inferred: Mapping[str, int]) -> dict[str, int]:
    health, told = worker.health, worker.capabilities
    if health is None:
        return {}
    sizes = told.sizes if told else {}
    known = {name: sizes.get(name, UNKNOWN) for name in health.models_in_memory}
    # What it tells is the truth where it tells all; else it is what is surely there.
    return known if health.models_known else {**inferred, **known}
