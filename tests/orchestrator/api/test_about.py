"""Health, the OpenAPI document and its page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import mintmark
from mintmark.errors import DatabaseUnreachable
from mintmark.orchestrator.api import document
from mintmark.orchestrator.api.app import every_route
from mintmark.workflows.library import Library

from .stand_in import House
from .test_books import bearer

PAGE = Path(mintmark.__file__).parent / "web" / "docs"


async def test_it_is_alive_whatever_else_is_not(house: House) -> None:
    assert (await house.ask("GET", "/healthz"))[:2] == (200, {"status": "ok"})


async def test_it_is_ready_only_where_it_can_work(house: House) -> None:
    assert (await house.ask("GET", "/readyz"))[:2] == (200, {"ready": True, "missing": []})
    house.service.dispatcher.missing = lambda: ["There is no worker."]
    assert (await house.ask("GET", "/readyz"))[:2] == (503, {"ready": False, "missing": ["There is no worker."]})

    def gone() -> bool:
        raise DatabaseUnreachable("gone")

    house.service.jobs.is_paused = gone
    assert len((await house.ask("GET", "/readyz"))[1]["missing"]) == 2


async def test_a_full_disk_is_not_ready(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 2**20, 2**20))
    told = {"ready": False, "missing": ["The disk of the data folder is full."]}
    assert (await house.ask("GET", "/readyz"))[:2] == (503, told)


async def test_metrics_count_answers_by_route_and_not_by_path(house: House) -> None:
    await house.order(prompt="x")
    status, text, headers = await house.ask("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=")
    assert 'route="/v1/workflows/{name}/runs",status="202"' in text


async def test_metrics_are_of_all_projects_and_so_for_who_may_see_all(house: House) -> None:
    assert (await house.ask("GET", "/metrics", headers=bearer(house, "read", "submit", "review", "publish")))[0] == 403
    for scope in ("metrics", "admin"):
        assert (await house.ask("GET", "/metrics", headers=bearer(house, scope)))[0] == 200
    assert (await house.ask("GET", "/v1/jobs", headers=bearer(house, "metrics")))[0] == 403


async def test_every_route_is_in_the_document_and_nothing_else(house: House) -> None:
    _, document, _ = await house.ask("GET", "/openapi.json")
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    runs = {("POST", f"/v1/workflows/{name}/runs") for name in Library().names()}
    assert told == {(route.method, route.path) for route in every_route()} | runs
    ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))


async def test_a_published_version_comes_with_its_typed_inputs(house: House) -> None:
    _, document, _ = await house.ask("GET", "/openapi.json")
    schema = document["components"]["schemas"]["Inputs.text-to-image.1.0.0"]
    version = Library().resolve("text-to-image@1.0.0")
    assert set(schema["properties"]) == {spec.name for spec in version.inputs}
    assert schema["properties"]["width"]["minimum"] == 64 and schema["additionalProperties"] is False
    body = document["paths"]["/v1/workflows/text-to-image/runs"]["post"]["requestBody"]
    assert "Inputs.text-to-image.1.0.0" in str(body)


async def test_a_key_is_optional_in_the_document_only_while_there_is_none(house: House) -> None:
    async def security() -> object:
        _, document, _ = await house.ask("GET", "/openapi.json")
        return document["paths"]["/v1/jobs"]["get"]["security"]

    assert {} in await security()  # type: ignore[operator]
    house.service.access.keys.create(scopes=["read"], project="acme", user="mia")
    assert await security() == [{"key": []}]


async def inputs_told(house: House, **how: object) -> set[str]:
    status, document, _ = await house.ask("GET", "/openapi.json", **how)
    assert status == 200
    return {name for name in document["components"]["schemas"] if name.startswith("Inputs.")}


async def test_what_was_published_here_is_told_to_whoever_may_read_alone(house: House) -> None:
    mine = {**Library().resolve("text-to-image").document(), "name": "secret-poster"}
    assert (await house.ask("POST", "/v1/workflows", json=mine))[0] == 201
    published = f"Inputs.secret-poster.{mine['version']}"
    everything = await inputs_told(house)
    assert published in everything
    reader, orders, admin = bearer(house, "read"), bearer(house, "submit"), bearer(house, "admin")
    forged = {"Authorization": f"{reader['Authorization'][:-1]}?"}
    for headers in ({}, orders, forged, {"Authorization": "nonsense"}):
        assert await inputs_told(house, headers=headers) == everything - {published}
    for headers in (reader, admin):
        assert await inputs_told(house, headers=headers) == everything
    _, document, _ = await house.ask("GET", "/openapi.json")
    assert "secret-poster" not in str(document)


async def test_a_document_is_made_once_by_whatever_name_it_is_asked_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    real = document.document
    monkeypatch.setattr(document, "document", lambda *given, **named: made.append(1) or real(*given, **named))
    for number in range(12):
        host = f"host-{number}.test"
        _, told, _ = await house.ask("GET", "/openapi.json", headers={"Host": host})
        assert told["servers"] == [{"url": f"http://{host}"}]
    keys = [bearer(house, "read", project=f"project-{number}") for number in range(6)]
    for headers in ({}, *keys, {}):
        await house.ask("GET", "/openapi.json", headers=headers)
    assert len(made) == 2, "once without a key, once with keys; strangers miss nothing yet"


async def test_every_reference_of_the_document_leads_somewhere(house: House) -> None:
    _, text, _ = await house.ask("GET", "/openapi.json")
    names = set(text["components"]["schemas"])
    assert set(re.findall(r"'#/components/schemas/([^']+)'", str(text))) <= names


async def test_the_page_comes_whole_from_here(house: House) -> None:
    _, page, headers = await house.ask("GET", "/docs")
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"].partition("style-src")[0]
    wanted = re.findall(r'(?:src|href|spec-url)="(/[^"]+)"', page)
    assert len(wanted) >= 4
    for path in wanted:
        assert (await house.ask("GET", path))[0] == 200


@pytest.mark.parametrize("name", ["index.html", "page.js", "page.css"])
def test_the_page_names_no_other_host(name: str) -> None:
    assert "://" not in (PAGE / name).read_text(encoding="utf-8")


def test_the_vendored_bundle_has_its_licence_beside_it() -> None:
    text = (PAGE / "LICENSE-rapidoc.txt").read_text(encoding="utf-8")
    assert "MIT License" in text and "Mrinmoy Majumdar" in text


async def test_whoever_opens_the_address_that_the_terminal_prints_finds_the_docs(house: House) -> None:
    async with house.http.get(f"{house.url}/") as page:
        assert (page.status, page.url.path, page.content_type) == (200, "/docs", "text/html")
