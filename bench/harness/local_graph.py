"""A runner in this process that samples here, and a client of its graphs: so processor time counts all of it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from .report import NotRun


@dataclass(frozen=True)
class Service:
    """The runner's address, and a client."""

    url: str
    http: aiohttp.ClientSession

    async def run(self, checkpoint: str, asked: dict[str, Any]) -> None:
        """One graph of Load Pipeline and Local Sample, to its end. Raises NotRun where it failed."""
        job = str(uuid.uuid4())
        body = {"prompt": graph(checkpoint, asked), "prompt_id": job, "client_id": job}
        # A socket for each: one that nobody reads meanwhile answers no ping, and is closed.
        async with self.http.ws_connect(f"{self.url}/ws?clientId={job}", max_msg_size=0) as socket:
            async with self.http.post(f"{self.url}/prompt", json=body) as answer:
                if answer.status != 200:
                    raise NotRun(f"the graph was refused: {await answer.text()}")
            async for event in socket:
                if event.type is aiohttp.WSMsgType.TEXT and _is_over(event.json()):
                    return
        raise NotRun("the runner closed the socket")


def _is_over(told: dict[str, Any]) -> bool:
    if told["type"] == "execution_error":
        raise NotRun(f"the graph failed: {told['data']['exception_message']}")
    return bool(told["type"] == "execution_success")


def graph(checkpoint: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Load Pipeline, Local Sample, and a node that wants its record."""
    return {
        "1": {"class_type": "MintmarkLoadPipeline", "inputs": {"checkpoint": checkpoint}},
        "2": {"class_type": "MintmarkLocalSample", "inputs": {"pipeline": ["1", 0], **asked}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 2]}},
    }


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Service]:
    """With the sandbox behind it, whose policy judges as it comes, and ``folder/models`` for its checkpoints."""
    from mintmark import config
    from mintmark.cli.light_worker import open_runner
    from mintmark.sandbox import Sandbox

    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(latency_s=0.0))
        settings = config.load({}, data_dir=folder / "data")
        settings = settings.with_(sandbox=True, sandbox_url=sandbox.url, models_dir=folder / "models")
        runner = await stack.enter_async_context(open_runner(settings, port=0, base_dir=folder / "base"))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Service(runner.url, http)
