"""One way to ask a database, whether it is SQLite or PostgreSQL: the same SQL, with ``:name`` for values.

What the two say differently is here or in the schema's own file a dialect. It is plain SQL through thin drivers, not
SQLAlchemy: importing that would be a noticeable part of the time that ``mintmark run`` takes in all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")
Row = Any
"""A row of an answer: ``row["column"]``."""


class TryAgain(Exception):
    """Raised by work that found somebody else at the same thing just now: do it again from its beginning."""


class Session(ABC):
    """A transaction under way."""

    for_update: ClassVar[str] = ""
    """Ends a SELECT whose rows nobody else may change until this transaction is over."""

    @abstractmethod
    def run(self, sql: str, **values: Any) -> list[Row]:
        """The rows of one statement; also of an INSERT, UPDATE or DELETE with RETURNING."""

    def share(self, name: str) -> None:  # noqa: B027 - where one writer has everything, nothing is to be done
        """Until this transaction is over nobody else is :meth:`alone` under this name."""

    def alone(self, name: str) -> None:  # noqa: B027
        """Until this transaction is over nobody else is here under this name."""


class Store(ABC):
    """A database with its schema, safe to use from any thread and any number of processes."""

    @abstractmethod
    def transact(self, work: Callable[[Session], T]) -> T:
        """Do the work in one transaction: all of it or nothing, durable when this returns.

        The work may be done again from its beginning where the database asks for that, so it must change nothing else.
        """

    @abstractmethod
    def read(self, work: Callable[[Session], T]) -> T:
        """Do work that changes nothing, on one consistent view of what is committed."""

    @abstractmethod
    def close(self) -> None:
        """Give back files and connections. Harmless to repeat."""
