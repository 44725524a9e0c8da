"""Whether a job is for some workers of its lane alone, by what they told of their nodes: then it is placed, not left to
whoever comes first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...workflows.format import WorkflowVersion
from ..fleet.skew import skew
from ..jobs.job import Ordered
from .needs import Needs, bare_needs_of
from .worker import Worker


def gpus(workers: Iterable[Worker]) -> Iterator[Worker]:
    """Those of the lane ``gpu``, and those that may yet say that they are: own runners never are."""
    return (each for each in workers if "gpu" in each.lanes or not (each.lanes or each.shared or each.is_silent))


def is_for_some(ordered: Ordered, workflow: WorkflowVersion, workers: Sequence[Worker]) -> bool:
    """Whether a worker that takes what comes next in the job's lane is known not to run it. Those of the lane ``gpu``
    are placed anyway where there is more than one worker for them."""
    if ordered.lane != "hosted" or len(workers) < 2:
        return False
    needs = bare_needs_of(workflow, ordered.values, ordered.images)
    return any(_refuses(each, ordered, needs) for each in _takers(workers))


def _takers(workers: Sequence[Worker]) -> Iterator[Worker]:
    """Those that take hosted jobs as they come: runners, and a GPU that is the only one."""
    alone = len(list(gpus(workers))) < 2
    return (each for each in workers if "hosted" in each.lanes and (alone or "gpu" not in each.lanes))


def _refuses(worker: Worker, ordered: Ordered, needs: Needs) -> bool:
    return bool(skew(needs.pins, worker.versions) or worker.fitness.against(needs, ordered))
