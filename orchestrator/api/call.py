"""One request, read and checked, as a route's handler gets it; and what the handler gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from ..jobs.base import Idempotency
from .intake import Intake
from .reading import fingerprint
from .threads import THREADS, Threads

if TYPE_CHECKING:
    from ..access.caller import Caller
    from ..service.service import Service
    from .repeats import Repeats
    from .routing import Route

REPEATS: web.AppKey[Repeats] = web.AppKey("repeats", object)  # type: ignore[arg-type]  # its module needs this one
INTAKE: web.AppKey[Intake] = web.AppKey("intake", Intake)

B = TypeVar("B")
Q = TypeVar("Q")


@dataclass(kw_only=True)
class Call(Generic[B, Q]):
    """``body`` is the route's model, or None where another kind of content came; ``document`` is it as it came."""

    request: web.Request = field(repr=False)
    service: Service = field(repr=False)
    route: Route = field(repr=False)
    caller: Caller
    body: B
    query: Q
    path: Mapping[str, str]
    document: Any = field(default=None, repr=False)
    told: dict[str, str] = field(default_factory=dict)
    """Headers of the answer whatever it becomes: what is left of the caller's limits."""

    @property
    def job_id(self) -> str:
        return self.path["job_id"]

    @property
    def block(self) -> Threads:
        """Makes a blocking call in a thread: ``await call.block(service.jobs.get, job_id)``."""
        return self.request.app[THREADS]

    @property
    def intake(self) -> Intake:
        """Where orders are checked."""
        return self.request.app[INTAKE]

    @property
    def repeats(self) -> Repeats:
        """Where the answers of creates that make no job are kept."""
        return self.request.app[REPEATS]

    @property
    def idempotency(self) -> Idempotency | None:
        """The request's key, of this caller and for this path. None where it has none."""
        return self.idempotent(self.document)

    def idempotent(self, body: Any) -> Idempotency | None:
        """:attr:`idempotency` of a body that is no JSON document; ``body`` stands for it, as a digest mostly."""
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return None
        scope = f"{self.caller.project}/{self.caller.key_id or 'local'} {self.route.method} {self.request.path}"
        return Idempotency(scope=scope, key=key, digest=fingerprint(body))

    async def again(self) -> None:
        """The caller as its key is now: asked before each thing that a request that goes on orders or is told. Raises
        NotAuthenticated where the key has ended."""
        self.caller = await self.service.access.again(self.caller)

    async def serves(self, end_user: str | None) -> None:
        """The order is for this end user: count it against what one may, and tell what is left. Raises
        TooManyRequests."""
        access = self.service.access
        self.told.update(access.admit_user(self.caller, end_user, self.told))
        self.told.update(await access.left(self.caller, end_user))

    @property
    def wait_s(self) -> float | None:
        """``Prefer: wait=N``; what else is preferred there is not known here and ignored, as RFC 7240 has it."""
        for part in ",".join(self.request.headers.getall("Prefer", [])).split(","):
            name, _, value = part.partition(";")[0].strip().partition("=")
            digits = value.strip().strip('"')
            if name.strip().lower() == "wait" and digits.isascii() and digits.isdigit() and len(digits) <= 9:
                return min(float(digits), self.service.service.wait_limit_s)
        return None


@dataclass(frozen=True)
class Reply:
    """An answer that is JSON of a declared model, bytes, or nothing."""

    status: int
    model: BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None
    media_type: str = "application/json"
    replayed: bool = False
    """``data`` is the JSON of an answer that was given before."""
