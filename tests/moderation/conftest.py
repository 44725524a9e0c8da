"""A neutral word list, a fixed clock and an OpenAI endpoint on a real port, as its documentation describes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mintmark.errors import ProviderAuth, ProviderDown
from mintmark.moderation.lexicon import Group, Language, Rules, Source
from mintmark.moderation.matching import Lexicon
from mintmark.sandbox import Sandbox

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)

CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm"),
    *("self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic"),
)
FROM_PIXELS = {"self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic"}


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture(scope="session")
def bad_words() -> Lexicon:
    """A word list of harmless words, to show what matching does without showing what is listed."""
    bad = Group(terms=("badword", "moodyword", "two rude words"), allow=("badword puzzle",))
    language = Language(language="en", plural=("s",), categories={"bad": bad})
    return Lexicon(Source(rules=Rules(name="test", version="1.0.0", severities={"bad": "high"}), languages=(language,)))


@dataclass
class Endpoint:
    """What a fake moderation endpoint was asked and what it shall say."""

    scores: dict[str, float] = field(default_factory=dict)
    answer: Any = None
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    session: aiohttp.ClientSession | None = None
    url: str = ""

    async def serve(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        answer = self.answer if self.answer is not None else self._documented(body)
        return web.json_response(answer, status=self.status)

    def _documented(self, body: dict[str, Any]) -> dict[str, Any]:
        pixels = not isinstance(body["input"], str)
        kind = "image" if pixels else "text"
        scored = FROM_PIXELS if pixels else set(CATEGORIES)
        result = {
            "flagged": any(score > 0.5 for score in self.scores.values()),
            "categories": {name: self.scores.get(name, 0.0) > 0.5 for name in CATEGORIES},
            "category_scores": {name: self.scores.get(name, 0.0001) for name in CATEGORIES},
            "category_applied_input_types": {name: [kind] if name in scored else [] for name in CATEGORIES},
        }
        return {"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": [result]}

    async def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The client half, over the wire: what the product's own client does, in its shortest form."""
        assert self.session is not None
        async with self.session.post(self.url + path, json=body) as response:
            if response.status == 401:
                raise ProviderAuth("The key is refused.", provider="openai", status=401)
            if response.status >= 500:
                raise ProviderDown("OpenAI does not answer.", provider="openai", status=response.status)
            answer: dict[str, Any] = await response.json()
            return answer


@dataclass
class Front:
    """Stands before a sandbox and passes everything on, until it is told what to answer by itself."""

    sandbox: str
    session: aiohttp.ClientSession
    own: tuple[int, Any] | None = None
    url: str = ""

    def answer(self, status: int, body: Any) -> None:
        """From now on this, to everything."""
        self.own = status, body

    async def serve(self, request: web.Request) -> web.Response:
        if self.own is not None:
            return web.json_response(self.own[1], status=self.own[0])
        hops = ("host", "content-length", "transfer-encoding", "connection")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in hops}
        url, body = self.sandbox + request.path_qs, await request.read()
        async with self.session.request(request.method, url, headers=headers, data=body) as reply:
            return web.Response(body=await reply.read(), status=reply.status, content_type=reply.content_type)


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    """A sandbox that knows every service a checker asks, and may be told to fail."""
    async with Sandbox(latency_s=0) as sandbox, aiohttp.ClientSession() as session:
        fake = Front(sandbox.url, session)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", fake.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
        await runner.cleanup()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """A moderation endpoint on an ephemeral port, with a client bound to it."""
    fake = Endpoint()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/moderations", fake.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    async with aiohttp.ClientSession() as session:
        fake.session = session
        yield fake
    await runner.cleanup()
