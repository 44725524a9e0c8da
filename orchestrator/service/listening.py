"""The service's door: its HTTP on an address."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import TYPE_CHECKING

from aiohttp import web
from typing_extensions import Self

from ... import log
from ...errors import BadSetting

if TYPE_CHECKING:
    from .service import Service

logger = log.get("orchestrator.service")

LINGER_S = 1.0
"""How long the rest of a refused body is read on, in seconds, so that its sender gets to read the answer."""
LINE_BYTES = 65_536
"""The longest address: what is wrong with a shorter one is told as every other problem is."""
GRACE_S = 5.0
"""How long requests that are under way may take to end when the door closes, in seconds."""

EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - told of, not listened on


class Listening:
    """Used as ``async with``; ``url`` is known once it is entered. ``port`` 0 takes a free one."""

    def __init__(self, service: Service, host: str, port: int) -> None:
        self._service, self._host, self._port = service, host, port
        self.url = ""
        self.warning = ""
        """What whoever starts it ought to know; mostly nothing."""

    async def __aenter__(self) -> Self:
        from ..api.app import build_app
        from ..api.connections import Runner

        app = build_app(self._service)
        self._runner = Runner(
            app,
            access_log=None,
            shutdown_timeout=GRACE_S,
            lingering_time=LINGER_S,
            max_line_size=LINE_BYTES,
            handle_signals=False,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=1024).start()
        except OSError as error:
            await self._runner.cleanup()
            raise BadSetting(
                f"Nothing can listen on {self._host}:{self._port}.",
                hint=f"{error.strerror or error}. Take another --port; 0 takes any free one.",
            ) from error
        bound = self._runner.addresses[0][1]
        self.url = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{bound}"
        self._service.url = self._service.service.public_base_url or self._reached(bound)
        return self

    def _reached(self, port: int) -> str:
        """Where others may find it, for links in what is sent without having been asked for."""
        if self._host not in EVERYWHERE:
            return self.url
        found = own_address(v6=":" in self._host)
        guess = f"http://{f'[{found}]' if ':' in found else found}:{port}"
        self.warning = (
            f"It listens on every address of this machine, so links in webhooks begin with {guess}, which is a guess. "
            "Set MINTMARK_SERVICE_PUBLIC_BASE_URL to where others reach it."
        )
        logger.warning(
            "Links in webhooks begin with %s, which is a guess: set MINTMARK_SERVICE_PUBLIC_BASE_URL.",
            guess,
            extra=log.action("links_guessed"),
        )
        return guess

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()


def own_address(*, v6: bool) -> str:
    """The address that this machine calls others from, else its loopback."""
    # Nothing is sent: a datagram socket only chooses its route. The addresses are those of documentation.
    kind, other = (socket.AF_INET6, "2001:db8::1") if v6 else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as asked:
            asked.connect((other, 9))
            return str(asked.getsockname()[0])
    except OSError:
        return "::1" if v6 else "127.0.0.1"
