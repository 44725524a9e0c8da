"""Files that a node opens by name: those of the host's input folder, and ``name [output]`` for one that was saved."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..errors import FileMissing
from .host import current as current_host
from .host import is_known

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif"})
_OUTPUT, _INPUT = " [output]", " [input]"


def picture_input(name: str, tooltip: str) -> Any:
    """A combo of the input folder's pictures with the page's upload button, as Load Image has it."""
    return io.Combo.Input(name, options=_pictures(), tooltip=tooltip, extra_dict={"image_upload": True})


def found(name: str) -> Path:
    """The file of this name. Raises FileMissing, also for one outside the folder (links are followed first)."""
    host = current_host()
    root, plain = host.input_dir, name.removesuffix(_INPUT)
    if name.endswith(_OUTPUT):
        root, plain = host.output_dir, name.removesuffix(_OUTPUT)
    with suppress(OSError, ValueError, RuntimeError):  # too long, NUL or half a character, links in a circle
        path = (root / plain).resolve()
        if plain and path.is_relative_to(root.resolve()) and path.is_file():
            return path
    raise FileMissing(f"image: {name[:100]!r} is no file of the input folder.", hint="Upload it, or choose another.")


def read(name: str) -> bytes:
    """The file's bytes. Raises FileMissing."""
    try:
        return found(name).read_bytes()
    except OSError as exc:
        raise FileMissing(f"image: {name[:100]!r} cannot be read: {exc.strerror}.") from exc


def problem(name: Any) -> bool | str:
    """What ``validate_inputs`` answers: True, or why the file cannot be used."""
    try:
        found(str(name))
    except FileMissing as exc:
        return str(exc)
    return True


def digest(name: Any) -> str:
    """What ``fingerprint_inputs`` answers: another file of the same name is another input."""
    try:
        return hashlib.sha256(read(str(name))).hexdigest()
    except FileMissing:
        return ""


def title_of(name: str) -> str:
    """The file's name for people: without its folder and what says where it is."""
    return Path(name.removesuffix(_OUTPUT).removesuffix(_INPUT)).name


def _pictures() -> list[str]:
    if not is_known():
        return []
    with suppress(OSError):
        files = current_host().input_dir.iterdir()
        return sorted(path.name for path in files if path.suffix.lower() in ENDINGS and path.is_file())
    return []
