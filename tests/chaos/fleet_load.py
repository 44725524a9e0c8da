"""The jobs of a fleet's storm: at a steady pace those that a provider is paid for, and now and then some that fill a
worker's memory, or need some of it."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from mintmark.client import Client

from .load import Load
from .receiver import Receiver

A_MINUTE = 100
"""Jobs that are asked for in a minute."""


def workflow(name: str, node: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """One node of the storm, and its picture."""
    public = {
        "name": "number",
        "title": "Number",
        "type": "integer",
        "default": 0,
        "binds": [{"node": "1", "input": "number"}],
    }
    return {
        "format": 1,
        "name": name,
        "version": "1.0.0",
        "title": name,
        "lane": "hosted",
        "inputs": [public],
        "outputs": [{"name": "image", "node": "2", "kind": "images"}],
        "requires": {"nodes": [node, "SaveImage"]},
        "graph": {
            "1": {"class_type": node, "inputs": {**inputs, "number": 0}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "fleet"}},
        },
    }


class FleetLoad(Load):
    """``client`` is open for as long as jobs are asked for."""

    def __init__(self, client: Client, receiver: Receiver) -> None:
        super().__init__(client.url, receiver)
        self._client, self._numbers = client, itertools.count(1)

    async def publish(self, full_s: float) -> None:
        """Have the service know the workflows."""
        for document in (
            workflow("fleet-fill", "FleetFill", {"seconds": full_s}),
            workflow("fleet-paint", "FleetPaint", {"ckpt_name": "fleet.safetensors"}),
        ):
            await self._client._line.json("POST", "/v1/workflows", document)

    async def run(self, seconds: float) -> None:
        """Ask for hosted jobs, each at its time, until the time is over."""
        jobs = max(round(A_MINUTE * seconds / 60), 1)

        async def one(number: int) -> None:
            await asyncio.sleep(seconds * number / jobs)
            await self._one(self._client, f"fleet {number}")

        await asyncio.gather(*map(one, range(jobs)))

    async def fill(self) -> str:
        """Have a worker's memory filled, whoever's; the job."""
        return await self._ask("fleet-fill")

    async def paint(self) -> str:
        """A job that needs memory."""
        return await self._ask("fleet-paint")

    async def _ask(self, name: str) -> str:
        number = next(self._numbers)
        job = await self._client.submit(name, {"number": number}, webhook_url=self.receiver.url)
        self.accepted[job.job_id] = f"{name} {number}"
        return job.job_id

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it is over."""
        await self._client.wait(job_id, check=False)
        return dict(await self._client._line.json("GET", f"/v1/jobs/{job_id}"))
