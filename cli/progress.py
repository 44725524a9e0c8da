"""What a person sees while a job runs: one line that moves, and a line for each thing that is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..metering.prices import usd
from ..orchestrator.execution.progress import Progress
from ..orchestrator.link.events import JournalGrew, NodeStarted, NodeText, WorkerEvent
from .output import console

if TYPE_CHECKING:
    from ..workflows.format import WorkflowVersion


class Display:
    """``with Display(label) as display:``, tell it what runs, and hand it each event. Quiet: shows nothing."""

    def __init__(self, label: str, *, quiet: bool) -> None:
        self._quiet = quiet
        self._graph: Mapping[str, Any] = {}
        self._progress = Progress({})
        self._doing = "Starting"
        if not quiet:
            self._console = console()
            self._status = self._console.status(f"Starting [bold]{_plain(label)}[/]")

    def __enter__(self) -> Display:
        if not self._quiet:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._quiet:
            self._status.stop()

    def watch(self, workflow: WorkflowVersion) -> None:
        """From now on this is what runs."""
        self._graph = workflow.graph
        self._progress = Progress(workflow.graph)

    def heard(self, event: WorkerEvent) -> None:
        """Show what an event means to a person, if anything."""
        if self._quiet:
            return
        self._progress.hear(event)
        if isinstance(event, NodeStarted):
            node = self._graph.get(event.node, {})
            title = node.get("_meta", {}).get("title") or node.get("class_type", event.node)
            self._doing = f"{_plain(title)} …"
        elif isinstance(event, NodeText):
            self._doing = _plain(event.text)
        elif isinstance(event, JournalGrew):
            self._journal(event.entry)
        self._status.update(f"[dim]{self._progress.fraction:4.0%}[/] {self._doing}")

    def _journal(self, entry: dict[str, Any]) -> None:
        tell = _TOLD.get(str(entry.get("kind")))
        told = tell(entry.get("data", {})) if tell else ""
        if told.endswith("…"):
            self._doing = told
        elif told:
            self._console.print(f"  {told}")


def _plain(text: str) -> str:
    """The text with no markup in it. rich is imported here, as a quiet run needs none of it."""
    from rich.markup import escape

    return escape(text)


def _verdict(data: dict[str, Any]) -> str:
    colour = {"allowed": "green", "flagged": "yellow", "blocked": "red"}.get(str(data.get("decision")), "white")
    return f"[{colour}]•[/] {data.get('subject')} {data.get('decision')}"


_TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "verdict": _verdict,
    "asking": lambda data: f"Asking {data.get('model')}, at most {usd(int(data.get('hold_microusd', 0)))} …",
    "accepted": lambda data: f"{data.get('provider')} is working on {data.get('request_id')} …",
    "settled": lambda data: f"[green]•[/] {data.get('model')} charged {usd(int(data.get('microusd', 0)))}",
    "unknown": lambda data: f"[yellow]•[/] {data.get('model')} may have charged; its hold stays",
    "signed": lambda data: f"[green]•[/] signed {data.get('filename')}",
}
