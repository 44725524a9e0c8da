"""``mintmark serve`` with another way of placing jobs, or on another scale of time; no setting does this.

``python -m mintmark.bench.harness.placing_service WAY RATE PREFETCH_S serve …``. ``WAY``: ``mintmark``, as it comes, or
``least_loaded``: the job that is next goes to the worker with the fewest jobs that has room, and nothing else counts.
``RATE``: how fast models are thought to be loaded, in bytes a second. ``PREFETCH_S``: how long before a worker is free
it gets its next job.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable

from mintmark.cli import main
from mintmark.orchestrator.dispatch import needs, placing
from mintmark.orchestrator.placement.against import against
from mintmark.orchestrator.placement.fleet import Fleet
from mintmark.orchestrator.placement.values import Choice, Work

_TURNS = itertools.count(1)
_LAST: dict[str, int] = {}


def least_loaded(worker: str, queue: Iterable[Work], fleet: Fleet, now: float) -> tuple[Work | None, dict[str, Choice]]:
    """In the place of :func:`mintmark.orchestrator.placement.choosing.next_for`. Of several with as many jobs it is the
    one that has waited longest."""
    works = list(queue)
    told = {work.job_id: Choice(worker=None, reason="all_busy") for work in works}
    if not works:
        return None, told
    free = [seat for seat in fleet.free() if not against(works[0], seat)]
    best = min(free, key=lambda seat: (seat.running, _LAST.get(seat.name, 0), seat.name), default=None)
    if best is not None:
        told[works[0].job_id] = Choice(worker=best.name, reason="any")
    if best is None or best.name != worker:
        return None, told
    _LAST[worker] = next(_TURNS)
    return works[0], told


if __name__ == "__main__":
    way, needs.LOAD_RATE, placing.PREFETCH_S = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    if way == "least_loaded":
        placing.next_for = least_loaded  # type: ignore[attr-defined]
    sys.argv[1:] = sys.argv[4:]
    main()
