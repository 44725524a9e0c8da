"""One way to ask a database, whether it is SQLite or PostgreSQL: the same SQL, with ``:name`` for values.

This file is the specification, and ``tests/contracts/store.py`` its test.

What the two say differently is here or in the schema's own file a dialect. It is plain SQL through thin drivers, not
SQLAlchemy: importing that would be a noticeable part of the time that ``mintmark run`` takes in all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from ..errors import CannotWrite

T = TypeVar("T")
TRIES = 20
"""How often a transaction is tried where others are at the same thing, before that is told."""
Row = Any
"""A row of an answer: ``row["column"]``."""


class TryAgain(Exception):
    """Raised by work that found somebody else at the same thing just now: do it again from its beginning."""


class Session(ABC):
    """A transaction under way."""

    for_update: ClassVar[str] = ""
    """Ends a SELECT whose rows nobody else may change until this transaction is over."""
    skip_locked: ClassVar[str] = ""
    """The same, leaving out the rows that somebody else has under such a lock just now."""

    @abstractmethod
    def run(self, sql: str, **values: Any) -> list[Row]:
        """The rows of one statement; also of an INSERT, UPDATE or DELETE with RETURNING."""

    def ask(self, sql: str, **values: Any) -> Callable[[], list[Row]]:
        """The same for who needs the rows later, or never: what is returned gives them. Several statements may go to
        the database in one piece, and so may those without rows; what is wrong with one of these is raised by a later
        one, or by the end of the transaction or of the :meth:`part`."""
        rows = self.run(sql, **values)
        return lambda: rows

    @abstractmethod
    def script(self, sql: str) -> None:
        """Run statements that make or change tables."""

    @contextmanager
    def part(self) -> Iterator[None]:
        """Of the transaction: where it raises, it alone is undone, and the rest may go on."""
        self.script("SAVEPOINT within")
        try:
            yield
            self.script("RELEASE SAVEPOINT within")
        except BaseException:
            self.undo_part()
            raise

    def undo_part(self) -> None:
        """Undo what was done since the latest :meth:`part` began, and end it."""
        self.script("ROLLBACK TO SAVEPOINT within")
        self.script("RELEASE SAVEPOINT within")

    @abstractmethod
    def each(self, name: str) -> str:
        """A table called ``each``, for a FROM, with one column, ``value``: the texts of a list, which is given as JSON
        for the value of this name. So one statement asks about many, however many they are."""

    def share(self, name: str) -> None:  # noqa: B027 - where one writer has everything, nothing is to be done
        """Until this transaction is over nobody else is :meth:`alone` under this name."""

    def alone(self, name: str) -> None:  # noqa: B027
        """Until this transaction is over nobody else is here under this name."""


@dataclass(frozen=True)
class Part:
    """Tables that belong together, in a database that has others too.

    ``script`` makes version ``version`` of them, with the dialect's words in braces; ``upgrades`` bring a version,
    which is its key, to the next one.
    """

    name: str
    script: str
    version: int = 1
    upgrades: Mapping[int, Callable[[Session], None]] = field(default_factory=dict)


class Store(ABC):
    """A database with its schema, safe to use from any thread and any number of processes."""

    dialect: ClassVar[Mapping[str, str]]
    """What the words in braces of a :class:`Part`'s script mean here."""
    one_writer: ClassVar[bool] = False
    """Whether all who write take turns, and share commits: then nobody waits for a lock as well."""

    def install(self, part: Part) -> None:
        """Make the part's tables, or bring them up to date, losing nothing. Harmless to repeat.

        Raises CannotWrite where they are of a newer Mintmark.
        """
        self.transact(lambda db: self._install(db, part))

    def _install(self, db: Session, part: Part) -> None:
        db.alone("parts")
        db.script("CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        rows = db.run("SELECT version FROM parts WHERE name = :name", name=part.name)
        if not rows:
            db.script(spelled(part.script, self.dialect))
            db.run("INSERT INTO parts (name, version) VALUES (:name, :version)", name=part.name, version=part.version)
            return
        found = int(rows[0]["version"])
        if found > part.version:
            raise CannotWrite(f"The database's {part.name} are of a newer Mintmark (version {found}).", hint="Upgrade.")
        for older in range(found, part.version):
            part.upgrades[older](db)
        db.run("UPDATE parts SET version = :version WHERE name = :name", name=part.name, version=part.version)

    @abstractmethod
    def transact(self, work: Callable[[Session], T]) -> T:
        """Do the work in one transaction: all of it or nothing, durable when this returns.

        The work may be done again from its beginning where the database asks for that, or where it raises
        :class:`TryAgain`, so it must change nothing else. What else it raises goes on as it is.
        """

    @abstractmethod
    def read(self, work: Callable[[Session], T]) -> T:
        """Do work that changes nothing, on one consistent view of what is committed."""

    @abstractmethod
    def scrub(self, tables: Iterable[str], *, thorough: bool = False) -> bool:
        """Leave nothing behind of what was deleted from these tables, as far as they are there and this database can;
        whether it could now. ``thorough`` writes them anew, which takes as long as copying them; others wait meanwhile.
        What stands in backups, replicas and archived logs is beyond it."""

    @abstractmethod
    def close(self) -> None:
        """Give back files and connections. Harmless to repeat."""


def spelled(script: str, dialect: Mapping[str, str]) -> str:
    """A script with its words in braces as this dialect says them."""
    for word, meaning in dialect.items():
        script = script.replace(f"{{{word}}}", meaning)
    return script
