"""One trace from the request to the node that asks a provider, across the job's row and the worker's wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.nodes import worker
from mintmark.tests.orchestrator.house import SIZE, ServiceHouse, service_house
from mintmark.tests.spans import recorded

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
GIVEN = f"00-{TRACE_ID}-b7ad6b7169203331-01"
RUNS = "/v1/workflows/text-to-image/runs"
ORDER = {"inputs": {"prompt": "a teapot", **SIZE}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path) as opened:
        yield opened


async def ran(house: ServiceHouse, **headers: str) -> dict[str, Any]:
    status, job = await house.ask("POST", RUNS, ORDER, headers={"Prefer": "wait=60", **headers})
    assert (status, job["status"]) == (200, "succeeded")
    return dict(job)


def handed_over(job_id: str) -> str | None:
    """What the worker was told."""
    return worker.current()._contexts[job_id].traceparent


async def test_one_trace_goes_from_the_request_to_the_hosted_call(house: ServiceHouse) -> None:
    with recorded() as spans:
        job = await ran(house, traceparent=GIVEN)
    assert {f"{span.context.trace_id:032x}" for span in spans()} == {TRACE_ID}
    by_id = {span.context.span_id: span for span in spans()}
    [call] = [span for span in spans() if span.name == "hosted call"]
    chain = [call]
    while (parent := by_id.get(chain[0].parent.span_id)) is not None:
        chain.insert(0, parent)
    assert [span.name for span in chain] == ["POST /v1/workflows/{name}/runs", "attempt", "node", "hosted call"]
    request, attempt, node, _ = chain
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert request.attributes["http.response.status_code"] == 200
    assert attempt.attributes["mintmark.job_id"] == node.attributes["mintmark.job_id"] == job["job_id"]
    assert (call.attributes["mintmark.provider"], call.attributes["mintmark.state"]) == ("fal", "settled")
    assert call.attributes["mintmark.microusd"] == job["cost_microusd"]
    assert handed_over(job["job_id"]) == f"00-{TRACE_ID}-{attempt.context.span_id:016x}-01"


async def test_without_opentelemetry_what_the_request_brought_reaches_the_node_as_it_came(house: ServiceHouse) -> None:
    job = await ran(house, traceparent=GIVEN)
    assert (await house.job(job["job_id"])).ordered.traceparent == GIVEN
    assert handed_over(job["job_id"]) == GIVEN


async def test_where_the_request_brings_none_nothing_is_made_up(house: ServiceHouse) -> None:
    for headers in ({}, {"traceparent": "made-up"}):
        job = await ran(house, **headers)
        assert (await house.job(job["job_id"])).ordered.traceparent is None
        assert handed_over(job["job_id"]) is None


async def test_whoever_looks_whether_we_live_makes_no_trace(house: ServiceHouse) -> None:
    with recorded() as spans:
        for path in ("/healthz", "/readyz", "/metrics"):
            await house.ask("GET", path, headers={"traceparent": GIVEN})
        await house.ask("GET", "/v1/jobs?limit=1")
        assert [span.name for span in spans()] == ["GET /v1/jobs"]


async def test_a_failure_is_seen_in_its_trace(house: ServiceHouse) -> None:
    await house.fail({"provider": "fal", "kind": "policy_input"})
    with recorded() as spans:
        status, job = await house.ask("POST", RUNS, ORDER, headers={"Prefer": "wait=60"})
    assert (status, job["status"]) == (200, "failed")
    named = {span.name: span for span in spans()}
    assert named["attempt"].attributes["error.type"] == job["error"]["code"]
    [receipt] = job["receipts"]
    assert named["hosted call"].attributes["mintmark.state"] == receipt["state"] == "unknown"
    assert not named["hosted call"].status.is_ok
