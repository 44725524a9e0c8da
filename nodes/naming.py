"""Where saved files go: a prefix becomes a folder and a name inside the output folder; nothing is overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from glob import escape
from pathlib import Path

from ..errors import InvalidInput, StorageError

MAX_NAME = 200
"""The longest part of a prefix, in bytes: file systems hold 255, and the number and a temporary ending come on top."""
MAX_PATH = 1000
"""The longest prefix, in bytes: systems allow 1024 to 4096, output folder included."""


def write_all(folder: Path, stem: str, files: list[bytes], ending: str = "png") -> list[Path]:
    """Each file under a name of its own; where one cannot be written, none stays. Raises DiskFull and CannotWrite."""
    from ..storage.files import write_new

    paths: list[Path] = []
    try:
        for data in files:
            paths.append(write_new(numbered(folder, stem, ending), data))  # noqa: PERF401 - those before a failure are needed
    except StorageError:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    return paths


def place(root: Path, prefix: str, folder: str = "") -> tuple[Path, str]:
    """The folder and start of the name for a prefix. Raises InvalidInput where it leads out of ``root``.

    ``folder`` comes before the prefix's own. Links are followed first: one that leads elsewhere is outside, too.
    """
    home = target = root.resolve()
    wanted = f"{folder.strip()}/{prefix.strip()}" if folder.strip() else prefix.strip()
    with suppress(OSError, ValueError, RuntimeError):  # too long, NUL or half a character, links in a circle
        parts = [len(part.encode()) for part in Path(wanted).parts]
        if max(parts, default=0) <= MAX_NAME and sum(parts) <= MAX_PATH:
            target = (root / wanted).resolve()
    if not prefix.strip() or target == home or not target.is_relative_to(home) or not target.name.strip(". "):
        raise InvalidInput(
            f"filename_prefix: {wanted[:100]!r} does not name a file inside the output folder.",
            hint="Use a plain name such as mintmark/image.",
        )
    return target.parent, target.name


def numbered(folder: Path, stem: str, ending: str = "png") -> Iterator[Path]:
    """``stem_00001_.png`` and on, as ComfyUI numbers its files, from the first number that is free now."""
    taken = [path.name[len(stem) + 1 :].partition("_")[0] for path in folder.glob(f"{escape(stem)}_*_.{ending}")]
    first = max((int(number) for number in taken if number.isdecimal()), default=0) + 1
    for number in range(first, first + 100_000):
        yield folder / f"{stem}_{number:05}_.{ending}"
