"""The system's keyring, where there is a real one.

On a machine without a desktop the keyring library may find a backend that cannot work, raise whatever that backend
raises, or wait for somebody to unlock it on a screen that does not exist. So each use is given little time, and after
the first failure the keyring counts as absent for the rest of the process.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from .. import log

logger = log.get("providers.keys")

SERVICE = "mintmark"
# Elsewhere a dialogue really appears, and a person needs a moment to answer it.
_PATIENCE_S = 3.0 if sys.platform == "linux" else 60.0

T = TypeVar("T")


class Backend(Protocol):
    """The part of ``keyring.backend.KeyringBackend`` that is used."""

    def get_password(self, service: str, username: str) -> str | None:
        """The stored secret, or None."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a secret."""

    def delete_password(self, service: str, username: str) -> None:
        """Forget a secret."""


def system_backend() -> Backend | None:
    """The keyring library's backend, or None where it has only its stand-ins for "there is none"."""
    import keyring
    from keyring.backends import chainer, fail, null

    backend = keyring.get_keyring()
    if isinstance(backend, chainer.ChainerBackend):
        return backend if backend.backends else None
    return None if isinstance(backend, (fail.Keyring, null.Keyring)) else backend


class KeyringStore:
    """Keys in the system's keyring. Every method answers as if empty where the keyring does not work."""

    def __init__(self, find: Callable[[], Backend | None] = system_backend, patience_s: float = _PATIENCE_S) -> None:
        self._find = find
        self._patience_s = patience_s
        self._backend: Backend | None = None
        self._looked = False

    def get(self, provider: str) -> str | None:
        """The key, or None."""
        backend = self._working()
        return self._within(lambda: backend.get_password(SERVICE, provider)) if backend else None

    def set(self, provider: str, key: str) -> bool:
        """Store the key and read it back; False where that did not work."""
        backend = self._working()
        if backend is None:
            return False
        self._within(lambda: backend.set_password(SERVICE, provider, key))
        return self.get(provider) == key

    def remove(self, provider: str) -> bool:
        """Forget the key; False where there was none."""
        backend = self._working()
        if backend is None or self.get(provider) is None:
            return False
        self._within(lambda: backend.delete_password(SERVICE, provider))
        return self.get(provider) is None

    def _working(self) -> Backend | None:
        if not self._looked:
            self._looked = True
            self._backend = self._within(self._find)
        return self._backend

    def _within(self, ask: Callable[[], T]) -> T | None:
        """What ``ask`` returns, or None (and no keyring from now on) where it raises or takes too long."""
        found: list[T] = []

        def work() -> None:
            try:
                found.append(ask())
            except Exception as exc:  # noqa: BLE001 - each backend raises its own kinds; all mean "no keyring"
                logger.info("the keyring does not work: %s", type(exc).__name__, extra=log.action("keyring_failed"))

        # A daemon: a backend that waits for a dialogue must not keep the process alive.
        thread = threading.Thread(target=work, name="mintmark-keyring", daemon=True)
        thread.start()
        thread.join(self._patience_s)
        if found:
            return found[0]
        self._backend = None
        return None
