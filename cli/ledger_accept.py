"""``mintmark ledger accept`` and ``reject``: what people say of images, so that an accepted one has a price."""

from __future__ import annotations

import hashlib
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..clock import utc_now
from ..errors import UnknownJob
from .books import open_books, open_decisions
from .output import Json, console, emit
from .paths import is_file
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..generation.journal import Journal
    from ..metering.ledger import Ledger

_What = Annotated[list[str], typer.Argument(help="Files, SHA-256 digests of signed files, or job ids.")]
_Why = Annotated[str | None, typer.Option(help="Why, in your words.")]


def accept(what: _What, reason: _Why = None, sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Say that images are good: one by one, or all of a job. The later word counts."""
    _decide(what, reason, sandbox=sandbox, as_json=as_json, accepted=True)


def reject(what: _What, reason: _Why = None, sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Say that images are not good: one by one, or all of a job. They were paid for all the same."""
    _decide(what, reason, sandbox=sandbox, as_json=as_json, accepted=False)


def _decide(what: list[str], reason: str | None, *, sandbox: bool, as_json: bool, accepted: bool) -> None:
    from ..metering.acceptance import Decision

    found, _ = settings(sandbox=sandbox)
    now = utc_now()
    with open_books(found) as (ledger, journal):
        # All are found before the first is written down.
        subjects = [_subject(each, ledger, journal) for each in what]
    with open_decisions(found) as decisions:
        for subject, job_id, images in subjects:
            decisions.put(Decision(subject, job_id, images, accepted, now, found.user, reason))
    if as_json:
        told = [{"subject": subject, "job_id": job_id, "images": images} for subject, job_id, images in subjects]
        emit({"accepted": accepted, "decided": told})
        return
    count = sum(images for _, _, images in subjects)
    word = "accepted" if accepted else "rejected"
    console().print(
        f"[green]✓[/] {count} image{'' if count == 1 else 's'} {word}. mintmark cost report has their cost."
    )


def _subject(text: str, ledger: Ledger, journal: Journal) -> tuple[str, str, int]:
    """(what is decided on, its job, how many images). Raises UnknownJob."""
    if _is_uuid(text):
        if journal.job(text) is None and not ledger.knows(text):
            raise UnknownJob(f"There is no job {text}.", hint="See: mintmark ledger list --json")
        return text, text, _images(text, ledger, journal)
    path, digest, data = Path(text), text.lower(), None
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        if not is_file(path):
            raise UnknownJob(f"{text!r} is no file, no job and no SHA-256 of a file.", hint="Give the file's path.")
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
    job_id = journal.job_of(digest) or (_named_in(data) if data is not None else None)
    if job_id is None:
        raise UnknownJob(f"No job is known that made {text}.", hint="Give the job's id.")
    return digest, job_id, 1


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _named_in(data: bytes) -> str | None:
    """The job that the file's own credential names, where it holds."""
    from ..provenance.reading import read

    credential = read(data)
    whole = credential.state in ("valid", "trusted")
    return str(credential.record["job_id"]) if whole and credential.record and "job_id" in credential.record else None


def _images(job_id: str, ledger: Ledger, journal: Journal) -> int:
    """The files that the job signed; where that is not known here, the images it paid for."""
    signed = len(journal.report(job_id).signed) if journal.job(job_id) else 0
    return signed or sum(line.images for line in ledger.lines(job_id=job_id, limit=100_000)) or 1
