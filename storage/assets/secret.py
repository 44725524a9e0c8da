"""The secret that links are signed with: made once, kept in a file that only its owner reads, changed by rotation."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from filelock import FileLock

from ...errors import CannotWrite
from ..files import translated, write_atomic

BYTES = 32
KEPT = 2
"""How many secrets are good: the one that signs, and the one before it, so that a rotation breaks no link."""


def load(path: Path) -> tuple[bytes, ...]:
    """The secrets, the one that signs first; made where there is no file yet. Raises CannotWrite."""
    with _alone(path):
        found = _read(path)
        return found or _write(path, (secrets.token_bytes(BYTES),))


def rotate(path: Path) -> tuple[bytes, ...]:
    """Sign with a new secret from now on. The one before stays good until the next rotation. Raises CannotWrite."""
    with _alone(path):
        return _write(path, (secrets.token_bytes(BYTES), *_read(path))[:KEPT])


def _alone(path: Path) -> FileLock:
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes that start at once must come to the same secret.
    return FileLock(f"{path}.lock", timeout=30)


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        found = tuple(bytes.fromhex(each) for each in json.loads(path.read_text("ascii"))["secrets"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise _damaged(path) from exc
    if not found or any(len(each) < BYTES for each in found):
        raise _damaged(path)
    if os.name != "nt" and path.stat().st_mode & 0o077:
        # Copied or restored with other rights: others must not read it from now on.
        path.chmod(0o600)
    return found


def _write(path: Path, kept: tuple[bytes, ...]) -> tuple[bytes, ...]:
    write_atomic(path, json.dumps({"secrets": [each.hex() for each in kept]}).encode(), mode=0o600)
    return kept


def _damaged(path: Path) -> CannotWrite:
    return CannotWrite(
        f"{path} holds no secrets for links.", hint="Move it away: a new one is made, and links given out so far end."
    )
