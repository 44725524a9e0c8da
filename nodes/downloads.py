"""Model files that a worker fetches for its operator: from where it is allowed to, of one digest, whole or not at all.

Nothing is fetched unless ``MINTMARK_MODEL_URLS`` allows its address. What is allowed may send us on, as model hubs do:
to public addresses only, and what comes is kept only where it has the digest that was asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urljoin, urlsplit

from .. import log
from ..errors import DiskFull, ForbiddenTarget, InvalidInput, MintmarkError, TargetFailed, WrongState

logger = log.get("nodes.downloads")

SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
"""How names of model files end; nothing that a worker would run is fetched."""
NAME = r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,199}"
REDIRECTS = 5
SPARE = 2**30
"""Bytes that have to be left on the disk."""
AT_ONCE = 2
CHUNK = 2**20
STALLED_S = 60.0
"""For how long nothing may come, in seconds."""
KEPT = 1000
"""Downloads that are remembered."""


@dataclass
class Download:
    """One file. ``state``: it is waited for or comes (``loading``), it is there, or it ``failed``."""

    folder: str
    name: str
    sha256: str
    state: Literal["loading", "there", "failed"] = "loading"
    bytes: int = 0
    total: int | None = None
    error: dict[str, Any] | None = field(default=None)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))


class Downloads:
    """Of one worker process. ``allowed``: the beginnings of URLs; ``largest``: bytes of one file."""

    def __init__(self, allowed: Sequence[str], largest: int) -> None:
        self._allowed, self._largest = tuple(allowed), largest
        self._known: dict[Path, Download] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)

    def begin(self, place: Path, folder: str, url: str, sha256: str) -> Download:
        """Fetch a file into this place; harmless to repeat. Raises ForbiddenTarget, and WrongState where a file of this
        name and another digest is fetched."""
        check_allowed(url, self._allowed)
        known = self._known.get(place)
        if known is not None and known.state == "loading":
            if known.sha256 != sha256:
                raise WrongState(f"{place.name} is being fetched with another digest.")
            return known
        if known is not None and (known.state, known.sha256) == ("there", sha256) and place.exists():
            return known
        while len(self._known) >= KEPT:
            del self._known[next(iter(self._known))]
        self._known[place] = made = Download(folder, place.name, sha256)
        task = asyncio.create_task(self._fetched(made, place, url), name=f"download of {place.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made

    def known(self, place: Path) -> Download | None:
        """What became of it."""
        return self._known.get(place)

    async def close(self) -> None:
        """Break off what is under way; nothing of it stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fetched(self, made: Download, place: Path, url: str) -> None:
        try:
            async with self._places:
                await self._fetch(made, place, url)
            made.state = "there"
            logger.info("%s was fetched", place.name, extra=log.action("model_fetched", bytes=str(made.bytes)))
        except MintmarkError as exc:
            self._failed(made, exc)
        except asyncio.CancelledError:
            self._failed(made, WrongState("The worker was stopped meanwhile."))
            raise
        except OSError as exc:
            self._failed(made, DiskFull(f"{place.name} cannot be written: {exc.strerror or exc}."))

    def _failed(self, made: Download, error: MintmarkError) -> None:
        made.state, made.error = "failed", error.as_dict()
        logger.warning("%s was not fetched: %s", made.name, error, extra=log.action("model_fetch_failed"))

    async def _fetch(self, made: Download, place: Path, url: str) -> None:
        if await asyncio.to_thread(place.exists):
            if await asyncio.to_thread(_digest, place) != made.sha256:
                raise WrongState(f"There is another {place.name} already.", hint="Choose another name, or remove it.")
            made.bytes = made.total = (await asyncio.to_thread(place.stat)).st_size
            return
        await asyncio.to_thread(place.parent.mkdir, parents=True, exist_ok=True)
        part = place.with_name(f".{place.name}.{uuid.uuid4().hex}.part")
        try:
            await self._receive(made, part, url)
            # Linked, not renamed: what somebody else put there meanwhile is not replaced.
            await asyncio.to_thread(_put, part, place)
        finally:
            with suppress(OSError):
                part.unlink()

    async def _receive(self, made: Download, part: Path, url: str) -> None:
        import aiohttp

        from ..providers.guarding import PublicConnector

        own = frozenset(urlsplit(each).hostname or "" for each in self._allowed)
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=STALLED_S)
        async with aiohttp.ClientSession(connector=PublicConnector(exempt=own), timeout=timeout) as session:
            try:
                await self._follow(session, made, part, url)
            except (aiohttp.ClientError, asyncio.TimeoutError) as exc:
                raise TargetFailed(
                    f"{urlsplit(url).hostname} did not give {made.name} ({type(exc).__name__})."
                ) from exc

    async def _follow(self, session: Any, made: Download, part: Path, url: str) -> None:
        for _ in range(REDIRECTS + 1):
            async with session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.status in (301, 302, 303, 307, 308) and "Location" in answer.headers:
                    url = self._next(url, answer.headers["Location"])
                    continue
                if answer.status != 200:
                    raise TargetFailed(f"{urlsplit(url).hostname} answered HTTP {answer.status} for {made.name}.")
                await self._take(made, part, answer)
                return
        raise TargetFailed(f"{made.name} was sent on more than {REDIRECTS} times.")

    def _next(self, url: str, location: str) -> str:
        """Where we are sent on to. Raises ForbiddenTarget."""
        from ..addresses import check_url

        found = urljoin(url, location)
        if not is_allowed(found, self._allowed):
            check_url(found)
            if urlsplit(url).scheme == "https" and urlsplit(found).scheme != "https":
                raise ForbiddenTarget("A secure address sends on to one that is not.")
        return found

    async def _take(self, made: Download, part: Path, answer: Any) -> None:
        made.total = answer.content_length
        self._check_size(made, part.parent, made.total or 0)
        digest = hashlib.sha256()
        with part.open("xb") as file:
            async for chunk in answer.content.iter_chunked(CHUNK):
                made.bytes += len(chunk)
                self._check_size(made, part.parent, made.bytes)
                await asyncio.to_thread(_write, file, digest, chunk)
            await asyncio.to_thread(_flush, file)
        if digest.hexdigest() != made.sha256:
            raise TargetFailed(f"What came for {made.name} has another digest: {digest.hexdigest()}.")

    def _check_size(self, made: Download, folder: Path, size: int) -> None:
        if size > self._largest:
            raise InvalidInput(
                f"{made.name} is larger than {self._largest / 2**30:.0f} GiB.", hint="MINTMARK_MODEL_MAX_GIB allows it."
            )
        if shutil.disk_usage(folder).free < size - made.bytes + SPARE:
            raise DiskFull(f"There is no room for {made.name} in {folder}.", hint="Make room there, then try again.")


def check_allowed(url: str, allowed: Sequence[str]) -> None:
    """Raises ForbiddenTarget unless the operator of the worker allows this address."""
    if not allowed:
        raise ForbiddenTarget("This worker fetches no models.", hint="Set MINTMARK_MODEL_URLS there.")
    if not is_allowed(url, allowed):
        raise ForbiddenTarget("This worker fetches no models from there.", hint=f"It does from {', '.join(allowed)}")


def is_allowed(url: str, allowed: Sequence[str]) -> bool:
    """Whether a URL begins as one of these does: same scheme, host and port, and a path in theirs."""
    try:
        asked = urlsplit(url)
        found = asked.scheme, asked.hostname, asked.port
        if asked.username is not None or ".." in unquote(unquote(asked.path)) or "\\" in url or not url.isprintable():
            return False
        return any(
            found == (each.scheme, each.hostname, each.port)
            and f"{asked.path}/".startswith(each.path if each.path.endswith("/") else f"{each.path}/")
            for each in map(urlsplit, allowed)
        )
    except ValueError:
        return False


def checked_name(name: str) -> str:
    """A file's name as it may be put among models. Raises InvalidInput."""
    if not re.fullmatch(NAME, name) or not name.lower().endswith(SUFFIXES):
        raise InvalidInput(f"{name[:80]!r} is no name of a model file.", hint=f"It ends with {', '.join(SUFFIXES)}.")
    return name


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _write(file: Any, digest: Any, chunk: bytes) -> None:
    file.write(chunk)
    digest.update(chunk)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _put(part: Path, place: Path) -> None:
    try:
        os.link(part, place)
    except FileExistsError:
        raise WrongState(f"There is a {place.name} by now.") from None
    except OSError:  # a file system without hard links
        part.replace(place)
