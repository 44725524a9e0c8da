"""Logging with fixed names, a stable ``action`` on each record, and secrets taken out of every line.

Inside ComfyUI our module names are file paths, so loggers are named by explicit words: ``log.get("providers")``.
"""

from __future__ import annotations

import base64
import logging
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_MASK = "••••"
_secrets: set[str] = set()
_facts: ContextVar[dict[str, Any] | None] = ContextVar("mintmark_log_facts", default=None)


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in (_facts.get() or {}).items():
            vars(record).setdefault(name, value)
        if _secrets:
            record.msg = redact(record.getMessage())
            record.args = ()
            # What ``extra`` brought along is printed by machines' formatters.
            for name, value in vars(record).items():
                if isinstance(value, str):
                    setattr(record, name, redact(value))
            # A formatted traceback may quote a secret too, so it is rendered here and cleaned.
            if record.exc_info and record.exc_info[1] is not None:
                text = logging.Formatter().formatException(record.exc_info)
                record.exc_text = redact(text)
                record.exc_info = None
        return True


def get(name: str) -> logging.Logger:
    """The logger ``mintmark.<name>``, with secrets taken out of whatever is logged through it."""
    logger = logging.getLogger(f"mintmark.{name}")
    if not any(isinstance(f, _Redacting) for f in logger.filters):
        logger.addFilter(_Redacting())
    return logger


def action(name: str, **context: Any) -> dict[str, Any]:
    """The ``extra`` of a record: a stable action and its context, for machines that read logs."""
    return {"action": name, **context}


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Have every record that is written within, by this task or those that it starts, bring these facts along: the job
    that all of it is about. What a record itself says of the same name counts."""
    token = _facts.set({**(_facts.get() or {}), **facts})
    try:
        yield
    finally:
        _facts.reset(token)


def hide(secret: str) -> None:
    """Remember a secret so that :func:`redact` takes it out, also in its base64 and URL-encoded forms."""
    if len(secret) < 8:
        return
    raw = secret.encode()
    forms = {urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}
    for encoded in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        forms |= {encoded, encoded.rstrip("=")}
    _secrets.update({secret, *forms})


def redact(text: str) -> str:
    """The text without any secret we know of; the first 8 characters of one are secret too."""
    forms = sorted(_secrets, key=len, reverse=True)
    for form in forms:
        text = text.replace(form, _MASK)
    # Only now the beginnings: masked earlier, they would hide the rest of another form from the search for it.
    for form in forms:
        text = text.replace(form[:8], _MASK)
    return text
