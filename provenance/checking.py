"""Whether a key and its certificate chain can sign credentials, told in words.

c2pa answers most of these mistakes with "the certificate is invalid" alone, and some of them only when the first
image is signed. So they are found here, before any money is spent. Pure: bytes in, :class:`BadKey` or facts out.
No message quotes what a key file holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import NameOID

from ..errors import BadKey
from .contexts import PURPOSES

_SIGNING_PURPOSES = frozenset(PURPOSES) - {"1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"}
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
    """What a sound key and chain tell: c2pa's algorithm, the issuer readers show, the leaf's end, a root if sent."""

    algorithm: str
    issuer: str
    expires: datetime
    root: bytes | None


def check(chain: bytes, key: bytes, *, chain_name: str, key_name: str, now: datetime) -> Checked:
    """The facts of a usable pair. Raises :class:`BadKey` naming the file and the cause.

    The chain is PEM, leaf first; the key is PEM PKCS#8, not encrypted. ``chain_name`` and ``key_name`` are the files'
    names for the message.
    """
    certificates = _certificates(chain, chain_name)
    private = _private_key(key, key_name)
    leaf = certificates[0]
    _check_order(certificates, chain_name)
    _check_leaf(leaf, chain_name, now)
    algorithm = _algorithm(private, key_name)
    if _public_bytes(private.public_key()) != _public_bytes(leaf.public_key()):
        hint = "Take the key that the first certificate was issued for."
        raise BadKey(f"The key {key_name} does not belong to the certificate {chain_name}.", hint=hint)
    last = certificates[-1]
    root = last.public_bytes(serialization.Encoding.PEM) if last.subject == last.issuer else None
    return Checked(algorithm, _issuer(leaf), leaf.not_valid_after_utc, root)


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


def _algorithm(key: PrivateKeyTypes, name: str) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    hint = "Use P-256, P-384, P-521, Ed25519, or RSA of at least 2048 bits."
    raise BadKey(f"The signing key {name} is of a kind that credentials do not allow.", hint=hint)


def _check_order(certificates: list[x509.Certificate], name: str) -> None:
    if certificates[0].subject == certificates[0].issuer:
        cause = "begins with its root" if len(certificates) > 1 else "is a self-signed certificate alone"
        raise BadKey(f"The chain {name} {cause}.", hint="Put the signing certificate first, the root last.")
    for place, (certificate, issuer) in enumerate(itertools.pairwise(certificates), start=1):
        if not _issued(certificate, issuer):
            message = f"Certificate {place} in {name} was not issued by the one after it."
            raise BadKey(message, hint="Order the chain: signing certificate, intermediates, root.")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_leaf(leaf: x509.Certificate, name: str, now: datetime) -> None:
    if now > leaf.not_valid_after_utc:
        cause = f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
        raise BadKey(f"The signing certificate {name} {cause}.", hint="Renew it.")
    if now < leaf.not_valid_before_utc:
        cause = f"is valid only from {leaf.not_valid_before_utc:%Y-%m-%d}"
        raise BadKey(f"The signing certificate {name} {cause}.", hint="Is the clock right?")
    for is_wrong, cause, hint in _LEAF_RULES:
        if is_wrong(leaf):
            raise BadKey(f"The signing certificate {name} {cause}.", hint=hint)


def _is_authority(leaf: x509.Certificate) -> bool:
    found = _extension(leaf, x509.BasicConstraints)
    return found is not None and found.ca


def _cannot_sign(leaf: x509.Certificate) -> bool:
    found = _extension(leaf, x509.KeyUsage)
    return found is None or not found.digital_signature


def _purposes(leaf: x509.Certificate) -> set[str]:
    found = _extension(leaf, x509.ExtendedKeyUsage)
    return {purpose.dotted_string for purpose in found} if found is not None else set()


def _has_no_issuer_key(leaf: x509.Certificate) -> bool:
    return _extension(leaf, x509.AuthorityKeyIdentifier) is None


_LEAF_RULES: tuple[tuple[Callable[[x509.Certificate], bool], str, str], ...] = (
    (_is_authority, "is an authority's (CA) certificate", "Sign with a certificate that it issued."),
    (_cannot_sign, "lacks the key usage digitalSignature", "Have it issued with that usage."),
    (
        lambda leaf: not _purposes(leaf) & _SIGNING_PURPOSES,
        "lacks an extended key usage (EKU) for signing content",
        "Have it issued with emailProtection, documentSigning or C2PA claim signing.",
    ),
    (
        lambda leaf: "2.5.29.37.0" in _purposes(leaf),
        "has the extended key usage (EKU) anyExtendedKeyUsage, which credentials do not allow",
        "Have it issued with emailProtection, documentSigning or C2PA claim signing alone.",
    ),
    (
        lambda leaf: "1.3.6.1.5.5.7.3.8" in _purposes(leaf),
        "has the extended key usage (EKU) timeStamping beside the one for signing",
        "Have it issued without timeStamping.",
    ),
    (_has_no_issuer_key, "lacks the authority key identifier", "Have it issued with that extension."),
)


def _extension(
    leaf: x509.Certificate, kind: type[x509.extensions.ExtensionTypeVar]
) -> x509.extensions.ExtensionTypeVar | None:
    try:
        return leaf.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _issuer(leaf: x509.Certificate) -> str:
    """What readers show: the organisation of the signing certificate's own subject, else its common name."""
    names = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    names = names or leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
