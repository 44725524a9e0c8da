"""Files that a person hands to a job."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...errors import FileMissing, ImageTooLarge
from ...generation.pictures import inspect

MAX_BYTES = 50 * 1024 * 1024
"""The largest input file; the smallest limit among the providers' (OpenAI takes less than 50 MB)."""


def read_image(name: str, path: Path, max_pixels: int) -> tuple[bytes, str, str]:
    """(bytes, media type, SHA-256) of an image file.

    Raises FileMissing, NotAnImage and ImageTooLarge naming the input.
    """
    what = f"{name}: {path}"
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageTooLarge(f"{what} has {size} bytes, more than {MAX_BYTES}.", hint="Use a smaller file.")
        data = path.read_bytes()
    except OSError as exc:
        reason = (exc.strerror or "error").lower()
        raise FileMissing(f"{what} cannot be read ({reason}).", hint="Check the path.") from exc
    media_type, _, _ = inspect(data, max_pixels=max_pixels, what=what)
    return data, media_type, hashlib.sha256(data).hexdigest()
