"""What a credential does not cover of a file of boxes: MP4, MOV, M4A, HEIC, AVIF. Pure.

C2PA hashes such a file box by box and leaves some out, which its hash assertion lists: what kind of file it is
(``ftyp``), free space (``free``, ``skip``), an index (``mfra``), the credential's own box. Whoever passes the file on
can write into those, and every signature still holds. So what stands there is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from .boxes import Box, walk

CREDENTIAL = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # C2PA 2.2, appendix A.5.1
_ALWAYS = ("/ftyp", "/mfra", "/free", "/skip")
_HASH = "c2pa.hash.bmff"
_EMPTY = frozenset({b"free", b"skip"})
"""Boxes that hold nothing by their meaning."""
_WITH_VERSION = frozenset({b"meta"})
_MOST_BOXES = 100_000
_BRANDS = (
    b"avif avis av01 MA1A MA1B mif1 mif2 msf1 miaf heic heix heim heis hevc hevx 1pic geo1 unif tmap jxl isom iso2 "
    b"iso3 iso4 iso5 iso6 iso7 iso8 iso9 isoa isob isoc mp41 mp42 mp71 avc1 avc3 hvc1 hev1 vp08 vp09 dby1 qt M4A M4B "
    b"M4P M4V M4VH M4VP MSNV NDSC NDSH dash msdh msix cmfc cmf2 cmff cmfs 3gp4 3gp5 3gp6 3gp7 3gp8 3gp9 3gs7 3g2a 3g2b "
    b"3g2c f4v XAVC crx CAEP pana"
)
_KNOWN = frozenset(brand.ljust(4) for brand in _BRANDS.split())
_STILL = frozenset({b"avif", b"heic", b"heix", b"mif1", b"mif2"})
_FILM = frozenset({b"isom", b"mp41", b"mp42", b"qt  ", b"M4A ", b"M4V "})


def is_boxed(data: bytes) -> bool:
    """Whether a file is one of boxes."""
    return data[4:8] == b"ftyp"


def uncovered(data: bytes, exact: Mapping[str, Any], label: str) -> tuple[str, ...] | None:
    """What stands where the credential of this label does not look, each as a box and its weight; None where the whole
    file is covered. ``exact`` is c2pa's report with its assertions as they were signed."""
    if not is_boxed(data):
        return None
    assertion = _assertion(exact, label)
    boxes = list(_boxes(data, 0, len(data)))
    left_out = [str(each.get("xpath", "")) for each in assertion.get("exclusions") or ()] or list(_ALWAYS)
    found = list(_type_of(data, boxes))
    for path in dict.fromkeys(left_out):
        if path not in ("/ftyp", "/uuid"):
            found += _told(data, boxes, path)
    found += _beside_the_credential(data, boxes, several="merkle" in assertion)
    return tuple(found)


def _assertion(exact: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    for manifest in exact.get("manifests") or ():
        if manifest.get("label") == label:
            for name, assertion in (manifest.get("assertions") or {}).items():
                if name.startswith(_HASH) and isinstance(assertion, Mapping):
                    return assertion
    return {}


def _boxes(data: bytes, place: int, end: int) -> Iterator[Box]:
    """The boxes from here on; what is broken ends them, as c2pa has a word of its own for that."""
    return islice(walk(data, place, end), _MOST_BOXES)


def _told(data: bytes, boxes: Sequence[Box], path: str) -> Iterator[str]:
    """Those of the boxes under a path that hold anything."""
    names = [step.partition("[")[0].encode("latin-1", "replace") for step in path.strip("/").split("/")]
    for box in _under(data, boxes, names):
        body = data[box.body : box.stop]
        # An empty space of zeros holds nothing; any other box says something even so.
        if body.strip(b"\0") if box.kind in _EMPTY else body:
            yield f"{path.strip('/')} ({len(body):,} bytes)"


def _under(data: bytes, boxes: Sequence[Box], names: Sequence[bytes]) -> Iterator[Box]:
    for box in boxes:
        if box.kind != names[0]:
            continue
        if len(names) == 1:
            yield box
        else:
            inside = _boxes(data, box.body + 4 * (box.kind in _WITH_VERSION), box.stop)
            yield from _under(data, list(inside), names[1:])


def _type_of(data: bytes, boxes: Sequence[Box]) -> Iterator[str]:
    """``ftyp``, where it is not as every writer of such files writes it, or does not fit what follows."""
    types, kinds = [box for box in boxes if box.kind == b"ftyp"], {box.kind for box in boxes}
    for box in types:
        body = data[box.body : box.stop]
        brands = {body[:4], *(body[at : at + 4] for at in range(8, len(body), 4))}
        major, minor = body[:4], int.from_bytes(body[4:8], "big")
        # A minor version is a small number, or in a QuickTime film a date: 0x20050300.
        dated = major == b"qt  " and minor >> 24 == 0x20
        unfit = (major in _STILL and b"meta" not in kinds) or (major in _FILM and not kinds & {b"moov", b"moof"})
        if len(body) % 4 or not brands <= _KNOWN or (minor >= 1 << 16 and not dated) or unfit or len(types) > 1:
            yield f"ftyp ({len(body):,} bytes)"


def _beside_the_credential(data: bytes, boxes: Sequence[Box], *, several: bool) -> Iterator[str]:
    """What shares a box with the credential, or stands in another one of that name."""
    own = [box for box in boxes if box.kind == b"uuid" and data[box.body : box.body + 16] == CREDENTIAL]
    for place, box in enumerate(own):
        body = data[box.body + 16 : box.stop]
        rest = body[_credential_ends(body) :] if place == 0 else b"" if several else body
        if rest.strip(b"\0"):
            yield f"uuid ({len(rest):,} bytes)"


def _credential_ends(body: bytes) -> int:
    """Behind the store: before it stand a version of four bytes, its purpose as text with a zero, and eight bytes."""
    start = body.find(b"\0", 4) + 1 + 8
    length = int.from_bytes(body[start : start + 4], "big")
    return len(body) if start < 9 or length < 8 else start + length
