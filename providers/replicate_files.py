"""Input files too large for a data URI: uploaded to Replicate's own storage, which keeps them for 24 hours.

Wire fact: the vendor's page on input files advises data URIs up to 256 kB; its official client uploads everything. An
upload is free, so nothing of it is ever charged.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

LARGEST_DATA_URI = 256 * 1024
Upload = Callable[[bytes, str], Awaitable[str]]
"""Takes a file and its media type; gives the URL it has from then on."""


async def uploaded(value: Any, upload: Upload) -> Any:
    """The JSON value with every large data URI in it replaced by the URL of the uploaded file."""
    if isinstance(value, dict):
        return {name: await uploaded(one, upload) for name, one in value.items()}
    if isinstance(value, list):
        return [await uploaded(one, upload) for one in value]
    if not isinstance(value, str) or len(value) <= LARGEST_DATA_URI or not value.startswith("data:image/"):
        return value
    head, _, data = value.partition(",")
    return await upload(base64.b64decode(data), head.removeprefix("data:").partition(";")[0])
