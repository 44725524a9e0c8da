"""Takes webhooks, verifies them with the Standard Webhooks library, and now and then pretends to be broken."""

from __future__ import annotations

import random
from collections import Counter

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from typing_extensions import Self


class Receiver:
    """``seen`` counts the deliveries of each job by event type; ``refused`` those whose signature did not hold."""

    def __init__(self, chance: random.Random, *, broken: float = 0.2) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()
        self.ended: set[str] = set()
        """The jobs of which it was told that they are over."""
        self.refused = 0
        self.secret = ""
        self.broken = 0
        """How many deliveries were turned away with a 503."""
        self._chance, self._share = chance, broken
        self._hurt: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.text()
        number = request.headers.get("webhook-id", "")
        # Not more than twice each: the pauses between tries grow, and nobody wants to wait for them here.
        if self._hurt[number] < 2 and self._chance.random() < self._share:
            self._hurt[number] += 1
            self.broken += 1
            return web.Response(status=503)
        try:
            told = Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.refused += 1
            return web.Response(status=401)
        self.seen[told["data"]["job_id"], told["type"]] += 1
        self.ended.add(told["data"]["job_id"])
        return web.Response(status=204)
