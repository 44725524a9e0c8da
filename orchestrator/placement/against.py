"""Why a worker cannot run a job. Pure."""

from __future__ import annotations

from ..fleet.skew import skew
from .values import Seat, Work


def against(work: Work, seat: Seat) -> str:
    """Why this worker cannot run the job, in words; empty where it can."""
    if not seat.up:
        return "it is not up"
    if work.lane not in seat.lanes:
        return f"it takes no jobs of the lane {work.lane}"
    if seat.name in work.avoid:
        return "the job failed there before"
    if seat.name in work.absent:
        return "it did not come for the job when it was its turn"
    if work.region is not None and work.region != seat.region:
        return f"it is in region {seat.region or 'unknown'}, not in {work.region}"
    if lacking := work.labels - seat.labels:
        return f"it is not labelled {', '.join(sorted(lacking))}"
    if told := skew(work.pins, seat.versions):
        return "; ".join(told)
    if seat.classes is not None and (missing := work.classes - seat.classes):
        return f"it lacks the nodes {', '.join(sorted(missing)[:5])}"
    if seat.choices is not None and (missing := work.listed - seat.choices):
        return f"it has no {', '.join(sorted(missing)[:5])}"
    if work.shape in seat.unfit:
        return seat.unfit[work.shape]
    if seat.vram is not None and work.vram > seat.vram:
        return f"it has {seat.vram / 2**30:.1f} GiB of memory, and the job needs {work.vram / 2**30:.1f}"
    return ""
