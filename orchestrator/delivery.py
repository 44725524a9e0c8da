"""Bringing a job's files home: nothing is delivered without a verdict and a whole credential."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ..errors import OutputBlocked, SigningFailed, WorkerLost
from ..generation.context import JobContext, JobReport
from ..generation.pictures import inspect
from ..moderation.verdict import Verdict
from ..provenance.reading import read as read_credential
from ..storage.files import write_new
from .link import WorkerLink
from .protocol import History, OutputFile

if TYPE_CHECKING:
    from ..generation.sealing import Sealed
    from .run import RunRequest


class Seen(BaseModel):
    """Who a credential says signed, and whether it holds."""

    model_config = ConfigDict(frozen=True)

    state: str
    issuer: str | None


class Delivered(BaseModel):
    """One file of a job, as it lies on this machine."""

    model_config = ConfigDict(frozen=True)

    path: str
    media_type: str
    width: int
    height: int
    sha256: str
    verdict: dict[str, Any]
    credential: Seen


Seal = Callable[[JobContext, bytes, str], Awaitable["Sealed"]]
"""Judges and signs a file that a worker left unsigned."""


class Delivery:
    """Fetches, checks and writes a job's files; ``seal`` is only asked where a worker's file has no credential."""

    def __init__(self, *, max_pixels: int, anchors_pem: str | None, seal: Seal) -> None:
        self._max_pixels = max_pixels
        self._anchors = anchors_pem
        self._seal = seal

    async def deliver(
        self, link: WorkerLink, history: History, report: JobReport, context: JobContext, request: RunRequest
    ) -> list[Delivered]:
        """The job's files, written to its folder. All are fetched and checked before the first one is written."""
        wanted = [file for file in history.files if file.type == "output"]
        checked = [await self._checked(link, file, report, context) for file in wanted]
        if not checked:
            raise WorkerLost("The job ended without a file.", hint="Does the workflow end in Sign and Save?")
        stem = f"{request.workflow.name}-{context.job_id[:8]}"
        return [await asyncio.to_thread(self._write, each, request.out_dir, stem) for each in checked]

    async def _checked(
        self, link: WorkerLink, file: OutputFile, report: JobReport, context: JobContext
    ) -> tuple[bytes, dict[str, Any]]:
        data = await link.fetch(file)
        credential = await asyncio.to_thread(read_credential, data, None, self._anchors)
        verdict = _verdict_of(report, hashlib.sha256(data).hexdigest())
        if credential.state == "invalid":
            raise SigningFailed(
                f"The credential of {file.filename} does not hold: {credential.problems[0].explanation}",
                hint="It was damaged or changed on its way; run the job again.",
            )
        if credential.state == "none" or verdict is None:
            sealed = await self._seal(context, data, file.filename)
            return sealed.data, sealed.verdict.model_dump(mode="json")
        if verdict["decision"] == "blocked":
            raise OutputBlocked(f"{file.filename} was blocked (rule {verdict['rule']}).")
        return data, verdict

    def _write(self, checked: tuple[bytes, dict[str, Any]], folder: Path, stem: str) -> Delivered:
        data, verdict = checked
        media_type, width, height = inspect(data, max_pixels=self._max_pixels)
        credential = read_credential(data, None, self._anchors)
        path = write_new(_names(folder, stem, media_type), data)
        return Delivered(
            path=str(path),
            media_type=media_type,
            width=width,
            height=height,
            sha256=hashlib.sha256(data).hexdigest(),
            verdict=told(verdict),
            credential=Seen(state=credential.state, issuer=credential.issuer),
        )


def told(verdict: Mapping[str, Any] | Verdict) -> dict[str, Any]:
    """A verdict as the CLI prints it."""
    plain = verdict.model_dump(mode="json") if isinstance(verdict, Verdict) else verdict
    return {name: plain[name] for name in ("decision", "categories", "scores", "rule", "policy")}


def _verdict_of(report: JobReport, digest: str) -> dict[str, Any] | None:
    """What the worker's journal says of the file with this digest."""
    return next((dict(each["verdict"]) for each in report.signed if each["sha256"] == digest), None)


def _names(folder: Path, stem: str, media_type: str) -> Iterator[Path]:
    extension = {"image/jpeg": "jpg"}.get(media_type, media_type.removeprefix("image/"))
    yield folder / f"{stem}.{extension}"
    for number in range(2, 100_000):
        yield folder / f"{stem}-{number}.{extension}"
