"""What C2PA asks of the certificate that signs, told in words. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from ..errors import CertificateExpired, CertificateUnfit
from .contexts import PURPOSES

_TIME_STAMPING, _OCSP_SIGNING = "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"
_SIGNING_PURPOSES = frozenset(PURPOSES) - {_TIME_STAMPING, _OCSP_SIGNING}


def check_leaf(leaf: x509.Certificate, name: str, now: datetime) -> None:
    """Raises :class:`CertificateExpired` and :class:`CertificateUnfit`; ``name`` is what the message calls it."""
    if now > leaf.not_valid_after_utc:
        cause = f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
        raise CertificateExpired(f"The signing certificate {name} {cause}.", hint="Renew it.")
    if now < leaf.not_valid_before_utc:
        cause = f"is valid only from {leaf.not_valid_before_utc:%Y-%m-%d}"
        raise CertificateExpired(f"The signing certificate {name} {cause}.", hint="Is the clock right?")
    for is_wrong, cause, hint in _LEAF_RULES:
        if is_wrong(leaf):
            raise CertificateUnfit(f"The signing certificate {name} {cause}.", hint=hint)


def issuer(leaf: x509.Certificate) -> str:
    """What readers show: the organisation of the signing certificate's own subject, else its common name."""
    names = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    names = names or leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


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
        lambda leaf: _TIME_STAMPING in _purposes(leaf),
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
