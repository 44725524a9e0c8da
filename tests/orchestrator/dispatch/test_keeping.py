"""A job's files: had at once, and after a power failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintmark.errors import DiskFull
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.dispatch.keeping import arrive, end, restore, settle
from mintmark.orchestrator.jobs.base import Claimer
from mintmark.orchestrator.jobs.job import Ending, Job
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.storage.assets import folder
from mintmark.storage.assets.folder import FolderAssets
from mintmark.tests.contracts.jobs import made, order


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[SqlJobStore]:
    ledger = SqliteLedger(tmp_path)
    yield SqlJobStore(ledger)
    ledger.close()


@pytest.fixture
def assets(tmp_path: Path) -> FolderAssets:
    return FolderAssets(tmp_path / "assets")


def ended(jobs: SqlJobStore, assets: FolderAssets, data: bytes, *, later: bool = False) -> Job:
    lease = jobs.accept(order(), claimer=Claimer("me", "worker-1", ["hosted"])).lease
    assert lease is not None
    outputs = (made(asset=assets.lay(data, later=later).digest),)
    return end(lease, Ending(step=Step.SUCCEEDED, outputs=outputs), jobs, assets)


def test_a_file_that_was_lost_with_the_power_is_there_again_after_the_next_start(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path
) -> None:
    digest = ended(jobs, assets, b"a picture").outputs[0].asset
    assets.path(digest).unlink()
    again = FolderAssets(tmp_path / "assets")
    restore(jobs, again)
    assert again.read(digest) == b"a picture"
    assert jobs.laid(assets.place) == {}


def test_what_the_disk_has_is_not_kept_with_jobs_any_more(jobs: SqlJobStore, assets: FolderAssets) -> None:
    digest = ended(jobs, assets, b"a picture").outputs[0].asset
    assert jobs.laid(assets.place) == {digest: b"a picture"}
    settle(jobs, assets)
    assert jobs.laid(assets.place) == {}
    settle(jobs, assets)
    restore(jobs, assets)
    assert assets.read(digest) == b"a picture"


def test_another_folders_files_are_left_to_it(jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path) -> None:
    digest = ended(jobs, assets, b"a picture").outputs[0].asset
    restore(jobs, FolderAssets(tmp_path / "other"))
    assert jobs.laid(assets.place) == {digest: b"a picture"}


def test_a_file_that_never_came_to_its_place_is_there_after_the_next_start(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path
) -> None:
    digest = ended(jobs, assets, b"a picture", later=True).outputs[0].asset
    again = FolderAssets(tmp_path / "assets")
    assert not again.exists(digest)
    restore(jobs, again)
    assert again.read(digest) == b"a picture"


def test_all_files_that_wait_come_to_their_places_at_once_or_later(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path
) -> None:
    digests = [ended(jobs, assets, b"picture %d" % number, later=True).outputs[0].asset for number in range(5)]
    another = FolderAssets(tmp_path / "assets")
    assert not any(another.exists(each) for each in digests)
    arrive(assets)
    assert all(another.exists(each) for each in digests)
    assert set(jobs.laid(assets.place)) == set(digests), "they may not be on the disk yet"


def test_a_full_disk_keeps_a_file_from_its_place_but_nobody_from_the_file(
    jobs: SqlJobStore, assets: FolderAssets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    digest = ended(jobs, assets, b"a picture", later=True).outputs[0].asset

    def full(*_: object, **__: object) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(folder, "write_once", full)
        arrive(assets)
        assert "Files of jobs wait in memory: no room" in caplog.text
        assert assets.small(digest, 100) is not None
    settle(jobs, assets)
    assert jobs.laid(assets.place) == {}
    assert assets.read(digest) == b"a picture"
