"""Cursors: a list's next page begins where this one ends, whatever came in between. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

LIMIT = 50
MOST = 200

Cursor = Annotated[str, Field(pattern="^[0-9]{1,18}$", max_length=18)]
"""Of a list by number: the number of the last row that was shown."""
NameCursor = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9./-]{0,140}$", max_length=141)]
"""Of a list by name: the last name that was shown."""


def cursor_of(seq: int) -> str:
    """The cursor of what comes after the row of this number."""
    return str(seq)


def seq_of(cursor: str | None) -> int | None:
    """The number in a cursor."""
    return None if cursor is None else int(cursor)
