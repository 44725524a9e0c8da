"""Hundreds of jobs through a proxy that breaks a third of all requests: each comes home once, paid once, in time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mintmark.tests.comfyui.conftest import LINK, ROOT, free_port, interpreter, process, wait_for
from mintmark.tests.faultproxy.plan import Plan
from mintmark.tests.faultproxy.storm import (
    COMFY_STORM,
    STORM,
    Storm,
    ask,
    check_money,
    check_once,
    check_results,
    storm,
)

from .conftest import Server, clean_environment

pytestmark = pytest.mark.acceptance
SEEDS = range(10)
JOBS = 30
"""By seed: 300 in all."""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Server]:
    server = Server("sandbox", "--latency", "0.01", env=clean_environment(), log=tmp_path / "sandbox.log")
    yield server
    server.stop()


@pytest.fixture
def runner(tmp_path: Path, sandbox: Server) -> Iterator[Server]:
    env = clean_environment(MINTMARK_DATA_DIR=str(tmp_path / "worker"), MINTMARK_SANDBOX_URL=sandbox.url)
    server = Server("runner", "--sandbox", "--base-dir", tmp_path / "base", env=env, log=tmp_path / "runner.log")
    yield server
    server.stop()


@pytest.fixture
def comfy(tmp_path: Path, sandbox: Server) -> Iterator[str]:
    """The URL of a real ComfyUI with the pack in it, whose folders are in ``base``."""
    base, port, log = tmp_path / "base", free_port(), tmp_path / "comfyui.log"
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir(parents=True)
    (base / "custom_nodes" / LINK).symlink_to(ROOT, target_is_directory=True)
    flags = f"--cpu --listen 127.0.0.1 --port {port} --disable-auto-launch --preview-method none --disable-api-nodes"
    folders = ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    env = clean_environment(
        MINTMARK_SANDBOX="1", MINTMARK_SANDBOX_URL=sandbox.url, HF_HUB_OFFLINE="1", DO_NOT_TRACK="1"
    )
    env.pop("PYTHONPATH", None)
    command = [interpreter(), "main.py", *flags.split(), *folders]
    with process(command, log, cwd=os.environ["COMFYUI_PATH"], env=env) as running:
        wait_for(f"http://127.0.0.1:{port}/system_stats", running, log)
        yield f"http://127.0.0.1:{port}"


async def weather(folder: Path, worker_url: str, sandbox: Server, plan: Plan, at_once: int) -> None:
    """Every seed's jobs one after another, then all books side by side."""
    async with AsyncExitStack() as stack:
        storms = []
        for seed in SEEDS:
            each = await stack.enter_async_context(
                storm(folder / f"client {seed}", worker_url, sandbox.url, seed=seed, plan=plan)
            )
            await each.run(JOBS, at_once, f"teapot {seed}")
            storms.append(each)
        report(storms)
        check_results(storms, JOBS * len(SEEDS))
        check_once(storms, worker_url, sandbox.url, sorted((folder / "base" / "output").rglob("*.png")))
        check_money(storms, sandbox.url)
        assert ask(f"{worker_url}/queue") == {"queue_running": [], "queue_pending": []}


def report(storms: list[Storm]) -> None:
    """What the weather was, for whoever runs this with ``-s``."""
    for each in storms:
        told = each.proxy.told().partition("\n")[0]
        sys.stdout.write(f"\n{len(each.results)} results, slowest {each.slowest_s:.1f} s; {told}")


async def test_300_jobs_come_through_a_storm_to_the_runner(tmp_path: Path, runner: Server, sandbox: Server) -> None:
    await weather(tmp_path, runner.url, sandbox, STORM, at_once=12)


@pytest.mark.comfyui
@pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set")
async def test_300_jobs_come_through_a_storm_to_a_real_comfyui(tmp_path: Path, comfy: str, sandbox: Server) -> None:
    await weather(tmp_path, comfy, sandbox, COMFY_STORM, at_once=12)
