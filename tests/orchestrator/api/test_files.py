"""Files over HTTP: uploads are their owner's, links open what they say and nothing else."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import aiohttp
import pytest
from PIL import Image

from .stand_in import PNG, House
from .test_books import bearer


def picture(side: int = 8, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(file, kind)
    return file.getvalue()


async def send(house: House, data: bytes, **headers: str) -> tuple[int, Any, Any]:
    named = {"Content-Type": "image/png", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await house.ask("POST", "/v1/uploads", data=io.BytesIO(data), headers=named)


async def test_a_picture_is_uploaded_by_its_bytes(house: House) -> None:
    data = picture()
    status, made, headers = await send(house, data)
    digest = hashlib.sha256(data).hexdigest()
    assert (status, made["id"], made["sha256"]) == (201, f"upload:{digest}", digest)
    assert (made["media_type"], made["width"], made["height"], made["bytes"]) == ("image/png", 8, 8, len(data))
    assert (await house.ask("GET", headers["Location"]))[1] == made
    assert (await house.ask("DELETE", headers["Location"]))[0] == 204
    assert (await house.ask("GET", headers["Location"]))[0] == 404


async def test_a_form_with_a_file_is_an_upload_too(house: House) -> None:
    def form(*fields: tuple[str, str | None]) -> aiohttp.FormData:
        made = aiohttp.FormData()
        for name, filename in fields:
            made.add_field(name, io.BytesIO(picture(9, "JPEG")), filename=filename, content_type="text/html")
        return made

    status, answer, _ = await house.ask("POST", "/v1/uploads", data=form(("file", "a.jpg")))
    assert (status, answer["media_type"], answer["width"]) == (201, "image/jpeg", 9)
    for fields in ((("note", "a.jpg"),), (("file", "a.jpg"), ("note", "b.jpg"))):
        status, problem, _ = await house.ask("POST", "/v1/uploads", data=form(*fields))
        assert (status, problem["code"]) == (400, "malformed_request")


async def test_an_upload_is_what_a_run_works_on(house: House) -> None:
    _, made, _ = await send(house, picture(64))
    body = {"inputs": {"prompt": "x", "image": made["id"]}}
    status, answer, _ = await house.ask("POST", "/v1/workflows/edit-image/runs", json=body)
    assert status == 202, answer
    assert house.service.jobs.get(answer["job_id"]).ordered.images == {"image": made["sha256"]}


@pytest.mark.parametrize("named", ["upload:" + "0" * 64, "../../etc/passwd", "file:///etc/passwd", 7, ""])
async def test_a_picture_that_is_nobodys_is_refused(house: House, named: Any) -> None:
    body = {"inputs": {"prompt": "x", "image": named}}
    status, problem, _ = await house.ask("POST", "/v1/workflows/edit-image/runs", json=body)
    assert (status, problem["field"]) == (422, "inputs.image")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/a.png", "http://[::1]/", "http://169.254.169.254/latest", "http://localhost/x"]
)
async def test_a_picture_is_not_fetched_from_within(house: House, address: str) -> None:
    status, problem, _ = await house.ask("POST", "/v1/uploads", json={"url": address})
    assert (status, problem["code"]) == (422, "forbidden_target")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "not_an_image"),
        (b"<html>", 422, "not_an_image"),
        (PNG, 422, "not_an_image"),
        (picture(64)[:-5], 422, "not_an_image"),
        (b"x" * 5_000_000, 413, "request_too_large"),
    ],
)
async def test_what_is_no_picture_or_too_much_is_refused(house: House, data: bytes, status: int, code: str) -> None:
    found, problem, _ = await send(house, data)
    assert (found, problem["code"]) == (status, code)


async def test_a_picture_with_too_many_pixels_is_not_unpacked(house: House) -> None:
    status, problem, _ = await send(house, picture(2100))
    assert (status, problem["code"]) == (413, "image_too_large")


async def test_a_stream_that_is_longer_than_it_says_is_cut_off(house: House) -> None:
    async def endless() -> Any:
        for _ in range(200):
            yield b"x" * 65_536

    headers = {"Content-Type": "image/png"}
    status, problem, _ = await house.ask("POST", "/v1/uploads", data=endless(), headers=headers)
    assert (status, problem["code"]) == (413, "request_too_large")


async def test_an_upload_under_its_key_is_answered_once(house: House) -> None:
    _, first, _ = await send(house, picture(), Idempotency_Key="u")
    _, second, headers = await send(house, picture(), Idempotency_Key="u")
    assert (second, headers["Idempotent-Replayed"]) == (first, "true")
    status, problem, _ = await send(house, picture(9), Idempotency_Key="u")
    assert (status, problem["code"]) == (422, "idempotency_mismatch")


# -- what jobs made ---------------------------------------------------------------------------------------------------


async def test_an_upload_that_is_forgotten_is_deleted_where_nobody_else_has_it(house: House) -> None:
    ann, bob = bearer(house, "submit", "read", user="ann"), bearer(house, "submit", "read", user="bob")
    assets = house.service.assets
    _, upload, _ = await send(house, picture(64), **ann)
    await send(house, picture(64), **bob)
    path, digest = f"/v1/uploads/{upload['sha256']}", upload["sha256"]
    assert (await house.ask("DELETE", path, headers=ann))[0] == 204
    assert assets.exists(digest)
    body = {"inputs": {"prompt": "x", "image": upload["id"]}}
    status, job, _ = await house.ask("POST", "/v1/workflows/edit-image/runs", json=body, headers=bob)
    assert status == 202, job
    assert (await house.ask("DELETE", path, headers=bob))[0] == 204
    assert assets.exists(digest), "its job has it"
    house.service.run_next()
    await house.ask("DELETE", f"/v1/jobs/{job['job_id']}", headers=bob)
    assert not assets.exists(digest)


async def test_what_comes_with_an_order_is_nobodys_upload(house: House) -> None:
    ann = bearer(house, "submit", "read", user="ann")
    data = picture(64)
    digest = hashlib.sha256(data).hexdigest()
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    body = {"prompt": "night", "model": "fal/flux-2-pro", "image_to_image": {"init_image_url": url}}
    status, job, _ = await house.ask("POST", "/v1/images/generations", json=body, headers=ann)
    assert status == 202, job
    assert house.service.assets.exists(digest)
    assert not house.service.uploads.holds(digest)
    assert (await house.ask("GET", f"/v1/uploads/{digest}", headers=ann))[0] == 404
    house.service.run_next()
    await house.ask("DELETE", f"/v1/jobs/{job['job_id']}", headers=ann)
    assert not house.service.assets.exists(digest)


async def test_of_a_picture_that_is_only_judged_nothing_is_kept(house: House) -> None:
    data = picture(64)
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}}
    await house.ask("POST", "/openai/v1/moderations", json={"input": [part]})
    assert not house.service.assets.exists(hashlib.sha256(data).hexdigest())


async def made(house: House, data: bytes = PNG) -> dict[str, Any]:
    job_id = await house.order(prompt="x")
    house.service.run_next(data=data)
    output: dict[str, Any] = (await house.ask("GET", f"/v1/jobs/{job_id}"))[1]["outputs"][0]
    return output


async def opened(house: House, url: str, **headers: str) -> tuple[int, bytes, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with house.http.get(url, headers=named) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_a_link_opens_the_file_for_good_as_long_as_it_lasts(house: House) -> None:
    output = await made(house)
    status, data, headers = await opened(house, output["image_url"])
    assert (status, data, headers["Content-Type"]) == (200, PNG, "image/png")
    assert headers["Cache-Control"].endswith("immutable")
    assert headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in headers["Content-Security-Policy"]
    status, data, _ = await opened(house, output["image_url"], If_None_Match=headers["ETag"])
    assert (status, data) == (304, b"")


async def test_a_part_of_a_file_is_given_alone(house: House) -> None:
    url = (await made(house))["image_url"]
    status, data, headers = await opened(house, url, Range="bytes=1-3")
    assert (status, data, headers["Content-Range"]) == (206, PNG[1:4], f"bytes 1-3/{len(PNG)}")
    assert (await opened(house, url, Range="bytes=-2"))[1] == PNG[-2:]
    assert (await opened(house, url, Range="bytes=0-1", If_Range='"other"'))[0] == 200
    assert (await opened(house, url, Range="bytes=9999-"))[0] == 416


async def test_a_large_file_comes_whole(house: House) -> None:
    data = PNG + bytes(range(256)) * 12_000
    status, came, headers = await opened(house, (await made(house, data))["image_url"])
    assert (status, came, headers["Content-Length"]) == (200, data, str(len(data)))


async def test_a_thumbnail_is_a_small_picture(house: House) -> None:
    output = await made(house, picture(600))
    status, data, headers = await opened(house, output["thumbnail_url"])
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    assert max(Image.open(io.BytesIO(data)).size) == 256


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (("expires=", "expires=9"), 403, "link_forged"),
        (("signature=", "signature=0"), 403, "link_forged"),
        (("name=", "name=x"), 403, "link_forged"),
        (("?", "?thumbnail=1&"), 403, "link_forged"),
        (("?", "?disposition=attachment&"), 403, "link_forged"),
    ],
)
async def test_a_link_that_was_changed_opens_nothing(
    house: House, change: tuple[str, str], status: int, code: str
) -> None:
    url = (await made(house))["image_url"].replace(*change, 1)
    found, problem, _ = await house.ask("GET", url.removeprefix(house.url))
    assert (found, problem["code"]) == (status, code)


async def test_a_link_of_another_file_opens_nothing(house: House) -> None:
    one, other = (await made(house))["image_url"], (await made(house, PNG + b"2"))["sha256"]
    digest = one.rpartition("/")[2].partition("?")[0]
    assert (await opened(house, one.replace(digest, other)))[0] == 403
    assert (await opened(house, f"{house.url}/v1/assets/{digest}"))[0] == 403
    assert (await opened(house, f"{house.url}/v1/assets/..%2f..%2fetc%2fpasswd"))[0] == 404


async def test_a_credential_is_checked_without_keeping_the_file(house: House) -> None:
    headers = {"Content-Type": "image/png"}
    status, found, _ = await house.ask("POST", "/v1/provenance/verify", data=picture(), headers=headers)
    assert (status, found["state"], found["problems"]) == (200, "none", [])
    status, problem, _ = await house.ask("POST", "/v1/provenance/verify", data=b"nothing", headers=headers)
    assert (status, problem["code"]) == (422, "not_an_image")
