"""An invoice's bytes as rows of cells: its encoding, and what is no CSV. Nothing here knows what the cells mean."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from ..errors import InvalidInput
from .invoices import Problem

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def decoded(data: bytes, encoding: str | None) -> tuple[str, list[Problem]]:
    """The text, with a problem for each line that is not in this encoding."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        if marked is not None and (encoding is None or encoding.lower().startswith("utf")):
            return data.decode(marked), []
        if encoding is None and b"\x00" in data[:1000]:
            raise InvalidInput(
                "The invoice is not text in UTF-8; it may be UTF-16 without its mark.",
                hint="Say so: --encoding utf-16-le",
            )
        text = data.decode(encoding or "utf-8", "strict" if encoding else "replace")
    except LookupError:
        raise InvalidInput(f"--encoding: {encoding!r} is none.", hint="utf-8, utf-16, latin-1, cp1252 ...") from None
    except UnicodeError as exc:
        # Some encodings (idna, punycode) do not say where.
        line = data.count(b"\n", 0, getattr(exc, "start", 0)) + 1
        raise InvalidInput(f"Line {line} of the invoice is not {encoding or marked}.") from None
    return text, [] if encoding else list(_undecodable(data))


def _undecodable(data: bytes) -> Iterator[Problem]:
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", data), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            yield Problem(number, "it is not UTF-8; if the file is in another encoding, say which: --encoding latin-1")


def rows_of(text: str, delimiter: str) -> Iterator[tuple[int, int, list[str] | str]]:
    """Each row with the lines that it begins and ends on; in place of one that is broken, why."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader)
            yield begins, reader.line_num, row
        except StopIteration:
            return
        except csv.Error as exc:
            yield begins, reader.line_num, f"it is no CSV: {exc}"
