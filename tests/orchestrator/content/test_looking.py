"""Looks are noted a while after their jobs, and whoever has no time for it goes on later."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mintmark.bench.harness.scenes import scene
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.content.looking import Lookbook
from mintmark.orchestrator.jobs.base import Claimer
from mintmark.orchestrator.jobs.job import Ending
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.storage.assets.folder import FolderAssets
from mintmark.tests.contracts.jobs import made, order


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    scene(seed, 64).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("before", [0, 1, 2])
def test_what_was_not_gone_on_to_is_looked_at_the_next_time(before: int, tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path)
    jobs, assets = SqlJobStore(ledger), FolderAssets(tmp_path / "assets")
    book = Lookbook(ledger.store, jobs, assets.read, max_pixels=10**6)
    for seed in range(3):
        lease = jobs.accept(order(), claimer=Claimer("me", "worker-1", ["hosted"])).lease
        assert lease is not None
        outputs = (made(asset=assets.put(picture(seed)).digest),)
        jobs.end(lease, Ending(step=Step.SUCCEEDED, outputs=outputs))
    worked: list[float] = []

    def rest(worked_s: float) -> bool:
        worked.append(worked_s)
        return len(worked) <= before

    assert book.note(rest) == 0
    assert len(worked) == before + 1
    assert all(each > 0 for each in worked)
    assert book.note() == 3
    assert book.note() == 0
    ledger.close()
