"""What a file is by its first bytes, and whether it carries a credential at all. Pure."""

from __future__ import annotations

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"fLaC", "audio/flac"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4V ": "video/x-m4v",
}

_HEAD = 4096
"""Bytes in which the element of an SVG begins, after a declaration and comments."""

# A JUMBF description box of C2PA: the store, a manifest, the assertion store. Any one that survived is a trace. An SVG
# holds the same as text, in an element of this name.
_TRACES = (b"jumdc2pa", b"jumdc2ma", b"jumdc2as", b"<c2pa:manifest")


def media_type(data: bytes) -> str | None:
    """The media type of an image, a film or a sound of a kind that takes a credential in, or None for anything else.
    File names are not asked: they lie."""
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    if data[:3] == b"ID3":
        # A credential stands in such a tag before a FLAC, too.
        return "audio/flac" if data[after_tag(data) :].startswith(b"fLaC") else "audio/mpeg"
    if data[:1] == b"<" and b"<svg" in data[:_HEAD]:
        return "image/svg+xml"
    # A sound's first frame: eleven bits of ones, then a version and the third layer.
    return "audio/mpeg" if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2 else None


def after_tag(data: bytes) -> int:
    """Where what follows an ID3 tag begins: its length is four bytes of seven bits."""
    length = 0
    for byte in data[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length


def holds_credential(data: bytes) -> bool:
    """Whether the bytes show a trace of an embedded credential, be it damaged."""
    return any(trace in data for trace in _TRACES)
