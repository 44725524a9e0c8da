"""A batch: lines of JSON stream in, jobs are accepted a chunk at a time, lines of JSON stream out. Who sends a line and
waits for its answer before the next one gets it.

The answer is written by a task of its own: a client that sends everything before it reads must not be stopped by what
it does not read yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web
from pydantic import Field, ValidationError

from ... import log
from ...errors import (
    MalformedRequest,
    MintmarkError,
    NotAuthenticated,
    RequestTooLarge,
    ServiceStopping,
    TooManyRequests,
)
from ..jobs.base import Idempotency
from ..jobs.job import Job, Ordered
from . import problems, submitting
from .call import Call
from .intake import Asked, split
from .job_views import Status
from .order_shapes import BatchLine
from .reading import JSON_BYTES, fingerprint, read_json
from .routing import Answer, Content
from .shapes import View

logger = log.get("api")

MOST = 10_000
"""Lines in a batch."""
CHUNK = 100
"""How many are taken in by one transaction."""
LINGER_S = 0.05
"""How long a line waits for others that go into its transaction."""
MEDIA_TYPE = "application/x-ndjson"

_SCHEMA = {"type": "string", "description": "One JSON document a line."}
CONTENT = Content(media_types=(MEDIA_TYPE,), schema=_SCHEMA, item=BatchLine)


class LineView(View):
    """What became of a line, counted from 1."""

    line: int
    job_id: str | None = None
    status: Status | None = None
    replayed: bool = Field(default=False, description="An earlier sending of this batch made it.")
    problem: problems.Problem | None = None


ANSWER = Answer(
    status=200,
    description="One line for each that came, in order: `line`, and the job or its `problem`.",
    media_type=MEDIA_TYPE,
    schema=_SCHEMA,
    item=LineView,
)


async def run_batch(call: Call[Any, Any]) -> web.StreamResponse:
    """Read, accept and answer until the lines end."""
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **call.told})
    outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
    await response.prepare(call.request)
    writer = asyncio.create_task(_write(response, outgoing), name="batch writer")
    try:
        async with aclosing(_chunks(call.request)) as chunks:
            async for chunk in chunks:
                for view in await _Batch(call).take(chunk):
                    outgoing.put_nowait(view.model_dump_json(exclude_none=True).encode() + b"\n")
    finally:
        outgoing.put_nowait(None)
        await writer
    # Only here: what broke off must not look like all of it.
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, outgoing: asyncio.Queue[bytes | None]) -> None:
    while (line := await outgoing.get()) is not None:
        await response.write(line)


Line = tuple[int, bytes | MintmarkError]


async def _chunks(request: web.Request) -> AsyncGenerator[list[Line], None]:
    """Lines as they come, :data:`CHUNK` at a time; none of them waits for others longer than :data:`LINGER_S`."""
    clock = asyncio.get_running_loop().time
    chunk, until = list[Line](), 0.0
    async with aclosing(_numbered(request)) as source:
        coming = asyncio.create_task(_next(source), name="batch reader")
        try:
            while True:
                await asyncio.wait({coming}, timeout=max(0.0, until - clock()) if chunk else None)
                if coming.done():
                    if (lines := coming.result()) is None:
                        break
                    until = until if chunk else clock() + LINGER_S
                    chunk += lines
                    coming = asyncio.create_task(_next(source), name="batch reader")
                else:
                    yield chunk
                    chunk = []
                while len(chunk) >= CHUNK:
                    yield chunk[:CHUNK]
                    chunk = chunk[CHUNK:]
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
    if chunk:
        yield chunk


async def _next(source: AsyncGenerator[list[Line], None]) -> list[Line] | None:
    return await anext(source, None)


async def _numbered(request: web.Request) -> AsyncGenerator[list[Line], None]:
    """Lines with their numbers. What cannot be read ends them, with an error as the last."""
    lines, number = list[Line](), 0
    try:
        async for came in _lines(request):
            for line in came:
                if number == MOST:
                    raise RequestTooLarge(f"A batch has at most {MOST} lines.", hint="Send the rest as another one.")
                number += 1
                lines.append((number, line))
            yield lines
            lines = []
    except web.RequestPayloadError:
        lines.append((number + 1, MalformedRequest("The rest of the body cannot be read as its headers say.")))
    except MintmarkError as exc:
        lines.append((number + 1, exc))
    if lines:
        yield lines


async def _lines(request: web.Request) -> AsyncGenerator[list[bytes], None]:
    rest = b""
    async for part in request.content.iter_any():
        *whole, rest = (rest + part).split(b"\n")
        if lines := [line for line in whole if line.strip()]:
            yield lines
        if len(rest) > JSON_BYTES:
            raise RequestTooLarge(f"A line is longer than {JSON_BYTES} bytes.")
    if rest.strip():
        yield [rest]


class _Batch:
    """One chunk of it."""

    def __init__(self, call: Call[Any, Any]) -> None:
        self._call = call
        self._service = call.service
        self._key = call.idempotency

    async def take(self, chunk: list[Line]) -> list[LineView]:
        """What became of each line, in order. One that is refused does not keep the others out."""
        try:
            submitting.check_open(self._call)
            await self._call.again()
            await self._service.access.check_pace(self._call.caller)
        except (NotAuthenticated, TooManyRequests, ServiceStopping) as exc:
            return [_refused(number, exc) for number, _ in chunk]
        found: dict[int, LineView] = {}
        orders: list[tuple[int, Ordered, Idempotency | None]] = []
        for number, line in chunk:
            try:
                if isinstance(line, MintmarkError):
                    raise line
                document = _document(line)
                key = self._line_key(number, document)
                if (made := await self._made(key)) is not None:
                    found[number] = _taken(number, made, replayed=True)
                else:
                    orders.append((number, await self._order(line, document), key))
            except MintmarkError as exc:
                found[number] = _refused(number, exc)
        found |= await self._accept(orders)
        return [found[number] for number in sorted(found)]

    async def _accept(self, orders: list[tuple[int, Ordered, Idempotency | None]]) -> dict[int, LineView]:
        if not orders:
            return {}
        numbers, ordered, keys = zip(*orders, strict=True)
        taken = await self._call.block(self._service.jobs.accept_many, ordered, keys)
        self._service.news.wake()
        return {
            number: _taken(number, became, replayed=isinstance(became, Job) and became.job_id != order.job_id)
            for number, order, became in zip(numbers, ordered, taken, strict=True)
        }

    def _line_key(self, number: int, document: Any) -> Idempotency | None:
        """Each line of a batch with a key has a key of its own, so that what broke off can be sent again whole."""
        if self._key is None:
            return None
        return Idempotency(scope=self._key.scope, key=f"{self._key.key}#{number}", digest=fingerprint(document))

    async def _made(self, key: Idempotency | None) -> Job | None:
        return None if key is None else await self._call.block(self._service.jobs.replay, key)

    async def _order(self, line: bytes, document: Any) -> Ordered:
        try:
            body = BatchLine.model_validate_json(line, strict=True)
        except ValidationError as exc:
            raise problems.invalid(exc, BatchLine) from exc
        # The batch is one request of its key, but each line is one of whom it is for.
        self._service.access.admit_user(self._call.caller, body.user)
        return await self._call.intake.order(self._call.caller, await self._asked(body))

    async def _asked(self, body: BatchLine) -> Asked:
        reference = f"{body.workflow}@{body.version}" if body.version else body.workflow
        sticky = body.user or self._call.caller.key_id
        version = await self._call.block(self._service.releases.resolve, reference, sticky=sticky)
        values, pictures = split(version, body.inputs)
        return Asked(version=version, values=values, pictures=pictures, options=body, surface="batches")


def _document(line: bytes) -> Any:
    if len(line) > JSON_BYTES:
        raise RequestTooLarge(f"A line is longer than {JSON_BYTES} bytes.")
    return read_json(line)


def _taken(number: int, became: Job | Exception, *, replayed: bool) -> LineView:
    if isinstance(became, Job):
        return LineView(line=number, job_id=became.job_id, status=became.state.value, replayed=replayed)
    return _refused(number, became if isinstance(became, MintmarkError) else problems.defect())


def _refused(number: int, error: MintmarkError) -> LineView:
    problem = problems.problem_of(error)
    if problem.status >= 500:
        logger.error("Line %d: %s", number, error, exc_info=error, extra=log.action("line_failed"))
    return LineView(line=number, problem=problem)
