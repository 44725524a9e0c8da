"""C2PA's status codes in plain words. Pure."""

from __future__ import annotations

UNTRUSTED = "signingCredential.untrusted"
"""The one failure that says nothing against the file: the signer's root is on no trust list that was given."""

UNREADABLE = "mintmark.credential.unreadable"
DAMAGED_CHUNK = "mintmark.png.damagedChunk"
TOO_DEEP = "mintmark.ingredients.tooDeep"

_CHANGED = "The file was changed after it was signed."
_STATEMENT = "A statement in the credential was changed, removed or replaced after it was signed."
_SIGNATURE = "The signature does not fit the credential: it was changed, or never signed by this key."
_INGREDIENT = "The credential of a file that this one came from was changed after it was signed in."
_CERTIFICATE = "The signing certificate may not be used for signing content."

_WORDS = {
    "assertion.dataHash.mismatch": _CHANGED,
    "assertion.bmffHash.mismatch": _CHANGED,
    "assertion.boxesHash.mismatch": _CHANGED,
    "assertion.collectionHash.mismatch": _CHANGED,
    "assertion.hashedURI.mismatch": _STATEMENT,
    "assertion.missing": _STATEMENT,
    "assertion.undeclared": "The credential holds a statement that its signer did not sign.",
    "assertion.action.malformed": "The credential's list of actions breaks the rules of C2PA.",
    "assertion.action.ingredientMismatch": "An action names a file that the credential does not hold.",
    "claim.missing": "The credential has no claim.",
    "claim.malformed": "The credential's claim breaks the rules of C2PA.",
    "claim.multiple": "The credential holds more than one claim.",
    "claim.hardBindings.missing": "The credential is not bound to any pixels: it could belong to any file.",
    "claimSignature.missing": "The credential is not signed.",
    "claimSignature.mismatch": _SIGNATURE,
    "claimSignature.outsideValidity": "It was signed outside the life of its certificate.",
    "signingCredential.invalid": _CERTIFICATE,
    "signingCredential.expired": "The signing certificate has expired, and no timestamp proves an earlier signing.",
    "signingCredential.revoked": "The signing certificate was revoked.",
    "signingCredential.ocsp.revoked": "The signing certificate was revoked.",
    "timeStamp.mismatch": "The timestamp belongs to another signature.",
    "timeStamp.outsideValidity": "The timestamp was made outside the life of its certificate.",
    "ingredient.manifest.missing": "The credential of a file that this one came from is missing.",
    "ingredient.manifest.mismatch": _INGREDIENT,
    "ingredient.claimSignature.missing": _INGREDIENT,
    "ingredient.claimSignature.mismatch": _INGREDIENT,
    "ingredient.hashedURI.mismatch": _INGREDIENT,
    "algorithm.unsupported": "The credential uses an algorithm that C2PA does not allow.",
    UNREADABLE: "The file holds a credential that is damaged beyond reading.",
    DAMAGED_CHUNK: "A part of the PNG does not fit its checksum: bytes were changed.",
    TOO_DEEP: "The chain of files that this one came from is longer than is ever read.",
}


def in_words(code: str, original: str = "") -> str:
    """What the code means, else the library's own words for it."""
    return _WORDS.get(code) or original or "The credential breaks a rule of C2PA."


def untrusted_note(issuer: str | None) -> str:
    """What to say of a whole file whose signer nobody vouches for."""
    name = f"“{issuer}”" if issuer else "a signer without a name"
    return (
        f"The credential is whole and signed by {name}, but that signer's root is on no trust list given here, "
        "so the name itself is not proven."
    )
