"""Health, the OpenAPI document and its page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import mintmark
from mintmark.errors import DatabaseUnreachable
from mintmark.orchestrator.api.app import every_route
from mintmark.workflows.library import Library

from .stand_in import House

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
