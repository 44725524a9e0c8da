"""The service and its runners killed in the middle of their work: nothing is lost, nothing is paid for twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import Server, clean_environment

OVER = {"succeeded", "failed", "canceled"}
WITHIN_S = 120.0


class Serving:
    """``mintmark serve`` on one data folder, through any number of lives; the providers are a process of their own."""

    def __init__(self, folder: Path, *, latency_s: float, own_sandbox: bool = False) -> None:
        self._folder = folder
        state = ("--state", folder / "truth.jsonl", "--latency", latency_s)
        self.sandbox = Server("sandbox", *state, env=clean_environment(), log=folder / "sandbox.log")
        self._env = clean_environment(
            MINTMARK_DATA_DIR=str(folder / "data"),
            MINTMARK_SANDBOX="1",
            **({} if own_sandbox else {"MINTMARK_SANDBOX_URL": self.sandbox.url}),
        )
        self.lives = 0
        self.begin()

    def begin(self) -> None:
        self.lives += 1
        self._server = Server("serve", "--runners", 1, env=self._env, log=self._folder / f"serve-{self.lives}.log")

    def kill(self) -> None:
        """SIGKILL, so nothing is tidied up."""
        self._server._process.kill()
        self._server.stop()

    def interrupt(self) -> None:
        """Ctrl-C, and at once again."""
        self._server._process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        self._server.stop()

    def kill_runner(self) -> None:
        """SIGKILL, as soon as there is one: the one before may have been killed a moment ago."""
        until = time.monotonic() + WITHIN_S
        while not (runners := children(self._server._process.pid)):
            assert time.monotonic() < until
            time.sleep(0.02)
        os.kill(runners[0], signal.SIGKILL)

    def stop(self) -> None:
        self._server.stop()
        self.sandbox.stop()

    def submit(self, number: int, **more: Any) -> str:
        inputs = {"prompt": f"teapot number {number}", "width": 256, "height": 256}
        told = self._server.ask("POST", "/v1/workflows/text-to-image/runs", {"inputs": inputs, **more})
        return str(told["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self._server.ask("GET", f"/v1/jobs/{job_id}"))

    def ended(self, job_ids: list[str]) -> list[dict[str, Any]]:
        until = time.monotonic() + WITHIN_S
        while True:
            jobs = [self.job(each) for each in job_ids]
            if all(job["status"] in OVER for job in jobs):
                return jobs
            assert time.monotonic() < until, Counter(job["status"] for job in jobs)
            time.sleep(0.2)

    def until(self, job_ids: list[str], status: str) -> None:
        until = time.monotonic() + WITHIN_S
        while not any(self.job(each)["status"] == status for each in job_ids):
            assert time.monotonic() < until
            time.sleep(0.02)

    def until_accepted(self, count: int) -> None:
        """Until their providers have taken so many calls, and the journal knows: a kill before that leaves a doubt."""
        until = time.monotonic() + WITHIN_S
        while self._accepted() < count:
            assert time.monotonic() < until
            time.sleep(0.02)

    def _accepted(self) -> int:
        with closing(sqlite3.connect(self._folder / "data" / "sandbox" / "journal.sqlite3", timeout=WITHIN_S)) as db:
            [found] = db.execute("SELECT count(*) FROM calls WHERE state IN ('accepted', 'settled')").fetchone()
        return int(found)

    def check_money(self, jobs: list[dict[str, Any]]) -> None:
        """Bill = settled + unknown, and nothing was asked twice."""
        bill = self.sandbox.ask("GET", "/_sandbox/bill")
        assert sum(job["cost_microusd"] for job in jobs) == bill["total_microusd"], jobs
        asked = Counter(str(call["body"]["prompt"]) for call in self.sandbox.ask("GET", "/_sandbox/calls"))
        assert [prompt for prompt, times in asked.items() if times > 1] == []


def children(pid: int) -> list[int]:
    """The processes that this one started, in whichever thread."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for file in files for each in file.read_text().split()]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    opened = Serving(tmp_path, latency_s=1.0)
    yield opened
    opened.stop()


linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


@linux
def test_a_killed_service_takes_up_what_it_left_and_asks_nobody_twice(serving: Serving) -> None:
    jobs = [serving.submit(number) for number in range(5)]
    serving.until_accepted(5)  # in the middle of their providers' second
    serving.kill()
    serving.begin()
    ended = serving.ended(jobs)
    assert [job["status"] for job in ended] == ["succeeded"] * 5, ended
    serving.check_money(ended)


@linux
def test_a_killed_service_whose_sandbox_is_its_own_takes_up_what_it_left(tmp_path: Path) -> None:
    """As a newcomer kills it, and starts it again at once: runner and sandbox finish what was asked, then end."""
    serving = Serving(tmp_path, latency_s=0, own_sandbox=True)
    try:
        jobs = [serving.submit(number) for number in range(16)]
        serving.until(jobs, "running")
        serving.kill()
        serving.begin()
        ended = serving.ended(jobs)
        assert [job["status"] for job in ended] == ["succeeded"] * 16, [job["error"] for job in ended if job["error"]]
    finally:
        serving.stop()


@linux
def test_a_service_that_is_interrupted_twice_leaves_its_jobs_to_the_next_start(serving: Serving) -> None:
    jobs = [serving.submit(number) for number in range(20)]
    serving.until(jobs, "running")
    for _ in range(2):
        serving.interrupt()
        serving.begin()
        time.sleep(0.3)  # in the middle of taking them up again
    ended = serving.ended(jobs)
    assert Counter(job["status"] for job in ended) == {"succeeded": 20}, [job["error"] for job in ended]
    serving.check_money(ended)


@linux
def test_a_killed_runner_is_started_again_and_finishes_what_it_had(serving: Serving) -> None:
    jobs = [serving.submit(number) for number in range(5)]
    serving.until_accepted(5)
    serving.kill_runner()
    ended = serving.ended(jobs)
    assert [job["status"] for job in ended] == ["succeeded"] * 5, ended
    serving.check_money(ended)


@linux
def test_runners_die_with_a_killed_service(serving: Serving) -> None:
    (runner,) = children(serving._server._process.pid)
    serving.kill()
    until = time.monotonic() + 20
    while Path(f"/proc/{runner}/stat").exists() and " Z " not in Path(f"/proc/{runner}/stat").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    serving.begin()


@linux
@pytest.mark.acceptance
def test_jobs_outlive_many_kills_of_both(serving: Serving) -> None:
    chance = random.Random(20261121)
    jobs: list[str] = []
    for round_ in range(8):
        jobs += [serving.submit(100 * round_ + number) for number in range(4)]
        time.sleep(chance.uniform(0.1, 1.5))
        if chance.random() < 0.5:
            serving.kill_runner()
        else:
            serving.kill()
            serving.begin()
    ended = serving.ended(jobs)
    assert {job["status"] for job in ended} <= {"succeeded", "failed"}
    serving.check_money(ended)
