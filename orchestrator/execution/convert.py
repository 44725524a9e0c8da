"""From the canvas's graph format to the API format, by comfy-cli as a subprocess: it is GPL, so it is not imported.

It asks a live worker for its node definitions. What it answered is kept under the data folder, by the digest of file
and definitions; so is its choice where a prompt holds alternatives ({a|b}), and a repeated run is the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import InvalidWorkflow, UsageError, WorkerUnreachable
from ...storage.files import write_atomic
from ...workflows.comfy_cli import QUIET, find_comfy
from ...workflows.digest import canonical
from ...workflows.ui_format import is_api_format
from .adhoc import GraphFile

TIMEOUT_S = 60.0
"""How long one conversion may take, in seconds; a large ComfyUI takes some to list its nodes."""
EXPORT = "Export the graph in API format (in ComfyUI: Workflow, Export (API)) and run that file."
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
    *("SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT"),
)
"""The environment it gets: nobody's keys."""


async def convert(
    file: GraphFile, url: str, info: Mapping[str, Any], folder: Path, *, timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """The file's graph in API format. ``info`` are the worker's definitions of its nodes; ``folder`` keeps results.

    Raises MissingExtra, InvalidWorkflow with comfy-cli's own reason, WorkerUnreachable.
    """
    digests = [hashlib.sha256(canonical(each)).digest() for each in (file.document, dict(info))]
    kept = folder / "converted" / f"{hashlib.sha256(b''.join(digests)).hexdigest()}.json"
    if (graph := await asyncio.to_thread(_read, kept)) is not None:
        return graph
    graph = _graph(await _run(_command(file.path, url, timeout_s), timeout_s), file)
    await asyncio.to_thread(write_atomic, kept, json.dumps(graph).encode())
    return graph


def _command(path: Path, url: str, timeout_s: float) -> list[str]:
    at = urlsplit(url)
    if at.scheme != "http" or at.path.strip("/"):
        raise UsageError(
            f"comfy-cli cannot ask a worker at {url} for its nodes; it takes a host and a port.", hint=EXPORT
        )
    where = ["--host", at.hostname or "", "--port", str(at.port or 80), "--where", "local"]
    return [
        *(_comfy(), "--skip-prompt", "--json", "run", "--workflow", str(path.resolve()), *where),
        *("--print-prompt", "--timeout", str(max(1, round(timeout_s)))),
    ]


def _comfy() -> str:
    return find_comfy(
        "This graph is in ComfyUI's UI format, and comfy-cli, which converts it", without=f"Without it: {EXPORT}"
    )


async def _run(command: list[str], timeout_s: float) -> bytes:
    env = {**{name: os.environ[name] for name in _PASSED_ON if name in os.environ}, **QUIET}
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdin=nothing, stdout=asyncio.subprocess.PIPE, stderr=nothing, env=env
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    except asyncio.TimeoutError as exc:
        raise InvalidWorkflow(f"comfy-cli did not convert the graph within {timeout_s:g} s.", hint=EXPORT) from exc
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return out


def _graph(out: bytes, file: GraphFile) -> dict[str, Any]:
    """The graph in comfy-cli's last word, a JSON envelope: ``{ok, data: {prompt}, error: {code, message, hint}}``."""
    envelope = next((each for line in reversed(out.splitlines()) if (each := _json(line)) is not None), {})
    error = envelope.get("error")
    if isinstance(error, dict) and error.get("code") == "connection_error":
        raise WorkerUnreachable(f"comfy-cli cannot reach the worker: {error.get('message')}.")
    data = envelope.get("data")
    graph = data.get("prompt") if isinstance(data, dict) else None
    if not envelope.get("ok") or not isinstance(graph, dict) or not is_api_format(graph):
        why = error.get("message") if isinstance(error, dict) else "it gave no graph"
        raise InvalidWorkflow(f"{file.path} cannot be converted by comfy-cli: {why}.", hint=EXPORT)
    return graph


def _json(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("type") == "envelope" else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        graph = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return graph if isinstance(graph, dict) and is_api_format(graph) else None
