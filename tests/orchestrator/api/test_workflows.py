"""Workflows over HTTP: published for good, compared, deprecated, aliased, held against live workers."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from mintmark.workflows.library import Library

from .stand_in import House
from .test_books import bearer


def document(version: str = "9.0.0", **changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(Library().resolve("text-to-image").document())
    return {**made, "version": version, **changes}


async def test_a_version_is_published_for_good(house: House) -> None:
    status, made, headers = await house.ask("POST", "/v1/workflows", json=document())
    assert (status, made["version"], made["published_by"]) == (201, "9.0.0", "local")
    assert headers["Location"] == "/v1/workflows/text-to-image/versions/9.0.0"
    assert (await house.ask("POST", "/v1/workflows", json=document()))[0] == 200
    status, problem, _ = await house.ask("POST", "/v1/workflows", json=document(title="Another"))
    assert (status, problem["code"]) == (409, "version_taken")
    _, shown, _ = await house.ask("GET", headers["Location"])
    assert shown["document"] == document()
    _, audit, _ = await house.ask("GET", "/v1/audit")
    assert [each["action"] for each in audit["entries"]] == ["workflow.published"]


async def test_what_is_no_workflow_is_refused_with_every_problem(house: House) -> None:
    broken = document(inputs=[{**document()["inputs"][0], "binds": [{"node": "99", "input": "text"}]}])
    status, problem, _ = await house.ask("POST", "/v1/workflows", json=broken)
    assert (status, problem["code"]) == (422, "invalid_workflow")
    assert problem["problems"]


async def test_a_name_that_is_an_address_of_ours_is_refused(house: House) -> None:
    status, problem, _ = await house.ask("POST", "/v1/workflows", json=document(name="validate"))
    assert (status, problem["field"]) == (422, "name")


async def test_publishing_again_under_its_key_gives_the_same_answer(house: House) -> None:
    headers = {"Idempotency-Key": "p1"}
    _, first, _ = await house.ask("POST", "/v1/workflows", json=document(), headers=headers)
    status, second, told = await house.ask("POST", "/v1/workflows", json=document(), headers=headers)
    assert (status, second, told["Idempotent-Replayed"]) == (201, first, "true")
    status, problem, _ = await house.ask("POST", "/v1/workflows", json=document("9.0.1"), headers=headers)
    assert (status, problem["code"]) == (422, "idempotency_mismatch")


async def test_workflows_are_listed_by_name_in_pages(house: House) -> None:
    names, cursor = [], ""
    while cursor is not None:
        _, page, _ = await house.ask("GET", f"/v1/workflows?limit=2{f'&cursor={cursor}' if cursor else ''}")
        names += [each["name"] for each in page["workflows"]]
        cursor = page["next"]
    assert names == sorted(Library().names())


async def test_a_workflow_shows_its_versions_and_aliases(house: House) -> None:
    await house.ask("POST", "/v1/workflows", json=document())
    path = "/v1/workflows/text-to-image"
    status, alias, _ = await house.ask("POST", f"{path}/aliases/canary", json={"version": "9.0.0", "percent": 10})
    assert (status, alias) == (200, {"alias": "canary", "version": "9.0.0", "percent": 10})
    _, shown, _ = await house.ask("GET", path)
    assert [each["version"] for each in shown["versions"]][-1] == "9.0.0"
    assert shown["aliases"] == [alias]
    _, listed, _ = await house.ask("GET", f"{path}/versions")
    assert listed["versions"] == shown["versions"]
    assert (await house.ask("DELETE", f"{path}/aliases/canary"))[0] == 204
    assert (await house.ask("GET", path))[1]["aliases"] == []


async def test_a_run_by_alias_keeps_the_version_that_it_got(house: House) -> None:
    await house.ask("POST", "/v1/workflows", json=document())
    path = "/v1/workflows/text-to-image"
    await house.ask("POST", f"{path}/aliases/stable", json={"version": "9.0.0"})
    job_id = await house.order(prompt="x")
    await house.ask("POST", f"{path}/aliases/stable", json={"version": "1.0.0"})
    _, job, _ = await house.ask("GET", f"/v1/jobs/{job_id}")
    assert job["workflow"]["version"] == "9.0.0"


async def test_a_deprecated_version_is_skipped_until_it_is_taken_back(house: House) -> None:
    await house.ask("POST", "/v1/workflows", json=document())
    path = "/v1/workflows/text-to-image/versions/9.0.0/deprecate"
    status, shown, _ = await house.ask("POST", path, json={"message": "Take 1.0.0."})
    assert (status, shown["deprecated"]) == (200, "Take 1.0.0.")
    assert house.service.jobs.get(await house.order(prompt="x")).ordered.version != "9.0.0"
    await house.ask("POST", path, json={"message": None})
    assert house.service.jobs.get(await house.order(prompt="x")).ordered.version == "9.0.0"


async def test_two_versions_are_compared_by_what_they_do(house: House) -> None:
    changed = document()
    node = next(each for each in changed["graph"].values() if "seed" in str(each["inputs"]))
    changed["graph"]["99"] = {"class_type": "PreviewAny", "inputs": {"source": [next(iter(changed["graph"])), 0]}}
    changed["requires"] = {**changed["requires"], "nodes": [*changed["requires"]["nodes"], "PreviewAny"]}
    assert node and (await house.ask("POST", "/v1/workflows", json=changed))[0] == 201
    path = "/v1/workflows/text-to-image/diff"
    _, found, _ = await house.ask("GET", f"{path}?before=1.0.0&after=9.0.0")
    assert not found["same"] and "node_added" in {each["kind"] for each in found["changes"]}
    _, found, _ = await house.ask("GET", f"{path}?before=9.0.0&after=^9")
    assert found["same"] and found["changes"] == []
    assert (await house.ask("GET", f"{path}?before=1.0.0&after=7"))[0] == 404


async def test_a_name_is_its_projects_and_what_ships_is_nobodys(house: House) -> None:
    shop, evil = (bearer(house, "publish", "read", "submit", project=each) for each in ("shop", "evil"))
    boss = bearer(house, "admin", project="ops")

    async def answers(name: str, version: str, headers: dict[str, str]) -> list[int]:
        path = f"/v1/workflows/{name}"
        sent: list[tuple[str, str, Any]] = [
            ("POST", "/v1/workflows", document(version, name=name)),
            ("POST", f"{path}/aliases/stable", {"version": "1.0.0"}),
            ("POST", f"{path}/versions/1.0.0/deprecate", {"message": "Gone."}),
            ("POST", f"{path}/versions/1.0.0/deprecate", {"message": None}),
            ("DELETE", f"{path}/aliases/stable", None),
        ]
        return [(await house.ask(how, where, json=body, headers=headers))[0] for how, where, body in sent]

    assert await answers("poster", "1.0.0", shop) == [201, 200, 200, 200, 204]
    assert await answers("poster", "9.9.9", evil) == [403] * 5
    for each in (shop, evil):
        assert await answers("text-to-image", "9.9.9", each) == [403] * 5
    assert await answers("poster", "1.1.0", boss) == await answers("text-to-image", "9.9.9", boss)
    status, problem, _ = await house.ask("POST", "/v1/workflows", json=document("2.0.0", name="poster"), headers=evil)
    assert (status, problem["code"]) == (403, "not_allowed") and "shop" not in str(problem)
    run = {"inputs": {"prompt": "x"}}
    assert (await house.ask("POST", "/v1/workflows/poster/runs", json=run, headers=evil))[0] == 202
    _, audit, _ = await house.ask("GET", "/v1/audit", headers=boss)
    assert not any("9.9.9" in str(each) for each in audit["entries"] if each["target"].startswith("poster"))


# -- against workers --------------------------------------------------------------------------------------------------


@dataclass
class FakeWorker:
    """A worker that is up and has these nodes."""

    object_info: dict[str, Any]
    name: str = "one"
    state: str = "up"
    lanes: tuple[str, ...] = ("hosted",)
    running: int = 0
    capacity: int = 1
    health: Any = None
    problem: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


async def test_a_worker_that_lacks_the_nodes_does_not_fit(house: House) -> None:
    house.service.dispatcher.workers.append(FakeWorker({}))
    status, found, _ = await house.ask("POST", "/v1/workflows/validate", json={"workflow": "text-to-image"})
    assert (status, found["valid"]) == (200, False)
    assert found["workers"][0]["fits"] is False
    assert "has no node" in found["workers"][0]["problems"][0]["message"]


async def test_without_workers_a_sound_workflow_is_valid(house: House) -> None:
    body = {"workflow": "text-to-image", "inputs": {"width": "wide"}}
    _, found, _ = await house.ask("POST", "/v1/workflows/validate", json={"workflow": "text-to-image"})
    assert found["valid"] is True and len(found["digest"]) == 64 and "none was asked" in found["note"]
    _, found, _ = await house.ask("POST", "/v1/workflows/validate", json=body)
    assert found["valid"] is False and found["problems"][0]["where"] == "width"


async def test_without_a_gpu_worker_nobody_says_that_a_gpu_workflow_is_valid(house: House) -> None:
    body = {"document": document("0.1.0", lane="gpu")}
    house.service.dispatcher.workers.append(FakeWorker({}))
    _, found, _ = await house.ask("POST", "/v1/workflows/validate", json=body)
    assert (found["valid"], found["problems"], found["workers"]) == (None, [], [])
    assert "gpu" in found["note"] and "none was asked" in found["note"]
    house.service.dispatcher.workers.append(FakeWorker({}, name="two", lanes=("gpu",)))
    _, found, _ = await house.ask("POST", "/v1/workflows/validate", json=body)
    assert (found["valid"], [each["worker"] for each in found["workers"]], found["note"]) == (False, ["two"], "")


async def test_a_document_that_is_not_published_can_be_checked(house: House) -> None:
    _, found, _ = await house.ask("POST", "/v1/workflows/validate", json={"document": document("0.1.0")})
    assert found["valid"] is True
    _, found, _ = await house.ask("POST", "/v1/workflows/validate", json={"document": {"format": 1}})
    assert found["valid"] is False and found["digest"] is None
    assert (await house.ask("POST", "/v1/workflows/validate", json={}))[0] == 422


def encoding(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A workflow that says this itself, and the nodes of a worker that runs it."""
    graph = {
        "1": {"class_type": "Encode", "inputs": {"text": text}},
        "2": {"class_type": "Draw", "inputs": {"positive": ["1", 0], "title": "x"}},
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
    }
    title = {"name": "prompt", "title": "T", "type": "string", "binds": [{"node": "2", "input": "title"}]}
    requires = {"nodes": ["Encode", "Draw", "Save"]}
    outputs = [{"name": "images", "node": "3", "kind": "images"}]
    made = {"format": 1, "name": "encoding", "version": "1.0.0", "title": "E", "lane": "gpu", "graph": graph}
    info = {
        "Encode": {"input": {"required": {"text": ["STRING", {}]}}, "output": ["CONDITIONING"]},
        "Draw": {
            "input": {"required": {"positive": ["CONDITIONING", {}], "title": ["STRING", {}]}},
            "output": ["IMAGE"],
        },
        "Save": {"input": {"required": {"images": ["IMAGE", {}]}}, "output": [], "output_node": True},
    }
    return {**made, "inputs": [title], "outputs": outputs, "requires": requires}, info


async def test_words_of_a_graph_are_judged_by_the_worker_that_runs_it_whichever_came_first(house: House) -> None:
    for number, (text, expected) in enumerate([("a 9 year old child, explicit sexual photo", 422), ("a fox", 202)]):
        asked, info = encoding(text)
        house.service.dispatcher.object_infos = lambda lane, info=info: [{}, info]
        status, told, _ = await house.ask("POST", "/v1/workflows", json={**asked, "version": f"1.0.{number}"})
        assert status == 201, told
        body = {"version": f"1.0.{number}", "inputs": {"prompt": "x"}}
        status, told, _ = await house.ask("POST", "/v1/workflows/encoding/runs", json=body)
        assert (status, told.get("code", "prompt_blocked")) == (expected, "prompt_blocked")


async def test_a_checkpoint_is_for_workers_with_a_device_where_one_of_these_has_it(house: House) -> None:
    graph = {
        "1": {"class_type": "MintmarkTextToImage", "inputs": {"prompt": "x", "model": "fal/flux"}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    }
    bound = {"node": "1", "input": "model"}
    model = {"name": "model", "title": "M", "type": "choice", "choices_from": bound, "binds": [bound]}
    asked, info = encoding("x")
    requires, outputs = {"nodes": ["MintmarkTextToImage", "Save"]}, [{**asked["outputs"][0], "node": "2"}]
    changes = {"lane": "hosted", "graph": graph, "requires": requires, "outputs": outputs, "inputs": [model]}
    assert (await house.ask("POST", "/v1/workflows", json={**asked, **changes}))[0] == 201

    def offering(*models: str) -> dict[str, Any]:
        takes = {"prompt": ["STRING", {}], "model": [list(models), {}]}
        return {"MintmarkTextToImage": {"input": {"required": takes}, "output": ["IMAGE"]}, "Save": info["Save"]}

    runner, comfyui = offering("local/mine", "local/both"), offering("local/both", "local/its")
    infos = {"hosted": [runner, comfyui], "gpu": [comfyui]}
    house.service.dispatcher.object_infos = infos.__getitem__
    for name, lane in {"mine": "hosted", "both": "gpu", "its": "gpu"}.items():
        body = {"inputs": {"model": f"local/{name}"}}
        status, told, _ = await house.ask("POST", "/v1/workflows/encoding/runs", json=body)
        assert (status, house.service.jobs.get(told["job_id"]).ordered.lane) == (202, lane)
    infos["gpu"].clear()
    _, told, _ = await house.ask("POST", "/v1/workflows/encoding/runs", json={"inputs": {"model": "local/its"}})
    assert house.service.jobs.get(told["job_id"]).ordered.lane == "hosted"


async def test_an_order_that_no_live_worker_can_run_is_refused(house: House) -> None:
    house.service.dispatcher.object_infos = lambda lane: [{}]
    body = {"inputs": {"prompt": "x"}}
    status, problem, _ = await house.ask("POST", "/v1/workflows/text-to-image/runs", json=body)
    assert (status, problem["code"]) == (422, "worker_refused")
