"""The routes that ComfyUI's page calls: keys come in and never go out, and other people's pages get nothing."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.cli.light_worker import open_runner
from mintmark.config import load
from mintmark.providers.catalog import rows
from mintmark.providers.keyring_store import KeyringStore
from mintmark.providers.keys import VARIABLES
from mintmark.providers.registry import names
from mintmark.sandbox import Sandbox

KEY = "sk-route-0a1b2c3d4e5f6789"
JSON = {"Content-Type": "application/json"}
GATEWAYS = {"openai": "/openai/v1", "replicate": "/replicate/v1", "bfl": "/bfl/v1", "stability": "/stability"}
ROUTES = [
    ("GET", "/mintmark/models"),
    ("GET", "/mintmark/keys"),
    ("PUT", "/mintmark/keys/openai"),
    ("DELETE", "/mintmark/keys/openai"),
    ("POST", "/mintmark/keys/openai/test"),
]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither keys in the environment nor a keyring."""
    for variables in VARIABLES.values():
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(KeyringStore, "_working", lambda self: None)


class Desk:
    """A live worker whose providers are the sandbox, as gateways of its own."""

    def __init__(self, url: str, folder: Path, http: aiohttp.ClientSession, sandbox_url: str) -> None:
        self.url, self.folder, self._http, self._sandbox_url = url, folder, http, sandbox_url

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """(status, JSON); what changes something is sent as the page sends it."""
        sent = {} if method == "GET" else {"data": json.dumps({} if body is None else body)}
        given = ({} if method == "GET" else JSON) if headers is None else headers
        async with self._http.request(method, self.url + path, headers=given, **sent) as answer:
            return answer.status, json.loads(await answer.text() or "null")

    async def state(self, provider: str) -> str:
        _, told = await self.ask("GET", "/mintmark/keys")
        return str(next(row["state"] for row in told["providers"] if row["provider"] == provider))

    async def faults(self, *faults: dict[str, Any]) -> None:
        async with self._http.put(f"{self._sandbox_url}/_sandbox/faults", json={"faults": list(faults)}) as answer:
            assert answer.status == 200, await answer.text()


@asynccontextmanager
async def open_desk(folder: Path, **changes: Any) -> AsyncIterator[Desk]:
    async with Sandbox(latency_s=0) as sandbox, aiohttp.ClientSession() as http:
        urls = {name: sandbox.url + prefix for name, prefix in GATEWAYS.items()}
        settings = load({}, data_dir=folder / "data").with_(
            sandbox=False, provider_urls=urls, keys_dir=folder / "data", **changes
        )
        async with open_runner(settings, port=0, base_dir=folder / "base") as runner:
            yield Desk(runner.url, folder / "data", http, sandbox.url)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


async def test_a_key_is_kept_in_a_file_of_ones_own_and_forgotten_again(desk: Desk) -> None:
    assert await desk.state("openai") == "missing"
    status, told = await desk.ask("PUT", "/mintmark/keys/openai", {"key": f"  {KEY}\n"})
    assert (status, told["state"], told["provider"]) == (200, "file", "openai")
    (kept,) = desk.folder.rglob("keys.json")
    assert json.loads(kept.read_text()) == {"openai": KEY}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert await desk.state("openai") == "file"
    assert (await desk.ask("DELETE", "/mintmark/keys/openai"))[1]["state"] == "missing"
    assert json.loads(kept.read_text()) == {}


async def test_no_answer_and_no_log_line_holds_anything_of_a_key(desk: Desk, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [await desk.ask("PUT", "/mintmark/keys/openai", {"key": KEY})]
    answers += [await desk.ask(method, path) for method, path in ROUTES if method in ("GET", "POST")]
    assert [status for status, _ in answers] == [200] * 4
    for text in (json.dumps(answers), caplog.text):
        assert KEY[:7] not in text
        assert KEY[-5:] not in text


async def test_every_provider_that_can_be_called_has_a_row(desk: Desk) -> None:
    _, told = await desk.ask("GET", "/mintmark/keys")
    assert told["mode"] == "live"
    assert [row["provider"] for row in told["providers"]] == list(names())
    for row in told["providers"]:
        assert row["variable"] == VARIABLES[row["provider"]][0]
        assert row["site"].startswith("https://")


async def test_a_key_of_the_environment_wins_and_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert await desk.state("openai") == "environment"
    assert (await desk.ask("DELETE", "/mintmark/keys/openai"))[1]["state"] == "environment"


async def test_an_unusable_key_hides_neither_the_others_nor_the_prices(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY} and more")
    _, told = await desk.ask("GET", "/mintmark/keys")
    states = {row["provider"]: row["state"] for row in told["providers"]}
    assert (states["openai"], states["fal"]) == ("unusable", "missing")
    assert KEY[:7] not in json.dumps(told)
    assert len((await desk.ask("GET", "/mintmark/models"))[1]["models"]) == len(rows())


async def test_what_cannot_be_a_key_is_refused_without_being_quoted(desk: Desk) -> None:
    for body in ({}, {"key": 1}, {"key": ""}, {"key": "two words"}, {"key": "x" * 5000}, [KEY], {"key": "a\nb"}):
        status, told = await desk.ask("PUT", "/mintmark/keys/openai", body)
        assert (status, told["error"]["code"]) == (400, "invalid_input"), body
        assert not any(word in json.dumps(told) for word in ("two words", "xxxx", KEY, "a\\nb"))
    assert await desk.state("openai") == "missing"


async def test_a_body_that_is_no_key_by_its_size_is_not_read(desk: Desk) -> None:
    status, told = await desk.ask("PUT", "/mintmark/keys/openai", {"key": "x" * 20_000})
    assert (status, told["error"]["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("name", ["nobody", "midjourney"])
async def test_a_provider_that_cannot_be_called_is_named(name: str, desk: Desk) -> None:
    status, told = await desk.ask("PUT", f"/mintmark/keys/{name}", {"key": KEY})
    assert (status, told["error"]["code"]) == (400, "invalid_input")
    assert name in told["error"]["message"]


@pytest.mark.parametrize("name", [name for name in GATEWAYS if name in names()])
async def test_a_key_is_tried_with_its_provider(name: str, desk: Desk) -> None:
    assert (await desk.ask("POST", f"/mintmark/keys/{name}/test"))[1]["error"]["code"] == "missing_key"
    await desk.ask("PUT", f"/mintmark/keys/{name}", {"key": KEY})
    _, told = await desk.ask("POST", f"/mintmark/keys/{name}/test")
    assert told["outcome"] == "works", told
    await desk.ask("PUT", f"/mintmark/keys/{name}", {"key": "bad-key"})
    _, told = await desk.ask("POST", f"/mintmark/keys/{name}/test")
    assert told["outcome"] == "refused", told
    assert "bad-key" not in json.dumps(told)


async def test_trouble_at_the_provider_says_nothing_about_the_key(desk: Desk) -> None:
    await desk.ask("PUT", "/mintmark/keys/openai", {"key": KEY})
    await desk.faults({"provider": "openai", "kind": "status", "status": 503, "count": 100})
    _, told = await desk.ask("POST", "/mintmark/keys/openai/test")
    assert told["outcome"] == "unclear", told


async def test_behind_a_gateway_fal_cannot_be_tried_for_free(tmp_path: Path) -> None:
    urls = {"fal": "http://127.0.0.1:9/fal/queue"}
    settings = load({}, data_dir=tmp_path / "data").with_(sandbox=False, provider_urls=urls, keys_dir=tmp_path)
    async with aiohttp.ClientSession() as http, open_runner(settings, port=0, base_dir=tmp_path / "base") as runner:
        desk = Desk(runner.url, tmp_path, http, "")
        await desk.ask("PUT", "/mintmark/keys/fal", {"key": KEY})
        assert (await desk.ask("POST", "/mintmark/keys/fal/test"))[1]["outcome"] == "unclear"


async def test_the_models_say_which_can_be_called(desk: Desk) -> None:
    await desk.ask("PUT", "/mintmark/keys/fal", {"key": KEY})
    _, told = await desk.ask("GET", "/mintmark/models")
    by_name = {model["name"]: model for model in told["models"]}
    assert set(by_name) == {row["name"] for row in rows()}
    schnell = by_name["fal/flux-schnell"]
    assert (schnell["key"], by_name["openai/gpt-image-2"]["key"]) == (True, False)
    assert schnell["price"]["unit"] == "megapixel"
    assert (schnell["provider"], schnell["family"], schnell["tasks"]) == ("fal", "open-weight", ["text-to-image"])


async def test_in_the_sandbox_every_model_can_be_called_and_no_key_goes_there(tmp_path: Path, open_bench: Any) -> None:
    async with open_bench(tmp_path, keys_dir=tmp_path) as bench:
        status, _ = await bench.json("PUT", "/mintmark/keys/openai", json={"key": "bad-real-key"})
        assert status == 200
        _, told = await bench.json("POST", "/mintmark/keys/openai/test", json={})
        assert told["outcome"] == "unclear", "what the sandbox takes says nothing of the key"
        _, told = await bench.json("GET", "/mintmark/models")
        assert all(model["key"] for model in told["models"])


# -- who may call ------------------------------------------------------------------------------------------------------


def page_headers(desk: Desk, **changes: str) -> dict[str, str]:
    return {**JSON, "Origin": desk.url, "Sec-Fetch-Site": "same-origin", **changes}


async def test_comfyuis_own_page_may(desk: Desk) -> None:
    for method, path in ROUTES[:4]:
        for prefix in ("", "/api"):
            status, told = await desk.ask(method, prefix + path, {"key": KEY}, page_headers(desk))
            assert status == 200, (method, path, told)


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "rebound.example:8188", "Origin": "http://rebound.example:8188"},
        {"X-Forwarded-For": "203.0.113.5"},
        {"Via": "1.1 proxy"},
    ],
    ids=lambda changes: "-".join(changes.values()),
)
async def test_other_peoples_pages_and_machines_may_not(changes: dict[str, str], desk: Desk) -> None:
    for method, path in ROUTES:
        status, told = await desk.ask(method, path, {"key": KEY}, page_headers(desk, **changes))
        assert status == 403, (method, path)
        assert told is None or told["error"]["code"] == "unauthorized"
    assert await desk.state("openai") == "missing"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_of_another_site_could_send_changes_nothing(kind: str, desk: Desk) -> None:
    for method, path in ROUTES[2:]:
        status, _ = await desk.ask(method, path, {"key": KEY}, {"Content-Type": kind})
        assert status == 403, (method, path)
    assert await desk.state("openai") == "missing"


async def test_from_elsewhere_the_workers_token_opens(tmp_path: Path) -> None:
    async with open_desk(tmp_path, worker_token="worker-token-0123456789") as desk:
        far = {**JSON, "X-Forwarded-For": "203.0.113.5"}
        assert (await desk.ask("GET", "/mintmark/keys", headers=far))[0] == 403
        far["Authorization"] = "Bearer worker-token-0123456789"
        assert (await desk.ask("GET", "/mintmark/keys", headers=far))[0] == 200


async def test_a_new_key_is_used_by_the_next_call(desk: Desk, tmp_path: Path) -> None:
    await desk.ask("PUT", "/mintmark/keys/openai", {"key": "bad-key"})
    assert (await desk.ask("POST", "/mintmark/keys/openai/test"))[1]["outcome"] == "refused"
    await desk.ask("PUT", "/mintmark/keys/openai", {"key": KEY})
    assert (await desk.ask("POST", "/mintmark/keys/openai/test"))[1]["outcome"] == "works"
