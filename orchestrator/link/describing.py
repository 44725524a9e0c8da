"""Which model files a worker has, as ComfyUI tells it: with their sizes where it does, else their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from .wire import Wire

MOST_FOLDERS, MOST_FILES = 100, 20_000
"""What is read of a worker at most."""

Files = dict[str, "int | None"]


async def models_of(wire: Wire) -> dict[str, Files]:
    """Files by folder. ``/experiment/models`` tells sizes; a ComfyUI without it tells names at ``/models``."""
    for path in ("/experiment/models", "/models"):
        status, folders = await wire.json("GET", path)
        if status == 200 and isinstance(folders, list):
            return await _read(wire, path, folders)
    return {}


async def _read(wire: Wire, path: str, folders: list[Any]) -> dict[str, Files]:
    found: dict[str, Files] = {}
    left = MOST_FILES
    for folder in filter(None, map(_name, folders[:MOST_FOLDERS])):
        status, files = await wire.json("GET", f"{path}/{quote(folder, safe='')}")
        if status == 200 and isinstance(files, list):
            found[folder] = {name: _size(file) for file in files[:left] if (name := _name(file))}
            left -= len(found[folder])
    return found


def _name(told: Any) -> str:
    """Of a folder or a file, told as its name or as an object with it; empty where neither."""
    name = told.get("name") if isinstance(told, dict) else told
    return name if isinstance(name, str) else ""


def _size(file: Any) -> int | None:
    size = file.get("size") if isinstance(file, dict) else None
    return size if isinstance(size, int) and not isinstance(size, bool) else None
