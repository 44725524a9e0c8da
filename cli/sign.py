"""``mintmark sign``: a credential for files that are already there, which claims nothing of how they were made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CannotWrite, FileMissing
from .output import Json, console, emit, plain

if TYPE_CHECKING:
    from ..config import Settings
    from ..provenance.signing import CredentialSigner


def sign(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Any files; they stay as they are.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the signed files (default: beside each).")] = None,
    as_json: Json = False,
) -> None:
    """Sign files as they are. Each is opened, with its own credential, and nothing is said of how it was made.

    Images, videos and sounds get a signed copy; what takes no credential in gets one beside it (.c2pa).
    """
    from .. import config
    from ..provenance.keys import signing_identity
    from ..provenance.signing import CredentialSigner
    from ..provenance.timestamps import stamping

    settings = config.load()
    with CredentialSigner(signing_identity(settings), stamping(settings)) as signer:
        told = [_signed(signer, settings, file, out) for file in files]
    if as_json:
        emit(told)
        return
    for each in told:
        note = f" [yellow]({plain(each['note'])})[/]" if each["note"] else ""
        console().print(f"[green]✓[/] {plain(each['signed'])}  signed by {plain(each['issuer'])}{note}")


def _signed(signer: CredentialSigner, settings: Settings, file: Path, out: Path | None) -> dict[str, Any]:
    from ..clock import utc_now
    from ..orchestrator.execution.kinds import media_type
    from ..provenance.actions import Ingredient
    from ..provenance.formats import sidecars
    from ..provenance.manifest import ImageFacts
    from ..storage.files import write_atomic, write_new

    data = _read(file)
    kind = media_type(data, file.name)
    facts = ImageFacts(
        title=file.name,
        media_type=kind,
        origin="not_ai",
        record={},
        when=utc_now(),
        parent=Ingredient(file.name, kind, data),
        training=settings.training_mining,
    )
    signed = signer.whichever(data, kind, facts)
    folder = out or file.parent
    if signed.sidecar is None:
        place = write_new(_names(folder, file), signed.data)
    else:
        beside = file if out is None else write_new(_names(folder, file, mark=""), data)
        place = _free(next(sidecars(beside)))
        write_atomic(place, signed.sidecar)
    facts_told = {"media_type": kind, "issuer": signer.identity.issuer, "note": signed.note}
    return {"file": str(file), "signed": str(place), **facts_told}


def _free(place: Path) -> Path:
    """Raises CannotWrite: a credential that is there may tell more than the new one would."""
    if place.exists():
        raise CannotWrite(f"{place} is there already.", hint="Move it away, or sign into another folder: --out.")
    return place


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise FileMissing(f"{file}: {exc.strerror or 'cannot be read'}.", hint="Check the path.") from exc


def _names(folder: Path, file: Path, mark: str = ".signed") -> Iterator[Path]:
    yield folder / f"{file.stem}{mark}{file.suffix}"
    for number in range(2, 100_000):
        yield folder / f"{file.stem}{mark}-{number}{file.suffix}"
