"""A file that was taken down is given no more, nor what is the same or looks like it; the withheld can come back."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from mintmark.bench.harness.scenes import scene
from mintmark.errors import OutputBlocked, WrongState
from mintmark.orchestrator.content import holds
from mintmark.orchestrator.content.takedowns import Takedowns
from mintmark.orchestrator.dispatch.keeping import keep
from mintmark.orchestrator.execution.delivery import Brought, Seen
from mintmark.orchestrator.jobs.states import State
from mintmark.provenance.sameness import same
from mintmark.provenance.sniffing import after_tag

from ..house import ServiceHouse


def picture(seed: int, *, quality: int | None = None) -> bytes:
    file = io.BytesIO()
    image = scene(seed, 256)
    image.save(file, "PNG") if quality is None else image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def brought(data: bytes) -> Brought:
    import hashlib

    return Brought(
        name="image.png",
        output="image",
        data=data,
        media_type="image/png",
        verdict=None,
        sha256=hashlib.sha256(data).hexdigest(),
        width=256,
        height=256,
        credential=Seen(state="none", issuer=None),
        record={},
    )


SAMPLES = Path(__file__).parents[2] / "provenance" / "samples"


async def run(house: ServiceHouse) -> dict[str, str]:
    """A job by the API; the addresses of its one file."""
    body = {"inputs": {"prompt": "a teapot", "width": 256, "height": 256, "seed": 7}}
    headers = {"Prefer": "wait=60"}
    status, job = await house.ask("POST", "/v1/workflows/text-to-image/runs", body, headers=headers)
    assert (status, job["status"]) == (200, "succeeded"), job
    return dict(job["outputs"][0]) | {"job_id": job["id"] if "id" in job else job["job_id"]}


async def opened(house: ServiceHouse, url: str) -> int:
    async with house.session.get(url) as reply:
        await reply.read()
        return reply.status


@pytest.mark.parametrize("mode", ["withheld", "deleted"])
async def test_its_links_answer_410_and_it_is_given_back_only_where_it_was_withheld(
    house: ServiceHouse, mode: str
) -> None:
    made = await run(house)
    digest, url = made["sha256"], made["image_url"]
    small = made.get("thumbnail_url") or url
    assert (await opened(house, url), await opened(house, small)) == (200, 200)
    body = {"sha256": digest, "mode": mode, "reason": "A court said so."}
    status, taken = await house.ask("POST", "/v1/takedowns", body)
    assert (status, taken["mode"], taken["undone_at"]) == (201, mode, None)
    assert (await opened(house, url), await opened(house, small)) == (410, 410)
    assert not house.service.assets.exists(digest)
    assert (await house.ask("POST", "/v1/takedowns", body))[0] == 409
    status, _ = await house.ask("DELETE", f"/v1/takedowns/{taken['takedown_id']}")
    again = await opened(house, url)
    assert (status, again) == ((200, 200) if mode == "withheld" else (409, 410))
    acts = [entry.action for entry in await house.service.access.audited(limit=5)]
    assert "takedown" in acts
    assert ("takedown.undone" in acts) is (mode == "withheld")


async def test_the_same_is_not_made_again_and_no_cache_gives_it(house: ServiceHouse) -> None:
    wanted = {"values": {"prompt": "a teapot", "seed": 7}, "cache_key": "the same"}
    job = await house.run(**wanted)
    assert house.service.jobs.cached("the same") is not None
    take(house.service.takedowns, job.outputs[0].asset, by_look=True)
    await house.service.forget_elsewhere()
    assert house.service.jobs.cached("the same") is None
    again = await house.run(**wanted)
    assert (again.state, again.failure and again.failure.code) == (State.FAILED, "output_blocked")
    assert again.failure is not None and "taken down" in again.failure.message
    other = await house.run(values={"prompt": "quite another thing", "seed": 8})
    assert other.state is State.SUCCEEDED


async def test_what_is_made_and_signed_again_is_the_same_without_its_look(house: ServiceHouse) -> None:
    wanted = {"values": {"prompt": "a teapot", "seed": 7}}
    job, twin = await house.run(**wanted), await house.run(**wanted)
    assert job.outputs[0].asset != twin.outputs[0].asset  # each signing gives other bytes
    take(house.service.takedowns, job.outputs[0].asset)
    again = await house.run(**wanted)
    assert (again.state, again.failure and again.failure.code) == (State.FAILED, "output_blocked")
    other = await house.run(values={"prompt": "a teapot", "seed": 8})
    assert other.state is State.SUCCEEDED


async def test_what_was_withheld_by_an_earlier_release_is_known_by_what_it_holds_from_now_on(
    house: ServiceHouse,
) -> None:
    its = house.service
    [made] = keep([brought(picture(5))], its.assets)
    taken = take(its.takedowns, made.asset)
    its.store.transact(lambda db: db.run("UPDATE takedowns SET content = ''"))
    its.takedowns._enforced.clear()
    its.takedowns.refresh()
    [known] = [each for each in its.takedowns.all() if each.takedown_id == taken]
    assert known.content == same(picture(5), max_pixels=10**6)


async def test_what_has_no_pixels_is_known_by_what_is_heard(house: ServiceHouse) -> None:
    sound = (SAMPLES / "tone.mp3").read_bytes()
    [made] = keep([brought(sound)], house.service.assets)
    take(house.service.takedowns, made.asset)
    tagged = b"ID3\x04\0\0\0\0\0\x04abcd" + sound[after_tag(sound) if sound[:3] == b"ID3" else 0 :]
    bar = house.service.takedowns.bar()
    assert bar is not None
    with pytest.raises(OutputBlocked, match="taken down"):
        bar([brought(tagged)])
    bar([brought(b"ID3\x04\0\0\0\0\0\x04abcd another sound")])


def take(takedowns: Takedowns, asset: str, *, by_look: bool = False, mode: str = "withheld") -> str:
    return takedowns.take(asset, mode=mode, by_look=by_look, reason="it was asked for", actor="test").takedown_id  # type: ignore[arg-type]


async def test_what_looks_like_it_is_withheld_too_until_it_is_undone(house: ServiceHouse) -> None:
    takedowns, assets = house.service.takedowns, house.service.assets
    [made] = keep([brought(picture(1))], assets)
    assert takedowns.bar() is None  # nobody waits for it while nothing is taken down
    taken = take(takedowns, made.asset, by_look=True)
    bar = takedowns.bar()
    assert bar is not None
    for copy in (picture(1), picture(1, quality=60)):
        with pytest.raises(OutputBlocked, match="taken down"):
            bar([brought(copy)])
    bar([brought(picture(2)), brought(b"no picture at all")])
    takedowns.undo(taken, actor="test")
    assert takedowns.bar() is None
    assert assets.exists(made.asset)


async def test_what_another_service_took_down_is_gone_here_a_moment_later(house: ServiceHouse) -> None:
    its = house.service
    [made] = keep([brought(picture(3))], its.assets)
    other = Takedowns(its.store, its.jobs, Nothing(), its.thumbnails, Nothing(), max_pixels=10**6)  # type: ignore[arg-type]
    take(other, made.asset)
    while its.assets.exists(made.asset):
        await asyncio.sleep(0.05)
    assert its.takedowns.bar() is not None


class Nothing:
    """Assets of a machine that has none of them."""

    def read(self, digest: str) -> bytes:
        from mintmark.storage.assets.base import unknown

        raise unknown(digest)

    def delete(self, digest: str) -> bool:
        return False


async def test_a_picture_that_was_taken_down_cannot_be_uploaded_again(house: ServiceHouse) -> None:
    data = picture(4)
    upload = house.service.uploads.add(data, "")
    take(house.service.takedowns, upload.digest)
    headers = {"Content-Type": "image/png"}
    async with house.session.post(f"{house.url}/v1/uploads", data=data, headers=headers) as reply:
        assert (reply.status, (await reply.json())["code"]) == (410, "taken_down")
    assert not house.service.assets.exists(upload.digest)


async def test_what_is_under_legal_hold_is_withheld_and_never_deleted(house: ServiceHouse) -> None:
    job = await house.run()
    its, asset = house.service, job.outputs[0].asset
    at = its.access._now()
    its.store.transact(lambda db: holds.hold(db, "job", job.job_id, reason="a case", actor="test", at=at))
    with pytest.raises(WrongState, match="legal hold"):
        take(its.takedowns, asset, mode="deleted")
    assert its.assets.exists(asset)
    take(its.takedowns, asset)
    assert not its.assets.exists(asset)
    assert its.jobs.elsewhere() == []  # what workers have of it stays, too


async def test_a_copy_of_a_job_s_file_is_named_by_what_it_looks_like(house: ServiceHouse) -> None:
    job = await house.run()
    book = house.service.lookbook
    while await asyncio.to_thread(book.note) or not await asyncio.to_thread(looks_of, house):
        await asyncio.sleep(0.05)
    with Image.open(io.BytesIO(house.service.assets.read(job.outputs[0].asset))) as image:
        small = image.convert("RGB").resize((128, 128))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=60)
    headers = {"Content-Type": "image/jpeg"}
    async with house.session.post(f"{house.url}/v1/provenance/verify", data=file.getvalue(), headers=headers) as reply:
        told = await reply.json()
    assert (told["state"], [each["job_id"] for each in told["alike"]]) == ("none", [job.job_id])
    assert f"image 0 of job {job.job_id}" in told["alike"][0]["words"]
    assert "signed on" in told["alike"][0]["words"]
    house.service.jobs.purge(job.job_id)
    assert book.find(file.getvalue()) == []


def looks_of(house: ServiceHouse) -> int:
    return len(house.service.store.read(lambda db: db.run("SELECT asset FROM looks")))
