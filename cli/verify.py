"""``mintmark verify``: what a file's credential says, and whether it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import FileMissing
from .output import Json, console, emit, plain
from .paths import is_file, is_folder

if TYPE_CHECKING:
    from ..orchestrator.content.looking import Alike
    from ..provenance.credential import Credential


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Images, videos, sounds; anything signed.")],
    as_json: Json = False,
) -> None:
    """Check a file's content credential, its ingredients and its record. Exit code 1 where one is invalid."""
    from .. import config
    from ..provenance.reading import read
    from ..provenance.trust import trust_of
    from .credential import show

    trust = trust_of(config.load())
    found = [(file, read(existing(file), None, trust)) for file in files]
    if as_json:
        told = [{**credential.as_dict(), **_copied(file, credential)} for file, credential in found]
        # One file, one document; several are told apart by their names.
        named = [{"file": str(file), **each} for (file, _), each in zip(found, told, strict=True)]
        emit(told[0] if len(told) == 1 else named)
    else:
        for file, credential in found:
            show(file, credential)
            for like in _likes(file, credential)[:1]:
                console().print(f"  [yellow]{plain(like.words())}[/]")
    if any(credential.state == "invalid" for _, credential in found):
        raise typer.Exit(1)


def _likes(file: Path, credential: Credential) -> list[Alike]:
    """What a file without a credential looks like a copy of."""
    from .alike import alike

    return alike(file) if credential.state == "none" else []


def _copied(file: Path, credential: Credential) -> dict[str, Any]:
    return {"alike": [each.document() for each in _likes(file, credential)]} if credential.state == "none" else {}


def existing(file: Path) -> Path:
    """The file, where it is one. Raises FileMissing."""
    if is_folder(file):
        raise FileMissing(f"{file} is a folder.", hint=f"Name the files in it: mintmark verify {file}/*")
    if not is_file(file):
        raise FileMissing(f"{file} does not exist.", hint="Check the path.")
    return file
