"""Statements on their way to PostgreSQL: one whose rows nobody waits for goes with the next that somebody waits for.

Each way there and back costs the network's time and, in a busy process, a wait for Python's lock on the way back. So a
transaction's beginning, its locks, what it writes and its commit go in one piece with what is next to them; they are
carried out one after the other, and after an error the rest is skipped (the protocol's pipeline).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Any

from .base import Row

if TYPE_CHECKING:
    from pg8000.native import Connection

MOST = 64
"""Statements that go unanswered: their answers have to fit where the network keeps what nobody has read yet."""
_EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"
_SYNC = b"S\x00\x00\x00\x04"
_DONE, _EMPTY, _READY = b"C", b"I", b"Z"
_COUNT, _LENGTH, _HEAD = Struct("!H"), Struct("!i"), Struct("!ci")
_NULL = _LENGTH.pack(-1)


class _Statement:
    """A statement that a connection has prepared."""

    def __init__(self, raw: Connection, sql: str) -> None:
        made = raw.prepare(sql)
        self.sql, self.columns, self.readers = sql, made.cols, made.input_funcs
        self.names = [each["name"] for each in made.cols or ()]
        self._values = made.make_vals
        self._head = b"\x00" + made.name_bin + _COUNT.pack(0)

    def message(self, raw: Connection, values: dict[str, Any]) -> bytes:
        """What has it carried out with these values."""
        from pg8000.converters import make_params

        params = make_params(raw.py_types, self._values(values))
        parts = [self._head, _COUNT.pack(len(params))]
        for each in params:
            text = b"" if each is None else each.encode(raw._client_encoding)
            parts += [_NULL] if each is None else [_LENGTH.pack(len(text)), text]
        body = b"".join([*parts, _COUNT.pack(0)])
        return b"".join([b"B", _LENGTH.pack(len(body) + 4), body, _EXECUTE])


class _Asked:
    """A statement on its way, and its answer once that has come."""

    def __init__(self, raw: Connection, statement: _Statement, values: dict[str, Any]) -> None:
        from pg8000.core import Context

        self.message = statement.message(raw, values)
        self.context = Context(statement.sql, columns=statement.columns, input_funcs=statement.readers)
        self.names = statement.names
        self.answered = False

    def rows(self) -> list[Row]:
        return [dict(zip(self.names, row, strict=True)) for row in self.context.rows or ()]


class Pipeline:
    """A connection, outside every transaction at first. What one of its statements raises may be raised by whatever
    comes next, at the latest by :meth:`commit`."""

    def __init__(self, raw: Connection) -> None:
        self.raw = raw
        self._prepared: dict[str, _Statement] = {}
        self._unsent: list[_Asked] = []
        self._owed: list[list[_Asked]] = []
        """What was sent, in pieces, and not read of yet."""
        self._begun = self._torn = False

    # -- a transaction ------------------------------------------------------------------------------------------------

    def begin(self, how: str) -> None:
        """Have the next statement begin a transaction."""
        self._begun = False
        self._put(how, {})

    def commit(self, *, wait: bool = True) -> None:
        """End the transaction, where anything was asked within it. Without ``wait``, for who changed nothing, the
        answer is read with the next one."""
        if not self._begun and len(self._unsent) == 1:
            self._unsent.clear()
            return
        wait = wait or bool(self._unsent)
        self._put("COMMIT", {})
        self._send()
        if wait:
            self._read()
        self._begun = False

    def rollback(self) -> None:
        """Undo the transaction; what was not sent never will be."""
        from pg8000.exceptions import DatabaseError

        self._unsent.clear()
        if self._begun and not self._torn:
            with suppress(DatabaseError):
                self._read()
            self.raw.execute_simple("ROLLBACK")

    def is_idle(self) -> bool:
        """Whether it is usable after something went wrong, and outside every transaction."""
        if self._torn:
            return False
        try:
            self.script("SELECT 1")
        except Exception:  # noqa: BLE001 - whatever it is, it is not usable
            return False
        return bool(self.raw._transaction_status == b"I")

    # -- statements ---------------------------------------------------------------------------------------------------

    def ask(self, sql: str, values: dict[str, Any]) -> Callable[[], list[Row]]:
        """Have a statement carried out; what is returned gives its rows, once they are needed."""
        asked = self._put(sql, values)

        def rows() -> list[Row]:
            if not asked.answered:
                self.settle()
            return asked.rows()

        return rows

    def run(self, sql: str, values: dict[str, Any]) -> list[Row]:
        """The rows of a statement. One that has none is not waited for."""
        rows = self.ask(sql, values)
        return rows() if self._prepared[sql].columns else []

    def script(self, sql: str) -> None:
        """Run statements that are not worth preparing."""
        self.settle()
        self.raw.execute_simple(sql)

    def settle(self) -> None:
        """Have everything carried out that was asked for. Raises the first error."""
        self._send()
        self._read()

    def _put(self, sql: str, values: dict[str, Any]) -> _Asked:
        statement = self._prepared.get(sql)
        if statement is None:
            self._read()
            statement = self._prepared[sql] = _Statement(self.raw, sql)
        asked = _Asked(self.raw, statement, values)
        if len(self._unsent) == MOST:
            self.settle()
        self._unsent.append(asked)
        return asked

    def _send(self) -> None:
        if not self._unsent:
            return
        self._owed.append(self._unsent)
        message, self._unsent = b"".join([*(each.message for each in self._unsent), _SYNC]), []
        self._begun = True
        try:
            self.raw._sock.write(message)
            self.raw._sock.flush()
        except (OSError, ValueError, AttributeError) as exc:  # the latter two: it was closed
            raise self._broken() from exc

    # -- answers ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Read whatever is owed. Raises the first error."""
        pieces, self._owed = self._owed, []
        # Whoever is interrupted here leaves half an answer behind, which nobody can make sense of.
        self._torn = bool(pieces)
        for piece in pieces:
            self._read_piece(piece)
        self._torn = False
        for each in chain.from_iterable(pieces):
            if each.context.error is not None:
                raise each.context.error

    def _read_piece(self, piece: list[_Asked]) -> None:
        """The answers to what went in one piece: after an error there is none to the rest."""
        at, code = 0, b""
        while code != _READY:
            code, length = _HEAD.unpack(self._bytes(_HEAD.size))
            data = self._bytes(length - 4)
            asked = piece[min(at, len(piece) - 1)]
            self.raw.message_types[code](data, asked.context)
            if code in (_DONE, _EMPTY):
                asked.answered = True
                at += 1

    def _bytes(self, size: int) -> bytes:
        try:
            found: bytes = self.raw._sock.read(size)
        except (OSError, ValueError, AttributeError) as exc:
            raise self._broken() from exc
        if len(found) < size:
            raise self._broken()
        return found

    @staticmethod
    def _broken() -> Exception:
        from pg8000.exceptions import InterfaceError

        broken: Exception = InterfaceError("network error")
        return broken
