"""Reading a file's credential: is it whole, who signed it, what does it say."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from ..errors import FileMissing, NotAnImage
from .contexts import for_reading
from .credential import Credential, Problem
from .explaining import DAMAGED_CHUNK, UNREADABLE, in_words
from .findings import HERE, interpret
from .png import damaged_chunks, is_png
from .sniffing import holds_credential
from .sniffing import media_type as sniff

_NO_CREDENTIAL = "The file carries no credential: it never had one, or something that saved it again dropped it."
_ELSEWHERE = "The file says that its credential is kept at an address on the network; it was not fetched."
_BEYOND_READING = Credential("invalid", problems=(Problem(UNREADABLE, in_words(UNREADABLE), HERE),))


def read(data: bytes | Path, media_type: str | None = None, anchors_pem: str | None = None) -> Credential:
    """What the credential of a file says, and whether the file still is what was signed. Blocks for milliseconds.

    ``media_type`` is told by the bytes where it is not given. ``anchors_pem`` are the roots whose signers count as
    trusted; without any, a whole file is ``valid`` at best.
    Raises :class:`FileMissing`, and :class:`NotAnImage` for what is no image of a kind that can be read. A credential
    too damaged to read is a finding (``invalid``), not an error.
    """
    content = _load(data) if isinstance(data, Path) else data
    kind = media_type or sniff(content)
    if kind is None:
        raise NotAnImage(f"{_name(data)} is no image that can carry a credential.", hint="Give a PNG, JPEG or WebP.")
    return _with_damage(_read(content, kind, anchors_pem, _name(data)), content)


def _load(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise FileMissing(f"{path}: {exc.strerror or 'cannot be read'}.", hint="Check the path.") from exc


def _name(data: bytes | Path) -> str:
    return str(data) if isinstance(data, Path) else "The data"


def _read(content: bytes, kind: str, anchors_pem: str | None, name: str) -> Credential:
    import c2pa

    try:
        with c2pa.Context.from_dict(for_reading(anchors_pem)) as context:
            reader = c2pa.Reader.try_create(kind, io.BytesIO(content), context=context)
            if reader is None:
                # One changed byte in a segment's name hides a credential from c2pa, but not its traces.
                return _BEYOND_READING if holds_credential(content) else Credential("none", notes=(_NO_CREDENTIAL,))
            with reader:
                return interpret(json.loads(reader.json()), json.loads(reader.crjson()))
    except c2pa.C2paError as exc:
        return _unreadable(content, exc, name)


def _unreadable(content: bytes, cause: Exception, name: str) -> Credential:
    if holds_credential(content):
        # A changed byte in the credential's own structure stops c2pa with one of two dozen errors: all mean this.
        return _BEYOND_READING
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
