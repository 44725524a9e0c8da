"""The service's meters, in Prometheus' format. One :class:`Meters` a process; nothing is global.

Names follow Prometheus' conventions: a base unit (seconds, bytes; money in US dollars) and ``_total`` for counters.
Labels are bounded: workflow names, codes and providers, never job ids, users or prompts; and of each at most
:data:`MOST_WORDS`, whoever makes them up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ...clock import Clock, utc_now
from ..jobs.pausing import paused_s

if TYPE_CHECKING:
    from ...generation.context import WorkerHealth
    from ..jobs.job import Job
    from ..jobs.pausing import Pause
    from ..jobs.states import State

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
_PIXELS = (64 * 64, 256 * 256, 512 * 512, 768 * 768, 1024 * 1024, 1536 * 1536, 2048 * 2048, 4096 * 4096)
_MICRO = 1_000_000
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LOOKED_BACK = timedelta(days=7)
MOST_WORDS = 200
"""Values of one label. What comes beyond that is :data:`OTHER`: a time series more costs whoever keeps it."""
OTHER = "other"


class _Words:
    """The values that a label has had."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def bounded(self, label: str, word: str) -> str:
        """The word, where it is known or there is room for it."""
        known = self._known.setdefault(label, set())
        if word not in known and len(known) >= MOST_WORDS:
            return OTHER
        known.add(word)
        return word


@dataclass(frozen=True)
class WorkerState:
    """One worker as the dispatcher sees it. ``health`` is what its pack told last; None where it has none."""

    name: str
    state: str
    """``ready``, ``busy``, ``draining``, ``quarantined``, ``probation``, ``lost``."""
    running: int
    capacity: int
    health: WorkerHealth | None = None


class Meters:
    """``counts``, ``wanted`` (jobs that run or could run now), ``workers`` and ``waiting_since`` (of the oldest job
    that could run) are asked at each scrape, so that gauges are never stale.

    ``pauses``: when claiming was paused since then; asked at each scrape, too, so that an end costs no question: of a
    pause that began since the last one, what was waited counts."""

    def __init__(
        self,
        *,
        counts: Callable[[], dict[State, int]],
        wanted: Callable[[], int],
        workers: Callable[[], Iterable[WorkerState]],
        waiting_since: Callable[[], datetime | None],
        pauses: Callable[[datetime], Sequence[Pause]] = lambda _since: (),
        now: Clock = utc_now,
    ) -> None:
        self._counts, self._wants, self._workers, self._waiting_since = counts, wanted, workers, waiting_since
        self._ask_pauses, self._now = pauses, now
        self._pauses: Sequence[Pause] = ()
        self._word = _Words().bounded
        self._one_at_a_time = Lock()
        self._registry = made = CollectorRegistry()
        self._jobs = Counter("mintmark_jobs", "Jobs that ended.", ["workflow", "state", "code"], registry=made)
        self._spend = Counter("mintmark_spend_usd", "Money settled or in doubt.", ["provider", "model"], registry=made)
        self._queue = _timer("mintmark_queue_wait_seconds", "From when it is due to a worker.", made)
        self._run = _timer("mintmark_run_seconds", "On the worker.", made)
        self._post = _timer("mintmark_post_processing_seconds", "Checking, signing, storing.", made)
        self._latency = _timer("mintmark_job_latency_seconds", "From when it is due to its end.", made)
        self._images = Histogram("mintmark_image_pixels", "Pixels of an image.", buckets=_PIXELS, registry=made)
        self._requests = Counter("mintmark_http_requests", "Answers.", ["method", "route", "status"], registry=made)
        self._answer = Histogram(
            "mintmark_http_request_seconds", "Time to an answer.", ["route"], buckets=_SECONDS, registry=made
        )
        self._webhooks = Counter("mintmark_webhook_deliveries", "Attempts to deliver.", ["result"], registry=made)
        self._delivery = _timer("mintmark_webhook_delivery_seconds", "From the event to its delivery.", made, ())
        self._states = Gauge("mintmark_jobs_in_state", "Jobs that are open now.", ["state"], registry=made)
        self._worker = Gauge("mintmark_worker_state", "1 for the state it is in.", ["worker", "state"], registry=made)
        self._quarantines = Counter(
            "mintmark_worker_quarantines", "How often it got no jobs for a while.", ["worker", "reason"], registry=made
        )
        self._slots = Gauge("mintmark_worker_slots", "Jobs it takes at once.", ["worker"], registry=made)
        self._busy = Gauge("mintmark_worker_jobs", "Jobs it has.", ["worker"], registry=made)
        self._load = Gauge("mintmark_gpu_load_ratio", "How busy a device is, 0 to 1.", ["worker", "gpu"], registry=made)
        self._vram = Gauge("mintmark_vram_free_bytes", "Free memory of a device.", ["worker", "gpu"], registry=made)
        self._wanted = Gauge(
            "mintmark_wanted_slots", "Slots that would leave nobody waiting: what to scale by.", registry=made
        )
        self._age = Gauge(
            "mintmark_oldest_waiting_seconds", "How long the oldest job waits that could run.", registry=made
        )

    # -- what happens -------------------------------------------------------------------------------------------------

    def ended(self, job: Job) -> None:
        """A job came to its end. What took its time because it was to (a vendor's batch, a pause) is not timed."""
        workflow = self._word("workflow", job.ordered.workflow)
        code = self._word("code", job.failure.code) if job.failure else ""
        self._jobs.labels(workflow, job.state.value, code).inc()
        for receipt in job.receipts:
            labels = self._word("provider", receipt.provider), self._word("model", receipt.model)
            self._spend.labels(*labels).inc(receipt.microusd / _MICRO)
        for made in job.outputs:
            if made.width and made.height:
                self._images.observe(made.width * made.height)
        if (its := job.metrics) is not None and job.ordered.delivery == "now":
            paused_ms = paused_s(self._pauses, job.due_at, job.started_at) * 1000 if job.started_at else 0.0
            for meter, milliseconds in (
                (self._queue, its.queue_ms - paused_ms),
                (self._run, its.run_ms),
                (self._post, its.post_ms),
                (self._latency, its.latency_ms - paused_ms),
            ):
                meter.labels(workflow).observe(max(milliseconds, 0.0) / 1000)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. ``route`` is its pattern, not its path."""
        method = method if method in _METHODS else OTHER
        self._requests.labels(method, route, str(status)).inc()
        self._answer.labels(route).observe(seconds)

    def quarantined(self, worker: str, reason: str) -> None:
        """A worker gets no jobs for now, and why."""
        self._quarantines.labels(self._word("worker", worker), reason).inc()

    def delivered(self, result: str, seconds: float | None = None) -> None:
        """A webhook was tried: ``delivered`` (so long after its event), ``failed`` or ``dead``."""
        self._webhooks.labels(result).inc()
        if seconds is not None:
            self._delivery.observe(seconds)

    # -- how it stands ------------------------------------------------------------------------------------------------

    def scrape(self) -> bytes:
        """All meters, as ``/metrics`` gives them. Reads the store, so call it from a thread."""
        with self._one_at_a_time:
            self._look()
            return generate_latest(self._registry)

    def _look(self) -> None:
        counts = self._counts()
        open_now = {state: count for state, count in counts.items() if not state.terminal}
        for state, count in open_now.items():
            self._states.labels(state.value).set(count)
        self._wanted.set(self._wants())
        self._pauses = self._ask_pauses(self._now() - _LOOKED_BACK)
        since = self._waiting_since()
        self._age.set(0.0 if since is None else max((self._now() - since).total_seconds(), 0.0))
        self._look_at_workers()

    def _look_at_workers(self) -> None:
        # A worker that left must not stay in the gauges.
        for gauge in (self._worker, self._slots, self._busy, self._load, self._vram):
            gauge.clear()
        for each in self._workers():
            self._worker.labels(each.name, each.state).set(1)
            self._slots.labels(each.name).set(each.capacity)
            self._busy.labels(each.name).set(each.running)
            self._look_at_devices(each)

    def _look_at_devices(self, worker: WorkerState) -> None:
        for device in worker.health.devices if worker.health else ():
            if device.load is not None:
                self._load.labels(worker.name, device.name).set(device.load / 100)
            if device.vram_free is not None:
                self._vram.labels(worker.name, device.name).set(device.vram_free)


def _timer(name: str, text: str, made: CollectorRegistry, labels: tuple[str, ...] = ("workflow",)) -> Histogram:
    return Histogram(name, text, list(labels), buckets=_SECONDS, registry=made)
