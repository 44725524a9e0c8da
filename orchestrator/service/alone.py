"""One service a data folder: two would start the same runners twice and look after the same processes.

Several replicas on one PostgreSQL have a data folder each; their leases keep them apart.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import BadSetting
from ...storage.files import translated


def take(folder: Path) -> FileLock:
    """The folder's lock, now ours. Raises BadSetting where another service has it, and CannotWrite."""
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "service.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BadSetting(
                f"Another service runs on the data folder {folder}.",
                hint="Give each its own MINTMARK_DATA_DIR; with MINTMARK_LEDGER_URL they share their jobs.",
            ) from None
    return lock
