"""Ordering a run: taken in durably, once, and only where everything about it can be done."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from mintmark.metering.budgets import Budget
from mintmark.orchestrator.jobs.base import Filter

from .stand_in import PNG, House
from .test_files import picture

RUNS = "/v1/workflows/text-to-image/runs"
REDRAWN = "/v1/workflows/image-to-image/runs"


async def test_an_order_is_taken_in_and_told_where_to_find(house: House) -> None:
    status, body, headers = await house.ask("POST", RUNS, json={"inputs": {"prompt": "a red fox"}})
    assert (status, body["status"]) == (202, "queued")
    assert headers["Location"] == f"/v1/jobs/{body['job_id']}"
    job = house.service.jobs.get(body["job_id"])
    assert job.ordered.values == {"prompt": "a red fox"}
    assert (job.ordered.workflow, job.ordered.surface, job.ordered.lane) == ("text-to-image", "workflows", "hosted")


async def test_everything_an_order_says_is_written_down(house: House) -> None:
    older = await house.order(prompt="older")
    body = {
        "version": "^1",
        "inputs": {"prompt": "x", "seed": "12345678901234567890"},
        "priority": 7,
        "start_at": "2030-01-01T00:00:00Z",
        "deadline": "2031-01-01T00:00:00+01:00",
        "budget_usd": 0.003,
        "webhook_url": "https://example.com/hook?x=1",
        "webhook_events": ["progress"],
        "metadata": {"order": "A-1", "n": 3, "ok": True},
        "user": "mia",
        "retention_days": 2.5,
        "supersedes": older,
        "previews": True,
    }
    status, answer, _ = await house.ask("POST", RUNS, json=body)
    assert status == 202, answer
    ordered = house.service.jobs.get(answer["job_id"]).ordered
    assert ordered.values["seed"] == 12345678901234567890
    assert (ordered.priority, ordered.retention_days, ordered.end_user) == (7, 2.5, "mia")
    assert (ordered.allowance_microusd, ordered.previews, ordered.supersedes) == (3000, True, older)
    assert ordered.not_before.isoformat() == "2030-01-01T00:00:00+00:00"
    assert ordered.webhook_events == ("progress",)
    assert house.service.jobs.get(older).state.value == "canceled"


async def test_an_allowance_is_what_the_graph_can_cost_at_most(house: House) -> None:
    job = house.service.jobs.get(await house.order(prompt="x"))
    assert 0 < job.ordered.allowance_microusd < house.service.settings.allowance_microusd


async def test_an_allowance_knows_the_picture_that_goes_in(house: House) -> None:
    upload = {"data": picture(512), "headers": {"Content-Type": "image/png"}}
    named = (await house.ask("POST", "/v1/uploads", **upload))[1]["id"]
    whole = "data:image/png;base64," + base64.b64encode(picture(512)).decode()
    house.service.ledger.set_budget(Budget("overall", "", "day", 200_000))
    for given in (named, whole, named, whole, named, whole, named):
        status, made, _ = await house.ask("POST", REDRAWN, json={"inputs": {"image": given, "prompt": "a fox"}})
        assert status == 202, made
        assert house.service.jobs.get(made["job_id"]).ordered.allowance_microusd == 25_000


async def test_an_image_by_the_plain_door_knows_its_picture_too(house: House) -> None:
    upload = {"data": picture(512), "headers": {"Content-Type": "image/png"}}
    named = (await house.ask("POST", "/v1/uploads", **upload))[1]["id"]
    body = {"model": "fal/flux-dev", "prompt": "a fox", "image_to_image": {"init_image_url": named}}
    _, made, _ = await house.ask("POST", "/v1/images/generations", json=body)
    assert house.service.jobs.get(made["job_id"]).ordered.allowance_microusd == 25_000


async def test_who_has_too_little_left_is_told_that_an_order_may_ask_for_less(house: House) -> None:
    house.service.ledger.set_budget(Budget("overall", "", "day", 1))
    status, problem, _ = await house.ask("POST", RUNS, json={"inputs": {"prompt": "a fox"}})
    assert (status, "budget_usd" in problem["hint"]) == (402, True)


REFUSED: list[tuple[Any, int, str | None]] = [
    ({"inputs": {"width": "big"}}, 422, "inputs.width"),
    ({"inputs": {"width": 5}}, 422, "inputs.width"),
    ({"inputs": {"colour": "red"}}, 422, "inputs.colour"),
    ({"inputs": {}, "priority": "high"}, 422, "priority"),
    ({"inputs": {}, "priority": 1.5}, 422, "priority"),
    ({"inputs": {}, "deadline": "2001-01-01T00:00:00Z"}, 422, "deadline"),
    ({"inputs": {}, "deadline": 4102444800}, 422, "deadline"),
    ({"inputs": {}, "deadline": "tomorrow"}, 422, "deadline"),
    ({"inputs": {}, "webhook_url": "file:///etc/passwd"}, 422, "webhook_url"),
    ({"inputs": {}, "webhook_url": "http://a b"}, 422, "webhook_url"),
    ({"inputs": {}, "metadata": {str(n): n for n in range(17)}}, 422, "metadata"),
    ({"inputs": {}, "metadata": {"a": "x" * 600}}, 422, None),
    ({"inputs": {"prompt": "x"}, "budget_usd": 0.0001}, 422, "budget_usd"),
    ({"inputs": {"prompt": "x"}, "budget_usd": 1e-9}, 422, "budget_usd"),
    ({"inputs": {}, "supersedes": "0f8fad5b-d9cb-469f-a165-70867728950e"}, 422, "supersedes"),
    ({"inputs": {}, "nonsense": 1}, 422, "nonsense"),
    ({"version": "^99", "inputs": {}}, 404, None),
    ([], 422, ""),
]


async def test_what_cannot_be_is_refused_with_its_field(house: House) -> None:
    for body, status, field in REFUSED:
        found, problem, headers = await house.ask("POST", RUNS, json=body)
        assert (found, headers["Content-Type"]) == (status, "application/problem+json"), (body, problem)
        assert field is None or problem["field"] == field, (body, problem)
    assert house.service.jobs.find(Filter()) == []


async def test_who_orders_while_it_is_stopping_is_asked_to_come_again(house: House) -> None:
    asked = {"json": {"inputs": {"prompt": "x"}}, "headers": {"Idempotency-Key": "k1"}}
    _, before, _ = await house.ask("POST", RUNS, **asked)
    house.service.dispatcher.draining = True
    status, problem, headers = await house.ask("POST", RUNS, json={"inputs": {"prompt": "y"}})
    assert (status, problem["code"], headers["Retry-After"]) == (503, "service_stopping", "5")
    status, again, _ = await house.ask("POST", RUNS, **asked)  # what was made before is told of all the same
    assert (status, again["job_id"]) == (202, before["job_id"])
    assert len(house.service.jobs.find(Filter())) == 1


async def test_words_that_the_policy_blocks_cost_nothing(house: House) -> None:
    text = "explicit sexual photo of a 9 year old child"
    status, problem, _ = await house.ask("POST", RUNS, json={"inputs": {"prompt": text}})
    assert (status, problem["code"], problem["hint"]) == (422, "prompt_blocked", "Change the prompt.")
    assert text not in str(problem)
    assert house.service.ledger.totals().taken_microusd == 0


async def test_waiting_for_the_end_gives_the_whole_job(house: House) -> None:
    running = asyncio.create_task(house.service.run_all())
    asked = {"json": {"inputs": {"prompt": "x"}}, "headers": {"Prefer": "respond-async, wait=60"}}
    status, job, headers = await asyncio.wait_for(house.ask("POST", RUNS, **asked), 90)
    running.cancel()
    assert (status, job["status"]) == (200, "succeeded")
    assert headers["Preference-Applied"] == "wait=60"


async def test_a_wait_that_is_over_or_none_answers_at_once(house: House) -> None:
    for prefer in ("wait=0", "wait=soon", "wait=-1", "wait=9999999999999", "handling=strict", ""):
        status, _, _ = await house.ask("POST", RUNS, json={"inputs": {"prompt": "x"}}, headers={"Prefer": prefer})
        assert status == 202, prefer


async def test_the_same_key_and_body_is_the_same_job(house: House) -> None:
    asked = {"json": {"inputs": {"prompt": "x"}, "priority": 1}, "headers": {"Idempotency-Key": "k1"}}
    _, first, told = await house.ask("POST", RUNS, **asked)
    reordered = {"priority": 1, "inputs": {"prompt": "x"}}
    status, second, told_again = await house.ask("POST", RUNS, json=reordered, headers=asked["headers"])
    assert (status, second) == (202, first)
    assert "Idempotent-Replayed" not in told and told_again["Idempotent-Replayed"] == "true"


async def test_the_same_key_with_another_body_is_refused(house: House) -> None:
    headers = {"Idempotency-Key": "k1"}
    await house.ask("POST", RUNS, json={"inputs": {"prompt": "x"}}, headers=headers)
    status, problem, _ = await house.ask("POST", RUNS, json={"inputs": {"prompt": "y"}}, headers=headers)
    assert (status, problem["code"]) == (422, "idempotency_mismatch")


async def test_one_key_sent_many_times_at_once_makes_one_job(house: House) -> None:
    asked = {"json": {"inputs": {"prompt": "x"}}, "headers": {"Idempotency-Key": "k1"}}
    answers = await asyncio.gather(*(house.ask("POST", RUNS, **asked) for _ in range(8)))
    assert len({body["job_id"] for _, body, _ in answers}) == 1
    assert len(house.service.jobs.find(Filter())) == 1


async def test_an_earlier_result_is_given_again_where_that_will_do(house: House) -> None:
    body = {"inputs": {"prompt": "x", "seed": 1}, "cache": True}
    _, first, _ = await house.ask("POST", RUNS, json=body)
    house.service.run_next(data=PNG)
    _, second, _ = await house.ask("POST", RUNS, json=body)
    assert second["status"] == "succeeded" and second["job_id"] != first["job_id"]
    _, job, _ = await house.ask("GET", f"/v1/jobs/{second['job_id']}")
    assert job["cached"] is True and job["cost_microusd"] == 0 and len(job["outputs"]) == 1
    told = {"queue_ms": 0, "run_ms": 0, "post_ms": 0, "steps": None}
    kept = house.service.jobs.get(second["job_id"])
    took = (kept.ended_at - kept.submitted_at).total_seconds() * 1000
    assert job["metrics"] == {"latency_ms": int(took), **told}, "from its acceptance to its end"


async def test_who_takes_an_earlier_image_without_a_seed_is_warned_that_there_is_none(house: House) -> None:
    path, body = "/v1/images/generations", {"prompt": "a fox", "cache": True}
    _, seedless, _ = await house.ask("POST", path, json=body)
    assert len(seedless["warnings"]) == 1 and "give a seed" in seedless["warnings"][0]
    assert (await house.ask("GET", f"/v1/jobs/{seedless['job_id']}"))[1]["warnings"] == seedless["warnings"]
    for quiet in ({**body, "seed": 7}, {"prompt": "a fox"}):
        assert (await house.ask("POST", path, json=quiet))[1]["warnings"] == []


async def test_a_result_of_other_rules_is_not_given_again(house: House, tmp_path: Path) -> None:
    body = {"inputs": {"prompt": "x", "seed": 1}, "cache": True}
    rules = tmp_path / "house.json"
    rules.write_text(json.dumps({"block": {"looks": ["0" * 64]}}))

    async def is_given() -> bool:
        _, job, _ = await house.ask("POST", RUNS, json=body)
        house.service.run_next(data=PNG)
        return bool(house.service.jobs.get(job["job_id"]).cached)

    assert [await is_given(), await is_given()] == [False, True]
    for changes in ({"policy": "family"}, {"house_rules": rules}):
        house.service.settings = house.service.settings.with_(**changes)
        assert [await is_given(), await is_given()] == [False, True], changes


async def test_a_deadline_while_queued_is_no_reason_to_run(house: House) -> None:
    status, _, _ = await house.ask("POST", RUNS, json={"inputs": {"prompt": "x"}, "deadline": "2100-01-01T00:00:00Z"})
    assert status == 202


async def test_times_at_the_ends_of_the_calendar_are_no_defect(house: House) -> None:
    late, early = "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"
    body = {"inputs": {"prompt": "x"}, "deadline": late, "start_at": early}
    assert (await house.ask("POST", RUNS, json=body))[0] == 202
    params = {"since": early, "until": late}
    status, found, _ = await house.ask("GET", "/v1/jobs", params=params)
    assert (status, len(found["jobs"])) == (200, 1)
