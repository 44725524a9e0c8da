"""Where images began, with the files and answers at hand: what a save node tells of how they were made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import FileMissing, ImageTooLarge, NotAnImage

if TYPE_CHECKING:
    import numpy as np

    from ..generation.service import Generated
    from ..generation.source import Source
    from ..provenance.lineage.values import Descent, Root

Open = Callable[[bytes, str], "Source"]
"""A file's bytes and its title as a source. Raises NotAnImage and ImageTooLarge."""


class Ancestry:
    """The ways in which a save node's images may have come to be, and what is at hand of where these began.

    ``made`` is what nodes that asked a provider gave, by node id, the likeliest first. ``record`` and ``source`` are
    what the artist connected; they count for more than the graph. ``named``: the node whose file ``source`` is.
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
    ) -> None:
        self.record, self.source = record, source
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
