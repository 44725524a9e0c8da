"""How a kept file is handed out over HTTP: which part, with which headers. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from ...errors import BadRange
from . import kinds
from .base import Asset, Span
from .links import Disposition, Link

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)
_YEAR_S = 31_536_000
_THUMBNAIL = "image/webp"


def byte_range(header: str | None, size: int) -> Span | None:
    """The part that a ``Range`` header asks for; None where the whole is to be given.

    So it is for several parts at once and for what is no range at all, as RFC 9110 allows. Raises BadRange (416) where
    nothing of the part is in the file.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        span = Span(max(0, size - int(last)), min(size, int(last)))
    elif last and int(last) < int(first):
        return None
    else:
        end = min(size, int(last) + 1) if last else size
        span = Span(int(first), end - int(first))
    if span.length <= 0 or span.start >= size:
        raise BadRange(f"The file has {size} bytes.", hint="Ask for a part within them.", size=size)
    return span


def content_range(span: Span, size: int) -> str:
    """The ``Content-Range`` of a part."""
    return f"bytes {span.start}-{span.start + span.length - 1}/{size}"


def etag(digest: str, *, thumbnail: bool = False) -> str:
    """The file's entity tag: its name is what it is."""
    return f'"{digest}{"-256" if thumbnail else ""}"'


def not_modified(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has it already (304)."""
    known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return tag in known or known == ["*"]


def ranges_hold(if_range: str | None, tag: str) -> bool:
    """Whether a part may be given: an ``If-Range`` that names another file asks for the whole."""
    return if_range is None or if_range.strip() == tag


def headers(asset: Asset, link: Link, now: datetime) -> dict[str, str]:
    """All but ``Content-Length`` and ``Content-Range``."""
    kind = _THUMBNAIL if link.thumbnail else asset.media_type
    return {
        "Content-Type": kind,
        "Content-Disposition": disposition(link.name or asset.digest[:16], kind, link.disposition),
        "Cache-Control": cache_control(link, now),
        "ETag": etag(asset.digest, thumbnail=link.thumbnail),
        "Accept-Ranges": "bytes",
        # Whatever the bytes are besides (a picture can be a page as well), no browser runs them.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def cache_control(link: Link, now: datetime) -> str:
    """The file never changes, so it may be kept as long as the link is good."""
    left = max(0, int((link.expires_at - now).total_seconds()))
    return f"public, max-age={min(_YEAR_S, left)}, immutable"


def disposition(name: str, kind: str, wanted: Disposition = "inline") -> str:
    """A ``Content-Disposition`` that no name can break out of (RFC 6266), with the ending of what the file is."""
    shown: Literal["inline", "attachment"] = wanted if kind.startswith(("image/", "video/", "audio/")) else "attachment"
    safe = safe_name(name, kind)
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", unicodedata.normalize("NFKD", safe).encode("ascii", "ignore").decode())
    return f"{shown}; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(safe, safe='')}"


def safe_name(name: str, kind: str) -> str:
    """A file name without folders, control characters and what Windows refuses, ending as its kind does."""
    last = re.split(r"[/\\]", name)[-1]
    # Control, format (a text that runs backwards hides an ending), surrogate and unassigned characters.
    shown = "".join("_" if unicodedata.category(each)[0] == "C" or each in '<>:"|?*' else each for each in last)
    ending = kinds.ending(kind)
    stem = shown.strip(" .")[:150].removesuffix(ending) or "file"
    return f"{stem}{ending}"
