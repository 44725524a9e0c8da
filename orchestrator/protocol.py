"""ComfyUI's websocket and history as plain values: no sockets, no clock. See docs of the server in ``link.py``.

Messages may be missing, doubled or out of order (a socket can go deaf, comfyui-server section 4.4), so nothing here
decides that a job is over except its history; messages only say that it is worth looking.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import Canceled, MintmarkError, NodeFailed, WorkerRefused, from_text


@dataclass(frozen=True)
class NodeStarted:
    """A node began to run."""

    node: str


@dataclass(frozen=True)
class NodeProgress:
    """A node is ``value`` of ``max`` done."""

    node: str
    value: float
    max: float


@dataclass(frozen=True)
class JournalGrew:
    """The worker's journal has a new entry of this job."""

    entry: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """The worker says that the prompt is over; its history tells how."""


WorkerEvent = NodeStarted | NodeProgress | JournalGrew | Ended


@dataclass(frozen=True)
class OutputFile:
    """A file in a worker's folders, as its history names it."""

    filename: str
    subfolder: str
    type: str
    node: str
    kind: str
    """The history's own word: ``images``, ``video``, ``audio``, ``text`` ..."""


@dataclass(frozen=True)
class History:
    """How a prompt ended, and what it left."""

    status: Literal["success", "error", "interrupted"]
    files: tuple[OutputFile, ...]
    details: tuple[dict[str, Any], ...] = field(default=())
    """What Sign and Save said of its files."""
    error: MintmarkError | None = None


def parse_message(text: str | bytes, job_id: str) -> WorkerEvent | None:
    """What a websocket message means for this job, or None: another job's, or nothing we follow."""
    if isinstance(text, bytes):
        return None
    try:
        message = json.loads(text)
        kind, data = message["type"], message["data"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(data, dict) or data.get("prompt_id") != job_id:
        return None
    return _event(kind, data)


def _event(kind: str, data: dict[str, Any]) -> WorkerEvent | None:
    if kind == "executing":
        return NodeStarted(str(data["node"])) if data.get("node") is not None else Ended()
    if kind in ("execution_success", "execution_interrupted"):
        return Ended()
    if kind == "execution_error":
        # An ExecutionBlocked error is not the end: the rest of the graph goes on.
        return None if data.get("exception_type") == "ExecutionBlocked" else Ended()
    if kind == "progress":
        return NodeProgress(str(data.get("node")), float(data.get("value", 0)), float(data.get("max", 1) or 1))
    return JournalGrew(data["entry"]) if kind == "mintmark.journal" and isinstance(data.get("entry"), dict) else None


def parse_history(entry: dict[str, Any]) -> History:
    """A prompt's entry of ``GET /history/{id}``.

    The messages decide over ``status_str``, which ComfyUI does not reset for each prompt.
    """
    outputs = entry.get("outputs") or {}
    files = tuple(_files(outputs))
    details = tuple(
        each for output in outputs.values() for each in output.get("mintmark", ()) if isinstance(each, dict)
    )
    for kind, data in (entry.get("status") or {}).get("messages", ()):
        if kind == "execution_error" and data.get("exception_type") != "ExecutionBlocked":
            return History("error", files, details, node_error(data))
        if kind == "execution_interrupted":
            return History("interrupted", files, details, Canceled("The job was stopped on the worker."))
    return History("success", files, details)


def _files(outputs: dict[str, Any]) -> Iterator[OutputFile]:
    for node, output in outputs.items():
        for kind, items in output.items():
            for item in items if isinstance(items, list | tuple) else ():
                if isinstance(item, dict) and kind != "mintmark" and {"filename", "type"} <= item.keys():
                    yield OutputFile(item["filename"], item.get("subfolder", ""), item["type"], node, kind)


def node_error(data: dict[str, Any]) -> MintmarkError:
    """The error of an ``execution_error``: one of ours where its text carries our code."""
    text = str(data.get("exception_message", "")).strip()
    ours = from_text(text)
    if ours is not None:
        return ours
    node = f"{data.get('node_type')} (node {data.get('node_id')})"
    return NodeFailed(
        f"{node} failed: {data.get('exception_type')}: {text}", hint="The worker's log has the traceback."
    )


def refusal(body: dict[str, Any]) -> WorkerRefused:
    """The error of a ``POST /prompt`` that was answered 400, or 200 with ``node_errors``."""
    error = body.get("error") or {}
    top = error.get("message", "The graph did not validate") if isinstance(error, dict) else str(error)
    causes = [
        f"{found.get('class_type', 'node')} (node {node}): {each.get('message')}: {each.get('details')}"
        for node, found in (body.get("node_errors") or {}).items()
        for each in found.get("errors", ())
    ]
    return WorkerRefused("; ".join([f"The worker refused the graph: {top}", *causes]))
