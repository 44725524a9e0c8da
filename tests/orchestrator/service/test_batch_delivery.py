"""An order that can wait a day: by batch, for the batch's price; refused where it cannot be had."""

from __future__ import annotations

import pytest

from mintmark.orchestrator.jobs.states import State

from ..house import ServiceHouse

RUNS = "/v1/workflows/text-to-image/runs"
VALUES = {"prompt": "a teapot", "model": "openai/gpt-image-2", "width": 256, "height": 256}


async def test_an_order_by_batch_is_delivered_for_half_the_price(house: ServiceHouse) -> None:
    # Other words of the same length: a result that is there already would be given again.
    now = await house.run(values={**VALUES, "prompt": "a kettle"})
    headers = {"Prefer": "wait=60"}
    status, told = await house.ask("POST", RUNS, {"inputs": VALUES, "delivery": "batch"}, headers=headers)
    assert (status, told["status"]) == (200, "succeeded"), told
    batch = await house.job(told["job_id"])
    assert (batch.state, batch.ordered.delivery) == (State.SUCCEEDED, "batch")
    assert batch.cost_microusd == pytest.approx(now.cost_microusd / 2, abs=1)
    bill = await house.bill()
    assert house.service.ledger.totals().settled_microusd == bill["total_microusd"]


async def test_a_model_without_batches_is_refused_with_those_that_have_them(house: ServiceHouse) -> None:
    values = {**VALUES, "model": "fal/flux-schnell"}
    status, problem = await house.ask("POST", RUNS, {"inputs": values, "delivery": "batch"})
    assert (status, problem["code"], problem["field"]) == (422, "invalid_input", "delivery")
    assert "inputs.model names fal/flux-schnell" in problem["detail"]
    assert "openai/gpt-image-2" in problem["allowed"]


async def test_another_delivery_is_refused_by_its_field(house: ServiceHouse) -> None:
    status, problem = await house.ask("POST", RUNS, {"inputs": VALUES, "delivery": "someday"})
    assert (status, problem["field"]) == (422, "delivery")
