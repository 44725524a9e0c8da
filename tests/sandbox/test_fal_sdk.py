"""The official fal client against the sandbox, its fixed hosts mapped by a declared transport hook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import fal_client
import pytest

from mintmark.sandbox import Sandbox

from .conftest import Probe, pixels_of, png_of, white_mask_of
from .fal_hosts import fal_hosts

BOAT: dict[str, Any] = {
    "prompt": "a boat",
    "image_size": {"width": 96, "height": 64},
    "seed": 5,
    "output_format": "png",
}


@pytest.fixture
def mapped(sandbox: Sandbox) -> Iterator[None]:
    with fal_hosts(sandbox.url):
        yield


@pytest.fixture
async def client(mapped: None) -> AsyncIterator[fal_client.AsyncClient]:
    client = fal_client.AsyncClient(key="test-id:test-secret")
    yield client
    await (await client._client).aclose()


async def test_submit_status_and_result(client: fal_client.AsyncClient, sandbox: Sandbox, probe: Probe) -> None:
    handle = await client.submit("fal-ai/flux/schnell", BOAT)
    assert handle.response_url == f"{sandbox.url}/fal/queue/fal-ai/flux/requests/{handle.request_id}"
    result = await handle.get(interval=0.01)
    assert isinstance(await handle.status(with_logs=True), fal_client.Completed)
    (image,) = result["images"]
    assert (image["width"], image["height"], image["content_type"]) == (96, 64, "image/png")
    assert image["url"].startswith(f"{sandbox.url}/fal/media/")
    assert (result["seed"], result["has_nsfw_concepts"], result["prompt"]) == (5, [False], "a boat")
    status, data = await probe.fetch(image["url"])
    assert (status, pixels_of(data).shape) == (200, (64, 96, 3))
    assert await handle.get(interval=0.01) == result
    assert (await probe.fetch(image["url"]))[1] == data
    (line,) = (await probe.bill())["lines"]
    assert (line["request_id"], line["model"], line["microusd"]) == (handle.request_id, "fal-ai/flux/schnell", 3_000)


async def test_the_queue_is_seen_to_move(mapped: None) -> None:
    async with Sandbox(latency_s=0.3) as slow:
        with fal_hosts(slow.url):
            client = fal_client.AsyncClient(key="a:b")
            handle = await client.submit("fal-ai/flux/dev", BOAT)
            seen = [type(event) async for event in handle.iter_events(with_logs=True, interval=0.02)]
            await (await client._client).aclose()
    assert list(dict.fromkeys(seen)) == [fal_client.Queued, fal_client.InProgress, fal_client.Completed]


async def test_subscribe_and_run_give_the_same_picture(client: fal_client.AsyncClient, probe: Probe) -> None:
    one = await client.subscribe("fal-ai/flux/dev", BOAT, interval=0.01)
    other = await client.run("fal-ai/flux/dev", BOAT)
    assert (await probe.fetch(one["images"][0]["url"]))[1] == (await probe.fetch(other["images"][0]["url"]))[1]
    assert (await probe.bill())["total_microusd"] == 2 * 25_000


async def test_a_canceled_request_is_never_billed(probe: Probe, sandbox: Sandbox) -> None:
    async with Sandbox(latency_s=30) as slow:
        with fal_hosts(slow.url):
            client = fal_client.AsyncClient(key="a:b")
            handle = await client.submit("fal-ai/flux/dev", BOAT)
            await handle.cancel()
            status = await handle.status()
            assert isinstance(status, fal_client.Completed)
            assert status.error_type == "client_cancelled"
            with pytest.raises(fal_client.FalClientHTTPError) as caught:
                await handle.get(interval=0.01)
            assert caught.value.status_code == 499
            with pytest.raises(fal_client.FalClientHTTPError) as caught:
                await handle.cancel()
            assert caught.value.status_code == 400
            await (await client._client).aclose()
        assert (await Probe(slow.url, probe.session).bill())["lines"] == []


async def test_upload_edit_and_fill_by_url(client: fal_client.AsyncClient, probe: Probe) -> None:
    image = png_of((200, 60, 60), (80, 64))
    source = await client.upload(image, "image/png", "in.png")
    assert (await probe.fetch(source)) == (200, image)
    mask = await client.upload(white_mask_of((80, 64), (10, 4, 40, 20)), "image/png")
    filled = await client.subscribe(
        "fal-ai/flux-pro/v1/fill",
        {"prompt": "a city at night", "image_url": source, "mask_url": mask, "output_format": "png"},
        interval=0.01,
    )
    after = pixels_of((await probe.fetch(filled["images"][0]["url"]))[1])
    changed = (after != pixels_of(image)).any(axis=2)
    assert changed[4:20, 10:40].mean() > 0.9
    changed[4:20, 10:40] = False
    assert not changed.any()
    edited = await client.subscribe(
        "fal-ai/flux-2-pro/edit", {"prompt": "snow", "image_urls": [source, mask]}, interval=0.01
    )
    assert (edited["images"][0]["width"], edited["images"][0]["height"]) == (80, 64)


async def test_upload_by_way_of_storage(client: fal_client.AsyncClient, probe: Probe) -> None:
    url = await client.upload(b"some bytes", "text/plain", "notes.txt", repository="fal")
    assert await probe.fetch(url) == (200, b"some bytes")


async def test_an_input_as_a_data_uri(client: fal_client.AsyncClient, probe: Probe) -> None:
    source = fal_client.encode(png_of(size=(48, 32)), "image/png")
    made = await client.run("fal-ai/flux/dev/image-to-image", {"prompt": "snow", "image_url": source})
    assert made["images"][0]["content_type"] == "image/jpeg"
    assert pixels_of((await probe.fetch(made["images"][0]["url"]))[1]).shape == (32, 48, 3)
    (call,) = await probe.calls()
    assert set(call["body"]["image_url"]) == {"data_uri", "sha256", "size"}


async def test_a_bad_input_fails_with_the_result_and_costs_nothing(
    client: fal_client.AsyncClient, probe: Probe
) -> None:
    handle = await client.submit("fal-ai/flux/dev", {"prompt": "x", "num_images": 9})
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await handle.get(interval=0.01)
    assert caught.value.status_code == 422
    status = await handle.status()
    assert isinstance(status, fal_client.Completed)
    assert status.error_type == "less_than_equal"
    assert (await probe.bill())["lines"] == []


def test_the_sync_client_works_too(mapped_thread: str) -> None:
    with fal_hosts(mapped_thread):
        client = fal_client.SyncClient(key="a:b")
        result = client.subscribe("fal-ai/nano-banana", {"prompt": "a boat", "aspect_ratio": "16:9"}, interval=0.01)
        client._client.close()
    assert (result["images"][0]["width"], result["images"][0]["height"]) == (1344, 736)


@pytest.fixture
def mapped_thread() -> Iterator[str]:
    """A sandbox in a loop of its own thread, for a client that blocks."""
    import threading

    ready, stop, urls = threading.Event(), asyncio.Event(), []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with Sandbox(latency_s=0) as running:
            urls.append(running.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    yield urls[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()
