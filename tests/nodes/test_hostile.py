"""Prompts that mean harm or are merely absurd, put to the runner with the pack in it.

``tests/comfyui/test_worker_hostile.py`` puts the same to a real ComfyUI. Ten thousand nodes are run in
``tests/runner/test_executor.py``, and a body over the limit is refused in ``tests/runner/test_queue.py``.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from mintmark.provenance.reading import read as read_credential
from mintmark.tests.contracts.hostile import OUTSIDE_PREFIXES, OUTSIDE_VIEWS, SAVERS, everything, inverted


async def refusal(bench: Any, graph: dict[str, Any]) -> str:
    status, answer = await bench.json("POST", "/prompt", json={"prompt": graph, "client_id": "bench"})
    assert status == 400, answer
    return json.dumps(answer)


async def test_a_client_that_names_anothers_fingerprint_gets_a_result_of_its_own(bench: Any, made: Any) -> None:
    graph = made()
    await bench.run(graph, await bench.open_job(project="one"))
    graph["1"]["is_changed"] = [json.dumps(["one", "standard", "sandbox"])]
    mine = await bench.open_job(project="two")
    history = await bench.run(graph, mine)
    assert len(await bench.calls()) == 2
    assert "is_changed" not in json.dumps(history)
    assert [each["state"] for each in (await bench.report(mine))["receipts"]] == ["settled"]


async def test_a_cycle_is_refused_by_name(bench: Any) -> None:
    graph = inverted(3)
    graph["1"]["inputs"]["image"] = ["2", 0]
    assert "dependency_cycle" in await refusal(bench, graph)


@pytest.mark.parametrize("prefix", OUTSIDE_PREFIXES)
@pytest.mark.parametrize("saver", SAVERS)
async def test_a_prefix_that_leads_outside_writes_nothing(saver: str, prefix: str, bench: Any, error_of: Any) -> None:
    before = everything(bench.runner.paths.base.parent)
    graph = inverted(2)
    graph["end"] = {"class_type": saver, "inputs": {"images": ["1", 0], "filename_prefix": prefix}}
    assert "evil" in error_of(await bench.run(graph))
    assert everything(bench.runner.paths.base.parent) == before


@pytest.mark.parametrize(("query", "status"), OUTSIDE_VIEWS)
async def test_view_shows_nothing_outside_its_folders(query: str, status: int, bench: Any) -> None:
    (bench.runner.paths.base / "secret.txt").write_text("secret")
    async with bench.http.get(f"{bench.runner.url}/view?{query}") as answer:
        assert answer.status == status
        assert "secret" not in await answer.text()


async def test_two_projects_of_one_graph_have_receipt_credential_and_file_of_their_own(bench: Any, made: Any) -> None:
    graph, jobs, told = made(), {}, {}
    for project in ("atelier", "other"):
        jobs[project] = job = await bench.open_job(project=project)
        await bench.run(graph, job)
    for project, job in jobs.items():
        report = await bench.report(job)
        (receipt,), (signed,) = report["receipts"], report["signed"]
        assert receipt["state"] == "settled"
        path = bench.output / signed["subfolder"] / signed["filename"]
        record = read_credential(path).record or {}
        assert (record["job_id"], record["requests"]) == (job, [receipt["request_id"]])
        _, page = await bench.json("GET", f"/mintmark/journal?job_id={job}")
        assert {each["job_id"] for each in page["entries"]} == {job}
        told[project] = (str(path), receipt["request_id"], json.dumps([report, record, page]))
    for mine, other in (("atelier", "other"), ("other", "atelier")):
        for foreign in (jobs[other], Path(told[other][0]).name, told[other][1]):
            assert foreign not in told[mine][2], f"{mine} sees what is {other}'s"


async def test_another_jobs_token_opens_no_report(bench: Any) -> None:
    expires = "2999-01-01T00:00:00+00:00"
    mine = await bench.open_job(project="one", token="token-of-one-aaaa", expires_at=expires)
    other = await bench.open_job(project="two", token="token-of-two-bbbb", expires_at=expires)
    headers = {"Authorization": "Bearer token-of-one-aaaa", "X-Forwarded-For": "203.0.113.5"}
    assert (await bench.json("GET", f"/mintmark/jobs/{mine}", headers=headers))[0] == 200
    for job in (other, str(uuid.uuid4())):
        assert (await bench.json("GET", f"/mintmark/jobs/{job}", headers=headers))[0] == 403
