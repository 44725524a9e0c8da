"""Placement with real files: `python bench/fleet_files.py [--json PATH]`.

Eight runner processes, each with a node that reads a model file and keeps two of them in memory, the least recently
used going first; twenty files of 64 MiB, written anew and dropped at the end; the real service (`mintmark serve`,
SQLite) as a process of its own, which is asked for models by Zipf's law. Each file is read whole from the disk or the
system's cache of it, its digest is taken and compared, and its bytes stay in the worker's memory; eight disks and GPUs
share one machine here, so a file is read at no more than a stated rate. All times are a tenth of those of
`fleet_sim.py`: 2.5 s a load, 0.6 s a job on average, a fifth of the time is work. First as the service comes, then the
same orders with each sent to the worker with the fewest jobs; that too hands jobs out one by one as workers have room,
which is kinder to it than a queue for each worker would be. A wait is from the order to the first step of the job's
own work.
MINTMARK_BENCH_FILE_JOBS changes how many jobs there are, MINTMARK_BENCH_FILE_SCALE the tenth: on a machine that is
busy with other work a second of delay counts for less where a load takes longer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mintmark.bench.harness.file_worker import CHECKPOINTS, NODE, Run
from mintmark.bench.harness.fleet import LOAD_S, Order, Shape, trace
from mintmark.bench.harness.processes import Server, environment, tail, telling
from mintmark.bench.harness.report import NotRun, Report, Row, main
from mintmark.client import Client
from mintmark.errors import ServiceUnreachable
from mintmark.orchestrator.dispatch.placing import PREFETCH_S

JOBS = int(os.environ.get("MINTMARK_BENCH_FILE_JOBS", "800"))
SHAPE = Shape(workers=8, slots=2, models=20, jobs=JOBS, load=0.2)
SCALE = float(os.environ.get("MINTMARK_BENCH_FILE_SCALE", "0.1"))
SIZE = 64 * 2**20
RATE = SIZE / (LOAD_S * SCALE)
"""Bytes a second, at which each worker reads at most."""
OVER_S = 120.0
WORKFLOW = "bench-model"


@dataclass(frozen=True)
class Outcome:
    """What the workers have told of all runs: loads, bytes that were read, and the waits of all jobs in seconds."""

    loads: int
    read: int
    load_s: float
    waits: list[float]

    def wait(self, percent: int) -> float:
        return statistics.quantiles(self.waits, n=100)[percent - 1]


def measure(report: Report) -> None:
    orders = trace(SHAPE)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "models"
        write_models(files, sorted({f"model-{rank}.safetensors" for rank in range(SHAPE.models)}))
        found = {way: asyncio.run(run(Path(folder) / way, files, way, orders)) for way in ("mintmark", "least_loaded")}
    for way, outcome in found.items():
        report.add(*_rows(way, outcome))
    ours, theirs = found["mintmark"], found["least_loaded"]
    report.add(Row(name="loads over least_loaded's", value=ours.loads / theirs.loads, most=0.2))
    report.add(Row(name="95% wait less than, over least_loaded's", value=ours.wait(95) / theirs.wait(95), most=1.0))


def _rows(way: str, outcome: Outcome) -> Iterator[Row]:
    note = f"{outcome.load_s:.2f} s each; {outcome.read / 2**30:.1f} GiB read"
    yield Row(name=f"{way}: model loads for {len(outcome.waits)} jobs", value=outcome.loads, note=note)
    waits = f"p50 {outcome.wait(50):.2f}, p99 {outcome.wait(99):.2f}, at most {max(outcome.waits):.2f} s"
    yield Row(name=f"{way}: 95% wait less than", value=outcome.wait(95), unit="s", note=waits)


# -- what they work on ------------------------------------------------------------------------------------------------


def write_models(folder: Path, names: list[str]) -> None:
    """Files in the form of safetensors with random bytes for a tensor: nothing of them is a hole."""
    (folder / CHECKPOINTS).mkdir(parents=True)
    head = json.dumps({"weight": {"dtype": "U8", "shape": [SIZE], "data_offsets": [0, SIZE]}}).encode()
    digests = {}
    for name in names:
        data = len(head).to_bytes(8, "little") + head + os.urandom(SIZE)
        (folder / CHECKPOINTS / name).write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    (folder / "digests.json").write_text(json.dumps(digests), encoding="utf-8")


def workflow() -> dict[str, Any]:
    """One model, at work for so long."""

    def bound(name: str, kind: str, to: str, default: Any, **more: Any) -> dict[str, Any]:
        facts = {"name": name, "type": kind, "title": name, "default": default, **more}
        return {**facts, "binds": [{"node": "1", "input": to}]}

    node = {"ckpt_name": "model-0.safetensors", "seconds": 0.1, "number": 0}
    return {
        "format": 1,
        "name": WORKFLOW,
        "version": "1.0.0",
        "title": "One model",
        "lane": "gpu",
        "inputs": [
            bound(
                *("model", "choice", "ckpt_name", node["ckpt_name"]), choices_from={"node": "1", "input": "ckpt_name"}
            ),
            bound("seconds", "number", "seconds", node["seconds"]),
            bound("number", "integer", "number", node["number"]),
        ],
        "outputs": [{"name": "image", "node": "2", "kind": "images"}],
        "requires": {"nodes": [NODE, "SaveImage"]},
        "graph": {
            "1": {"class_type": NODE, "inputs": node},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bench/model"}},
        },
    }


# -- processes --------------------------------------------------------------------------------------------------------


@contextmanager
def workers(folder: Path, files: Path) -> Iterator[list[Server]]:
    """The eight runners."""
    with ExitStack() as stack:
        started = []
        for number in range(SHAPE.workers):
            base = folder / f"worker-{number}"
            base.mkdir(parents=True)
            command = [sys.executable, "-m", "mintmark.bench.harness.file_worker", str(files), str(base)]
            env = environment(MINTMARK_SANDBOX="1", MINTMARK_DATA_DIR=str(base / "data"))
            made = telling([*command, str(SHAPE.slots), str(RATE)], base / "log", env)
            started.append(stack.enter_context(made))
        yield started


@contextmanager
def service(folder: Path, way: str, urls: list[str]) -> Iterator[Server]:
    """The orchestrator, without a runner of its own."""
    flows = folder / "flows" / WORKFLOW
    flows.mkdir(parents=True)
    (flows / "1.0.0.json").write_text(json.dumps(workflow()), encoding="utf-8")
    env = environment(
        MINTMARK_DATA_DIR=str(folder / "data"), MINTMARK_SANDBOX="1", MINTMARK_WORKFLOWS=str(flows.parent)
    )
    named = [word for url in urls for word in ("--worker", url)]
    command = [sys.executable, "-m", "mintmark.bench.harness.placing_service", way, str(RATE), str(PREFETCH_S * SCALE)]
    serve = ("serve", "--runners", "0", "--port", "0", "--json")
    with telling([*command, *serve, *named], folder / "service.log", env) as server:
        yield server


async def run(folder: Path, files: Path, way: str, orders: list[Order]) -> Outcome:
    """All orders, each at its time; what came of them."""
    with workers(folder, files) as runners, service(folder, way, [each.url for each in runners]) as server:
        async with Client(server.url) as client:
            await _all_up(client)
            try:
                asked = await _ask(client, orders)
                await _all_over(client, set(asked))
            except ServiceUnreachable as error:
                raise NotRun(f"the service died: {await asyncio.to_thread(tail, server.log)}") from error
    told = _told(folder)
    began = {each.job_id: each.at for each in told}
    if len(told) != len(asked) or began.keys() != asked.keys():
        raise NotRun(f"{len(asked)} jobs were asked for, and {len(told)} ran")
    loads = [each for each in told if each.read]
    waits = [began[job_id] - at for job_id, at in asked.items()]
    load_s = statistics.mean(each.load_s for each in loads)
    return Outcome(len(loads), sum(each.read for each in loads), load_s, waits)


def _told(folder: Path) -> list[Run]:
    files = folder.glob("worker-*/runs.jsonl")
    return [Run(**json.loads(line)) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


async def _all_up(client: Client) -> None:
    until = time.monotonic() + OVER_S
    while True:
        told = await client._line.json("GET", "/v1/workers")
        names = [each["name"] for each in told["workers"] if each["state"] == "up"]
        if len(names) == SHAPE.workers and all([await _knows_models(client, name) for name in names]):
            return
        if time.monotonic() > until:
            raise NotRun(f"not all workers are up and have told their models: {told}")
        await asyncio.sleep(0.1)


async def _knows_models(client: Client, name: str) -> bool:
    """Whether the service knows how large this worker's models are: without that it places by guesses."""
    told = await client._line.json("GET", f"/v1/workers/{quote(name, safe='')}")
    return set(told["models"].get(CHECKPOINTS, {})) == {f"model-{rank}.safetensors" for rank in range(SHAPE.models)}


async def _ask(client: Client, orders: list[Order]) -> dict[str, float]:
    """When each job was asked for, by its id."""
    asked: dict[str, float] = {}

    async def one(number: int, order: Order) -> None:
        await asyncio.sleep(order.at * SCALE)
        at = time.time()
        inputs = {"model": order.model, "seconds": order.run_s * SCALE, "number": number}
        asked[(await client.submit(WORKFLOW, inputs)).job_id] = at

    await asyncio.gather(*(one(number, order) for number, order in enumerate(orders)))
    return asked


async def _all_over(client: Client, left: set[str]) -> None:
    until = time.monotonic() + OVER_S
    while True:
        succeeded = {job.job_id async for job in client.jobs(status="succeeded")}
        if left <= succeeded:
            return
        if time.monotonic() > until:
            one = await client.job(min(left - succeeded))
            raise NotRun(f"{len(left - succeeded)} jobs did not succeed, among them {one.status} {one.error}")
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    main("Placement with real files", measure, __doc__)
