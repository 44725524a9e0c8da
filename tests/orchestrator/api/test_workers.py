"""Workers over the API: who may, what is refused by which field, what is answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mintmark.errors import WorkerUnreachable
from mintmark.orchestrator.dispatch.worker import Worker
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.tests.orchestrator.house import service_house

from .stand_in import House
from .test_books import bearer

NEW = {"url": "http://gpu-1:8188", "name": "one"}


def of_the_settings(house: House, url: str = "http://127.0.0.1:9") -> str:
    house.service.dispatcher.workers.append(Worker(url, WorkerLink(url)))
    return quote(url, safe="")


async def test_a_worker_that_has_not_answered_is_told_as_that(house: House) -> None:
    of_the_settings(house)
    _, found, _ = await house.ask("GET", "/v1/workers")
    [worker] = found["workers"]
    told = {name: worker[name] for name in ("name", "state", "standing", "source", "kind", "devices", "why")}
    assert told == {
        "name": "http://127.0.0.1:9",
        "state": "starting",
        "standing": "up",
        "source": "settings",
        "kind": None,
        "devices": [],
        "why": "has not answered yet",
    }


async def test_a_worker_is_added_shown_and_listed(house: House) -> None:
    more = {"labels": ["b", "a"], "region": "eu", "hour_microusd": 1_200_000}
    status, made, headers = await house.ask("POST", "/v1/workers", json={**NEW, **more})
    assert (status, headers["Location"]) == (201, "/v1/workers/one")
    assert (made["source"], made["state"], made["labels"], made["region"]) == ("added", "starting", ["a", "b"], "eu")
    _, found, _ = await house.ask("GET", "/v1/workers/one")
    assert (found["url"], found["hour_microusd"], found["models"]) == ("http://gpu-1:8188", 1_200_000, {})
    _, listed, _ = await house.ask("GET", "/v1/workers")
    assert [each["name"] for each in listed["workers"]] == ["one"]


async def test_where_workers_are_is_for_admins_alone(house: House) -> None:
    path = of_the_settings(house, "http://10.0.0.7:8188")
    house.service.dispatcher.workers[0].problem = WorkerUnreachable("No worker answers at http://10.0.0.7:8188 (Oops).")
    house.service.dispatcher.workers[0].state = "down"
    reader, admin = bearer(house, "read"), bearer(house, "admin")
    await house.ask("POST", "/v1/workers", json=NEW, headers=admin)
    _, found, _ = await house.ask("GET", "/v1/workers", headers=reader)
    assert "10.0.0.7" not in str(found) and "gpu-1" not in str(found)
    first, second = sorted(found["workers"], key=lambda each: each["source"], reverse=True)
    assert (second["name"], second["url"], first["url"]) == ("one", None, None)
    assert first["problem"] == f"No worker answers at {first['name']} (Oops)."
    status, shown, _ = await house.ask("GET", f"/v1/workers/{first['name']}", headers=reader)
    assert (status, shown["name"], shown["url"]) == (200, first["name"], None)
    assert "10.0.0.7" not in str((await house.ask("GET", f"/v1/workers/{path}", headers=reader))[1])
    assert (await house.ask("GET", f"/v1/workers/{path}", headers=admin))[1]["url"] == "http://10.0.0.7:8188"


async def test_the_same_key_adds_one_worker(house: House) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [await house.ask("POST", "/v1/workers", json=NEW, headers=headers) for _ in range(2)]
    assert [status for status, _, _ in answers] == [201, 201]
    assert answers[1][2]["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("url", {"url": "gpu-1:8188"}),
        ("url", {"url": "http://169.254.169.254/latest"}),
        ("url", {"url": "http://mia:secret@gpu-1"}),
        ("url", {"url": "http://gpu-1:6379"}),
        ("name", {"name": "runner-1"}),
        ("name", {"name": "two words"}),
        ("labels[0]", {"labels": ["no good"]}),
        ("region", {"region": ""}),
        ("hour_microusd", {"hour_microusd": -1}),
        ("gpu", {"gpu": 1}),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(house: House, field: str, said: dict[str, Any]) -> None:
    status, problem, _ = await house.ask("POST", "/v1/workers", json={**NEW, **said})
    if said == {"url": "http://gpu-1:6379"}:
        assert status == 201  # a port from 1024 on may be HTTP
        return
    assert (status, problem["field"]) == (422, field)
    assert "secret" not in str(problem)


async def test_a_url_and_a_name_are_taken_once(house: House) -> None:
    of_the_settings(house, "http://gpu-7:8188")
    await house.ask("POST", "/v1/workers", json=NEW)
    for field, said in (
        ("url", {**NEW, "name": "two"}),
        ("name", {**NEW, "url": "http://gpu-2:8188"}),
        ("url", {"url": "http://gpu-7:8188"}),
    ):
        status, problem, _ = await house.ask("POST", "/v1/workers", json=said)
        assert (status, problem["field"]) == (422, field)


async def test_a_worker_is_drained_resumed_described_and_removed(house: House) -> None:
    await house.ask("POST", "/v1/workers", json=NEW)
    await asyncio.to_thread(house.service.fleet.heard, "one", new=False)
    status, problem, _ = await house.ask("DELETE", "/v1/workers/one")
    assert (status, problem["code"]) == (409, "wrong_state")
    for state, stands in (("draining", "draining"), ("up", "up"), ("draining", "draining")):
        status, found, _ = await house.ask("PATCH", "/v1/workers/one", json={"state": state})
        assert (status, found["standing"]) == (200, stands)
    status, found, _ = await house.ask("PATCH", "/v1/workers/one", json={"labels": ["x"], "region": "eu"})
    assert (found["labels"], found["region"], found["standing"]) == (["x"], "eu", "draining")
    assert (await house.ask("PATCH", "/v1/workers/one", json={"labels": None}))[0] == 422
    assert (await house.ask("DELETE", "/v1/workers/one"))[0] == 204
    assert (await house.ask("GET", "/v1/workers/one"))[0] == 404
    actions = [each.action for each in await house.service.access.audited()]
    assert actions[0] == "worker.removed" and actions.count("worker.drained") == 2


async def test_a_worker_of_the_settings_is_drained_by_its_url_and_cannot_be_removed(house: House) -> None:
    name = of_the_settings(house)
    status, found, _ = await house.ask("PATCH", f"/v1/workers/{name}", json={"state": "draining"})
    assert (status, found["standing"]) == (200, "draining")
    for method, body in (("DELETE", None), ("PATCH", {"region": "eu"})):
        status, problem, _ = await house.ask(method, f"/v1/workers/{name}", json=body)
        assert (status, problem["code"]) == (409, "wrong_state")
    assert "named by the service's settings" in problem["detail"]


async def test_nobody_is_found_where_there_is_nobody(house: House) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/logs")):
        body = {"state": "up"} if method == "PATCH" else None
        status, problem, _ = await house.ask(method, f"/v1/workers/nobody{path}", json=body)
        assert (status, problem["code"]) == (404, "not_found")


async def test_only_an_admin_changes_workers_and_reads_logs(house: House) -> None:
    await house.ask("POST", "/v1/workers", json=NEW)
    reader = bearer(house, "submit", "read", "publish")
    assert (await house.ask("GET", "/v1/workers/one", headers=reader))[0] == 200
    for method, path, body in (
        ("POST", "", {"url": "http://gpu-9:8188"}),
        ("PATCH", "/one", {"state": "draining"}),
        ("DELETE", "/one", None),
        ("GET", "/one/logs", None),
    ):
        assert (await house.ask(method, f"/v1/workers{path}", json=body, headers=reader))[0] == 403


async def test_the_log_of_others_is_where_they_run(house: House) -> None:
    await house.ask("POST", "/v1/workers", json=NEW)
    status, problem, _ = await house.ask("GET", "/v1/workers/one/logs")
    assert (status, problem["code"]) == (409, "wrong_state")
    assert "not started by this service" in problem["detail"] and "http://gpu-1:8188" in problem["hint"]


async def test_the_log_of_an_own_runner_is_read_from_its_end(tmp_path: Path, house: House) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(50_000)))
    house.service.worker_log = lambda name: log
    await house.ask("POST", "/v1/workers", json=NEW)
    _, found, _ = await house.ask("GET", "/v1/workers/one/logs?lines=2")
    assert found["lines"] == ["line 49998", "line 49999"]
    log.unlink()
    assert (await house.ask("GET", "/v1/workers/one/logs"))[0] == 404


async def test_a_runner_of_the_service_has_a_log(tmp_path: Path) -> None:
    async with service_house(tmp_path, runners=1) as house:
        [own] = [each.name for each in house.service.workers if each.name.startswith("runner-1.")]
        status, found = await house.ask("GET", f"/v1/workers/{own}/logs")
        assert (status, found["name"]) == (200, own)
