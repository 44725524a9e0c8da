"""A worker deletes what it has of a job's content, and nothing else, whoever names what."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mintmark.errors import WrongState
from mintmark.generation.call import NewCall
from mintmark.generation.context import PICTURES, JobContext
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.nodes.route_forget import _forget
from mintmark.storage.spool import Spool


class Worker:
    """A host's folders, and the books of its pack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal, self.spool = SqliteJournal(folder / "data"), Spool(folder / "data" / "spool")
        for name in ("output", "input", "temp"):
            (folder / "base" / name).mkdir(parents=True)
        base = folder / "base"
        self.others: set[str] = set()
        """Names of files that are other jobs', too."""
        self.host: Any = SimpleNamespace(output_dir=base / "output", input_dir=base / "input", only_its=self.only_its)

    def only_its(self, job_id: str, files: Iterable[dict[str, str]]) -> list[dict[str, str]]:
        return [each for each in files if each["filename"] not in self.others]

    def file(self, name: str) -> Path:
        path = self.folder / "base" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"zebrafinch")
        return path

    def job(self) -> str:
        context = JobContext(job_id=str(uuid.uuid4()), allowance_microusd=1_000_000, mode="sandbox")
        self.journal.open_job(context)
        return context.job_id

    def call(self, job_id: str, data: bytes, *, settled: bool = True) -> str:
        facts: dict[str, Any] = {"job_id": job_id, "call_id": str(uuid.uuid4()), "key": uuid.uuid4().hex}
        more: dict[str, Any] = {"node_id": "1", "provider": "fal", "model": "fal/flux-dev", "request_digest": "d" * 64}
        call = self.journal.hold(NewCall(**facts, **more, hold_microusd=5, parameters={"style": "zebrafinch"}))
        self.journal.begin(call.call_id)
        if settled:
            image = {"sha256": self.spool.put(data), "url": "https://x/zebrafinch.png", "blocked": False}
            self.journal.move(call.call_id, "settled", microusd=5, result={"images": [image], "usage": {}})
        return call.call_id

    def forget(self, job_id: str, files: list[dict[str, str]] | None = None, inputs: list[str] | None = None) -> int:
        its: Any = SimpleNamespace(journal=self.journal, spool=self.spool)
        return _forget(its, self.host, job_id, files or [], inputs or [])

    def text(self) -> bytes:
        self.journal.scrub()
        return b"".join(path.read_bytes() for path in (self.folder / "data").rglob("*") if path.is_file())


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    made = Worker(tmp_path)
    yield made
    made.journal.close()


def named(name: str, subfolder: str = "", kind: str = "output") -> dict[str, str]:
    return {"filename": name, "subfolder": subfolder, "type": kind}


def test_files_results_and_words_go_and_the_accounting_stays(worker: Worker) -> None:
    job = worker.job()
    worker.call(job, b"zebrafinch pixels")
    kept = worker.file("output/kept.png")
    saved = worker.file("output/sub/a.png")
    worker.journal.note(
        job, "signed", {**named("a.png", "sub"), "sha256": "a" * 64, "record": {"prompt": "zebrafinch"}}
    )
    worker.journal.note(job, "failed", {"code": "node_failed", "message": "zebrafinch", "hint": "zebrafinch"})
    given = [f"input/{PICTURES}/{'b' * 32}.png", f"input/{PICTURES}/{'b' * 32} (1).png", f"input/{'b' * 32}.png"]
    seen = [worker.file(name) for name in ("temp/preview.png", *given)]
    before = worker.journal.report(job)
    assert b"zebrafinch" in worker.text()
    assert worker.forget(job, [named("preview.png", kind="temp")], ["b" * 64]) == 5
    assert not any(path.exists() for path in (saved, *seen))
    assert kept.exists()
    assert b"zebrafinch" not in worker.text()
    after = worker.journal.report(job)
    assert (after.allowance, after.receipts) == (before.allowance, before.receipts)
    assert [each["code"] for each in after.failures] == ["node_failed"]
    assert worker.forget(job) == 0


def test_a_file_that_is_another_jobs_too_stays(worker: Worker) -> None:
    both, alone = worker.file("output/both.png"), worker.file("output/alone.png")
    worker.others = {"both.png"}
    assert worker.forget(worker.job(), [named("both.png"), named("alone.png")]) == 1
    assert (both.exists(), alone.exists()) == (True, False)


@pytest.mark.parametrize(
    "file",
    [
        named("outside.txt", ".."),
        named("../outside.txt"),
        named("outside.txt", "../../base"),
        named("outside.txt", kind="models"),
        named("a\x00.png"),
        named("", "sub"),
    ],
)
def test_nothing_outside_its_folders_is_deleted(worker: Worker, file: dict[str, str]) -> None:
    outside = worker.file("outside.txt")
    worker.file("output/sub/other.png")
    assert worker.forget(worker.job(), [file]) == 0
    assert outside.exists()
    assert (worker.folder / "base" / "output" / "sub" / "other.png").exists()


def test_a_link_that_leads_out_deletes_nothing_there(worker: Worker, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.png"
    outside.write_bytes(b"mine")
    (worker.folder / "base" / "output" / "link.png").symlink_to(outside)
    worker.forget(worker.job(), [named("link.png")])
    assert outside.exists()


def test_a_job_that_still_asks_is_left_alone(worker: Worker) -> None:
    job = worker.job()
    worker.call(job, b"", settled=False)
    with pytest.raises(WrongState, match="still runs"):
        worker.forget(job)


def test_a_call_of_unknown_charge_keeps_what_it_can_be_found_by(worker: Worker) -> None:
    job = worker.job()
    call = worker.call(job, b"", settled=False)
    worker.journal.move(call, "unknown", request_id="r-1", reason="nobody knows")
    worker.forget(job)
    [left] = worker.journal.calls_of(job)
    assert (left.state, left.request_id, left.parameters) == ("unknown", "r-1", {"style": "zebrafinch"})


def test_the_same_bytes_of_a_job_that_is_not_over_stay(worker: Worker) -> None:
    one, other = worker.job(), worker.job()
    for job in (one, other):
        worker.call(job, b"the same pixels")
    worker.journal.close_job(one)
    worker.forget(one)
    [call] = worker.journal.calls_of(other)
    digest = json.loads(json.dumps(call.result))["images"][0]["sha256"]
    assert worker.spool.get(digest) == b"the same pixels"
    worker.journal.close_job(other)
    worker.forget(other)
    assert worker.spool.get(digest) is None
