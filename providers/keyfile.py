"""Where keys rest when the system has no keyring: one JSON file that only its owner can read."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from pathlib import Path

from .. import log
from ..errors import BadSetting, CannotWrite, DiskFull

logger = log.get("providers.keys")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFile:
    """Provider names and their keys in ``path``, mode 0600, replaced as a whole at every change."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """All keys; none where the file does not exist. Raises BadSetting where it is no such file."""
        try:
            self._close_to_others()
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as exc:
            raise self._bad("cannot be read") from exc
        try:
            keys = json.loads(text)
        except ValueError:
            # The decoder's error carries the whole text, so it is not passed on.
            keys = None
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise self._bad("is not a file of keys")
        return keys

    def change(self, provider: str, key: str | None) -> bool:
        """Set a key, or remove it with None; whether anything changed. Raises CannotWrite and DiskFull."""
        from filelock import FileLock

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Two processes that each set a key must not lose one of them.
            with FileLock(f"{self._path}.lock", mode=0o600):
                keys = self.read()
                before = dict(keys)
                keys.pop(provider, None)
                if key is not None:
                    keys[provider] = key
                if keys != before:
                    self._replace(keys)
                return keys != before
        except OSError as exc:
            kind = DiskFull if exc.errno in (errno.ENOSPC, errno.EDQUOT) else CannotWrite
            raise kind(f"{self._path} cannot be written: {exc.strerror}.", hint="Set MINTMARK_DATA_DIR.") from exc

    def _replace(self, keys: dict[str, str]) -> None:
        # mkstemp makes the file 0600 from the start: at no moment can others read it.
        handle, name = tempfile.mkstemp(prefix=".keys-", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(keys, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _close_to_others(self) -> None:
        if os.name == "posix" and self._path.stat().st_mode & _OTHERS:
            self._path.chmod(0o600)
            logger.warning("%s was readable by others; it is 0600 now", self._path, extra=log.action("keys_closed"))

    def _bad(self, what: str) -> BadSetting:
        return BadSetting(f"{self._path} {what}.", hint="Remove it and set the keys again: mintmark keys set PROVIDER.")
