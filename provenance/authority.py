"""Asking an RFC 3161 timestamp authority, within a time that holds whatever it does.

It may refuse the connection, take it and never speak, speak a byte a minute, send a page to log in, or never stop. Each
ends here as :class:`NoTimestamp` with the reason, no later than asked. Whether an answer is a timestamp of the right
thing, c2pa checks: this only brings it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
_MOST = 256 * 1024
"""Bytes of an answer: a token with its chain has some 5 KB."""
_PIECE = 16 * 1024


class NoTimestamp(Exception):
    """Why the authority gave none, in a few words."""


@dataclass(frozen=True)
class Authority:
    """Where it is, and how long it may take in all, in seconds. A user and password in the address are sent as such."""

    url: str = field(repr=False)
    timeout_s: float

    @property
    def shown(self) -> str:
        """The address without what it may keep secret."""
        parts = urllib.parse.urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

    def ask(self, query: bytes) -> bytes:
        """The reply to a query, both in DER. Blocks no longer than ``timeout_s``. Raises :class:`NoTimestamp`."""
        asking = _Asking(self, query)
        thread = threading.Thread(target=asking.run, name="mintmark-timestamp", daemon=True)
        thread.start()
        # The name's look-up has no time limit of its own, so the thread is left to itself where time is up.
        if not asking.over.wait(self.timeout_s):
            asking.give_up()
            raise NoTimestamp(f"{self.shown} did not answer within {self.timeout_s:g} s")
        if asking.reply is None:
            raise NoTimestamp(f"{self.shown} {asking.problem}")
        return asking.reply


class _Asking:
    """One exchange, in a thread of its own."""

    def __init__(self, authority: Authority, query: bytes) -> None:
        self.over = threading.Event()
        self.reply: bytes | None = None
        self.problem = "gave no answer"
        self._authority, self._query = authority, query
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        try:
            self.reply = self._exchange()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self.problem = f"cannot be asked: {exc or type(exc).__name__}"
        except NoTimestamp as exc:
            self.problem = str(exc)
        finally:
            self.give_up()
            self.over.set()

    def give_up(self) -> None:
        """Close the line, which ends a thread that waits at it."""
        connection = self._connection
        if connection is None:
            return
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            connection.close()

    def _exchange(self) -> bytes:
        connection, target, headers = _opened(self._authority)
        self._connection = connection
        connection.request("POST", target, self._query, {"Content-Type": QUERY, "Accept": REPLY, **headers})
        response = connection.getresponse()
        if response.status != 200:
            raise NoTimestamp(f"answered {response.status} {response.reason}")
        kind = response.headers.get_content_type()
        if kind != REPLY:
            raise NoTimestamp(f"answered with {kind}, which is no timestamp")
        return _read(response)


def _read(response: http.client.HTTPResponse) -> bytes:
    pieces: list[bytes] = []
    while piece := response.read(_PIECE):
        pieces.append(piece)
        if sum(map(len, pieces)) > _MOST:
            raise NoTimestamp("answered with more bytes than a timestamp has")
    return b"".join(pieces)


def _opened(authority: Authority) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """The line to it, by way of this machine's proxy where it has one; what to ask for, and the headers."""
    parts = urllib.parse.urlsplit(authority.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    headers = {"Authorization": _basic(parts)} if parts.username is not None else {}
    proxy = _proxy(parts.scheme, host)
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    if proxy is None:
        return kind(host, port, timeout=authority.timeout_s), target, headers
    through = {"Proxy-Authorization": _basic(proxy)} if proxy.username is not None else {}
    connection = kind(proxy.hostname or "", proxy.port or 80, timeout=authority.timeout_s)
    if secure:
        connection.set_tunnel(host, port, through)
        return connection, target, headers
    return connection, f"http://{parts.netloc.rpartition('@')[2]}{target}", {**headers, **through}


def _proxy(scheme: str, host: str) -> urllib.parse.SplitResult | None:
    url = urllib.request.getproxies().get(scheme)
    if not url or urllib.request.proxy_bypass(host):
        return None
    return urllib.parse.urlsplit(url if "//" in url else f"//{url}")


def _basic(parts: urllib.parse.SplitResult) -> str:
    pair = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
