"""Reading a file's credential: is it whole, who signed it, what does it say."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import FileMissing, NotAnImage
from .contexts import for_reading
from .credential import Credential, Problem
from .explaining import DAMAGED_CHUNK, UNREADABLE, in_gaps, in_words
from .findings import HERE, interpret
from .formats import ENDING, sidecars
from .inspecting import with_certificates
from .png import damaged_chunks, is_png
from .sniffing import holds_credential
from .sniffing import media_type as sniff
from .trust import Anchors, Round, Trust
from .uncovered import uncovered

_NO_CREDENTIAL = "The file carries no credential: it never had one, or something that saved it again dropped it."
_ELSEWHERE = "The file says that its credential is kept at an address on the network; it was not fetched."
_BESIDE = "The credential stands beside the file, in {}."
_BEYOND_READING = Credential("invalid", problems=(Problem(UNREADABLE, in_words(UNREADABLE), HERE),))
_ANY_KIND = "application/octet-stream"
_MOST_SIDECAR = 64 * 1024 * 1024  # bytes; one that holds the credentials of many files has a few megabytes


def read(data: bytes | Path, media_type: str | None = None, anchors_pem: Anchors = None) -> Credential:
    """What the credential of a file says, and whether the file still is what was signed. Blocks for milliseconds.

    ``media_type`` is told by the bytes where it is not given. ``anchors_pem`` says whose signers count as trusted;
    without any, a whole file is ``valid`` at best. Of a path without a credential of its own, the one beside it counts
    (``clip.webm.c2pa`` or ``clip.c2pa``).
    Raises :class:`FileMissing`, and :class:`NotAnImage` for what is no file of a kind that can be read and has no
    credential beside it. A credential too damaged to read is a finding (``invalid``), not an error.
    """
    content = _load(data) if isinstance(data, Path) else data
    trust = anchors_pem if isinstance(anchors_pem, Trust) else Trust(anchors_pem)
    beside = _sidecar(data) if isinstance(data, Path) else None
    kind = media_type or sniff(content)
    if kind is None:
        if beside is None:
            raise _unknown_kind(data)
        return read_beside(content, beside.read_bytes(), trust, name=beside.name)
    found = _in_turn(content, kind, trust, None, _name(data))
    if found.state == "none" and beside is not None:
        return read_beside(content, beside.read_bytes(), trust, name=beside.name)
    return _with_damage(found, content)


def read_beside(
    content: bytes, sidecar: bytes, anchors_pem: Anchors = None, *, name: str = "a file of its own"
) -> Credential:
    """What a credential that is kept beside a file says of it."""
    trust = anchors_pem if isinstance(anchors_pem, Trust) else Trust(anchors_pem)
    found = _in_turn(content, _ANY_KIND, trust, sidecar, name)
    return replace(found, notes=(*found.notes, _BESIDE.format(name)))


def _load(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise FileMissing(f"{path}: {exc.strerror or 'cannot be read'}.", hint="Check the path.") from exc


def _sidecar(path: Path) -> Path | None:
    return next((each for each in sidecars(path) if each.is_file() and each.stat().st_size <= _MOST_SIDECAR), None)


def _unknown_kind(data: bytes | Path) -> NotAnImage:
    if isinstance(data, Path) and data.suffix == ENDING:
        return NotAnImage(f"{data} is a credential without its file.", hint="Name the file that it stands beside.")
    hint = "Give an image, a video or a sound; or a file with its credential beside it (.c2pa)."
    return NotAnImage(f"{_name(data)} is no image that can carry a credential.", hint=hint)


def _name(data: bytes | Path) -> str:
    return str(data) if isinstance(data, Path) else "The data"


def _in_turn(content: bytes, kind: str, trust: Trust, sidecar: bytes | None, name: str) -> Credential:
    """The finding with the first list that vouches for the signer; else with the first of all."""
    first: Credential | None = None
    for each in trust.rounds():
        found = _read(content, kind, each, sidecar, name)
        first = first or found
        if found.state != "valid":
            return found
    return first or Credential("none", notes=(_NO_CREDENTIAL,))


def _read(content: bytes, kind: str, asked: Round, sidecar: bytes | None, name: str) -> Credential:
    import c2pa

    context = _context(os.getpid(), asked.own_pem, asked.list_pem)
    held = sidecar if sidecar is not None else content
    try:
        reader = _reader(kind, content, sidecar, context)
        if reader is None:
            # One changed byte in a segment's name hides a credential from c2pa, but not its traces.
            return _beyond(held, asked) if holds_credential(held) else Credential("none", notes=(_NO_CREDENTIAL,))
        with reader:
            report = json.loads(reader.json())
            exact = json.loads(reader.crjson())
            found = interpret(report, exact, asked.list_shown)
    except c2pa.C2paError as exc:
        return _unreadable(held, sidecar is not None, exc, name, asked)
    if sidecar is None:
        found = _with_gaps(found, uncovered(content, exact, str(report.get("active_manifest"))))
    if found.state != "invalid":
        return found
    return with_certificates(found, held, report, asked)


def _with_gaps(found: Credential, gaps: tuple[str, ...] | None) -> Credential:
    """The finding, with what stands in the parts of the file that no credential covers."""
    notes = (*found.notes, in_gaps(gaps)) if gaps else found.notes
    return replace(found, uncovered=gaps, notes=notes)


def _reader(kind: str, content: bytes, sidecar: bytes | None, context: Any) -> Any:
    import c2pa

    if sidecar is None:
        return c2pa.Reader.try_create(kind, io.BytesIO(content), context=context)
    return c2pa.Reader(kind, io.BytesIO(content), manifest_data=sidecar, context=context)


@lru_cache(maxsize=8)
def _context(_process: int, own_pem: str | None, list_pem: str | None) -> Any:
    """c2pa's settings, which all threads share: taking in a list's fifty certificates takes as long as a reading. A
    process that was forked has its own."""
    import c2pa

    return c2pa.Context.from_dict(for_reading(own_pem, list_pem))


def _beyond(held: bytes, asked: Round) -> Credential:
    return with_certificates(_BEYOND_READING, held, {}, asked)


def _unreadable(held: bytes, beside: bool, cause: Exception, name: str, asked: Round) -> Credential:
    if beside or holds_credential(held):
        # A changed byte in the credential's own structure stops c2pa with one of two dozen errors: all mean this.
        return _beyond(held, asked)
    if str(cause).startswith("Remote"):
        return Credential("none", notes=(_ELSEWHERE,))
    raise NotAnImage(f"{name} cannot be read as an image: {cause}.", hint="The file is damaged.") from cause


def _with_damage(found: Credential, content: bytes) -> Credential:
    """The finding, with what a PNG's own checksums tell: a signature leaves room for padding that no hash covers."""
    if not is_png(content):
        return found
    try:
        damaged = damaged_chunks(content)
    except NotAnImage:
        return found
    problems = tuple(Problem(DAMAGED_CHUNK, in_words(DAMAGED_CHUNK), f"chunk {name}") for name in damaged)
    state = "invalid" if problems and found.state != "none" else found.state
    return replace(found, state=state, problems=found.problems + problems) if problems else found
