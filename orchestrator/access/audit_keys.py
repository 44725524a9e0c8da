"""The key that signs checkpoints: the user's own by setting, else a self-made one in the data folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from ...errors import BadKey
from ...storage.files import translated, write_atomic
from .checkpoints import encoded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_HINT = "Make one: openssl genpkey -algorithm ed25519 -out audit-key.pem"


@dataclass(frozen=True)
class AuditKey:
    """``public`` is base64 of the raw public key: what others need to check, and what names the key."""

    public: str
    sign: Callable[[bytes], bytes] = field(repr=False)


def audit_key(setting: str | None, data_dir: Path) -> AuditKey:
    """The key of a setting (a PEM file, or the PEM itself), or the one in the data folder, made on first use.

    Raises BadKey naming what is wrong with it, CannotWrite and DiskFull.
    """
    if setting is None:
        return _kept(data_dir / "keys" / "audit.pem")
    if "-----BEGIN" in setting:
        # From a variable of the environment; some say their line ends as \n there.
        return _read(setting.replace("\\n", "\n").encode(), "MINTMARK_AUDIT_KEY")
    return _file(Path(setting).expanduser())


def public_key(text: str) -> str:
    """The public key in a PEM text, or already in base64, as checkpoints name it. Raises BadKey."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        if "-----BEGIN" not in text:
            raw = base64.b64decode(text.strip(), validate=True)
            return encoded(Ed25519PublicKey.from_public_bytes(raw).public_bytes_raw())
        found = load_pem_public_key(text.encode())
    except ValueError as exc:
        raise BadKey("That is no public key.", hint="`mintmark audit key` shows the one that signs here.") from exc
    if not isinstance(found, Ed25519PublicKey):
        raise BadKey("That is no Ed25519 public key.", hint="`mintmark audit key` shows the one that signs here.")
    return encoded(found.public_bytes_raw())


def _kept(path: Path) -> AuditKey:
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Two processes that start at once must come to the same key.
    with FileLock(f"{path}.lock", timeout=30, mode=0o600):
        if not path.exists():
            write_atomic(path, _made(), mode=0o600)
    return _file(path)


def _made() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _file(path: Path) -> AuditKey:
    try:
        pem = path.read_bytes()
    except OSError as exc:
        cause = exc.strerror or "cannot be read"
        raise BadKey(f"{path}: {cause}.", hint="Check MINTMARK_AUDIT_KEY and who may read the file.") from exc
    return _read(pem, str(path))


def _read(pem: bytes, name: str) -> AuditKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as exc:
        raise BadKey(f"{name} holds no private key in PEM, unencrypted.", hint=_HINT) from exc
    return _as_key(found, name)


def _as_key(found: object, name: str) -> AuditKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not isinstance(found, Ed25519PrivateKey):
        raise BadKey(f"{name} holds another kind of key than Ed25519.", hint=_HINT)
    private: Ed25519PrivateKey = found
    return AuditKey(encoded(private.public_key().public_bytes_raw()), private.sign)
