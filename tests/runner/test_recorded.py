"""The runner answers as a real ComfyUI did: recorded/ holds what version 0.33.0 said to the same posts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from runner_probe.cases import BETTER, REFUSED, RUNS, Case
from runner_probe.driving import give_image, put
from runner_probe.masking import masked, without_module

from mintmark.runner import Runner

RECORDED = Path(__file__).parent / "recorded"
EQUAL_RUNS = sorted(set(RUNS) - set(BETTER))
EQUAL_REFUSED = sorted(set(REFUSED) - set(BETTER))


def recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDED / f"{name}.json").read_text())["answers"])


async def answers(runner: Runner, case: Case) -> Any:
    await give_image(runner.url)
    return json.loads(json.dumps(masked(await put(runner.url, case), case)))


@pytest.mark.parametrize("name", EQUAL_RUNS)
async def test_a_run_has_the_events_history_and_job_that_comfyui_gives(name: str, runner: Runner) -> None:
    assert await answers(runner, RUNS[name]) == recorded("runs")[name]


@pytest.mark.parametrize("name", EQUAL_REFUSED)
async def test_a_refusal_has_the_error_that_comfyui_gives(name: str, runner: Runner) -> None:
    assert await answers(runner, REFUSED[name]) == recorded("refused")[name]


@pytest.mark.parametrize("name", sorted(BETTER))
async def test_a_deliberate_difference_is_still_one(name: str, runner: Runner) -> None:
    cases, file = (RUNS, "runs") if name in RUNS else (REFUSED, "refused")
    assert await answers(runner, cases[name]) != recorded(file)[name], "no longer different: take it out of BETTER"


async def test_object_info_tells_of_each_node_what_comfyui_tells(http: aiohttp.ClientSession) -> None:
    async with http.get("/object_info") as reply:
        told = {name: without_module(each) for name, each in (await reply.json()).items()}
    expected = recorded("object_info")
    assert len(expected) > 30
    assert {name: told.get(name) for name in expected} == expected


async def test_the_order_of_inputs_is_kept(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/object_info/ProbeEverything") as reply:
        told = (await reply.json())["ProbeEverything"]
    assert list(told["input"]["required"]) == told["input_order"]["required"]
    assert list(told["input"]["optional"]) == told["input_order"]["optional"]
