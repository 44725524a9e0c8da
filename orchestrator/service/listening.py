"""The service's door: its HTTP on an address."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from aiohttp import web
from typing_extensions import Self

from ...errors import BadSetting

if TYPE_CHECKING:
    from .service import Service

LINGER_S = 1.0
"""How long the rest of a refused body is read on, in seconds, so that its sender gets to read the answer."""
LINE_BYTES = 65_536
"""The longest address: what is wrong with a shorter one is told as every other problem is."""
GRACE_S = 5.0
"""How long requests that are under way may take to end when the door closes, in seconds."""


class Listening:
    """Used as ``async with``; ``url`` is known once it is entered. ``port`` 0 takes a free one."""

    def __init__(self, service: Service, host: str, port: int) -> None:
        self._service, self._host, self._port = service, host, port
        self.url = ""

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
        self._service.url = self._service.service.public_base_url or self.url
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
