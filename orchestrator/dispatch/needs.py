"""What a job needs of a worker, read from its graph: the model files that it loads, the node classes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import MintmarkError
from ...generation.graph_estimate_links import LOADER, is_sampled, model_of
from ...providers.local_name import PREFIX
from ...workflows.bind import bind
from ...workflows.fitting import shape_of
from ...workflows.format import WorkflowVersion
from ...workflows.object_info import ObjectInfo
from ..fleet.skew import Pin, pins_of
from ..jobs.base import Ready
from ..jobs.queueing import LARGE
from ..placement.values import Work

SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
"""How names of model files end."""
LOAD_RATE = 0.5 * 2**30
"""Bytes a second at which a model is thought to be loaded, from a disk of its own into the device's memory, while no
worker has shown how fast it is."""
ASSUMED_SIZE = 6 * 2**30
"""Of a file whose size no worker tells, in bytes: a checkpoint of the usual kind."""


@dataclass(frozen=True)
class Needs:
    """Of one job. Files are named without their folders, as workers tell what they have in memory."""

    classes: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)
    pins: tuple[Pin, ...] = ()
    workflow: WorkflowVersion | None = None
    shape: Hashable = None
    """What of its workflow and its values a node could mind about."""

    @property
    def size(self) -> int:
        """Of all of its files, in bytes."""
        return sum(self.sizes.get(file, ASSUMED_SIZE) for file in self.files)


def needs_of(
    workflow: WorkflowVersion,
    values: Mapping[str, Any],
    size_of: Callable[[str], int | None] = lambda file: None,
    images: Collection[str] = (),
) -> Needs:
    """``size_of`` a file in bytes; None where nobody tells it. ``images``: the inputs that get a picture. Values that
    cannot be bound are not judged here: whoever runs the job does that."""
    pictures = {spec.name: "picture" for spec in workflow.inputs if spec.type == "image"}
    try:
        graph: Mapping[str, Any] = bind(workflow, {**values, **pictures}).graph
    except MintmarkError:
        graph = workflow.graph
    files = files_of(graph)
    told = {file: size_of(file) for file in files}
    return replace(
        bare_needs_of(workflow, values, images),
        classes=frozenset(str(node.get("class_type")) for node in graph.values()),
        files=files,
        sizes={file: ASSUMED_SIZE if size is None else size for file, size in told.items()},
    )


def bare_needs_of(workflow: WorkflowVersion, values: Mapping[str, Any], images: Collection[str] = ()) -> Needs:
    """What of it can be told without its graph."""
    shape = workflow.digest, tuple(sorted(images)), shape_of(workflow, dict(sorted(values.items())))
    return Needs(pins=pins_of(workflow), workflow=workflow, shape=shape)


def files_of(graph: Mapping[str, Any]) -> frozenset[str]:
    """Every input that names a model file; and the checkpoints that nodes of ours sample, which may be folders."""
    values = (value for node in graph.values() for value in node.get("inputs", {}).values())
    named = [value for value in values if isinstance(value, str) and value.lower().endswith(SUFFIXES)]
    sampled = (model_of(graph, node_id) for node_id, node in graph.items() if is_sampled(node))
    named += [name for name in sampled if isinstance(name, str)]
    return frozenset(map(_file, named))


def choices_of(object_info: ObjectInfo) -> frozenset[str]:
    """The model files that a worker's nodes let choose, as :func:`files_of` names them."""
    found = {value for info in object_info.values() for value in _texts(info.get("input")) if _is_model(value)}
    loader = object_info.get(LOADER, {}).get("input")
    # Its checkpoints may be folders, which do not end as files do.
    return frozenset(map(_file, {*found, *_texts((loader or {}).get("required", {}).get("checkpoint"))}))


def _texts(told: Any) -> Iterator[str]:
    """Every text in what a node tells of its inputs."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, (list, tuple, Mapping)):
        for each in told.values() if isinstance(told, Mapping) else told:
            yield from _texts(each)


def _is_model(value: str) -> bool:
    return value.startswith(PREFIX) or value.lower().endswith(SUFFIXES)


def _file(name: str) -> str:
    return name.removeprefix(PREFIX).replace("\\", "/").rpartition("/")[2]


def work_of(
    ready: Ready,
    needs: Needs,
    *,
    load_rate: float,
    run_s: float = 0.0,
    passed_over_s: float = 0.0,
    slack_s: float | None = None,
    most_memory: int = 0,
    avoid: frozenset[str] = frozenset(),
    absent: frozenset[str] = frozenset(),
    choices: frozenset[str] = frozenset(),
    unfit: Collection[Hashable] = (),
) -> Work:
    """The job as placing sees it. ``load_rate``: bytes a second; ``run_s``: how long its like run, without loading;
    ``most_memory``: that of the largest worker that is there, in bytes; ``choices``: the model files that any worker
    lets choose; ``unfit``: the shapes of jobs that some worker does not run."""
    largest, its = max(needs.sizes.values(), default=0), ready.job.ordered
    return Work(
        job_id=ready.job.job_id,
        lane="gpu" if ready.lane == LARGE else its.lane,
        classes=needs.classes,
        files=needs.files,
        listed=needs.files & choices,
        sizes=needs.sizes,
        # A file larger than any memory is left to the worker, which may run it piece by piece.
        vram=most_memory if ready.lane == LARGE else largest if largest <= most_memory else 0,
        load_s=needs.size / load_rate,
        run_s=run_s,
        passed_over_s=passed_over_s,
        slack_s=slack_s,
        region=its.region,
        labels=frozenset(its.labels),
        pins=needs.pins,
        avoid=avoid,
        absent=absent,
        shape=needs.shape if needs.shape in unfit else None,
    )
