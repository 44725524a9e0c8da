"""Provider keys: the environment wins, then the system's keyring, then a file that only its owner can read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from ..config import Settings
from ..errors import InvalidInput, MissingKey
from .accounts import ACCOUNTS, accounts
from .keyfile import KeyFile
from .keyring_store import KeyringStore
from .secret import NO_KEY, Secret

Place = Literal["environment", "keyring", "file", "account"]
"""``account`` is no key: the machine's own account, as the vendor's tools find it (``accounts.py``)."""

VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "bfl": ("BFL_API_KEY",),
    "fal": ("FAL_KEY",),
    "replicate": ("REPLICATE_API_TOKEN",),
    "stability": ("STABILITY_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "ideogram": ("IDEOGRAM_API_KEY",),
    "firefly": ("FIREFLY_SERVICES_CLIENT_SECRET",),
    "huggingface": ("HF_TOKEN",),
    "bedrock": ("AWS_BEARER_TOKEN_BEDROCK",),
    "azure": ("AZURE_OPENAI_API_KEY",),
    "content-safety": ("AZURE_CONTENT_SAFETY_KEY", "CONTENT_SAFETY_KEY"),
    "google-vision": ("GOOGLE_VISION_API_KEY",),
}
"""Every provider and service that takes a key, and the variables its own tools read; the first that is set counts."""

_EVERY = (*VARIABLES, *(name for name in ACCOUNTS if name not in VARIABLES))
_LONGEST = 4096


class Keys:
    """The keys of this machine's user. Nothing here returns a key as text except inside a :class:`Secret`.

    A keyring that does not answer is given up after a few seconds, once; a first look-up may take as long.
    """

    def __init__(
        self, settings: Settings, *, env: Mapping[str, str] | None = None, keyring: KeyringStore | None = None
    ) -> None:
        self._env = os.environ if env is None else env
        self._accounts = accounts(settings.provider_accounts)
        self._keyring = keyring or KeyringStore()
        self._file = KeyFile((settings.keys_dir or settings.data_dir) / "keys.json")

    def find(self, provider: str) -> Secret | None:
        """The provider's key, or None. Raises InvalidInput for a name that is no provider."""
        found = self._look(provider)
        return Secret(found[1]) if found else None

    def require(self, provider: str) -> Secret:
        """The provider's key; ``NO_KEY`` where there is none and this machine has an account instead.

        Raises MissingKey, which says both ways to supply one.
        """
        if (key := self.find(provider)) is not None:
            return key
        if provider in self._accounts:
            return NO_KEY
        raise MissingKey(f"No key for {provider} is set.", hint=_how(provider), provider=provider)

    def place(self, provider: str) -> Place | None:
        """Where the provider's key comes from, or None. Raises InvalidInput where what is there cannot be a key."""
        found = self._look(provider)
        if found:
            return found[0]
        return "account" if provider in self._accounts else None

    def present(self) -> dict[str, Place]:
        """Which providers can be called, and what with: a key and where it comes from, or an account. Names only."""
        return {provider: where for provider in _EVERY if (where := self.place(provider))}

    def set(self, provider: str, value: str) -> Place:
        """Keep a key for later, in the keyring where there is one, and say where it went.

        Raises InvalidInput for a value that cannot be a key (it is not quoted), CannotWrite and DiskFull.
        """
        _known(provider)
        key = _checked(provider, value)
        if self._keyring.set(provider, key):
            # An older copy on disk would be a secret nobody remembers.
            self._file.change(provider, None)
            return "keyring"
        self._file.change(provider, key)
        return "file"

    def remove(self, provider: str) -> tuple[Place, ...]:
        """Forget a kept key; the places it was in. One from the environment stays: it is not ours to unset."""
        _known(provider)
        removed: list[Place] = []
        if self._keyring.remove(provider):
            removed.append("keyring")
        if self._file.read() and self._file.change(provider, None):
            removed.append("file")
        return tuple(removed)

    def _look(self, provider: str) -> tuple[Place, str] | None:
        _known(provider)
        for variable in VARIABLES.get(provider, ()):
            if value := self._env.get(variable, "").strip():
                return "environment", _checked(provider, value, variable)
        # Other tools and hands write to these two as well: a stray line break must not reach a header.
        if value := (self._keyring.get(provider) or "").strip():
            return "keyring", _checked(provider, value, "in the keyring")
        if value := self._file.read().get(provider, "").strip():
            return "file", _checked(provider, value, "in the key file")
        return None


def _known(provider: str) -> None:
    if provider not in _EVERY:
        raise InvalidInput(f"{provider!r} is no provider.", hint=f"Providers: {', '.join(_EVERY)}.")


def _how(provider: str) -> str:
    """Every way to be known to it."""
    account = f"to use this machine's account: MINTMARK_PROVIDER_ACCOUNTS={provider}" if provider in ACCOUNTS else ""
    if provider not in VARIABLES:
        return f"{account.capitalize()} (docs/providers.md)."
    key = (
        "In ComfyUI: Settings > Mintmark > Keys. Elsewhere set the environment variable "
        f"{VARIABLES[provider][0]}, or run: mintmark keys set {provider}"
    )
    return f"{key}; {account}" if account else key


def _checked(provider: str, value: str, where: str = "what was given") -> str:
    """The value, where it can be sent in a header. The message never quotes it."""
    if not value:
        problem = "is empty"
    elif len(value) > _LONGEST:
        problem = f"is longer than {_LONGEST} characters"
    elif not all("!" <= letter <= "~" for letter in value):
        problem = "has spaces, line breaks or characters that no key has"
    else:
        return value
    raise InvalidInput(
        f"The key for {provider} ({where}) {problem}.", hint="Copy the key again, without anything else."
    )
