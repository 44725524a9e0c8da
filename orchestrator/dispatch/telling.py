"""What a running job's followers are told, beside what is durable: how far it is, how long it will take, previews."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...moderation.verdict import CARRIED
from ..execution.progress import Progress
from ..link.events import JournalGrew, NodeProgress, NodeStarted, Preview, WorkerEvent
from .eta import left_s
from .news import News, PreviewShown, Progressed
from .showing import Showing, Shows

LEAST_S = 0.1
"""Between two tellings of one job, in seconds: a sampler's every step would drown who listens."""
_OURS = "Mintmark"
"""What the classes of our own nodes begin with: they show what the job's policy allows alone."""


class Telling:
    """Of one attempt. ``seconds`` are how long earlier runs of the workflow took; ``shows`` says which previews may be
    seen, where the order asks for any."""

    def __init__(
        self,
        job_id: str,
        graph: Mapping[str, Mapping[str, Any]],
        news: News,
        seconds: Sequence[float],
        shows: Shows | None = None,
    ) -> None:
        self._job_id = job_id
        self._graph = graph
        self._progress = Progress(graph)
        self._news = news
        self._seconds = seconds
        self._showing = Showing(shows, self._show) if shows is not None else None
        self._started = time.monotonic()
        self._told_at = float("-inf")
        self._told: tuple[float, str | None] = (-1.0, None)
        self._node: str | None = None

    def hear(self, event: WorkerEvent) -> None:
        """Take one event of the worker in, and tell what it changes."""
        if isinstance(event, (Preview, JournalGrew)):
            if self._showing is not None:
                self._see(event, self._showing)
            return
        if isinstance(event, (NodeStarted, NodeProgress)):
            self._node = event.node
        fraction = self._progress.hear(event)
        now = time.monotonic()
        stands = (round(fraction, 3), self._node)
        if stands != self._told and (now - self._told_at >= LEAST_S or stands[1] != self._told[1]):
            self._told, self._told_at = stands, now
            eta_s = left_s(self._seconds, now - self._started, fraction)
            self._news.publish(self._job_id, Progressed(self._job_id, stands[0], eta_s, self._node))

    def over(self) -> None:
        """The attempt has ended."""
        if self._showing is not None:
            self._showing.over()

    def _see(self, event: Preview | JournalGrew, showing: Showing) -> None:
        if isinstance(event, Preview):
            node = self._graph.get(event.node, {})
            showing.take(event, checked=str(node.get("class_type", "")).startswith(_OURS))
        elif _hides(event.entry):
            # What is made of these words is not to be seen as it is.
            showing.over()

    def _show(self, preview: Preview) -> None:
        shown = PreviewShown(self._job_id, preview.node, preview.media_type, preview.data)
        self._news.publish(self._job_id, shown)


def _hides(entry: Mapping[str, Any]) -> bool:
    """Whether a worker's journal says that what is made of the job's words is blurred or held back."""
    verdict = entry.get("data") if entry.get("kind") == "verdict" else None
    return isinstance(verdict, Mapping) and verdict.get("subject") == "prompt" and verdict.get("decision") in CARRIED
