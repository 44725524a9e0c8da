"""Bringing a job's files home: an image is not delivered without a verdict and a whole credential.

Whatever a node saved comes the same way, from whatever subfolder: images, video, audio, 3D, text. PNG, JPEG, WebP and
AVIF are judged and signed in their own format where the worker left that open. What no checker judges is refused,
unless ``allow_unchecked`` asks for it; then it is signed all the same, with the credential beside it where its kind
takes none in. A worker's temporary files (previews) are no results and stay there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ...errors import NotAnImage, OutputBlocked, SigningFailed, WorkerLost
from ...generation.context import JobContext, JobReport
from ...generation.pictures import inspect
from ...moderation.verdict import SHOWN, Decision, Verdict
from ...provenance.credential import Credential
from ...provenance.formats import sidecars
from ...provenance.reading import read as read_credential
from ...provenance.reading import read_beside
from ...provenance.trust import Anchors
from ...provenance.words import without_graph
from ...storage.files import write_atomic, write_new
from ..link.base import Link
from ..link.protocol import History, OutputFile
from . import kinds, words
from .unsigned import Unsigned

if TYPE_CHECKING:
    from ...generation.sealing import Draft, Sealed
    from ...provenance.signing import Signed
    from ...workflows.format import WorkflowVersion
    from ...workflows.wording import Words
    from .request import RunRequest


class Seen(BaseModel):
    """Who a credential says signed, and whether it holds. ``none``: the file cannot carry one, or has none."""

    model_config = ConfigDict(frozen=True)

    state: str
    issuer: str | None


class Delivered(BaseModel):
    """One file of a job, as it lies on this machine."""

    model_config = ConfigDict(frozen=True)

    path: str
    output: str | None = None
    """The workflow's output that it is; None for what a node saved that no output names."""
    media_type: str
    width: int | None
    """In pixels; None for what is no image, or one of a kind that is not looked into here."""
    height: int | None
    sha256: str
    verdict: dict[str, Any] | None
    """None for what nobody here can judge."""
    credential: Seen
    sidecar: str | None = None
    """Where its credential lies, of a kind of file that takes none in."""


_MARKS = (b"jumb", b"provenance", b"c2pa:manifest")
"""Without one of these a file has no credential in it and names none elsewhere; looking for them takes no time."""

SMALL = 64 * 1024
"""A file of so many bytes is looked at in less time than a thread takes to begin."""

Seal = Callable[[JobContext, "Draft"], Awaitable["Sealed"]]
"""Judges and signs an image that a worker left unsigned."""
Sign = Callable[["Draft"], Awaitable["Signed"]]
"""Signs a file that nobody can judge."""
Look = Callable[[JobContext, tuple[bytes, str] | None], Awaitable[Decision]]
"""The decision on a preview (bytes, media type) by the job's policy and what was decided of its words; on the words
alone where there is none."""


@dataclass(frozen=True, kw_only=True)
class Brought:
    """One file of a job, checked and signed, in memory."""

    name: str
    """As the worker called it."""
    output: str | None
    """The workflow's output that it is; None for what a node saved that no output names."""
    data: bytes = field(repr=False)
    media_type: str
    verdict: Mapping[str, Any] | None
    """None for what nobody here can judge."""
    sha256: str
    width: int | None
    """In pixels; None for what is no image, or one of a kind that is not looked into here."""
    height: int | None
    credential: Seen
    record: Mapping[str, Any]
    """How it was made, as its credential tells; empty where that is not known."""
    sidecar: bytes | None = field(default=None, repr=False)
    """Its credential, of a kind of file that takes none in."""


REVIEW = "review"
"""The folder within a run's own where files lie that a person has to accept first."""


class Delivery:
    """Fetches and checks a job's files; ``seal`` and ``sign`` are asked where a file has no credential,
    ``ask`` about words that no node of ours sees, ``look`` about previews."""

    def __init__(
        self,
        *,
        max_pixels: int,
        anchors_pem: Anchors,
        seal: Seal,
        sign: Sign | None = None,
        ask: words.Read | None = None,
        look: Look | None = None,
    ) -> None:
        self._max_pixels = max_pixels
        self._anchors = anchors_pem
        self._seal = seal
        self._sign = sign
        self._ask = ask
        self._look = look

    async def shows(self, context: JobContext, data: bytes, media_type: str, *, checked: bool) -> bool:
        """Whether a preview may be shown: where the job's policy would let the picture itself be seen.
        ``checked``: its node had it judged. Raises what judging does."""
        picture = None if checked else (data, media_type)
        return self._look is not None and await self._look(context, picture) in SHOWN

    async def read(self, context: JobContext, said: Sequence[Words]) -> tuple[Verdict, ...]:
        """What is decided of the words that a plain graph makes pictures of, before it is posted. Raises PromptBlocked,
        and ModerationUnavailable where the policy wants that."""
        return await words.read(said, context, self._ask)

    async def deliver(
        self,
        link: Link,
        history: History,
        report: JobReport,
        context: JobContext,
        request: RunRequest,
        graph: Mapping[str, Any],
    ) -> list[Delivered]:
        """The job's files, written to its folder. All are fetched and checked before the first one is written.

        Raises what :meth:`bring` does, and CannotWrite and DiskFull.
        """
        brought = await self.bring(
            link, history, report, context, request.workflow, graph, allow_unchecked=request.allow_unchecked
        )
        stem = f"{request.workflow.name}-{context.job_id[:8]}"
        several = len({each.output for each in brought}) > 1
        stems = [f"{stem}-{each.output}" if several and each.output else stem for each in brought]
        return [
            await asyncio.to_thread(_write, each, request.out_dir, name)
            for each, name in zip(brought, stems, strict=True)
        ]

    async def bring(
        self,
        link: Link,
        history: History,
        report: JobReport,
        context: JobContext,
        workflow: WorkflowVersion,
        graph: Mapping[str, Any],
        *,
        allow_unchecked: bool = False,
    ) -> list[Brought]:
        """The job's files, fetched and checked, in the order in which the workflow names its outputs.

        ``graph`` is what the worker ran: the credential of what it left unsigned tells of it.

        Raises SigningFailed and OutputBlocked naming the file, and WorkerLost where there is none.
        """
        wanted = _in_order(history.files, workflow)
        unsigned = Unsigned(link, graph, history.details, max_pixels=self._max_pixels, anchors_pem=self._anchors)
        brought = [
            await self._brought(link, file, report, context, workflow, unsigned, allow_unchecked) for file in wanted
        ]
        only_words = workflow.outputs and all(each.kind == "text" for each in workflow.outputs)
        if not brought and not only_words:
            raise WorkerLost("The job ended without a file.", hint="Does the workflow end in Sign and Save?")
        return brought

    async def _brought(
        self,
        link: Link,
        file: OutputFile,
        report: JobReport,
        context: JobContext,
        workflow: WorkflowVersion,
        unsigned: Unsigned,
        allow_unchecked: bool,
    ) -> Brought:
        data = await link.fetch(file)
        media_type = kinds.media_type(data, file.filename)
        credential = await self._credential(data, media_type)
        if credential.state == "invalid":
            raise SigningFailed(
                f"The credential of {file.filename} does not hold: {credential.problems[0].explanation}",
                hint="It was damaged or changed on its way; run the job again.",
            )
        own = _verdict_of(report, hashlib.sha256(data).hexdigest())
        verdict = words.of_file(report, own)
        if verdict is not None and verdict["decision"] == "blocked":
            raise OutputBlocked(f"{file.filename} was blocked (rule {verdict['rule']}).")
        bare, sidecar = credential.state == "none", None
        if bare and context.keep_prompt is False:
            data = await asyncio.to_thread(_without_graph, file, data, media_type)
        clear = own is not None and verdict is not None and own["decision"] != verdict["decision"] == "blurred"
        if media_type in kinds.JUDGED and (bare or verdict is None or clear):
            draft = await unsigned.draft(file, data, media_type)
            sealed = await self._seal(context, replace(draft, prompts=report.verdicts))
            data, verdict = sealed.data, sealed.verdict.model_dump(mode="json")
            credential = await self._credential(data, media_type)
        elif verdict is None:
            _check_allowed(file, media_type, allow_unchecked)
            if self._sign is not None and bare:
                data, sidecar, _ = await self._sign(await unsigned.draft(file, data, media_type))
                credential = await self._credential(data, media_type, sidecar)
            verdict = words.of_unjudged(report)
        output = next((each.name for each in workflow.outputs if each.node == file.node), None)
        described = partial(self._described, file.filename, output, data, media_type, verdict, credential)
        found = described() if len(data) <= SMALL else await asyncio.to_thread(described)
        return replace(found, sidecar=sidecar) if sidecar else found

    async def _credential(self, data: bytes, media_type: str, sidecar: bytes | None = None) -> Credential:
        """What the bytes carry, or what stands beside them."""
        if sidecar is not None:
            return await asyncio.to_thread(read_beside, data, sidecar, self._anchors)
        if not any(mark in data for mark in _MARKS):
            return Credential("none")
        return await asyncio.to_thread(self._read, data, media_type)

    def _described(
        self,
        name: str,
        output: str | None,
        data: bytes,
        media_type: str,
        verdict: Mapping[str, Any] | None,
        credential: Credential,
    ) -> Brought:
        """The file as it will be handed over; ``credential`` was read from those very bytes."""
        width, height = None, None
        if media_type in kinds.JUDGED:
            _, width, height = inspect(data, max_pixels=self._max_pixels)
        return Brought(
            name=name,
            output=output,
            data=data,
            media_type=media_type,
            verdict=verdict,
            sha256=hashlib.sha256(data).hexdigest(),
            width=width,
            height=height,
            credential=Seen(state=credential.state, issuer=credential.issuer),
            record=credential.record or {},
        )

    def _read(self, data: bytes, media_type: str) -> Credential:
        if media_type not in kinds.SIGNABLE:
            return Credential("none")
        try:
            return read_credential(data, media_type, self._anchors)
        except NotAnImage:
            if media_type in kinds.JUDGED:
                raise
            return Credential("none")


def _write(brought: Brought, folder: Path, stem: str) -> Delivered:
    if brought.verdict is not None and brought.verdict["decision"] == "review":
        folder = folder / REVIEW
    path = write_new(_names(folder, stem, kinds.ending(brought.media_type, brought.name)), brought.data)
    return Delivered(
        path=str(path),
        output=brought.output,
        media_type=brought.media_type,
        width=brought.width,
        height=brought.height,
        sha256=brought.sha256,
        verdict=told(brought.verdict) if brought.verdict is not None else None,
        credential=brought.credential,
        sidecar=_write_sidecar(brought, path),
    )


def _write_sidecar(brought: Brought, path: Path) -> str | None:
    if brought.sidecar is None:
        return None
    place = next(sidecars(path))
    write_atomic(place, brought.sidecar)
    return str(place)


def _in_order(files: Iterable[OutputFile], workflow: WorkflowVersion) -> list[OutputFile]:
    """What nodes saved, in the order in which the workflow names its outputs; then what it does not name.

    A worker tells of nodes in the order in which they ended, which differs from run to run.
    """
    places = {each.node: place for place, each in enumerate(workflow.outputs)}
    saved = [file for file in files if file.type == "output"]
    return sorted(saved, key=lambda file: places.get(file.node, len(places)))


def _check_allowed(file: OutputFile, media_type: str, allow_unchecked: bool) -> None:
    """Raises SigningFailed for what nobody can judge, unless it is wanted so."""
    if allow_unchecked:
        return
    # The job stays open: it is paid for, and asked again with the flag its files are only fetched.
    raise SigningFailed(
        f"{file.filename} is {media_type}, which can be signed, but not judged, so it was not delivered.",
        hint="To take it all the same, run the same thing again with --allow-unchecked: nothing is paid twice.",
        keep_open=True,
    )


def _without_graph(file: OutputFile, data: bytes, media_type: str) -> bytes:
    """Raises SigningFailed for what policy keeps here."""
    freed = without_graph(data, media_type)
    if freed is None:
        raise SigningFailed(
            f"{file.filename} holds its graph, which policy keeps out of files (MINTMARK_KEEP_PROMPT=0), and "
            f"{media_type} cannot be freed of it here.",
            hint="Save it as another kind, or start the worker with --disable-metadata.",
            keep_open=True,
        )
    return freed


def told(verdict: Mapping[str, Any] | Verdict) -> dict[str, Any]:
    """A verdict as the CLI prints it."""
    plain = verdict.model_dump(mode="json") if isinstance(verdict, Verdict) else verdict
    beside = ("shadow",) if plain.get("shadow") else ()
    return {name: plain[name] for name in ("decision", "categories", "scores", "rule", "policy", *beside)}


def _verdict_of(report: JobReport, digest: str) -> dict[str, Any] | None:
    """What the worker's journal says of the file with this digest."""
    return next((dict(each["verdict"]) for each in report.signed if each["sha256"] == digest), None)


def _names(folder: Path, stem: str, ending: str) -> Iterator[Path]:
    yield folder / f"{stem}{ending}"
    for number in range(2, 100_000):
        yield folder / f"{stem}-{number}{ending}"
