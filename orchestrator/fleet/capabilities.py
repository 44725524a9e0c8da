"""What a worker tells of itself beside its health: its versions, and the model files that it has, with their sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Folders = Mapping[str, Mapping[str, int | None]]
"""Model files by folder, each with its size in bytes; None where the worker does not tell it."""

_CUSTOM = "custom_nodes."


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """``boot_id``: of the process that said so. ``asked_at`` is on the monotonic clock."""

    boot_id: str
    asked_at: float
    comfyui_version: str | None = None
    system: str | None = None
    folders: Folders = field(default_factory=dict)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The sizes that are known, by file without its folder, as workers tell what they have in memory."""
        return {
            name.replace("\\", "/").rpartition("/")[2]: size
            for files in self.folders.values()
            for name, size in files.items()
            if size is not None
        }


def versions_of(stats: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The version of ComfyUI and the operating system in the answer of ``GET /system_stats``; None is what it does not
    tell."""
    system = stats.get("system")
    facts = system if isinstance(system, Mapping) else {}
    return _text(facts.get("comfyui_version")), _text(facts.get("os"))


def packs_of(object_info: Mapping[str, Any]) -> list[str]:
    """The node packs that a worker's nodes come from, by their folders, as ``object_info`` names them."""
    modules = {str(each.get("python_module", "")) for each in object_info.values() if isinstance(each, Mapping)}
    return sorted(module.removeprefix(_CUSTOM) for module in modules if module.startswith(_CUSTOM))


def merged(told: Iterable[tuple[str, Mapping[str, int | None]]]) -> Folders:
    """Folders with what is in them; those with nothing are left out."""
    return {folder: dict(files) for folder, files in told if files}


def _text(value: Any) -> str | None:
    return value[:100] if isinstance(value, str) and value else None
