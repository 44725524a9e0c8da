"""A job's checked files become assets, and what is known of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from ... import log
from ...errors import StorageError
from ...provenance.formats import SIDECAR
from ...storage.assets.base import AssetStore
from ..execution.delivery import Brought, told
from ..jobs.base import JobStore
from ..jobs.job import Ending, Job, Lease, Made

logger = log.get("orchestrator.keeping")

PAUSE_S = 0.001
"""Between two files that come to their places, in seconds."""


def keep(files: Iterable[Brought], assets: AssetStore, *, later: bool = False) -> tuple[Made, ...]:
    """Put the files away; durable when this returns, or with the job: see :func:`end`. A credential that stands beside
    a file comes after all of them, as a file of its own. ``later``: no other process asks for them before
    :func:`arrive`. Raises DiskFull and CannotWrite."""
    every = list(files)
    made = [_kept(number, file, assets, later) for number, file in enumerate(every)]
    for file in every:
        if file.sidecar is not None:
            made.append(_kept_beside(len(made), file.sidecar, assets, later))
    return tuple(made)


def arrive(assets: AssetStore, *, pause_s: float = PAUSE_S) -> None:
    """Have the files of jobs that ended of late be in their places, one after the other with a pause between: many in a
    row would keep Python's lock from every job that runs meanwhile. One that cannot be now is kept with its job, and
    comes the next time, or with :func:`settle`; it keeps no other waiting. Blocks."""
    failed: list[StorageError] = []
    for digest in assets.coming():
        try:
            assets.arrive([digest])
        except StorageError as exc:
            failed.append(exc)
        time.sleep(pause_s)
    if failed:
        _waits(failed[0])


def leave(jobs: JobStore, assets: AssetStore, forget: Callable[[Iterable[str]], None]) -> None:
    """Nobody runs jobs here any more: have all of their files on the disk, but for those to ``forget``. What cannot be
    is kept with its job until the next start. Blocks."""
    _try(lambda: forget(jobs.forgotten()))
    arrive(assets, pause_s=0)
    _try(lambda: settle(jobs, assets))


def _try(what: Callable[[], None]) -> None:
    try:
        what()
    except StorageError as exc:
        _waits(exc)


def _waits(why: StorageError) -> None:
    logger.warning("Files of jobs wait in memory: %s", why, extra=log.action("file_waits"))


def end(
    lease: Lease, ending: Ending, jobs: JobStore, assets: AssetStore, *, early: Callable[[Job], None] | None = None
) -> Job:
    """End the job with its files. What may not be on the disk yet is kept with it until it is: see :func:`settle`.
    ``early``: see :meth:`..jobs.base.JobStore.end`."""
    files = {made.asset: assets.laid(made.asset) for made in ending.outputs}
    laid = {asset: data for asset, data in files.items() if data is not None}
    return jobs.end(lease, ending, laid=laid, place=assets.place, early=early)


def settle(jobs: JobStore, assets: AssetStore) -> None:
    """See to it that the files of jobs that ended of late are on the disk, and need not be kept with them."""
    if settled := assets.settle():
        jobs.settled(assets.place, settled)


def restore(jobs: JobStore, assets: AssetStore) -> None:
    """The same for those that an earlier process left: the power may have failed since. Where nobody else has the
    store they are ours whatever the folder was called: it may have been moved, or come from a backup."""
    place = None if jobs.claims_together else assets.place
    left = jobs.laid(place)
    for asset, data in left.items():
        assets.restore(asset, data, _media_type(jobs, asset))
    if left:
        jobs.settled(place, left)


def _media_type(jobs: JobStore, asset: str) -> str | None:
    """What it was called as it was laid."""
    found = (made.media_type for job in jobs.having(asset) for made in job.outputs if made.asset == asset)
    return next(found, None)


def _kept(number: int, file: Brought, assets: AssetStore, later: bool) -> Made:
    asset = assets.lay(file.data, file.media_type, later=later)
    return Made(
        index=number,
        output=file.output,
        asset=asset.digest,
        media_type=file.media_type,
        width=file.width,
        height=file.height,
        bytes=asset.bytes,
        seed=_seed(file.record.get("seed")),
        verdict=None if file.verdict is None else told(file.verdict),
        credential=file.credential.model_dump(),
    )


def _kept_beside(number: int, sidecar: bytes, assets: AssetStore, later: bool) -> Made:
    asset = assets.lay(sidecar, SIDECAR, later=later)
    return Made(
        index=number,
        output=None,
        asset=asset.digest,
        media_type=SIDECAR,
        bytes=asset.bytes,
    )


def _seed(seed: Any) -> int | None:
    """As it was used, else as it was sent or asked: records write it as text, which holds numbers of any size."""
    if not isinstance(seed, dict):
        return None
    text = seed.get("used") or seed.get("sent") or seed.get("asked")
    return int(text) if isinstance(text, str) and text.lstrip("-").isdigit() else None
