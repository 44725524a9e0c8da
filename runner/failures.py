"""How a node's failure is told: in ComfyUI's words, without secrets, and never at length."""

from __future__ import annotations

import traceback
from typing import Any

from .. import log
from .calling import Lists

REPR_LIMIT = 2000  # characters of one input in an error


class NodeError(Exception):
    """A node raised; carried to the prompt with what it was given."""

    def __init__(self, node_id: str, error: BaseException, inputs: Lists) -> None:
        super().__init__(node_id)
        self.node_id = node_id
        self.error = error
        self.inputs = inputs


def of_node(failed: NodeError, node_type: str, executed: list[str], every_node: list[str]) -> dict[str, Any]:
    """The ``execution_error`` that ends a prompt."""
    error = failed.error
    return {
        "node_id": failed.node_id,
        "node_type": node_type,
        "executed": list(executed),
        "exception_message": log.redact(f"{error}\n"),
        "exception_type": type_name(error),
        "traceback": [log.redact(line) for line in traceback.format_tb(error.__traceback__)],
        "current_inputs": {name: [shown(each) for each in values] for name, values in failed.inputs.items()},
        "current_outputs": every_node,
    }


def of_block(node_id: str, node_type: str, executed: list[str], message: str) -> dict[str, Any]:
    """The ``execution_error`` that ends nothing: a node was not run because of what it was given."""
    return {
        "node_id": node_id,
        "node_type": node_type,
        "executed": list(executed),
        "exception_message": f"Execution Blocked: {message}",
        "exception_type": "ExecutionBlocked",
        "traceback": [],
        "current_inputs": [],
        "current_outputs": [],
    }


def type_name(error: BaseException) -> str:
    """An exception's type as ComfyUI names it: bare for Python's own, with its module else."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def shown(value: Any) -> Any:
    """An input as an error shows it: plain values as they are, all else as text, never long."""
    if isinstance(value, str):
        return log.redact(value[:REPR_LIMIT])
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return log.redact(str(value)[:REPR_LIMIT])
