"""Who may ask at the stand-ins for Amazon's services: a Bedrock API key, or a signature (SigV4) that is checked.

Written from "Create a signed AWS API request" and "Troubleshoot Signature Version 4 signing" (IAM user guide).
Signatures are checked against the example account of Amazon's own documentation, whose secret everybody knows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote

from aiohttp import web

from ..clock import utc_now
from .exchange import Exchange

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SESSION_KEY = "ASIAIOSFODNN7EXAMPLE"
"""Of a session: its token must come along, and be signed."""
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - Amazon's own example
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=(?P<key>\w+)/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request, "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_LONGEST_AGE = timedelta(minutes=5)
_TIME = "%Y%m%dT%H%M%SZ"


class Refused(Exception):
    """An AWS service's answer to a request that it does not accept. Not a failure of ours."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def check_caller(exchange: Exchange, service: str, *, bearers: bool) -> None:
    """Raises :class:`Refused` (403) unless who asks is known. ``bearers``: whether an API key does as well."""
    given = exchange.request.headers.get("Authorization", "")
    scheme, _, key = given.partition(" ")
    if scheme == "Bearer" and bearers:
        if not key.strip() or key.strip().startswith("bad-"):
            raise Refused(
                403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."
            )
        return
    if not given:
        raise Refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if (signed := _SIGNED.fullmatch(given)) is None:
        raise Refused(403, "IncompleteSignatureException", "The request signature does not conform to AWS standards.")
    _check_signature(exchange, signed.groupdict(), service)


def error(exchange: Exchange, refused: Refused, kind: str = "application/json", **told: Any) -> web.Response:
    """The answer to a request that was refused."""
    headers = {"x-amzn-RequestId": exchange.request_id, "x-amzn-ErrorType": refused.code}
    body = json.dumps({**told, "message": refused.message}).encode()
    return web.Response(body=body, status=refused.status, content_type=kind, headers=headers)


def _check_signature(exchange: Exchange, told: Mapping[str, str], service: str) -> None:
    headers, names = exchange.request.headers, told["names"].split(";")
    at = headers.get("X-Amz-Date", "")
    if told["key"] not in (ACCESS_KEY, SESSION_KEY):
        raise Refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    needed = {"host", "x-amz-date", *(("x-amz-security-token",) if told["key"] == SESSION_KEY else ())}
    if told["service"] != service or not at.startswith(told["day"]) or not needed <= set(names):
        raise Refused(403, "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    if abs(utc_now() - _moment(at)) > _LONGEST_AGE:
        raise Refused(403, "InvalidSignatureException", f"Signature expired: {at} is too far from the present.")
    scope = f"{told['day']}/{told['region']}/{service}/aws4_request"
    digest = hashlib.sha256(_canonical(exchange, names).encode()).hexdigest()
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    meant = hmac.new(key, f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(meant, told["signature"]):
        raise Refused(
            403,
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )


def _canonical(exchange: Exchange, names: list[str]) -> str:
    """The request as both sides write it down. The path as it came, encoded once more."""
    request = exchange.request
    path, _, query = request.raw_path.partition("?")
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in parse_qsl(query, True))
    lines = [request.method, quote(path, safe="/~"), "&".join(f"{name}={value}" for name, value in pairs)]
    lines += [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names]
    return "\n".join([*lines, "", ";".join(names), hashlib.sha256(exchange.raw).hexdigest()])


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.fromtimestamp(0, timezone.utc)
