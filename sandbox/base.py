"""What a provider's stand-in is: this file is the specification, and ``tests/contracts/twin.py`` its test.

A stand-in is one file beside this one, written from the vendor's documentation and from nothing of ours. It answers as
the vendor does, in its success, its refusals and its failures; it writes into the books what the vendor would have
charged; and what it draws follows from the request alone, so that the same request gives the same picture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from aiohttp import web

from .exchange import Desk, Exchange
from .faults import Kind

RouteKind = Literal["", "generation", "moderation", "media"]
Handler = Callable[[Exchange], Awaitable[web.Response]]


@dataclass(frozen=True)
class Route:
    """One entry point of a provider; ``path`` is aiohttp's pattern under the provider's prefix."""

    method: str
    path: str
    handler: Handler
    kind: RouteKind = ""
    """What the books write a request down as; nothing where it is empty."""
    faults: frozenset[Kind] = field(default_factory=frozenset)
    """Kinds of fault that mean something here, beside those of transport."""


class Provider(ABC):
    """A provider's stand-in. Errors are always in the shape of the real one."""

    name: ClassVar[str]
    """The prefix of its paths, and its word in the books."""

    @abstractmethod
    def __init__(self, desk: Desk) -> None:
        """Begin with nothing; ``desk`` is what all stand-ins of one sandbox share."""

    @abstractmethod
    def routes(self) -> tuple[Route, ...]:
        """Every entry point served."""

    @abstractmethod
    def new_request_id(self) -> str:
        """An id in the provider's own form, another one each time."""

    @abstractmethod
    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        """The answer for a fault of kind ``status``."""

    @abstractmethod
    def unknown(self, exchange: Exchange) -> web.Response:
        """The answer for a path that the provider does not have."""

    @abstractmethod
    async def start(self) -> None:
        """Take up what the books kept."""

    @abstractmethod
    async def stop(self) -> None:
        """End every task; the books keep what was asked for. Harmless to repeat."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything."""
