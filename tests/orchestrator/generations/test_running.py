"""Bodies of ``POST /v1/images/generations`` all the way: through the API, a runner and the sandbox, to signed files."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.provenance.reading import read
from mintmark.tests.orchestrator.generations.test_images import SEED_PAGE
from mintmark.tests.orchestrator.house import ServiceHouse, service_house


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path) as opened:
        yield opened


def picture(size: tuple[int, int] = (256, 256)) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(file, "PNG")
    return file.getvalue()


async def made(house: ServiceHouse, **body: Any) -> tuple[dict[str, Any], list[Image.Image]]:
    """The job, and its pictures as their links give them."""
    status, job = await house.ask(
        "POST", "/v1/images/generations", {"prompt": "a fox", **body}, headers={"Prefer": "wait=50"}
    )
    assert (status, job["status"]) == (200, "succeeded"), job
    pictures = []
    for output in job["outputs"]:
        async with house.session.get(output["image_url"]) as answer:
            assert answer.status == 200
            data = await answer.read()
        assert read(data).state == "valid"
        pictures.append(Image.open(io.BytesIO(data)))
    return job, pictures


async def test_the_usual_request_gives_what_it_asks_for(whole: ServiceHouse) -> None:
    job, pictures = await made(whole, **SEED_PAGE, metadata={"campaign": "spring_launch"})
    assert [each.size for each in pictures] == [(768, 512)] * 2
    assert job["metadata"] == {"campaign": "spring_launch"}
    assert job["metrics"]["steps"] == 30
    assert len({output["sha256"] for output in job["outputs"]}) == 2
    assert all(output["safety"]["allowed"] for output in job["outputs"])


@pytest.mark.parametrize("size", [(512, 512), (768, 768), (1536, 1024), (500, 300)])
async def test_the_default_model_makes_any_common_size(whole: ServiceHouse, size: tuple[int, int]) -> None:
    _, (image,) = await made(whole, size={"width": size[0], "height": size[1]}, steps=20)
    assert image.size == size


async def test_a_picture_to_begin_from_is_uploaded_and_changed(whole: ServiceHouse) -> None:
    headers = {"Content-Type": "image/png"}
    async with whole.session.post(f"{whole.url}/v1/uploads", data=picture(), headers=headers) as answer:
        assert answer.status in (200, 201), await answer.text()
        upload = await answer.json()
    body = {"init_image_url": f"upload:{upload['sha256']}", "strength": 0.6}
    job, (image,) = await made(whole, image_to_image=body, steps=20)
    assert image.size == (256, 256)
    assert job["workflow"]["name"] == "image-to-image"


@pytest.mark.parametrize("field", ["pose_url", "edge_url", "depth_url"])
async def test_a_map_at_a_url_is_followed(whole: ServiceHouse, field: str) -> None:
    made_before = whole.service.assets.put(picture())
    from datetime import timedelta

    from mintmark.clock import utc_now
    from mintmark.storage.assets.links import Links

    url = Links(whole.service.link_secrets, whole.url).url(
        made_before.digest, expires_at=utc_now() + timedelta(minutes=5)
    )
    job, (image,) = await made(whole, control={field: url, "weight": 0.8}, size={"width": 512, "height": 256})
    assert image.size == (512, 256)
    assert job["workflow"]["name"] == "control-image"


async def test_the_impossible_is_refused_with_what_is_allowed_and_costs_nothing(whole: ServiceHouse) -> None:
    status, problem = await whole.ask(
        "POST", "/v1/images/generations", {"prompt": "a fox", "model": "fal/flux-schnell", "steps": 50}
    )
    assert (status, problem["field"], problem["allowed"]) == (422, "steps", {"min": 1, "max": 12})
    assert await whole.calls() == []
