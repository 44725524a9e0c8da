"""Server-sent events as they come over the wire. Pure: fed with lines, gives events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .values import Update


@dataclass
class Reader:
    """Feed it lines without their ends; ``last_id`` is where to take the stream up again."""

    last_id: int = 0
    _kind: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str | None = None

    def begin(self) -> None:
        """The stream is opened anew: what the line cut off before its end is forgotten."""
        self._kind, self._data, self._id = "", [], None

    def feed(self, line: str) -> Update | None:
        """The event that this line completes, if it does."""
        if line == "":
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id":
            self._id = value
        return None

    def _complete(self) -> Update | None:
        kind, data, number = self._kind, self._data, self._id
        self.begin()
        if not data:
            return None
        seq = int(number) if number is not None and number.isdecimal() else None
        if seq is not None:
            self.last_id = max(self.last_id, seq)
        return Update(kind=kind or "message", seq=seq, data=_read("\n".join(data)))


def _read(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    return body if isinstance(body, dict) else {"value": body}
