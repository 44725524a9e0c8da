"""A real ComfyUI with the pack linked in, and a sandbox beside it; started once, stopped by process id.

``COMFYUI_PATH`` is a ComfyUI checkout. ``COMFYUI_PYTHON`` is its interpreter; without it the one in ``../venv`` beside
the checkout is taken, else the one that runs the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import mintmark
from mintmark.tests.comfyui.processes import free_port, interpreter, process, tail, wait_for

ROOT = Path(mintmark.__file__).parent
LINK = "mint-mark.v1"
"""The clone folder's name: no identifier, on purpose."""
PROBE = Path(__file__).parent / "local_probe"
"""A pack beside ours, that tells what is in memory."""
CANARY = "sk-canary-5f1e0c9a7b3d2846"
LATENCY_S = 1.5
"""How long a generation takes: long enough to interrupt one."""
_log: list[Path] = []


@dataclass
class Comfy:
    """A ComfyUI that runs."""

    url: str
    base: Path
    sandbox_url: str
    log: Path

    def mintmark(self, *arguments: str, **env: str) -> tuple[int, Any]:
        """Run the CLI with ``--json``: its exit code and its one document."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", "from mintmark.cli import main; main()", *arguments, "--json"],
            env={**os.environ, "MINTMARK_SANDBOX": "1", "MINTMARK_SANDBOX_URL": self.sandbox_url, **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log, port = tmp_path_factory.mktemp("sandbox") / "log.txt", free_port()
    serve = f"import sys; sys.argv = ['mintmark', 'sandbox', '--port', '{port}', '--latency', '{LATENCY_S}', '--json']"
    command = [sys.executable, "-P", "-c", f"{serve}; from mintmark.cli import main; main()"]
    with process(command, log) as running:
        wait_for(f"http://127.0.0.1:{port}/_sandbox/health", running, log)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def comfy(sandbox_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comfy]:
    base, port = tmp_path_factory.mktemp("comfyui"), free_port()
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir()
    (base / "custom_nodes" / LINK).symlink_to(ROOT, target_is_directory=True)
    (base / "custom_nodes" / "local_probe").symlink_to(PROBE, target_is_directory=True)
    flags = f"--cpu --listen 127.0.0.1 --port {port} --disable-auto-launch --preview-method none --disable-api-nodes"
    folders = ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    mine = {
        name: value for name, value in os.environ.items() if not name.startswith("MINTMARK_") and name != "PYTHONPATH"
    }
    env = {
        **mine,
        "MINTMARK_SANDBOX": "1",
        "MINTMARK_SANDBOX_URL": sandbox_url,
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "OPENAI_API_KEY": CANARY,
        "FAL_KEY": CANARY,
    }
    log = base / "log.txt"
    _log[:] = [log]
    command = [interpreter(), "main.py", *flags.split(), *folders]
    with process(command, log, cwd=os.environ["COMFYUI_PATH"], env=env) as running:
        wait_for(f"http://127.0.0.1:{port}/system_stats", running, log)
        yield Comfy(f"http://127.0.0.1:{port}", base, sandbox_url, log)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed and _log and _log[0].exists():
        report.sections.append(("ComfyUI's log, its end", tail(_log[0])))


@dataclass
class Page:
    """One client of the ComfyUI: what it posts and what it hears."""

    comfy: Comfy
    http: aiohttp.ClientSession
    socket: aiohttp.ClientWebSocketResponse
    client_id: str
    events: list[dict[str, Any]] = field(default_factory=list)

    async def json(self, method: str, path: str, **sent: Any) -> Any:
        async with self.http.request(method, path if "://" in path else self.comfy.url + path, **sent) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{path}: {answer.status} {text}"
            return json.loads(text or "null")

    async def post(self, graph: dict[str, Any], job_id: str | None = None) -> str:
        body = {"prompt": graph, "client_id": self.client_id, "prompt_id": job_id or str(uuid.uuid4())}
        return str((await self.json("POST", "/prompt", json=body))["prompt_id"])

    async def until(self, event: str, count: int = 1, **data: Any) -> dict[str, Any]:
        """Wait until this event with these values was heard so many times; the last one."""
        while True:
            heard = [each["data"] for each in self.events if each["type"] == event and _fits(each["data"], data)]
            if len(heard) >= count:
                return dict(heard[-1])
            message = await asyncio.wait_for(self.socket.receive(), 60)
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            if message.type is aiohttp.WSMsgType.TEXT:
                self.events.append(message.json())

    async def journal(self, kind: str, count: int = 1) -> None:
        """Wait for so many journal entries of this kind."""
        while len([each for each in self.entries() if each["kind"] == kind]) < count:
            await self.until("mintmark.journal", count=len(self.entries()) + 1)

    def entries(self) -> list[dict[str, Any]]:
        return [each["data"]["entry"] for each in self.events if each["type"] == "mintmark.journal"]

    async def run(self, graph: dict[str, Any], job_id: str | None = None) -> dict[str, Any]:
        posted = await self.post(graph, job_id)
        await self.until("executing", node=None, prompt_id=posted)
        return dict((await self.json("GET", f"/history/{posted}"))[posted])

    async def open_job(self, **changes: Any) -> str:
        job_id = str(uuid.uuid4())
        context = {"job_id": job_id, "allowance_microusd": 1_000_000, "mode": "sandbox", **changes}
        await self.json("PUT", f"/mintmark/jobs/{job_id}", json=context)
        return job_id

    async def sandbox(self, what: str) -> Any:
        return await self.json("GET", f"{self.comfy.sandbox_url}/_sandbox/{what}")

    async def fault(self, **fault: Any) -> None:
        await self.json("PUT", f"{self.comfy.sandbox_url}/_sandbox/faults", json={"faults": [fault] if fault else []})


def _fits(data: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(data.get(name, "missing") == value for name, value in wanted.items())


@pytest.fixture
async def page(comfy: Comfy) -> AsyncIterator[Page]:
    client_id = uuid.uuid4().hex
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{comfy.url}/ws?clientId={client_id}") as socket:
        opened = Page(comfy, http, socket, client_id)
        await opened.until("status")
        yield opened
        await opened.fault()


@pytest.fixture
def graph() -> Any:
    """A small graph; each call of the fixture's value has a seed of its own unless one is given."""

    def make(seed: int | None = None, nodes: int = 1, **inputs: Any) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for number in range(1, nodes + 1):
            asked = {"prompt": "a paper boat", "model": "fal/flux-schnell", "width": 256, "height": 256, **inputs}
            asked["seed"] = uuid.uuid4().int % 2**31 if seed is None else seed
            made[f"{number}"] = {"class_type": "MintmarkTextToImage", "inputs": asked}
            saved = {"images": [f"{number}", 0], "record": [f"{number}", 1], "filename_prefix": "it/boat"}
            made[f"{number}0"] = {"class_type": "MintmarkSignAndSave", "inputs": saved}
        return made

    return make
