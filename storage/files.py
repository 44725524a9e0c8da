"""Writing files so that a reader sees all of it or nothing, whatever dies meanwhile."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from ..errors import CannotWrite, DiskFull


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write ``data`` to ``path`` in one step, replacing what was there. Durable when this returns.

    Raises DiskFull or CannotWrite naming the path; nothing half-written stays behind.
    """
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_beside(path, data, mode)
        try:
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def write_new(paths: Iterable[Path], data: bytes) -> Path:
    """Like :func:`write_atomic`, but never over an existing file: the first of ``paths`` that is free is taken.

    Returns the path that was written. The paths share a folder; two processes writing at once get two files.
    """
    candidates = iter(paths)
    path = next(candidates)
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_beside(path, data, 0o644)
        try:
            for candidate in chain([path], candidates):
                with suppress(FileExistsError):
                    _take(temporary, candidate)
                    _sync_folder(path.parent)
                    return candidate
        finally:
            temporary.unlink(missing_ok=True)
    raise CannotWrite(f"{path}: every name like it is taken.", hint="Choose another folder or prefix.")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about ``path`` into ours."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"{path.parent}: no room left on the disk.", hint="Free some space and run again.") from exc
        reason = (exc.strerror or "error").lower()
        raise CannotWrite(f"{path}: cannot be written ({reason}).", hint="Choose a folder you may write to.") from exc


def _take(temporary: Path, name: Path) -> None:
    """Give the finished file its name. Raises FileExistsError where the name is taken, which a rename would not."""
    try:
        os.link(temporary, name)
    except FileExistsError:
        raise
    except OSError:
        # exFAT and some network drives have no hard links. There an empty file takes the name first.
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        try:
            temporary.replace(name)
        except OSError:
            name.unlink()
            raise


def _sync_folder(folder: Path) -> None:
    """Make a new name durable: a file's own sync does not cover its entry in the folder. Windows needs and has none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_beside(path: Path, data: bytes, mode: int) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)  # noqa: PTH101 - mkstemp made it 0600
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
