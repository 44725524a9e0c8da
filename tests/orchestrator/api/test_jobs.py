"""Jobs as they are told of: shown, listed, canceled, asked again, forgotten, judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mintmark.orchestrator.jobs.job import Ending, Failure
from mintmark.orchestrator.jobs.states import Step

from .stand_in import PNG, House
from .test_books import bearer

NOBODY = "0f8fad5b-d9cb-469f-a165-70867728950e"


async def test_a_job_that_succeeded_shows_what_it_made(house: House) -> None:
    job_id = await house.order(prompt="x")
    house.service.run_next(data=PNG)
    status, job, _ = await house.ask("GET", f"/v1/jobs/{job_id}")
    (output,) = job["outputs"]
    assert (status, job["status"], job["outcome"]) == (200, "succeeded", "succeeded")
    assert (output["seed"], output["safety"], output["media_type"]) == (
        7,
        {"allowed": True, "categories": []},
        "image/png",
    )
    assert output["credential"] == {"state": "valid", "issuer": "Mintmark"}
    assert job["metrics"] == {"latency_ms": 5, "queue_ms": 1, "run_ms": 3, "post_ms": 1, "steps": 4}
    async with house.http.get(output["image_url"]) as file:
        assert (file.status, await file.read()) == (200, PNG)


@pytest.mark.parametrize("path", [f"/v1/jobs/{NOBODY}", "/v1/jobs/nonsense", f"/v1/jobs/{NOBODY}/events"])
async def test_a_job_that_is_not_there_is_not_found(house: House, path: str) -> None:
    status, problem, _ = await house.ask("GET", path)
    assert (status, problem["status"]) == (404, 404)


async def test_a_list_is_paged_by_cursor_without_gaps(house: House) -> None:
    made = [await house.order(prompt=str(number)) for number in range(5)]
    found, cursor = [], ""
    while cursor is not None:
        _, page, _ = await house.ask("GET", f"/v1/jobs?limit=2{f'&cursor={cursor}' if cursor else ''}")
        found += [job["job_id"] for job in page["jobs"]]
        cursor = page["next"]
    assert found == made[::-1]


async def test_a_list_can_be_of_what_is_looked_for(house: House) -> None:
    path = "/v1/workflows/text-to-image/runs"
    body = {"inputs": {"prompt": "x"}, "user": "mia", "metadata": {"order": "A-1"}}
    _, mias, _ = await house.ask("POST", path, json=body)
    other = await house.order(prompt="y")
    house.service.run_next()

    async def ids(query: str) -> list[str]:
        status, page, _ = await house.ask("GET", f"/v1/jobs?{query}")
        assert status == 200, page
        return [job["job_id"] for job in page["jobs"]]

    assert await ids("user=mia") == await ids("metadata.order=A-1") == [mias["job_id"]]
    assert await ids("metadata.order=A-2") == await ids("workflow=inpaint") == []
    assert await ids("status=queued") == [other]
    assert set(await ids("status=queued,succeeded")) == {other, mias["job_id"]}
    assert await ids("since=2999-01-01T00:00:00Z") == []
    assert len(await ids("until=2999-01-01T00:00:00Z")) == 2


REFUSED = [
    ("status=lost", "status"),
    ("limit=0", "limit"),
    ("limit=many", "limit"),
    ("since=yesterday", "since"),
    ("since=1700000000", "since"),
    ("cursor=x", "cursor"),
    ("colour=red", "colour"),
    ("by_metadata=x", "by_metadata"),
    ("metadata=x", "metadata"),
    ("metadata.=x", "metadata."),
    ("user=a%00b", "user"),
]


async def test_a_query_that_cannot_be_is_refused_with_its_key(house: House) -> None:
    for query, field in REFUSED:
        status, problem, _ = await house.ask("GET", f"/v1/jobs?{query}")
        assert (status, problem["field"]) == (422, field), query


async def test_a_query_key_that_is_given_twice_is_refused(house: House) -> None:
    status, problem, _ = await house.ask("GET", "/v1/jobs?user=a&user=b")
    assert (status, problem["code"]) == (400, "malformed_request")


async def test_a_queued_job_is_canceled_at_once_and_canceled_it_stays(house: House) -> None:
    """Whoever lost the answer asks again."""
    job_id = await house.order(prompt="x")
    for _ in range(2):
        status, job, _ = await house.ask("POST", f"/v1/jobs/{job_id}/cancel")
        assert (status, job["status"]) == (200, "canceled")
    kinds = [event.kind for event in house.service.jobs.events(job_id)]
    assert kinds.count("canceled") == 1


async def test_what_is_over_otherwise_is_not_canceled(house: House) -> None:
    job_id = await house.order(prompt="x")
    house.service.run_next()
    status, problem, _ = await house.ask("POST", f"/v1/jobs/{job_id}/cancel")
    assert (status, problem["code"]) == (409, "wrong_state")


async def test_a_job_that_failed_says_why_and_not_where_the_service_keeps_its_things(house: House) -> None:
    shown = []
    for code, message in (("node_failed", "the seed is wrong"), ("disk_full", "/srv/mintmark: no room"), ("new", "x")):
        job_id = await house.order(prompt="x")
        [lease] = house.service.jobs.claim("test", "worker-1", ["hosted", "gpu"])
        failure = Failure(code=code, message=message, hint="look", node="3")
        house.service.jobs.end(lease, Ending(step=Step.FAILED, failure=failure))
        shown.append((await house.ask("GET", f"/v1/jobs/{job_id}"))[1]["error"])
    assert shown[0] == {"code": "node_failed", "message": "the seed is wrong", "hint": "look", "node": "3"}
    assert shown[1]["code"] == "disk_full" and "/srv" not in str(shown[1])
    assert (shown[2]["code"], shown[2]["message"]) == ("new", "x")


async def test_what_failed_is_ordered_again_as_it_was(house: House) -> None:
    job_id = await house.order(prompt="x", seed=3)
    house.service.run_next(step=Step.FAILED)
    status, again, _ = await house.ask("POST", f"/v1/jobs/{job_id}/retry", headers={"Idempotency-Key": "again"})
    assert status == 202 and again["job_id"] != job_id
    old, new = (house.service.jobs.get(each).ordered for each in (job_id, again["job_id"]))
    assert (new.values, new.digest, new.allowance_microusd) == (old.values, old.digest, old.allowance_microusd)
    _, replayed, headers = await house.ask("POST", f"/v1/jobs/{job_id}/retry", headers={"Idempotency-Key": "again"})
    assert (replayed["job_id"], headers["Idempotent-Replayed"]) == (again["job_id"], "true")


async def test_what_is_ordered_again_is_booked_on_whoever_asks(house: House) -> None:
    ann, bob = bearer(house, "submit", "read", user="ann"), bearer(house, "submit", "read", user="bob")
    admin = bearer(house, "admin", project="house", user="olga")
    body = {"inputs": {"prompt": "x"}, "cache": True, "user": "zoe"}
    _, made, _ = await house.ask("POST", "/v1/workflows/text-to-image/runs", json=body, headers=ann)
    house.service.run_next(step=Step.FAILED)
    old = house.service.jobs.get(made["job_id"]).ordered
    for headers, project, user in ((bob, "acme", "bob"), (admin, "house", "olga")):
        _, again, _ = await house.ask("POST", f"/v1/jobs/{made['job_id']}/retry", headers=headers)
        new = house.service.jobs.get(again["job_id"]).ordered
        assert (new.project, new.user, new.end_user) == (project, user, "zoe")
        assert new.key_id != old.key_id
        assert (new.cache_key == old.cache_key) is (project == old.project)


async def test_what_is_ordered_again_is_moderated_again(house: House, tmp_path: Path) -> None:
    job_id = await house.order(prompt="a quiet lake")
    house.service.run_next(step=Step.FAILED)
    rules = tmp_path / "house.json"
    rules.write_text(json.dumps({"block": {"terms": ["quiet lake"]}}))
    house.service.settings = house.service.settings.with_(house_rules=rules)
    status, problem, _ = await house.ask("POST", f"/v1/jobs/{job_id}/retry")
    assert (status, problem["code"]) == (422, "prompt_blocked")


async def test_what_succeeded_or_runs_is_not_ordered_again(house: House) -> None:
    job_id = await house.order(prompt="x")
    for _ in range(2):
        status, problem, _ = await house.ask("POST", f"/v1/jobs/{job_id}/retry")
        assert (status, problem["code"]) == (409, "wrong_state")
        house.service.run_next()


async def test_forgetting_deletes_the_content_and_keeps_the_accounting(house: House) -> None:
    job_id = await house.order(prompt="a secret")
    assert (await house.ask("DELETE", f"/v1/jobs/{job_id}"))[0] == 409
    house.service.run_next(data=PNG)
    url = (await house.ask("GET", f"/v1/jobs/{job_id}"))[1]["outputs"][0]["image_url"]
    assert (await house.ask("DELETE", f"/v1/jobs/{job_id}"))[0] == 204
    _, job, _ = await house.ask("GET", f"/v1/jobs/{job_id}")
    assert job["purged"] is True and job["outputs"] == [] and "a secret" not in str(job)
    async with house.http.get(url) as file:
        assert file.status == 404


async def test_an_output_is_accepted_or_rejected_with_a_reason(house: House) -> None:
    job_id = await house.order(prompt="x")
    house.service.run_next(data=PNG)
    path = f"/v1/jobs/{job_id}/outputs/0"
    _, job, _ = await house.ask("POST", f"{path}/accept", json={})
    assert job["outputs"][0]["accepted"] is True
    _, job, _ = await house.ask("POST", f"{path}/reject", json={"reason": "six fingers"})
    assert job["outputs"][0]["accepted"] is False
    last = house.service.jobs.events(job_id)[-1]
    assert (last.kind, last.data["reason"]) == ("rejected", "six fingers")
    assert (await house.ask("POST", f"/v1/jobs/{job_id}/outputs/1/accept", json={}))[0] == 404
