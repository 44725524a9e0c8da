"""What a running job's followers are told, beside what is durable: how far it is, how long it will take, previews."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..execution.progress import Progress
from ..link.events import NodeProgress, NodeStarted, Preview, WorkerEvent
from .eta import left_s
from .news import News, PreviewShown, Progressed

LEAST_S = 0.1
"""Between two tellings of one job, in seconds: a sampler's every step would drown who listens."""


class Telling:
    """Of one attempt. ``seconds`` are how long earlier runs of the workflow took."""

    def __init__(
        self,
        job_id: str,
        graph: Mapping[str, Mapping[str, Any]],
        news: News,
        seconds: Sequence[float],
        *,
        previews: bool,
    ) -> None:
        self._job_id = job_id
        self._progress = Progress(graph)
        self._news = news
        self._seconds = seconds
        self._previews = previews
        self._started = time.monotonic()
        self._told_at = float("-inf")
        self._told: tuple[float, str | None] = (-1.0, None)
        self._node: str | None = None

    def hear(self, event: WorkerEvent) -> None:
        """Take one event of the worker in, and tell what it changes."""
        if isinstance(event, Preview):
            if self._previews:
                self._news.publish(self._job_id, PreviewShown(self._job_id, event.node, event.media_type, event.data))
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
