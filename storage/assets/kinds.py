"""What a file is by its first bytes, and which kinds are handed out as what they are. Pure.

Nothing that a browser runs is among them (HTML, SVG, scripts): such a file is handed out as plain bytes.
"""

from __future__ import annotations

PLAIN = "application/octet-stream"
HEAD = 64
"""How many first bytes are enough to tell."""
PICTURES = ("image/png", "image/jpeg", "image/webp")
"""What is taken in as a picture."""

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"glTF", "model/gltf-binary"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"mif1": "image/heif", b"qt  ": "video/quicktime"}
_SAID = frozenset({"text/plain", "application/json", "audio/mpeg", "model/obj"})
"""What a sender is believed to have sent where the bytes do not tell, since no browser runs it."""


def sniff(head: bytes) -> str | None:
    """The media type that the first bytes tell, or None."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    return _BRANDS.get(head[8:12], "video/mp4") if head[4:8] == b"ftyp" else None


def media_type(head: bytes, said: str | None = None) -> str:
    """What the file is handed out as; ``said`` is what its sender called it."""
    plain = (said or "").partition(";")[0].strip().lower()
    return sniff(head) or (plain if plain in _SAID else PLAIN)


def ending(kind: str) -> str:
    """The usual ending of such a file's name, with its dot; empty where there is none."""
    return _ENDINGS.get(kind, "")


_ENDINGS = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif", "image/jxl": ".jxl",
    "image/avif": ".avif", "image/heic": ".heic", "image/heif": ".heif", "video/mp4": ".mp4", "video/webm": ".webm",
    "video/quicktime": ".mov", "audio/flac": ".flac", "audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/wav": ".wav",
    "model/gltf-binary": ".glb", "model/obj": ".obj", "text/plain": ".txt", "application/json": ".json",
}  # fmt: skip
