"""Where workers are is told to nobody who follows a job: they are called by their names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mintmark.errors import (
    InvalidInput,
    MintmarkError,
    NodeFailed,
    OutOfMemory,
    WorkerLost,
    WorkerRefused,
    WorkerUnreachable,
)
from mintmark.orchestrator.api import naming
from mintmark.orchestrator.dispatch.placing import Decided
from mintmark.orchestrator.jobs.job import Ending, Failure
from mintmark.orchestrator.jobs.states import Step
from mintmark.orchestrator.placement.values import Choice

from .stand_in import House
from .test_books import bearer

AT = "http://gpu-box.lan:8188"
MARK = naming.mark(AT)


def lost(house: House, job_id: str, worker: str = AT) -> None:
    """The worker takes the job, and is gone."""
    (lease,) = house.service.jobs.claim("test", worker, ["hosted", "gpu"])
    said = f"The worker at {AT} no longer knows the job; it was restarted."
    failure = Failure(code="worker_lost", message=said, hint=f"Look at {AT}, or at its log.")
    house.service.jobs.end(lease, Ending(step=Step.FAILED, failure=failure))


def clean(told: Any) -> bool:
    return not any(word in str(told) for word in ("gpu-box", "8188", "10.0.0"))


async def test_a_job_tells_the_mark_of_a_worker_without_a_name(house: House) -> None:
    lost(house, job_id := await house.order(prompt="x"))
    who = bearer(house, "read", project=house.service.settings.project)
    _, job, _ = await house.ask("GET", f"/v1/jobs/{job_id}", headers=who)
    _, page, _ = await house.ask("GET", "/v1/jobs", headers=who)
    assert job["worker"] == MARK == page["jobs"][0]["worker"]
    assert job["error"]["message"] == f"The worker at {MARK} no longer knows the job; it was restarted."
    assert job["error"]["hint"] == f"Look at {MARK}, or at its log."
    assert clean(job) and clean(page)


async def test_a_worker_with_a_name_is_called_by_it_in_words_that_had_its_address(house: House) -> None:
    lost(house, job_id := await house.order(prompt="x"), worker="gpu-1")
    _, job, _ = await house.ask("GET", f"/v1/jobs/{job_id}")
    assert (job["worker"], job["error"]["message"][:19]) == ("gpu-1", "The worker at gpu-1")
    assert clean(job)


async def test_what_follows_a_job_tells_no_address(house: House) -> None:
    lost(house, job_id := await house.order(prompt="x"))
    who = bearer(house, "read", project=house.service.settings.project)
    _, text, _ = await house.ask("GET", f"/v1/jobs/{job_id}/events", headers=who)
    async with house.http.ws_connect(f"{house.url}/v1/jobs/{job_id}/ws", headers=who) as socket:
        heard = [message.json() async for message in socket]
    assert heard[1]["data"]["worker"] == MARK and f'"worker":"{MARK}"' in text
    assert clean(text) and clean(heard)


def waiting(reason: Any = "nobody_can", **more: Any) -> Any:
    async def decide(_job: Any) -> Decided:
        return Decided(Choice(reason=reason, **{"worker": None, **more}), {AT: f"{AT} has no such node"}, None)

    return decide


@pytest.mark.parametrize("more", [{}, {"reason": "waits_for_warm", "waits_for": AT}, {"reason": "any", "worker": AT}])
async def test_why_is_told_by_names_to_all_but_admins(house: House, more: dict[str, Any]) -> None:
    house.service.dispatcher.decide = waiting(**more)
    job_id = await house.order(prompt="x")
    reader = bearer(house, "read", project=house.service.settings.project)
    _, told, _ = await house.ask("GET", f"/v1/jobs/{job_id}/why", headers=reader)
    assert told["against"] == {MARK: f"{MARK} has no such node"} and MARK in told["text"]
    assert {told["worker"], told["waits_for"]} <= {None, MARK}
    assert clean(told)
    _, told, _ = await house.ask("GET", f"/v1/jobs/{job_id}/why", headers=bearer(house, "admin"))
    assert AT in told["against"] and AT in told["text"]


async def test_why_a_job_runs_where_it_does_is_told_by_names_too(house: House) -> None:
    job_id = await house.order(prompt="x")
    await asyncio.to_thread(house.service.jobs.claim, "test", AT, ["hosted", "gpu"])
    reader = bearer(house, "read", project=house.service.settings.project)
    _, told, _ = await house.ask("GET", f"/v1/jobs/{job_id}/why", headers=reader)
    assert (told["text"], told["worker"]) == (f"It runs on {MARK}.", MARK)


async def test_whoever_asks_whether_it_is_ready_learns_no_address(house: House) -> None:
    house.service.dispatcher.missing = lambda: [f"{AT}: No worker answers at {AT} (Oops)."]
    _, told, _ = await house.ask("GET", "/readyz")
    assert told["missing"] == [f"{MARK}: No worker answers at {MARK} (Oops)."]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (WorkerUnreachable(f"No worker answers at {AT} (Oops)."), f"No worker answers at {MARK} (Oops)."),
        (WorkerLost("At 'http://[fd00::1]:8188', it says."), f"At '{naming.mark('http://[fd00::1]:8188')}', it says."),
        (WorkerRefused("lora-1 does not fit gpu-1: no node X."), "lora-1 does not fit gpu-1: no node X."),
        (NodeFailed("Node 3: 404 at https://hf.example.com/x"), "Node 3: 404 at https://hf.example.com/x"),
        (NodeFailed(f"Node 3: no {AT}/x, no http://10.0.0.9"), "Node 3: no an address inside, no an address inside"),
        (NodeFailed("Cannot connect to host 10.0.0.9:5000."), "Cannot connect to host an address inside."),
        (NodeFailed("torch 2.1.0 has no fp8, says 8.8.8.8"), "torch 2.1.0 has no fp8, says 8.8.8.8"),
        (OutOfMemory("http://localhost:8188 ran out."), "an address inside ran out."),
        (InvalidInput("Not from http://10.0.0.9/cat.png."), "Not from http://10.0.0.9/cat.png."),
    ],
)
def test_only_what_leads_to_workers_is_taken_out_of_an_errors_words(error: MintmarkError, told: str) -> None:
    assert naming.told_of(error)[0] == told


def test_a_worker_that_is_blamed_by_its_address_is_blamed_by_its_mark() -> None:
    assert naming.told_of(OutOfMemory("x", hint=f"{AT} ran out of memory."), AT)[1] == f"{MARK} ran out of memory."
