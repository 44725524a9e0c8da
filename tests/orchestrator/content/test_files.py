"""Files that no job has any more are gone, also where a running service has them in memory alone; those that were
withheld come back, also after a service was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.access.key_book import PART as ACCESS
from mintmark.orchestrator.content.files import forget_files
from mintmark.orchestrator.content.takedowns import Mode, Takedowns
from mintmark.orchestrator.dispatch.keeping import arrive, end, settle
from mintmark.orchestrator.jobs.base import Claimer
from mintmark.orchestrator.jobs.job import Ending, Job
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.storage.assets.folder import FolderAssets
from mintmark.storage.assets.thumbnails import Thumbnails
from mintmark.storage.assets.uploads import Uploads
from mintmark.tests.contracts.jobs import made, order

DATA = b"a picture"


class Process:
    """What a service has of a data folder, or a command beside it: each its own memory."""

    def __init__(self, ledger: SqliteLedger, folder: Path) -> None:
        self.jobs, self.assets = SqlJobStore(ledger), FolderAssets(folder / "assets")
        self.thumbnails = Thumbnails(folder / "thumbnails", self.assets)
        self.uploads = Uploads(ledger.store, self.assets, max_pixels=10**6)
        aside = FolderAssets(folder / "withheld")
        self.takedowns = Takedowns(ledger.store, self.jobs, self.assets, self.thumbnails, aside, max_pixels=10**6)

    def ended(self) -> Job:
        """A job that has succeeded just now."""
        lease = self.jobs.accept(order(), claimer=Claimer("me", "worker-1", ["hosted"])).lease
        assert lease is not None
        outputs = (made(asset=self.assets.lay(DATA, later=True).digest),)
        return end(lease, Ending(step=Step.SUCCEEDED, outputs=outputs), self.jobs, self.assets)

    def purge(self, job: Job) -> None:
        """As the command does."""
        forget_files(self, self.jobs.purge(job.job_id), beside_a_service=True)

    def take(self, asset: str, mode: Mode) -> str:
        return self.takedowns.take(asset, mode=mode, by_look=False, reason="asked for", actor="test").takedown_id


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path)
    opened.store.install(ACCESS)
    yield opened
    opened.close()


@pytest.fixture
def service(ledger: SqliteLedger, tmp_path: Path) -> Process:
    return Process(ledger, tmp_path)


@pytest.fixture
def command(ledger: SqliteLedger, tmp_path: Path) -> Process:
    return Process(ledger, tmp_path)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("arrives", ["before", "after", "never"])
def test_what_a_command_purges_before_the_service_has_written_it_is_gone_in_the_end(
    service: Process, command: Process, arrives: str, killed: bool, ledger: SqliteLedger, tmp_path: Path
) -> None:
    job = service.ended()
    if arrives == "before":
        arrive(service.assets)
    command.purge(job)
    if arrives == "after":
        arrive(service.assets)
    next_one = Process(ledger, tmp_path) if killed else service
    forget_files(next_one, next_one.jobs.forgotten())
    settle(next_one.jobs, next_one.assets)
    assert not next_one.assets.exists(job.outputs[0].asset)
    assert next_one.jobs.forgotten() == []


def test_what_was_in_its_place_is_gone_at_once(service: Process, command: Process) -> None:
    job = service.ended()
    settle(service.jobs, service.assets)
    command.purge(job)
    assert not service.assets.exists(job.outputs[0].asset)
    assert command.jobs.forgotten() == []


def test_what_a_new_job_made_again_meanwhile_is_not_deleted(service: Process, command: Process) -> None:
    command.purge(service.ended())
    again = service.ended()
    forget_files(service, service.jobs.forgotten())
    settle(service.jobs, service.assets)
    assert command.assets.read(again.outputs[0].asset) == DATA
    assert service.jobs.forgotten() == []


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_command_withholds_before_it_was_in_its_place_is_given_back(
    service: Process, command: Process, killed: bool
) -> None:
    asset = service.ended().outputs[0].asset
    taken = command.take(asset, "withheld")
    if not killed:
        arrive(service.assets)
        service.takedowns.refresh()
    assert not command.assets.exists(asset)
    assert command.jobs.laid(None) == {}
    command.takedowns.undo(taken, actor="test")
    assert command.assets.read(asset) == DATA


@pytest.mark.parametrize("arrives", ["before", "after"])
def test_what_a_command_takes_down_for_good_is_gone_from_the_service_too(
    service: Process, command: Process, arrives: str
) -> None:
    asset = service.ended().outputs[0].asset
    command.take(asset, "deleted")
    if arrives == "before":
        arrive(service.assets)
    service.takedowns.refresh()
    arrive(service.assets)
    settle(service.jobs, service.assets)
    assert not service.assets.exists(asset)
    assert service.jobs.laid(None) == {}
