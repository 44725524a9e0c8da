"""Who signs: the user's own certificate by setting, else a self-made one that is kept in the data folder."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from .. import log
from ..clock import utc_now
from ..errors import BadKey, BadSetting
from . import holders, selfmade
from .checking import Checked, check, check_chain
from .holders import Holder


class KeySettings(Protocol):
    """The settings that say who signs; paths are those of PEM files."""

    @property
    def data_dir(self) -> Path: ...
    @property
    def signing_cert(self) -> Path | None: ...
    @property
    def signing_key(self) -> Path | None: ...
    @property
    def signing_cert_pem(self) -> str | None: ...
    @property
    def signing_key_pem(self) -> str | None: ...
    @property
    def signer(self) -> str | None: ...


@dataclass(frozen=True)
class Identity:
    """A certificate chain with its key, or with whoever holds it, all checked.

    ``chain_pem`` is leaf first; ``key_pem`` is PKCS#8 and never shows in a repr; it is empty where a ``holder`` signs.
    ``root_pem`` is what others may add to their trust list (None where an own chain comes without its root).
    ``algorithm`` is c2pa's name. ``issuer`` is what readers show. ``self_made``: on nobody's trust list;
    ``created_now``: made by this very call.
    """

    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    root_pem: bytes | None = field(repr=False)
    algorithm: str
    issuer: str
    expires: datetime
    self_made: bool
    created_now: bool = False
    holder: Holder | None = None


class _Pem(NamedTuple):
    content: bytes
    name: str
    """What a message calls it."""


def signing_identity(settings: KeySettings) -> Identity:
    """The identity that signs, made on first use.

    With a chain set, and a key or a ``signer``, it is that one: from files or from the settings' own text. Otherwise a
    P-256 root and leaf are kept in ``<data_dir>/keys/signing``. A signer is tried out here, before any money is spent.

    Raises :class:`BadKey` for what cannot sign, :class:`SignerFailed` for a signer that does not, :class:`BadSetting`
    where settings are missing or contradict each other, :class:`CannotWrite` or :class:`DiskFull` where the data
    folder cannot take the keys.
    """
    _refuse_contradictions(settings)
    chain = _given("signing_cert", settings.signing_cert, settings.signing_cert_pem)
    if chain is not None and settings.signer is not None:
        return _held_elsewhere(settings.signer, chain)
    key = _given("signing_key", settings.signing_key, settings.signing_key_pem)
    if chain is not None and key is not None:
        return _identity(chain, key)
    folder = settings.data_dir / "keys" / "signing"
    created = not folder.exists() and selfmade.create(folder)
    return _self_made(folder, created)


def _refuse_contradictions(settings: KeySettings) -> None:
    chains = [settings.signing_cert, settings.signing_cert_pem]
    keys = [settings.signing_key, settings.signing_key_pem]
    for name, given in (("signing_cert", chains), ("signing_key", keys)):
        if None not in given:
            raise BadSetting(f"Both {name} and {name}_pem are set.", hint="Set one of them.")
    chain, key = any(chains), any(keys)
    if settings.signer is not None and key:
        raise BadSetting("Both signer and signing_key are set.", hint="The signer takes the place of the key.")
    if settings.signer is not None and not chain:
        raise BadSetting("There is a signer, and no signing_cert.", hint="Set the chain that was issued for its key.")
    if settings.signer is None and chain is not key:
        raise BadSetting("Only one of signing_cert and signing_key is set.", hint="Set both, or neither.")


def _given(name: str, path: Path | None, text: str | None) -> _Pem | None:
    if text is None:
        return _from_file(path) if path is not None else None
    found = _from_text(f"MINTMARK_{name.upper()}_PEM", text)
    if name == "signing_key":
        _hide(text, found.content)
    return found


def _from_text(name: str, text: str) -> _Pem:
    """Of a variable: as PEM, with ``\\n`` for its ends of lines where it had to stand in one, or as base64 of it."""
    pem = text.replace("\\n", "\n").encode()
    if b"-----BEGIN" not in pem:
        try:
            pem = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            # The cause is left out on purpose: it may quote the key.
            raise BadKey(f"{name} is neither PEM nor base64.", hint="base64 -w0 FILE makes one line of it.") from None
    return _Pem(pem, name)


def _hide(text: str, pem: bytes) -> None:
    """Have a key that came as text taken out of whatever is logged, as a whole and line by line."""
    for line in (text, *pem.decode("latin-1").splitlines()):
        if not line.startswith("-----"):
            log.hide(line)


def _from_file(path: Path) -> _Pem:
    try:
        return _Pem(path.read_bytes(), str(path))
    except OSError as exc:
        cause = exc.strerror or "cannot be read"
        raise BadKey(f"{path}: {cause}.", hint="Signing needs this file; check the path and who may read it.") from exc


def _held_elsewhere(signer: str, chain: _Pem) -> Identity:
    facts = check_chain(chain.content, name=chain.name, now=utc_now())
    holder = holders.load(signer)
    holder.try_out(facts.public_key, facts.algorithm)
    return _made(chain.content, b"", facts, holder=holder)


def _identity(chain: _Pem, key: _Pem) -> Identity:
    facts = check(chain.content, key.content, chain_name=chain.name, key_name=key.name, now=utc_now())
    return _made(chain.content, key.content, facts)


def _self_made(folder: Path, created_now: bool) -> Identity:
    chain, key = _from_file(folder / selfmade.CHAIN), _from_file(folder / selfmade.KEY)
    try:
        facts = check(chain.content, key.content, chain_name=chain.name, key_name=key.name, now=utc_now())
    except BadKey as exc:
        hint = f"This identity is self-made: move {folder} away and a new one is made."
        raise type(exc)(exc.message, hint=hint) from exc
    return _made(chain.content, key.content, facts, self_made=True, created_now=created_now)


def _made(
    chain: bytes,
    key: bytes,
    facts: Checked,
    *,
    self_made: bool = False,
    created_now: bool = False,
    holder: Holder | None = None,
) -> Identity:
    return Identity(
        chain_pem=chain,
        key_pem=key,
        root_pem=facts.root,
        algorithm=facts.algorithm,
        issuer=facts.issuer,
        expires=facts.expires,
        self_made=self_made,
        created_now=created_now,
        holder=holder,
    )
