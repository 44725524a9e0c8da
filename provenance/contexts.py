"""How c2pa is set up, for signing and for reading. Pure.

Nothing is ever fetched: an uploaded file could name any address and have us call it.
"""

from __future__ import annotations

from typing import Any

PURPOSES = (
    "1.3.6.1.5.5.7.3.4",  # emailProtection
    "1.3.6.1.5.5.7.3.36",  # documentSigning
    "1.3.6.1.5.5.7.3.8",  # timeStamping
    "1.3.6.1.5.5.7.3.9",  # OCSPSigning
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft's C2PA signing
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
)
"""The certificate purposes of the credential world. Unless they are named, c2pa 0.38 calls whole files of signers with
documentSigning, Microsoft's or C2PA's own purpose invalid, so signer and reader name them all."""


def for_signing() -> dict[str, Any]:
    """The settings that every credential of ours is made with."""
    return {
        # c2pa writes a malformed credential without a word unless it checks its own work (1 ms for 2 MB).
        "verify": {"verify_after_sign": True, **_verify()},
        "trust": _trust(),
        "builder": {
            # A thumbnail costs ten times the signing, and up to nine times the bytes of a small image.
            "thumbnail": {"enabled": False},
            # An ingredient takes no "created" of its own, unlike our assertions.
            "created_assertion_labels": ["c2pa.ingredient"],
        },
    }


def for_reading(own_pem: str | None, list_pem: str | None = None) -> dict[str, Any]:
    """The settings that read a file; ``own_pem`` are the reader's own roots, ``list_pem`` those of a trust list."""
    pools = {"user_anchors": own_pem, "trust_anchors": list_pem}
    return {"verify": _verify(), "trust": {**_trust(), **{name: pem for name, pem in pools.items() if pem}}}


def _verify() -> dict[str, bool]:
    return {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}


def _trust() -> dict[str, str]:
    return {"trust_config": "\n".join(PURPOSES)}
