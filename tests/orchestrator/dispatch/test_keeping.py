"""A job's files: had at once, and after a power failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from mintmark.errors import DiskFull
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.dispatch.keeping import arrive, end, leave, restore, settle
from mintmark.orchestrator.jobs.base import Claimer
from mintmark.orchestrator.jobs.job import Ending, Job
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.storage.assets import folder
from mintmark.storage.assets.folder import FolderAssets
from mintmark.tests.contracts.jobs import made, order


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def jobs(ledger: SqliteLedger) -> SqlJobStore:
    return SqlJobStore(ledger)


@pytest.fixture
def assets(tmp_path: Path) -> FolderAssets:
    return FolderAssets(tmp_path / "assets")


def ended(
    jobs: SqlJobStore, assets: FolderAssets, data: bytes, *, later: bool = False, media_type: str = "image/png"
) -> Job:
    lease = jobs.accept(order(), claimer=Claimer("me", "worker-1", ["hosted"])).lease
    assert lease is not None
    asset = assets.lay(data, media_type, later=later)
    outputs = (made(asset=asset.digest).model_copy(update={"media_type": media_type}),)
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


class Shared(SqlJobStore):
    """A store that others have, too."""

    @property
    def claims_together(self) -> bool:
        return False


def test_another_folders_files_are_left_to_it_where_others_have_the_store(
    ledger: SqliteLedger, assets: FolderAssets, tmp_path: Path
) -> None:
    jobs = Shared(ledger)
    digest = ended(jobs, assets, b"a picture").outputs[0].asset
    restore(jobs, FolderAssets(tmp_path / "other"))
    assert jobs.laid(assets.place) == {digest: b"a picture"}


def test_whoever_has_the_store_alone_restores_files_of_a_folder_that_was_moved_or_a_host_that_is_gone(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = ended(jobs, assets, b"a picture", later=True).outputs[0].asset
    monkeypatch.setattr("platform.node", lambda: "new-container")
    moved = FolderAssets(tmp_path / "moved")
    restore(jobs, moved)
    assert moved.read(digest) == b"a picture"
    assert jobs.laid(None) == {}


def test_a_file_that_is_restored_is_of_the_kind_that_it_was(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path
) -> None:
    job = ended(jobs, assets, b"{}", later=True, media_type="application/json")
    again = FolderAssets(tmp_path / "assets")
    restore(jobs, again)
    assert again.get(job.outputs[0].asset).media_type == "application/json"


def test_at_the_end_all_files_are_on_the_disk_but_those_to_be_forgotten(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path
) -> None:
    kept, gone = (ended(jobs, assets, data, later=True) for data in (b"kept", b"forgotten"))
    jobs.purge(gone.job_id)

    def forget(digests: Iterable[str]) -> None:
        for each in digests:
            assets.delete(each)

    leave(jobs, assets, forget)
    again = FolderAssets(tmp_path / "assets")
    assert again.read(kept.outputs[0].asset) == b"kept"
    assert not again.exists(gone.outputs[0].asset)
    assert jobs.laid(None) == {}


def test_what_cannot_be_forgotten_at_the_end_keeps_no_file_from_its_place(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = ended(jobs, assets, b"a picture", later=True).outputs[0].asset

    def forget(_: object) -> None:
        raise DiskFull("no room")

    leave(jobs, assets, forget)
    assert "no room" in caplog.text
    assert FolderAssets(tmp_path / "assets").read(digest) == b"a picture"


def test_a_full_disk_at_the_end_leaves_files_with_their_jobs(
    jobs: SqlJobStore, assets: FolderAssets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    coming, there = (ended(jobs, assets, data, later=later) for data, later in ((b"coming", True), (b"there", False)))

    def full(*_: object, **__: object) -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(folder, "write_once", full)
    monkeypatch.setattr(folder, "sync_files", full)
    leave(jobs, assets, lambda _: None)
    assert caplog.text.count("Files of jobs wait in memory: no room") == 2
    assert set(jobs.laid(None)) == {coming.outputs[0].asset, there.outputs[0].asset}


def test_one_place_that_cannot_be_written_keeps_no_other_file_waiting(
    jobs: SqlJobStore, assets: FolderAssets, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digests = [ended(jobs, assets, b"picture %d" % number, later=True).outputs[0].asset for number in range(5)]
    for bad in digests[:2]:
        (tmp_path / "assets" / bad[:2] / bad / "in the way").mkdir(parents=True)
    arrive(assets)
    assert assets.coming() == digests[:2]
    assert caplog.text.count("Files of jobs wait in memory") == 1
    settle(jobs, assets)
    assert set(jobs.laid(None)) == set(digests[:2])


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
