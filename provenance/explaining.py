"""C2PA's status codes in plain words, and which part of a file each is about. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Part = Literal["file", "statement", "signature", "certificate", "timestamp", "structure", "signer", "ingredient"]
"""What a problem is about: the ``file`` itself (pixels, texts), a ``statement`` of its credential, the ``signature``,
the ``certificate`` that came with it, the ``timestamp``, the credential's ``structure``, who the ``signer`` is (nothing
was changed, but its certificate may not sign, or not any more), or what is kept of an ``ingredient``."""

UNTRUSTED = "signingCredential.untrusted"
"""The one failure that says nothing against the file: the signer's root is on no trust list that was given."""

UNREADABLE = "mintmark.credential.unreadable"
DAMAGED_CHUNK = "mintmark.png.damagedChunk"
TOO_DEEP = "mintmark.ingredients.tooDeep"
CERTIFICATE_CHANGED = "mintmark.certificate.changed"


class _Meaning(NamedTuple):
    part: Part
    words: str


_CHANGED = _Meaning("file", "The file was changed after it was signed.")
_STATEMENT = _Meaning(
    "statement", "A statement in the credential was changed, removed or replaced after it was signed."
)
_SIGNATURE = _Meaning(
    "signature", "The signature does not fit the credential: it was changed, or never signed by this key."
)
_INGREDIENT = _Meaning(
    "ingredient", "The credential of a file that this one came from was changed after it was signed in."
)
_REVOKED = _Meaning("signer", "The signing certificate was revoked.")

_MEANINGS = {
    "assertion.dataHash.mismatch": _CHANGED,
    "assertion.bmffHash.mismatch": _CHANGED,
    "assertion.boxesHash.mismatch": _CHANGED,
    "assertion.collectionHash.mismatch": _CHANGED,
    "assertion.hashedURI.mismatch": _STATEMENT,
    "assertion.missing": _STATEMENT,
    "assertion.undeclared": _Meaning("statement", "The credential holds a statement that its signer did not sign."),
    "assertion.action.malformed": _Meaning("structure", "The credential's list of actions breaks the rules of C2PA."),
    "assertion.action.ingredientMismatch": _Meaning(
        "structure", "An action names a file that the credential does not hold."
    ),
    "claim.missing": _Meaning("structure", "The credential has no claim."),
    "claim.malformed": _Meaning("structure", "The credential's claim breaks the rules of C2PA."),
    "claim.multiple": _Meaning("structure", "The credential holds more than one claim."),
    "claim.hardBindings.missing": _Meaning(
        "structure", "The credential is not bound to any pixels: it could belong to any file."
    ),
    "claimSignature.missing": _Meaning("structure", "The credential is not signed."),
    "claimSignature.mismatch": _SIGNATURE,
    "claimSignature.outsideValidity": _Meaning("signer", "It was signed outside the life of its certificate."),
    "signingCredential.invalid": _Meaning("signer", "The signing certificate may not be used for signing content."),
    "signingCredential.expired": _Meaning(
        "signer", "The signing certificate has expired, and no trusted timestamp proves an earlier signing."
    ),
    "signingCredential.revoked": _REVOKED,
    "signingCredential.ocsp.revoked": _REVOKED,
    "timeStamp.mismatch": _Meaning("timestamp", "The timestamp belongs to another signature."),
    "timeStamp.malformed": _Meaning("timestamp", "The timestamp is damaged."),
    "timeStamp.outsideValidity": _Meaning(
        "timestamp", "The timestamp was made outside the life of its authority's certificate."
    ),
    "timeStamp.untrusted": _Meaning("timestamp", "The timestamp's authority is on no trust list that was given."),
    "ingredient.manifest.missing": _Meaning(
        "ingredient", "The credential of a file that this one came from is missing."
    ),
    "ingredient.manifest.mismatch": _INGREDIENT,
    "ingredient.claimSignature.missing": _INGREDIENT,
    "ingredient.claimSignature.mismatch": _INGREDIENT,
    "ingredient.hashedURI.mismatch": _INGREDIENT,
    "algorithm.unsupported": _Meaning("structure", "The credential uses an algorithm that C2PA does not allow."),
    UNREADABLE: _Meaning("structure", "The file holds a credential that is damaged beyond reading."),
    DAMAGED_CHUNK: _Meaning("file", "A part of the PNG does not fit its checksum: bytes were changed."),
    TOO_DEEP: _Meaning("structure", "The chain of files that this one came from is longer than is ever read."),
    CERTIFICATE_CHANGED: _Meaning(
        "certificate", "A certificate of the signature was changed: it is not as its own issuer signed it."
    ),
}


def in_words(code: str, original: str = "") -> str:
    """What the code means, else the library's own words for it."""
    return _MEANINGS[code].words if code in _MEANINGS else original or "The credential breaks a rule of C2PA."


def part_of(code: str) -> Part:
    """What the code is about; of a code that is not known here, the structure."""
    return _MEANINGS[code].part if code in _MEANINGS else "structure"


def untrusted_note(issuer: str | None) -> str:
    """What to say of a whole file whose signer nobody vouches for."""
    name = f"“{issuer}”" if issuer else "a signer without a name"
    return (
        f"The credential is whole and signed by {name}, but that signer's root is on no trust list given here, "
        "so the name itself is not proven."
    )


def in_gaps(gaps: Sequence[str]) -> str:
    """What to say of a file that holds something where no credential looks."""
    return (
        f"There is something in parts of the file that no credential covers: {', '.join(gaps)}. "
        "Whoever passed the file on may have put it there; nothing is said of it."
    )
