"""Which hosted models a workflow names. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .format import WorkflowVersion

_NODE = "Mintmark"
_MODEL = "model"


@dataclass(frozen=True)
class Pin:
    """A model, and where it is named: ``inputs.<name>`` of the workflow, or ``graph.<node>``."""

    where: str
    model: str


def pins(version: WorkflowVersion, values: Mapping[str, Any], is_model: Callable[[str], bool]) -> Iterator[Pin]:
    """Every model that the workflow would ask with these values; what it does not ask for is left as it stands.

    ``is_model`` says whether a name is one: only the names of models that are known count as pinned.
    """
    bound = {(bind.node, bind.input): spec for spec in version.inputs for bind in spec.binds}
    for node_id, node in version.graph.items():
        if not node["class_type"].startswith(_NODE) or _MODEL not in node["inputs"]:
            continue
        spec = bound.get((node_id, _MODEL))
        given = values.get(spec.name) if spec else None
        named = node["inputs"][_MODEL] if given is None else given
        if isinstance(named, str) and is_model(named):
            yield Pin(f"inputs.{spec.name}" if spec else f"graph.{node_id}", named)
