"""``POST /mintmark/jobs/{job_id}/forget``: the worker deletes what it has of a job's content.

Its files in this host's output, input and temp folders, its results in the spool, and what its journal says beside the
accounting. Who may ask: programs of this machine, and whoever has the worker's token; never a web page.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, WrongState
from .route import behind
from .worker import Worker

if TYPE_CHECKING:
    from aiohttp import web

    from ..generation.engine import Engine
    from .host import Host

LARGEST_BODY = 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_JOB = re.compile(r"[0-9a-f-]{36}", re.ASCII)


def add_forget_routes(routes: Any, worker: Callable[[], Worker]) -> None:
    """Add it to a host's table. ``worker`` is asked at each call, so nothing is opened now."""

    async def forget(request: web.Request) -> dict[str, Any]:
        job_id, (files, inputs) = request.match_info["job_id"], await _asked(request)
        if not _JOB.fullmatch(job_id):
            raise InvalidInput("job_id: that is no job's id.")
        its = worker()
        engine = await its.engine()
        return {"deleted": await asyncio.to_thread(_forget, engine, its.host, job_id, files, inputs)}

    routes.post("/mintmark/jobs/{job_id}/forget")(behind(worker, forget))


async def _asked(request: web.Request) -> tuple[list[dict[str, str]], list[str]]:
    """Files of the job's history, and digests of pictures that it was given and nobody else has."""
    if request.content_length is None or request.content_length > LARGEST_BODY:
        raise InvalidInput("The body is too large, or does not say how large it is.")
    try:
        sent = json.loads(await request.read())
        files, inputs = sent["files"], sent["inputs"]
        sound = all(set(each) == {"filename", "subfolder", "type"} for each in files)
        sound = sound and all(isinstance(text, str) for each in files for text in each.values())
        sound = sound and all(isinstance(each, str) and _DIGEST.fullmatch(each) for each in inputs)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise InvalidInput("The body has files and inputs.", hint="See docs/worker-route.md.")
    return files, inputs


def _forget(engine: Engine, host: Host, job_id: str, files: list[dict[str, str]], inputs: list[str]) -> int:
    """How many files were deleted. Raises WrongState while the job may still write some."""
    if any(call.state in ("held", "asking", "accepted") for call in engine.journal.calls_of(job_id)):
        raise WrongState(f"Job {job_id} still runs here.", hint="Cancel it first.")
    found = engine.journal.forget(job_id)
    for digest in found.spooled:
        engine.spool.drop(digest)
    its = host.only_its(job_id, (*found.files, *files))
    paths = [path for each in its if (path := _place(host, each)) is not None]
    return sum(_deleted(each) for each in dict.fromkeys([*paths, *_given(host, inputs)]))


def _place(host: Host, file: Mapping[str, str]) -> Path | None:
    """Where the file is, inside its folder; None for one that would be elsewhere."""
    roots = {"output": host.output_dir, "input": host.input_dir, "temp": host.output_dir.parent / "temp"}
    root = roots.get(file["type"])
    if root is None or "\x00" in file["filename"] + file["subfolder"]:
        return None
    home = root.resolve()
    path = home.joinpath(file["subfolder"], file["filename"]).resolve()
    return path if home in path.parents else None


def _given(host: Host, digests: Iterable[str]) -> list[Path]:
    """Pictures that a link put here: it names them by their digests. A host that has another file of the name adds a
    number to it; by hand, or by a link of an earlier release, they were put beside the folder."""
    from ..generation.context import PICTURES

    places = (host.input_dir / PICTURES, host.input_dir)
    return [path for digest in digests for place in places for path in place.glob(f"{digest[:32]}*")]


def _deleted(path: Path) -> bool:
    there = path.is_file()
    if there:
        path.unlink(missing_ok=True)
    return there
