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
)
_BRANDS = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"qt  ": "video/quicktime",
}

# A JUMBF description box of C2PA: the store, a manifest, the assertion store. Any one that survived is a trace. An SVG
# holds the same as text, in an element of this name.
_TRACES = (b"jumdc2pa", b"jumdc2ma", b"jumdc2as", b"<c2pa:manifest")


def media_type(data: bytes) -> str | None:
    """The media type of an image or MP4 video, or None for anything else. File names are not asked: they lie."""
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    return None


def holds_credential(data: bytes) -> bool:
    """Whether the bytes show a trace of an embedded credential, be it damaged."""
    return any(trace in data for trace in _TRACES)
