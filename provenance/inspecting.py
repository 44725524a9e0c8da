"""A closer look at a file that does not hold: is it a certificate that was changed, and whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cryptography import x509

from .chains import chains, damaged
from .credential import Credential, Problem
from .explaining import CERTIFICATE_CHANGED, in_words
from .findings import HERE
from .stores import joined
from .trust import Round


def with_certificates(found: Credential, held: bytes, report: Mapping[str, Any], asked: Round) -> Credential:
    """The finding, with each signature whose certificate was changed named first: what else is said follows from it.

    ``held`` are the bytes that hold the credential.
    """
    known = _anchors(asked.own_pem) + _anchors(asked.list_pem)
    own = str(report.get("active_manifest", ""))
    every = chains(joined(held))
    problems = [
        Problem(CERTIFICATE_CHANGED, in_words(CERTIFICATE_CHANGED), _where(chain.label, own, report, last))
        for last, chain in ((chain is every[-1], chain) for chain in every)
        if damaged(chain, known)
    ]
    return replace(found, problems=(*problems, *found.problems)) if problems else found


def _where(label: str, own: str, report: Mapping[str, Any], last: bool) -> str:
    """The file that a manifest belongs to. The file's own is the last, where the report does not say."""
    if label == own or (not own and last):
        return HERE
    title = next(_titles(label, report), None)
    return f"ingredient “{title}”" if title else "an ingredient"


def _titles(label: str, report: Mapping[str, Any]) -> Iterator[str]:
    for manifest in (report.get("manifests") or {}).values():
        for item in manifest.get("ingredients") or []:
            if item.get("active_manifest") == label:
                yield str(item.get("title") or "untitled")


@lru_cache(maxsize=8)
def _anchors(pem: str | None) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode()) if pem else []
