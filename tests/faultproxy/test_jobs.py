"""A few jobs through heavy weather, in every run of the tests; tests/acceptance has hundreds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintmark.tests.acceptance.conftest import Server, clean_environment

from .storm import STORM, check_money, check_once, check_results, storm

JOBS = 20


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Server]:
    server = Server("sandbox", "--latency", "0.01", env=clean_environment(), log=tmp_path / "sandbox.log")
    yield server
    server.stop()


@pytest.fixture
def runner(tmp_path: Path, sandbox: Server) -> Iterator[Server]:
    env = clean_environment(MINTMARK_DATA_DIR=str(tmp_path / "worker"), MINTMARK_SANDBOX_URL=sandbox.url)
    server = Server("runner", "--sandbox", "--base-dir", tmp_path / "runner", env=env, log=tmp_path / "runner.log")
    yield server
    server.stop()


async def test_twenty_jobs_come_through_a_storm_once_each_and_paid_to_the_micro_dollar(
    tmp_path: Path, runner: Server, sandbox: Server
) -> None:
    async with storm(tmp_path / "client", runner.url, sandbox.url, seed=1, plan=STORM) as only:
        await only.run(JOBS, at_once=8, prefix="teapot")
        check_results([only], JOBS)
        check_once([only], runner.url, sandbox.url, sorted((tmp_path / "runner" / "output").rglob("*.png")))
        check_money([only], sandbox.url)
        assert len(only.proxy.log) > JOBS
