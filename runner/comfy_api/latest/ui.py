"""``comfy_api.latest.ui``: what an output node shows on the page and leaves in the history."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ... import pictures
from ...context import executing
from ...images import as_array
from .io import FolderType

if TYPE_CHECKING:
    from pathlib import Path

    from .node import ComfyNode

__all__ = ["PreviewImage", "PreviewText", "SavedImages", "SavedResult"]


class SavedResult(dict[str, Any]):
    """One file, as clients fetch it from ``/view``."""

    def __init__(self, filename: str, subfolder: str, type: FolderType | str) -> None:  # noqa: A002
        super().__init__(filename=filename, subfolder=subfolder, type=FolderType(type).value)

    @property
    def filename(self) -> str:
        return str(self["filename"])

    @property
    def subfolder(self) -> str:
        return str(self["subfolder"])


class SavedImages:
    """Files that a node wrote."""

    def __init__(self, results: Sequence[SavedResult], is_animated: bool = False) -> None:
        self.results = list(results)
        self.is_animated = is_animated

    def as_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"images": self.results}
        return {**shown, "animated": [True]} if self.is_animated else shown


class PreviewText:
    """A line of text on the node."""

    def __init__(self, value: str, **_: Any) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        return {"text": [self.value]}


class PreviewImage:
    """Pictures on the node, written to the temp folder when this is made.

    ``cls`` is the node class, whose hidden prompt goes into the files.
    """

    def __init__(self, image: Any, animated: bool = False, cls: type[ComfyNode] | None = None, **_: Any) -> None:
        now = executing.get()
        if now is None:
            raise RuntimeError("PreviewImage was made outside of an executing node")
        hidden = cls.hidden if cls is not None else None
        chunks = pictures.chunks_of(hidden.prompt, hidden.extra_pnginfo) if hidden is not None else {}
        self.values = write_previews(now.paths.temp, image, chunks)
        self.animated = animated

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": [self.animated]}


def write_previews(folder: Path, image: Any, chunks: dict[str, Any]) -> list[SavedResult]:
    """Write each picture of an IMAGE to the folder under a name nobody has, quickly compressed."""
    tag = "".join(random.choices(string.ascii_lowercase, k=12))
    results = []
    for number, picture in enumerate(as_array(image), 1):
        name = f"ComfyUI_temp_{tag}_{number:05}_.png"
        (folder / name).write_bytes(pictures.png(picture, chunks, compress_level=1))
        results.append(SavedResult(name, "", FolderType.temp))
    return results
