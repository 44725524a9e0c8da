"""Input files too large for a data URI: uploaded to the vendor's own storage before the call is made.

An upload is free and nothing was asked for yet, so nothing of it is ever charged.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

Upload = Callable[[bytes, str], Awaitable[str]]
"""Takes a file and its media type; gives the URL it has from then on."""


async def uploaded(value: Any, upload: Upload, *, largest: int) -> Any:
    """The JSON value with every data URI of more than ``largest`` characters replaced by the uploaded file's URL."""
    if isinstance(value, dict):
        return {name: await uploaded(one, upload, largest=largest) for name, one in value.items()}
    if isinstance(value, list):
        return [await uploaded(one, upload, largest=largest) for one in value]
    if not isinstance(value, str) or len(value) <= largest or not value.startswith("data:image/"):
        return value
    head, _, data = value.partition(",")
    return await upload(base64.b64decode(data), head.removeprefix("data:").partition(";")[0])
