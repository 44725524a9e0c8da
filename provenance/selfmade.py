"""The self-made identity: its files in the data folder, made once, whole, and by one process."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .. import log
from ..clock import utc_now
from ..errors import CannotWrite, DiskFull
from .issuing import issue

_log = log.get("provenance.keys")

CHAIN, KEY = "chain.pem", "key.pem"
_ROOT, _ROOT_KEY = "root.pem", "root-key.pem"
_LOCK_WAIT = 30.0  # seconds; making keys takes milliseconds


def create(folder: Path) -> bool:
    """Make the folder with its keys, unless somebody else just did; whether it was us.

    Files are 0600, the folder 0700; all appear at once or not at all, whoever else starts at the same time and
    wherever a crash strikes. Raises :class:`CannotWrite` and :class:`DiskFull`.
    """
    with _storage_errors(folder):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder.parent / "signing.lock", timeout=_LOCK_WAIT, mode=0o600):
            if folder.exists():
                return False
            _sweep(folder.parent)
            _fill(folder)
    _log.info("made a self-made signing identity in %s", folder, extra=log.action("identity_created"))
    return True


def _sweep(parent: Path) -> None:
    """Remove what a crash left behind; the caller holds the lock, so nobody is at work there."""
    for leftover in parent.glob(".signing-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _fill(folder: Path) -> None:
    issued = issue(utc_now())
    draft = Path(tempfile.mkdtemp(prefix=".signing-", dir=folder.parent))  # 0700 by itself
    try:
        for name, pem in (
            (CHAIN, issued.chain),
            (KEY, issued.leaf_key),
            (_ROOT, issued.root),
            (_ROOT_KEY, issued.root_key),
        ):
            _write_private(draft / name, pem)
        # One rename shows all four files or none.
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except Timeout as exc:
        raise CannotWrite(f"Another process holds {exc.lock_file}.", hint="Is it stuck? Stop it.") from exc
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            raise DiskFull(f"No room for the signing keys in {folder}.", hint="Free some space.") from exc
        hint = "Set MINTMARK_DATA_DIR to a folder that can be written."
        raise CannotWrite(f"The signing keys cannot be kept in {folder}: {exc.strerror}.", hint=hint) from exc
