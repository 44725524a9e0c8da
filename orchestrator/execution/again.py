"""Making a file again from what it tells of itself: its graph, and what that needs."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import CannotRerun, WorkerLost
from ...generation.rent_or_own import BRANCHES, Branch
from ...provenance.credential import Credential
from ...provenance.lineage.kinds import FILES
from ...provenance.texts import read_texts
from ...workflows.ui_format import is_api_format
from ..link.base import Link
from . import kinds
from .inputs import read_image
from .unsigned import named_file

_NAME = 32
"""Digits of its digest by which an upload is called."""
_NOT_KEPT = "Run the workflow anew: mintmark run {workflow}. Sign and Save writes the graph where keep_graph is on."


@dataclass(frozen=True, kw_only=True)
class Then:
    """How a file was made, as its credential vouches for it."""

    data: bytes = field(repr=False)
    graph: dict[str, Any]
    record: Mapping[str, Any]

    @property
    def mode(self) -> str:
        """``live`` or ``sandbox``; empty where it is not told."""
        return str(self.record.get("mode") or "")

    @property
    def label(self) -> str:
        """The workflow's name and version; empty for a graph that was of none."""
        return _label(self.record)

    @property
    def digest(self) -> str:
        """Of that workflow version; empty where it is not told."""
        return str(_part(self.record, "workflow").get("digest") or "")

    @property
    def branch(self) -> Branch | None:
        """The branch that its Rent or Own nodes took, so that they take it again; None where they differ."""
        several = {str(each.get("branch")) for each in _mappings(self.record.get("choices"))}
        return next((branch for branch in BRANCHES if several == {branch}), None)

    @property
    def files(self) -> dict[str, str]:
        """The files that the graph loads, by the node that does."""
        found = (
            (node_id, node["inputs"].get(FILES.get(node["class_type"], ""))) for node_id, node in self.graph.items()
        )
        return {node_id: name for node_id, name in found if isinstance(name, str)}

    def digests_of(self, title: str) -> frozenset[str]:
        """The digests that the credential has of files of this name it was made from: in two folders there may be
        two."""
        several = _mappings(self.record.get("sources"))
        return frozenset(str(each.get("sha256")) for each in several if each.get("title") == title)


def then_of(data: bytes, media_type: str, credential: Credential) -> Then:
    """How the file was made. Raises CannotRerun where it does not tell, or where what it tells cannot be believed."""
    if credential.state == "none":
        raise CannotRerun("The file carries no credential.", hint="Only what was signed can be made again from itself.")
    if credential.state == "invalid":
        why = credential.problems[0].explanation
        raise CannotRerun(f"The file is not what was signed: {why}", hint="Look at it with: mintmark verify")
    record = credential.record or {}
    text = read_texts(data, media_type).get("prompt") if media_type in kinds.JUDGED else None
    graph = _graph(text) if text else None
    if graph is None:
        label = f"{_label(record) or 'NAME'} --set …"
        raise CannotRerun("The file does not hold its graph.", hint=_NOT_KEPT.format(workflow=label))
    return Then(data=data, graph=graph, record=record)


def _label(record: Mapping[str, Any]) -> str:
    told = _part(record, "workflow")
    return f"{told['name']}@{told['version']}" if {"name", "version"} <= told.keys() else ""


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Anybody may sign a record: what is not as ours tells nothing."""
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _graph(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    plain = is_api_format(found) and all(
        isinstance(node["class_type"], str) and isinstance(node["inputs"], dict) for node in found.values()
    )
    return found if plain else None


async def bring_files(then: Then, link: Link, given: Sequence[Path], *, max_pixels: int) -> dict[str, Any]:
    """The graph, with every file that it loads on the worker: the worker's own where that is the one it was made from,
    else one of those that were given.

    Raises CannotRerun naming the file, and what reading a given one may raise.
    """
    graph = copy.deepcopy(then.graph)
    for node_id, name in then.files.items():
        node = graph[node_id]
        if await _is_there(then, link, name):
            continue
        data, media_type = await asyncio.to_thread(_given, then, name, given, max_pixels)
        node["inputs"][FILES[node["class_type"]]] = await link.upload(
            f"{digest(data)[:_NAME]}.{media_type[6:]}", data, media_type
        )
    return graph


async def _is_there(then: Then, link: Link, name: str) -> bool:
    """Whether the worker has this file, and no other one of this name."""
    file = named_file(name)
    try:
        data = await link.fetch(file)
    except WorkerLost:
        return False
    wanted = then.digests_of(file.filename)
    return not wanted or digest(data) in wanted


def _given(then: Then, name: str, given: Sequence[Path], max_pixels: int) -> tuple[bytes, str]:
    """The given file that is meant: the one with the right content, or of the right name where that is not known."""
    title = named_file(name).filename
    wanted = then.digests_of(title)
    for path in given:
        data, media_type, found = read_image("--image", path, max_pixels)
        # Without a digest by name: its own, or the one that an upload of it was given.
        named = path.name == title or found[:_NAME] == Path(title).stem
        if found in wanted or (not wanted and named):
            return data, media_type
    asked = f" (SHA-256 {' or '.join(sorted(wanted))})" if wanted else ""
    raise CannotRerun(
        f"It was made from {title}{asked}, which the worker does not have.", hint="Give the file: --image PATH"
    )


def digest(data: bytes) -> str:
    """SHA-256, as credentials have it of the files they name."""
    return hashlib.sha256(data).hexdigest()
