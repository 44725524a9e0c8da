"""Checkpoints of the audit log: how long the chain was and what its last hash was, signed, to be kept elsewhere.

A chain of hashes shows any row that was changed, and nothing of a tail that was cut off, or of a chain that was written
anew as a whole: for that somebody must have seen how far it had come. Pure.

A checkpoint is a JSON object, its signature Ed25519 over the canonical form of the rest, behind a line of its own that
keeps it from being taken for anything else that is ever signed with the key.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import InvalidInput
from ...workflows.digest import canonical

VERSION = 1
_HEADER = b"mintmark audit checkpoint\n"
_SUCCESSION = b"mintmark audit key\n"
_KINDS = {"chain": str, "rows": int, "hash": str, "at": str, "key": str, "signature": str}
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)

Sign = Callable[[bytes], bytes]
"""Signs with Ed25519."""


@dataclass(frozen=True)
class Checkpoint:
    """At ``at`` (UTC) the log ``chain`` had so many rows, the last of which had this hash. ``key`` and ``signature``
    are base64 of the raw Ed25519 public key and signature."""

    chain: str
    rows: int
    hash: str
    at: str
    key: str
    signature: str = ""

    def document(self) -> dict[str, Any]:
        """As it is written down."""
        return {"mintmark_audit_checkpoint": VERSION, **asdict(self)}

    def line(self) -> str:
        """The same as one line of text."""
        return json.dumps(self.document(), separators=(",", ":"))

    def signed(self, sign: Sign) -> Checkpoint:
        """With its signature."""
        return Checkpoint(**{**asdict(self), "signature": encoded(sign(self._covered()))})

    def holds(self) -> bool:
        """Whether its signature is one of its own key."""
        return is_signed(self.key, self.signature, self._covered())

    def _covered(self) -> bytes:
        covered = self.document()
        del covered["signature"]
        return _HEADER + canonical(covered)


def read(text: str, name: str = "The checkpoint") -> Checkpoint:
    """What is written there, which may still be forged. Raises InvalidInput."""
    try:
        told = json.loads(text)
        version = told.pop("mintmark_audit_checkpoint")
        sound = version == VERSION and {each: type(value) for each, value in told.items()} == _KINDS
        if sound and told["rows"] > 0 and _HASH.fullmatch(told["hash"]):
            return Checkpoint(**told)
    except (ValueError, KeyError, AttributeError, TypeError):
        pass
    raise InvalidInput(f"{name} is none of an audit log.", hint="One is made by: mintmark audit checkpoint")


def read_all(text: str, name: str) -> list[Checkpoint]:
    """Checkpoints a line each. Raises InvalidInput naming the line."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return [read(line, f"{name}, line {number}") for number, line in lines]


def succession(chain: str, key: str, before: Iterable[str]) -> bytes:
    """What a key signs when it begins to sign a log's checkpoints: whose checkpoints before it are good."""
    return _SUCCESSION + canonical({"chain": chain, "key": key, "before": list(before)})


def is_signed(key: str, signature: str, covered: bytes) -> bool:
    """Whether the signature is this key's, of these bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(
            base64.b64decode(signature, validate=True), covered
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def encoded(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode()
