"""Writing files so that a reader sees all of it or nothing, whatever dies meanwhile."""

from __future__ import annotations

import errno
import os
import platform
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
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
        fsync_folder(path.parent)


def write_once(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Like :func:`write_atomic`, for a file that is named by what is in it, in a folder that is there; nobody else may
    read it. One that is not ``durable`` is so after :func:`sync_files`. Raises DiskFull and CannotWrite."""
    name = os.fspath(path)
    folder, last = os.path.split(name)
    temporary = os.path.join(folder, f".{last}.{secrets.token_hex(8)}.part")  # noqa: PTH118 - paths cost more than this
    with translated(path):
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                _write_all(file, data)
                if durable:
                    os.fsync(file.fileno())
            os.replace(temporary, name)  # noqa: PTH105
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        if durable:
            fsync_folder(path.parent)


def _write_all(file: FileIO, data: bytes) -> None:
    """Without a buffer a file may take a part of it at a time."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


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
                    fsync_folder(path.parent)
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


def fsync_folder(folder: Path) -> None:
    """Make a new name durable: a file's own sync does not cover its entry in the folder. Windows needs and has none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_files(root: Path, files: Iterable[Path]) -> None:
    """Make files below ``root`` durable, with their names; those that are gone by now are left out. Raises DiskFull and
    CannotWrite."""
    with translated(root):
        if platform.system() == "Linux":
            _sync_all(root)
            return
        for path in files:
            with suppress(FileNotFoundError), path.open("r+b") as file:
                os.fsync(file.fileno())
                fsync_folder(path.parent)


def _sync_all(root: Path) -> None:
    """Everything of the file system that ``root`` is in: one wait for the disk, however many files there are."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(root, os.O_RDONLY)
    try:
        if libc.syncfs(handle) != 0:
            raise OSError(ctypes.get_errno(), "syncfs failed")
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
