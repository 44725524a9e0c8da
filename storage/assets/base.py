"""Where the service keeps files: this file is the contract, ``tests/contracts/assets.py`` its test.

A file is named by its SHA-256, so putting the same bytes twice is one file, and a file never changes under its name.
What it is (its media type) is told by its bytes, never by who sent it; see :mod:`.kinds`. What must hold:

- What was put is whole and durable when the call returns; a reader never sees a part of it.
- A name that is no digest (64 lower-case hex digits) names nothing, whatever is in it: UnknownAsset.
- An :class:`Incoming` that is left without :meth:`Incoming.keep` leaves nothing behind.

All methods block: call them from a thread. A bucket would be another member of this folder.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ...errors import UnknownAsset

DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Asset:
    """One kept file."""

    digest: str
    """SHA-256 of its bytes, in lower-case hex: its name."""
    bytes: int
    media_type: str


@dataclass(frozen=True)
class Span:
    """A part of a file: ``length`` bytes from ``start``, counted from 0."""

    start: int
    length: int


class Incoming(ABC):
    """A file that arrives piece by piece. Used as ``with store.incoming(...) as file``."""

    @property
    @abstractmethod
    def received(self) -> int:
        """How many bytes have arrived."""

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Take the next piece. Raises RequestTooLarge before more than the limit is on the disk, and DiskFull."""

    @abstractmethod
    def head(self, most: int) -> bytes:
        """The first bytes of what has arrived."""

    @abstractmethod
    def path(self) -> Path:
        """What has arrived as a file, to be looked into and left as it is. It is gone with this object."""

    @abstractmethod
    def keep(self, media_type: str | None = None) -> Asset:
        """It is complete: keep it under its name."""

    @abstractmethod
    def close(self) -> None:
        """Forget what was not kept. Harmless to repeat."""

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AssetStore(ABC):
    """Files by digest. See the module's text for what must hold."""

    @abstractmethod
    def put(self, data: bytes, media_type: str | None = None) -> Asset:
        """Keep the bytes. ``media_type`` is what the sender says; it counts only where the bytes do not tell.

        Raises DiskFull and CannotWrite.
        """

    def lay(self, data: bytes, media_type: str | None = None, *, later: bool = False) -> Asset:
        """Like :meth:`put`, but a small file need not be durable yet: as long as :meth:`laid` gives its bytes, whoever
        laid it keeps them elsewhere, until :meth:`settle` has named it. A disk is waited for so only once for many.

        ``later``: it need not even be in its place before :meth:`arrive`; it can be had here, but by no other process.
        """
        return self.put(data, media_type)

    def coming(self) -> list[str]:
        """What was laid for later and is not in its place yet."""
        return []

    def arrive(self, digests: Iterable[str]) -> None:  # noqa: B027 - where nothing is laid for later, all is in its place
        """Have what was laid for later be in its place. Raises DiskFull and CannotWrite."""

    def laid(self, digest: str) -> bytes | None:
        """The bytes of a file that may not be durable yet."""
        return None

    def settle(self) -> list[str]:
        """Make durable what was laid; the digests of that. What cannot come to its place now stays laid, and what
        another process deleted there is not named. Raises DiskFull and CannotWrite where nothing can be made durable.
        """
        return []

    def restore(self, digest: str, data: bytes, media_type: str | None = None) -> None:
        """Have the file be there and durable, whatever was left of it when the power failed. ``media_type`` as for
        :meth:`put`."""
        self.put(data, media_type)

    @property
    def place(self) -> str:
        """Names where the files lie, so that nobody restores another's."""
        return ""

    @abstractmethod
    def incoming(self, *, most_bytes: int) -> Incoming:
        """Begin a file that arrives in pieces and may have at most so many bytes."""

    @abstractmethod
    def find(self, digest: str) -> Asset | None:
        """What is kept under this name; None where nothing is."""

    @abstractmethod
    def read(self, digest: str, span: Span | None = None) -> bytes:
        """The bytes, or a part of them. Raises UnknownAsset, also where they are no longer what they were."""

    def small(self, digest: str, most: int) -> tuple[Asset, bytes] | None:
        """A file with its bytes, at one go; None where it has more than ``most``. Raises UnknownAsset."""
        asset = self.get(digest)
        return (asset, self.read(digest, Span(0, asset.bytes))) if asset.bytes <= most else None

    @abstractmethod
    def path(self, digest: str) -> Path | None:
        """The file itself where it lies on this machine, to be sent without reading it; None in a bucket.

        Raises UnknownAsset.
        """

    @abstractmethod
    def delete(self, digest: str) -> bool:
        """Forget the file; whether there was one. Nobody asks here who else needs it."""

    def at_hand(self, digest: str) -> bool:
        """Whether this is a small file that was put of late: reading it takes less time than going to a thread."""
        return False

    def exists(self, digest: str) -> bool:
        """Whether the file is kept."""
        return self.find(digest) is not None

    def get(self, digest: str) -> Asset:
        """What is kept under this name. Raises UnknownAsset."""
        found = self.find(digest)
        if found is None:
            raise unknown(digest)
        return found


def is_digest(text: str) -> bool:
    """Whether the text is the name of an asset, so that it may become part of a path."""
    return DIGEST.fullmatch(text) is not None


def unknown(digest: str) -> UnknownAsset:
    """The error for a name that names nothing here."""
    shown = digest if is_digest(digest) else repr(digest[:70])
    return UnknownAsset(f"There is no asset {shown}.", hint="It was deleted, or it never was here.")
