"""What a hostile client sends to a worker: the runner and a real ComfyUI are held to the same refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

OUTSIDE_PREFIXES = ["../../evil", "/evil", "a/../../evil"]
"""File name prefixes that lead out of the output folder."""
SAVERS = ["SaveImage", "MintmarkSignAndSave"]
OUTSIDE_VIEWS = [
    ("filename=../secret.txt", 400),
    ("filename=..%2Fsecret.txt&type=input", 400),
    ("filename=/etc/passwd", 400),
    ("filename=passwd&subfolder=../../../../../../etc", 403),
    ("filename=passwd&subfolder=/etc", 403),
]
"""Queries of ``/view`` for files outside its folders, and the status of each answer."""


def inverted(count: int) -> dict[str, Any]:
    """A picture that is inverted so often, one node after the other, and shown."""
    graph: dict[str, Any] = {"0": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1}}}
    graph["0"]["inputs"]["color"] = 0
    for number in range(1, count):
        graph[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [str(number - 1), 0]}}
    return graph | {"end": {"class_type": "PreviewImage", "inputs": {"images": [str(count - 1), 0]}}}


def everything(folder: Path) -> set[Path]:
    """The pictures, and whatever is called evil."""
    return {path for path in folder.rglob("*") if "evil" in path.name or path.suffix == ".png"}
