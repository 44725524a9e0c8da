"""Model files of the runner: a folder laid out as ComfyUI's ``models``, a folder in it for each kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = (
    "checkpoints",
    "controlnet",
    "diffusers",
    "diffusion_models",
    "embeddings",
    "face_detection",
    "facerestore_models",
    "loras",
    "text_encoders",
    "upscale_models",
    "vae",
)
"""Those that local nodes load from. Other folders that are there are kinds, too."""
ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
"""How the names of model files end."""
INDEX = "model_index.json"
"""A folder with this file is one model of many files."""


@dataclass(frozen=True)
class ModelFiles:
    """What is below one folder, which need not be there."""

    root: Path

    def folder(self, kind: str) -> Path | None:
        """Where files of this kind go; None for a word that is no kind."""
        return self.root / kind if kind in (*KINDS, *self.kinds()) else None

    def kinds(self) -> list[str]:
        """The kinds whose folders are there, by name."""
        try:
            inside = [each.name for each in os.scandir(self.root) if each.is_dir()]
        except OSError:
            return []
        return sorted(name for name in inside if not name.startswith("."))

    def names(self, kind: str) -> list[str]:
        """The kind's files, below its folder and with forward slashes; empty where there is no such kind."""
        return sorted(self._files(kind)) if kind in self.kinds() else []

    def sized(self, kind: str) -> list[dict[str, object]]:
        """The same, each with its size in bytes and its time of change, as ``/experiment/models`` tells them."""
        found = []
        for name in self.names(kind):
            try:
                told = (self.root / kind / name).stat()
            except OSError:  # gone meanwhile
                continue
            found.append({"name": name, "pathIndex": 0, "size": told.st_size, "modified": told.st_mtime})
        return found

    def has(self, name: str) -> bool:
        """Whether a file, or a folder that is one model, has this name, with or without the folders it is in."""
        wanted = name.replace("\\", "/")
        found = (each for kind in self.kinds() for each in (*self._files(kind), *self._folders(kind)))
        return any(wanted in (each, each.rpartition("/")[2]) for each in found)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Another where a file came, went or was changed: the path, size and time of change of each."""
        return tuple(self._stamps())

    def _stamps(self) -> Iterator[tuple[str, int, int]]:
        for kind in self.kinds():
            for folder, names in self._walk(kind):
                for path in (self.root / kind / folder / name for name in sorted(names)):
                    try:
                        told = path.stat()
                    except OSError:  # gone meanwhile
                        continue
                    yield str(path), told.st_size, told.st_mtime_ns

    def _files(self, kind: str) -> Iterator[str]:
        for folder, names in self._walk(kind):
            yield from (f"{folder}{name}" for name in names if name.lower().endswith(ENDINGS))

    def _folders(self, kind: str) -> Iterator[str]:
        yield from (folder.rstrip("/") for folder, names in self._walk(kind) if INDEX in names and folder)

    def _walk(self, kind: str) -> Iterator[tuple[str, list[str]]]:
        """Each folder of the kind as it stands in names (empty, or with a slash at its end), and its files."""
        top = self.root / kind
        for place, folders, names in os.walk(top, followlinks=True):
            folders[:] = [each for each in folders if not each.startswith(".")]
            below = Path(place).relative_to(top).as_posix()
            yield "" if below == "." else f"{below}/", names
