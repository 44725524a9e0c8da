"""OpenAI's Batch API: a file of requests goes in, and within a day a file of answers comes out, at half the price.

Written from OpenAI's batch guide and the types of its SDK. A batch waits a third of the sandbox's latency, then works
line by line; one that is canceled ends with what was done by then. Batches and their lines are kept in the books, so a
killed sandbox takes them up again; answers that it had drawn are drawn anew, and billed once.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .base import Route
from .entries import Entries
from .exchange import Desk, Exchange
from .openai_request import Refused

ENDPOINT = "/v1/images/generations"
WINDOW_S = 24 * 3600
DISCOUNT = 2
"""A batch costs half."""
_MOST_METADATA = 16

Line = Callable[[str, Any], Awaitable[tuple[int, dict[str, Any]]]]
"""Answers one line: (its own request id, its body) to (status, body)."""
Json = Callable[[Exchange, dict[str, Any]], web.Response]


@dataclass
class Batch:
    """One batch. ``answers`` are lines of the output file, ``errors`` those of the other one."""

    batch_id: str
    input_file_id: str
    lines: list[dict[str, Any]]
    metadata: dict[str, str] | None
    created_at: int
    status: str = "validating"
    problem: str | None = None
    answers: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def told(self) -> dict[str, Any]:
        """The batch object."""
        over = self.status in ("completed", "cancelled")
        done = len(self.answers) + len(self.errors)
        return {
            "id": self.batch_id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "created_at": self.created_at,
            "expires_at": self.created_at + WINDOW_S,
            "output_file_id": f"file-out-{self.batch_id}" if over and self.answers else None,
            "error_file_id": f"file-err-{self.batch_id}" if over and self.errors else None,
            "errors": {"object": "list", "data": [{"message": self.problem}]} if self.problem else None,
            "request_counts": {
                "total": len(self.lines),
                "completed": len(self.answers),
                "failed": done - len(self.answers),
            },
            "metadata": self.metadata,
        }


class Batches(Entries[Batch]):
    """All batches, and the files that belong to them. ``work`` answers a line and charges for it."""

    def __init__(self, desk: Desk, work: Line, answer: Json) -> None:
        super().__init__(desk, "openai", "openai_batch")
        self._line, self._answer = work, answer
        self._files: dict[str, bytes] = {}

    def routes(self, guarded: Callable[[Any], Any]) -> tuple[Route, ...]:
        """Every entry point of files and batches."""
        return (
            Route("POST", "/v1/files", guarded(self._upload)),
            Route("GET", "/v1/files/{file}/content", guarded(self._content)),
            Route("POST", "/v1/batches", guarded(self._create), "generation"),
            Route("GET", "/v1/batches", guarded(self._list)),
            Route("GET", "/v1/batches/{batch}", guarded(self._show)),
            Route("POST", "/v1/batches/{batch}/cancel", guarded(self._cancel)),
        )

    def reset(self) -> None:
        """Forget every batch and file."""
        self.clear()
        self._files.clear()

    def take_up(self) -> None:
        """Restore what the books kept from before a restart."""
        canceled = set(self._kept("openai_batch_canceled"))
        for value in self._kept():
            batch = Batch(**value)
            if batch.batch_id in canceled:
                batch.status = "cancelled"
                self.all[batch.batch_id] = batch
            else:
                self._begin(batch.batch_id, batch, self._work(batch))

    # -- files --------------------------------------------------------------------------------------------------------

    async def _upload(self, exchange: Exchange) -> web.Response:
        purpose = next((part.data.decode() for part in exchange.parts if part.name == "purpose"), "")
        file = next((part for part in exchange.parts if part.name == "file"), None)
        if file is None:
            raise Refused("Missing required parameter: 'file'.", param="file", code="missing_required_parameter")
        if purpose != "batch":
            raise Refused("The sandbox keeps files for batches only.", param="purpose")
        file_id = f"file-{uuid.uuid4().hex[:24]}"
        self._files[file_id] = file.data
        told = {"id": file_id, "object": "file", "bytes": len(file.data), "created_at": int(time.time())}
        return self._answer(exchange, {**told, "filename": file.filename, "purpose": purpose, "status": "processed"})

    async def _content(self, exchange: Exchange) -> web.Response:
        name = exchange.request.match_info["file"]
        data = self._files.get(name)
        for batch in self.all.values():
            rows = {f"file-out-{batch.batch_id}": batch.answers, f"file-err-{batch.batch_id}": batch.errors}.get(name)
            data = data if rows is None else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        if data is None:
            raise Refused(f"No such File object: {name}", param="id", status=404)
        return web.Response(body=data, content_type="application/octet-stream")

    # -- batches ------------------------------------------------------------------------------------------------------

    async def _create(self, exchange: Exchange) -> web.Response:
        body = exchange.json()
        if body.get("endpoint") != ENDPOINT:
            raise Refused(f"The sandbox batches {ENDPOINT} only.", param="endpoint", code="invalid_value")
        if body.get("completion_window") != "24h":
            raise Refused("Invalid 'completion_window'.", param="completion_window", code="invalid_value")
        metadata = body.get("metadata")
        if metadata is not None and len(metadata) > _MOST_METADATA:
            raise Refused("Too many metadata pairs.", param="metadata")
        data = self._files.get(str(body.get("input_file_id")))
        if data is None:
            raise Refused("Invalid input file.", param="input_file_id", code="invalid_value")
        batch = Batch(exchange.request_id, body["input_file_id"], _lines(data), metadata, int(time.time()))
        names = ("batch_id", "input_file_id", "lines", "metadata", "created_at")
        self._keep({name: getattr(batch, name) for name in names})
        self._begin(batch.batch_id, batch, self._work(batch))
        return self._answer(exchange, batch.told())

    async def _list(self, exchange: Exchange) -> web.Response:
        newest = [batch.told() for batch in reversed(self.all.values())]
        limit = int(exchange.request.query.get("limit", "20"))
        return self._answer(exchange, {"object": "list", "data": newest[:limit], "has_more": len(newest) > limit})

    async def _show(self, exchange: Exchange) -> web.Response:
        return self._answer(exchange, self._found(exchange).told())

    async def _cancel(self, exchange: Exchange) -> web.Response:
        batch = self._found(exchange)
        if batch.status in ("completed", "failed"):
            raise Refused(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
        if batch.task is not None:
            batch.task.cancel()
        if batch.status != "cancelled":
            batch.status = "cancelled"
            self._desk.books.keep("openai_batch_canceled", batch.batch_id)
        return self._answer(exchange, batch.told())

    def _found(self, exchange: Exchange) -> Batch:
        name = exchange.request.match_info["batch"]
        if name not in self.all:
            raise Refused(f"No batch found with id '{name}'.", status=404)
        return self.all[name]

    async def _work(self, batch: Batch) -> None:
        await asyncio.sleep(self._desk.latency_s / 3)
        if not batch.lines or any("custom_id" not in line for line in batch.lines):
            batch.status, batch.problem = "failed", "A line of the input file is not a request with a custom_id."
            return
        batch.status = "in_progress"
        for number, line in enumerate(batch.lines):
            await asyncio.sleep(self._desk.latency_s * 2 / 3)
            request_id = f"{batch.batch_id}-{number}"
            # No await between drawing and writing down: a line is billed and answered, or neither.
            status, body = await self._line(request_id, line.get("body"))
            told = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "error": None}
            told["response"] = {"status_code": status, "request_id": request_id, "body": body}
            (batch.answers if status == 200 else batch.errors).append(told)
        batch.status = "completed"


def _lines(data: bytes) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in data.splitlines() if line.strip()]
    except ValueError:
        raise Refused("The input file is no JSONL.", param="input_file_id", code="invalid_json_line") from None
    return [line if isinstance(line, dict) else {} for line in lines]
