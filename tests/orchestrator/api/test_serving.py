"""What every request goes through: who is let in without a key, what is counted, HEAD, and what is expected."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from mintmark.addresses import FORWARDED
from mintmark.orchestrator.access.keys import KeyLimits
from mintmark.orchestrator.api import streams
from mintmark.orchestrator.api.app import every_route

from .stand_in import PNG, House
from .test_review import picture

RUNS, IMAGES = "/v1/workflows/text-to-image/runs", "/v1/images/generations"
OPENAI = "/openai/v1/images/generations"
RUN = {"inputs": {"prompt": "x"}}


def limited(house: House, **limits: Any) -> dict[str, str]:
    """The header of a key with these limits."""
    scopes = ["submit", "read"]
    _, token = house.service.access.keys.create(scopes=scopes, project="acme", user="mia", limits=KeyLimits(**limits))
    return {"Authorization": f"Bearer {token}"}


# -- who is let in without a key --------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [*FORWARDED, "x-forwarded-for", "via"])
async def test_what_came_by_a_proxy_is_not_of_this_machine(house: House, header: str) -> None:
    status, problem, _ = await house.ask("GET", "/v1/jobs", headers={header: "203.0.113.9"})
    assert (status, problem["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(
    ("site", "status"), [("none", 200), ("same-origin", 200), ("same-site", 401), ("cross-site", 401), ("x", 401)]
)
async def test_what_another_page_has_a_browser_ask_is_not_of_this_machine(house: House, site: str, status: int) -> None:
    assert (await house.ask("GET", "/v1/jobs", headers={"Sec-Fetch-Site": site}))[0] == status


async def test_who_has_a_key_may_come_from_anywhere(house: House) -> None:
    its = limited(house)
    headers = {**its, "X-Real-IP": "203.0.113.9", "Sec-Fetch-Site": "cross-site"}
    assert (await house.ask("GET", "/v1/jobs", headers=headers))[0] == 200


# -- what is counted --------------------------------------------------------------------------------------------------


async def test_what_is_refused_for_its_shape_is_counted_too(house: House) -> None:
    its = limited(house, requests_per_minute=3)
    statuses = []
    for body in ({}, {"prompt": 5}, {"prompt": "x", "wrong": 1}, {"prompt": "x"}):
        status, _, headers = await house.ask("POST", IMAGES, json=body, headers=its)
        statuses.append(status)
    assert statuses == [422, 422, 422, 429]
    assert headers["RateLimit-Remaining"] == "0" and int(headers["Retry-After"]) > 0


async def test_a_refusal_tells_what_is_left(house: House) -> None:
    its = limited(house, requests_per_minute=3)
    _, _, headers = await house.ask("POST", IMAGES, json={}, headers=its)
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("3", "2")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUNS, {**RUN, "user": "zoe"}),
        (IMAGES, {"prompt": "x", "user": "zoe"}),
        (OPENAI, {"prompt": "x", "user": "zoe", "model": "none/such"}),
        (OPENAI, {"prompt": "x", "safety_identifier": "zoe", "model": "none/such"}),
        (OPENAI, {"prompt": "x", "safety_identifier": "zoe", "user": "max", "model": "none/such"}),
    ],
)
async def test_an_end_user_is_counted_by_whatever_name_it_comes(house: House, path: str, body: dict[str, Any]) -> None:
    its = limited(house, user_requests_per_minute=2)
    other = {**body, "safety_identifier" if "safety_identifier" in body else "user": "other"}
    statuses = [(await house.ask("POST", path, json=body, headers=its))[0] for _ in range(3)]
    assert statuses[2] == 429 and 429 not in statuses[:2]
    assert (await house.ask("POST", path, json=other, headers=its))[0] == statuses[0]


async def test_the_end_user_of_a_form_is_counted(house: House) -> None:
    its = limited(house, user_requests_per_minute=2)
    statuses = []
    for _ in range(3):
        form = aiohttp.FormData({"prompt": "x", "model": "none/such", "user": "zoe"})
        form.add_field("image", picture(), filename="a.png", content_type="image/png")
        statuses.append((await house.ask("POST", "/openai/v1/images/edits", data=form, headers=its))[0])
    assert statuses == [404, 404, 429]


async def test_the_end_user_of_a_job_that_is_asked_for_again_is_counted(house: House) -> None:
    its = limited(house, user_requests_per_minute=2)
    _, made, _ = await house.ask("POST", RUNS, json={**RUN, "user": "zoe"}, headers=its)
    await house.ask("POST", f"/v1/jobs/{made['job_id']}/cancel", headers=its)
    again = f"/v1/jobs/{made['job_id']}/retry"
    assert [(await house.ask("POST", again, headers=its))[0] for _ in range(2)] == [202, 429]


# -- HEAD -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/docs/page.js", "/v1/jobs"])
async def test_head_answers_as_get_does_without_the_body(house: House, path: str) -> None:
    _, _, whole = await house.ask("GET", path)
    status, text, headers = await house.ask("HEAD", path)
    assert (status, text or "") == (200, "")
    for name in ("Content-Type", "Content-Length", "Cache-Control"):
        assert headers[name] == whole[name]


async def test_head_is_for_whatever_can_be_read(house: House) -> None:
    for route in every_route():
        path = route.path.format_map(dict.fromkeys(route.parts, "x"))
        status, _, headers = await house.ask("HEAD", path)
        assert (status == 405) == (not any(each.method == "GET" and each.path == route.path for each in every_route()))
        if status == 405:
            assert "HEAD" not in headers["Allow"]


async def test_head_of_a_file_tells_how_large_it_is(house: House) -> None:
    large = picture() + b"0" * 200_000
    for data in (PNG, large):
        job_id = await house.order(prompt="x")
        house.service.run_next(data=data)
        (output,) = (await house.ask("GET", f"/v1/jobs/{job_id}"))[1]["outputs"]
        async with house.http.head(output["image_url"], headers={"Range": "bytes=0-3"}) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(data)))
            assert (await answer.read(), answer.headers["Content-Type"]) == (b"", "image/png")
        async with house.http.head(output["image_url"][:-1]) as answer:
            assert answer.status == 403
        # The connection is good for the next.
        async with house.http.get(output["image_url"]) as answer:
            assert await answer.read() == data


async def test_head_of_a_stream_follows_nothing(house: House) -> None:
    path = f"/v1/jobs/{await house.order(prompt='x')}"
    status, _, headers = await asyncio.wait_for(house.ask("HEAD", f"{path}/events"), 5)
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers = {**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert (await asyncio.wait_for(house.ask("HEAD", f"{path}/ws", headers=headers), 5))[0] == 426
    assert (await house.ask("HEAD", f"{path}/events", headers=limited(house)))[0] == 404


# -- who is waited for ------------------------------------------------------------------------------------------------


async def test_answers_that_wait_are_among_the_streams_that_a_key_may_have(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 1)
    waiting = asyncio.create_task(house.ask("POST", RUNS, json=RUN, headers={"Prefer": "wait=20"}))
    while house.service.jobs.counts().get("queued", 0) == 0:
        await asyncio.sleep(0.02)
    # A preference is not met, and the job is there; OpenAI's clients can only be waited for, so nothing is made.
    status, body, _ = await house.ask("POST", RUNS, json=RUN, headers={"Prefer": "wait=20"})
    assert (status, body["status"]) == (202, "queued")
    status, problem, headers = await house.ask("POST", OPENAI, json={"prompt": "x"})
    assert (status, problem["error"]["code"]) == (429, "rate_limit_exceeded") and "Retry-After" in headers
    for _ in range(2):
        await asyncio.to_thread(house.service.run_next, data=PNG)
    assert (await waiting)[0] == 200
    assert house.service.run_next() is None, "a third job was made"


# -- what is expected -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
async def test_what_nobody_knows_to_expect_is_not_expected(house: House, path: str) -> None:
    _, plain, _ = await house.ask("GET", path)
    assert (await house.ask("GET", path, headers={"Expect": "magic"}))[1] == plain
