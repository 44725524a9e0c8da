"""What tests/runner/recorded/ holds is what a ComfyUI answers now: its graphs are put to a live one again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

RUNNER_TESTS = Path(__file__).parent.parent / "runner"
sys.path.insert(0, str(RUNNER_TESTS))

from runner_probe.cases import REFUSED, RUNS  # noqa: E402
from runner_probe.driving import give_image, give_pictures, pixels, put  # noqa: E402
from runner_probe.masking import masked  # noqa: E402
from runner_probe.pixel_cases import PIXELS  # noqa: E402
from runner_probe.record import array, object_info, packed  # noqa: E402

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="not run: COMFYUI_PATH is not set"),
]


def recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RUNNER_TESTS / "recorded" / f"{name}.json").read_text())["answers"])


@pytest.fixture(scope="module")
def probed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ComfyUI with the probe nodes in it and nothing of ours."""
    tools: Any = request.config.pluginmanager.get_plugin(str(Path(__file__).with_name("conftest.py")))
    base, port = tmp_path_factory.mktemp("probed"), tools.free_port()
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir()
    for name in ("nodes", "pixel_nodes"):
        (base / "custom_nodes" / f"probe_{name}.py").symlink_to(RUNNER_TESTS / "runner_probe" / f"{name}.py")
    flags = f"--cpu --listen 127.0.0.1 --port {port} --disable-auto-launch --preview-method none"
    command = [tools.interpreter(), "main.py", *flags.split(), "--base-directory", str(base)]
    command += ["--database-url", "sqlite:///:memory:"]
    mine = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env = {**mine, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    with tools.process(command, base / "log.txt", cwd=os.environ["COMFYUI_PATH"], env=env) as running:
        tools.wait_for(f"http://127.0.0.1:{port}/system_stats", running, base / "log.txt")
        yield f"http://127.0.0.1:{port}"


async def test_it_is_the_version_that_was_recorded(probed: str) -> None:
    async with aiohttp.ClientSession(probed) as http, http.get("/system_stats") as reply:
        version = (await reply.json())["system"]["comfyui_version"]
    assert version == json.loads((RUNNER_TESTS / "recorded" / "runs.json").read_text())["comfyui"], "record again"


async def test_object_info_is_as_recorded(probed: str) -> None:
    assert await object_info(probed) == recorded("object_info")


# In the order they were recorded in: what ran before is what its cache holds.
@pytest.mark.parametrize("name", RUNS)
async def test_a_run_is_as_recorded(name: str, probed: str) -> None:
    await give_image(probed)
    assert json.loads(json.dumps(masked(await put(probed, RUNS[name]), RUNS[name]))) == recorded("runs")[name]


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_is_as_recorded(name: str, probed: str) -> None:
    await give_image(probed)
    given = masked(await put(probed, REFUSED[name]), REFUSED[name])
    assert _loosely(json.loads(json.dumps(given))) == _loosely(recorded("refused")[name])


def _loosely(answers: Any) -> Any:
    """Without the dependents of a broken node: ComfyUI names others from run to run."""
    for answer in answers:
        for errors in (answer["body"].get("node_errors") or {}).values() if isinstance(answer["body"], dict) else ():
            errors.pop("dependent_outputs", None)
    return answers


@pytest.mark.parametrize("name", PIXELS)
async def test_pixels_are_as_recorded(name: str, probed: str) -> None:
    await give_pictures(probed)
    expected, given = recorded("pixels")[name], packed(await pixels(probed, PIXELS[name]))
    if isinstance(expected, str):
        assert given == expected
        return
    for got, wanted in zip(map(array, given), map(array, expected), strict=True):
        assert got.shape == wanted.shape
        # Another processor may add a sum up in another order.
        assert np.allclose(got, wanted, rtol=0, atol=PIXELS[name].off)
