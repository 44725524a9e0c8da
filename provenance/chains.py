"""The certificates of a file's signatures, found in its bytes, and whether each still is what its issuer signed.

A changed certificate makes c2pa say that the signature does not fit, or nothing that can be read at all. Here the
certificates are taken out of the COSE signatures as they stand (CBOR label 33, ``x5chain``), however damaged the rest
is, and each is held against the one above it. Pure.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from cryptography import x509

from .checking import issued

_KIND = rb"\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"  # the end of every JUMBF type of C2PA's
_BOX = re.compile(rb"jumd(?:c2m[a-z]" + _KIND + rb".([^\0]{1,200})\0|c2cs" + _KIND + rb")", re.DOTALL)
"""The head of a manifest, with its label, or that of a signature."""
_CHAIN = re.compile(rb"\x18\x21([\x58\x59\x80-\x97])", re.DOTALL)
_MOST = 16
"""Certificates of one chain; none has more than four or five."""
_MOST_SIGNATURES = 200
"""Signatures of one file that are looked at: more means to keep us busy."""


class Chain(NamedTuple):
    """The certificates of one signature, in DER, the signer's first; ``label`` is its manifest's name."""

    label: str
    certificates: tuple[bytes, ...]


def chains(content: bytes) -> list[Chain]:
    """The chains of all signatures, in the order in which they stand; the file's own is the last."""
    found: list[Chain] = []
    label = ""
    for box in _BOX.finditer(content):
        if box[1] is not None:
            label = box[1].decode("utf-8", "replace")
            continue
        start = _CHAIN.search(content, box.end(), box.end() + 4096)
        if start is not None:
            found.append(Chain(label, tuple(_certificates(content, start.start(1)))))
        if len(found) == _MOST_SIGNATURES:
            break
    return found


def damaged(chain: Chain, anchors: list[x509.Certificate]) -> bool:
    """Whether a certificate of the chain is not what its issuer signed.

    The issuer is the next one of the chain, the certificate itself at its root, else one of ``anchors``. The last of a
    chain whose issuer is not known cannot be told.
    """
    certificates = [_loaded(each) for each in chain.certificates]
    whole = [each for each in certificates if each is not None]
    if len(whole) < len(certificates):
        return True
    if any(not issued(certificate, above) for certificate, above in itertools.pairwise(whole)):
        return True
    return bool(whole) and not _stands(whole[-1], anchors)


def _stands(last: x509.Certificate, anchors: list[x509.Certificate]) -> bool:
    if last in anchors:
        return True
    known = [each for each in (last, *anchors) if each.subject == last.issuer]
    if known:
        return any(issued(last, each) for each in known)
    # Only a root may leave out who issued it; and a root is its own issuer.
    return _names_issuer(last)


def _names_issuer(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return True


def _loaded(der: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Parts are looked into when they are asked for.
        _ = certificate.public_key(), certificate.subject, certificate.issuer, certificate.extensions
    except Exception:  # noqa: BLE001 - a changed byte stops the parser with any of a dozen classes of its own
        return None
    return certificate


def _certificates(content: bytes, place: int) -> Iterator[bytes]:
    """The byte strings of a CBOR array, or the one that stands in its place."""
    head = content[place]
    count = head - 0x80 if head >= 0x80 else 1
    place += head >= 0x80
    for _ in range(min(count, _MOST)):
        if content[place : place + 1] == b"\x59":
            length, start = int.from_bytes(content[place + 1 : place + 3], "big"), place + 3
        elif content[place : place + 1] == b"\x58":
            length, start = content[place + 1], place + 2
        else:
            return
        yield content[start : start + length]
        place = start + length
