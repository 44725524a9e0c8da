"""The key under which a node's answer is kept: its class, its values and fingerprint, and the keys of what it needs."""

from __future__ import annotations

import hashlib
import inspect
import json
import uuid
from typing import Any

from .. import log
from . import calling
from .graph import Graph, is_link
from .registry import NodeType

logger = log.get("runner")


def canonical(value: Any) -> str:
    """A text that two values share only where they are the same."""
    return json.dumps(value, sort_keys=True, default=repr, separators=(",", ":"))


async def fingerprint(node_type: NodeType, given: dict[str, Any]) -> str:
    """The node's own word on whether it must run again; empty without one.

    NaN is different every time, and so is a fingerprint that raises.
    """
    own = node_type.overrides("fingerprint_inputs")
    if own is None:
        return ""
    active = node_type.active(given)
    values = {name: None if is_link(given[name]) else given[name] for name in active if name in given}
    try:
        answer = own(**calling.nested(values, active))
        if inspect.isawaitable(answer):
            answer = await answer
    # The pack's own code: whatever it raises means "run me", and the run will show the error if there is one.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        logger.warning(
            "%s.fingerprint_inputs failed: %s", node_type.name, error, extra=log.action("fingerprint_failed")
        )
        return uuid.uuid4().hex
    return uuid.uuid4().hex if _never_equal(answer) else canonical(answer)


def _never_equal(value: Any) -> bool:
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def signature(graph: Graph, node_id: str, node_type: NodeType, mark: str, known: dict[str, str]) -> str:
    """The key of one node. ``mark`` is its fingerprint; ``known`` has the keys of all it is linked to."""
    parts: list[Any] = [node_type.name, mark, node_id if node_type.per_node else ""]
    for name, value in sorted(graph[node_id]["inputs"].items()):
        parts.append(
            [name, "link", known[value[0]], value[1]] if is_link(value) and value[0] in known else [name, value]
        )
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
