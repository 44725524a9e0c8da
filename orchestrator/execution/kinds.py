"""What an output is: by its content where that tells, else by its name's ending. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

from ...generation.pictures import MEDIA_TYPES
from ...provenance.formats import EMBEDS, ENDING, SIDECAR
from ...provenance.sniffing import media_type as sniff

JUDGED = frozenset(MEDIA_TYPES.values())
"""What a moderation policy can judge. It is also signed in its own format."""
SIGNABLE = JUDGED | EMBEDS
"""What can carry a credential. WebM, Matroska, Ogg, 3D and text have it beside them: C2PA has no place in them yet."""
UNKNOWN = "application/octet-stream"

_BY_ENDING = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "avif": "image/avif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jxl": "image/jxl",
    "svg": "image/svg+xml",
    "exr": "image/x-exr",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "m4v": "video/x-m4v",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "obj": "model/obj",
    "stl": "model/stl",
    "ply": "model/ply",
    "fbx": "model/fbx",
    "usdz": "model/vnd.usdz+zip",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "json": "application/json",
    ENDING[1:]: SIDECAR,
}
_ENDINGS = {kind: ending for ending, kind in reversed(_BY_ENDING.items())}
_STARTS = ((b"glTF", "model/gltf-binary"), (b"OggS", "audio/ogg"), (b"ply\n", "model/ply"))


def media_type(data: bytes, name: str) -> str:
    """The media type of an output's bytes; ``application/octet-stream`` where neither they nor the name tell."""
    by_name = _BY_ENDING.get(PurePosixPath(name).suffix.lower().removeprefix("."))
    if data[:4] == b"\x1a\x45\xdf\xa3":  # EBML: Matroska, and WebM, which is a part of it
        return by_name if by_name in ("video/webm", "video/x-matroska") else "video/webm"
    by_start = next((kind for start, kind in _STARTS if data.startswith(start)), None)
    return sniff(data) or by_start or by_name or UNKNOWN


def ending(media_type: str, name: str) -> str:
    """The file's ending, with its dot: the kind's own, or the worker's for a kind that is not known here."""
    if media_type in _ENDINGS:
        return f".{_ENDINGS[media_type]}"
    return PurePosixPath(name).suffix.lower()
