"""Pictures by URL: slow servers of one key hold up no other key."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from mintmark.errors import NotAnImage, TooManyRequests
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.generations.pictures import FETCHED_PER_KEY, FETCHES_WAITING, Desk, Pictures
from mintmark.orchestrator.webhooks.targets import fetch
from mintmark.storage.assets.folder import FolderAssets
from mintmark.storage.assets.uploads import Uploads
from mintmark.tests.orchestrator.house import service_house
from mintmark.tests.orchestrator.webhooks.receiver import Answer, never, receiving


def picture(side: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, "PNG")
    return file.getvalue()


def giving(data: bytes) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=data)

    return answer


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    ledger = SqliteLedger(tmp_path / "books")
    yield Uploads(ledger.store, FolderAssets(tmp_path / "assets"), max_pixels=1_000_000)
    ledger.close()


async def test_slow_servers_of_one_key_hold_up_no_other(uploads: Uploads) -> None:
    gate, desk = asyncio.Event(), Desk()
    brings = [Pictures(uploads, partial(fetch, allow_private=True), desk=desk).bring for _ in range(2)]
    most = FETCHED_PER_KEY + FETCHES_WAITING
    async with receiving(*[never(gate)] * most) as slow, receiving(giving(picture())) as quick:
        held = [asyncio.create_task(brings[n % 2]({"url": slow.url}, "evil")) for n in range(most)]
        await slow.wait(FETCHED_PER_KEY)
        started = time.perf_counter()
        assert await brings[0]({"url": quick.url}, "shop")
        assert time.perf_counter() - started < 5
        with pytest.raises(TooManyRequests) as caught:
            await brings[1]({"image_to_image.init_image_url": slow.url}, "evil")
        assert caught.value.data["field"] == "image_to_image.init_image_url"
        assert len(slow.got) == FETCHED_PER_KEY
        gate.set()
        for each in await asyncio.gather(*held, return_exceptions=True):
            assert isinstance(each, NotAnImage)


async def test_a_line_that_is_too_long_is_a_429_that_says_when_to_come_back(tmp_path: Path) -> None:
    gate = asyncio.Event()
    most = FETCHED_PER_KEY + FETCHES_WAITING
    async with receiving(*[never(gate)] * most) as slow, service_house(tmp_path) as house:

        async def upload() -> tuple[int, dict[str, str]]:
            async with house.session.post(f"{house.url}/v1/uploads", json={"url": slow.url}) as reply:
                await reply.read()
                return reply.status, dict(reply.headers)

        asked = {asyncio.create_task(upload()) for _ in range(most + 1)}
        done, held = await asyncio.wait(asked, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        [(status, headers)] = [each.result() for each in done]
        assert (status, headers["Retry-After"]) == (429, "5")
        gate.set()
        assert {(await each)[0] for each in held} == {422}


async def test_few_pictures_are_unpacked_at_once(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = 0, 0

    def keep(*_: object) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        time.sleep(0.02)
        now -= 1

    monkeypatch.setattr(uploads, "keep", keep)
    pictures = Pictures(uploads)
    with uploads.begin() as arriving:
        await asyncio.gather(*(pictures.keep(arriving, "key-1") for _ in range(10)))
    assert most <= 2
