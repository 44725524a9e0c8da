"""Whether what a workflow pins is what a worker has: told before a job is sent there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...workflows.format import WorkflowVersion
from ...workflows.semver import Range, Version

OURS, COMFYUI = "mintmark", "comfyui"
"""Packs of which a worker tells the version: our own nodes, and ComfyUI itself. Of no other it does."""

Pin = tuple[str, str]
"""A pack, and the range of versions that will do."""


def is_ours(pack_version: str, own: str) -> bool:
    """Whether nodes of that version and a service of this one understand each other: their major version is the same.
    What cannot be read is taken for a version of one's own making."""
    try:
        return Version.parse(pack_version).core[0] == Version.parse(own).core[0]
    except ValueError:
        return True


def pins_of(workflow: WorkflowVersion) -> tuple[Pin, ...]:
    """What the workflow pins."""
    return tuple((pack.name, pack.version) for pack in workflow.requires.packs)


def skew(pins: Iterable[Pin], versions: Mapping[str, str | None]) -> list[str]:
    """What is pinned and is in another version among those that a worker has, by pack, in words. A version that is not
    known passes."""
    return list(_skew(pins, versions))


def _skew(pins: Iterable[Pin], versions: Mapping[str, str | None]) -> Iterator[str]:
    for name, wanted in pins:
        found = versions.get(name.lower())
        if found is not None and not _admits(wanted, found):
            yield f"it pins {name} {wanted}, and {found} is there"


def _admits(wanted: str, found: str) -> bool:
    try:
        return Range.parse(wanted).admits(Version.parse(found.removeprefix("v")))
    except ValueError:
        return True
