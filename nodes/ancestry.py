"""Where images began, with the files and answers at hand: what a save node tells of how they were made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import FileMissing, ImageTooLarge, InvalidInput, NotAnImage
from ..generation.rent_or_own import choices_above, inputs_of, pruned

if TYPE_CHECKING:
    import numpy as np

    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.rent_or_own import Choice
    from ..generation.service import Generated
    from ..generation.source import Source
    from ..provenance.lineage.values import Descent, Root
    from .worker import Worker

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

    taken = choices_above(graph, node, lambda node_id: _choice(worker, engine, job, graph, node_id))
    ran = pruned(graph, taken)
    inputs = inputs_of(ran, node)
    ways = descents(ran, inputs.get("images"), types=worker.host.output_types, hosted=classes()) if inputs else []
    roots = dict.fromkeys(root.node for way in ways for root in way.files if root.kind == "hosted")
    results = {each: worker.remembered.of(job, each) for each in roots}
    for each in {_node_of(inputs.get("record")), made.record.node_id} if made else ():
        results[each] = [made, *(other for other in results.get(each, ()) if other is not made)]
    choices = tuple({"node_id": each, **dataclasses.asdict(choice)} for each, choice in taken.items())
    named = _node_of(inputs.get("source"))
    return Ancestry(ways, results, opened, record=made, source=source, named=named, choices=choices)


def _choice(worker: Worker, engine: Engine, job: JobContext, graph: Any, node_id: str) -> Choice | None:
    """What this switch chose in this run. One whose answer came from the cache chooses by the graph: the same again;
    None where what it goes by is not in the graph, but came over a link."""
    from .deciding import decide, goes_by_graph, nested

    if (known := worker.choices.get((job.job_id, node_id))) is not None:
        return known
    policy = nested(inputs_of(graph, node_id), "policy")
    with suppress(InvalidInput):
        return decide(policy, graph, node_id, engine, job) if goes_by_graph(policy) else None
    return None


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
        from ..generation.telling import likeliest

        ways = [way for way in self._ways if self._agrees(way)]
        return likeliest(ways, lambda root: self._unlike(root, pixels))

    def way_from(self, made: Generated) -> Descent | None:
        """A way that begins where the provider gave this."""
        several = ((way, self._made.get(way.root.node, ())) for way in self._ways)
        return next((way for way, results in several if any(each is made for each in results)), None)

    def made_at(self, root: Root, pixels: np.ndarray[Any, Any]) -> Generated | None:
        """What the provider gave where these pixels began, where that is at hand.

        Of several results (the node ran once for each seed of a list) the most alike.
        """
        several = self._made_at(root)
        if len(several) < 2:
            return several[0] if several else None
        return min(several, key=lambda made: _least_unlike((each.data for each in made.pictures), pixels))

    def _made_at(self, root: Root) -> list[Generated]:
        several = self._made.get(root.node, ())
        return [each for each in several if self.record is None or each is self.record]

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
        several = self._made.get(root.node, ())
        if not several and root.node in self.files:
            yield self.files[root.node]
        if any(each.data in told for made in several for each in made.pictures):
            return
        # Which of several was used nobody can tell, but the one that is connected.
        for made in several[:1] if len(several) == 1 or several[:1] == [self.record] else ():
            yield from made.sources
            yield from (self._open(each.data, f"{made.record.model} result") for each in made.pictures)

    def _agrees(self, way: Descent) -> bool:
        if self.record is not None:
            return bool(self._made_at(way.root))
        return self.source is None or any(root.node == self._named for root in way.files)

    def _unlike(self, root: Root, pixels: np.ndarray[Any, Any]) -> float:
        made = self._made_at(root)
        files = [each.data for several in made for each in several.pictures]
        files += [self.files[root.node].data] if not made and root.node in self.files else []
        return _least_unlike(files, pixels)


def _least_unlike(files: Iterable[bytes], pixels: np.ndarray[Any, Any]) -> float:
    from ..generation.likeness import unlike
    from ..generation.telling import UNSEEN

    return min((unlike(data, pixels) for data in files), default=UNSEEN)
