"""docs/worker-route.md, line by line."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.cli.light_worker import open_runner
from mintmark.config import load
from mintmark.generation.context import LINK, JobContext, JobReport, WorkerHealth

PAGE = Path(__file__).resolve().parents[2] / "docs" / "worker-route.md"
TOKEN = "worker-token-0123456789"
SOON = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
PAST = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat()
ROUTES = [
    ("GET", "/mintmark/worker"),
    ("GET", "/mintmark/journal"),
    ("PUT", "/mintmark/jobs/{job}"),
    ("GET", "/mintmark/jobs/{job}"),
    ("DELETE", "/mintmark/jobs/{job}"),
]


def own_address() -> str | None:
    """An address of this machine that is not loopback, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        return str(probe.getsockname()[0])


async def refused(bench: Any, method: str, path: str, **sent: Any) -> tuple[int, str]:
    status, answer = await bench.json(method, path, **sent)
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"code", "message", "hint"}
    return status, answer["error"]["code"]


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_each_route_exists_bare_and_under_api(prefix: str, bench: Any) -> None:
    job = await bench.open_job()
    for method, path in ROUTES:
        body = {"json": bench.context(job_id=job)} if method == "PUT" else {}
        status, _ = await bench.json(method, prefix + path.format(job=job), **body)
        assert status == 200, (method, path)


async def test_the_worker_says_what_it_is(bench: Any) -> None:
    _, told = await bench.json("GET", "/mintmark/worker")
    assert set(told) == set(WorkerHealth.model_fields)
    assert (told["kind"], told["mode"], told["policy"]) == ("runner", "sandbox", "standard")
    assert told["prompt_thread_alive"] is True
    assert (await bench.json("GET", "/mintmark/worker"))[1]["boot_id"] == told["boot_id"]
    assert await bench.json("PUT", f"/mintmark/jobs/{uuid.uuid4()}", json={}) != (200, told)


async def test_the_worker_tells_what_it_computes_on_and_holds(bench: Any) -> None:
    _, told = await bench.json("GET", "/mintmark/worker")
    _, stats = await bench.json("GET", "/system_stats")
    assert (told["models_in_memory"], told["models_known"]) == ([], True)
    assert [_still(each) for each in told["devices"]] == [_still(each) for each in stats["devices"]]
    (device,) = told["devices"]
    assert 0 < device["vram_free"] <= device["vram_total"]
    assert device["load"] is None


def _still(device: dict[str, Any]) -> dict[str, Any]:
    """What does not change from one moment to the next."""
    return {name: device[name] for name in ("name", "type", "vram_total")}


def test_the_page_names_every_field() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for model in (WorkerHealth, JobContext, JobReport):
        for name in model.model_fields:
            assert f"`{name}`" in text, name


# -- who may call ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.5"},
        {"X-Real-IP": "203.0.113.5"},
        {"Forwarded": "for=203.0.113.5"},
        {"Via": "1.1 proxy"},
        {"Host": "rebound.example:8188"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_strangers_and_web_pages_are_turned_away(
    headers: dict[str, str], method: str, path: str, bench: Any
) -> None:
    job = await bench.open_job()
    assert await refused(bench, method, path.format(job=job), headers=headers) == (403, "unauthorized")


async def test_an_origin_is_refused_even_with_the_workers_token(tmp_path: Path, open_bench: Any) -> None:
    async with open_bench(tmp_path, worker_token=TOKEN) as bench:
        origin = {"Origin": bench.runner.url, "Authorization": f"Bearer {TOKEN}"}
        assert await refused(bench, "GET", "/mintmark/worker", headers=origin) == (403, "unauthorized")


@asynccontextmanager
async def from_afar(bench: Any, **headers: str) -> AsyncIterator[Any]:
    """Calls as another machine makes them, through a proxy that says so."""

    async def call(method: str, path: str, **sent: Any) -> int:
        status, _ = await bench.json(method, path, headers={"X-Forwarded-For": "203.0.113.5", **headers}, **sent)
        return int(status)

    yield call


async def test_the_workers_token_opens_everything(tmp_path: Path, open_bench: Any) -> None:
    async with open_bench(tmp_path, worker_token=TOKEN) as bench:
        job = await bench.open_job()
        async with from_afar(bench, Authorization=f"Bearer {TOKEN}") as call:
            for method, path in ROUTES:
                body = {"json": bench.context(job_id=job)} if method == "PUT" else {}
                assert await call(method, path.format(job=job), **body) == 200
        async with from_afar(bench, Authorization="Bearer worker-token-0123456780") as call:
            assert await call("GET", "/mintmark/worker") == 403


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer None", "bearer", "Bearer \udcff\udcfe", "Basic eA=="])
async def test_what_is_no_token_opens_nothing(given: str, bench: Any) -> None:
    await bench.open_job()
    headers = {"X-Forwarded-For": "203.0.113.5", "Authorization": given}
    if "\udcff" not in given:
        assert await refused(bench, "GET", "/mintmark/worker", headers=headers) == (403, "unauthorized")
        return
    host, port = bench.runner.url.removeprefix("http://").split(":")
    raw = b"GET /mintmark/worker HTTP/1.1\r\nHost: 127.0.0.1\r\nVia: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"
    assert b" 403 " in await _raw(host, int(port), raw)


async def _raw(host: str, port: int, request: bytes) -> bytes:
    import asyncio

    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_a_jobs_token_opens_that_jobs_report_and_nothing_else(bench: Any) -> None:
    job = await bench.open_job(token="job-token-aaaaaaaa", expires_at=SOON)
    other = await bench.open_job(token="job-token-bbbbbbbb", expires_at=SOON)
    async with from_afar(bench, Authorization="Bearer job-token-aaaaaaaa") as call:
        assert await call("GET", f"/mintmark/jobs/{job}") == 200
        assert await call("GET", f"/mintmark/jobs/{other}") == 403
        assert await call("DELETE", f"/mintmark/jobs/{job}") == 403
        assert await call("PUT", f"/mintmark/jobs/{job}", json=bench.context(job_id=job)) == 403
        assert await call("GET", f"/mintmark/journal?job_id={job}") == 403
        assert await call("GET", "/mintmark/worker") == 403


async def test_a_jobs_token_ends_at_its_time(bench: Any) -> None:
    job = await bench.open_job(token="job-token-aaaaaaaa", expires_at=PAST)
    async with from_afar(bench, Authorization="Bearer job-token-aaaaaaaa") as call:
        assert await call("GET", f"/mintmark/jobs/{job}") == 403


@pytest.mark.parametrize("expires_at", [None, "2030-01-01T00:00:00"])
async def test_a_token_without_an_end_or_a_time_zone_is_refused(expires_at: str | None, bench: Any) -> None:
    context = bench.context(token="job-token-aaaaaaaa", expires_at=expires_at)
    status, answer = await bench.json("PUT", f"/mintmark/jobs/{context['job_id']}", json=context)
    assert (status, answer["error"]["code"]) == (400, "invalid_input")
    assert answer["error"]["message"].startswith("expires_at: ")
    assert "job-token" not in json.dumps(answer)


async def test_another_machine_needs_the_token(tmp_path: Path) -> None:
    address = own_address()
    if address is None:
        pytest.skip("not run: this machine has no address beside loopback")
    settings = load({}, data_dir=tmp_path / "data").with_(sandbox=True, worker_token=TOKEN)
    opened = open_runner(settings, port=0, host=address, base_dir=tmp_path / "base")
    async with opened as runner, aiohttp.ClientSession(runner.url) as http:
        async with http.get("/mintmark/worker") as answer:
            assert answer.status == 403
            assert (await answer.json())["error"]["code"] == "unauthorized"
        async with http.get("/mintmark/worker", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert answer.status == 200


# -- a job's context ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"allowance_microusd": -1}, "invalid_input", "allowance_microusd"),
        ({"allowance_microusd": "much"}, "invalid_input", "allowance_microusd"),
        ({"mode": "play"}, "invalid_input", "mode"),
        ({"surprise": 1}, "invalid_input", "surprise"),
        ({"workflow": {"name": "x"}}, "invalid_input", "workflow.version"),
        ({"job_id": "not-a-uuid"}, "invalid_input", "job_id"),
        ({"local": True}, "invalid_input", "local"),
        ({"policy": "no-such-policy"}, "unknown_policy", "no-such-policy"),
        ({"policy": "standard@9.9.9"}, "unknown_policy", "standard@9.9.9"),
        ({"policy": "/etc/passwd"}, "unknown_policy", "/etc/passwd"),
        ({"policy": "../policy.json"}, "unknown_policy", "policy.json"),
    ],
)
async def test_a_bad_context_is_refused_by_field(changes: dict[str, Any], code: str, named: str, bench: Any) -> None:
    context = {**bench.context(), **changes}
    status, answer = await bench.json("PUT", f"/mintmark/jobs/{context['job_id']}", json=context)
    assert (status, answer["error"]["code"]) == (400, code)
    assert named in answer["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"job_id": 1}'])
async def test_what_is_no_context_is_refused_and_not_repeated(body: bytes, bench: Any) -> None:
    job = uuid.uuid4()
    assert await refused(bench, "PUT", f"/mintmark/jobs/{job}", data=body) == (400, "invalid_input")
    assert await refused(bench, "GET", f"/mintmark/jobs/{job}") == (404, "unknown_job")


async def test_the_ids_of_path_and_body_are_one(bench: Any) -> None:
    assert await refused(bench, "PUT", f"/mintmark/jobs/{uuid.uuid4()}", json=bench.context()) == (400, "invalid_input")


async def test_a_live_job_is_refused_by_a_sandbox_worker(bench: Any) -> None:
    context = bench.context(mode="live")
    sent = await refused(bench, "PUT", f"/mintmark/jobs/{context['job_id']}", json=context)
    assert sent == (409, "worker_mode_mismatch")


async def test_the_same_context_again_is_harmless_and_another_is_refused(bench: Any) -> None:
    context = bench.context(token="job-token-aaaaaaaa", expires_at=SOON)
    path = f"/mintmark/jobs/{context['job_id']}"
    for _ in range(2):
        assert (await bench.json("PUT", path, json=context))[0] == 200
    renewed = {**context, "token": "job-token-cccccccc"}
    assert (await bench.json("PUT", path, json=renewed))[0] == 200
    async with from_afar(bench, Authorization="Bearer job-token-cccccccc") as call:
        assert await call("GET", path) == 200
    assert await refused(bench, "PUT", path, json={**context, "allowance_microusd": 9}) == (400, "invalid_input")
    assert (await bench.report(context["job_id"]))["allowance"]["granted_microusd"] == 1_000_000


# -- report and journal ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_job_nobody_told_of_is_unknown(method: str, bench: Any) -> None:
    assert await refused(bench, method, f"/mintmark/jobs/{uuid.uuid4()}") == (404, "unknown_job")


async def test_a_report_adds_up(bench: Any, made: Any) -> None:
    job = await bench.open_job()
    assert (await bench.report(job))["receipts"] == []
    await bench.run(made(), job)
    report = await bench.report(job)
    (receipt,) = report["receipts"]
    (signed,) = report["signed"]
    assert report["open"] is True
    assert receipt["state"] == "settled"
    assert report["allowance"] == {
        "granted_microusd": 1_000_000, "held_microusd": 0, "settled_microusd": receipt["microusd"]
    }  # fmt: skip
    assert {verdict["subject"] for verdict in report["verdicts"]} == {"prompt", "image"}
    assert signed["filename"] == "image_00001_.png"
    assert report["failures"] == []


async def test_a_closed_job_spends_nothing_more(bench: Any, made: Any) -> None:
    job = await bench.open_job()
    for _ in range(2):
        status, report = await bench.json("DELETE", f"/mintmark/jobs/{job}")
        assert (status, report["open"]) == (200, False)
    history = await bench.run(made(), job)
    assert "[canceled]" in str(history["status"])
    assert await bench.calls() == []


async def test_the_journal_is_read_in_pages_until_it_is_empty(
    bench: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.nodes.route.PAGE", 3)
    jobs = [await bench.open_job() for _ in range(2)]
    for number, job in enumerate(jobs):
        await bench.run(made(seed=number), job)
    every: list[dict[str, Any]] = []
    since = 0
    while True:
        _, page = await bench.json("GET", f"/mintmark/journal?since={since}")
        assert set(page) == {"journal_id", "entries", "next"}
        if not page["entries"]:
            break
        assert len(page["entries"]) <= 3
        every += page["entries"]
        since = page["next"]
    assert [each["seq"] for each in every] == sorted({each["seq"] for each in every})
    assert page["next"] == since
    assert {each["job_id"] for each in every} == set(jobs)
    _, mine = await bench.json("GET", f"/mintmark/journal?since=0&job_id={jobs[1]}")
    assert mine["entries"] == [each for each in every if each["job_id"] == jobs[1]][:3]
    assert {"held", "asking", "accepted", "settled", "verdict", "signed"} <= {each["kind"] for each in every}


@pytest.mark.parametrize("since", ["-1", "x", "1.5", "²", "9" * 40])
async def test_a_number_that_is_none_is_refused_by_name(since: str, bench: Any) -> None:
    status, answer = await bench.json("GET", "/mintmark/journal", params={"since": since})
    assert (status, answer["error"]["code"]) == (400, "invalid_input")
    assert answer["error"]["message"].startswith("since: ")


async def test_the_client_that_posted_hears_the_journal_and_nobody_else_does(bench: Any, made: Any) -> None:
    async with bench.http.ws_connect(f"{bench.runner.url}/ws?clientId=other") as stranger:
        await stranger.receive_json()
        job = await bench.open_job()
        await bench.run(made(), job)
        told = [each["data"] for each in bench.events if each["type"] == "mintmark.journal"]
        _, page = await bench.json("GET", f"/mintmark/journal?job_id={job}")
        assert [each["entry"] for each in told] == page["entries"]
        assert {each["prompt_id"] for each in told} == {job}
        await bench.json("POST", "/prompt", json={"prompt": made(seed=8), "client_id": "other"})
        heard = [(await stranger.receive_json())["type"]]
        while heard[-1] != "execution_success":
            heard.append((await stranger.receive_json())["type"])
        assert "mintmark.journal" not in heard


async def test_a_prompt_whose_client_promised_a_context_never_runs_without_one(
    bench: Any, made: Any, error_of: Any
) -> None:
    async with bench.http.ws_connect(f"{bench.runner.url}/ws?clientId={LINK}test") as socket:
        bench.socket = socket
        for given in (made(), {"1": {"class_type": "MintmarkModeratePrompt", "inputs": {"text": "a boat"}}}):
            job, body = str(uuid.uuid4()), {"prompt": given, "client_id": f"{LINK}test"}
            if "2" not in given:
                given["2"] = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
            status, answer = await bench.json("POST", "/prompt", json={**body, "prompt_id": job})
            assert status == 200, answer
            assert "[context_missing]" in error_of(await bench.ended(job))
            assert await refused(bench, "GET", f"/mintmark/jobs/{job}") == (404, "unknown_job")
        assert await bench.calls() == []
        assert list(bench.output.rglob("*.png")) == []
        job = await bench.open_job(project="boats")
        await bench.json("POST", "/prompt", json={"prompt": made(), "client_id": f"{LINK}test", "prompt_id": job})
        assert (await bench.ended(job))["status"]["status_str"] == "success"


async def test_a_graph_run_by_hand_has_a_report_and_no_events(bench: Any, made: Any) -> None:
    job = await bench.post(made())
    await bench.ended(job)
    assert [each for each in bench.events if each["type"] == "mintmark.journal"] == []
    report = await bench.report(job)
    assert report["allowance"]["granted_microusd"] == report["allowance"]["settled_microusd"] > 0


async def test_contexts_and_journal_survive_a_restart_and_tokens_do_not(
    tmp_path: Path, open_bench: Any, made: Any
) -> None:
    async with open_bench(tmp_path) as bench:
        job = await bench.open_job(token="job-token-aaaaaaaa", expires_at=SOON)
        context = bench.context(job_id=job)
        await bench.run(made(), job)
        before = await bench.report(job)
        _, told = await bench.json("GET", "/mintmark/worker")
        _, page = await bench.json("GET", "/mintmark/journal")
    async with open_bench(tmp_path) as bench:
        assert await bench.report(job) == before
        _, after = await bench.json("GET", "/mintmark/worker")
        assert after["boot_id"] != told["boot_id"]
        assert (await bench.json("GET", "/mintmark/journal"))[1] == page
        async with from_afar(bench, Authorization="Bearer job-token-aaaaaaaa") as call:
            assert await call("GET", f"/mintmark/jobs/{job}") == 403
        path = f"/mintmark/jobs/{job}"
        assert (await bench.json("PUT", path, json=context))[0] == 200
        await bench.run(made(), job)
        assert await bench.calls() == [], "the same job asks nothing twice"
        assert (await bench.report(job))["receipts"] == before["receipts"]


def test_every_status_of_the_page_is_in_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text, re.MULTILINE))
    assert set(table) == {"400", "403", "404", "409", "500"}
