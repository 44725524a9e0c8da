"""Lines of JSON for schemathesis, which loads this file by its name."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(context: Any, value: Any) -> Any:
    """A body of lines is a text."""
    return value.encode(errors="replace") if isinstance(value, str) else str(value).encode(errors="replace")
