"""What is heard of a job while it runs: one stream of facts, whether they came as text or as a binary frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .protocol import History


@dataclass(frozen=True)
class PromptStarted:
    """The worker began to run the job's prompt."""


@dataclass(frozen=True)
class NodesCached:
    """These nodes need not run: the worker has their outputs from before."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class NodeStarted:
    """A node began to run."""

    node: str


@dataclass(frozen=True)
class NodeProgress:
    """A node is ``value`` of ``max`` done."""

    node: str
    value: float
    max: float


@dataclass(frozen=True)
class NodeState:
    """Where one node stands: ``value`` of ``max``."""

    value: float
    max: float
    state: Literal["pending", "running", "finished", "error"]


@dataclass(frozen=True)
class NodesProgressed:
    """Where several nodes stand. A node that is not named is as it was."""

    nodes: Mapping[str, NodeState]


@dataclass(frozen=True)
class NodeExecuted:
    """A node that shows something is done; ``output`` is what it shows, and empty where the cache has none."""

    node: str
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preview:
    """How a node's picture looks so far. Never a result: it is unchecked and unsigned."""

    node: str
    """Empty where the worker does not say which node it is of."""
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class NodeText:
    """What a node tells about itself while it runs."""

    node: str
    text: str


@dataclass(frozen=True)
class JournalGrew:
    """The worker's journal has a new entry of this job."""

    entry: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """The worker says that the prompt is over; its history tells how. A runner tells that along with it."""

    history: History | None = None


@dataclass(frozen=True)
class FilesArrived:
    """The job's files are on this machine, checked and written."""

    count: int


WorkerEvent = (
    PromptStarted
    | NodesCached
    | NodeStarted
    | NodeProgress
    | NodesProgressed
    | NodeExecuted
    | Preview
    | NodeText
    | JournalGrew
    | Ended
    | FilesArrived
)
