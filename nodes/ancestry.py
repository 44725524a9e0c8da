"""Where images began, with the files and answers at hand: what a save node tells of how they were made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import FileMissing, ImageTooLarge, NotAnImage

if TYPE_CHECKING:
    import numpy as np

    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.rent_or_own import Choice
    from ..generation.service import Generated
    from ..generation.source import Source
    from ..provenance.lineage.values import Descent, Root
    from .worker import Worker

SWITCH = "MintmarkRentOrOwn"
"""The node that works on one of two branches."""
Open = Callable[[bytes, str], "Source"]
"""A file's bytes and its title as a source. Raises NotAnImage and ImageTooLarge."""


def ancestry_of(
    worker: Worker, engine: Engine, job: JobContext, graph: Any, node: str, made: Any, source: Any
) -> Ancestry:
    """What the graph of this save node says of its images, and what is at hand of where they began.

    ``made`` and ``source`` are what the artist connected. Of a branch that was not taken, nothing was made.
    """
    from ..generation.source import open_source
    from ..provenance.lineage.tracing import descents
    from ..provenance.trust import trust_of
    from ..workflows.partners import classes

    def opened(data: bytes, title: str) -> Source:
        anchors, most = trust_of(worker.settings), worker.settings.max_pixels
        return open_source(data, title, anchors_pem=anchors, max_pixels=most)

    taken = {node_id: _choice(worker, engine, job, graph, node_id) for node_id in _switches(graph)}
    ran = pruned(graph, {node_id: choice.branch for node_id, choice in taken.items()})
    inputs = _inputs_of(ran, node)
    ways = descents(ran, inputs.get("images"), types=worker.host.output_types, hosted=classes()) if inputs else []
    roots = dict.fromkeys(root.node for way in ways for root in way.files if root.kind == "hosted")
    results = {each: list(worker.remembered.of(each)) for each in roots}
    for each in {_node_of(inputs.get("record")), made.record.node_id} if made else ():
        results[each] = [made, *(other for other in results.get(each, ()) if other is not made)]
    choices = tuple({"node_id": each, **dataclasses.asdict(choice)} for each, choice in taken.items())
    named = _node_of(inputs.get("source"))
    return Ancestry(ways, results, opened, record=made, source=source, named=named, choices=choices)


def _choice(worker: Worker, engine: Engine, job: JobContext, graph: Any, node_id: str) -> Choice:
    """What this switch chose in this run. One whose answer came from the cache chooses by the graph: the same again."""
    from .deciding import decide, nested

    known = worker.choices.get((job.job_id, node_id))
    return known or decide(nested(graph[node_id]["inputs"], "policy"), graph, node_id, engine, job)


def pruned(graph: Any, taken: Mapping[str, str]) -> Any:
    """The graph without what its switches did not take; ``taken`` is the branch by the switch's node id."""
    if not taken:
        return graph
    changed = {}
    for node_id, branch in taken.items():
        node = graph[node_id]
        kept = {name: value for name, value in node["inputs"].items() if name.startswith(branch)}
        changed[node_id] = {**node, "inputs": kept}
    return {**graph, **changed}


def _switches(graph: Any) -> list[str]:
    nodes = graph.items() if isinstance(graph, dict) else ()
    return [node_id for node_id, node in nodes if isinstance(node, dict) and node.get("class_type") == SWITCH]


def _inputs_of(graph: Any, node: str) -> Mapping[str, Any]:
    """This node's inputs as the graph has them; none for one that a node made while it ran."""
    found = graph.get(node) if isinstance(graph, dict) else None
    return found.get("inputs", {}) if isinstance(found, dict) else {}


def _node_of(link: Any) -> str:
    return str(link[0]) if isinstance(link, list) and link else ""


class Ancestry:
    """The ways in which a save node's images may have come to be, and what is at hand of where these began.

    ``made`` is what nodes that asked a provider gave, by node id, the likeliest first. ``record`` and ``source`` are
    what the artist connected; they count for more than the graph. ``named``: the node whose file ``source`` is.
    ``choices``: which branches of the graph were taken, and why.
    """

    def __init__(
        self,
        ways: Sequence[Descent],
        made: Mapping[str, Sequence[Generated]],
        opened: Open,
        *,
        record: Generated | None = None,
        source: Source | None = None,
        named: str = "",
        choices: tuple[Mapping[str, str], ...] = (),
    ) -> None:
        self.record, self.source, self.choices = record, source, choices
        self._ways, self._made, self._open, self._named = ways, made, opened, named

    @cached_property
    def results(self) -> list[Generated]:
        """What providers gave, that of the connected record first."""
        first = [self.record] if self.record else []
        several = [*first, *(each for many in self._made.values() for each in many)]
        return list({id(each): each for each in several}.values())

    @cached_property
    def files(self) -> dict[str, Source]:
        """The files that nodes loaded, as they lie in the input folder now; one that is gone is left out."""
        from . import inputs

        found = {self._named: self.source} if self.source else {}
        for root in dict.fromkeys(root for way in self._ways for root in way.files if root.kind == "file"):
            with suppress(FileMissing, NotAnImage, ImageTooLarge):
                if root.node not in found:
                    found[root.node] = self._open(inputs.read(root.name), inputs.title_of(root.name))
        return found

    def way_of(self, pixels: np.ndarray[Any, Any]) -> Descent | None:
        """The likeliest way in which changed pixels came to be; None where the graph does not tell.

        Where no way leads to what the artist connected, the graph is not asked.
        """
        ways = [way for way in self._ways if self._agrees(way)]
        if len(ways) < 2:
            return ways[0] if ways else None
        return min(ways, key=lambda way: self._unlike(way.root, pixels))

    def way_from(self, made: Generated) -> Descent | None:
        """A way that begins where the provider gave this."""
        several = ((way, self._made.get(way.root.node, ())) for way in self._ways)
        return next((way for way, results in several if any(each is made for each in results)), None)

    def made_at(self, root: Root) -> Generated | None:
        """What the provider gave where pixels began, where that is at hand."""
        several = self._made.get(root.node, ())
        if self.record is not None:
            return self.record if any(each is self.record for each in several) else None
        return next(iter(several), None)

    def inputs(self, made: Generated | None, way: Descent | None) -> tuple[Source, ...]:
        """The files that a model was shown on this way, each once: those that the result came with, the one that the
        artist connected, and what else the graph names."""
        told = [*(made.sources if made else ()), *([self.source] if self.source else [])]
        more = self.sources(way.fed, {each.data for each in told}) if way else ()
        return tuple({each.data: each for each in (*told, *more)}.values())

    def sources(self, roots: Iterable[Root], told: Collection[bytes] = ()) -> tuple[Source, ...]:
        """The files of these beginnings, those that are at hand. Of results some of which are told already, those are
        the ones that were used."""
        return tuple(each for root in roots for each in self._sources(root, told))

    def _sources(self, root: Root, told: Collection[bytes]) -> Iterator[Source]:
        made = next(iter(self._made.get(root.node, ())), None)
        if made is not None and not any(each.data in told for each in made.pictures):
            yield from made.sources
            yield from (self._open(each.data, f"{made.record.model} result") for each in made.pictures)
        elif made is None and root.node in self.files:
            yield self.files[root.node]

    def _agrees(self, way: Descent) -> bool:
        if self.record is not None:
            return self.made_at(way.root) is self.record
        return self.source is None or any(root.node == self._named for root in way.files)

    def _unlike(self, root: Root, pixels: np.ndarray[Any, Any]) -> float:
        from ..generation.likeness import unlike
        from ..generation.telling import UNSEEN

        made = self.made_at(root)
        files = [each.data for each in made.pictures] if made else []
        files += [self.files[root.node].data] if not made and root.node in self.files else []
        return min((unlike(data, pixels) for data in files), default=UNSEEN)
