"""What a prompt tells while it runs: its events in ComfyUI's words and order, and the messages its history keeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

Emit = Callable[[str, dict[str, Any], "str | None"], None]
"""Hand an event to whoever listens: name, data, client id."""

SHOWN_NODES = 64
"""A progress_state names about so many nodes: the running ones and the latest. ComfyUI names all, which for a graph
of thousands makes each event larger than its images."""


def now_ms() -> int:
    return int(time.time() * 1000)


class Story:
    """The events of one prompt, told to its client alone.

    Without a client nobody is told: ComfyUI sends such a prompt's progress to every socket, other people's included.
    """

    def __init__(self, prompt_id: str, client_id: str | None, emit: Emit) -> None:
        self.prompt_id = prompt_id
        self.client_id = client_id
        self.messages: list[list[Any]] = []
        self.executed: list[str] = []
        self.running: str | None = None
        self._emit = emit
        self._nodes: dict[str, dict[str, Any]] = {}

    def tell(self, event: str, data: dict[str, Any]) -> None:
        if self.client_id is not None:
            self._emit(event, {**data, "prompt_id": self.prompt_id}, self.client_id)

    def keep(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        """Put an event into the history, with its time in milliseconds, and return it so."""
        stamped = {**data, "prompt_id": self.prompt_id, "timestamp": now_ms()}
        self.messages.append([event, stamped])
        return stamped

    def note(self, event: str, data: dict[str, Any]) -> None:
        """An event that the history keeps, and that is told at once."""
        self.tell(event, self.keep(event, data))

    def node_started(self, node_id: str) -> None:
        self._state(node_id, 0.0, 1.0, "running")
        self.running = node_id
        self.tell("executing", {"node": node_id, "display_node": node_id})

    def node_progressed(self, node_id: str, value: float, maximum: float) -> None:
        self._state(node_id, value, maximum, "running")

    def node_finished(self, node_id: str, ui: dict[str, Any] | None) -> None:
        if ui is not None:
            self.tell_output(node_id, ui)
        maximum = self._nodes.get(node_id, {}).get("max", 1.0)
        self._state(node_id, maximum, maximum, "finished")
        self.executed.append(node_id)

    def node_was_cached(self, node_id: str, ui: dict[str, Any] | None) -> None:
        self.tell_output(node_id, ui)
        self._state(node_id, 1, 1, "finished")
        self.executed.append(node_id)

    def tell_output(self, node_id: str, ui: dict[str, Any] | None) -> None:
        self.tell("executed", {"node": node_id, "display_node": node_id, "output": ui})

    def _state(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._nodes[node_id] = {
            "value": value,
            "max": maximum,
            "state": state,
            "prompt_id": self.prompt_id,
            **node_names(node_id),
        }
        if len(self._nodes) > SHOWN_NODES:
            oldest = next((name for name, node in self._nodes.items() if node["state"] == "finished"), node_id)
            del self._nodes[oldest]
        self.tell("progress_state", {"nodes": dict(self._nodes)})


def node_names(node_id: str) -> dict[str, Any]:
    """A node's names on the wire; without subgraph expansion they are all the same."""
    return {"node_id": node_id, "display_node_id": node_id, "parent_node_id": None, "real_node_id": node_id}
