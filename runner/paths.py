"""The runner's folders, and the one rule for names inside them: nothing outside is ever read or written."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from ..errors import CannotWrite, FileMissing

_STEMS = 1024
"""Stems whose latest number is remembered."""
_latest: OrderedDict[tuple[Path, str], int] = OrderedDict()
"""The number of the file saved last, by folder and stem: reading a folder takes longer with each file in it."""


@dataclass(frozen=True)
class Paths:
    """Folders as ComfyUI lays them out under its base directory; model files may be elsewhere."""

    base: Path
    models_dir: Path | None = None

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def temp(self) -> Path:
        return self.base / "temp"

    @property
    def user(self) -> Path:
        return self.base / "user"

    @property
    def models(self) -> Path:
        """There is not always one: a runner that loads no model needs none."""
        return self.models_dir or self.base / "models"

    def make(self) -> None:
        """Create the folders.

        Raises:
            CannotWrite: a folder cannot be made.
        """
        for folder in (self.input, self.output, self.temp, self.user):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CannotWrite(f"The runner cannot make its folder {folder}.", hint=str(error)) from error

    def folder(self, kind: str) -> Path | None:
        """The folder of a ``type`` on the wire (input, output, temp), or None for any other word."""
        return {"input": self.input, "output": self.output, "temp": self.temp}.get(kind)


def inside(root: Path, *parts: str) -> Path | None:
    """The path of these parts under the root, or None where they lead out of it (also through a link).

    The root's own links are followed first, so that a linked base directory works.
    """
    if any("\x00" in part for part in parts):
        return None
    # As text: it is asked of each picture, and paths take five times as long.
    home = os.path.realpath(root)
    path = os.path.realpath(os.path.join(home, *parts))  # noqa: PTH118
    return Path(path) if path == home or path.startswith(home.rstrip(os.sep) + os.sep) else None


def annotated(paths: Paths, name: str) -> Path:
    """The file an input such as ``cat.png``, ``sub/cat.png`` or ``cat.png [output]`` names.

    Raises:
        FileMissing: there is no such file inside the folder.
    """
    root, plain = paths.input, name
    for kind in ("input", "output", "temp"):
        if name.endswith(f" [{kind}]"):
            root, plain = paths.base / kind, name[: -len(kind) - 3]
    path = inside(root, plain)
    if path is None or not path.is_file():
        raise FileMissing(f"Invalid image file: {name}")
    return path


def numbered(root: Path, prefix: str) -> tuple[Path, str, str, int]:
    """Where files of a ``filename_prefix`` go: folder, stem, subfolder as on the wire, next free number.

    Raises:
        CannotWrite: the prefix leads outside the folder, or its folder cannot be made.
    """
    subfolder, stem = os.path.split(os.path.normpath(prefix))
    folder = inside(root, subfolder, stem)
    if folder is None or stem in ("", "..") or Path(subfolder).is_absolute():
        raise CannotWrite(f"Saving outside the output folder is not allowed: {prefix[:100]!r}.")
    folder = root.resolve() / subfolder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{prefix[:100]!r}: its folder cannot be made.", hint=str(error.strerror)) from error
    return folder, stem, subfolder, _highest(folder, stem) + 1


def remember(folder: Path, stem: str, number: int) -> None:
    """A file of this number was saved: the next one of this stem need not look through the folder."""
    _latest.pop((folder, stem), None)
    _latest[folder, stem] = number
    if len(_latest) > _STEMS:
        _latest.popitem(last=False)


def file_name(stem: str, number: int) -> str:
    """What a saved picture is called."""
    return f"{stem}_{number:05}_.png"


def _highest(folder: Path, stem: str) -> int:
    """The highest number that is taken. Where the file that was saved last is gone, somebody tidied up, and the folder
    is read again."""
    latest = _latest.get((folder, stem))
    if latest is not None and (folder / file_name(stem, latest)).exists():
        return latest
    return max((_number(name, stem) for name in os.listdir(folder)), default=0)  # noqa: PTH208 - names are enough


def _number(name: str, stem: str) -> int:
    """The number of ``stem_00012_.png``; 0 for any other name."""
    middle = name[len(stem) + 1 :].partition("_")[0] if name.lower().startswith(f"{stem}_".lower()) else ""
    return int(middle) if middle.isascii() and middle.isdigit() else 0
