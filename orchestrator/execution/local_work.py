"""What a job did on its worker's own GPU: measured from what is heard while it runs, booked once it is over.

Only what is heard is measured. A job that was taken over from a dead process, or whose socket broke, is measured from
where it is heard again: too little rather than too much. See :mod:`..metering.local` for what counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from ...clock import utc_now
from ...generation.context import Receipt
from ...generation.graph_estimate_links import HERE, is_hosted, is_link, is_sampled, model_of
from ...metering.ledger import Posting
from ...metering.local import PROVIDER, BusyTime, charge, worked
from ...providers.local_name import PREFIX
from ..link.events import Ended, NodesCached, NodesProgressed, NodeStarted, WorkerEvent
from ..link.protocol import OutputFile

METERED = frozenset({"comfyui"})
"""Kinds of workers that have a device of their own. The runner has none."""
_WEIGHTS = (".safetensors", ".sft", ".ckpt", ".gguf", ".pt", ".pth", ".bin")
_MAIN = ("ckpt_name", "unet_name", "model_name")
"""Inputs that name the model that makes the image, rather than its encoders and additions."""

Graph = Mapping[str, Any]


def loaded(graph: Graph) -> dict[str, list[str]]:
    """The nodes that load model files, each with the files that it names, those of the model itself first."""
    found: dict[str, list[str]] = {}
    for node_id, node in graph.items():
        if _is_ours(node) and node["class_type"] not in HERE:
            continue
        names = sorted(node.get("inputs", {}).items(), key=lambda each: each[0] not in _MAIN)
        if files := [str(value) for _, value in names if str(value).lower().endswith(_WEIGHTS)]:
            found[node_id] = files
    return found


def local_nodes(graph: Graph) -> frozenset[str]:
    """The nodes that load a model file, and those that work on what comes of it; none that has a call of its own, be it
    to a provider or to this worker's device."""
    local = {*loaded(graph), *(node_id for node_id, node in graph.items() if node.get("class_type") in HERE)}
    while more := {
        node_id
        for node_id, node in graph.items()
        if node_id not in local and not _is_ours(node) and any(link[0] in local for link in _links(node))
    }:
        local |= more
    return frozenset(local)


def local_ends(graph: Graph, local: Iterable[str]) -> frozenset[str]:
    """The nodes whose images were made locally, by no provider after that, and by no node of ours that samples: such a
    one has a call of its own, which counts them."""
    counted = {node_id for node_id, node in graph.items() if is_sampled(node)}
    return _below(graph, local) - _below(graph, counted)


def _below(graph: Graph, nodes: Iterable[str]) -> frozenset[str]:
    """These, and what works on what comes of them, up to whoever asks a provider."""
    found = set(nodes)
    while more := {
        node_id
        for node_id, node in graph.items()
        if node_id not in found and not is_hosted(node) and any(link[0] in found for link in _links(node))
    }:
        found |= more
    return frozenset(found)


def _is_ours(node: Mapping[str, Any]) -> bool:
    return str(node.get("class_type", "")).startswith("Mintmark")


def _links(node: Mapping[str, Any]) -> list[list[Any]]:
    return [value for value in node.get("inputs", {}).values() if is_link(value)]


@dataclass
class LocalWork:
    """One try of a job. ``hour_microusd`` None: local work is not metered."""

    graph: Graph
    hour_microusd: Decimal | None
    on: str = ""
    """The kind of worker that it runs on."""
    call_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _busy: BusyTime = field(default_factory=BusyTime)
    _cached: set[str] = field(default_factory=set)
    _by_state: bool = False
    _heard_at: float | None = None

    def __post_init__(self) -> None:
        self._nodes = local_nodes(self.graph)

    def take(self, event: WorkerEvent, at: float) -> None:
        """One event, and when it was heard, in seconds."""
        self._heard_at = at
        if isinstance(event, NodesCached):
            self._cached |= self._nodes & set(event.nodes)
        elif isinstance(event, NodesProgressed):
            # From here on states say when a node is done; without them, it is when the next one begins.
            self._by_state = True
            for node, now in event.nodes.items():
                self._is(node, now.state == "running", at)
        elif isinstance(event, NodeStarted):
            if not self._by_state:
                self._busy.end_all(at)
            self._is(event.node, True, at)
        elif isinstance(event, Ended):
            self._busy.end_all(at)

    def _is(self, node: str, running: bool, at: float) -> None:
        # A node that a node made while it ran is called after it: 5.0.0.2.
        known = node if node in self.graph else node.partition(".")[0]
        if known in self._nodes:
            (self._busy.begin if running else self._busy.end)(node, at)

    def over(self) -> None:
        """Nothing more will be heard: what was at work then worked until the last that was heard."""
        if self._heard_at is not None:
            self._busy.end_all(self._heard_at)

    @property
    def seconds(self) -> float:
        """For how long the worker's GPU was at work for this try."""
        return self._busy.seconds

    def posting(self, job_id: str, files: Iterable[OutputFile] = ()) -> Posting | None:
        """What is to be booked for it; None where nothing was done locally, or nothing of it was heard."""
        if self.hour_microusd is None or self.on not in METERED or not self._nodes:
            return None
        cached = bool(self._cached) and self._cached >= self._nodes - local_savers(self.graph, self._nodes)
        if not self.seconds and not cached:
            return None
        ends = local_ends(self.graph, self._nodes)
        return Posting(
            call_id=self.call_id,
            job_id=job_id,
            kind="settled",
            microusd=0 if cached else charge(self.seconds, self.hour_microusd),
            provider=PROVIDER,
            model=f"{PROVIDER}/{self._model()}",
            request_id=None,
            at=utc_now(),
            images=sum(file.type == "output" and file.kind == "images" and file.node in ends for file in files),
            cached=cached,
            reason=None if cached else worked(self.seconds),
        )

    def _model(self) -> str:
        """The model that made it: of several loaders, the one that names its file as a model's own; without any, the
        checkpoint whose VAE was at work."""
        loaders = loaded(self.graph)
        if not loaders:
            names = (model_of(self.graph, node_id) for node_id in self._nodes)
            return next((name.removeprefix(PREFIX) for name in names if isinstance(name, str)), "unknown")
        main = [node for node in loaders if set(_MAIN) & set(self.graph[node].get("inputs", {}))]
        name = loaders[(main or list(loaders))[0]][0]
        return PurePath(name.replace("\\", "/")).stem


def local_savers(graph: Graph, nodes: Iterable[str]) -> frozenset[str]:
    """Those of the nodes from which nobody takes anything: they save or show, and run each time."""
    used = {link[0] for node in graph.values() for link in _links(node)}
    return frozenset(nodes) - used


def receipt(posting: Posting) -> Receipt:
    """The receipt of local work, to stand beside those of hosted calls."""
    return Receipt(
        call_id=posting.call_id,
        provider=posting.provider,
        model=posting.model,
        request_id=None,
        microusd=posting.microusd,
        state="cached" if posting.cached else "local",
    )
