"""Small pictures of assets: made when one is first asked for, then kept.

A small picture is a new file, so it cannot carry its original's credential. It says so itself, and names the original.
"""

from __future__ import annotations

import io
import threading
from contextlib import suppress
from pathlib import Path

from ...errors import DiskFull, NotAnImage
from ..files import write_atomic
from .base import AssetStore, is_digest
from .pictures import opened

SIDE = 256
"""Pixels of its longer side, at most."""
AT_ONCE = 2
"""How many are made at the same time: each may unpack ``max_pixels``."""
MAX_PIXELS = 100_000_000
_QUALITY = 80
_NOTE = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="sha256:{digest}">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Preview without content credentials.</rdf:li></rdf:Alt>
</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


class Thumbnails:
    """Small pictures of the store's files, kept in ``folder``. Blocks: call it from a thread."""

    def __init__(self, folder: Path, assets: AssetStore, *, max_pixels: int = MAX_PIXELS) -> None:
        self._folder, self._assets, self._max_pixels = folder, assets, max_pixels
        self._making = threading.BoundedSemaphore(AT_ONCE)

    def get(self, digest: str) -> bytes:
        """A WebP. Raises UnknownAsset, NotAnImage for what is no picture, and ImageTooLarge."""
        asset = self._assets.get(digest)
        if (kept := self._kept(digest)) is not None:
            return kept
        with self._making:
            # Whoever waited may find it made.
            if (kept := self._kept(digest)) is not None:
                return kept
            made = small(self._picture(asset.digest), digest, max_pixels=self._max_pixels)
            # Without room it is made again the next time.
            with suppress(DiskFull):
                write_atomic(self._place(digest), made, mode=0o600)
        return made

    def delete(self, digest: str) -> None:
        """Forget the small picture, with its original. Harmless to repeat."""
        if is_digest(digest):
            self._place(digest).unlink(missing_ok=True)

    def _kept(self, digest: str) -> bytes | None:
        try:
            return self._place(digest).read_bytes()
        except OSError:
            return None

    def _picture(self, digest: str) -> Path | bytes:
        if (laid := self._assets.laid(digest)) is not None:
            return laid
        path = self._assets.path(digest)
        if path is None:
            raise NotAnImage("The picture does not lie on this machine.")
        return path

    def _place(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}.webp"


def small(picture: Path | bytes, digest: str, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """The picture as a WebP of at most :data:`SIDE` pixels a side, upright, that says what it is."""
    from PIL import ImageOps

    try:
        with opened(picture, max_pixels=max_pixels) as (image, _):
            # A JPEG is unpacked at an eighth of its size where that is enough.
            image.draft("RGB", (SIDE * 2, SIDE * 2))
            image.thumbnail((SIDE, SIDE))
            upright = ImageOps.exif_transpose(image)
            shown = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError) as exc:
        raise NotAnImage("The picture is damaged or cut off.", hint="Save it again.") from exc
    file = io.BytesIO()
    shown.save(file, "WEBP", quality=_QUALITY, xmp=_NOTE.format(digest=digest).encode())
    return file.getvalue()
