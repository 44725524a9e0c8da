"""Model files that a node is given by name: what it offers, and the file of a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..errors import MintmarkError
from ..workflows.object_info import LATE
from .host import Host, is_known
from .host import current as current_host
from .local.versions import changed_ns


def file_input(
    name: str, names: Callable[[Host], list[str]], tooltip: str, *, first: tuple[str, ...] = (), late: bool = False
) -> Any:
    """A combo of the files that are here; ``first`` are words that stand for none. ``late``: one that is not here is
    refused when the node runs, and not before: a graph may have another branch for that."""
    there = names(current_host()) if is_known() else []
    told = {LATE: True} if late else {}
    return io.Combo.Input(name, options=[*first, *there], tooltip=tooltip, extra_dict=told)


def stamp(find: Callable[[], Path]) -> str:
    """What ``fingerprint_inputs`` answers: another file of the same name is another input."""
    try:
        found = find()
        return f"{found} {changed_ns(found)}"
    except MintmarkError:
        return ""
