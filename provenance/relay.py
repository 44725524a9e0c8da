"""Where c2pa asks for timestamps: a door on loopback, behind which the authority is asked in our own way.

c2pa (0.38) asks an authority by itself, but waits half a minute for one that says nothing, knows no user and password,
and tells little of what went wrong. So it is given the address of this door, another one for each file, and what
happened behind it is known here.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .authority import REPLY, Authority, NoTimestamp

_HOST = "127.0.0.1"
_MOST_QUERY = 64 * 1024  # bytes; a query has about 60


class Ticket:
    """One file's way through the door."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.problem: str | None = None
        """Why there was no answer; None where there was one, or nobody came."""
        self.answered = False


class Relay:
    """A door that stays open until it is closed. Thread-safe."""

    def __init__(self, authority: Authority) -> None:
        """Raises OSError where no port can be opened, :class:`NoTimestamp` where c2pa could not come through."""
        if urllib.request.getproxies().get("http") and not urllib.request.proxy_bypass(_HOST):
            raise NoTimestamp(f"cannot be asked: HTTP_PROXY also stands before {_HOST}; set NO_PROXY={_HOST},localhost")
        self._authority = authority
        self._tickets: dict[str, Ticket] = {}
        self._server = _Server((_HOST, 0), _Door)
        self._server.relay = self
        self._thread = threading.Thread(target=self._server.serve_forever, name="mintmark-relay", daemon=True)
        self._thread.start()

    @contextmanager
    def ticket(self) -> Iterator[Ticket]:
        """An address that nobody else knows, good for as long as this lasts."""
        # Anybody on this machine can reach the port; only who knows the path is heard.
        name = secrets.token_urlsafe(24)
        ticket = Ticket(f"http://{_HOST}:{self._server.server_port}/{name}")
        self._tickets[f"/{name}"] = ticket
        try:
            yield ticket
        finally:
            self._tickets.pop(f"/{name}", None)

    def answer(self, path: str, query: bytes) -> bytes | None:
        """The authority's reply, or None: then the ticket knows why, where there is one."""
        ticket = self._tickets.get(path)
        if ticket is None:
            return None
        try:
            reply = self._authority.ask(query)
        except NoTimestamp as exc:
            ticket.problem = str(exc)
            return None
        ticket.answered = True
        return reply

    def close(self) -> None:
        """May be called again."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    relay: Relay


class _Door(BaseHTTPRequestHandler):
    server: _Server
    timeout = 60

    def do_POST(self) -> None:
        """What c2pa asks."""
        length = self.headers.get("Content-Length", "")
        query = self.rfile.read(int(length)) if length.isdigit() and int(length) <= _MOST_QUERY else b""
        reply = self.server.relay.answer(self.path, query)
        with contextlib.suppress(OSError):
            self._send(502 if reply is None else 200, reply or b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", REPLY)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: it would go to stderr."""
