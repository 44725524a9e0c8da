"""A file has a verdict and a credential, or it is not made."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any, ClassVar

import c2pa
import pytest

from mintmark.clock import utc_now
from mintmark.errors import OutputBlocked, TimestampFailed
from mintmark.generation.sealing import Draft, seal, sign_unjudged
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import load as load_policy
from mintmark.moderation.verdict import Subject
from mintmark.provenance.reading import read, read_beside
from mintmark.sandbox import Sandbox

from ..provenance import tsa
from .lab import Lab, open_lab
from .test_pictures import image

FILM = (Path(tsa.__file__).parent / "samples" / "clip.mp4").read_bytes()


class Counting(Checker):
    """Finds this much violence in every image, and counts how often it is asked."""

    name: ClassVar[str] = "openai"
    subjects: ClassVar[frozenset[Subject]] = frozenset({"image"})

    @classmethod
    def open(cls, connect: Connect) -> None:
        """Tests make it themselves."""

    def __init__(self, violence: float) -> None:
        self.violence, self.asked = violence, 0

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise AssertionError("nobody asks it about texts")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        self.asked += 1
        return Scores(scores={"violence": self.violence})


def use(lab: Lab, violence: float) -> Counting:
    checker = Counting(violence)
    lab.engine._moderators["standard"] = Moderator(load_policy("standard"), {"openai": checker}, utc_now)
    return checker


async def test_an_image_that_was_judged_when_it_was_made_is_not_judged_again(lab: Lab) -> None:
    checker = use(lab, 0.0)
    job = lab.job()
    made = await lab.generate(job)
    (picture,) = made.pictures
    sealed = await seal(lab.engine, job, Draft(data=image(), title="a", record=made.record, source=picture))
    assert checker.asked == 1
    assert sealed.verdict.digest == picture.output.sha256
    assert (sealed.width, sealed.height, sealed.media_type) == (20, 10, "image/png")


async def test_an_image_that_was_changed_since_is_judged_anew(lab: Lab) -> None:
    checker = use(lab, 0.0)
    job = lab.job()
    made = await lab.generate(job)
    draft = Draft(data=image(), title="a", record=made.record, source=made.pictures[0], edited=True)
    await seal(lab.engine, job, draft)
    await seal(lab.engine, job, draft)
    assert checker.asked == 2


async def test_a_blocked_image_is_no_file(lab: Lab) -> None:
    use(lab, 0.99)
    with pytest.raises(OutputBlocked):
        await seal(lab.engine, lab.job(), Draft(data=image(), title="a"))


async def test_texts_are_in_the_file_before_it_is_signed(lab: Lab) -> None:
    use(lab, 0.0)
    sealed = await seal(lab.engine, lab.job(), Draft(data=image(), title="a", texts={"prompt": '{"1": {}}'}))
    assert b'{"1": {}}' in sealed.data


async def test_what_may_be_learned_from_a_file_is_said_by_policy(tmp_path: Path, sandbox: Sandbox) -> None:
    for said in ({}, {"ai_training": "notAllowed", "data_mining": "allowed"}):
        async with open_lab(tmp_path, sandbox, training_mining=said) as lab:
            use(lab, 0.0)
            sealed = await seal(lab.engine, lab.job(), Draft(data=image(), title="a"))
            film = await sign_unjudged(lab.engine, Draft(data=FILM, title="a.mp4", media_type="video/mp4"))
        for data, media_type in ((sealed.data, "image/png"), (film.data, "video/mp4")):
            found = [each for each in assertions(data, media_type) if each["label"] == "cawg.training-mining"]
            wanted = {f"cawg.{use}": {"use": word} for use, word in said.items()}
            assert [each["data"]["entries"] for each in found] == ([wanted] if said else [])


def assertions(data: bytes, media_type: str) -> list[dict[str, Any]]:
    with c2pa.Reader(media_type, io.BytesIO(data)) as reader:
        found: list[dict[str, Any]] = (reader.get_active_manifest() or {})["assertions"]
        return found


async def test_what_cannot_be_judged_is_signed_within_or_beside(lab: Lab) -> None:
    within = await sign_unjudged(lab.engine, Draft(data=FILM, title="a.mp4", media_type="video/mp4"))
    beside = await sign_unjudged(lab.engine, Draft(data=b"words", title="a.txt", media_type="text/plain"))
    assert (read(within.data).state, within.sidecar) == ("valid", None)
    assert beside.data == b"words"
    assert read_beside(beside.data, beside.sidecar or b"").state == "valid"


async def test_an_authority_that_says_nothing_holds_up_neither_the_loop_nor_other_threads(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    with tsa.serving(tsa.Authority()) as clock:
        clock.manner = "silent"
        async with open_lab(tmp_path, sandbox, timestamp_url=clock.url, timestamp_timeout_s=2.0) as lab:
            use(lab, 0.0)
            job = lab.job()
            drafts = [Draft(data=image(), title=f"{number}") for number in range(40)]
            sealing = asyncio.gather(*(seal(lab.engine, job, draft) for draft in drafts))
            while clock.asked < 8:
                await asyncio.sleep(0.01)
            # As many wait as the default threads of a loop are: they would all be taken.
            assert await asyncio.to_thread(lambda: "here") == "here"
            assert not sealing.done()
            sealed = await sealing
    assert {each.note.partition(":")[0] for each in sealed} == {"without a timestamp"}
    assert {read(each.data).state for each in sealed} == {"valid"}


async def test_a_timestamp_that_is_required_and_does_not_come_leaves_no_file(tmp_path: Path, sandbox: Sandbox) -> None:
    with tsa.serving(tsa.Authority()) as clock:
        wanted = {"timestamp_url": clock.url, "timestamp_policy": "require", "timestamp_timeout_s": 20.0}
        async with open_lab(tmp_path, sandbox, **wanted) as lab:
            use(lab, 0.0)
            stamped = await seal(lab.engine, lab.job(), Draft(data=image(), title="a"))
            clock.manner = "failing"
            with pytest.raises(TimestampFailed, match="503"):
                await seal(lab.engine, lab.job(), Draft(data=image(), title="a"))
    stamp = read(stamped.data, anchors_pem=clock.authority.root_pem).timestamp
    assert stamp is not None
    assert stamp.trusted
