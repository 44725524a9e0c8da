"""Orders through ``mintmark run``, as people make them; some processes are killed and the same is asked again."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conftest import clean_environment, mintmark

SMALL = ("--set=width=256", "--set=height=256")
KINDS = (
    ("text-to-image", "--set=model=fal/flux-schnell", "--set=count=2", *SMALL),
    ("text-to-image", "--set=model=openai/gpt-image-2", "--set=width=1024", "--set=height=1024"),
    ("text-to-image", "--set=model=fal/flux-2-pro", "--set=count=2", "--set=width=512", "--set=height=512"),
    # Two calls in one job: each file says what its own cost.
    ("prompt-ab-ranked", "--set=model=fal/flux-schnell", *SMALL),
)
AT_ONCE = 2
LONGEST_S = 2.5
"""About as long as a run takes here, with another beside it."""


@dataclass
class Desk:
    """``folder`` has the books of everybody who orders; ``url`` is the sandbox."""

    folder: Path
    url: str
    chance: random.Random
    killed: int = 0

    async def command(self, *args: object, die_after_s: float | None = None) -> tuple[int, Any]:
        """A command's exit code, and what it printed as JSON; nothing where it was killed."""
        environment = clean_environment(
            MINTMARK_DATA_DIR=str(self.folder), MINTMARK_SANDBOX="1", MINTMARK_SANDBOX_URL=self.url
        )
        process = await asyncio.create_subprocess_exec(
            *mintmark(*args, "--json"),
            env=environment,
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told = asyncio.create_task(process.communicate())
        if die_after_s is not None:
            await asyncio.wait([told], timeout=die_after_s)
            if not told.done():
                process.kill()
        out, err = await told
        assert process.returncode is not None
        if process.returncode == -signal.SIGKILL:
            return process.returncode, None
        assert out, err.decode()
        return process.returncode, json.loads(out)

    async def order(self, number: int) -> dict[str, Any] | None:
        """Ask until its process is left alive; its result, or None where a fault of the provider ended it."""
        asked = ("run", *KINDS[number % len(KINDS)], *_prompts(number), "-o", self.folder / "out")
        if number % 3 == 0:
            code, told = await self.command(*asked, die_after_s=self.chance.uniform(0.3, LONGEST_S))
            self.killed += code == -signal.SIGKILL
            if told is not None:
                return _result(code, told)
        return _result(*await self.command(*asked))

    async def orders(self, count: int) -> list[dict[str, Any]]:
        """The results of those that were delivered."""
        left = iter(range(count))

        async def work() -> list[dict[str, Any] | None]:
            return [await self.order(number) for number in left]

        ended = await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return [result for each in ended for result in each if result is not None]


def _prompts(number: int) -> list[str]:
    names = ("prompt_a", "prompt_b") if "prompt-ab-ranked" in KINDS[number % len(KINDS)] else ("prompt",)
    return [f"--set={name}=signed {number} {name}" for name in names]


def _result(code: int, told: dict[str, Any]) -> dict[str, Any] | None:
    assert (code == 0) == ("error" not in told), told
    return told if code == 0 else None


async def check_files(desk: Desk, results: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]) -> None:
    """Each delivered file's credential against its job's receipts and the ledger's lines, in micro-dollars."""
    for result in results:
        its = [line for line in lines if line["job_id"] == result["job_id"] and line["kind"] == "settled"]
        booked = {line["call_id"]: (line["request_id"], line["microusd"]) for line in its}
        assert booked == {each["call_id"]: (each["request_id"], each["microusd"]) for each in result["receipts"]}
        assert result["total_microusd"] == sum(microusd for _, microusd in booked.values()) > 0
        assert result["outputs"]
    paths = {str(desk.folder / output["path"]): result for result in results for output in result["outputs"]}
    _, told = await desk.command("verify", *paths)
    assert {each["file"] for each in told} == set(paths)
    named: dict[str, set[str]] = {result["job_id"]: set() for result in results}
    for each in told:
        record, job_id = each["record"], paths[each["file"]]["job_id"]
        assert (each["state"], record["job_id"]) == ("valid", job_id)
        paid = {line["request_id"]: line["microusd"] for line in lines if line["job_id"] == job_id}
        assert record["requests"], each["file"]
        assert record["cost_microusd"] == sum(paid[request_id] for request_id in record["requests"]), each["file"]
        named[job_id] |= set(record["requests"])
    for result in results:
        assert named[result["job_id"]] == {receipt["request_id"] for receipt in result["receipts"]}


WIRE = {
    "fal/flux-schnell": "fal-ai/flux/schnell",
    "fal/flux-2-pro": "fal-ai/flux-2-pro",
    "openai/gpt-image-2": "gpt-image-2",
}


async def check_report(
    desk: Desk, bill: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """``mintmark cost report`` against the bill, model by model: settled is billed, and doubts cover the rest."""
    _, report = await desk.command("cost", "report", "--by", "model")
    rows = {row["key"]: row for row in report["rows"]}
    assert set(rows) == set(WIRE)
    booked = {line["request_id"] for line in lines if line["kind"] == "settled"}
    for model, wire in WIRE.items():
        its = [line for line in bill if line["model"] == wire]
        assert rows[model]["microusd"] == sum(line["microusd"] for line in its if line["request_id"] in booked)
        doubted = sum(line["microusd"] for line in its if line["request_id"] not in booked)
        assert doubted <= rows[model]["unknown_microusd"]
        calls = [line["kind"] for line in lines if line["model"] == model]
        assert (rows[model]["calls"], rows[model]["unknown"]) == (len(calls), calls.count("unknown"))
    assert {line["model"] for line in bill} <= set(WIRE.values())
    return dict(report["total"])
