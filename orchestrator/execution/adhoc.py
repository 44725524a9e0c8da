"""A graph that is no workflow file, run as it is: exported from ComfyUI in API format, or saved by its canvas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...workflows.check import check, links
from ...workflows.format import FORMAT, Output, Requires, WorkflowVersion
from ...workflows.reading import refuse
from ...workflows.ui_format import is_api_format, is_ui_format

VERSION = "0.0.0"
"""Of every ad-hoc workflow: it was never released, and only its digest names it."""


@dataclass(frozen=True)
class GraphFile:
    """A bare graph on this machine. ``ui``: as the canvas saves it, so it must be converted first."""

    path: Path
    document: dict[str, Any]
    ui: bool

    @property
    def name(self) -> str:
        """The file's name as a workflow name."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.path.stem.lower()).strip("-")[:64].rstrip("-")
        return slug or "graph"

    def classes(self) -> set[str]:
        """Every node type the file speaks of, those inside of subgraphs too."""
        return set(_ui_types(self.document) if self.ui else _api_types(self.document))


def graph_file(path: Path) -> GraphFile | None:
    """The graph in this file; None for anything else, which is told from a workflow file where that is read."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    ui = is_ui_format(document)
    return GraphFile(path, document, ui) if ui or is_api_format(document) else None


def as_workflow(file: GraphFile, graph: Mapping[str, Any], info: Mapping[str, Any]) -> WorkflowVersion:
    """The graph as a workflow without inputs. Its outputs are the nodes that the worker says save or show something.

    Raises InvalidWorkflow where the graph contradicts itself.
    """
    made = WorkflowVersion(
        format=FORMAT,
        name=file.name,
        version=VERSION,
        title=file.path.stem or file.name,
        description="An ad-hoc graph.",
        lane="gpu",  # what it needs is not known, and a real worker can run everything
        outputs=tuple(_outputs(graph, info)),
        requires=Requires(nodes=tuple(sorted(set(_api_types(graph))))),
        graph=dict(graph),
    )
    if problems := check(made):
        refuse(problems, str(file.path))
    return made


def _outputs(graph: Mapping[str, Any], info: Mapping[str, Any]) -> Iterator[Output]:
    found = [node for node, spec in graph.items() if info.get(spec["class_type"], {}).get("output_node")]
    if not found:  # the worker lacks nodes and will say so; the ends of the graph stand in
        used = {source for _, _, source, _ in links(dict(graph))}
        found = [node for node in graph if node not in used] or list(graph)
    for number, node in enumerate(found, start=1):
        yield Output(name=f"output_{number}", node=node, kind="images")


def _api_types(graph: Mapping[str, Any]) -> Iterator[str]:
    for node in graph.values():
        yield str(node["class_type"])


def _ui_types(document: Mapping[str, Any]) -> Iterator[str]:
    definitions = document.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    for graph in [document, *(each for each in subgraphs or () if isinstance(each, dict))]:
        for node in graph.get("nodes") or ():
            if isinstance(node, dict) and "type" in node:
                yield str(node["type"])
