"""Assets in a folder: two levels by digest, so that no folder grows without end.

``ab/abcd…`` is the file; beside it ``abcd….type`` only where its bytes do not tell what it is.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ...errors import RequestTooLarge, StorageError
from ..files import fsync_folder, sync_files, translated, write_atomic, write_once
from . import kinds
from .base import Asset, AssetStore, Incoming, Span, is_digest, unknown

SMALL, LATE = 2**16, 256
"""Of so many files, which have so many bytes at most, the system still has what was written."""
LAID, MOST_LAID = 2**14, 2000
"""The largest file that is laid, in bytes; so many at most wait to be settled, and with them so much memory."""
ARRIVING = ".arriving"
"""The folder of what has not fully arrived."""


class _Laid:
    """A small file that may not be durable yet. Who lays the same again, since it was deleted, makes another one: so
    each is told from those before it."""

    __slots__ = ("asset", "coming", "data")

    def __init__(self, asset: Asset, data: bytes) -> None:
        self.asset, self.data = asset, data
        self.coming = True
        """Whether it is not in its place yet."""


class FolderAssets(AssetStore):
    """Files under ``root``, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._where = ""
        self._late: OrderedDict[str, None] = OrderedDict()
        """Small files that were put of late."""
        self._laid: dict[str, _Laid] = {}
        """Those of them that may not be durable yet."""
        self._placing = threading.Lock()
        """Held by whoever brings what was laid to its place or forgets it; never by whoever lays for later or reads."""

    def put(self, data: bytes, media_type: str | None = None) -> Asset:
        asset = _asset_of(data, media_type)
        if asset.digest in self._laid:
            self._put_laid(asset, data)
        elif not self._has(asset.digest, len(data)):
            self._write(asset, data, durable=True)
        self._note(asset)
        return asset

    def _put_laid(self, asset: Asset, data: bytes) -> None:
        """What was laid may have its size, and no bytes yet on the disk."""
        with self._placing:
            self._write(asset, data, durable=True)
            if (laid := self._laid.get(asset.digest)) is not None:
                laid.coming = False

    def lay(self, data: bytes, media_type: str | None = None, *, later: bool = False) -> Asset:
        if len(data) > LAID or len(self._laid) >= MOST_LAID:
            return self.put(data, media_type)
        asset = _asset_of(data, media_type)
        # What was laid before and is not in its place was deleted there by another process: it is laid anew.
        if self._coming(asset.digest) is None and not self._has(asset.digest, len(data)):
            # Noted first: who lays the same meanwhile must not take it for durable.
            self._laid[asset.digest] = laid = _Laid(asset, data)
            if not later:
                self._bring(laid)
        self._note(asset)
        return asset

    def _bring(self, laid: _Laid) -> None:
        """Have it be in its place now, or not be laid at all."""
        try:
            self.arrive([laid.asset.digest])
        except BaseException:
            self._forget_laid(laid)
            raise

    def coming(self) -> list[str]:
        return [digest for digest, laid in list(self._laid.items()) if laid.coming]

    def _coming(self, digest: str) -> _Laid | None:
        """The file, where it was laid and is not in its place yet."""
        laid = self._laid.get(digest)
        return laid if laid is not None and laid.coming else None

    def arrive(self, digests: Iterable[str]) -> None:
        for digest in digests:
            # One that is deleted meanwhile must not come back.
            with self._placing:
                if (laid := self._coming(digest)) is not None:
                    self._write(laid.asset, laid.data, durable=False)
                    laid.coming = False

    def laid(self, digest: str) -> bytes | None:
        laid = self._laid.get(digest)
        return None if laid is None else laid.data

    def settle(self) -> list[str]:
        for digest in self.coming():
            with suppress(StorageError):
                self.arrive([digest])
        # Only what was in its place before the disk is waited for: more may be laid meanwhile.
        there = [laid for laid in list(self._laid.values()) if not laid.coming]
        if there:
            sync_files(self._root, [self._place(laid.asset.digest) for laid in there])
        return [laid.asset.digest for laid in there if self._settled(laid)]

    def _settled(self, laid: _Laid) -> bool:
        """Forget that it was laid; whether it is there. Another process may have deleted it: that is its affair."""
        return self._forget_laid(laid) and self._has(laid.asset.digest, laid.asset.bytes)

    def _forget_laid(self, laid: _Laid) -> bool:
        """Whether it was laid still, this very one."""
        with self._placing:
            if ours := self._laid.get(laid.asset.digest) is laid:
                del self._laid[laid.asset.digest]
            return ours

    def restore(self, digest: str, data: bytes, media_type: str | None = None) -> None:
        self._write(_asset_of(data, media_type), data, durable=True)

    @property
    def place(self) -> str:
        if not self._where:  # asked at each job's end, and resolving looks at every folder above
            self._where = f"{platform.node()}:{self._root.resolve()}"
        return self._where

    def _write(self, asset: Asset, data: bytes, *, durable: bool) -> None:
        self._make_room(asset.digest)
        self._say(asset, data[: kinds.HEAD])
        write_once(self._place(asset.digest), data, durable=durable)

    def _note(self, asset: Asset) -> None:
        """It was put of late."""
        if asset.bytes <= SMALL:
            self._late[asset.digest] = None
            if len(self._late) > LATE:
                self._late.popitem(last=False)

    def at_hand(self, digest: str) -> bool:
        return digest in self._late

    def incoming(self, *, most_bytes: int) -> Incoming:
        return _Arriving(self._root / ARRIVING, most_bytes, self._take)

    def find(self, digest: str) -> Asset | None:
        if not is_digest(digest):
            return None
        if (laid := self._coming(digest)) is not None:
            return laid.asset
        path = self._place(digest)
        try:
            with path.open("rb") as file:
                head, size = file.read(kinds.HEAD), os.fstat(file.fileno()).st_size
        except OSError:
            return None
        return Asset(digest, size, kinds.sniff(head) or self._said(path))

    def small(self, digest: str, most: int) -> tuple[Asset, bytes] | None:
        if not is_digest(digest):
            raise unknown(digest)
        if (laid := self._coming(digest)) is not None:
            return (laid.asset, laid.data) if len(laid.data) <= most else None
        path = self._place(digest)
        try:
            with path.open("rb", buffering=0) as file:  # a buffer takes longer than the file
                data = file.read(most + 1)
        except OSError as exc:
            raise unknown(digest) from exc
        if len(data) > most:
            return None
        return Asset(digest, len(data), kinds.sniff(data[: kinds.HEAD]) or self._said(path)), data

    def read(self, digest: str, span: Span | None = None) -> bytes:
        # So it can be had though the disk is full.
        if (laid := self._coming(digest)) is not None:
            return laid.data if span is None else laid.data[span.start : span.start + span.length]
        path = self.path(digest)
        try:
            with path.open("rb") as file:
                if span is not None:
                    file.seek(span.start)
                    return file.read(span.length)
                data = file.read()
        except OSError as exc:
            raise unknown(digest) from exc
        # A disk that lies must not make us deliver, or sign for, something else.
        if hashlib.sha256(data).hexdigest() != digest:
            raise unknown(digest)
        return data

    def path(self, digest: str) -> Path:
        if not is_digest(digest):
            raise unknown(digest)
        self.arrive([digest])
        if not (path := self._place(digest)).is_file():
            raise unknown(digest)
        return path

    def delete(self, digest: str) -> bool:
        if not is_digest(digest):
            return False
        path = self._place(digest)
        with self._placing, translated(path):
            laid = self._laid.pop(digest, None)
            _beside(path).unlink(missing_ok=True)
            try:
                path.unlink()
            except FileNotFoundError:
                return laid is not None and laid.coming
        return True

    def tidy(self, *, older_than_s: float, now: float) -> int:
        """Remove what began to arrive so long ago that whoever received it is dead; how many files went.

        ``now``: seconds since 1970, as the files' times are.
        """
        removed = 0
        for path in (self._root / ARRIVING).glob("*"):
            with suppress(OSError):
                if now - path.stat().st_mtime > older_than_s:
                    path.unlink()
                    removed += 1
        return removed

    def _make_room(self, digest: str) -> None:
        """The folder of this digest, there for good: a file's own sync does not cover its folder's name."""
        folder = self._place(digest).parent
        if not folder.is_dir():
            with translated(folder):
                # All of them with the first: each would make a file's end wait for the disk, in all the first hours.
                for number in range(256):
                    (self._root / f"{number:02x}").mkdir(parents=True, exist_ok=True)
                fsync_folder(self._root)

    def _place(self, digest: str) -> Path:
        return self._root / digest[:2] / digest

    def _has(self, digest: str, size: int) -> bool:
        with suppress(OSError):
            return self._place(digest).stat().st_size == size
        return False

    def _said(self, path: Path) -> str:
        try:
            return kinds.media_type(b"", _beside(path).read_text("ascii"))
        except (OSError, UnicodeDecodeError):
            return kinds.PLAIN

    def _say(self, asset: Asset, head: bytes) -> None:
        """Write down what the bytes do not tell, before the file is there to be asked for."""
        if kinds.sniff(head) is None and asset.media_type != kinds.PLAIN:
            write_atomic(_beside(self._place(asset.digest)), asset.media_type.encode(), mode=0o600)

    def _take(self, arrived: Path, asset: Asset, head: bytes) -> None:
        """Give what has fully arrived its name."""
        if self._has(asset.digest, asset.bytes):
            return
        path = self._place(asset.digest)
        self._make_room(asset.digest)
        self._say(asset, head)
        with translated(path):
            arrived.replace(path)
            fsync_folder(path.parent)


def _asset_of(data: bytes, media_type: str | None) -> Asset:
    digest = hashlib.sha256(data).hexdigest()
    return Asset(digest, len(data), kinds.media_type(data[: kinds.HEAD], media_type))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.type")


Take = Callable[[Path, Asset, bytes], None]


class _Arriving(Incoming):
    """A file in the folder of those that arrive, hashed as it comes."""

    def __init__(self, folder: Path, most_bytes: int, take: Take) -> None:
        self._most, self._take = most_bytes, take
        self._received = 0
        self._hash = hashlib.sha256()
        self._head = b""
        with translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder)
        self._path = Path(name)
        self._file: BinaryIO = os.fdopen(handle, "wb")

    @property
    def received(self) -> int:
        return self._received

    def write(self, chunk: bytes) -> None:
        if self._received + len(chunk) > self._most:
            raise RequestTooLarge(
                f"The file has more than {self._most} bytes.", hint="Send a smaller one.", most_bytes=self._most
            )
        with translated(self._path):
            self._file.write(chunk)
        self._hash.update(chunk)
        self._received += len(chunk)
        if len(self._head) < kinds.HEAD:
            self._head = (self._head + chunk)[: kinds.HEAD]

    def head(self, most: int) -> bytes:
        return self._head[:most]

    def path(self) -> Path:
        with translated(self._path):
            self._file.flush()
        return self._path

    def keep(self, media_type: str | None = None) -> Asset:
        asset = Asset(self._hash.hexdigest(), self._received, kinds.media_type(self._head, media_type))
        with translated(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        self._take(self._path, asset, self._head)
        self.close()
        return asset

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)
