"""The runner answers as a real ComfyUI did: recorded/ holds what version 0.33.0 said to the same posts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import PIL
import pytest
import pytest_asyncio
from runner_probe.cases import BETTER, REFUSED, RUNS, TEN, Case
from runner_probe.driving import give_image, give_pictures, pixels, put
from runner_probe.masking import masked
from runner_probe.pixel_cases import PIXELS
from runner_probe.record import array, object_info, packed

from mintmark.runner import Runner

RECORDED = Path(__file__).parent / "recorded"
EQUAL_RUNS = sorted(set(RUNS) - set(BETTER))
MISSING = ("missing_class_type", "unknown_class_2", "unknown_classes")
EQUAL_REFUSED = sorted(set(REFUSED) - set(BETTER))


def recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDED / f"{name}.json").read_text())["answers"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """One runner with all picture files, for cases that leave nothing behind."""
    from runner_probe import pixel_nodes

    base = tmp_path_factory.mktemp("pixels")
    async with Runner(base_dir=base, extensions=[pixel_nodes.comfy_entrypoint]) as opened:
        await give_pictures(opened.url)
        yield opened


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


@pytest.mark.parametrize("name", MISSING)
async def test_a_graph_with_unknown_nodes_is_refused_as_by_comfyui_and_all_of_them_are_named(
    name: str, runner: Runner
) -> None:
    answer = await answers(runner, REFUSED[name])
    extra = answer[0]["body"]["error"]["extra_info"]
    graph = REFUSED[name].posts[0]["prompt"]
    unknown = {node_id: each.get("class_type") for node_id, each in graph.items()}
    unknown = {node_id: kind for node_id, kind in unknown.items() if kind not in ("ProbeText", "ProbeShow")}
    assert {each["node_id"]: each["class_type"] for each in extra.pop("missing")} == unknown
    assert extra.pop("missing_classes") == sorted({kind for kind in unknown.values() if kind})
    assert "ComfyUI" in extra.pop("hint")
    assert answer == recorded("refused")[name]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", PIXELS)
async def test_a_core_node_gives_the_pixels_that_comfyui_gives(name: str, shared: Runner) -> None:
    if name == "scale lanczos with alpha" and int(PIL.__version__.partition(".")[0]) < 13:
        pytest.skip("not run: Pillow before 13 resamples colours under alpha otherwise, here as in ComfyUI")
    case, expected = PIXELS[name], recorded("pixels")[name]
    given = packed(await pixels(shared.url, case))
    if isinstance(expected, str):
        assert isinstance(given, str), "ComfyUI cannot do this"
        return
    for got, wanted in zip(map(array, given), map(array, expected), strict=True):
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        if case.off == 0:
            assert np.array_equal(got, wanted), float(abs(got - wanted).max())
        else:
            assert not got.size or float(abs(got - wanted).max()) <= case.off * (1 + 1e-6)


@pytest.mark.parametrize("name", TEN)
def test_the_ten_graphs_are_recorded_and_told_alike(name: str) -> None:
    assert recorded("runs")[name]
    assert name not in BETTER


async def test_object_info_tells_of_each_node_what_comfyui_tells(runner: Runner) -> None:
    expected = recorded("object_info")
    assert len(expected) > 50
    told = json.loads(json.dumps(await object_info(runner.url)))
    assert {name: told.get(name) for name in expected} == expected


async def test_the_order_of_inputs_is_kept(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/object_info/ProbeEverything") as reply:
        told = (await reply.json())["ProbeEverything"]
    assert list(told["input"]["required"]) == told["input_order"]["required"]
    assert list(told["input"]["optional"]) == told["input_order"]["optional"]
