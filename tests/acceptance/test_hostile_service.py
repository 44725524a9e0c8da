"""The whole service against callers that mean harm: each is refused with its code, and nothing comes of it.

What is tried more closely where it is decided is not repeated here:

- documents (deep, a key twice, NUL, half characters, NaN, long numbers), paths, methods, media types, packed bodies:
  ``orchestrator/api/test_hostile.py``, ``test_reading.py``, and at OpenAI's addresses ``test_openai_hostile.py``
- what is no HTTP, ten thousand headers, callers that fall silent or leave: ``orchestrator/api/test_connections.py``
- every spelling of a private address: ``test_addresses.py``; redirects and names that change
  what they mean, at the client itself: ``test_targets.py``; forged and replayed deliveries: ``test_signing.py``
- each way to change a link: ``storage/assets/test_links.py``; names that would break out of a header:
  ``test_serving.py``; pictures that are none: ``test_uploads.py``
- names of pictures at the worker: ``runner/test_files.py``; providers that are hostile: ``nodes/test_hostile.py``
- that no secret gets into a graph, a picture or a job: ``test_secrets.py``
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mintmark.clock import utc_now
from mintmark.orchestrator.api.app import every_route
from mintmark.orchestrator.api.batches import MOST
from mintmark.orchestrator.api.routing import PATHS, Route
from mintmark.orchestrator.jobs.base import Filter
from mintmark.orchestrator.webhooks import resolving
from mintmark.storage.assets.folder import ARRIVING
from mintmark.storage.assets.links import Links
from mintmark.tests.orchestrator.api.test_openai_hostile import sent
from mintmark.tests.orchestrator.house import SIZE, ServiceHouse, service_house
from mintmark.tests.orchestrator.webhooks.receiver import receiving, saying

RUNS = "/v1/workflows/text-to-image/runs"
IMAGES = "/v1/images/generations"
ORDER: dict[str, Any] = {"inputs": {"prompt": "a teapot", **SIZE}}
WISH: dict[str, Any] = {"prompt": "a teapot", "size": SIZE}
NDJSON = {"Content-Type": "application/x-ndjson"}
METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path) as opened:
        yield opened


def key(house: ServiceHouse, *scopes: str, project: str = "acme") -> dict[str, str]:
    _, token = house.service.access.keys.create(scopes=scopes, project=project, user="mia")
    return {"Authorization": f"Bearer {token}"}


def jobs(house: ServiceHouse) -> int:
    return len(house.service.jobs.find(Filter()))


async def send(house: ServiceHouse, path: str, data: Any, **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with house.session.post(house.url + path, data=data, headers=named) as answer:
        return answer.status, await answer.json(content_type=None)


def kept(house: ServiceHouse) -> list[Path]:
    """Files that the service keeps of callers, those that are arriving too."""
    return [path for path in (house.service.settings.books_dir / "assets").rglob("*") if path.is_file()]


# -- names that lead elsewhere ----------------------------------------------------------------------------------------

UP = [
    "../../etc/passwd",
    "..\\..\\win.ini",
    "/etc/passwd",
    "upload:../../../etc/passwd",
    "file:///etc/passwd",
    "%2e%2e",
]


async def test_no_name_leads_out_of_its_folder(house: ServiceHouse) -> None:
    for name in UP:
        status, problem = await house.ask("POST", IMAGES, {**WISH, "image_to_image": {"init_image_url": name}})
        assert (status, problem["code"]) == (422, "invalid_input"), problem
        status, problem = await house.ask("POST", "/v1/workflows/image-edit/runs", {"inputs": {"image": name}})
        assert status in (404, 422) and problem["code"] in ("invalid_input", "unknown_workflow"), problem
        for body in ({"workflow": name}, {"workflow": "text-to-image", "version": name}):
            _, line = await send(house, "/v1/batches", json.dumps(body), **NDJSON)
            assert line["problem"]["code"] in ("invalid_input", "unknown_version", "unknown_alias"), line
        status, problem = await house.ask("POST", "/v1/workflows/validate", {"workflow": name})
        assert status in (404, 422), problem
    assert jobs(house) == 0 and kept(house) == []


async def test_a_file_s_name_is_taken_for_nothing(house: ServiceHouse, tmp_path: Path) -> None:
    head = b'Content-Disposition: form-data; name="file"; filename="../../../evil%0d%0aX-Evil: 1.png"'
    form = b"--x\r\n" + head + b"\r\n\r\n" + picture() + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with house.session.post(f"{house.url}/v1/uploads", data=form, headers=headers) as answer:
        assert answer.status == 201 and "X-Evil" not in answer.headers
        upload = await answer.json()
    assert [path.name for path in kept(house)] == [upload["sha256"]]
    assert [path for path in tmp_path.rglob("*") if "evil" in path.name] == []


# -- addresses that lead inside ---------------------------------------------------------------------------------------


async def test_a_picture_s_address_that_sends_on_to_where_nobody_may_go_is_refused(house: ServiceHouse) -> None:
    async with receiving(saying(302, Location=METADATA), saying(302, Location=METADATA)) as receiver:
        wish = {**WISH, "image_to_image": {"init_image_url": f"{receiver.url}/a.png"}}
        status, problem = await house.ask("POST", IMAGES, wish)
        assert (status, problem["code"]) == (422, "forbidden_target")
        status, problem = await house.ask("POST", "/v1/uploads", {"url": f"{receiver.url}/a.png"})
        assert (status, problem["code"]) == (422, "forbidden_target")
        assert len(receiver.got) == 2
    assert jobs(house) == 0 and kept(house) == []


class Turning:
    """A name that means this machine when it is first asked for, and the cloud's metadata from then on."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, host: str, port: int, family: int) -> list[tuple[int, int, str]]:
        self.asked += 1
        return [(socket.AF_INET, 0, "127.0.0.1" if self.asked == 1 else "169.254.169.254")]


async def test_a_name_that_means_another_address_the_next_time_is_refused_then(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "_ask", Turning())
    async with receiving(saying(200, "no picture")) as receiver:
        url = f"http://rebinding.example:{receiver.port}/"
        found = [await house.ask("POST", "/v1/uploads", {"url": url}) for _ in range(2)]
        assert [(status, problem["code"]) for status, problem in found] == [
            (422, "not_an_image"),
            (422, "forbidden_target"),
        ]
        assert len(receiver.got) == 1


async def test_a_webhook_is_not_sent_on_and_not_sent_inside(
    house: ServiceHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving(*[saying(307, Location=METADATA)] * 3) as receiver:
        _, job = await house.ask("POST", RUNS, {**ORDER, "webhook_url": f"{receiver.url}/hook"})
        await receiver.wait()
        [first] = await tried(house, job["job_id"])
        assert first["status"] == 307 and len(receiver.got) == 1
        turning = Turning()
        turning.asked = 1
        monkeypatch.setattr(resolving, "_ask", turning)
        order = {**ORDER, "webhook_url": f"http://rebinding.example:{receiver.port}/hook"}
        _, job = await house.ask("POST", RUNS, order)
        [attempt] = await tried(house, job["job_id"])
        assert attempt["status"] is None and "never called" in attempt["error"]
        assert len(receiver.got) == 1


async def tried(house: ServiceHouse, job_id: str) -> list[dict[str, Any]]:
    """The tries of the job's delivery, once there is one."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        _, page = await house.ask("GET", f"/v1/webhooks/deliveries?job_id={job_id}")
        for each in page["deliveries"]:
            _, told = await house.ask("GET", f"/v1/webhooks/deliveries/{each['delivery_id']}/attempts")
            if told["attempts"]:
                return list(told["attempts"])
        await asyncio.sleep(0.02)
    raise AssertionError("it was never tried")


async def test_a_forged_or_replayed_delivery_is_told_by_its_signature(house: ServiceHouse) -> None:
    secret = house.service.webhooks.rotate_secret(house.settings.project)
    other = house.service.webhooks.rotate_secret("globex")
    async with receiving() as receiver:
        await house.ask("POST", RUNS, {**ORDER, "webhook_url": receiver.url})
        [message] = await receiver.wait()
    headers = {name.lower(): value for name, value in message.headers.items()}
    assert Webhook(secret).verify(message.body, headers)["type"] == "job.succeeded"
    forged = [
        (message.body.replace(b"job.succeeded", b"job.failed"), headers),
        (message.body, {**headers, "webhook-id": "another"}),
        (message.body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 3600)}),
    ]
    for body, claimed in forged:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, claimed)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(message.body, headers)


# -- links ------------------------------------------------------------------------------------------------------------


async def test_a_link_that_was_altered_or_is_over_opens_nothing(house: ServiceHouse) -> None:
    job = await house.run()
    digest = job.outputs[0].asset
    links = Links(house.service.link_secrets, house.url)
    good = links.url(digest, expires_at=utc_now() + timedelta(hours=1), name="a")
    over = links.url(digest, expires_at=utc_now() - timedelta(seconds=1), name="a")
    stranger = Links((b"x" * 32,), house.url).url(digest, expires_at=utc_now() + timedelta(hours=1), name="a")
    query = urlsplit(good).query
    tries = {
        good: (200, None),
        over: (410, "link_expired"),
        stranger: (403, "link_forged"),
        good.replace("name=a", "name=b"): (403, "link_forged"),
        good.replace("name=a", "name=a&name=a"): (400, "malformed_request"),
        f"{good}&thumbnail=1": (403, "link_forged"),
        good.partition("?")[0]: (403, "link_forged"),
        f"{house.url}/v1/assets/{'0' * 64}?{query}": (403, "link_forged"),
    }
    for url, (status, code) in tries.items():
        async with house.session.get(url) as answer:
            found = None if answer.status == 200 else (await answer.json(content_type=None))["code"]
            assert (answer.status, found) == (status, code), url
    status, _ = await house.ask("DELETE", f"/v1/jobs/{job.job_id}")
    assert status == 204
    async with house.session.get(good) as answer:
        assert answer.status == 404


# -- what is too large ------------------------------------------------------------------------------------------------


def picture(size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("1", size).save(file, "PNG")
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, side: int = 8) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(b"\0" * 72)) + chunk(b"IEND", b"")
    )


PICTURES = {
    "a hundred megapixels": (picture((12_000, 9_000)), 413, "image_too_large"),
    "four gigapixels in its head": (png(side=65_535), 413, "image_too_large"),
    "words that unpack to a gigabyte": (
        png(chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2**27))),
        422,
        "not_an_image",
    ),
    "a page": (b"<svg onload=alert(1)>", 422, "not_an_image"),
}


@pytest.mark.parametrize(("data", "status", "code"), PICTURES.values(), ids=PICTURES.keys())
async def test_a_picture_that_would_unpack_to_too_much_is_not_unpacked(
    house: ServiceHouse, data: bytes, status: int, code: str
) -> None:
    found, problem = await send(house, "/v1/uploads", data, Content_Type="image/png")
    assert (found, problem["code"]) == (status, code)
    async with receiving(binary(data)) as receiver:
        wish = {**WISH, "image_to_image": {"init_image_url": receiver.url}}
        found, problem = await house.ask("POST", IMAGES, wish)
        assert (found, problem["code"]) == (status, code)
    assert kept(house) == [] and jobs(house) == 0


def binary(data: bytes) -> Any:
    async def answer(_request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(body=data)

    return answer


async def test_a_gigabyte_is_cut_off_before_it_fills_the_disk(house: ServiceHouse) -> None:
    house.service.uploads.most_bytes = 2_000_000
    host = {"Content-Type": "image/png"}
    told = {**host, "Content-Length": str(2**30)}
    status, problem, count = await sent(house, "/v1/uploads", told, (b"\0" * 65_536 for _ in range(16_384)))
    assert (status, problem["code"]) == (413, "request_too_large") and count < 50_000_000
    chunks = (b"10000\r\n" + b"\0" * 65_536 + b"\r\n" for _ in range(16_384))
    status, problem, count = await sent(house, "/v1/uploads", {**host, "Transfer-Encoding": "chunked"}, chunks)
    assert (status, problem["code"]) == (413, "request_too_large") and count < 50_000_000
    assert kept(house) == [] and not any((house.service.settings.books_dir / "assets" / ARRIVING).iterdir())


async def test_a_batch_has_its_bounds(house: ServiceHouse) -> None:
    answers = await batch(house, b"{}\n" * (MOST + 1))
    assert len(answers) == MOST + 1
    assert {each["problem"]["code"] for each in answers[:-1]} == {"invalid_input"}
    assert answers[-1]["problem"]["code"] == "request_too_large"
    [answer] = await batch(house, b'{"workflow": "' + b"x" * 10_000_000 + b'"}\n')
    assert answer["problem"]["code"] == "request_too_large"
    [answer] = await batch(house, gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip")
    assert answer["problem"]["code"] in ("request_too_large", "malformed_request")
    assert jobs(house) == 0


async def batch(house: ServiceHouse, data: bytes, **headers: str) -> list[dict[str, Any]]:
    named = {**NDJSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with house.session.post(f"{house.url}/v1/batches", data=io.BytesIO(data), headers=named) as answer:
        return [json.loads(line) for line in (await answer.read()).splitlines()]


async def test_a_word_that_is_too_long_ends_a_websocket(house: ServiceHouse) -> None:
    _, job = await house.ask("POST", RUNS, {**ORDER, "start_at": "2099-01-01T00:00:00Z"})
    async with house.session.ws_connect(f"{house.url}/v1/jobs/{job['job_id']}/ws") as watched:
        assert json.loads((await watched.receive(timeout=60)).data)["kind"] == "queued"
        await watched.send_str("x" * 5000)
        assert (await watched.receive(timeout=60)).data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


# -- documents --------------------------------------------------------------------------------------------------------

DOCUMENTS = {
    "deep": (b'{"inputs": ' + b'{"a":' * 100 + b"1" + b"}" * 101, 400, "malformed_request"),
    "a key twice": (b'{"prompt": "a", "prompt": "b"}', 400, "malformed_request"),
    "a key twice inside": (b'{"prompt": "a", "metadata": {"a": 1, "a": 2}}', 400, "malformed_request"),
    "NUL": (b'{"prompt": "a\\u0000"}', 422, "invalid_input"),
    "half a character": (b'{"prompt": "a", "user": "\\ud800"}', 422, "invalid_input"),
    "10^400": (b'{"prompt": "a", "seed": 1' + b"0" * 400 + b"}", 422, "invalid_input"),
    "NaN": (b'{"prompt": "a", "guidance": NaN}', 400, "malformed_request"),
    "endless": (b'{"prompt": "a", "guidance": 1e999}', 400, "malformed_request"),
    "an array for a text": (b'{"prompt": ["a"]}', 422, "invalid_input"),
}


async def test_a_hostile_document_orders_nothing(house: ServiceHouse) -> None:
    for name, (body, status, code) in DOCUMENTS.items():
        found, problem = await send(house, IMAGES, body, Content_Type="application/json")
        assert (found, problem["code"]) == (status, code), (name, problem)
    assert jobs(house) == 0


async def test_a_key_of_the_query_that_stands_twice_is_refused(house: ServiceHouse) -> None:
    for query in ("limit=1&limit=2", "metadata.a=1&metadata.a=2"):
        status, problem = await house.ask("GET", f"/v1/jobs?{query}")
        assert (status, problem["code"]) == (400, "malformed_request")
    status, problem = await house.ask("GET", "/v1/jobs?user=a%00b")
    assert (status, problem["code"]) == (422, "invalid_input")


async def test_lines_in_what_a_caller_says_stay_within_it(house: ServiceHouse) -> None:
    evil = "a\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200"
    async with receiving() as receiver:
        order = {**ORDER, "metadata": {"a": evil, evil[:20]: 1}, "user": evil, "webhook_url": receiver.url}
        async with house.session.post(house.url + RUNS, json=order) as answer:
            assert answer.status == 202 and "X-Evil" not in answer.headers
            job_id = (await answer.json())["job_id"]
        [message] = await receiver.wait()
        assert "X-Evil" not in message.headers
    async with house.session.get(f"{house.url}/v1/jobs/{job_id}") as answer:
        job = await answer.json()
        assert "X-Evil" not in answer.headers and job["metadata"]["a"] == evil
    async with house.session.get(job["outputs"][0]["image_url"]) as answer:
        assert answer.status == 200 and "X-Evil" not in answer.headers


# -- who may what -----------------------------------------------------------------------------------------------------

SCOPES = {"submit", "read", "publish", "review"}


def filled(route: Route) -> str:
    return route.path.format(**{name: PATHS[name].example or "0" * 64 for name in PATHS})


async def test_no_route_is_open_to_a_key_without_its_scope(house: ServiceHouse) -> None:
    bodies = {"json": {}}
    for route in every_route():
        if route.scope is None:
            continue
        headers = key(house, *(SCOPES - {route.scope, route.also}))
        async with house.session.request(route.method, house.url + filled(route), headers=headers, **bodies) as answer:
            assert answer.status == 403, route.path
            told = await answer.json(content_type=None)
            assert "not_allowed" in (told.get("code"), told.get("error", {}).get("code")), route.path


async def test_what_is_of_one_project_is_nothing_to_another(house: ServiceHouse) -> None:
    acme, globex = (key(house, *SCOPES, project=name) for name in ("acme", "globex"))
    upload = (await send(house, "/v1/uploads", picture(), Content_Type="image/png", **acme))[1]
    async with receiving() as receiver:
        _, job = await house.ask("POST", RUNS, {**ORDER, "webhook_url": receiver.url}, headers=acme)
        await receiver.wait()
    path = f"/v1/jobs/{job['job_id']}"
    tries = [("GET", path), ("GET", f"{path}/events"), ("GET", f"{path}/ws"), ("DELETE", path)]
    tries += [("POST", f"{path}/{tail}") for tail in ("cancel", "retry", "outputs/0/accept", "outputs/0/reject")]
    tries += [("GET", f"/v1/uploads/{upload['sha256']}")]
    for method, where in tries:
        body = {} if "outputs" in where else None
        status, problem = await house.ask(method, where, body, headers=globex)
        assert status == 404, (method, where, problem)
    for picked in (upload["id"], upload["sha256"]):
        wish = {**WISH, "image_to_image": {"init_image_url": picked}}
        status, problem = await house.ask("POST", IMAGES, wish, headers=globex)
        assert (status, problem["code"]) == (422, "invalid_input")
    await house.ask("DELETE", f"/v1/uploads/{upload['sha256']}", headers=globex)
    assert (await house.ask("GET", f"/v1/uploads/{upload['sha256']}", headers=acme))[0] == 200
    for where, what in (("/v1/jobs", "jobs"), ("/v1/webhooks/deliveries", "deliveries")):
        assert (await house.ask("GET", where, headers=globex))[1][what] == []
        assert len((await house.ask("GET", where, headers=acme))[1][what]) == 1
    status, problem = await house.ask("POST", RUNS, {**ORDER, "supersedes": job["job_id"]}, headers=globex)
    assert (status, problem["field"]) == (422, "supersedes")
    for name in ("project", "api_key"):
        _, usage = await house.ask("GET", f"/v1/usage?by={name}", headers=globex)
        assert usage["lines"] == []
    assert (await house.ask("GET", path, headers=acme))[1]["status"] == "succeeded"


async def test_a_page_of_somebody_else_orders_nothing_where_there_are_no_keys(house: ServiceHouse) -> None:
    """A form needs nobody's leave to be sent to this machine from any page that is open on it."""
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        form = aiohttp.FormData({"prompt": "a teapot"})
        form.add_field("image", picture(), filename="a.png", content_type="image/png")
        async with house.session.post(
            f"{house.url}/openai/v1/images/edits", data=form, headers={"Origin": origin}
        ) as answer:
            assert answer.status == 401
        status, _ = await house.ask("POST", RUNS, ORDER, headers={"Origin": origin})
        assert status == 401
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await house.session.ws_connect(f"{house.url}/v1/jobs/{'0' * 8}-0000-0000-0000-{'0' * 12}/ws", origin=origin)
    assert jobs(house) == 0 and kept(house) == []
    status, _ = await house.ask("POST", RUNS, ORDER, headers={"Origin": house.url})
    assert status == 202


async def test_fifty_at_once_under_one_key_are_one_job_and_one_bill(house: ServiceHouse) -> None:
    headers = {**key(house, "submit", "read"), "Idempotency-Key": "same"}
    found = await asyncio.gather(*(house.ask("POST", RUNS, ORDER, headers=headers) for _ in range(50)))
    assert {status for status, _ in found} == {202} and len({job["job_id"] for _, job in found}) == 1
    assert jobs(house) == 1
    await house.ended(found[0][1]["job_id"])
    assert len(await house.calls()) == 1


# -- what gets into the log -------------------------------------------------------------------------------------------


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    for name in ("mintmark", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


async def test_no_secret_gets_into_the_log_whatever_is_asked(
    house: ServiceHouse, everything: pytest.LogCaptureFixture
) -> None:
    admin = key(house, "admin")
    secret = (await house.ask("POST", "/v1/webhooks/secret/rotate", {}, headers=admin))[1]["secret"]
    _, made = await house.ask("POST", "/v1/keys", {"name": "a", "scopes": ["submit"]}, headers=admin)
    async with receiving(saying(500)) as receiver:
        hook = f"{receiver.url}/hook?token=hunter2"
        _, job = await house.ask("POST", RUNS, {**ORDER, "webhook_url": hook}, headers=admin)
        [message] = await receiver.wait()
    output = (await house.ask("GET", f"/v1/jobs/{job['job_id']}", headers=admin))[1]["outputs"][0]
    for url in (output["image_url"], output["image_url"] + "0", output["thumbnail_url"]):
        async with house.session.get(url) as answer:
            await answer.read()
    for header in (admin["Authorization"] + "x", "Basic aHVudGVyMg=="):
        assert (await house.ask("GET", "/v1/jobs", headers={"Authorization": header}))[0] == 401
    signature = next(part for part in urlsplit(output["image_url"]).query.split("&") if part.startswith("signature="))
    secrets = [admin["Authorization"].removeprefix("Bearer "), made["token"], secret, "hunter2", "aHVudGVyMg"]
    secrets += [signature.removeprefix("signature="), message.headers["webhook-signature"]]
    written = everything.text + "".join(repr(vars(record)) for record in everything.records)
    assert everything.records and [each for each in secrets if each in written] == []
