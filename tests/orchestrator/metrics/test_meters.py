"""What ``/metrics`` says, read with Prometheus' own parser."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from prometheus_client.parser import text_string_to_metric_families

from mintmark.generation.context import Device, Receipt, WorkerHealth
from mintmark.orchestrator.jobs.job import Failure, Job, Made, Metrics, Ordered
from mintmark.orchestrator.jobs.pausing import Pause
from mintmark.orchestrator.jobs.states import State, Step
from mintmark.orchestrator.metrics.meters import MOST_WORDS, OTHER, Meters, WorkerState

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def a_job(state: State, workflow: str = "text-to-image", **more: object) -> Job:
    ordered = Ordered(
        job_id="00000000-0000-4000-8000-000000000001",
        project="p",
        user="somebody",
        workflow=workflow,
        version="1.0.0",
        digest="d" * 64,
        lane="hosted",
        allowance_microusd=5_000_000,
    )
    return Job(seq=1, ordered=ordered, state=state, outcome=Step.SUCCEEDED, submitted_at=NOON, **more)  # type: ignore[arg-type]


def read(meters: Meters) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = meters.scrape().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def meters(counts: dict[State, int] | None = None, workers: tuple[WorkerState, ...] = ()) -> Meters:
    return Meters(counts=lambda: counts or {}, wanted=lambda: 3, workers=lambda: workers, waiting_since=lambda: None)


def test_a_job_that_ended_counts_with_its_times_its_money_and_its_pixels() -> None:
    made = meters()
    receipt = Receipt(call_id="c", provider="fal", model="fal/flux", request_id=None, microusd=3_000, state="settled")
    output = Made(index=0, output="images", asset="a" * 64, media_type="image/png", width=512, height=512, bytes=9)
    times = Metrics(latency_ms=1200, queue_ms=200, run_ms=900, post_ms=100)
    made.ended(a_job(State.SUCCEEDED, receipts=(receipt,), outputs=(output,), metrics=times))
    said = read(made)
    ended = ("mintmark_jobs_total", (("code", ""), ("state", "succeeded"), ("workflow", "text-to-image")))
    assert said[ended] == 1
    assert said["mintmark_spend_usd_total", (("model", "fal/flux"), ("provider", "fal"))] == 0.003
    assert said["mintmark_queue_wait_seconds_sum", (("workflow", "text-to-image"),)] == 0.2
    assert said["mintmark_post_processing_seconds_sum", (("workflow", "text-to-image"),)] == 0.1
    assert said["mintmark_image_pixels_sum", ()] == 512 * 512


def test_a_failed_job_is_counted_by_its_code() -> None:
    made = meters()
    made.ended(a_job(State.FAILED, failure=Failure(code="prompt_blocked", message="no")))
    labels = (("code", "prompt_blocked"), ("state", "failed"), ("workflow", "text-to-image"))
    assert read(made)["mintmark_jobs_total", labels] == 1


def test_nobody_s_name_and_no_job_s_id_is_a_label() -> None:
    made = meters()
    made.ended(a_job(State.SUCCEEDED))
    assert b"somebody" not in made.scrape()
    assert b"00000000-0000-4000" not in made.scrape()


def test_what_was_to_take_its_time_is_not_timed() -> None:
    pause = Pause(NOON + timedelta(seconds=10), None)
    made = Meters(
        counts=dict, wanted=int, workers=list, waiting_since=lambda: None, pauses=lambda _since: [pause],
        now=lambda: NOON,
    )  # fmt: skip
    made.scrape()
    times = Metrics(latency_ms=101_000, queue_ms=100_000, run_ms=900, post_ms=100)
    job = a_job(State.SUCCEEDED, metrics=times, started_at=NOON + timedelta(seconds=100))
    made.ended(job)
    made.ended(job.model_copy(update={"ordered": job.ordered.model_copy(update={"delivery": "batch"})}))
    said, workflow = read(made), (("workflow", "text-to-image"),)
    assert said["mintmark_queue_wait_seconds_sum", workflow] == 10
    assert said["mintmark_job_latency_seconds_sum", workflow] == 11
    assert said["mintmark_job_latency_seconds_count", workflow] == 1


def test_how_many_slots_are_wanted_and_how_many_jobs_are_open() -> None:
    said = read(meters({State.QUEUED: 7, State.RUNNING: 2, State.SUCCEEDED: 100}))
    assert said["mintmark_wanted_slots", ()] == 3
    assert said["mintmark_jobs_in_state", (("state", "queued"),)] == 7
    assert ("mintmark_jobs_in_state", (("state", "succeeded"),)) not in said


def test_a_worker_that_left_is_no_longer_told_of() -> None:
    gpu = Device(name="cuda:0", type="cuda", vram_total=100, vram_free=40, load=50.0)
    health = WorkerHealth(
        boot_id="b", kind="comfyui", pack_version="1", mode="live", policy="p", providers=(), prompt_thread_alive=True,
        devices=(gpu,),
    )  # fmt: skip
    workers = [WorkerState(name="w1", state="busy", running=1, capacity=2, health=health)]
    made = Meters(counts=dict, wanted=int, workers=lambda: workers, waiting_since=lambda: None)
    said = read(made)
    assert said["mintmark_gpu_load_ratio", (("gpu", "cuda:0"), ("worker", "w1"))] == 0.5
    assert said["mintmark_vram_free_bytes", (("gpu", "cuda:0"), ("worker", "w1"))] == 40
    workers.clear()
    assert [key for key in read(made) if ("worker", "w1") in key[1]] == []


def test_answers_and_deliveries_are_counted() -> None:
    made = meters()
    made.answered("POST", "/v1/images/generations", 202, 0.01)
    made.delivered("delivered", 1.5)
    made.delivered("dead")
    said = read(made)
    labels = (("method", "POST"), ("route", "/v1/images/generations"), ("status", "202"))
    assert said["mintmark_http_requests_total", labels] == 1
    assert said["mintmark_webhook_delivery_seconds_sum", ()] == 1.5
    assert said["mintmark_webhook_deliveries_total", (("result", "dead"),)] == 1


def test_the_oldest_job_that_waits_says_whether_there_are_too_few_workers() -> None:
    since: list[datetime] = []
    made = Meters(
        counts=dict, wanted=int, workers=list, waiting_since=lambda: since[0] if since else None, now=lambda: NOON
    )
    assert read(made)["mintmark_oldest_waiting_seconds", ()] == 0
    since.append(NOON - timedelta(seconds=90))
    assert read(made)["mintmark_oldest_waiting_seconds", ()] == 90


def test_whatever_callers_make_up_the_series_stay_few() -> None:
    made = meters()
    for number in range(MOST_WORDS + 50):
        made.ended(a_job(State.FAILED, f"flow-{number}", failure=Failure(code=f"code_{number}", message="no")))
        made.answered(f"M{number}", "none", 404, 0.01)
    said = read(made)
    ended = [dict(labels) for name, labels in said if name == "mintmark_jobs_total"]
    assert len(ended) == MOST_WORDS + 1
    rest = ("mintmark_jobs_total", (("code", OTHER), ("state", "failed"), ("workflow", OTHER)))
    assert said[rest] == 50
    answered = [dict(labels) for name, labels in said if name == "mintmark_http_requests_total"]
    assert answered == [{"method": OTHER, "route": "none", "status": "404"}]
