"""The queue as a whole: paused and resumed by whoever may."""

from __future__ import annotations

from mintmark.tests.orchestrator.house import service_house

from .stand_in import House
from .test_books import bearer


async def test_a_paused_queue_takes_jobs_and_starts_none(tmp_path) -> None:
    async with service_house(tmp_path) as house:
        status, queue = await house.ask("POST", "/v1/queue/pause")
        assert (status, queue["paused"]) == (200, True)
        job = await house.submit()
        _, queue = await house.ask("GET", "/v1/queue")
        assert (queue["queued"], queue["running"]) == (1, 0)
        assert queue["oldest_waiting_s"] >= 0
        _, queue = await house.ask("POST", "/v1/queue/resume")
        assert queue["paused"] is False
        assert (await house.ended(job.job_id)).state.value == "succeeded"


async def test_only_an_admin_s_key_may_pause(house: House) -> None:
    for scopes, wanted in ((("submit", "read"), 403), (("admin",), 200)):
        status, _, _ = await house.ask("POST", "/v1/queue/pause", headers=bearer(house, *scopes))
        assert status == wanted
    entries = await house.service.access.audited()
    assert "queue.paused" in [entry.action for entry in entries]
