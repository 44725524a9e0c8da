"""Jobs of a machine: who may take one over, and when one is given up. Death is real: processes are killed."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mintmark.orchestrator.execution.local_jobs import JobStore, fingerprint
from mintmark.tests.orchestrator.processes import start

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)

_SUBMITTER = """
import sys, time
from pathlib import Path
from mintmark.orchestrator.execution.local_jobs import JobStore
store = JobStore(Path(sys.argv[1]))
print(store.start(sys.argv[2], "w@1.0.0", "http://worker").job_id, flush=True)
time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(tmp_path)
    yield opened
    opened.close()


class Submitter:
    """Another process with an open job."""

    def __init__(self, folder: Path, key: str) -> None:
        command = [sys.executable, "-c", _SUBMITTER, str(folder), key]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.job_id = self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def submitter(tmp_path: Path) -> Iterator[Submitter]:
    started = Submitter(tmp_path, "same")
    yield started
    started.kill()


def test_a_live_process_keeps_its_job(store: JobStore, submitter: Submitter) -> None:
    job = store.start("same", "w@1.0.0", "http://worker")
    assert job.job_id != submitter.job_id
    assert not job.resumed


def test_a_killed_process_leaves_its_job_to_who_asks_for_the_same(store: JobStore, submitter: Submitter) -> None:
    submitter.kill()
    other = store.start("other", "w@1.0.0", "http://worker")
    assert not other.resumed
    job = store.start("same", "w@1.0.0", "http://worker")
    assert (job.job_id, job.resumed) == (submitter.job_id, True)


def test_a_job_is_taken_over_once_however_many_ask_for_it(tmp_path: Path, submitter: Submitter) -> None:
    submitter.kill()
    stores = [JobStore(tmp_path) for _ in range(8)]
    try:
        with ThreadPoolExecutor(8) as pool:
            jobs = list(pool.map(lambda each: each.start("same", "w@1.0.0", "http://worker"), stores))
    finally:
        for each in stores:
            each.close()
    assert [job.job_id for job in jobs if job.resumed] == [submitter.job_id]
    assert len({job.job_id for job in jobs}) == 8


def test_a_job_that_is_over_is_not_taken_over(tmp_path: Path) -> None:
    first = JobStore(tmp_path)
    job = first.start("same", "w@1.0.0", "http://worker")
    first.end(job.job_id, "succeeded")
    first.close()
    second = JobStore(tmp_path)
    assert not second.start("same", "w@1.0.0", "http://worker").resumed
    second.close()


def test_the_first_outcome_stays(store: JobStore) -> None:
    job = store.start("same", "w@1.0.0", "http://worker")
    store.end(job.job_id, "failed", "worker_lost")
    store.end(job.job_id, "succeeded")
    assert store.state(job.job_id) == "failed"
    assert store.state("never heard of") is None


def test_a_dead_processs_job_is_old_after_a_day_and_only_on_its_own_worker(tmp_path: Path) -> None:
    time = [NOON]
    dead = JobStore(tmp_path, now=lambda: time[0])
    job = dead.start("same", "w@1.0.0", "http://worker")
    dead.close()
    alive = JobStore(tmp_path, now=lambda: time[0])
    mine = alive.start("mine", "w@1.0.0", "http://worker")
    time[0] = NOON + timedelta(hours=23, minutes=59)
    assert alive.old("http://worker") == []
    time[0] = NOON + timedelta(days=1, seconds=1)
    assert alive.old("http://worker") == [job.job_id]
    assert alive.old("http://another") == []
    assert alive.state(mine.job_id) == "open"
    alive.end(job.job_id, "abandoned")
    assert alive.old("http://worker") == []
    alive.close()


def test_what_was_asked_names_the_job_whatever_the_order(store: JobStore) -> None:
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})


def test_two_processes_that_make_the_same_new_folder_do_not_meet(tmp_path: Path) -> None:
    # An executor, not a Pool: that one waits for ever where a process dies.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert all(pool.map(start, [str(tmp_path / "new")] * 2))
