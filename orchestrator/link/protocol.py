"""ComfyUI's websocket and history as plain values: no sockets, no clock. ``events.py`` has the events themselves.

Messages may be missing, doubled or out of order (a socket can go deaf, comfyui-server section 4.4), so nothing here
decides that a job is over except its history; messages only say that it is worth looking.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ...errors import Canceled, MintmarkError, NodeFailed, WorkerRefused, from_text
from .events import (
    Ended,
    JournalGrew,
    NodeExecuted,
    NodeProgress,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeState,
    PromptStarted,
    WorkerEvent,
)
from .frames import parse_frame

FEATURE_FLAGS = {"type": "feature_flags", "data": {"supports_preview_metadata": True, "mintmark_packs": True}}
"""The first message of a socket. With it previews say whose they are; ComfyUI takes it as the first message only. A
runner sends several messages as one then, and ends with all that they left (``docs/worker-link.md``)."""
Message = Mapping[str, Any] | str | bytes
"""What a socket brings: a text, the same already read, or a frame."""


@dataclass(frozen=True)
class OutputFile:
    """A file in a worker's folders, as its history names it."""

    filename: str
    subfolder: str
    type: str
    node: str
    kind: str
    """The history's own word: ``images``, ``video``, ``audio``, ``text`` ..."""
    data: bytes | None = field(default=None, repr=False, compare=False)
    """Its bytes, where they came along."""


@dataclass(frozen=True)
class History:
    """How a prompt ended, and what it left."""

    status: Literal["success", "error", "interrupted"]
    files: tuple[OutputFile, ...]
    details: tuple[dict[str, Any], ...] = field(default=())
    """What Sign and Save said of its files, and Rent or Own of its choice."""
    error: MintmarkError | None = None


class Stream:
    """A socket's messages as one job's events.

    It remembers which prompt the worker runs for our client, because older frames do not say whose they are: those
    count as this job's only while its prompt is the one that runs.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._running: str | None = None

    def read(self, message: Message) -> WorkerEvent | None:
        """What a message means for this job, or None: another job's, or nothing we follow."""
        if isinstance(message, bytes):
            return self._frame(message)
        found = _told(message)
        if found is None:
            return None
        kind, data = found
        self._note(kind, data)
        return _event(kind, data) if data.get("prompt_id") == self._job_id else None

    def _frame(self, message: bytes) -> WorkerEvent | None:
        frame = parse_frame(message)
        whose = (frame.prompt_id or self._running) if frame else None
        return frame.event if frame and whose == self._job_id else None

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        prompt_id = data.get("prompt_id")
        if not isinstance(prompt_id, str):
            return
        over = kind in (*_ENDS, _WHOLE_END) or (kind == "executing" and data.get("node") is None)
        if over and self._running == prompt_id:
            self._running = None
        elif kind in ("execution_start", "executing", "progress", "progress_state") and not over:
            self._running = prompt_id


def unpacked(text: str) -> list[Mapping[str, Any]] | None:
    """The messages that a runner sent as one; None where this is no such text."""
    if not text.startswith("["):
        return None
    try:
        return [each for each in json.loads(text) if isinstance(each, dict)]
    except ValueError:
        return []


def prompt_of(message: Mapping[str, Any]) -> str | None:
    """The prompt that a message is about; None where it is about none."""
    data = message.get("data")
    found = data.get("prompt_id") if isinstance(data, dict) else None
    return found if isinstance(found, str) else None


def _told(message: Mapping[str, Any] | str) -> tuple[str, dict[str, Any]] | None:
    try:
        told: Any = json.loads(message) if isinstance(message, str) else message
        kind, data = told["type"], told["data"]
    except (ValueError, KeyError, TypeError):
        return None
    return (kind, data) if isinstance(kind, str) and isinstance(data, dict) else None


_ENDS = ("execution_success", "execution_interrupted", "execution_error")
_WHOLE_END = "mintmark.ended"


def _event(kind: str, data: dict[str, Any]) -> WorkerEvent | None:
    """One handler a kind of message; what has no handler is not followed."""
    if kind in _ENDS:
        # An ExecutionBlocked error is not the end: the rest of the graph goes on.
        return None if data.get("exception_type") == "ExecutionBlocked" else Ended()
    handler = _HANDLERS.get(kind)
    return handler(data) if handler else None


def _executing(data: dict[str, Any]) -> WorkerEvent:
    return NodeStarted(str(data["node"])) if data.get("node") is not None else Ended()


def _progress(data: dict[str, Any]) -> WorkerEvent:
    return NodeProgress(str(data.get("node")), _number(data.get("value")), _number(data.get("max")) or 1.0)


def _progress_state(data: dict[str, Any]) -> WorkerEvent:
    nodes = data.get("nodes")
    return NodesProgressed(
        {
            str(name): NodeState(_number(node.get("value")), _number(node.get("max")) or 1.0, node["state"])
            for name, node in (nodes.items() if isinstance(nodes, dict) else ())
            if isinstance(node, dict) and node.get("state") in ("pending", "running", "finished", "error")
        }
    )


def _cached(data: dict[str, Any]) -> WorkerEvent:
    nodes = data.get("nodes")
    return NodesCached(tuple(map(str, nodes)) if isinstance(nodes, list) else ())


def _executed(data: dict[str, Any]) -> WorkerEvent:
    output = data.get("output")
    return NodeExecuted(str(data.get("node")), output if isinstance(output, dict) else {})


def _ended(data: dict[str, Any]) -> WorkerEvent:
    entry, files = data.get("entry"), data.get("files") or ()
    if not isinstance(entry, dict):
        return Ended()
    history = parse_history(entry)
    along = {_name(each): each.get("data") for each in files if isinstance(each, dict)}
    brought = tuple(_with_data(file, along.get((file.type, file.subfolder, file.filename))) for file in history.files)
    return Ended(replace(history, files=brought))


def _name(told: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return told.get("type"), told.get("subfolder"), told.get("filename")


def _with_data(file: OutputFile, text: Any) -> OutputFile:
    return replace(file, data=base64.b64decode(text)) if isinstance(text, str) else file


def _journal(data: dict[str, Any]) -> WorkerEvent | None:
    return JournalGrew(data["entry"]) if isinstance(data.get("entry"), dict) else None


_HANDLERS: dict[str, Callable[[dict[str, Any]], WorkerEvent | None]] = {
    "execution_start": lambda data: PromptStarted(),
    "execution_cached": _cached,
    "executing": _executing,
    "progress": _progress,
    "progress_state": _progress_state,
    "executed": _executed,
    "mintmark.journal": _journal,
    _WHOLE_END: _ended,
}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def without_is_changed(graph: Mapping[str, Any]) -> dict[str, Any]:
    """The graph as it is posted: whoever sends ``is_changed`` chooses what a worker's cache gives them."""
    return {
        name: {key: value for key, value in node.items() if key != "is_changed"} if isinstance(node, dict) else node
        for name, node in graph.items()
    }


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
