"""fal's storage: large inputs go there first, as its own client sends them, with a token that travels to fal alone."""

from __future__ import annotations

import base64
import json
from typing import Any

import fal_client
import pytest
from aiohttp import web

from mintmark.errors import BadAnswer, ProviderAuth, ProviderDown
from mintmark.providers.fal import Fal
from mintmark.providers.fal_storage import LARGEST_DATA_URI, Storage
from mintmark.providers.hosts import Hosts
from mintmark.providers.http import HttpClient
from mintmark.providers.request import SourceImage
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, picture, prepared, serving
from mintmark.tests.sandbox.fal_hosts import fal_hosts

SOON = "2026-11-21T00:00:00Z"


def large() -> SourceImage:
    """Bytes after a picture's end do no harm, and make it too large for a data URI."""
    image = picture()
    return image.model_copy(update={"data": image.data + bytes(LARGEST_DATA_URI)})


def edit(fal: Fal, *images: SourceImage) -> Any:
    return prepared(fal, "flux-2-pro", task="edit", images=images, width=None, height=None)


async def test_a_large_input_goes_to_storage_and_a_small_one_stays_in_the_body(fal: Fal, truth: Truth) -> None:
    image = large()
    await fal.ask(edit(fal, image, picture()), call_id="c", on_accepted=ignore)
    (call,) = await truth.calls()
    stored, inline = call["body"]["image_urls"]
    async with truth.session.get(stored) as reply:
        assert await reply.read() == image.data
    assert inline["data_uri"] == "data:image/png;base64"


async def test_the_official_client_stores_the_same_file(fal: Fal, sandbox: Sandbox, truth: Truth) -> None:
    image = large()
    with fal_hosts(sandbox.url):
        client = fal_client.AsyncClient(key="a:b")
        theirs = await client.upload(image.data, "image/png", "image.png")
        await (await client._client).aclose()
    ours = await fal._storage.upload(image.data, "image/png")
    kinds = []
    for url in (theirs, ours):
        async with truth.session.get(url) as reply:
            assert await reply.read() == image.data
            kinds.append((url.rpartition("_")[2], reply.content_type))
    assert kinds == [("image.png", "image/png")] * 2


class Rest:
    """fal's storage as a test wants it."""

    def __init__(self, **told: Any) -> None:
        self.told, self.seen = told, list[tuple[str, dict[str, str]]]()
        self.status = 200

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.path_qs, dict(request.headers)))
        if request.path.endswith("/files/upload"):
            body = {"access_url": self.told.get("access_url", f"http://{request.host}/x.png")}
        else:
            base = {"token": "t0ken-0123456789", "base_url": f"http://{request.host}/cdn", "expires_at": SOON}
            body = {**base, **self.told}
        return web.json_response(body, status=self.status)


def storage(http: HttpClient, url: str) -> Storage:
    return Storage(http, rest=url, hosts=Hosts(url), headers=lambda: {"Authorization": "Key a:b"})


async def test_a_token_is_asked_for_once_while_it_is_good(http: HttpClient, time: FakeTime) -> None:
    rest = Rest()
    async with serving(rest.answer) as url:
        kept = storage(http, url)
        for _ in range(2):
            await kept.upload(b"x", "image/png")
        time.now += 3600
        await kept.upload(b"x", "image/webp")
    asked = "/storage/auth/token?storage_type=fal-cdn-v3"
    assert [path for path, _ in rest.seen] == [asked, *["/cdn/files/upload"] * 2, asked, "/cdn/files/upload"]
    sent = rest.seen[1][1]
    assert (sent["Authorization"], sent["X-Fal-File-Name"]) == ("Bearer t0ken-0123456789", "image.png")
    assert json.loads(sent["X-Fal-Object-Lifecycle"]) == {"expiration_duration_seconds": 86_400}
    assert rest.seen[-1][1]["X-Fal-File-Name"] == "image.webp"


@pytest.mark.parametrize(
    "told",
    [
        {"base_url": "https://elsewhere.example"},
        {"base_url": None},
        {"token": 7},
        {"access_url": "https://elsewhere.example/x.png"},
        {"access_url": None},
    ],
)
async def test_nothing_is_sent_to_a_host_that_is_not_fal_s(http: HttpClient, told: dict[str, Any]) -> None:
    async with serving(Rest(**told).answer) as url:
        with pytest.raises(BadAnswer) as refused:
            await storage(http, url).upload(b"x", "image/png")
    assert refused.value.charged == "no"


@pytest.mark.parametrize(("status", "kind"), [(401, ProviderAuth), (500, ProviderDown)])
async def test_an_upload_that_fails_costs_nothing(http: HttpClient, status: int, kind: type[Exception]) -> None:
    rest = Rest()
    rest.status = status
    async with serving(rest.answer) as url:
        with pytest.raises(kind) as told:
            await storage(http, url).upload(b"x", "image/png")
    assert told.value.charged == "no"  # type: ignore[attr-defined]


async def test_an_upload_that_fails_asks_for_no_generation(fal: Fal, truth: Truth) -> None:
    await truth.fail({"provider": "fal", "kind": "status", "status": 401, "path": "/storage/"})
    with pytest.raises(ProviderAuth):
        await fal.ask(edit(fal, large()), call_id="c", on_accepted=ignore)
    assert await truth.calls() == []


def test_what_is_stored_is_the_image_itself() -> None:
    assert len(base64.b64encode(large().data)) > LARGEST_DATA_URI
