"""What is known of ComfyUI's partner nodes: the files under ``partner/``, facts with their date and source.

A partner node calls a provider over Comfy.org and is paid in credits. Of those whose provider Mintmark has, a file says
in which order the node's values stand (``widgets``, those of a dynamic combo's choice in ``nested``, each with its
default), which model it asks for, which node of ours it becomes, where each input goes, and what its price badge says.
``others.json`` names the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "partner"


@dataclass(frozen=True)
class Target:
    """Where one input goes. ``how``: ``copy`` as it is; ``words`` by a table; ``switch`` and ``opposite`` from yes or
    no to on or off; ``complement`` of 1; ``size`` and ``ratio`` to width and height; ``references`` one image each.

    ``needs``: it means nothing where that input is not linked. ``reason``: why it goes nowhere.
    """

    to: str = ""
    how: str = "copy"
    words: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Become:
    """The node of ours, or the reason why there is none, where all inputs of ``when`` are linked."""

    when: tuple[str, ...] = ()
    node: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Partner:
    """One partner node. ``models``: ours by the value of its input ``model_by``; with none, the one under ``""``."""

    name: str
    title: str
    provider: str
    widgets: Mapping[str, Any]
    nested: Mapping[str, Mapping[str, Mapping[str, Any]]]
    model_by: str
    models: Mapping[str, str]
    becomes: tuple[Become, ...]
    targets: Mapping[str, Target]
    instead: Mapping[str, str]
    price: Mapping[str, Any] | None
    as_of: str
    source: str


@lru_cache(maxsize=1)
def partners() -> Mapping[str, Partner]:
    """Those of the providers we have, by class type."""
    found: dict[str, Partner] = {}
    for path in sorted(FOLDER.glob("*.json")):
        if path.stem != "others":
            file = json.loads(path.read_text(encoding="utf-8"))
            found.update({name: _partner(name, node, file) for name, node in file["nodes"].items()})
    return found


@lru_cache(maxsize=1)
def others() -> Mapping[str, str]:
    """All other partner nodes: class type to provider and kind (``Kling, video``)."""
    file = json.loads((FOLDER / "others.json").read_text(encoding="utf-8"))
    return {name: whose for whose, names in file["nodes"].items() for name in names}


@lru_cache(maxsize=1)
def classes() -> frozenset[str]:
    """Every class of which it is known that it asks a provider."""
    return frozenset(partners()) | frozenset(others())


def _partner(name: str, node: Mapping[str, Any], file: Mapping[str, Any]) -> Partner:
    model = node.get("model", {})
    return Partner(
        name=name,
        title=node["title"],
        provider=file["provider"],
        widgets=node["widgets"],
        nested=node.get("nested", {}),
        model_by=model.get("by", ""),
        models=model.get("names", {"": model.get("name", "")}),
        becomes=tuple(
            Become(tuple(each.get("if", ())), each.get("node", ""), each.get("reason", "")) for each in node["becomes"]
        ),
        targets={key: _target(each) for key, each in node["inputs"].items()},
        instead=file["instead"],
        price=node["price"],
        as_of=file["as_of"],
        source=file["source"],
    )


def _target(each: Mapping[str, Any]) -> Target:
    return Target(
        to=each.get("to", ""),
        how=each.get("how", "copy"),
        words=each.get("words", {}),
        needs=each.get("with", ""),
        reason=each.get("reason", ""),
    )
