"""One declaration a route: from it come the address in the server, what is read and checked, and the OpenAPI document.

A status, header or query key that is not declared cannot be answered or read, so the document is the truth.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from . import problems

if TYPE_CHECKING:
    from aiohttp import web

    from .call import Call, Reply

    Handler = Callable[[Call[Any, Any]], Awaitable[Reply | web.StreamResponse]]

Scope = Literal["submit", "read", "publish", "review", "metrics", "admin"]
Schema = Mapping[str, Any]


class NoQuery(BaseModel):
    """Takes no query."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Header:
    """A header that is read or answered."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True)
class Parameter:
    """A part of a path. What does not match ``pattern`` is not found."""

    description: str
    pattern: str
    example: str = ""


IDEMPOTENCY_KEY = Header(
    "Idempotency-Key",
    "The same key with the same body is the same request, for seven days; with another body it is refused.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
)
PREFER = Header("Prefer", "`wait=N`: wait up to N seconds for the job's end, and answer 200 with it.")
LAST_EVENT_ID = Header(
    "Last-Event-ID", "Begin after this event.", {"type": "string", "pattern": "^[0-9]{1,18}$", "maxLength": 18}
)
REPLAYED = Header(
    "Idempotent-Replayed", "`true` where the key was known and this is what it made then.", {"const": "true"}
)
LOCATION = Header("Location", "Where it is found.")
RETRY_AFTER = Header("Retry-After", "Seconds until it may be tried again.", {"type": "string", "pattern": "^[0-9]+$"})

PATHS: Mapping[str, Parameter] = {
    "job_id": Parameter(
        "The job.",
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
    ),
    "name": Parameter("The workflow.", "^[a-z0-9]+(-[a-z0-9]+)*$", "text-to-image"),
    "version": Parameter("One version, as `1.0.0`.", r"^[0-9A-Za-z.-]{1,64}$", "1.0.0"),
    "index": Parameter("The number of the output, from 0.", "^(0|[1-9][0-9]{0,5})$", "0"),
    "alias": Parameter("The alias.", "^[a-z][a-z0-9-]{0,63}$", "stable"),
    "digest": Parameter("SHA-256 of the content, in lower-case hex.", "^[0-9a-f]{64}$"),
    "hold_id": Parameter("The legal hold.", "^[0-9a-f-]{36}$", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    "takedown_id": Parameter("The takedown.", "^[0-9a-f-]{36}$", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    "key_id": Parameter("The key's id.", "^[A-Za-z0-9_-]{1,64}$"),
    "delivery_id": Parameter("The delivery.", "^[A-Za-z0-9_-]{1,64}$"),
    "worker": Parameter("The worker.", r"^[A-Za-z0-9._:/@\[\]-]{1,300}$", "gpu-1"),
    "model_file": Parameter("The model file's name.", r"^[^/\\\x00-\x1f]{1,255}$", "model.safetensors"),
    "file": Parameter("The file's name.", r"^[A-Za-z0-9-]{1,40}\.[a-z]{2,4}$", "page.js"),
    "model": Parameter("The model.", r"^[A-Za-z0-9._:@/-]{1,128}$", "gpt-image-2"),
}
"""The parts of paths by name; a part means the same wherever it stands."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a route may answer. ``model`` is JSON; else ``media_type`` with ``schema``; neither: no body.

    ``links``: parts of other routes' paths, by where in this answer they stand.
    """

    status: int
    description: str
    model: type[BaseModel] | None = None
    media_type: str | None = None
    schema: Schema | None = None
    item: type[BaseModel] | None = None
    """What each line or event is, of an answer that streams them."""
    headers: tuple[Header, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Content:
    """A body that is no JSON of ours; the handler reads it as a stream, bounded."""

    media_types: tuple[str, ...]
    schema: Schema = field(default_factory=lambda: {"type": "string", "format": "binary"})
    form: Schema | None = None
    """What ``multipart/form-data`` has, where that is one of them."""
    item: type[BaseModel] | None = None
    """What each line is, of a body that streams them."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How problems are told on some routes: in which shape, and with which status in the place of ours."""

    model: type[BaseModel] = problems.Problem
    media_type: str = problems.MEDIA_TYPE
    statuses: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route's whole declaration."""

    method: str
    path: str
    summary: str
    tag: str
    handler: Handler
    scope: Scope | None
    answers: tuple[Answer, ...]
    body: type[BaseModel] | None = None
    content: Content | None = None
    query: type[BaseModel] = NoQuery
    headers: tuple[Header, ...] = ()
    problems: tuple[int, ...] = ()
    creates: bool = False
    also: Scope | None = None
    """A scope that is enough, too, where the key lacks ``scope``."""
    orders: bool = False
    """It makes jobs: what a key's pace and its jobs at once are counted by."""
    faults: Faults = Faults()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names in the path's braces."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def operation_id(self) -> str:
        """The handler's name, as clients in other languages write it."""
        first, *rest = self.handler.__name__.split("_")
        return first + "".join(word.capitalize() for word in rest)

    @property
    def statuses(self) -> frozenset[int]:
        """Every status that may be answered."""
        return frozenset({answer.status for answer in self.answers}) | self.problem_statuses

    @property
    def problem_statuses(self) -> frozenset[int]:
        """Those of them that are problems: what any route can meet, what this one's parts can, and what it names."""
        found = {400, 405, 422, 500, 503, *self.problems}
        found |= {401, 403, 429} if self.scope else set()
        found |= {404} if self.parts else set()
        found |= {413, 415} if self.body or self.content else set()
        return frozenset(found)

    @property
    def takes_files(self) -> bool:
        """Whether what comes in is streamed and not read whole."""
        return self.content is not None


class Routes:
    """The routes of one file, in the order in which they are declared."""

    def __init__(self, tag: str, faults: Faults | None = None) -> None:
        self.tag = tag
        self._faults = faults or Faults()
        self.all: list[Route] = []

    def get(self, path: str, summary: str, **about: Any) -> Callable[[Handler], Handler]:
        """Declare a GET; see :class:`Route` for what else is said."""
        return self._declare("GET", path, summary, about)

    def post(self, path: str, summary: str, **about: Any) -> Callable[[Handler], Handler]:
        """Declare a POST. ``creates``: it takes an Idempotency-Key."""
        if about.get("creates"):
            about["headers"] = (*about.get("headers", ()), IDEMPOTENCY_KEY)
        return self._declare("POST", path, summary, about)

    def patch(self, path: str, summary: str, **about: Any) -> Callable[[Handler], Handler]:
        """Declare a PATCH."""
        return self._declare("PATCH", path, summary, about)

    def delete(self, path: str, summary: str, **about: Any) -> Callable[[Handler], Handler]:
        """Declare a DELETE."""
        return self._declare("DELETE", path, summary, about)

    def _declare(self, method: str, path: str, summary: str, about: dict[str, Any]) -> Callable[[Handler], Handler]:
        def declared(handler: Handler) -> Handler:
            route = Route(
                method=method, path=path, summary=summary, tag=self.tag, handler=handler, faults=self._faults, **about
            )
            self.all.append(route)
            return handler

        return declared
