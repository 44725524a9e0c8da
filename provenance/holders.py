"""Keys that never come here: a function of the user's asks whoever holds one, such as a cloud's KMS, to sign.

The function takes the message and c2pa's name of the algorithm (``es256``, ``es384``, ``es512``, ``ps256`` or
``ed25519``) and gives the signature: for ECDSA in DER, as key services answer, or as r and s side by side. It is called
from several threads at once, and should give up by itself in a few seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ..errors import BadSetting, SignerFailed

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "es256": hashes.SHA256,
    "es384": hashes.SHA384,
    "es512": hashes.SHA512,
}
_TRIAL = b"Mintmark: does this key belong to its certificate?"


class Holder:
    """Whoever holds the key, as a function that signs."""

    def __init__(self, name: str, function: Callable[[bytes, str], bytes]) -> None:
        self.name = name
        self._function = function

    def __repr__(self) -> str:
        """Its name alone: a partial's arguments may be secrets."""
        return f"Holder({self.name})"

    def sign(self, message: bytes, algorithm: str) -> bytes:
        """The signature. Raises :class:`SignerFailed`, which names what went wrong by its class alone: the text of
        somebody else's error may hold anything, also a secret."""
        try:
            signature: Any = self._function(message, algorithm)
        except Exception as exc:  # noqa: BLE001 - whatever the user's function raises
            raise SignerFailed(
                f"The signer {self.name} failed: {type(exc).__name__}.",
                hint="Its own text is not repeated here, since it may hold a secret; log it in the function.",
            ) from None
        if not isinstance(signature, bytes) or not signature:
            raise SignerFailed(f"The signer {self.name} gave no signature.", hint="It must return bytes.")
        return signature

    def try_out(self, public_key: PublicKeyTypes, algorithm: str) -> None:
        """Raises :class:`SignerFailed` where it does not sign, or with another key than this one's."""
        # As long as what is signed for a credential: services that take the message itself take only so much.
        message = _TRIAL + hashlib.sha256(_TRIAL).digest() * 50
        if not _verifies(public_key, algorithm, message, self.sign(message, algorithm)):
            raise SignerFailed(
                f"The signer {self.name} signs with another key than the certificate's, or in another way.",
                hint=f"It is asked for {algorithm} over the whole message. Does the chain belong to this key?",
            )


def load(name: str) -> Holder:
    """The holder of a setting ``module:function``. Raises :class:`BadSetting`."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise BadSetting(f"MINTMARK_SIGNER: {name!r} cannot be used.", hint="It is written module:function.")
    try:
        found = getattr(import_module(module), function, None)
    except Exception as exc:
        raise BadSetting(
            f"MINTMARK_SIGNER: the module {module} cannot be imported: {type(exc).__name__}.",
            hint="Is it on Python's path (PYTHONPATH), and what it needs installed?",
        ) from exc
    if not callable(found):
        raise BadSetting(f"MINTMARK_SIGNER: {module} has no function {function}.", hint="Check the name.")
    return Holder(name, found)


def _verifies(key: PublicKeyTypes, algorithm: str, message: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            _verify_ecdsa(key, algorithm, message, signature)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _verify_ecdsa(key: ec.EllipticCurvePublicKey, algorithm: str, message: bytes, signature: bytes) -> None:
    half = (key.curve.key_size + 7) // 8
    if len(signature) == 2 * half:
        r, s = (int.from_bytes(each, "big") for each in (signature[:half], signature[half:]))
        signature = encode_dss_signature(r, s)
    key.verify(signature, message, ec.ECDSA(_HASHES[algorithm]()))
