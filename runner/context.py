"""What is executing, for the code that executes: set around every call into a node.

A context variable rather than a global, because many prompts run at once here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .paths import Paths

Report = Callable[[str, float, float, Any], Awaitable[None]]
"""Tell of a node's progress: node id, value, max, preview image or None."""


@dataclass(frozen=True)
class Executing:
    """One node of one prompt, while it runs.

    ``stopped`` is shared by all nodes of the prompt; it holds something once the prompt is interrupted.
    """

    prompt_id: str
    node_id: str
    client_id: str | None
    paths: Paths
    report: Report
    stopped: list[str] = field(default_factory=list)
    graph: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All nodes of the prompt."""


executing: ContextVar[Executing | None] = ContextVar("mintmark_runner_executing", default=None)
