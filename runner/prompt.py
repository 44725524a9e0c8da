"""One prompt that a runner has accepted, and how it is shown while it waits and once it has ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from .graph import Graph
from .progress import Story

KEPT = "mintmark_kept"
"""What ``extra_data`` says where whoever posts keeps the prompt durably, and posts it anew after a restart."""
EARLY = "mintmark_early"
"""What it says besides of one whose order may come to nothing yet: it is confirmed, or taken back (``early.py``)."""


@dataclass
class Prompt:
    """One accepted prompt."""

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: list[str]
    story: Story
    task: asyncio.Task[None] | None = None
    started: int | None = None
    order: int = 0
    canceled: bool = False
    stopping: bool = False
    """Whether its task was told to stop."""
    noted: bool = False
    """Whether the archive was given it with its end, where it need not have it before."""

    @property
    def client_id(self) -> str | None:
        return self.story.client_id

    @property
    def kept(self) -> bool:
        """Whether somebody else keeps it, so that the archive need not have it before it has ended."""
        return self.extra_data.get(KEPT) is True

    @property
    def early(self) -> bool:
        """Whether its order may come to nothing yet."""
        return self.kept and self.extra_data.get(EARLY) is True

    def body(self) -> dict[str, Any]:
        """What the archive keeps of it."""
        return {"graph": self.graph, "extra_data": self.extra_data, "outputs": self.outputs}

    def row(self) -> list[Any]:
        """The five fields by which ComfyUI shows a prompt in its queue and history."""
        return [self.number, self.prompt_id, self.graph, self.extra_data, self.outputs]


@dataclass(frozen=True)
class Finished:
    """A prompt that has ended: an entry of the history."""

    prompt: Prompt
    outcome: str
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The entry of ``/history``."""
        success = self.outcome == "success"
        status_str = "success" if success else "error"
        return {
            "prompt": self.prompt.row(),
            "outputs": self.outputs,
            "status": {"status_str": status_str, "completed": success, "messages": self.prompt.story.messages},
            "meta": {node_id: _meta(node_id) for node_id in self.outputs},
        }


def _meta(node_id: str) -> dict[str, Any]:
    return {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
