"""Model files that a worker fetches: from where it may, of one digest, whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import ForbiddenTarget, InvalidInput, WrongState
from mintmark.nodes import downloads
from mintmark.nodes.downloads import Download, Downloads, checked_name, is_allowed

BYTES = bytes(range(256)) * 1000
SHA = hashlib.sha256(BYTES).hexdigest()
GIB = 2**30


class Hub:
    """Where models come from: it gives, sends on, cuts off, or stalls."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.on_to = ""
        self.hold = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path.startswith("/on/"):
            raise web.HTTPFound(self.on_to)
        if request.path.startswith("/missing/"):
            raise web.HTTPNotFound
        response = web.StreamResponse()
        if request.path.startswith("/cut/"):
            response.content_length = len(BYTES)
        await response.prepare(request)
        await response.write(BYTES[:1000])
        if request.path.startswith("/cut/"):
            assert request.transport is not None
            request.transport.close()
            return response
        if request.path.startswith("/held/"):
            await self.hold.wait()
        await response.write(BYTES[1000:])
        return response


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    found = Hub()
    app = web.Application()
    app.router.add_get("/{tail:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    found.hold.set()
    await runner.cleanup()


@pytest.fixture
async def fetching(hub: Hub) -> AsyncIterator[Downloads]:
    found = Downloads([f"{hub.url}/"], GIB)
    yield found
    await found.close()


async def over(made: Download) -> Download:
    while made.state == "loading":
        await asyncio.sleep(0.01)
    return made


def left(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def test_a_file_is_fetched_whole_and_known_by_its_digest(fetching: Downloads, hub: Hub, tmp_path: Path) -> None:
    place = tmp_path / "a.safetensors"
    made = await over(fetching.begin(place, "checkpoints", f"{hub.url}/a", SHA))
    assert (made.state, made.bytes, place.read_bytes()) == ("there", len(BYTES), BYTES)
    assert left(tmp_path) == ["a.safetensors"] and fetching.known(place) is made
    again = await over(fetching.begin(place, "checkpoints", f"{hub.url}/a", SHA))
    assert again is made and hub.asked == ["/a"], "what is there is not fetched again"
    after_restart = Downloads([f"{hub.url}/"], GIB)
    again = await over(after_restart.begin(place, "checkpoints", f"{hub.url}/a", SHA))
    assert (again.state, again.bytes, hub.asked) == ("there", len(BYTES), ["/a"])


@pytest.mark.parametrize(
    ("path", "digest", "code"),
    [
        ("/a", "0" * 64, "target_failed"),
        ("/cut/a", SHA, "target_failed"),
        ("/missing/a", SHA, "target_failed"),
    ],
)
async def test_what_is_not_whole_or_not_it_is_not_kept(
    fetching: Downloads, hub: Hub, tmp_path: Path, path: str, digest: str, code: str
) -> None:
    made = await over(fetching.begin(tmp_path / "a.safetensors", "loras", f"{hub.url}{path}", digest))
    assert made.state == "failed" and made.error is not None and made.error["code"] == code
    assert left(tmp_path) == []


async def test_another_file_of_that_name_is_never_replaced(fetching: Downloads, hub: Hub, tmp_path: Path) -> None:
    place = tmp_path / "a.safetensors"
    place.write_bytes(b"mine")
    made = await over(fetching.begin(place, "loras", f"{hub.url}/a", SHA))
    assert made.error is not None and made.error["code"] == "wrong_state"
    assert place.read_bytes() == b"mine" and hub.asked == []


async def test_one_that_comes_while_it_is_fetched_is_not_replaced_either(
    fetching: Downloads, hub: Hub, tmp_path: Path
) -> None:
    place = tmp_path / "a.safetensors"
    made = fetching.begin(place, "loras", f"{hub.url}/held/a", SHA)
    while made.bytes < 1000:
        await asyncio.sleep(0.01)
    place.write_bytes(b"mine")
    hub.hold.set()
    assert (await over(made)).state == "failed" and place.read_bytes() == b"mine"
    assert left(tmp_path) == ["a.safetensors"]


async def test_a_file_is_fetched_once_however_often_it_is_asked_for(
    fetching: Downloads, hub: Hub, tmp_path: Path
) -> None:
    place = tmp_path / "a.safetensors"
    made = fetching.begin(place, "loras", f"{hub.url}/held/a", SHA)
    assert fetching.begin(place, "loras", f"{hub.url}/held/a", SHA) is made
    with pytest.raises(WrongState):
        fetching.begin(place, "loras", f"{hub.url}/held/a", "0" * 64)
    hub.hold.set()
    assert (await over(made)).state == "there" and hub.asked == ["/held/a"]


async def test_nothing_of_a_file_stays_when_the_worker_stops(fetching: Downloads, hub: Hub, tmp_path: Path) -> None:
    made = fetching.begin(tmp_path / "a.safetensors", "loras", f"{hub.url}/held/a", SHA)
    while made.bytes < 1000:
        await asyncio.sleep(0.01)
    assert len(left(tmp_path)) == 1
    await fetching.close()
    assert left(tmp_path) == [] and made.state == "failed"


async def test_more_than_it_may_be_is_not_taken(hub: Hub, tmp_path: Path) -> None:
    small = Downloads([f"{hub.url}/"], len(BYTES) - 1)
    made = await over(small.begin(tmp_path / "a.safetensors", "loras", f"{hub.url}/a", SHA))
    assert made.error is not None and made.error["code"] == "invalid_input" and left(tmp_path) == []


async def test_a_disk_without_room_is_told(
    fetching: Downloads, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "SPARE", 2**60)
    made = await over(fetching.begin(tmp_path / "a.safetensors", "loras", f"{hub.url}/a", SHA))
    assert made.error is not None and made.error["code"] == "disk_full" and left(tmp_path) == []


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:1/a",
        "http://127.0.0.1:9/a",
        "http://10.0.0.1/a",
        "file:///etc/passwd",
        "http://metadata.internal.localhost/a",
    ],
)
async def test_it_is_sent_on_to_no_private_address(fetching: Downloads, hub: Hub, tmp_path: Path, to: str) -> None:
    hub.on_to = to
    made = await over(fetching.begin(tmp_path / "a.safetensors", "loras", f"{hub.url}/on/a", SHA))
    assert made.error is not None and made.error["code"] == "forbidden_target" and left(tmp_path) == []


async def test_it_is_sent_on_to_what_is_allowed_and_not_for_ever(fetching: Downloads, hub: Hub, tmp_path: Path) -> None:
    hub.on_to = f"{hub.url}/a"
    assert (await over(fetching.begin(tmp_path / "a.bin", "loras", f"{hub.url}/on/a", SHA))).state == "there"
    hub.on_to = f"{hub.url}/on/b"
    made = await over(fetching.begin(tmp_path / "b.bin", "loras", f"{hub.url}/on/b", SHA))
    assert made.error is not None and made.error["code"] == "target_failed"


def test_nothing_is_fetched_from_where_nobody_allowed_it(tmp_path: Path) -> None:
    for allowed, words in (((), "fetches no models"), (("https://hub.example/m/",), "from there")):
        with pytest.raises(ForbiddenTarget, match=words):
            Downloads(allowed, GIB).begin(tmp_path / "a.bin", "loras", "https://evil.example/m/a.bin", SHA)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hub.example/m/a.bin", True),
        ("https://hub.example/m/sub/a.bin?download=true", True),
        ("https://hub.example/m", True),
        ("https://HUB.example/m/a.bin", True),
        ("https://hub.example/mine/a.bin", False),
        ("https://hub.example.evil.com/m/a.bin", False),
        ("https://hub.example:444/m/a.bin", False),
        ("http://hub.example/m/a.bin", False),
        ("https://hub.example/m/../secret/a.bin", False),
        ("https://hub.example/m/%2e%2e/secret/a.bin", False),
        ("https://hub.example/m/%252e%252e/secret/a.bin", False),
        ("https://hub.example@evil.com/m/a.bin", False),
        ("https://user@hub.example/m/a.bin", False),
        ("https://hub.example\\@evil.com/m/a.bin", False),
        ("https://hub.example:99999/m/a", False),
        ("https://[broken/m/a", False),
        ("", False),
    ],
)
def test_an_address_is_allowed_by_its_beginning_read_as_a_url(url: str, allowed: bool) -> None:
    assert is_allowed(url, ["https://hub.example/m"]) is allowed


@pytest.mark.parametrize(
    "name", ["../a.bin", "a.py", ".a.bin", "a/b.bin", "a\\b.bin", "", "a.bin\0", "x" * 300 + ".bin"]
)
def test_a_name_that_is_no_model_s_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        checked_name(name)


def test_names_of_models_are_taken() -> None:
    for name in ("sd_xl_base_1.0.safetensors", "flux1-dev Q4.gguf", "4x-UltraSharp.pth"):
        assert checked_name(name) == name


async def test_the_runner_s_models_have_their_folders_too_and_its_door_is_the_worker_route_s(bench: Any) -> None:
    path = "/mintmark/models/checkpoints/a.safetensors"
    body = {"json": {"url": "https://hub.example/a", "sha256": SHA}}
    status, told = await bench.json("PUT", path, **body)
    assert (status, told["error"]["code"]) == (403, "forbidden_target"), "it fetches from where it may, and only that"
    status, told = await bench.json("PUT", path.replace("checkpoints", "elsewhere"), **body)
    assert (status, told["error"]["code"]) == (404, "not_found")
    status, told = await bench.json("PUT", path, json={"url": 1})
    assert (status, told["error"]["code"]) == (400, "invalid_input")
    status, told = await bench.json("PUT", path, headers={"Origin": "http://evil.example"}, **body)
    assert status == 403
