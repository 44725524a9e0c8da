"""Pages of other origins: those that are listed may call the API and read all that it answers, no other one may."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.orchestrator.api import cors
from mintmark.orchestrator.api.app import build_app, every_route

from .stand_in import PNG, House, open_house
from .test_books import bearer

SHOP = "https://shop.example"
ALLOWED = "Access-Control-Allow-Origin"
SIMPLE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
"""What every page may read (Fetch, "CORS-safelisted response-header name")."""


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, cors_origins=(SHOP, "http://localhost:5173")) as opened:
        yield opened


def asking(origin: str = SHOP, method: str = "POST") -> dict[str, str]:
    names = "authorization,content-type,idempotency-key,last-event-id,prefer,x-stainless-os"
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
    return {"Origin": origin, **asked}


def words(text: str) -> list[str]:
    return [each.strip().lower() for each in text.split(",")]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/images/generations", "/openai/v1/images/edits", "/v1/nothing"])
async def test_a_browser_learns_beforehand_what_a_listed_page_may_send(shared: House, path: str) -> None:
    status, text, headers = await shared.ask("OPTIONS", path, headers=asking())
    assert (status, text, headers[ALLOWED], headers["Vary"]) == (204, "", SHOP, "Origin")
    sent = words(headers["Access-Control-Allow-Headers"])
    assert {"authorization", "idempotency-key", "prefer", "last-event-id", "content-type", "*"} <= set(sent)
    assert "Access-Control-Allow-Credentials" not in headers


def test_pages_may_send_and_read_all_that_the_routes_have() -> None:
    routes = [route for route in every_route() if route.path.startswith(cors.PATHS)]
    assert {route.method for route in routes} | {"HEAD"} == set(cors.METHODS.split(", "))
    answered = {header.name.lower() for route in routes for answer in route.answers for header in answer.headers}
    assert answered - SIMPLE <= set(words(cors.READ))
    assert {header.name.lower() for route in routes for header in route.headers} <= set(words(cors.SENT))


async def test_a_listed_page_orders_with_its_key_and_reads_what_comes(shared: House) -> None:
    page = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", **bearer(shared, "submit", "read")}
    body = {"inputs": {"prompt": "x"}}
    path = "/v1/workflows/text-to-image/runs"
    status, job, headers = await shared.ask("POST", path, json=body, headers={**page, "Idempotency-Key": "k"})
    assert (status, headers[ALLOWED], headers.getall("Vary")) == (202, SHOP, ["Origin"])
    readable = words(headers["Access-Control-Expose-Headers"])
    named = ("location", "idempotent-replayed", "preference-applied", "retry-after", "etag", "ratelimit-remaining")
    assert set(named) <= set(readable)
    shared.service.run_next(data=PNG)
    status, text, headers = await shared.ask("GET", f"/v1/jobs/{job['job_id']}/events", headers=page)
    assert (status, headers[ALLOWED]) == (200, SHOP) and "succeeded" in text
    batch = {**page, "Content-Type": "application/x-ndjson"}
    line = json.dumps({"workflow": "text-to-image", **body})
    assert (await shared.ask("POST", "/v1/batches", data=line, headers=batch))[2][ALLOWED] == SHOP


async def test_signed_files_are_read_by_listed_pages_and_kept_apart_from_others(shared: House) -> None:
    page = bearer(shared, "submit", "read", project=shared.service.settings.project)
    _, job, _ = await shared.ask(
        "POST", "/v1/workflows/text-to-image/runs", json={"inputs": {"prompt": "x"}}, headers=page
    )
    shared.service.run_next(data=PNG)
    _, job, _ = await shared.ask("GET", f"/v1/jobs/{job['job_id']}", headers=page)
    url = job["outputs"][0]["image_url"]
    for origin, allowed in ((SHOP, SHOP), ("https://other.example", None), (None, None)):
        async with shared.http.get(url, headers={"Origin": origin} if origin else {}) as file:
            assert (file.status, file.headers.get(ALLOWED), file.headers["Vary"]) == (200, allowed, "Origin")


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/jobs", 401), ("/v1/nothing", 404), ("/v1/assets/x", 404), ("/openai/v1/models", 401)]
)
async def test_a_listed_page_can_read_what_is_wrong(shared: House, path: str, status: int) -> None:
    """No key was made: whoever is on this machine may do everything, a page elsewhere may not, listed or not."""
    found, _, headers = await shared.ask("GET", path, headers={"Origin": SHOP})
    assert (found, headers[ALLOWED]) == (status, SHOP)


@pytest.mark.parametrize(
    "origin",
    ["https://shop.example.evil.example", "http://shop.example", "https://shop.example:444", "null", "*", "x", ""],
)
async def test_a_page_that_is_not_listed_gets_nothing(shared: House, origin: str) -> None:
    status, _, headers = await shared.ask("OPTIONS", "/v1/jobs", headers=asking(origin))
    assert status == 405 and not [name for name in headers if name.startswith("Access-Control")]
    _, _, headers = await shared.ask("GET", "/v1/jobs", headers={"Origin": origin})
    assert ALLOWED not in headers and headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/openapi.json", "/docs"])
async def test_what_is_for_operators_is_for_no_page(shared: House, path: str) -> None:
    _, _, headers = await shared.ask("GET", path, headers={"Origin": SHOP})
    assert ALLOWED not in headers and "Vary" not in headers
    assert (await shared.ask("OPTIONS", path, headers=asking()))[0] == 405


async def test_options_that_ask_for_nothing_are_what_they_were(shared: House) -> None:
    assert (await shared.ask("OPTIONS", "/v1/jobs", headers={"Origin": SHOP}))[0] == 405


async def test_any_page_may_be_allowed_which_opens_nothing_without_a_key(tmp_path: Path) -> None:
    async with open_house(tmp_path, cors_origins=("*",)) as house:
        status, _, headers = await house.ask("GET", "/v1/jobs", headers={"Origin": "https://any.example"})
        assert (status, headers[ALLOWED]) == (401, "*")
        assert "Access-Control-Allow-Credentials" not in headers and "Vary" not in headers
        status, _, headers = await house.ask("GET", "/v1/jobs", headers={"Origin": "null", **bearer(house, "read")})
        assert (status, headers[ALLOWED]) == (200, "*")
        # A file that was first shown as a picture is kept with what lets a page read it.
        assert (await house.ask("GET", "/v1/assets/x"))[2][ALLOWED] == "*"


async def test_a_stream_over_a_websocket_is_as_before(shared: House) -> None:
    who = bearer(shared, "submit", "read", project=shared.service.settings.project)
    _, job, _ = await shared.ask(
        "POST", "/v1/workflows/text-to-image/runs", json={"inputs": {"prompt": "x"}}, headers=who
    )
    shared.service.run_next()
    url = f"{shared.url}/v1/jobs/{job['job_id']}/ws"
    async with shared.http.ws_connect(url, headers=who, origin=SHOP) as socket:
        assert [each.type for each in [message async for message in socket]] == [aiohttp.WSMsgType.TEXT] * 3


async def test_without_any_no_request_meets_anything_more(house: House) -> None:
    status, _, headers = await house.ask("OPTIONS", "/v1/jobs", headers=asking())
    assert status == 405 and ALLOWED not in headers and "Vary" not in headers
    app: Any = build_app(house.service)
    assert (len(app.middlewares), len(app.on_response_prepare)) == (2, 1)
