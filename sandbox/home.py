"""The sandbox of a data folder: the same port and the same books each time it is started.

So a run that was killed can be taken up again in the sandbox as it can with a real provider: the call it made is still
known there, under the same URLs. Only one process at a time has it; another one meanwhile gets a sandbox that forgets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import BadSetting
from .server import Sandbox

_LONGEST_BOOKS = 4 * 1024 * 1024
"""Bytes of books beyond which they are begun anew: play money needs no archive, and they are read at each start."""


@asynccontextmanager
async def home_sandbox(folder: Path) -> AsyncIterator[Sandbox]:
    """Start the folder's sandbox, or one that forgets where another process has it."""
    lock = _taken(folder)
    if lock is None:
        async with Sandbox() as sandbox:
            yield sandbox
        return
    try:
        sandbox = await _open(folder)
        try:
            yield sandbox
        finally:
            await sandbox.__aexit__(None, None, None)
    finally:
        lock.release()


def _taken(folder: Path) -> FileLock | None:
    """The folder's lock, now ours; None where another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "sandbox.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


async def _open(folder: Path) -> Sandbox:
    books, memory = _books(folder), folder / "sandbox.port"
    sandbox = Sandbox(_remembered(memory), state=books)
    try:
        await sandbox.__aenter__()
    except BadSetting:
        # Somebody else has the port now; what was asked under it can no longer be found.
        sandbox = Sandbox(state=books)
        await sandbox.__aenter__()
    memory.write_text(sandbox.url.rpartition(":")[2], encoding="utf-8")
    return sandbox


def _books(folder: Path) -> Path:
    books = folder / "sandbox.jsonl"
    if books.exists() and books.stat().st_size > _LONGEST_BOOKS:
        books.unlink()
    return books


def _remembered(memory: Path) -> int:
    with suppress(OSError, ValueError):
        port = int(memory.read_text(encoding="utf-8"))
        return port if 1024 <= port <= 65535 else 0
    return 0
