"""fal's storage for input files too large to travel inside the input: a token, then the bytes.

Wire facts: the official fal-client 1.0.3 (``AsyncClient.upload``): POST rest.fal.ai/storage/auth/token, then
POST <base_url>/files/upload with the token, the name and the bytes; ``X-Fal-Object-Lifecycle`` says how long it is
kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ..clock import utc_now
from ..errors import BadAnswer
from .fal_errors import VENDOR, refused_submit
from .hosts import Hosts
from .http import MIB, Failure, HttpClient, Reply
from .secret import Secret
from .tokens import Token, Tokens

LARGEST_DATA_URI = 1 * MIB
"""Characters. fal names no limit and advises uploads for large files; its client uploads what it is told to."""
_KEPT_S = 24 * 3600
_SHORTEST_S = 60.0
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class Storage:
    """Where an account's input files go. ``hosts`` says which hosts are fal's own, for the files' host is told anew."""

    def __init__(self, http: HttpClient, *, rest: str, hosts: Hosts, headers: Callable[[], Mapping[str, str]]) -> None:
        self._http, self._rest, self._hosts, self._headers = http, rest, hosts, headers
        self._tokens = Tokens(self._token, now=http.clock)
        self._base = ""

    async def upload(self, data: bytes, media_type: str) -> str:
        """The URL of the file from then on. Raises ProviderError; nothing of it is charged."""
        token = await self._tokens.headers()
        headers = {
            **token,
            "Content-Type": media_type,
            "X-Fal-File-Name": f"image.{_EXTENSIONS.get(media_type, 'bin')}",
            # It is needed for one call only.
            "X-Fal-Object-Lifecycle": json.dumps({"expiration_duration_seconds": _KEPT_S}),
        }
        told = await self._post(f"{self._base}/files/upload", headers=headers, data=data)
        url = told.get("access_url")
        if not isinstance(url, str) or not self._hosts.is_media(url):
            raise _bad("the upload names no file of its own")
        return url

    async def _token(self) -> Token:
        told = await self._post(
            f"{self._rest}/storage/auth/token?storage_type=fal-cdn-v3", headers=self._headers(), json={}
        )
        value, base, until = (told.get(name) for name in ("token", "base_url", "expires_at"))
        if not (isinstance(value, str) and isinstance(base, str) and isinstance(until, str)):
            raise _bad("the question for a token has none")
        if not self._hosts.is_media(base):
            raise _bad("the question for a token names a host that is not fal's")
        try:
            left = (datetime.fromisoformat(until.replace("Z", "+00:00")) - utc_now()).total_seconds()
        except (ValueError, TypeError):
            left = _SHORTEST_S
        self._base = base.rstrip("/")
        return Token(value=Secret(value), expires_in_s=max(left, _SHORTEST_S))

    async def _post(self, url: str, **how: Any) -> dict[str, Any]:
        try:
            reply: Reply = await self._http.send("POST", url, max_bytes=MIB, repeat="idempotent", **how)
        except Failure as failure:
            raise VENDOR.unreached(failure, "no") from None
        if reply.status not in (200, 201):
            problem = refused_submit(reply)
            problem.charged = "no"
            raise problem
        try:
            return reply.json()
        except ValueError:
            raise _bad("an upload is no JSON") from None


def _bad(what: str) -> BadAnswer:
    return BadAnswer(f"fal's answer to {what}.", provider="fal", charged="no")
