"""What a policy wants a person to look at is withheld until somebody accepts it, on every way out; and whose pictures
may be references."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from mintmark.orchestrator.jobs.job import Made
from mintmark.provenance.reading import read

from ..house import service_house
from .stand_in import PNG, House
from .test_books import bearer


async def withheld(house: House, headers: dict[str, str], **changes: Any) -> str:
    """A job with an output that waits for a person; the job's path."""
    _, body, _ = await house.ask(
        "POST", "/v1/workflows/text-to-image/runs", json={"inputs": {"prompt": "x"}}, headers=headers
    )
    plain = house.service.made

    def made(data: bytes) -> Made:
        return plain(data).model_copy(update={"verdict": {"decision": "review", "categories": ["nudity"]}, **changes})

    house.service.made = made
    house.service.run_next(data=PNG)
    house.service.made = plain
    return f"/v1/jobs/{body['job_id']}"


async def test_only_who_may_review_sees_what_waits_for_a_person(house: House) -> None:
    artist, reviewer = bearer(house, "submit", "read"), bearer(house, "read", "review")
    path = await withheld(house, artist)
    (output,) = (await house.ask("GET", path, headers=artist))[1]["outputs"]
    assert (output["withheld"], output["image_url"], output["thumbnail_url"]) == (True, None, None)
    assert output["safety"] == {"allowed": False, "categories": ["nudity"]}
    (page,) = (await house.ask("GET", "/v1/jobs", headers=artist))[1]["jobs"]
    assert page["outputs"][0]["image_url"] is None
    (seen,) = (await house.ask("GET", path, headers=reviewer))[1]["outputs"]
    async with house.http.get(seen["image_url"]) as file:
        assert await file.read() == PNG


async def test_once_accepted_it_is_anybodys_and_once_rejected_nobodys(house: House) -> None:
    artist, reviewer = bearer(house, "submit", "read"), bearer(house, "read", "review")
    path = await withheld(house, artist)
    await house.ask("POST", f"{path}/outputs/0/reject", json={"reason": "no"}, headers=reviewer)
    (output,) = (await house.ask("GET", path, headers=artist))[1]["outputs"]
    assert (output["withheld"], output["image_url"], output["accepted"]) == (True, None, False)
    await house.ask("POST", f"{path}/outputs/0/accept", json={}, headers=reviewer)
    (output,) = (await house.ask("GET", path, headers=artist))[1]["outputs"]
    assert (output["withheld"], output["safety"]["allowed"]) == (False, True)
    async with house.http.get(output["image_url"]) as file:
        assert file.status == 200


async def test_who_may_only_review_sees_what_they_are_to_judge(house: House) -> None:
    path = await withheld(house, bearer(house, "submit", "read"))
    reviewer = bearer(house, "review")
    (seen,) = (await house.ask("GET", path, headers=reviewer))[1]["outputs"]
    async with house.http.get(seen["image_url"]) as file:
        assert await file.read() == PNG
    for other in ("/v1/jobs", f"{path}/why", f"{path}/events"):
        assert (await house.ask("GET", other, headers=reviewer))[0] == 403
    stranger = bearer(house, "review", project="globex")
    assert (await house.ask("GET", path, headers=stranger))[0] == 404


async def test_a_word_on_an_output_is_one_event_and_one_row_of_the_log(house: House) -> None:
    reviewer = bearer(house, "review")
    path = await withheld(house, bearer(house, "submit", "read"))
    job_id = path.rpartition("/")[2]
    before = len(house.service.jobs.events(job_id))
    await house.ask("POST", f"{path}/outputs/0/reject", json={"reason": "no"}, headers=reviewer)
    assert (await house.ask("DELETE", path, headers=bearer(house, "submit")))[0] == 204
    rejected, purged = house.service.jobs.events(job_id)[before:]
    await house.service.access.tend()
    told = [(row.action, row.actor) for row in await house.service.access.audited() if row.target == job_id]
    assert told[:2] == [("job.purged", purged.data["by"]), ("output.rejected", rejected.data["by"])]
    assert rejected.data == {"index": 0, "by": rejected.data["by"]}


async def test_what_was_rejected_is_given_to_nobody_else_until_it_is_accepted(house: House) -> None:
    body = {"inputs": {"prompt": "x", "seed": 1}, "cache": True}

    async def cached() -> bool:
        _, made, _ = await house.ask("POST", "/v1/workflows/text-to-image/runs", json=body)
        return bool((await house.ask("GET", f"/v1/jobs/{made['job_id']}"))[1]["cached"])

    _, made, _ = await house.ask("POST", "/v1/workflows/text-to-image/runs", json=body)
    house.service.run_next(data=PNG)
    path = f"/v1/jobs/{made['job_id']}/outputs/0"
    assert await cached()
    await house.ask("POST", f"{path}/reject", json={})
    assert not await cached()
    await house.ask("POST", f"{path}/accept", json={})
    assert await cached()


async def test_who_may_not_review_cannot_accept_their_own(house: House) -> None:
    artist = bearer(house, "submit", "read")
    path = await withheld(house, artist)
    status, problem, _ = await house.ask("POST", f"{path}/outputs/0/accept", json={}, headers=artist)
    assert (status, problem["code"]) == (403, "not_allowed")


# -- a whole service under a policy that reviews or blurs ------------------------------------------------------------


def policy(folder: Path, **thresholds: Any) -> str:
    """A policy that does so with what the sandbox scores as violence: a picture that is all red, the word `bloody`."""
    path = folder / "careful.json"
    data = {
        "name": "careful",
        "version": "1.0.0",
        "prompt_checkers": ["rules", "openai"],
        "image_checkers": ["openai"],
        "categories": {"violence": thresholds},
    }
    path.write_text(json.dumps(data))
    return str(path)


async def test_openais_client_is_told_that_a_person_has_to_accept_it_and_gets_no_byte(tmp_path: Path) -> None:
    settings = {"policy": policy(tmp_path, review_at=0.5)}
    async with service_house(tmp_path, settings=settings) as house:
        client = AsyncOpenAI(base_url=f"{house.url}/openai/v1", api_key="unused", max_retries=0)
        with pytest.raises(openai.APIStatusError) as caught:
            await client.images.generate(prompt="a bloody knight", size="256x256")
        assert (caught.value.status_code, caught.value.code) == (403, "output_withheld")
        job = await house.job(caught.value.response.headers["x-request-id"])
        assert job.state.value == "succeeded"
        assert job.outputs[0].withheld
        stream = await client.images.generate(prompt="a bloody knight", size="256x256", stream=True)
        with pytest.raises(openai.APIError, match="has to accept the image"):
            _ = [event async for event in stream]
        await client.close()


async def test_a_webhook_of_a_withheld_output_has_no_link(tmp_path: Path) -> None:
    async with service_house(tmp_path, settings={"policy": policy(tmp_path, review_at=0.5)}) as house:
        job = await house.run(values={"prompt": "a bloody knight"})
        assert job.outputs[0].withheld
        (told,) = house.service.describe(job)["outputs"]
        assert (told["withheld"], told["image_url"], told["thumbnail_url"]) == (True, None, None)


async def test_what_a_prompt_wants_blurred_is_delivered_blurred_and_signed(tmp_path: Path) -> None:
    async with service_house(tmp_path, settings={"policy": policy(tmp_path, blur_at=0.5)}) as house:
        clear = await house.run(values={"prompt": "a knight"})
        job = await house.run(values={"prompt": "a bloody knight"})
        verdicts = [each.outputs[0].verdict for each in (clear, job)]
        assert [verdict and verdict["decision"] for verdict in verdicts] == ["allowed", "blurred"]
        data = house.service.assets.read(job.outputs[0].asset)
        pixels = np.asarray(Image.open(BytesIO(data)).convert("L"), dtype=np.int16)
        assert abs(np.diff(pixels, axis=0)).max() < 25
        credential = read(data)
        assert credential.state == "valid"
        assert [each.action for each in credential.actions][:2] == ["c2pa.opened", "c2pa.filtered"]


# -- references -------------------------------------------------------------------------------------------------------


def own_only(house: House, folder: Path) -> None:
    path = folder / "house.json"
    path.write_text(json.dumps({"references": "own_uploads"}))
    house.service.settings = house.service.settings.with_(house_rules=path)


def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 64), (20, 120, 90)).save(file, "PNG")
    return file.getvalue()


async def edit(house: House, url: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    body = {"prompt": "night", "model": "fal/flux-2-pro", "image_to_image": {"init_image_url": url}}
    status, answer, _ = await house.ask("POST", "/v1/images/generations", json=body, headers=headers)
    return status, answer


async def test_a_reference_is_an_upload_of_the_same_key_or_it_is_refused(house: House, tmp_path: Path) -> None:
    own_only(house, tmp_path)
    one, other = bearer(house, "submit", "read"), bearer(house, "submit", "read")
    _, mine, _ = await house.ask("POST", "/v1/uploads", data=picture(), headers={**one, "Content-Type": "image/png"})
    status, problem = await edit(house, "https://example.com/style.png", one)
    assert (status, problem["code"], problem["field"]) == (422, "reference_refused", "image_to_image.init_image_url")
    assert (await edit(house, mine["id"], other))[0] == 422
    assert (await edit(house, mine["id"], one))[0] == 202
    data = base64.b64encode(picture()).decode()
    assert (await edit(house, f"data:image/png;base64,{data}", other))[0] == 202


async def test_another_keys_job_is_not_ordered_again_with_its_pictures(house: House, tmp_path: Path) -> None:
    one, other = bearer(house, "submit", "read"), bearer(house, "submit", "read")
    _, mine, _ = await house.ask("POST", "/v1/uploads", data=picture(), headers={**one, "Content-Type": "image/png"})
    _, job = await edit(house, mine["id"], one)
    await house.ask("POST", f"/v1/jobs/{job['job_id']}/cancel", headers=one)
    own_only(house, tmp_path)
    status, problem, _ = await house.ask("POST", f"/v1/jobs/{job['job_id']}/retry", headers=other)
    assert (status, problem["code"]) == (422, "reference_refused")
    assert (await house.ask("POST", f"/v1/jobs/{job['job_id']}/retry", headers=one))[0] == 202


# -- house rules at the door ------------------------------------------------------------------------------------------


async def test_the_houses_words_are_refused_before_a_job_is_accepted(house: House, tmp_path: Path) -> None:
    path = tmp_path / "house.json"
    path.write_text(json.dumps({"block": {"terms": ["acme cola"]}}))
    house.service.settings = house.service.settings.with_(house_rules=path)
    body = {"inputs": {"prompt": "a bottle of Acme-Cola"}}
    status, problem, _ = await house.ask("POST", "/v1/workflows/text-to-image/runs", json=body)
    assert (status, problem["code"]) == (422, "prompt_blocked")
    path.write_text(json.dumps({"block": {"terms": []}, "references": "any"}))
    assert (await house.ask("POST", "/v1/workflows/text-to-image/runs", json=body))[0] == 202
