"""Where checkpoints go: a line more in a file, or a POST to a URL. It should be out of reach of who runs the database.

A file is only ever added to, so a medium that allows nothing else is good for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from ...errors import TargetFailed
from ...storage.files import translated

FILE = "audit-checkpoints.jsonl"
_TIMEOUT_S = 20.0


def default_target(books_dir: Path) -> str:
    """Where they go when nobody says: beside the books, which shows a mistake, and no wrong by who has the disk."""
    return str(books_dir / FILE)


def deliver(line: str, target: str) -> None:
    """Bring a checkpoint there; durable, or taken, when this returns. Raises TargetFailed, CannotWrite and DiskFull."""
    if target.startswith(("https://", "http://")):
        _post(line, target)
    else:
        _append(line, file_of(target))


def file_of(target: str) -> Path:
    """The file that a target means: itself, or the one in the folder that it is."""
    path = Path(target).expanduser()
    return path / FILE if path.is_dir() or target.endswith(("/", os.sep)) else path


def _append(line: str, path: Path) -> None:
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            # In one call: of two processes at once neither writes into the other's line.
            os.write(handle, f"{line}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)


def _post(line: str, url: str) -> None:
    import urllib.error
    import urllib.request

    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, line.encode(), headers, method="POST")  # noqa: S310 - http and https only
    host = urlsplit(url).hostname
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310
            reply.read(1)
    except urllib.error.HTTPError as exc:
        exc.close()
        raise TargetFailed(f"{host} answered {exc.code} to a checkpoint of the audit log.") from exc
    except (OSError, ValueError) as exc:
        raise TargetFailed(f"{host} takes no checkpoint of the audit log now ({exc}).") from exc
