"""A store in a PostgreSQL database, through pg8000: pure Python, BSD, nothing to compile.

Statements are prepared once a connection, and those without rows go with the next one (:mod:`.postgres_pipeline`).
PostgreSQL undoes a transaction that it cannot carry out beside another (deadlock, serialization); then, and where a
connection broke, the work is done again: all our work may be repeated, also where only the answer to its commit was
lost.
"""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import BadSetting, CannotWrite, DatabaseUnreachable, DiskFull, MissingExtra
from .base import TRIES, Row, Session, Store, T, TryAgain
from .postgres_pipeline import Pipeline

if TYPE_CHECKING:
    from pg8000.native import Connection

DIALECT = {"serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "table": ""}
"""What a schema's placeholders mean."""
MOST_CONNECTIONS = 8
"""Open at once in one process; who comes when all are in use waits."""
_BEGIN, _BEGIN_READING = "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_AGAIN = frozenset({"40001", "40P01"})
_TAKEN = "23505"
_FULL = "53100"
_AWAY = ("08", "53", "57P", "58", "25006")
"""Begin the codes that are about the server, not about what was asked: it restarts, has no room, or was replaced."""
_CONNECT_S = 10
_TRUST = "Name the host as its certificate does, and the file of who signed that: sslrootcert=/file."
_VERIFIED = "verify-full"
_SSL = ("disable", "require", _VERIFIED)


@dataclass(frozen=True)
class Address:
    """Where a database is and who we are there: ``postgresql://user:password@host:5432/name?schema=s&sslmode=require``.

    ``host=/folder`` as a parameter is a Unix socket; ``sslrootcert=/file`` holds the authorities to trust with
    ``sslmode=verify-full``, instead of the system's. Raises BadSetting, which never shows the password.
    """

    user: str
    password: str | None = field(repr=False)
    host: str
    port: int
    database: str
    schema: str | None
    sslmode: str
    sslrootcert: str | None = None

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address that a URL names."""
        try:
            parts = urlsplit(url)
            more = {key: values[-1] for key, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
            port = parts.port or 5432
        except ValueError:
            raise _bad("it cannot be read") from None
        if "@" in f"{parts.path}{parts.query}{parts.fragment}" or parts.fragment:
            # Part of the password was taken for a database's name or a parameter, and those are shown.
            raise _bad("in a password, / ? # and @ are written %2F %3F %23 and %40")
        if parts.scheme not in ("postgresql", "postgres"):
            raise _bad("it has to begin with postgresql://")
        if unknown := set(more) - {"schema", "sslmode", "sslrootcert", "host"}:
            raise _bad(f"{min(unknown)} is no parameter of it")
        host = more.get("host") or parts.hostname or "localhost"
        # A password and the books themselves do not cross a network in the clear unless somebody says so.
        if (sslmode := more.get("sslmode", "disable" if _is_here(host) else "require")) not in _SSL:
            raise _bad(f"sslmode is one of {', '.join(_SSL)}")
        if (root := more.get("sslrootcert")) is not None and sslmode != _VERIFIED:
            raise _bad(f"sslrootcert goes with sslmode={_VERIFIED}")
        user, database = unquote(parts.username or "postgres"), unquote(parts.path.lstrip("/"))
        password = None if parts.password is None else unquote(parts.password)
        return cls(user, password, host, port, database or user, more.get("schema"), sslmode, root)

    def __str__(self) -> str:
        return f"postgresql://{self.host}:{self.port}/{self.database}"


def _is_here(host: str) -> bool:
    """Whether the host is this machine: a socket's folder, or a loopback address or name."""
    return host.startswith(("/", "127.")) or host in ("localhost", "::1")


def _bad(why: str) -> BadSetting:
    return BadSetting(
        f"The database's URL cannot be used: {why}.", hint="postgresql://user:password@host:5432/name?sslmode=require"
    )


class PostgresSession(Session):
    """A transaction on one connection."""

    for_update = " FOR UPDATE"
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def run(self, sql: str, **values: Any) -> list[Row]:
        return self._pipeline.run(sql, values)

    def ask(self, sql: str, **values: Any) -> Callable[[], list[Row]]:
        return self._pipeline.ask(sql, values)

    def script(self, sql: str) -> None:
        self._pipeline.script(sql)

    def each(self, name: str) -> str:
        return f"json_array_elements_text(CAST(:{name} AS json)) AS each(value)"

    def share(self, name: str) -> None:
        self._lock("pg_advisory_xact_lock_shared", name)

    def alone(self, name: str) -> None:
        self._lock("pg_advisory_xact_lock", name)

    def _lock(self, how: str, name: str) -> None:
        self.ask(f"SELECT {how}(hashtextextended(current_schema() || ':' || :name, 0))", name=name)


class PostgresStore(Store):
    """``script`` makes an empty schema; ``version`` is kept beside it, and a newer one is refused."""

    dialect = DIALECT

    def __init__(self, url: str, script: str, *, version: int) -> None:
        self.address = Address.parse(url)
        self._free: list[Pipeline] = []
        self._lock = threading.Lock()
        self._room = threading.Semaphore(MOST_CONNECTIONS)
        self._closed = False
        try:
            self._prepare(script, version)
        except BaseException:
            self.close()
            raise

    def _prepare(self, script: str, version: int) -> None:
        def make(session: Session) -> None:
            session.alone("schema")
            found = session.run("SELECT to_regclass('ledger_version') IS NOT NULL AS made")
            if not found[0]["made"]:
                session.script(script)
                session.script("CREATE TABLE ledger_version (version INTEGER NOT NULL)")
                session.run("INSERT INTO ledger_version VALUES (:version)", version=version)
            if (kept := session.run("SELECT version FROM ledger_version")[0]["version"]) != version:
                raise CannotWrite(f"{self.address} is of another Mintmark (schema {kept}).", hint="Upgrade Mintmark.")

        self.transact(make)

    def transact(self, work: Callable[[Session], T]) -> T:
        return self._transact(_BEGIN, work)

    def read(self, work: Callable[[Session], T]) -> T:
        return self._transact(_BEGIN_READING, work)

    def _transact(self, begin: str, work: Callable[[Session], T]) -> T:
        from pg8000.exceptions import DatabaseError, InterfaceError

        for tried in range(1, TRIES + 1):
            try:
                return self._once(begin, work)
            except TryAgain:
                if tried == TRIES:
                    raise
            except (DatabaseError, InterfaceError, OSError) as exc:
                self._forgive(exc, tried)
            time.sleep(random.uniform(0, 0.002 * tried))
        raise AssertionError("unreachable")

    def _forgive(self, exc: Exception, tried: int) -> None:
        """Raise what doing it again will not mend."""
        facts = exc.args[0] if exc.args and isinstance(exc.args[0], dict) else None
        if facts is None:
            # The connection broke, and so may have the others that nobody uses. Another try makes a new one.
            self._forget()
            if tried >= 3:
                raise DatabaseUnreachable(f"{self.address}: the connection broke ({exc}).") from exc
            return
        code = facts.get("C")
        # Two wrote the same at once: the second look finds it there.
        if (code in _AGAIN and tried < TRIES) or (code == _TAKEN and tried < 2):
            return
        if code == _FULL:
            raise DiskFull(f"{self.address}: the database has no room left.", hint="Free some space.") from exc
        if str(code).startswith(_AWAY):
            self._forget()
            raise DatabaseUnreachable(f"{self.address}: {_words(exc)}") from exc
        raise exc

    def _once(self, begin: str, work: Callable[[Session], T]) -> T:
        with self._connection() as connection:
            try:
                connection.begin(begin)
                result = work(PostgresSession(connection))
                connection.commit(wait=begin == _BEGIN)
            except BaseException:
                connection.rollback()
                raise
            return result

    @contextmanager
    def _connection(self) -> Iterator[Pipeline]:
        """A connection of ours for a while; one that cannot even roll back is thrown away."""
        with self._room:
            connection = self._take() or Pipeline(connect(self.address))
            keep = False
            try:
                yield connection
                keep = True
            except BaseException:
                keep = connection.is_idle()
                raise
            finally:
                self._give(connection, keep=keep)

    def _take(self) -> Pipeline | None:
        with self._lock:
            return self._free.pop() if self._free else None

    def _give(self, connection: Pipeline, *, keep: bool) -> None:
        with self._lock:
            if keep and not self._closed:
                self._free.append(connection)
                return
        _discard(connection)

    def scrub(self, tables: Iterable[str], *, thorough: bool = False) -> bool:
        # A plain VACUUM lets old rows' room be used again; only writing the table anew gives the old files up.
        how = "VACUUM (FULL)" if thorough else "VACUUM"
        with self._connection() as connection:
            for table in tables:
                if connection.run("SELECT to_regclass(:name) IS NOT NULL AS made", {"name": table})[0]["made"]:
                    connection.script(f"{how} {table}")
        return True

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._forget()

    def _forget(self) -> None:
        """Close the connections that nobody uses just now."""
        with self._lock:
            free, self._free = self._free, []
        for connection in free:
            _discard(connection)


def connect(its: Address) -> Connection:
    """A new connection, in the address's schema. Raises DatabaseUnreachable and MissingExtra."""
    try:
        from pg8000.exceptions import DatabaseError, InterfaceError
        from pg8000.native import Connection, identifier
    except ImportError as exc:
        raise MissingExtra("PostgreSQL needs the pg8000 package.", hint="pip install 'mintmark[cluster]'") from exc
    try:
        made = Connection(
            its.user,
            host=None if its.host.startswith("/") else its.host,
            unix_sock=f"{its.host}/.s.PGSQL.{its.port}" if its.host.startswith("/") else None,
            port=its.port,
            database=its.database,
            password=its.password,
            ssl_context=_context(its),
            timeout=_CONNECT_S,
            application_name="mintmark",
        )
        # The limit is for connecting; a statement may have to wait for others longer than that.
        made._usock.settimeout(None)
        if not its.host.startswith("/"):
            # A statement that does not fit into one packet waits 40 ms else, for word that its beginning has come.
            made._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A plan is kept as long as its connection, and may be made while a table is empty: then no index seems worth
        # it, and once there are a million rows all of them are read each time.
        made.execute_simple("SET enable_seqscan TO off")
        # Where there is no index all the same, such a plan seems so dear that compiling it would seem worth the time.
        made.execute_simple("SET jit TO off")
        if its.schema is not None:
            # Who may not make it may use it; and of two that make it at once, one fails.
            with suppress(DatabaseError):
                made.execute_simple(f"CREATE SCHEMA IF NOT EXISTS {identifier(its.schema)}")
            made.execute_simple(f"SET search_path TO {identifier(its.schema)}")
    except ssl.SSLCertVerificationError as exc:
        why = f"its certificate is not trusted ({exc.verify_message.rstrip('.')})"
        raise DatabaseUnreachable(f"{its}: {why}.", hint=_TRUST) from exc
    except (DatabaseError, InterfaceError, OSError) as exc:
        raise DatabaseUnreachable(f"{its}: {_words(exc)}", hint="Check MINTMARK_LEDGER_URL.") from exc
    return made


def _discard(connection: Pipeline) -> None:
    # Where the server is gone, pg8000 fails to say goodbye, and leaves what it reads through open.
    through = connection.raw._sock, connection.raw._usock
    with suppress(Exception):
        connection.raw.close()
    for each in through:
        with suppress(Exception):
            each.close()


def _context(its: Address) -> ssl.SSLContext | bool:
    if its.sslmode == "disable":
        return False  # with None, pg8000 takes whatever it is offered
    try:
        context = ssl.create_default_context(cafile=its.sslrootcert)
    except OSError as exc:
        raise _bad(f"no certificates can be read from sslrootcert={its.sslrootcert}") from exc
    if its.sslmode == "require":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _words(exc: Exception) -> str:
    """The server's own words, where it said any."""
    facts = exc.args[0] if exc.args else ""
    if isinstance(exc, OSError):
        return f"{exc.strerror or exc}."
    return f"{facts.get('M', 'refused')}." if isinstance(facts, dict) else f"{facts}."
