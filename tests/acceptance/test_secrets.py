"""Provider keys and tokens go to the provider and the worker they are for, and nowhere else: not one byte of them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from mintmark.workflows.bind import bind
from mintmark.workflows.library import Library

from .conftest import Place, Server, clean_environment

FAL, OPENAI = "fal/flux-schnell", "openai/gpt-image-2.6-sunburst"

CASES: tuple[tuple[str, str, tuple[dict[str, Any], ...]], ...] = (
    ("made", FAL, ()),
    ("made", OPENAI, ()),
    ("refused key", FAL, ({"provider": "fal", "kind": "status", "status": 401},)),
    ("refused key", OPENAI, ({"provider": "openai", "kind": "status", "status": 401, "path": "images"},)),
    ("down", FAL, ({"provider": "fal", "kind": "status", "status": 500, "retry_after": 0},)),
    ("cut off", OPENAI, ({"provider": "openai", "kind": "drop_after", "path": "images"},)),
    ("no JSON", OPENAI, ({"provider": "openai", "kind": "bad_json", "path": "images"},)),
    ("no JSON", FAL, ({"provider": "fal", "kind": "bad_json"},)),
    ("blocked", OPENAI, ({"provider": "openai", "kind": "policy_input", "path": "images"},)),
    ("damaged", FAL, ({"provider": "fal", "kind": "corrupt_image"},)),
)


def disguises(secret: str) -> Iterator[bytes]:
    """A secret as is, URL-encoded, its beginning, and inside base64 at each of the three places it can begin."""
    yield secret.encode()
    yield secret[:8].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote(secret[:8], safe="").encode()
    for before in range(3):
        whole = base64.b64encode(b"x" * before + secret.encode()).decode()
        # The first characters hold the bytes before, the last the bytes after: neither is certain.
        yield whole[4 if before else 0 : -4].encode()


def found_in(text: bytes, needles: Iterable[bytes]) -> list[bytes]:
    return [needle for needle in needles if needle in text]


def test_disguises_are_recognised() -> None:
    secret = secrets.token_urlsafe(30)
    for sent in (f"Bearer {secret}", f"Key {secret}", f"user:{secret}@host", secret):
        assert found_in(base64.b64encode(sent.encode()), disguises(secret)), sent
    assert not found_in(secrets.token_urlsafe(3000).encode(), disguises(secret))


class Live:
    """Live mode with real-looking keys, where the providers' addresses lead to the sandbox."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.folder = place.folder / "searched"
        self.folder.mkdir()
        url = place.sandbox.url
        self.keys = {
            "OPENAI_API_KEY": f"sk-{secrets.token_hex(24)}",
            "FAL_KEY": f"{uuid.uuid4()}:{secrets.token_hex(16)}",
            "MINTMARK_WORKER_TOKEN": secrets.token_urlsafe(32),
        }
        env = clean_environment(
            MINTMARK_SANDBOX="0",
            MINTMARK_PROVIDER_URLS=f"openai={url}/openai/v1,fal={url}/fal/queue",
            **self.keys,
        )
        self.client_env = {**env, "MINTMARK_DATA_DIR": str(self.folder / "client")}
        worker_env = {**env, "MINTMARK_DATA_DIR": str(self.folder / "worker")}
        base = self.folder / "base"
        self.worker = Server("runner", "--base-dir", base, env=worker_env, log=self.folder / "worker.log")
        self.told: list[bytes] = []

    @property
    def needles(self) -> list[bytes]:
        parts = [*self.keys.values(), self.keys["FAL_KEY"].partition(":")[2]]
        return sorted({needle for part in parts for needle in disguises(part)})

    def run(self, model: str, *more: str) -> int:
        """One job by the command line; what it prints is kept."""
        # Another seed each time, or the worker would answer from its cache.
        wanted = (f"--set=model={model}", f"--set=seed={secrets.randbelow(10**9)}", "-o", "out", *more)
        ran = Place(self.folder, self.place.sandbox, self.client_env).run(
            "run", "text-to-image", "--worker", self.worker.url, *wanted
        )
        self.told += [ran.stdout.encode(), ran.stderr.encode()]
        return ran.returncode

    async def by_hand(self, model: str) -> None:
        """The same graph as a person queues it, listening to every event and asking every route."""
        graph = bind(Library(()).resolve("text-to-image"), {"model": model, "seed": secrets.randbelow(10**9)}).graph
        prompt_id, client_id = str(uuid.uuid4()), uuid.uuid4().hex
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{self.worker.url}/ws?clientId={client_id}") as ws:
            body = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
            async with http.post(f"{self.worker.url}/prompt", json=body) as reply:
                assert reply.status == 200, await reply.text()
            while not (self.told and b'"' + prompt_id.encode() in self.told[-1] and _is_end(self.told[-1])):
                message = await asyncio.wait_for(ws.receive(), 60)
                self.told.append(message.data.encode() if isinstance(message.data, str) else message.data)
            for path in (f"/history/{prompt_id}", f"/api/jobs/{prompt_id}", "/mintmark/worker", "/mintmark/journal"):
                async with http.get(self.worker.url + path) as reply:
                    self.told.append(await reply.read())

    def saw_the_keys_arrive(self) -> None:
        """Otherwise there was nothing to find. The sandbox keeps a digest of what it was sent."""
        sent = self.place.sandbox.ask("GET", "/_sandbox/calls?kind=any")
        arrived = {call["headers"].get("Authorization") for call in sent}
        for header in (f"Bearer {self.keys['OPENAI_API_KEY']}", f"Key {self.keys['FAL_KEY']}"):
            assert f"sha256:{hashlib.sha256(header.encode()).hexdigest()[:12]}" in arrived

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All that was said and all that was written, pictures' text unpacked."""
        yield from (("what was said", text) for text in self.told)
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()
                if path.suffix == ".png":
                    yield str(path), _texts(path)


def _is_end(text: bytes) -> bool:
    message = json.loads(text)
    return message["type"] in ("execution_success", "execution_error", "execution_interrupted")


def _texts(path: Path) -> bytes:
    try:
        with Image.open(path) as image:
            image.load()
            return repr(image.info).encode()
    except OSError:
        return b""


@pytest.fixture
def live(place: Place) -> Iterator[Live]:
    made = Live(place)
    yield made
    made.worker.stop()


@pytest.mark.acceptance
def test_no_secret_is_anywhere_after_runs_that_succeed_and_fail(live: Live) -> None:
    codes = []
    for _, model, faults in CASES:
        live.place.sandbox.ask("PUT", "/_sandbox/faults", {"faults": list(faults)})
        codes.append(live.run(model, "--json"))
        live.run(model)
        asyncio.run(live.by_hand(model))
    live.worker.stop()
    assert codes == [0 if outcome == "made" else 1 for outcome, _, _ in CASES], live.told
    live.saw_the_keys_arrive()
    searched = list(live.everything())
    assert sum(name.endswith(".png") for name, _ in searched) > 4
    assert any(name.endswith("journal.sqlite3") for name, _ in searched)
    leaks = {name: found for name, text in searched if (found := found_in(text, live.needles))}
    assert leaks == {}
