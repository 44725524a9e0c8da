"""Tells the other JSON files that people mean when they say "workflow" from ours, so that a mix-up costs no time.

There is no converter here: turning ComfyUI's UI format into the API format needs a live worker's node definitions, and
ComfyUI itself (and comfy-cli) does it.
"""

from __future__ import annotations

from typing import Any

from ..errors import InvalidWorkflow


def is_ui_format(data: Any) -> bool:
    """Whether this is a graph as ComfyUI's canvas saves it: a list of nodes with positions and links."""
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), list) or "links" not in data:
        return False
    return all(isinstance(node, dict) and "type" in node and "class_type" not in node for node in data["nodes"])


def is_api_format(data: Any) -> bool:
    """Whether this is a bare graph as ComfyUI's "Export (API)" saves it: node ids to class types and inputs."""
    if not isinstance(data, dict) or not data:
        return False
    return all(isinstance(node, dict) and "class_type" in node and "inputs" in node for node in data.values())


def refuse_other_formats(data: Any, where: str) -> None:
    """Raises InvalidWorkflow that says how to get from this file to a workflow file, when it is a graph alone."""
    if is_ui_format(data):
        raise InvalidWorkflow(
            f"{where} is a graph in ComfyUI's UI format, not a workflow file.",
            hint=(
                "Export it in API format (in ComfyUI: Workflow, Export (API); or `comfy run --workflow FILE "
                '--print-prompt`), then put that under "graph" in a workflow file; see docs/workflow-format.md.'
            ),
        )
    if is_api_format(data):
        raise InvalidWorkflow(
            f"{where} is a bare graph in API format, not a workflow file.",
            hint='Put it under "graph" in a workflow file that names its inputs; see docs/workflow-format.md.',
        )
