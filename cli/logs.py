"""How a server in the foreground writes its log: lines for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .. import log, tracing

if TYPE_CHECKING:
    from ..config.service import ServiceSettings

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest was brought along by ``extra``."""
_DEEPEST = 8
_TRACE_ID = slice(3, 35)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and what it brought along. No secret is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Never raises: what JSON does not know is written as text."""
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": log.redact(record.getMessage()),
        }
        if (traceparent := tracing.current()) is not None:
            line["trace_id"] = traceparent[_TRACE_ID]
        line |= {name: _plain(value) for name, value in vars(record).items() if name not in _OWN and name not in line}
        if record.exc_text or record.exc_info:
            line["traceback"] = log.redact(record.exc_text or self.formatException(record.exc_info or (None,) * 3))
        return json.dumps(line, ensure_ascii=False)


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {log.redact(str(name)): _plain(each, depth + 1) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEEPEST:
        return [_plain(each, depth + 1) for each in value]
    return log.redact(str(value))


def write(settings: ServiceSettings) -> None:
    """From now on the log is written as these say."""
    formatter = JsonLines() if settings.log_format == "json" else logging.Formatter(_TEXT)
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    for handler in root.handlers:
        # Those that somebody else put there, such as a test's, stay as they are.
        if type(handler) is logging.StreamHandler:
            handler.setFormatter(formatter)
