"""A file that a worker left unsigned, as a draft: what its graph says of it, and the files it began with."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ...errors import MintmarkError
from ...generation import telling
from ...generation.graph_estimate_links import is_link
from ...generation.likeness import unlike
from ...generation.pictures import decode
from ...generation.rent_or_own import BRANCHES, Choice, choices_above, inputs_of, pruned
from ...generation.sealing import Draft
from ...generation.source import Source, open_source
from ...provenance.lineage.kinds import NAMES
from ...provenance.lineage.tracing import descents
from ...provenance.lineage.values import Descent, Root
from ...provenance.trust import Anchors
from ...workflows.partners import classes
from ..link.base import Link
from ..link.protocol import OutputFile
from . import kinds

_IMAGES = ("images", "image", "video")
"""What save nodes call their pictures, the usual first."""
_PLACES = ("input", "output", "temp")
FEW_NODES = 12
"""A graph of so many is followed in less time than a thread takes to begin."""
MOST_FILES = 16
"""Files of a graph that are fetched for one picture's credential."""


class Unsigned:
    """Drafts of a job's files. ``graph`` is what the worker ran, ``told`` what its nodes said in the history."""

    def __init__(
        self,
        link: Link,
        graph: Mapping[str, Any],
        told: Iterable[Mapping[str, Any]] = (),
        *,
        max_pixels: int,
        anchors_pem: Anchors,
    ) -> None:
        self._link, self._graph = link, graph
        self._choices = dict(_choices(told))
        self._max_pixels, self._anchors = max_pixels, anchors_pem
        self._files: dict[str, Source | None] = {}
        self._ways: dict[str, list[Descent]] = {}

    async def draft(self, file: OutputFile, data: bytes, media_type: str) -> Draft:
        """The file that this node saved."""
        ways = await self._ways_of(file.node)
        for root in [root for way in ways for root in way.files][:MOST_FILES]:
            await self._fetched(root)
        # Only where several are held against the picture there is something to decode.
        drafted = partial(self._drafted, file, data, media_type, ways)
        return await asyncio.to_thread(drafted) if len(ways) > 1 else drafted()

    async def _ways_of(self, node_id: str) -> list[Descent]:
        """How what this node saved came to be: a graph may be large, and a node may have saved many files."""
        if node_id not in self._ways:
            ran, link = pruned(self._graph, self._taken(node_id)), self._link_of(node_id)
            follow = partial(descents, ran, link, hosted=classes())
            self._ways[node_id] = follow() if len(ran) <= FEW_NODES else await asyncio.to_thread(follow)
        return self._ways[node_id]

    def _taken(self, node_id: str) -> dict[str, Choice]:
        return choices_above(self._graph, node_id, self._choices.get)

    def _link_of(self, node_id: str) -> Any:
        """What the node saved: what is called so counts before what only is a link, such as a model's."""
        links = {name: value for name, value in inputs_of(self._graph, node_id).items() if is_link(value)}
        called = (name for name in links if name.split(".")[0] in NAMES)
        return next((links[name] for name in (*_IMAGES, *called, *links) if name in links), None)

    async def _fetched(self, root: Root) -> None:
        """Bring the file that a node loaded; without it the picture's own credential only says less."""
        if root.kind != "file" or not root.name or root.node in self._files:
            return
        try:
            data = await self._link.fetch(named_file(root.name))
            self._files[root.node] = await asyncio.to_thread(self._opened, data, root.name)
        except MintmarkError:
            self._files[root.node] = None

    def _opened(self, data: bytes, name: str) -> Source:
        title = named_file(name).filename
        return open_source(data, title, anchors_pem=self._anchors, max_pixels=self._max_pixels)

    def _drafted(self, file: OutputFile, data: bytes, media_type: str, ways: list[Descent]) -> Draft:
        way = self._likeliest(ways, data, media_type)
        title = file.filename
        taken = self._taken(file.node).items()
        choices = tuple({"node_id": each, **dataclasses.asdict(choice)} for each, choice in taken)
        if way is None:
            return Draft(data=data, title=title, media_type=media_type, choices=choices)
        steps = telling.done(way, self._sources, "local_ai")
        source = self._files.get(way.root.node)
        begun = telling.opened(source, steps, "local_ai") if source else telling.begun(way.root, "local_ai")
        inputs = tuple(each for each in self._sources(way.fed) if each is not source)
        kept: dict[str, Any] = {"steps": steps, "inputs": inputs, "choices": choices, **begun}
        return Draft(data=data, title=title, media_type=media_type, **kept)

    def _sources(self, roots: Iterable[Root]) -> list[Source]:
        found = (self._files.get(root.node) for root in roots)
        return list({each.data: each for each in found if each is not None}.values())

    def _likeliest(self, ways: list[Descent], data: bytes, media_type: str) -> Descent | None:
        """Of several ways the one that begins with the most alike file, or with none where all differ. What a video
        looks like is not known here."""
        seen = len(ways) > 1 and media_type in kinds.JUDGED
        pixels = decode(data, max_pixels=self._max_pixels) if seen else None

        def apart(root: Root) -> float:
            source = self._files.get(root.node)
            return telling.UNSEEN if source is None or pixels is None else unlike(source.data, pixels)

        return telling.likeliest(ways, apart)


def _choices(told: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Choice]]:
    for each in told:
        branch: Any = each.get("branch")
        if branch in BRANCHES:
            yield str(each.get("node_id")), Choice(branch, str(each.get("policy")), str(each.get("reason")))


def named_file(name: str) -> OutputFile:
    """A name as ComfyUI's loaders take it: ``folder/file.png [output]``; without a place it is in the input folder."""
    place = next((each for each in _PLACES if name.endswith(f" [{each}]")), "input")
    subfolder, _, filename = name.removesuffix(f" [{place}]").replace("\\", "/").rpartition("/")
    return OutputFile(filename=filename, subfolder=subfolder, type=place, node="", kind="images")
