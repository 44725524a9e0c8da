"""Whether a key and its certificate chain can sign credentials, told in words.

c2pa answers most of these mistakes with "the certificate is invalid" alone, and some of them only when the first
image is signed. So they are found here, before any money is spent. Pure: bytes in, an error or facts out.
No message quotes what a key file holds.
"""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from ..errors import BadKey, ChainDisordered
from .profile import check_leaf, issuer

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_TO_PKCS8 = "Convert it: openssl pkcs8 -topk8 -nocrypt -in OLD.pem -out NEW.pem"
_KEY_HEADERS = {
    b"EC PRIVATE KEY": ("is in the SEC1 form, not PKCS#8", _TO_PKCS8),
    b"RSA PRIVATE KEY": ("is in the PKCS#1 form, not PKCS#8", _TO_PKCS8),
    b"ENCRYPTED PRIVATE KEY": ("is encrypted", "Decrypt it: openssl pkcs8 -in OLD.pem -out NEW.pem"),
    b"OPENSSH PRIVATE KEY": ("is an OpenSSH key, not PKCS#8", "Signing needs the PEM key of the certificate."),
    b"CERTIFICATE": ("holds a certificate, not a key", "Are signing_cert and signing_key swapped?"),
    b"PUBLIC KEY": ("holds a public key, not a private one", ""),
}


class Checked(NamedTuple):
    """What a sound chain tells: c2pa's algorithm, the issuer readers show, the leaf's end and key, a root if sent."""

    algorithm: str
    issuer: str
    expires: datetime
    public_key: PublicKeyTypes
    root: bytes | None


def check(chain: bytes, key: bytes, *, chain_name: str, key_name: str, now: datetime) -> Checked:
    """The facts of a usable pair.

    The chain is PEM, leaf first; the key is PEM PKCS#8, not encrypted. ``chain_name`` and ``key_name`` are what the
    message calls them. Raises :class:`BadKey` naming the culprit and the cause: :class:`CertificateExpired`,
    :class:`CertificateUnfit` and :class:`ChainDisordered` for those.
    """
    private = _private_key(key, key_name)
    facts = check_chain(chain, name=chain_name, now=now)
    if _public_bytes(private.public_key()) != _public_bytes(facts.public_key):
        hint = "Take the key that the first certificate was issued for."
        raise BadKey(f"The key {key_name} does not belong to the certificate {chain_name}.", hint=hint)
    return facts


def check_chain(chain: bytes, *, name: str, now: datetime) -> Checked:
    """As :func:`check`, of a chain whose key is elsewhere."""
    certificates = _certificates(chain, name)
    leaf, last = certificates[0], certificates[-1]
    _check_order(certificates, name)
    check_leaf(leaf, name, now)
    public = leaf.public_key()
    root = last.public_bytes(serialization.Encoding.PEM) if last.subject == last.issuer else None
    return Checked(_algorithm(public, name), issuer(leaf), leaf.not_valid_after_utc, public, root)


def check_anchors(pem: bytes, name: str) -> None:
    """Raises :class:`BadKey` unless this is a list of PEM certificates: c2pa takes anything else in silence."""
    _certificates(pem, name)


def _certificates(pem: bytes, name: str) -> list[x509.Certificate]:
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        swapped = "Are signing_cert and signing_key swapped?" if b"PRIVATE KEY-----" in pem else ""
        raise BadKey(f"{name} holds no PEM certificate.", hint=swapped or "Certificates are needed as PEM text.")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as exc:
        raise BadKey(f"A certificate in {name} cannot be read.") from exc


def _private_key(pem: bytes, name: str) -> PrivateKeyTypes:
    for header, (cause, hint) in _KEY_HEADERS.items():
        if b"-----BEGIN " + header + b"-----" in pem:
            raise BadKey(f"The signing key {name} {cause}.", hint=hint)
    if b"-----BEGIN PRIVATE KEY-----" not in pem:
        raise BadKey(f"The signing key {name} is no PEM key.", hint="A PKCS#8 key in PEM text is needed.")
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is left out on purpose: nothing that parsed a private key may reach an error's text.
        raise BadKey(f"The signing key {name} cannot be read.", hint="The PEM text is damaged.") from None


def _algorithm(key: PublicKeyTypes, name: str) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return "ps256"
    hint = "Use P-256, P-384, P-521, Ed25519, or RSA of at least 2048 bits."
    raise BadKey(f"The key of the certificate {name} is of a kind that credentials do not allow.", hint=hint)


def _check_order(certificates: list[x509.Certificate], name: str) -> None:
    if certificates[0].subject == certificates[0].issuer:
        cause = "begins with its root" if len(certificates) > 1 else "is a self-signed certificate alone"
        raise ChainDisordered(f"The chain {name} {cause}.", hint="Put the signing certificate first, the root last.")
    for place, (certificate, above) in enumerate(itertools.pairwise(certificates), start=1):
        if not issued(certificate, above):
            message = f"Certificate {place} in {name} was not issued by the one after it."
            raise ChainDisordered(message, hint="Order the chain: signing certificate, intermediates, root.")


def issued(certificate: x509.Certificate, above: x509.Certificate) -> bool:
    """Whether the one signed the other."""
    try:
        certificate.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
