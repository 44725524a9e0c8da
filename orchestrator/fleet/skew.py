"""Whether what a workflow pins is what a worker has: told before a job is sent there. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...workflows.format import WorkflowVersion
from ...workflows.semver import Range, Version

OURS, COMFYUI = "mintmark", "comfyui"
"""Packs of which a worker tells the version: our own nodes, and ComfyUI itself. Of no other it does."""


def is_ours(pack_version: str, own: str) -> bool:
    """Whether nodes of that version and a service of this one understand each other: their major version is the same.
    What cannot be read is taken for a version of one's own making."""
    try:
        return Version.parse(pack_version).core[0] == Version.parse(own).core[0]
    except ValueError:
        return True


def skew(workflow: WorkflowVersion, pack_version: str | None, comfyui_version: str | None) -> list[str]:
    """What the workflow pins and this worker has in another version, in words. A version that is not known passes."""
    return list(_skew(workflow, {OURS: pack_version, COMFYUI: comfyui_version}))


def _skew(workflow: WorkflowVersion, has: dict[str, str | None]) -> Iterator[str]:
    for pack in workflow.requires.packs:
        found = has.get(pack.name.lower())
        if found is not None and not _admits(pack.version, found):
            yield f"it pins {pack.name} {pack.version}, and {found} is there"


def _admits(wanted: str, found: str) -> bool:
    try:
        return Range.parse(wanted).admits(Version.parse(found.removeprefix("v")))
    except ValueError:
        return True
