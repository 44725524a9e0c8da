"""What is asked of a :class:`~.run.JobRunner`, and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...generation.context import JobReport, Receipt, WorkflowRef
from ...generation.rent_or_own import Branch
from ...workflows.format import WorkflowVersion
from .delivery import Delivered


class JobResult(BaseModel):
    """What ``mintmark run --json`` prints."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    status: str
    workflow: WorkflowRef
    worker: str
    outputs: tuple[Delivered, ...]
    receipts: tuple[Receipt, ...]
    total_microusd: int
    timings_ms: dict[str, int]
    warnings: tuple[str, ...] = ()
    """What whoever asked should know, though it went well: a model that ends soon."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run. ``values`` are typed; ``images`` are files by input."""

    workflow: WorkflowVersion
    values: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Path] = field(default_factory=dict)
    previews: bool = False
    """Whether a ComfyUI is asked for pictures of what it samples; they come as ``Preview`` events."""
    allow_unchecked: bool = False
    """Whether files are delivered that nobody here can judge (video, audio, 3D, text); see ``delivery.py``."""
    branch: Branch | None = None
    """Which branch the graph's Rent or Own nodes take; None leaves it to their policies."""
    worker_name: str
    """How the worker is called in results: its URL, or ``runner`` for one that was started for this run."""
    out_dir: Path

    @property
    def ref(self) -> WorkflowRef:
        """The workflow's name, version and digest."""
        return WorkflowRef(name=self.workflow.name, version=self.workflow.version, digest=self.workflow.digest)


class Clock:
    """How long each part of a run took."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self.laps_ms: dict[str, int] = {}

    def lap(self, name: str) -> None:
        """The part that ends now, whole milliseconds; ``total`` is all so far."""
        now = time.monotonic()
        self.laps_ms[name] = round((now - self._last) * 1000)
        self.laps_ms["total"] = round((now - self._started) * 1000)
        self._last = now


def succeeded(
    request: RunRequest,
    job_id: str,
    report: JobReport,
    outputs: list[Delivered],
    clock: Clock,
    warnings: tuple[str, ...] = (),
) -> JobResult:
    """The result of a job that came to its end."""
    return JobResult(
        job_id=job_id,
        status="succeeded",
        workflow=request.ref,
        worker=request.worker_name,
        outputs=tuple(outputs),
        receipts=report.receipts,
        total_microusd=sum(receipt.microusd for receipt in report.receipts),
        timings_ms=clock.laps_ms,
        warnings=warnings,
    )
