"""Who signs: the user's own certificate by setting, else a self-made one that is kept in the data folder."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from .. import log
from ..clock import utc_now
from ..errors import BadKey, BadSetting, CannotWrite, DiskFull
from .checking import check, check_anchors
from .issuing import issue

_log = log.get("provenance.keys")

_CHAIN, _KEY, _ROOT, _ROOT_KEY = "chain.pem", "key.pem", "root.pem", "root-key.pem"
_LOCK_WAIT = 30.0  # seconds; making keys takes milliseconds


class KeySettings(Protocol):
    """The settings that signing and its trust need; paths are those of PEM files."""

    @property
    def data_dir(self) -> Path: ...
    @property
    def signing_cert(self) -> Path | None: ...
    @property
    def signing_key(self) -> Path | None: ...
    @property
    def trust_anchors(self) -> Path | None: ...


@dataclass(frozen=True)
class Identity:
    """A key with its certificate chain, both checked.

    ``chain_pem`` is leaf first; ``key_pem`` is PKCS#8 and never shows in a repr. ``root_pem`` is what others may add
    to their trust list (None where an own chain comes without its root). ``algorithm`` is c2pa's name. ``issuer`` is
    what readers show. ``self_made``: on nobody's trust list; ``created_now``: made by this very call.
    """

    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    root_pem: bytes | None = field(repr=False)
    algorithm: str
    issuer: str
    expires: datetime
    self_made: bool
    created_now: bool = False


def signing_identity(settings: KeySettings) -> Identity:
    """The identity that signs, made on first use.

    With ``signing_cert`` and ``signing_key`` set it is that one. Otherwise a P-256 root and leaf are kept in
    ``<data_dir>/keys/signing`` (files 0600, folder 0700): all of them appear at once or not at all, whoever else
    starts at the same time and wherever a crash strikes.

    Raises :class:`BadKey` for a pair that cannot sign, :class:`BadSetting` where only one of the two settings is
    given, :class:`CannotWrite` or :class:`DiskFull` where the data folder cannot take the keys.
    """
    if settings.signing_cert is not None and settings.signing_key is not None:
        return _load(settings.signing_cert, settings.signing_key)
    if settings.signing_cert is not None or settings.signing_key is not None:
        raise BadSetting("Only one of signing_cert and signing_key is set.", hint="Set both, or neither.")
    folder = settings.data_dir / "keys" / "signing"
    created = not folder.exists() and _create(folder)
    return _load(folder / _CHAIN, folder / _KEY, self_made_in=folder, created_now=created)


def trust_anchors(settings: KeySettings) -> str | None:
    """The PEM text of the roots that reading trusts, or None. Raises :class:`BadKey` for a file that is no such."""
    if settings.trust_anchors is None:
        return None
    pem = _read(settings.trust_anchors)
    check_anchors(pem, str(settings.trust_anchors))
    return pem.decode("utf-8", "replace")


def _load(chain_path: Path, key_path: Path, *, self_made_in: Path | None = None, created_now: bool = False) -> Identity:
    chain, key = _read(chain_path), _read(key_path)
    now = utc_now()
    try:
        facts = check(chain, key, chain_name=str(chain_path), key_name=str(key_path), now=now)
    except BadKey as exc:
        if self_made_in is None:
            raise
        raise BadKey(exc.message, hint=_renewal(self_made_in)) from exc
    return Identity(
        chain_pem=chain,
        key_pem=key,
        root_pem=facts.root,
        algorithm=facts.algorithm,
        issuer=facts.issuer,
        expires=facts.expires,
        self_made=self_made_in is not None,
        created_now=created_now,
    )


def _renewal(folder: Path) -> str:
    return f"This identity is self-made: move {folder} away and a new one is made."


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        cause = exc.strerror or "cannot be read"
        raise BadKey(f"{path}: {cause}.", hint="Signing needs this file; check the path and who may read it.") from exc


def _create(folder: Path) -> bool:
    """Make the folder with its keys, unless somebody else just did; whether it was us."""
    with _storage_errors(folder):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder.parent / "signing.lock", timeout=_LOCK_WAIT, mode=0o600):
            if folder.exists():
                return False
            _sweep(folder.parent)
            _fill(folder)
    _log.info("made a self-made signing identity in %s", folder, extra=log.action("identity_created"))
    return True


def _sweep(parent: Path) -> None:
    """Remove what a crash left behind; the caller holds the lock, so nobody is at work there."""
    for leftover in parent.glob(".signing-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _fill(folder: Path) -> None:
    issued = issue(utc_now())
    draft = Path(tempfile.mkdtemp(prefix=".signing-", dir=folder.parent))  # 0700 by itself
    try:
        for name, pem in (
            (_CHAIN, issued.chain),
            (_KEY, issued.leaf_key),
            (_ROOT, issued.root),
            (_ROOT_KEY, issued.root_key),
        ):
            _write_private(draft / name, pem)
        # One rename shows all four files or none.
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except Timeout as exc:
        raise CannotWrite(f"Another process holds {exc.lock_file}.", hint="Is it stuck? Stop it.") from exc
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            raise DiskFull(f"No room for the signing keys in {folder}.", hint="Free some space.") from exc
        hint = "Set MINTMARK_DATA_DIR to a folder that can be written."
        raise CannotWrite(f"The signing keys cannot be kept in {folder}: {exc.strerror}.", hint=hint) from exc
